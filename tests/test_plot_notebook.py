"""What a notebook shows of predictions, results and reports."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from affekt.plot.colours import LABEL_COLOURS
from affekt.types import Estimate, Prediction, Report, Result

LABELS = ("happy", "sad")
NASTY = '<script>alert("x")</script>&\udce9'


def said(start, end, label="happy", **fields):
    return Prediction(start, end, {name: 0.75 if name == label else 0.25 for name in LABELS}, **fields)


def result(*predictions, duration=10.0, source="a.wav", **fields):
    whole = predictions[0] if predictions else Prediction(0, 0, {})
    return Result(source, duration, predictions, whole, "m", LABELS, **fields)


def parsed(shown):
    """As a tree: it is well-formed, and asks nobody for anything."""
    html = shown._repr_html_()
    html.encode("utf-8")
    tree = ElementTree.fromstring(html.replace("&nbsp;", " "))
    assert not list(tree.iter("script")) and "href" not in html and "src=" not in html
    return tree


def rectangles(tree, colour=None):
    found = [node for node in tree.iter() if node.tag.endswith("rect")]
    return [node for node in found if colour in (None, node.get("fill"))]


def words(tree):
    return " ".join(" ".join(tree.itertext()).split())


def test_a_prediction_shows_its_answer_and_a_bar_for_each_score():
    tree = parsed(said(1, 2.5, who="left", reason="short: 1.5 s"))
    assert words(tree).startswith("left, 1.00-2.50 s: happy (75 %); short: 1.5 s")
    bars = {bar.get("fill"): float(bar.get("width")) for bar in rectangles(tree)}
    assert bars == {LABEL_COLOURS["happy"]: 540.0, LABEL_COLOURS["sad"]: 180.0}
    assert "not sure, perhaps happy" in words(parsed(said(0, 1, threshold=0.9)))
    assert "no speech" in words(parsed(Prediction(0, 1, {})))


def test_a_result_shows_its_segments_in_their_colours_and_the_shares():
    tree = parsed(result(said(0, 4), said(5, 6, "sad"), said(6, 9, threshold=0.9), warnings=("clipped",)))
    (happy,) = rectangles(tree, LABEL_COLOURS["happy"])
    assert (float(happy.get("x")), float(happy.get("width"))) == (0.0, 288.0)
    assert len(rectangles(tree)) == 4  # the ground, and three segments
    pattern = tree.find(".//{*}pattern").get("id")
    assert rectangles(tree)[-1].get("fill") == f"url(#{pattern})"
    assert "happy 50 %" in words(tree) and "not sure 38 %" in words(tree) and "silence 2.0 s" in words(tree)
    assert "warning: clipped" in words(tree)


def test_a_long_result_is_drawn_in_bins_of_equal_time():
    segments = [said(2 * i, 2 * i + 1, LABELS[i % 2]) for i in range(5000)]
    tree = parsed(result(*segments, duration=10_000.0))
    assert 100 < len(rectangles(tree)) < 400
    assert len(tree.findall(".//{*}text")) == 5 and "2:46:40" in words(tree)


def test_each_person_has_a_lane_and_there_are_not_too_many():
    tree = parsed(result(said(0, 4, who="left"), said(5, 6, "sad", who="right")))
    (sad,) = rectangles(tree, LABEL_COLOURS["sad"])
    assert float(sad.get("y")) == 40
    crowd = parsed(result(*(said(0, 4, who=f"face {i}", modality="face") for i in range(40))))
    assert float(crowd.find(".//{*}svg").get("height")) < 300 and "6 of 40 are drawn" in words(crowd)


def test_a_picture_and_a_text_without_times_are_tables():
    faces = [said(0, 0, who=f"face {i}", modality="face") for i in range(12)]
    tree = parsed(result(*faces, duration=0.0, source="a.jpg"))
    assert len(list(tree.iter("tr"))) == 11 and "... and 2 more" in words(tree)


def test_a_result_without_segments_is_an_empty_lane():
    tree = parsed(result())
    assert len(rectangles(tree)) == 1 and "silence 10.0 s" in words(tree)


def test_names_that_look_like_html_are_shown_as_text():
    labels = (NASTY, "sad")
    p = Prediction(0, 5, {NASTY: 0.75, "sad": 0.25}, who=NASTY, reason=NASTY)
    found = Result(NASTY, 10.0, (p,), p, NASTY, labels, warnings=(NASTY,))
    report = Report({NASTY: Estimate(0.5, 0.4, 0.6, 9)}, (NASTY,), ((8, 1),), protocol=NASTY, warnings=(NASTY,))
    for shown in (p, found, report):
        assert "<script>" in words(parsed(shown))


def test_a_report_shows_metrics_with_interval_and_n_and_shades_the_confusion():
    report = Report(
        {"UAR": Estimate(0.5, 0.4, 0.61, 20)}, LABELS, ((8, 2, 0), (0, 0, 10)), warnings=("few",), stamps=("dev set",),
        chance=0.5,
    )  # fmt: skip
    tree = parsed(report)
    assert words(tree).startswith("dev set")
    assert "UAR 0.500 0.400 to 0.610 20" in words(tree) and "chance 0.500" in words(tree)
    shades = [
        cell.get("style").split(",")[-1].rstrip(")") for cell in tree.iter("td") if "rgba" in cell.get("style", "")
    ]
    assert shades == ["0.44", "0.11", "0.00", "0.00", "0.00", "0.55"]
    assert "warning: few" in words(tree)


@pytest.mark.parametrize("labels", [(), ("happy",)])
def test_a_report_of_few_classes_is_shown(labels):
    assert words(parsed(Report({}, labels, ((1, 0),) * len(labels))))
