"""Measures to a quality and a reason, for any modality; reasons of parts and of the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from affekt.client import results_of
from affekt.timeline.quality import Measure, Rating
from affekt.timeline.summary import summarise
from affekt.types import Prediction
from affekt.write.fields import table_of

BLUR = Measure(lambda x: f"blurred: {x:.1f}", 1.0, 0.0)
SIZE = Measure(lambda x: f"small: {x:.0f} pixels", 0.0, 100.0, rank=0)
FACE = Rating({"size": SIZE, "blur": BLUR}, "the face itself is ambiguous")


def test_quality_is_the_product_of_what_the_measures_leave():
    rows = np.array([[100, 0], [200, -1], [50, 0], [100, 0.5], [50, 0.5], [0, 0], [100, 1.5]])
    np.testing.assert_allclose(FACE.qualities(rows), [1, 1, 0.75, 0.75, 0.75**2, 0, 0])
    assert FACE.qualities(np.zeros((0, 2))).shape == (0,)


@pytest.mark.parametrize(
    ("row", "quality", "unsure", "words"),
    [
        ([100, 0.0], 1.0, False, ""),
        ([100, 0.0], 1.0, True, "the face itself is ambiguous"),
        ([60, 0.1], 0.8, True, "the face itself is ambiguous"),
        ([50, 0.1], 0.74, False, ""),
        ([50, 0.1], 0.74, True, "small: 50 pixels"),
        ([50, 0.7], 0.4, False, "blurred: 0.7"),
        ([20, 0.7], 0.2, True, "small: 20 pixels"),
        ([20, 0.9], 0.1, True, "small: 20 pixels"),
        ([0, 1.0], 0.0, False, "small: 0 pixels"),
    ],
)
def test_the_reason_is_the_worst_measure_where_the_signal_is_poor_or_the_model_not_sure(row, quality, unsure, words):
    assert FACE.reason(np.array(row), quality, unsure=unsure) == words


def test_the_reason_of_many_parts_is_that_of_the_part_that_costs_most():
    scores = {"happy": 0.6, "sad": 0.4}
    parts = [Prediction(0, 5, scores, quality=0.7), Prediction(5, 7, scores, quality=0.1, reason="a"),
             Prediction(7, 14, scores, quality=0.3, reason="b")]  # fmt: skip
    assert [summarise(parts[:count]).reason for count in (1, 2, 3)] == ["", "a", "b"]
    # A long good recording is not weak for one bad part of it, unless the model is not sure of the whole.
    long = Prediction(20, 80, scores, quality=1.0)
    assert summarise([*parts, long]).reason == ""
    assert summarise([*parts, replace(long, threshold=0.7)]).reason == "b"


def test_summaries_and_documents_pass_reasons_on():
    short = Prediction(0, 0.5, {"a": 0.6, "b": 0.4}, quality=0.4, reason="short: 0.5 s")
    assert summarise([short]).reason == short.reason
    assert summarise([short, Prediction(1, 30, {"a": 0.6, "b": 0.4})]).reason == ""
    table = table_of(short)
    facts = {"source": "a.wav", "model": "m", "duration": 1, "labels": ["a", "b"]}
    assert results_of({"results": [{**facts, "summary": table, "segments": [table]}]})[0].summary.reason == short.reason
