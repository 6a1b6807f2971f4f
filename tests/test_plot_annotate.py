"""What is drawn into a picture, read back from its pixels."""

import numpy as np
import pytest

from affekt.plot.annotate import annotated, enlargement
from affekt.plot.colours import colours
from affekt.types import Prediction

LABELS = ("angry", "happy", "neutral", "sad")
GREY = np.full((480, 640, 3), 128, np.uint8)


def face(box, *, threshold=0.0, who=None, reason=""):
    scores = {"angry": 0.1, "happy": 0.7, "neutral": 0.15, "sad": 0.05}
    return Prediction(0, 0, scores, modality="face", threshold=threshold, who=who, reason=reason, box=box)


def share_of(picture, colour, part=(slice(None), slice(None))):
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return float((picture[part] == rgb).all(axis=-1).mean())


def test_a_picture_without_faces_stays_as_it_is():
    assert np.array_equal(annotated(GREY, [], LABELS), GREY)


def test_the_box_has_the_colour_of_its_label_and_leaves_the_face_alone():
    drawn = annotated(GREY, [face((0.25, 0.25, 0.25, 0.5))], LABELS)
    happy = colours(LABELS)["happy"]
    assert share_of(drawn, happy, (slice(121, 123), slice(170, 310))) == 1.0  # the upper edge, rows 120 on
    assert (drawn[140:340, 180:300] == 128).all()
    assert (GREY == 128).all()  # the frame itself is not drawn on


def test_an_unsure_answer_has_a_dashed_box():
    whole, dashed = (
        share_of(annotated(GREY, [face((0.25, 0.25, 0.25, 0.5), threshold=t)], LABELS), colours(LABELS)["happy"],
                 (slice(121, 123), slice(170, 310)))
        for t in (0.0, 0.9)
    )  # fmt: skip
    assert whole == 1.0 and 0.3 < dashed < 0.8


@pytest.mark.parametrize("size", [(1, 1), (8, 300), (48, 48), (300, 8), (1080, 1920)])
def test_a_picture_of_any_size_is_drawn_on_inside_of_itself(size):
    whole = face((0.0, 0.0, 1.0, 1.0), who="face 1", reason="small: 8 pixels high")
    drawn = annotated(np.zeros((*size, 3), np.uint8), [whole], LABELS)
    scale = enlargement(size[1], size[0])
    assert drawn.shape == (scale * size[0], scale * size[1], 3)
    assert max(drawn.shape) >= 480 and drawn.any()


def test_two_hundred_faces_are_all_boxed_and_no_words_cover_a_face():
    boxes = [(0.05 * (i % 20) + 0.01, 0.1 * (i // 20) + 0.03, 0.03, 0.06) for i in range(200)]
    drawn = annotated(GREY, [face(box) for box in boxes], LABELS)
    for left, top, width, height in boxes:
        x, y, w, h = (round(v) for v in (640 * left, 480 * top, 640 * width, 480 * height))
        assert share_of(drawn, colours(LABELS)["happy"], (slice(y, y + h), slice(x, x + w))) > 0.1
        assert (drawn[y + 6 : y + h - 6, x + 6 : x + w - 6] == 128).all()


def test_bars_are_as_long_as_the_scores():
    drawn = annotated(GREY, [face((0.1, 0.2, 0.3, 0.6))], LABELS)
    lengths = {}
    beside = drawn[:, 260:]
    for label in LABELS:
        rgb = [int(colours(LABELS)[label][i : i + 2], 16) for i in (1, 3, 5)]
        lengths[label] = (beside == rgb).all(axis=-1).sum(axis=1).max()
    assert lengths["happy"] / lengths["neutral"] == pytest.approx(0.7 / 0.15, rel=0.15)
    assert lengths["happy"] > 4 * lengths["angry"] > 0
