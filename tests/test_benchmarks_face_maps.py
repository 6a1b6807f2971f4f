"""The benchmark of the maps of faces: its figures have known answers, and the page says what was measured."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("matplotlib")

from affekt.explain.attribution import Attribution
from affekt.face.masks import FILLS, Masker, MaskOptions

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "explain.md"
FACE = np.random.default_rng(0).uniform(0, 255, (48, 48)).astype(np.float32)


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("face_maps", ROOT / "benchmarks" / "face" / "maps.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def corner(faces):
    """The log-probability of a label that the top left cell alone decides."""
    return np.where(faces[:, 0, 0] == FACE[0, 0], np.log(0.9), np.log(0.1))


def test_a_right_map_has_the_least_area_of_deletion_and_the_most_of_insertion(bench):
    right = np.zeros((8, 8))
    right[0, 0] = 1
    maps = {"right": Attribution(right, "right", "sad"), "wrong": Attribution(-right, "wrong", "sad")}
    for fill in FILLS:
        masker = Masker(FACE, MaskOptions(fill=fill))
        gone, shown = bench.areas(masker, corner, maps, np.random.default_rng(0)).values()
        assert gone["right"] == min(gone.values()) < gone["random"] < gone["wrong"] == max(gone.values())
        assert shown["wrong"] == min(shown.values()) < shown["random"] < shown["right"] == max(shown.values())
        assert {"centre (Gaussian)", "contrast"} < set(gone)
    assert bench.area(Masker(FACE), lambda faces: np.zeros(len(faces)), [np.arange(64)], insert=False) == 1


def test_rank_correlation_is_that_of_scipy_and_none_for_flat_maps(bench):
    stats = pytest.importorskip("scipy.stats")
    one, other = np.random.default_rng(0).normal(size=(2, 8, 8))
    assert bench.correlation(one, other) == pytest.approx(stats.spearmanr(one.ravel(), other.ravel())[0], abs=1e-3)
    assert bench.correlation(one, np.zeros((8, 8))) is None and bench.correlation(one, one**3) == 1


def test_labels_come_in_turn_while_they_last(bench):
    labels = np.array(["sad", "sad", "happy", "sad"])
    assert labels[bench.in_turn(labels)].tolist() == ["happy", "sad", "sad", "sad"]


def test_gains_are_what_an_order_is_better_than_the_centre(bench):
    areas = {"mean": {kind: {"cam": 0.2, bench.CENTRE: 0.3} for kind in ("deletion", "insertion")}}
    rows = [areas] * 4
    (_, _, gains), (_, _, none) = bench.table_of({"faces": rows})
    assert [gain.value for gain in gains] == pytest.approx([0.1, -0.1])
    assert [gain.value for gain in none] == [0, 0]


def test_the_page_says_what_was_measured(bench):
    text, kept = PAGE.read_text(encoding="utf-8"), json.loads(bench.FAITHFUL.read_text(encoding="utf-8"))
    assert f"{len(kept['faces'])} dev faces" in text
    for name, values, gains in bench.table_of(kept):
        cells = map(re.escape, map(bench.short, (*values, *gains)))
        assert re.search(rf"^\| {re.escape(name)} \| {' . '.join(cells)}".replace(" . ", r" \| "), text, re.M), name
    for name, given in kept["randomised"].items():
        pairs = [[v for v in values if v is not None] for values in (given, kept["other face"][name])]
        cells = [re.escape(bench.short(bench.mean_of(pair))) for pair in pairs]
        assert re.search(rf"^\| {re.escape(name)} \| {cells[0]} \| {cells[1]} \|", text, re.M), name
    kept = json.loads(bench.SHARES.read_text(encoding="utf-8"))
    assert f"{len(kept['faces'])} dev faces in which the detector found the five points" in text
