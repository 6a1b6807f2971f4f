"""Finding faces: decoding against slow references, laws of the picture's size and place, box conventions, refusals."""

import math

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper

from affekt.errors import InputError, ModelError, UnknownName
from affekt.face import detect
from affekt.face.detect import (
    STRIDES,
    DetectOptions,
    Detector,
    decode_affekt,
    decode_yolo,
    decode_yolo_points,
    decode_yunet,
    emotion_crop,
    from_yunet,
    overlaps,
    resized,
    suppress,
)
from affekt.models.onnx import open_model
from affekt.models.zoo import MODELS, model_path


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def noise(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def write(path, nodes, inputs, outputs, **metadata):
    """An ONNX file of some nodes; inputs and outputs are name to shape."""
    values = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in table.items()]
        for table in (inputs, outputs)
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "graph", *values), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())
    return path


def bright_spot_detector(path):
    """A detector of affekt's kind that finds a face wherever a cell of 8 pixels is white all over."""
    channels = [helper.make_tensor("w", TensorProto.FLOAT, [15, 1, 1, 1], [1.0] + [0.0] * 14)]
    nodes = [helper.make_node("Constant", [], ["weight"], value=channels[0])]
    for stride in STRIDES:
        nodes += [
            helper.make_node("AveragePool", ["picture"], [f"mean{stride}"], kernel_shape=[8, 8], strides=[stride] * 2),
            helper.make_node("Constant", [], [f"dark{stride}"], value_float=-250.0 if stride == 8 else -1000.0),
            helper.make_node("Add", [f"mean{stride}", f"dark{stride}"], [f"logit{stride}"]),
            helper.make_node("Conv", [f"logit{stride}", "weight"], [f"stride{stride}"]),
        ]
    return write(path, nodes, {"picture": [1, 1, "h", "w"]}, {f"stride{s}": [1, 15, "y", "x"] for s in STRIDES})


def test_our_maps_are_decoded_as_a_slow_loop_does():
    maps = [noise((1, 15, 48 // stride * 2, 64 // stride), stride) for stride in STRIDES]
    found, expected = decode_affekt(maps, 0.6), []
    for stride, cells in zip(STRIDES, maps, strict=True):
        for row in range(cells.shape[2]):
            for column in range(cells.shape[3]):
                v = cells[0, :, row, column]
                if sigmoid(v[0]) < 0.6:
                    continue
                x, y = (column + 0.5 + v[1]) * stride, (row + 0.5 + v[2]) * stride
                width, height = 4 * stride * math.exp(v[3]), 4 * stride * math.exp(v[4])
                points = [
                    ((column + 0.5 + 4 * v[5 + 2 * i]) * stride, (row + 0.5 + 4 * v[6 + 2 * i]) * stride)
                    for i in range(5)
                ]
                expected.append((sigmoid(v[0]), [x - width / 2, y - height / 2, width, height], points))
    assert len(found) == len(expected) > 10
    np.testing.assert_allclose(found.scores, [score for score, _, _ in expected], rtol=1e-5)
    np.testing.assert_allclose(found.boxes, [box for _, box, _ in expected], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.points, [points for _, _, points in expected], rtol=1e-4, atol=1e-3)


def test_yunet_is_decoded_as_a_slow_loop_does():
    rng, outputs = np.random.default_rng(1), []
    cells = [(64 // stride) ** 2 for stride in STRIDES]
    for width in (1, 1, 4, 10):
        for n in cells:
            values = rng.uniform(0, 1.2, (1, n, width)) if width == 1 else rng.standard_normal((1, n, width))
            outputs.append(values.astype(np.float32))
    found, expected = decode_yunet(outputs, 0.7), []
    for level, stride in enumerate(STRIDES):
        face, thing, box, point = (outputs[part * 3 + level][0] for part in range(4))
        for index in range(len(face)):
            score = math.sqrt(min(1, face[index, 0]) * min(1, thing[index, 0]))
            if score < 0.7:
                continue
            row, column = divmod(index, 64 // stride)
            width, height = stride * math.exp(box[index, 2]), stride * math.exp(box[index, 3])
            x, y = stride * (column + box[index, 0]), stride * (row + box[index, 1]) + 0.06 * height
            points = [(stride * (column + px), stride * (row + py)) for px, py in point[index].reshape(5, 2)]
            width, height = 1.11 * width, 0.85 * height
            expected.append((score, [x - width / 2, y - height / 2, width, height], points))
    assert len(found) == len(expected) > 10
    np.testing.assert_allclose(found.scores, [score for score, _, _ in expected], rtol=1e-5)
    np.testing.assert_allclose(found.boxes, [box for _, box, _ in expected], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.points, [points for _, _, points in expected], rtol=1e-4, atol=1e-3)


def test_yolo_is_decoded_as_a_slow_loop_does():
    output = np.random.default_rng(2).uniform(0, 1, (1, 4 + 3, 40)).astype(np.float32)
    found, expected = decode_yolo([output], 0.8), []
    for x, y, width, height, *classes in output[0].T:
        if max(classes) >= 0.8:
            expected.append(([x - width / 2, y - height / 2, width, height], max(classes), classes))
    assert len(found) == len(expected) > 5
    np.testing.assert_allclose(found.boxes, [box for box, _, _ in expected], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [score for _, score, _ in expected])
    np.testing.assert_allclose(found.classes, [classes for _, _, classes in expected])
    assert np.isnan(found.points).all()


def test_yolo_with_points_gives_them():
    output = np.random.default_rng(3).uniform(0, 1, (1, 20, 40)).astype(np.float32)
    found = decode_yolo_points([output], 0.8)
    rows = output[0].T[output[0, 4] >= 0.8]
    assert len(found) == len(rows) > 2
    np.testing.assert_allclose(found.points[:, 2], rows[:, 11:13])
    np.testing.assert_allclose(found.boxes[:, 2:], rows[:, 2:4])


def test_suppression_keeps_what_the_definition_says():
    rng = np.random.default_rng(4)
    boxes = np.column_stack([rng.uniform(0, 60, (80, 2)), rng.uniform(10, 40, (80, 2))]).astype(np.float32)
    scores, kept = rng.uniform(0, 1, 80).astype(np.float32), []
    for row in sorted(range(80), key=lambda i: -scores[i]):
        left, top, width, height = boxes[row].tolist()
        for other in kept:
            x, y, w, h = boxes[other].tolist()
            shared = max(0, min(left + width, x + w) - max(left, x)) * max(0, min(top + height, y + h) - max(top, y))
            if shared / (width * height + w * h - shared) > 0.4:
                break
        else:
            kept.append(row)
    assert suppress(boxes, scores, 0.4).tolist() == kept
    assert 5 < len(kept) < 80


def test_boxes_without_area_overlap_nothing():
    assert overlaps(np.zeros(4, np.float32), np.zeros((2, 4), np.float32)).tolist() == [0, 0]
    assert suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.4).tolist() == []


def test_box_conventions_lead_back_to_the_crop_of_yunet():
    """The emotion network was taught on squares as high as YuNet's box, about its centre."""
    yunet = np.float32([[10, 20, 60, 80]])
    left, top, side, same = emotion_crop(from_yunet(yunet))[0]
    assert (side, same) == (pytest.approx(80), pytest.approx(80))
    assert (left + side / 2, top + side / 2) == (pytest.approx(40), pytest.approx(60))


def spots(height, width, *corners):
    image = np.zeros((height, width, 3), np.uint8)
    for left, top in corners:
        image[top : top + 8, left : left + 8] = 255
    return image


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return Detector(bright_spot_detector(tmp_path_factory.mktemp("detector") / "spots.onnx"))


def test_a_shifted_picture_has_shifted_boxes(detector):
    first = detector.detect(spots(96, 160, (16, 24)))
    second = detector.detect(spots(96, 160, (16 + 64, 24 + 32)))
    assert len(first) == len(second) == 1
    np.testing.assert_allclose(first.boxes + np.float32([64, 32, 0, 0]), second.boxes)
    np.testing.assert_allclose(first.points + np.float32([64, 32]), second.points)
    np.testing.assert_allclose(first.boxes, [[4, 12, 32, 32]])


def test_padding_finds_nothing_and_moves_nothing(detector):
    whole = detector.detect(spots(96, 160, (16, 24)))
    odd = detector.detect(spots(96, 160, (16, 24))[:37, :50])
    assert len(odd) == 1
    np.testing.assert_allclose(odd.boxes, whole.boxes)


def test_a_large_picture_is_shrunk_and_boxes_are_in_its_own_pixels(detector):
    image = spots(96, 160, (16, 24)).repeat(8, axis=0).repeat(8, axis=1)  # 768 x 1280
    few = detector.detect(image)
    assert len(few) == 6  # at half its size the spot is 4 x 4 cells, whose boxes overlap
    box = few.boxes[0]
    assert 128 - 48 <= box[0] <= 192 and 192 - 48 <= box[1] <= 256
    assert box[2] == box[3] == 64


def test_smallest_asks_for_more_pixels_whatever_longest_says(tmp_path):
    path, image = bright_spot_detector(tmp_path / "spots.onnx"), spots(96, 160, (16, 24))
    plain = Detector(path).detect(image)
    enlarged = Detector(path, DetectOptions(smallest=8, longest=32)).detect(image)
    assert len(plain) == 1
    assert (enlarged.boxes[:, 2] == 16).all()


def test_pictures_of_one_pixel_and_of_one_row_are_searched(detector):
    for shape in ((1, 1, 3), (1, 200, 3), (200, 1, 3), (31, 31, 3)):
        assert len(detector.detect(np.zeros(shape, np.uint8))) == 0


def test_no_faces_are_arrays_of_the_right_shape(detector):
    none = detector.detect(np.zeros((64, 64, 3), np.uint8))
    assert (none.boxes.shape, none.points.shape, none.scores.shape) == ((0, 4), (0, 5, 2), (0,))
    assert emotion_crop(none.boxes).shape == (0, 4)


def test_at_most_so_many_faces(tmp_path):
    corners = [(x, y) for x in range(0, 320, 64) for y in range(0, 192, 64)]
    path = bright_spot_detector(tmp_path / "spots.onnx")
    assert len(Detector(path).detect(spots(192, 320, *corners))) == 15
    assert len(Detector(path, DetectOptions(most=3)).detect(spots(192, 320, *corners))) == 3


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), [[1]], np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture_is_refused(detector, bad):
    with pytest.raises(InputError, match="a picture of shape"):
        detector.detect(bad)


def test_options_out_of_range_are_refused():
    with pytest.raises(InputError, match="between 0 and 1"):
        DetectOptions(threshold=1.0)
    with pytest.raises(InputError, match="longest must be 32"):
        DetectOptions(longest=8)
    with pytest.raises(InputError, match="the others positive"):
        DetectOptions(smallest=float("nan"))


def test_a_yolo_export_by_path_names_its_classes(tmp_path):
    table = np.zeros((1, 6, 2), np.float32)
    table[0, :, 0] = [32, 32, 20, 10, 0.1, 0.9]
    value = helper.make_tensor("t", TensorProto.FLOAT, table.shape, table.ravel().tolist())
    zero = helper.make_tensor("z", TensorProto.FLOAT, [1], [0.0])
    nodes = [
        helper.make_node("Constant", [], ["table"], value=value),
        helper.make_node("Constant", [], ["zero"], value=zero),
        helper.make_node("GlobalMaxPool", ["images"], ["most"]),
        helper.make_node("ReduceMax", ["most"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "zero"], ["nothing"]),
        helper.make_node("Add", ["table", "nothing"], ["output0"]),
    ]
    path = write(
        tmp_path / "yolo.onnx",
        nodes,
        {"images": [1, 3, 64, 64]},
        {"output0": [1, 6, 2]},
        names="{0: 'sad', 1: 'happy'}",
    )
    found = Detector(path).detect(np.zeros((128, 256, 3), np.uint8))
    assert Detector(path).names == ("sad", "happy")
    np.testing.assert_allclose(found.boxes, [[22 * 4, 27 * 4, 80, 40]])  # 256 pixels were seen as 64
    np.testing.assert_allclose(found.classes, [[0.1, 0.9]])


def test_a_file_that_is_no_detector_is_refused(tmp_path):
    path = write(
        tmp_path / "other.onnx",
        [helper.make_node("Relu", ["x"], ["y"])],
        {"x": [1, 3, 8, 8]},
        {"y": [1, 3, 8, 8]},
    )
    with pytest.raises(ModelError, match="gives y; a detector is affekt's own"):
        Detector(path)
    with pytest.raises(ModelError, match="no such model file"):
        Detector(tmp_path / "missing.onnx")


def test_resizing_averages_all_pixels():
    """A picker of single pixels would make a checkerboard black or white."""
    board = np.indices((128, 128)).sum(axis=0) % 2 * 255
    image = np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)
    assert np.abs(resized(image, 64, 64).astype(int)[4:-4, 4:-4] - 127).max() <= 3
    assert np.abs(resized(image, 64, 64, grey=True).astype(int)[4:-4, 4:-4] - 127).max() <= 3


def test_lightness_keeps_its_range():
    """The scaler's own grey reaches from 16 to 235 only."""
    for value in (0, 128, 255):
        image = np.full((64, 64, 3), value, np.uint8)
        assert np.abs(resized(image, 64, 64, grey=True).astype(int) - value).max() <= 1
        assert np.abs(resized(image, 48, 40, grey=True).astype(int) - value).max() <= 1
        assert np.abs(resized(image, 16, 8, grey=True).astype(int) - value).max() <= 1


def test_every_kind_of_detector_has_a_decoder():
    assert set(detect.DECODERS) == {"affekt", "yunet", "yolo", "yolo-points"}


@pytest.mark.skipif("detector" not in MODELS, reason="no detector ships that is better than the floor")
def test_the_detector_that_ships_is_small_and_sees_no_faces_where_there_is_nothing():
    detector = Detector()
    assert model_path("detector").stat().st_size <= 500_000
    assert detector.names == ("face",)
    assert 0.2 <= detector.threshold < 0.9
    grey = np.full((180, 320, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (180, 320, 3)).astype(np.uint8)
    assert [len(detector.detect(picture)) for picture in (grey, noise)] == [0, 0]


def test_yunet_by_name_is_the_file_that_was_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFEKT_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="Run: affekt models download yunet"):
        Detector("yunet")
    nodes = [helper.make_node("Identity", ["input"], ["same"])]
    write(tmp_path / "face_detection_yunet_2023mar.onnx", nodes, {"input": [1, 3, 64, 64]}, {"same": [1, 3, 64, 64]})
    with pytest.raises(ModelError, match="gives same; a detector is"):
        Detector("yunet")


def test_a_detector_takes_a_model_that_is_open(tmp_path):
    opened = open_model(model_path("detector"))
    assert Detector(opened).threshold == Detector().threshold
    assert (Detector(opened).name, Detector("detector").name) == (opened.card.name, "detector")


def test_a_name_that_is_no_detector_is_refused_with_the_near_one():
    with pytest.raises(UnknownName, match="did you mean 'yunet'"):
        Detector("yunett")
