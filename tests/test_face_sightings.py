"""Frames to sightings: who is looked at, how often, and what keeps a face from being enrolled."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

pytest.importorskip("onnx")

from affekt.errors import InputError
from affekt.face.detect import Detector
from affekt.face.identity import open_embedder, signed_turn
from affekt.face.sightings import ENROLMENT, Watch, Watcher, gate_problems, one_face
from tests.drawn_faces import colour_embedder, drawn_face


@pytest.fixture(scope="module")
def detector():
    return Detector()


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    return open_embedder(colour_embedder(tmp_path_factory.mktemp("model") / "colours.onnx"))


def crowd(*names):
    return np.hstack([drawn_face(name) for name in names])


def test_each_face_is_followed_and_has_a_vector_of_its_own(detector, embedder):
    watcher = Watcher(detector, embedder)
    first = watcher.look(crowd("Ada", "Bo"), 0.0)
    second = watcher.look(crowd("Ada", "Bo"), 0.1)
    tracks = {s.track: s for s in first}
    assert len(tracks) == 2
    for sighting in second:
        assert float(sighting.vector @ tracks[sighting.track].vector) > 0.999
    assert float(first[0].vector @ first[1].vector) < 0.95


def test_vectors_are_made_of_the_most_urgent_faces_only(detector, embedder):
    urgency = {"face 1": 0.0, "face 2": 1.0, "face 3": 2.0}
    watcher = Watcher(detector, embedder, Watch(wanted=lambda track, time: urgency[track], most=1))
    found = watcher.look(crowd("Ada", "Bo", "Cem"), 0.0)
    assert {s.track for s in found if s.vector is not None} == {"face 3"}
    assert len(found) == 3


def test_a_face_that_is_not_good_enough_has_a_reason_and_no_vector(detector, embedder):
    tiny = np.asarray(Image.fromarray(drawn_face("Ada")).resize((48, 48)))
    frame = np.full((160, 160, 3), 110, np.uint8)
    frame[:48, :48] = tiny
    found = Watcher(detector, embedder).look(frame, 0.0)
    assert [s.vector for s in found] == [None] * len(found)
    assert all(s.problems for s in found)


def test_expressions_are_asked_for_only_where_they_are_wanted(detector, embedder):
    seen = []

    def express(pixels, faces):
        seen.append(len(faces))
        return [("happy", index) for index in range(len(faces))]

    plain = Watcher(detector, embedder).look(crowd("Ada", "Bo"), 0.0)
    assert {s.expression for s in plain} == {None}
    told = Watcher(detector, embedder, Watch(express=express)).look(crowd("Ada", "Bo"), 0.0)
    assert seen == [2]
    assert sorted(s.expression for s in told) == [("happy", 0), ("happy", 1)]


def test_a_good_picture_of_one_face_can_be_enrolled(detector):
    assert len(one_face(drawn_face("Ada"), detector)) == 1


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (np.full((160, 160, 3), 120, np.uint8), "no face is found; use a picture of the face from the front"),
        (crowd("Ada", "Bo"), "2 faces are in it, and whose it is must be certain"),
        (np.asarray(Image.fromarray(drawn_face("Ada")).resize((72, 72))), "too small: .* pixels high, 56 are needed"),
    ],
)
def test_what_cannot_be_enrolled_says_why(detector, pixels, sentence):
    with pytest.raises(InputError, match=sentence):
        one_face(pixels, detector)


def test_a_blurred_face_says_so(detector):
    sharp = Image.fromarray(drawn_face("Ada", size=320))
    for radius in (14, 18, 24):
        blurred = np.asarray(sharp.filter(ImageFilter.GaussianBlur(radius)))
        if len(detector.detect(blurred)):
            with pytest.raises(InputError, match="blurred|hardly a face"):
                one_face(blurred, detector)


def test_a_face_far_behind_does_not_count_as_a_second_one(detector):
    frame = np.full((320, 480, 3), (90, 110, 120), np.uint8)
    frame[:, :320] = drawn_face("Ada", size=320)
    frame[20:132, 350:462] = drawn_face("Bo", size=112)
    assert len(detector.detect(frame)) == 2
    assert len(one_face(frame, detector)) == 1


def test_the_sign_of_a_turn_is_its_side():
    points = np.float32([[[0, 0], [40, 0], [20 + shift, 20], [5, 40], [35, 40]] for shift in (-8, 0, 8)])
    assert signed_turn(points).tolist() == pytest.approx([-0.4, 0, 0.4])
    assert signed_turn(np.full((1, 5, 2), np.nan, np.float32)).tolist() == [0]


def test_every_measure_of_the_gate_has_words():
    poor = {"size": 20, "sharpness": 0.0, "turn": 0.9, "tilt": 50, "light": 0.0, "visible": 0.2}
    said = gate_problems(poor, ENROLMENT)
    assert len(said) == 6
    assert said[0] == "the face is too small: 20 pixels high, 56 are needed; come nearer"
    assert "turned away by some 81 degrees" in said[2]
