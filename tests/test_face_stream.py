"""Frames in, segments out: tracks, smoothing, loss and return, quality; the detector knows where the faces are."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from affekt.errors import InputError, ModelError, UnknownName
from affekt.face.align import crops
from affekt.face.detect import Detector, Faces
from affekt.face.quality import NAMES, RATING, face_measures
from affekt.face.stream import FaceInput, FaceOptions, FaceSetup
from affekt.face.track import Tracker
from affekt.face.video import Frame
from affekt.labels import LabelMap
from affekt.models.card import Card
from affekt.models.zoo import model_path

LABELS = ("happy", "sad")
DARK = np.random.default_rng(1).uniform(0, 3, (1, 48, 48)).astype(np.float32)


@dataclass
class Brightness:
    """A network that is happy about bright faces: what the stream makes of its answers is known."""

    card: Card = field(default_factory=lambda: Card("m", "face", LABELS, input={"size": 48}))

    def run(self, faces):
        logits = (faces.mean(axis=(1, 2)) - 128) / 20
        return (np.stack([logits, -logits], axis=1).astype(np.float32),)


class Marked:
    """Finds the faces that a test put into the pictures: patches of one grey on black at ``places``."""

    def __init__(self, places):
        self.places = places

    def detect(self, pixels):
        boxes = np.array([b for b in self.places if pixels[int(b[1]) + 2, int(b[0]) + 2, 0] > 0], np.float32)
        boxes = boxes.reshape(-1, 4)
        eyes = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
        points = boxes[:, None, :2] + eyes[None] * boxes[:, None, 2:]
        return Faces(boxes, points, np.full(len(boxes), 0.9, np.float32), np.zeros((len(boxes), 0), np.float32))


LEFT, RIGHT = (10, 10, 40, 40), (100, 10, 40, 40)


def frame(time, **greys):
    pixels = np.zeros((80, 160, 3), np.uint8)
    for name, (left, top, width, height) in {"left": LEFT, "right": RIGHT}.items():
        if name in greys:
            pixels[top : top + height, left : left + width] = greys[name]
    return Frame(time, pixels)


def setup(**options):
    labels = LabelMap({label: (label,) for label in LABELS})
    return FaceSetup(Brightness(), Marked([LEFT, RIGHT]), labels, FaceOptions(**options))


def answers(frames, **options):
    stream = setup(**options).stream()
    found = [p for f in frames for p in stream.feed(f)]
    return [*found, *stream.flush()], stream


def test_a_picture_has_an_answer_for_each_face_and_no_time():
    found, stream = answers([frame(0.0, left=230, right=40)])
    assert {(p.who, p.label) for p in found} == {("face 1", "happy"), ("face 2", "sad")}
    assert all(p.start == p.end == 0 and p.modality == "face" for p in found) and stream.position == 0
    boxes = {p.label: p.box for p in found}
    assert boxes["happy"] == pytest.approx((10 / 160, 10 / 80, 40 / 160, 40 / 80))
    assert answers([frame(0.0)])[0] == []


def test_each_person_has_a_timeline():
    frames = [frame(i / 25, left=230 if i < 50 else 40, right=40) for i in range(100)]
    found, stream = answers(frames)
    assert stream.position == pytest.approx(4.0, abs=0.01)
    first = [p for p in found if p.who == "face 1"]
    assert [p.label for p in first] == ["happy", "sad"]
    assert first[0].start == 0 and first[0].end == pytest.approx(2.0, abs=0.4) == first[1].start
    assert first[1].end == pytest.approx(4.0, abs=0.05)
    (second,) = [p for p in found if p.who == "face 2"]
    assert (second.label, second.start) == ("sad", 0.0) and second.end == pytest.approx(4.0, abs=0.05)


def test_a_flicker_makes_no_segment_and_can_be_seen_without_smoothing():
    frames = [frame(i / 25, left=40 if i in (30, 31) else 230) for i in range(60)]
    assert [p.label for p in answers(frames)[0]] == ["happy"]
    assert [p.label for p in answers(frames, smoothing=0, shortest=0)[0]] == ["happy", "sad", "happy"]


def test_a_face_that_comes_back_has_its_name_and_a_segment_of_its_own():
    frames = [frame(i / 25, **({} if 25 <= i < 50 else {"left": 230})) for i in range(75)]
    found, _ = answers(frames)
    assert [(p.who, round(p.start, 1)) for p in found] == [("face 1", 0.0), ("face 1", 2.0)]
    assert found[0].end == pytest.approx(1.0, abs=0.05)
    short = [frame(i / 25, **({} if 25 <= i < 30 else {"left": 230})) for i in range(75)]
    assert len(answers(short)[0]) == 1


@pytest.mark.parametrize("rate", [1, 7, 30])
def test_the_rate_of_the_frames_changes_little(rate):
    frames = [frame(i / rate, left=230 if i / rate < 3 else 40) for i in range(6 * rate)]
    found, _ = answers(frames, lost=2.0)
    assert [p.label for p in found] == ["happy", "sad"]
    assert found[0].end == pytest.approx(3.0, abs=0.4 + 1 / rate) and found[1].end == pytest.approx(6, abs=0.2)


def test_what_is_fed_wrongly_is_refused():
    stream = setup().stream()
    stream.feed(frame(1.0, left=200))
    with pytest.raises(InputError, match="give them in order"):
        stream.feed(frame(1.0))
    with pytest.raises(InputError, match="uint8"):
        stream.feed(Frame(2.0, np.zeros((4, 4), np.uint8)))
    stream.flush()
    with pytest.raises(InputError, match="was flushed"):
        stream.feed(frame(3.0))
    for wrong in ({"rate": -1}, {"smoothing": 99}, {"hop": 0}):
        with pytest.raises(InputError, match="allowed"):
            FaceOptions(**wrong)
    with pytest.raises(ModelError, match="grey crops"):
        FaceInput(size=3)


class TestCrops:
    def test_a_crop_is_the_square_around_the_face(self):
        ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3))
        (crop,) = crops(ramp, np.array([[60, 20, 40, 40]], np.float32), size=40, margin=1.0)
        np.testing.assert_allclose(crop[20], np.arange(60, 100), atol=0.6)
        (wide,) = crops(ramp, np.array([[60, 20, 40, 40]], np.float32), size=40, margin=2.0)
        assert wide[20, 0] == pytest.approx(40.5, abs=1) and wide[20, -1] == pytest.approx(118.5, abs=1)

    def test_outside_of_the_picture_its_edge_goes_on(self):
        picture = np.full((30, 30, 3), 50, np.uint8)
        boxes = np.array([[-20, -20, 30, 30], [25, 25, 30, 30], [200, 200, 5, 5], [3, 3, 0.2, 0.2]], np.float32)
        found = crops(picture, boxes, size=16, margin=1.0)
        np.testing.assert_allclose(found[[0, 1, 3]], 50, atol=0.01)
        assert found.shape == (4, 16, 16) and np.isfinite(found).all()


class TestTracks:
    def test_two_that_cross_keep_their_names(self):
        tracker = Tracker()
        for i in range(40):
            boxes = np.array([[i * 5, 0, 30, 30], [195 - i * 5, 60, 30, 30]], np.float32)
            names = [t.name for t in tracker.update(boxes[:: 1 if i % 2 else -1], i / 25)]
            assert sorted(names) == ["face 1", "face 2"]
            assert (names == ["face 1", "face 2"]) == (i % 2 == 0)

    def test_a_fast_one_is_followed_and_a_stranger_is_new(self):
        tracker = Tracker()
        (first,) = tracker.update(np.array([[0, 0, 30, 30]], np.float32), 0.0)
        (again,) = tracker.update(np.array([[35, 0, 30, 30]], np.float32), 0.04)
        (other,) = tracker.update(np.array([[300, 0, 30, 30]], np.float32), 0.08)
        assert (again is first and other.name == "face 2") or other.name == "face 3"
        (late,) = tracker.update(np.array([[300, 0, 30, 30]], np.float32), 99.0)
        assert late.name != other.name


class TestQuality:
    def measured(self, points=None, size=100.0, crop=None, score=0.95):
        rng = np.random.default_rng(0)
        face = rng.uniform(0, 255, (1, 48, 48)).astype(np.float32) if crop is None else crop
        front = [[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]]
        box = np.array([[0, 0, size, size]], np.float32)
        shown = np.array([points or front], np.float32)
        row = face_measures(face, box, shown, np.array([score], np.float32))
        quality = float(RATING.qualities(row)[0])
        return quality, RATING.reason(row[0], quality)

    def test_a_face_to_the_camera_is_good(self):
        assert self.measured() == (pytest.approx(1.0, abs=0.1), "")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"size": 12.0}, "small: 12 pixels high"),
            ({"points": [[30, 40], [50, 40], [49, 60], [35, 80], [48, 80]]}, "turned away"),
            ({"points": [[40, 20], [60, 80], [30, 60], [20, 40], [30, 80]]}, "tilted by 72 degrees"),
            ({"crop": DARK}, "too dark or too bright"),
            ({"score": 0.4}, "partly hidden"),
        ],
    )
    def test_what_is_wrong_is_said(self, change, said):
        quality, reason = self.measured(**change)
        assert quality < 0.6 and said in reason

    def test_nothing_measures_as_nothing(self):
        empty = np.zeros((0, 48, 48), np.float32), np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0)
        assert face_measures(*empty).shape == (0, len(NAMES))


def test_another_detector_is_opened_when_the_options_name_it():
    labels = LabelMap({label: (label,) for label in LABELS})
    own = FaceSetup(Brightness(), Detector(), labels, FaceOptions())
    path = str(model_path("detector"))
    other = replace(own, options=FaceOptions(detector=path))
    assert (own.detector.name, other.detector.name) == ("detector", path)
    assert replace(own, options=FaceOptions(detector="detector")).detector is own.detector
    with pytest.raises(UnknownName, match="unknown detector 'nosuch'"):
        replace(own, options=FaceOptions(detector="nosuch"))
