"""OpenCV's cascade as a detector: its boxes in our convention, its scores, and what is said without OpenCV."""

import sys

import numpy as np
import pytest

from affekt.errors import MissingExtra
from affekt.face.detect import DetectOptions, Detector
from affekt.face.haar import HALF, LEAST, SIDE, Cascade


def test_without_opencv_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r"pip install '.\[face\]'"):
        Detector("haar")


def drawn(size=200, at=(100, 90), side=90):
    """A face as coarse as the cascade needs it: dark eyes, bright nose and cheeks, a dark mouth."""
    y, x = np.indices((size, size))
    x, y = (x - at[0]) / side, (y - at[1]) / side
    picture = np.full((size, size), 90.0)
    picture[(x / 0.5) ** 2 + (y / 0.62) ** 2 < 1] = 200
    for eye in (-0.2, 0.2):
        picture[((x - eye) / 0.11) ** 2 + ((y + 0.12) / 0.06) ** 2 < 1] = 40
        picture[(np.abs(x - eye) < 0.13) & (np.abs(y + 0.25) < 0.03)] = 60
    picture[(np.abs(x) < 0.05) & (y > -0.15) & (y < 0.15)] = 230
    picture[(np.abs(x) < 0.08) & (np.abs(y - 0.17) < 0.02)] = 120
    picture[(np.abs(x) < 0.18) & (np.abs(y - 0.33) < 0.04)] = 70
    return np.repeat(picture.astype(np.uint8)[..., None], 3, axis=2)


def test_boxes_lie_a_little_inside_and_below_the_cascade_s():
    cv2 = pytest.importorskip("cv2")
    grey = drawn()[..., 0]
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    left, top, side, _ = cascade.detectMultiScale(grey, 1.1, 3, minSize=(LEAST, LEAST))[0]
    boxes, scores = Cascade().find(grey, 0.5)
    assert boxes.shape == (1, 4)
    assert boxes[0, 2] == boxes[0, 3] == pytest.approx(SIDE * side)
    assert boxes[0, 0] + boxes[0, 2] / 2 == pytest.approx(left + side / 2)
    assert boxes[0, 1] + boxes[0, 3] / 2 == pytest.approx(top + side * 0.59)
    assert 0.5 <= scores[0] < 1
    windows = round(float(HALF * scores[0] / (1 - scores[0])))
    assert len(Cascade().find(grey, (windows - 1) / (windows - 1 + HALF))[0]) == 1
    assert len(Cascade().find(grey, (windows + 1) / (windows + 1 + HALF))[0]) == 0


def test_a_detector_named_haar_finds_a_face_and_has_no_points():
    pytest.importorskip("cv2")
    detector = Detector("haar")
    found = detector.detect(drawn())
    assert (detector.names, detector.threshold, len(found)) == (("face",), 0.5, 1)
    assert np.isnan(found.points).all()
    twice = Detector("haar", DetectOptions(smallest=12.0)).detect(drawn())
    np.testing.assert_allclose(twice.boxes, found.boxes, atol=12)
    assert len(detector.detect(np.zeros((10, 300, 3), np.uint8))) == 0
