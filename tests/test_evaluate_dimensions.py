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
    return Prediction(0, 1, {label: 1.0})


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
    answers = [said("happy"), said("sad"), said("sad"), said("sad"), Prediction(0, 1, {})]
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
