"""``affekt archive`` as it is typed."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from affekt.cli import main
from affekt.cli.archive import archive


def typed(*arguments):
    done = CliRunner().invoke(main, ["archive", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module", params=["parquet", "jsonl"])
def out(request, clips, tmp_path_factory):
    """An archive of four recordings of two speakers, one of them broken."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("archive")
    for path in [*clips[:2], *clips[6:8]]:
        shutil.copy(path, folder)
    (folder / "broken.wav").write_bytes(b"no sound")
    rows = [f"{path.name},{path.stem[-2:]}" for path in sorted(folder.glob("0*.wav"))]
    (folder / "m.csv").write_text("uri,speaker\n" + "\n".join([*rows, "broken.wav,99"]) + "\n")
    status, stdout, stderr = typed(
        "run", folder / "m.csv", "-o", folder / "out", "--model", "voice-small", "--format", request.param,
        "--workers", 1, "--metrics", folder / "affekt.prom",
    )  # fmt: skip
    assert (status, stderr) == (1, "")
    assert "5 records" in stdout and "1 failed (unreadable 1): their records say why" in stdout
    assert 'affekt_archive_failed_records{kind="unreadable"} 1' in (folder / "affekt.prom").read_text()
    return folder / "out"


def test_status_says_how_far_it_is(out):
    status, stdout, _ = typed("status", out)
    assert status == 0 and "records    5 of 5; 1 of 1 shards" in stdout and "hours of sound per hour" in stdout
    found = json.loads(typed("status", out, "--json")[1])
    assert found["failed"] == {"unreadable": 1} and found["records"] == 5 and found["remaining_seconds"] == 0


def test_questions_are_answered(out):
    pytest.importorskip("duckdb")
    sql = 'SELECT speaker, count(*) AS n, sum("end" - start) AS seconds FROM segments GROUP BY 1 ORDER BY 1'
    status, stdout, _ = typed("query", out, "--sql", sql, "--format", "csv")
    lines = stdout.splitlines()
    assert status == 0 and lines[0] == "speaker,n,seconds" and [line[:5] for line in lines[1:]] == ["23,2,", "24,2,"]
    (line,) = typed("query", out, "--sql", "SELECT kind, source FROM failures", "--format", "jsonl")[1].splitlines()
    assert json.loads(line)["kind"] == "unreadable"
    sql = "SELECT source, label, scores.angry AS angry FROM records ORDER BY angry DESC LIMIT 1"
    assert "angry" in typed("query", out, "--sql", sql)[1]
    status, _, stderr = typed("query", out, "--sql", "SELECT nothing FROM records")
    assert status == 2 and "Tables: records, segments, failures." in stderr


def test_the_questions_of_the_page_are_answered(out):
    pytest.importorskip("duckdb")
    page = (Path(__file__).parent.parent / "docs/archives.md").read_text(encoding="utf-8")
    questions = re.findall(r'archive query out --sql "(.*?[^\\])"', page, re.S)
    assert len(questions) == 4
    for sql in questions:
        status, stdout, stderr = typed("query", out, "--sql", sql.replace('\\"', '"'))
        assert (status, stderr) == (0, "") and stdout


def test_forgetting_a_speaker(out, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    assert "records erased: 2; " in typed("forget", copy, "--speaker", "23")[1]
    assert "records    3 of 3" in typed("status", copy)[1]
    status, _, stderr = typed("forget", copy, "--speaker", "23")
    assert status == 2 and "knows no 23" in stderr


def test_what_is_wrong_is_one_line(tmp_path, out):
    assert typed("run", "-o", tmp_path / "new", "--format", "jsonl")[2].endswith(
        "nothing is planned there yet; name a SOURCE.\n"
    )
    status, _, stderr = typed("run", "-o", out, "--format", "jsonl", "--threshold", "0.99")
    assert status == 1 and "Results are not mixed" in stderr
    assert typed("status", tmp_path)[0] == 1


def test_the_manifest_of_the_page_is_one_that_kuberay_takes():
    yaml, jsonschema = pytest.importorskip("yaml"), pytest.importorskip("jsonschema")
    here = Path(__file__).parent
    page = (here.parent / "docs/archives.md").read_text(encoding="utf-8")
    manifest = yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.S)[1])
    schema = json.loads((here / "kuberay_rayjob.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(manifest, schema)
    # Strict where the manifest goes: what is misspelt or of another type is not taken.
    text = json.dumps(manifest)
    for right, wrong in (
        ('"maxReplicas": 16', '"maxReplicas": "16"'),
        ('"limits"', '"limit"'),
        ('"image"', '"images"'),
    ):
        assert right in text
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(text.replace(right, wrong)), schema)
    program, group, command, *arguments = manifest["spec"]["entrypoint"].split()
    assert (program, group) == ("affekt", "archive")
    archive.commands[command].make_context(command, arguments)
