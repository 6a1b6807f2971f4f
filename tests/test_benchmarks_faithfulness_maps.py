"""The benchmark of the maps of voices: maps lie where their sound is."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from affekt.explain.attribution import Attribution
from affekt.speech.masks import Masker

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "benchmarks" / "results" / "faithfulness-voice-maps.json"
PAGE = ROOT / "docs" / "explain.md"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        spec = importlib.util.spec_from_file_location("maps", ROOT / "benchmarks" / "faithfulness_maps.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def test_a_map_lies_on_the_patch_where_its_sound_is(bench):
    masker = Masker(np.random.default_rng(0).normal(size=16_000).astype(np.float32))
    mel = np.zeros((64, 25))
    mel[52:, 20:] = 1  # high and late
    found = bench.on_patches(Attribution(mel, "grad-cam", "angry"), masker)
    assert found.shape == masker.shape == (5, 8)
    assert found[4, 7] == found.max() == pytest.approx(1) and not found[:4].any() and not found[:, :5].any()
    even = bench.on_patches(Attribution(np.ones((8, 25)), "grad-cam", "angry"), masker)
    assert even == pytest.approx(np.ones((5, 8)))


def test_the_page_says_what_was_measured(bench):
    rows = json.loads(KEPT.read_text(encoding="utf-8"))["clips"]
    speakers = [row["speaker"] for row in rows]
    page = PAGE.read_text(encoding="utf-8").split("### Are maps of voices true?")[1].split("### ")[0]
    table = {cells[0]: cells[1:3] for line in re.findall(r"^\| (.*) \|$", page, re.M) if (cells := line.split(" | "))}
    for name in rows[0]["deletion"]:
        said = [bench.short(np.array([row[kind][name] for row in rows]), speakers) for kind in bench.KINDS]
        assert table[name] == said, name
