"""The map of the face in front of a camera: where it is high, what it says of itself, and when there is none."""

import numpy as np
import pytest

from affekt import Recognizer
from affekt.errors import InputError
from affekt.explain.live_map import CELLS, gives_map, live_map
from affekt.face.stream import CloseUp
from affekt.face.video import Frame
from affekt.recognize.live_faces import LiveFaces
from tests.conftest import drawn_face


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer("face")


@pytest.fixture(scope="module")
def close_up(recognizer):
    picture = np.full((240, 320, 3), 125, np.uint8)
    picture[40:200, 80:240] = np.asarray(drawn_face(160))
    live = LiveFaces(recognizer)
    live.feed(Frame(0.0, picture))
    return live.largest


def test_the_largest_face_comes_with_the_crop_that_the_network_was_given(close_up):
    assert close_up.crop.shape == (48, 48) and close_up.prediction.who == "face 1"
    left, top, width, height = close_up.area
    assert -0.3 < left < 0 and -0.3 < top < 0 and 1 < width < 1.4 and 1 < height < 1.4


def test_a_smile_is_seen_by_the_mouth(recognizer, close_up):
    found = live_map(recognizer, close_up)
    assert found.values.shape == (CELLS, CELLS) and found.values.max() == 1 and found.values.min() == 0
    row, _ = np.unravel_index(found.values.argmax(), found.values.shape)
    assert row >= 4, "the mouth is in the lower half"
    assert 0 <= found.covered < found.confidence <= 1
    assert found.confidence == pytest.approx(close_up.prediction.scores["happy"], abs=1e-4), "of the first frame"


def test_what_costs_the_label_nothing_is_no_map(recognizer, close_up):
    flat = CloseUp(np.full_like(close_up.crop, 128), close_up.prediction, close_up.area)
    found = live_map(recognizer, flat).as_table()
    assert found["reason"].startswith("no map: zero everywhere") and "values" not in found


def test_what_is_no_number_is_no_map(recognizer, close_up):
    broken = CloseUp(np.full_like(close_up.crop, np.nan), close_up.prediction, close_up.area)
    found = live_map(recognizer, broken).as_table()
    assert found["reason"].startswith("no map: ")  # in int8 what is no number is a grey, and every grey the same


def test_a_model_without_crops_is_refused_in_a_sentence(close_up):
    voice = Recognizer("voice-small")
    assert not gives_map(voice.card)
    with pytest.raises(InputError, match="gives no map: it is one for emotion in the modality speech"):
        live_map(voice, close_up)
