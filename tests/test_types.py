"""Types, labels, errors, files: the ground floor."""

import json
import os
from pathlib import Path

import pytest

from affekt._files import atomic_write, sweep
from affekt._optional import require
from affekt.errors import AffektError, InputError, LossWarning, MissingExtra, UnknownName
from affekt.labels import LABEL_SETS, VOICE, label_map
from affekt.types import Estimate, Prediction, Result, Sample


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ((-1.0, 2.0, {}), "not an interval"),
        ((2.0, 1.0, {}), "not an interval"),
        ((0.0, float("nan"), {}), "not an interval"),
        ((0.0, float("inf"), {}), "not an interval"),
        ((0.0, 1.0, {"a": 1.2, "b": -0.2}), "must be probabilities"),
        ((0.0, 1.0, {"a": float("nan"), "b": 0.5}), "must be probabilities"),
        ((0.0, 1.0, {"a": 0.5, "b": 0.2}), "must sum to 1; they sum to 0.7000"),
        ((0.0, 1.0, {"a": 1.0}, "speech", 1.5), "quality is 1.5; allowed: 0 to 1"),
    ],
)
def test_a_prediction_is_checked_when_made(fields, sentence):
    with pytest.raises(InputError, match=sentence):
        Prediction(*fields)


def test_label_and_confidence_are_computed_and_a_prediction_cannot_be_changed():
    p = Prediction(0, 1, {"sad": 0.25, "happy": 0.75})
    assert (p.label, p.confidence, p.duration) == ("happy", 0.75, 1)
    with pytest.raises(AttributeError):
        p.start = 3


def test_without_scores_a_prediction_abstains():
    assert (Prediction(0, 1, {}).label, Prediction(0, 1, {}).confidence) == (None, 0.0)


@pytest.mark.parametrize("change", [{"id": ""}, {"start": -1.0}, {"start": 2.0, "end": 1.0}, {"sex": "f"}])
def test_a_sample_is_checked_when_made(change):
    with pytest.raises(InputError):
        Sample(**{"id": "c/x", "path": "x.wav", **change})


def test_a_result_knows_its_labels():
    p = Prediction(0, 1, {"sad": 1.0})
    with pytest.raises(UnknownName):
        Result("a", 1.0, (p,), p, "m", ("happy",))


def test_an_estimate_prints_its_interval_and_count():
    assert str(Estimate(0.5, 0.4, 0.61, 120)) == "0.500 [0.400, 0.610] n=120"


def test_errors_form_one_tree():
    for error in (InputError, UnknownName, MissingExtra):
        assert issubclass(error, AffektError)
    assert issubclass(InputError, ValueError)
    assert issubclass(MissingExtra, ImportError)


def test_an_unknown_name_without_a_near_match_lists_what_is_allowed():
    assert str(UnknownName("format", "xyzzy", ["json", "csv"])) == "unknown format 'xyzzy'. Allowed: csv, json."


def test_a_missing_package_names_the_command_that_brings_it():
    with pytest.raises(MissingExtra, match=r"pip install '.\[plot\]'"):
        require("no_such_package_at_all", extra="plot")


@pytest.mark.parametrize("name", LABEL_SETS)
def test_every_label_set_maps_the_voice_labels(name):
    with pytest.warns(LossWarning) if label_map_loses(name) else nothing():
        found = label_map(name, VOICE)
    scores = dict.fromkeys(VOICE, 1 / 8)
    assert sum(found.apply(scores).values()) == pytest.approx(1)
    assert set(found.lost) | {s for group in found.sources.values() for s in group} == set(VOICE)


def label_map_loses(name):
    return sum(len(group) for group in LABEL_SETS[name].values()) < len(VOICE)


def nothing():
    import contextlib

    return contextlib.nullcontext()


def test_restricting_scales_up_and_merging_adds():
    scores = {"angry": 0.5, "happy": 0.3, "sad": 0.2}
    with pytest.warns(LossWarning, match="left out: happy"):
        restricted = label_map(["angry", "sad"], list(scores))
    assert restricted.apply(scores) == pytest.approx({"angry": 0.5 / 0.7, "sad": 0.2 / 0.7})
    merged = label_map({"bad": ["angry", "sad"], "good": ["happy"]}, list(scores))
    assert merged.apply(scores) == pytest.approx({"bad": 0.7, "good": 0.3})
    assert merged.lost == ()


def test_a_comma_separated_text_is_a_list():
    with pytest.warns(LossWarning):
        assert list(label_map("angry, sad", VOICE).sources) == ["angry", "sad"]


@pytest.mark.parametrize(
    ("labels", "error", "sentence"),
    [
        (["angri", "sad"], UnknownName, "did you mean 'angry'"),
        ("fuor", UnknownName, "did you mean 'four'"),
        (["angry"], InputError, "at least two labels"),
        ({"a": ["sad"], "b": ["sad"]}, InputError, "stands in two groups"),
    ],
)
def test_labels_that_make_no_sense_are_refused(labels, error, sentence):
    with pytest.raises(error, match=sentence):
        label_map(labels, VOICE)


def test_scores_that_vanish_under_a_map_become_even():
    with pytest.warns(LossWarning):
        found = label_map(["angry", "sad"], VOICE)
    assert found.apply({"happy": 1.0}) == {"angry": 0.5, "sad": 0.5}


def test_an_atomic_write_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as file:
        file.write("one")
        assert not path.exists()
    assert path.read_text() == "one"
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write("half of tw")
        raise KeyboardInterrupt
    assert path.read_text() == "one"
    assert os.listdir(tmp_path) == ["a.txt"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def test_a_device_is_written_to_and_never_replaced():
    with pytest.raises(OSError, match="No space left"), atomic_write("/dev/full") as file:
        file.write("x")
    with atomic_write("/dev/null") as file:
        file.write("x")
    assert not os.path.isfile("/dev/null")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder; make it first"), atomic_write(tmp_path / "no" / "a"):
        pass


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_atomic_write_leaves_the_umask_alone_and_obeys_it(tmp_path, monkeypatch):
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", None)  # it is of the whole process: other threads would make open files
        with atomic_write(tmp_path / "a") as file:
            file.write("a")
        with atomic_write(tmp_path / "b", private=True) as file:
            file.write("b")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "ab"] == [0o640, 0o600]


def test_what_a_killed_run_left_is_swept_when_the_file_is_written_again(tmp_path):
    left, fresh, other = (tmp_path / name for name in (".a.json.01.part", ".a.json.02.part", ".b.json.03.part"))
    for path in (left, fresh, other):
        path.write_text("half")
    for path in (left, other):
        os.utime(path, (0, 0))
    with atomic_write(tmp_path / "a.json") as file:
        (held,) = set(tmp_path.glob(".a.json.*.part")) - {fresh}
        os.utime(held, (0, 0))
        sweep(tmp_path)  # one that is being written stays, however old
        file.write("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.json.02.part", "a.json"]


SURE = Prediction(0, 2.5, {"happy": 0.75, "sad": 0.25})
UNSURE = Prediction(1, 2.5, {"happy": 0.55, "sad": 0.45}, threshold=0.6, who="left", reason="short: 1.5 s")


def result(*predictions, **fields):
    """Of four seconds."""
    whole = predictions[0] if predictions else Prediction(0, 0, {})
    return Result("a.wav", 4.0, predictions, whole, "voice-1", ("happy", "sad"), **fields)


def test_a_prediction_says_its_times_answer_and_confidence():
    assert repr(SURE) == "<Prediction 0.00-2.50 s: happy (75 %)>"
    assert repr(UNSURE) == "<Prediction 1.00-2.50 s, left: not sure, perhaps happy (55 %)>"
    assert repr(Prediction(0, 1, {}, modality="face")) == "<Prediction 0.00-1.00 s: no face>"


def test_a_result_says_how_long_it_is_and_what_it_mostly_is():
    assert repr(result(SURE)) == "<Result 'a.wav', 4.0 s: 1 segment, most often happy>"
    assert repr(result(UNSURE, UNSURE)) == "<Result 'a.wav', 4.0 s: 2 segments, not sure, perhaps happy>"
    assert repr(result()) == "<Result 'a.wav', 4.0 s: 0 segments, no speech>"
    assert "\n" not in repr(Result("a\nb", 4.0, (), Prediction(0, 0, {}), "m", ("happy",)))


def test_as_a_dict_a_prediction_says_its_label_best_guess_and_confidence():
    assert SURE.to_dict() == {
        "start": 0.0, "end": 2.5, "label": "happy", "best": "happy", "unsure": False, "confidence": 0.75,
        "quality": 1.0, "modality": "speech", "scores": {"happy": 0.75, "sad": 0.25},
        "dimensions": {"valence": 0.45, "arousal": 0.315, "dominance": 0.262},
    }  # fmt: skip
    assert {"label": None, "best": "happy", "unsure": True, "who": "left"}.items() <= UNSURE.to_dict().items()
    assert {"label": None, "best": None, "unsure": False}.items() <= Prediction(0, 1, {}).to_dict().items()


def test_a_result_survives_json_and_follows_the_schema():
    import jsonschema

    from affekt.client import results_of

    schema = Path(__file__).parents[1] / "docs" / "predictions-2.schema.json"
    found = result(SURE, UNSURE, summaries={"left": UNSURE}, warnings=("\udce9",))
    document = json.loads(json.dumps({"schema": "affekt.predictions/2", "results": [found.to_dict()]}))
    jsonschema.validate(document, json.loads(schema.read_text(encoding="utf-8")))
    (again,) = results_of(document)
    assert [p.answer for p in again.predictions] == ["happy", "not sure, perhaps happy"]
    assert again.shares == found.shares


def test_fastapi_returns_the_dict_whole_and_of_the_object_its_fields_only():
    encoders = pytest.importorskip("fastapi.encoders")
    assert encoders.jsonable_encoder(result(UNSURE).to_dict()) == result(UNSURE).to_dict()
    assert "label" not in encoders.jsonable_encoder(UNSURE)
