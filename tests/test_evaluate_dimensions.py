"""Numbers that people gave for valence and arousal, beside those derived from the answers."""

import csv

import pytest
from click.testing import CliRunner

from affekt.cli import main
from affekt.corpora import read_corpus
from affekt.data.numbers import number_of, scale_of
from affekt.errors import InputError
from affekt.evaluate.dimensions import with_dimensions
from affekt.labels import PLACES
from affekt.types import Prediction, Report, Sample

EMPTY = Report({}, ("a",), ())


def sample(i, **meta):
    return Sample(f"c/{i}", f"{i}.wav", label="happy", speaker=f"s{i % 4}", meta=meta)


def said(label):
    return Prediction(0, 1, {label: 1.0}).dimensions


def test_perfect_answers_have_a_ccc_of_one_on_any_scale():
    labels = ["happy", "sad", "angry", "neutral"] * 3
    samples = [sample(i, arousal=str(3 * (PLACES[label][1] + 1) + 1)) for i, label in enumerate(labels)]
    found = with_dimensions(EMPTY, samples, [said(label) for label in labels], scale=(1, 7)).metrics
    assert set(found) == {"CCC, arousal", "RMSE, arousal"}
    assert found["CCC, arousal"].value == pytest.approx(1) and found["RMSE, arousal"].value == pytest.approx(0)


def test_clips_without_a_number_or_an_answer_do_not_count():
    samples = [
        sample(0, arousal="0.5"),
        sample(1, arousal=""),
        sample(2),
        sample(3, arousal="-1"),
        sample(4, arousal="1"),
    ]
    answers = [said("happy"), said("sad"), said("sad"), said("sad"), Prediction(0, 1, {}).dimensions]
    assert with_dimensions(EMPTY, samples, answers).metrics["CCC, arousal"].n == 2
    assert with_dimensions(EMPTY, samples[1:3], answers[1:3]) == EMPTY


def test_a_column_that_may_be_something_else_is_left_out_with_a_warning():
    samples = [sample(i, arousal=str(i), valence="positive") for i in range(4)]
    found = with_dimensions(EMPTY, samples, [said("sad")] * 4)
    assert found.metrics == {}
    assert [warning.split(" was")[0] for warning in found.warnings] == ["valence", "arousal"]
    assert "--scale LOW:HIGH" in found.warnings[1]
    with pytest.raises(InputError, match="no number"):
        with_dimensions(EMPTY, samples, [said("sad")] * 4, scale=(0, 3))


def test_numbers_on_another_scale_are_refused_with_the_option():
    with pytest.raises(InputError, match="arousal is 4, outside -1 to 1.*--scale 1:7"):
        number_of(sample(0, arousal="4"), "arousal", (-1, 1))
    with pytest.raises(InputError, match="'high', which is no number"):
        number_of(sample(0, arousal="high"), "arousal", (-1, 1))


@pytest.mark.parametrize("text", ["7", "7:1", "a:b", "1:inf", "1:2:3"])
def test_a_scale_is_two_numbers(text):
    with pytest.raises(InputError, match="such as 1:7"):
        scale_of(text)


def test_the_command(clips, tmp_path):
    table = tmp_path / "labels.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "speaker", "arousal"])
        for s in read_corpus("ravdess", clips[0].parent).samples:
            writer.writerow(
                [
                    s.path and str((clips[0].parent / f"{s.path.split('/')[-1]}").resolve()),
                    s.label,
                    s.speaker,
                    4 + 3 * PLACES[s.label][1],
                ]
            )
    done = CliRunner().invoke(main, ["evaluate", "voice-small", "--corpus", f"folder={table}", "--scale", "1:7"])
    assert done.exit_code == 0 and "CCC, arousal" in done.stdout
    done = CliRunner().invoke(main, ["evaluate", "voice-small", "--corpus", f"folder={table}"])
    assert done.exit_code == 0 and "CCC, arousal" not in done.stdout
    assert "arousal was not compared" in done.stdout and "--scale LOW:HIGH" in done.stdout


@pytest.fixture
def numbered_clips(clips, tmp_path):
    """The committed recordings with a number each, 1 to 7: the derived arousal of their label."""
    rows = []
    for path in clips:
        [found] = [s for s in read_corpus("ravdess", clips[0].parent).samples if s.path.endswith(path.name)]
        rows.append([str(path.resolve()), found.label, found.speaker, round(4 + 3 * PLACES[found.label][1], 3)])
    return rows


def written(path, head, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def test_a_table_without_labels_is_judged_by_its_numbers_alone(numbered_clips, tmp_path):
    table = written(tmp_path / "n.csv", ["path", "speaker", "arousal"], [[r[0], r[2], r[3]] for r in numbered_clips])
    asked = ["evaluate", "voice-small", "--corpus", f"folder={table}"]
    for form in ("text", "json", "markdown", "latex"):
        done = CliRunner().invoke(main, [*asked, "--scale", "1:7", "--format", form])
        assert done.exit_code == 0, done.output
        assert "CCC, arousal" in done.stdout and "UAR" not in done.stdout.split("table}")[-1]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 2 and "--scale 1:7" in done.stderr
    done = CliRunner().invoke(main, [*asked, "--scale", "1:7", "--compare", "voice"])
    assert done.exit_code == 2 and "has a label, which this needs" in done.stderr
    page = tmp_path / "page.html"
    done = CliRunner().invoke(main, [*asked, "--scale", "1:7", "--format", "html", "-o", str(page)])
    assert done.exit_code == 0 and "CCC, arousal" in page.read_text()


def test_predicted_numbers_are_compared_on_the_scale_of_the_truth(numbered_clips, tmp_path):
    table = written(tmp_path / "n.csv", ["path", "label", "speaker", "arousal"], numbered_clips)
    right = written(tmp_path / "p.csv", ["path", "arousal"], [[r[0], r[3]] for r in numbered_clips])
    asked = ["evaluate", "--corpus", f"folder={table}", "--scale", "1:7"]
    done = CliRunner().invoke(main, [*asked, "--predictions", str(right)])
    assert done.exit_code == 0, done.output
    assert "CCC, arousal           1.000" in done.stdout and "RMSE, arousal          0.000" in done.stdout
    done = CliRunner().invoke(main, [*asked, "--predictions", str(right), "--compare", "voice-small"])
    assert done.exit_code == 2 and "has numbers, and no labels" in done.stderr
    wrong = written(tmp_path / "w.csv", ["path", "arousal"], [[r[0], "loud"] for r in numbered_clips])
    done = CliRunner().invoke(main, [*asked, "--predictions", str(wrong)])
    assert done.exit_code == 2 and "line 2: arousal is 'loud'; give a number" in done.stderr


def test_predictions_and_the_model_they_are_compared_with_take_the_scale(numbered_clips, tmp_path):
    table = written(tmp_path / "n.csv", ["path", "label", "speaker", "arousal"], numbered_clips)
    labels = sorted({row[1] for row in numbered_clips})
    rows = [[row[0], *(1.0 if label == row[1] else 0.0 for label in labels)] for row in numbered_clips]
    said = written(tmp_path / "p.csv", ["path", *labels], rows)
    asked = ["evaluate", "--predictions", str(said), "--corpus", f"folder={table}", "--compare", "voice-small"]
    done = CliRunner().invoke(main, [*asked, "--scale", "1:7"])
    assert done.exit_code == 0, done.output
    assert "CCC, arousal           1.000" in done.stdout and "voice-small: CCC, arousal" in done.stdout
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0 and "voice-small: CCC, arousal" not in done.stdout


def test_a_matrix_of_models_takes_the_scale(numbered_clips, tmp_path):
    pytest.importorskip("matplotlib")
    table = written(tmp_path / "n.csv", ["path", "label", "speaker", "arousal"], numbered_clips)
    asked = ["matrix", "--corpus", f"folder={table}", "-o", str(tmp_path / "run"), "--scale", "1:7"]
    done = CliRunner().invoke(main, [*asked, "--model", "voice-small", "--format", "markdown"])
    assert done.exit_code == 0, done.output
    assert "| voice-small | folder | arousal |" in done.stdout.replace("\\-", "-")
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 2 and "--scale is for --model" in done.stderr
