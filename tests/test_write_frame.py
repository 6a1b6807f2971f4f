"""Results as a data frame."""

from __future__ import annotations

import sys

import pytest

import affekt
from affekt.errors import InputError, MissingExtra
from affekt.types import Prediction, Result

SURE = Prediction(0, 2, {"happy": 0.75, "sad": 0.25})
UNSURE = Prediction(2, 3, {"happy": 0.55, "sad": 0.45}, threshold=0.6, who="left", reason="short: 1.0 s")
CALL = Result("a.wav", 4.0, (SURE, UNSURE), SURE, "m", ("happy", "sad"))
QUIET = Result("quiet.wav", 9.0, (), Prediction(0, 0, {}, quality=0.0), "m", ("happy", "sad"))
FIXED = ["source", "start", "end", "who", "modality", "label", "best", "confidence", "quality", "reason"]
FIXED += ["valence", "arousal", "dominance"]


def rows(frame):
    """As a list of dicts, with None for what is missing, of pandas or polars."""
    if hasattr(frame, "to_dicts"):
        return frame.to_dicts()
    return [{k: None if v != v else v for k, v in row.items()} for row in frame.to_dict("records")]


@pytest.fixture(params=["pandas", "polars"])
def frames(request, monkeypatch):
    """The package that makes the frames: the other one is not installed."""
    module = pytest.importorskip(request.param)
    monkeypatch.setitem(sys.modules, {"pandas": "polars", "polars": "pandas"}[request.param], None)
    return module


def test_a_row_per_segment_and_a_column_per_label(frames):
    frame = affekt.to_frame([CALL, QUIET])
    assert isinstance(frame, frames.DataFrame) and list(frame.columns) == [*FIXED, "happy", "sad"]
    first, second, quiet = rows(frame)
    assert {"source": "a.wav", "start": 0, "label": "happy", "best": "happy", "sad": 0.25}.items() <= first.items()
    assert {"label": None, "best": "happy", "who": "left", "reason": "short: 1.0 s"}.items() <= second.items()
    assert {"source": "quiet.wav", "end": 9.0, "best": None, "confidence": 0, "happy": None}.items() <= quiet.items()


def test_one_result_a_prediction_a_list_and_a_generator_will_do(frames):
    assert rows(affekt.to_frame(CALL)) == rows(affekt.to_frame(r for r in [CALL]))
    assert rows(affekt.to_frame(SURE)) == rows(affekt.to_frame([SURE]))
    assert rows(affekt.to_frame([SURE]))[0]["source"] is None
    assert list(affekt.to_frame([]).columns) == FIXED


def test_labels_of_several_models_and_names_of_columns(frames):
    other = Prediction(0, 1, {"quality": 0.5, "up": 0.5}, quality=0.25)
    first, _, last = rows(affekt.to_frame([CALL, other]))
    assert (first["p_quality"], first["quality"], last["p_quality"], last["quality"]) == (None, 1.0, 0.5, 0.25)


@pytest.mark.parametrize("wrong", [["a.wav"], [[SURE]], [None]])
def test_what_is_no_result_is_named(wrong):
    pytest.importorskip("pandas")
    with pytest.raises(InputError, match="is no Result or Prediction; give what predict or analyse gave"):
        affekt.to_frame(wrong)


def test_a_frame_without_pandas_says_what_to_install(monkeypatch):
    for module in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match="needs pandas or polars, and neither is installed. Run: pip install pandas"):
        affekt.to_frame([CALL])
