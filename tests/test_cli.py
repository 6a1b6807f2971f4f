"""The command as a user types it."""

import csv
import io
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from affekt.cli import main
from affekt.cli.predict_table import NEXT_BEST, print_overview, print_timeline
from affekt.cli.terminal import clock, percent, shown
from affekt.labels import parse_labels
from affekt.timeline.summary import summaries, summarise
from affekt.types import Prediction, Result


@pytest.fixture
def affekt():
    return lambda *words, **extra: CliRunner().invoke(main, [str(word) for word in words], **extra)


def test_one_recording_is_shown_as_a_timeline(affekt, clips):
    done = affekt("predict", clips[6])
    assert done.exit_code == 0
    head, columns, *rows, summary, placed = done.stdout.splitlines()
    assert clips[6].name in head.replace("\n", "")
    assert columns.split() == ["start", "end", "emotion", "confidence", "quality", "also", "possible"]
    assert rows
    assert summary.startswith("in all: ") and placed.startswith("valence ")


def test_many_recordings_are_shown_as_an_overview(affekt, clips):
    done = affekt("predict", *clips[:3], "--jobs", 2)
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == [str(path) for path in clips[:3]]


def test_a_folder_and_a_pattern_are_the_files_in_them(affekt, clips):
    folder = affekt("predict", clips[0].parent, "--format", "csv")
    pattern = affekt("predict", f"{clips[0].parent}/*.wav", "--format", "csv")
    assert folder.stdout == pattern.stdout
    assert len({row["source"] for row in csv.DictReader(io.StringIO(folder.stdout))}) == len(clips)


def test_standard_input_is_a_recording(affekt, clips):
    done = affekt("predict", "-", "--format", "json", input=clips[0].read_bytes())
    (result,) = json.loads(done.stdout)["results"]
    assert result["source"] == "standard input"
    named = json.loads(affekt("predict", clips[0], "--format", "json").stdout)["results"][0]
    assert result["segments"] == named["segments"]


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "srt", "audacity", "textgrid", "rttm"])
def test_every_format_goes_to_the_screen_and_to_a_file(affekt, clips, tmp_path, form):
    done = affekt("predict", clips[0], "--format", form)
    path = tmp_path / "out"
    assert affekt("predict", clips[0], "--format", form, "-o", path).stdout == ""
    assert path.read_text(encoding="utf-8") == done.stdout != ""


@pytest.mark.parametrize(("name", "form"), [("a.csv", "csv"), ("A.JSON", "json"), ("a.shares.csv", "shares")])
def test_the_name_of_the_output_says_its_format(affekt, clips, tmp_path, name, form):
    expected = affekt("predict", clips[0], "-f", form).stdout
    assert affekt("predict", clips[0], "-o", tmp_path / name).exit_code == 0
    assert (tmp_path / name).read_text(encoding="utf-8") == expected


def test_a_name_in_parquet_is_one_of_parquet(affekt, clips, tmp_path):
    pytest.importorskip("pyarrow")
    assert affekt("predict", clips[0], "-o", tmp_path / "a.parquet").exit_code == 0
    assert (tmp_path / "a.parquet").read_bytes().startswith(b"PAR1")


@pytest.mark.parametrize(("form", "package"), [("parquet", "pyarrow"), ("audformat", "audformat")])
def test_a_missing_package_is_told_before_anything_is_read(affekt, tmp_path, monkeypatch, form, package):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    told = affekt("predict", tmp_path / "broken.wav", "-f", form, "-o", tmp_path / "out")
    assert told.exit_code == 2 and f"pip install '.[{form}]'" in told.stderr
    assert "broken.wav" not in told.stderr


def test_recipes_are_listed_without_what_training_needs():
    code = "import sys; sys.modules['torch'] = None; from affekt.cli import main; main(['recipes'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "ravdess-dnn180" in done.stdout, done.stderr


def test_a_format_that_is_given_counts_more_than_the_name(affekt, clips, tmp_path):
    assert affekt("predict", clips[0], "-f", "srt", "-o", tmp_path / "a.csv").exit_code == 0
    assert (tmp_path / "a.csv").read_text().startswith("1\n00:00")


def long_result(count=100, duration=1200.0, **fields):
    """Happy, then sad, by two people."""
    scores = [{"happy": 0.75, "sad": 0.25}, {"happy": 0.25, "sad": 0.75}]
    said = tuple(
        Prediction(i * duration / count, (i + 0.5) * duration / count, scores[2 * i // count], **fields)
        for i in range(count)
    )
    return Result("call.wav", duration, said, summarise(said), "m", ("happy", "sad"), summaries=summaries(said))


def test_the_table_of_a_long_recording_leads_with_how_its_time_is_divided(capsys):
    print_timeline(long_result(), NEXT_BEST)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == ["call.wav: 20:00.0 long, 10:00.0 of speech", "most often happy (50 % of speech)"]
    words = [line.split() for line in lines]
    assert ["happy", "5:00.0", "50", "%", "█" * 12] in words and ["silence", "10:00.0"] in words
    assert ["0:00", "happy", "100", "%", "50", "%"] in words and ["19:00", "sad", "100", "%", "50", "%"] in words
    assert lines[-1].startswith("100 segments, too many to list here: --format csv")


def test_a_recording_of_some_segments_lists_them_behind_its_shares(capsys):
    print_timeline(long_result(12, 60.0, threshold=0.8), NEXT_BEST)
    out = capsys.readouterr().out
    assert "most often not sure (100 % of speech)" in out and "each minute" not in out
    assert out.count("not sure, perhaps happy") == 6
    print_timeline(long_result(3, 60.0), NEXT_BEST)
    assert "share of speech" not in capsys.readouterr().out


def test_people_have_a_column_each(capsys):
    print_timeline(long_result(who="left"), NEXT_BEST)
    assert "left" not in capsys.readouterr().out.split("too many")[0].splitlines()[3]  # who is alone says nothing more
    a, b = long_result(who="left"), long_result(who="right")
    both = Result("call.wav", 1200.0, a.predictions + b.predictions, a.summary, "m", a.labels)
    print_timeline(both, NEXT_BEST)
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert words[0] == [
        "call.wav:",
        "20:00.0",
        "long,",
        "10:00.0",
        "of",
        "speech",
    ]  # while both speak, time passes once
    assert ["emotion", "time", "share", "of", "speech", "left", "right"] in words
    assert ["each", "minute", "most", "often", "not", "sure", "silence", "left", "right"] in words


def test_among_many_a_long_recording_says_what_it_mostly_is(capsys):
    print_overview([long_result()], NEXT_BEST)
    assert "happy (50 %)" in capsys.readouterr().out
    print_overview([long_result(3)], NEXT_BEST)
    assert "most often" not in capsys.readouterr().out


def test_a_folder_as_output_gets_a_file_for_each(affekt, clips, tmp_path):
    twin = tmp_path / "in" / clips[0].name
    twin.parent.mkdir()
    twin.write_bytes(clips[0].read_bytes())
    assert affekt("predict", clips[0], twin, "--format", "srt", "-o", tmp_path / "out").exit_code == 2
    assert affekt("predict", clips[0], twin, "--format", "srt", "-o", f"{tmp_path / 'out'}/").exit_code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"{twin.stem}-2.srt", f"{twin.stem}.srt"]


def test_labels_restrict_merge_and_say_what_is_lost(affekt, clips):
    done = affekt("predict", clips[0], "--labels", "low=sad+neutral+calm,high=angry+happy", "--format", "json")
    assert json.loads(done.stdout)["results"][0]["labels"] == ["low", "high"]
    assert "left out: disgust, fear, surprise" in done.stderr
    assert "left out: disgust" in json.loads(done.stdout)["results"][0]["warnings"][0]


def test_what_is_lost_is_said_once(affekt, clips):
    assert affekt("predict", *clips[:3], "--labels", "valence").stderr.count("left out: surprise") == 1


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_picture_is_drawn(affekt, clips, tmp_path, suffix):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"timeline.{suffix}"
    assert affekt("predict", clips[0], "--plot", path).exit_code == 0
    assert path.read_bytes()[:4] in (b"\x89PNG", b"<?xm", b"%PDF")


def test_pictures_of_many_go_into_a_folder(affekt, clips, tmp_path):
    pytest.importorskip("matplotlib")
    assert affekt("predict", *clips[:2], "--plot", tmp_path, "--format", "srt", "-o", tmp_path).exit_code == 0
    assert affekt("predict", clips[2], "--plot", tmp_path).exit_code == 0
    assert sorted(p.stem for p in tmp_path.glob("*.png")) == [path.stem for path in clips[:3]]
    assert sorted(p.stem for p in tmp_path.glob("*.srt")) == [path.stem for path in clips[:2]]


def test_models_and_their_cards_are_printed(affekt):
    listed = affekt("models")
    assert listed.exit_code == 0
    assert "voice" in listed.stdout
    assert "activity" in listed.stdout
    for form in ("text", "json", "markdown"):
        done = affekt("info", "voice", "--format", form)
        assert done.exit_code == 0
        assert "non-commercial research" in done.stdout
    assert json.loads(affekt("info", "voice", "--format", "json").stdout)["labels"][0] == "angry"


def test_a_model_file_by_path_is_as_good_as_a_name(affekt, clips):
    from affekt.models.zoo import model_path

    by_path = affekt("predict", clips[0], "--model", model_path("voice"), "--format", "json")
    assert by_path.stdout == affekt("predict", clips[0], "--format", "json").stdout


def test_the_activity_model_is_not_one_for_emotions(affekt, clips):
    done = affekt("predict", clips[0], "--model", "activity")
    assert done.exit_code == 2
    assert "not for emotions in speech" in done.stderr


def test_evaluate_reports_with_intervals(affekt, clips, tmp_path):
    folder = tmp_path / "ravdess"
    folder.mkdir()
    for path in clips:
        (folder / path.name).write_bytes(path.read_bytes())
    done = affekt("evaluate", "voice", "--corpus", f"ravdess={folder}")
    assert done.exit_code == 0
    assert "ravdess: 2 held-out speakers; corpus labels" in done.stdout
    assert "n=12" in done.stdout
    assert "note: 2 speakers: the interval is over clips" in done.stdout


@pytest.mark.parametrize("pair", ["ravdess", "=x", "ravdess="])
def test_a_corpus_without_a_path_is_refused(affekt, pair):
    done = affekt("evaluate", "voice", "--corpus", pair)
    assert done.exit_code == 2
    assert "give NAME=PATH" in done.stderr


@pytest.mark.parametrize(
    "labels", ["a=angry,a=sad", "=angry,b=sad", "a=,b=sad", "a=angry,sad", "angry,angry", "four,sad"]
)
def test_labels_that_would_answer_wrongly_are_refused(affekt, clips, labels):
    done = affekt("predict", clips[0], "--labels", labels)
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr


def test_what_is_wrong_with_a_picture_is_said_before_the_work(affekt, clips, tmp_path):
    for path in (tmp_path / "a.jpg", tmp_path / "noext"):
        assert "allowed are .png, .svg and .pdf" in affekt("predict", clips[0], "--plot", path).stderr
    both = tmp_path / "b.png"
    done = affekt("predict", clips[0], "--plot", both, "--format", "json", "-o", both)
    assert done.exit_code == 2
    assert "give two files" in done.stderr


def test_words_for_people():
    assert [clock(t) for t in (0, 59.96, 61.25, 3599.99, 3725.5)] == [
        "0:00.0",
        "1:00.0",
        "1:01.2",
        "1:00:00.0",
        "1:02:05.5",
    ]
    assert [percent(share) for share in (0.756, 0.0051, 0.005, 0)] == ["76 %", "1 %", "< 1 %", "0 %"]
    assert shown("a\nb\x1b[31m\udce9 ü") == "a\\nb\\x1b[31m\\udce9 ü"
    assert parse_labels("bad=angry+sad,good=happy") == {"bad": ["angry", "sad"], "good": ["happy"]}
    assert parse_labels("angry,sad") == "angry,sad"


def test_a_model_of_others_is_brought_from_a_copy_and_a_wrong_one_refused(affekt, tmp_path, monkeypatch):
    monkeypatch.setenv("AFFEKT_MODELS", str(tmp_path / "models"))
    (tmp_path / "wrong.onnx").write_bytes(b"nothing")
    refused = affekt("models", "download", "yunet", "--from", tmp_path / "wrong.onnx")
    assert refused.exit_code == 2
    assert "expected 232589 bytes" in refused.stderr
    assert not (tmp_path / "models").exists()
    assert "did you mean 'yunet'" in affekt("models", "download", "yunett").stderr
    assert "not here: affekt models download yunet" in affekt("models").stdout.replace("\n", " ")


@pytest.mark.corpora
def test_the_real_yunet_is_taken(affekt, corpora_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("AFFEKT_MODELS", str(tmp_path))
    source = next(corpora_folder.parent.rglob("face_detection_yunet_2023mar.onnx"), None)
    if source is None:
        pytest.skip("YuNet does not lie beside the corpora")
    assert affekt("models", "download", "yunet", "--from", source).exit_code == 0
    assert (tmp_path / source.name).read_bytes() == source.read_bytes()
