"""Faces to unit vectors: any ONNX embedder with a card, dlib's network, and the alignment between."""

import math
import sys

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper

from affekt.errors import MissingExtra, ModelError
from affekt.face.detect import Faces
from affekt.face.identity import IdentityInput, aligned, open_embedder, similarity, unit
from affekt.models.card import KEY, Card

POINTS = np.float32(IdentityInput().points)


def faces_at(*points):
    """Faces with five points each, in boxes around them."""
    points = np.float32(points)
    low, high = points.min(axis=1) - 20, points.max(axis=1) + 20
    boxes = np.concatenate([low, high - low], axis=1)
    return Faces(boxes, points, np.ones(len(boxes), np.float32), np.ones((len(boxes), 1), np.float32))


def embedder_file(path, *, channels=3, size=16, task="identity", modality="face", **given):
    """An embedder that gives the mean of 4 x 4 patches."""
    nodes = [
        helper.make_node("AveragePool", ["face"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["pooled"], ["vector"]),
    ]
    patches = channels * (size // 4) ** 2
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["n", channels, size, size])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", patches])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    scale = size / 112
    table = {"size": size, "points": [[x * scale, y * scale] for x, y in POINTS.tolist()], **given}
    card = Card("patches-1", modality, ("stranger", "person"), task=task, input=table)
    helper.set_model_props(model, {KEY: card.to_json()})
    path.write_bytes(model.SerializeToString())
    return path


def test_a_model_with_a_card_gives_unit_vectors(tmp_path):
    embedder = open_embedder(embedder_file(tmp_path / "e.onnx", usual=0.7, least=0.6))
    assert (embedder.name, embedder.size, embedder.usual, embedder.least) == ("patches-1", 48, 0.7, 0.6)
    pixels = np.random.default_rng(0).integers(0, 255, (150, 150, 3), dtype=np.uint8)
    found = embedder.embed(pixels, faces_at(POINTS, POINTS + 20))
    assert found.shape == (2, 48)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1])
    assert embedder.embed(pixels, faces_at(POINTS).take(np.array([], int))).shape == (0, 48)
    assert np.isnan(embedder.signs(pixels, faces_at(POINTS))).tolist() == [[False, True]]


def test_a_face_that_is_turned_and_scaled_gives_the_same_vector(tmp_path):
    """A smooth picture and the same one turned by 20 degrees at 1.5 times the size."""
    embedder = open_embedder(embedder_file(tmp_path / "e.onnx"))
    rows, columns = np.mgrid[0:400, 0:400].astype(np.float64)

    def picture(x, y):
        waves = [128 + 100 * np.sin((x * a + y * b) / 25) for a, b in ((1, 0.4), (0.2, 1), (0.7, -0.7))]
        return np.clip(np.stack(waves, axis=-1), 0, 255).astype(np.uint8)

    angle, scale = math.radians(20), 1.5
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.array([56.0, 66.0])
    back = np.linalg.inv(turn)
    offset = np.stack([columns - 200, rows - 200], axis=-1) @ back.T + centre
    plain = embedder.embed(picture(columns, rows), faces_at(POINTS))
    turned_points = ((POINTS - centre) @ turn.T + 200).astype(np.float32)
    turned = embedder.embed(picture(offset[..., 0], offset[..., 1]), faces_at(turned_points))
    assert float(plain[0] @ turned[0]) > 0.999


def test_similarity_is_the_best_turn_scale_and_shift():
    rng = np.random.default_rng(0)
    source, target = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
    turn, shift = similarity(source, target)
    # Least squares over (a, b, x, y) of [[a, -b], [b, a]] and the shift.
    system = np.zeros((10, 4))
    system[0::2] = np.column_stack([source[:, 0], -source[:, 1], np.ones(5), np.zeros(5)])
    system[1::2] = np.column_stack([source[:, 1], source[:, 0], np.zeros(5), np.ones(5)])
    a, b, x, y = np.linalg.lstsq(system, target.ravel(), rcond=None)[0]
    assert np.allclose(turn, [[a, -b], [b, a]])
    assert np.allclose(shift, [x, y])


@pytest.mark.parametrize(("channels", "planes"), [("rgb", 3), ("bgr", 3), ("grey", 1)])
def test_channels_are_as_the_card_says(channels, planes):
    pixels = np.zeros((120, 120, 3), np.uint8)
    pixels[:, :, 0] = 200
    found = aligned(pixels, POINTS, IdentityInput(channels=channels, mean=0, scale=1))
    assert found.shape == (planes, 112, 112)
    middle = found[:, 56, 56].tolist()
    assert middle == {"rgb": [200, 0, 0], "bgr": [0, 0, 200], "grey": [60]}[channels]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"task": "emotion"}, "gives 'vector'|for emotion; an embedder's card says"),
        ({"task": "detection"}, "is one of face for detection; an embedder's card says modality 'face' and task 'iden"),
        ({"modality": "speech"}, "is one of speech for identity"),
        ({"pixels": 3}, "its input has pixels; upgrade affekt"),
        ({"points": [[1, 2]]}, "give five points and a size of 16-512"),
        ({"channels_": "x"}, "its input has channels_"),
        ({"scale": 0}, "the scale is positive"),
        ({"usual": 0.2, "least": 0.4}, "least the smaller one"),
    ],
)
def test_cards_that_do_not_fit_are_refused(tmp_path, options, sentence):
    with pytest.raises(ModelError, match=sentence):
        open_embedder(embedder_file(tmp_path / "e.onnx", **options))


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingExtra, match=r"pip install '.\[attendance\]'"):
        open_embedder("dlib")


def test_nothing_has_no_length():
    assert unit(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]


@pytest.fixture(scope="module")
def dlib_embedder():
    for package in ("dlib", "face_recognition_models"):
        pytest.importorskip(package, reason="attendance needs the extra: pip install '.[attendance]'")
    return open_embedder()


def test_dlib_gives_unit_vectors_that_do_not_depend_on_the_other_faces(dlib_embedder):
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
    pixels = np.repeat(np.repeat(small, 20, axis=0), 20, axis=1)
    both = dlib_embedder.embed(pixels, faces_at(POINTS, POINTS + 90))
    alone = dlib_embedder.embed(pixels, faces_at(POINTS + 90))
    assert both.shape == (2, 128)
    assert np.linalg.norm(both, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert np.allclose(both[1], alone[0], atol=1e-5)
    assert np.isfinite(dlib_embedder.signs(pixels, faces_at(POINTS))).all()


def test_dlib_takes_frames_whose_rows_have_gaps(dlib_embedder):
    """A video frame 596 pixels wide comes with padded rows; dlib refused it with a page of types."""
    wide = np.random.default_rng(0).integers(0, 255, (160, 200, 3), dtype=np.uint8)
    pixels = wide[:, :150]
    assert not pixels.flags.c_contiguous
    assert dlib_embedder.embed(pixels, faces_at(POINTS)).shape == (1, 128)
    assert dlib_embedder.signs(pixels, faces_at(POINTS)).shape == (1, 2)


@pytest.mark.corpora
def test_photos_of_one_person_are_nearer_than_those_of_two(dlib_embedder, corpora_folder):
    """ORL, six people: every photo's nearest neighbour is of the same person."""
    from affekt.face.detect import Detector
    from affekt.face.image import read_picture

    folder = next(corpora_folder.parent.rglob("orl"), None)
    if folder is None:
        pytest.skip("AT&T's faces are not beside the corpora")
    detector, rows, who = Detector(), [], []
    for person in range(30, 36):
        for number in range(1, 5):
            pixels = read_picture(folder / f"s{person}" / f"{number}.pgm")
            rows.append(dlib_embedder.embed(pixels, detector.detect(pixels).take(np.array([0])))[0])
            who.append(person)
    cosines = np.stack(rows) @ np.stack(rows).T - 2 * np.eye(len(rows))
    assert [who[column] for column in cosines.argmax(axis=1)] == who
