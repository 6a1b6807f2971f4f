"""Model files: ours open; wrong, truncated, foreign and hostile ones are refused with a clear sentence."""

import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import AffektError, InputError, ModelError, UnknownName
from affekt.models.card import KEY, Card
from affekt.models.onnx import inspect, open_model, read_card
from affekt.models.zoo import MODELS, load_model, model_path
from affekt.recognize.recognizer import Recognizer
from affekt.speech.waveform import ActivityModel, VoiceModel, WaveformInput

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT

CARD = Card("tiny", "speech", ("happy", "sad"), input={"frame": 640, "window": 1280, "hop": 640})


def tiny(card=CARD, *, nodes=None, initializers=(), outputs=("logits", "window_logits"), classes=2):
    """A model file that has all it takes and computes nothing of interest."""
    shapes = {"logits": ["b", classes], "window_logits": ["b", "w", classes], "speech": ["b", "t"]}
    nodes = nodes or [
        helper.make_node("ReduceMean", ["signal"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["mean"] * classes, ["logits"], axis=1),
        helper.make_node("Unsqueeze", ["logits", "one"], ["window_logits"]),
    ]
    one = helper.make_tensor("one", onnx.TensorProto.INT64, [1], [1])
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("signal", FLOAT, ["b", "n"])],
        [helper.make_tensor_value_info(name, FLOAT, shapes.get(name, ["x"])) for name in outputs],
        initializer=[one, *initializers],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if card is not None:
        helper.set_model_props(model, {KEY: card if isinstance(card, str) else card.to_json()})
    return model


@pytest.fixture
def save(tmp_path):
    def write(model, name="m.onnx"):
        path = tmp_path / name
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        return path

    return write


def test_a_whole_model_opens_and_runs(save):
    model = open_model(save(tiny()))
    whole, windows = model.run(np.zeros((3, 800), np.float32))
    assert (whole.shape, windows.shape, model.card) == ((3, 2), (3, 1, 2), CARD)


@pytest.mark.parametrize("name", MODELS)
def test_the_models_that_ship_open_and_are_small(name):
    card = read_card(model_path(name))
    assert card.name == name
    assert card.data, "a card names what the model learned from"
    assert card.licence
    assert model_path(name).stat().st_size < (16e6 if name == "voice" else 10e6)


def test_shipped_voice_has_the_house_signature_and_its_windows_agree_with_its_whole():
    model = VoiceModel(load_model("voice"))
    card = model.card
    signal = (0.1 * np.random.default_rng(0).standard_normal((2, model.input.window))).astype(np.float32)
    whole, windows, embeddings = model.run(signal)
    assert whole.shape == (2, 8)
    assert windows.shape[2] == 8
    assert embeddings.shape == (*windows.shape[:2], card.baseline)
    assert card.labels == ("angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert card.limits


def test_the_card_survives_the_file(save):
    card = replace(CARD, scores={"ravdess": {"UAR": [0.6, 0.5, 0.7, 360]}}, limits=("acted speech",), temperature=1.7)
    assert read_card(save(tiny(card))) == card


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(save, kept):
    whole = model_path("activity").read_bytes()
    with pytest.raises(ModelError, match=r"truncated|no graph|cannot be loaded|no affekt card"):
        open_model(save(whole[: int(len(whole) * kept)]))


@pytest.mark.parametrize(
    "content", [b"hello, this is a text", b"\x00" * 4096, b"PK\x03\x04zip", b"\x80\x04pickle.", b"RIFF" * 50]
)
def test_a_file_of_another_kind_is_refused(save, content):
    with pytest.raises(ModelError, match=r"not an ONNX file|no graph|truncated|no affekt card"):
        open_model(save(content))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_be_refused(content):
    with pytest.raises(ModelError):
        if KEY not in inspect(content):
            raise ModelError("no card")


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_damaged_model_never_breaks_out(tmp_path_factory, at, byte):
    data = bytearray(tiny().SerializeToString())
    data[at % len(data)] = byte
    path = tmp_path_factory.mktemp("damaged") / "m.onnx"
    path.write_bytes(data)
    with contextlib.suppress(AffektError):
        open_model(path).run(np.zeros((1, 800), np.float32))


def test_a_foreign_model_is_refused(save):
    with pytest.raises(ModelError, match="has no affekt card; only models exported by affekt"):
        open_model(save(tiny(None)))


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ("{not json", "card cannot be read"),
        ("[]", "card cannot be read"),
        ("{}", "card cannot be read"),
        ('{"name": "x", "modality": "speech", "labels": "ab"}', "labels and limits in lists"),
        ('{"name": "x", "modality": "speech", "labels": [1, 2]}', "must be printable text"),
        ('{"name": "x", "modality": "speech", "labels": ["a", "\\u001b[31m"]}', "must be printable text"),
        ('{"name": "x", "modality": "speech", "labels": ["a", "b"], "data": {"x": {}}}', "clips, speakers and licence"),
        (
            '{"name": "x", "modality": "speech", "labels": ["a", "b"], "scores": {"x": {"UAR": [1]}}}',
            "value, low, high",
        ),
        (
            '{"name": "x", "modality": "speech", "labels": ["a", "b"], "scores": {"x": {"UAR": [NaN, 0, 1, 2]}}}',
            "infinite or NaN",
        ),
        ('{"name": "x", "modality": "speech", "labels": ["a", "b"], "input": {"hop": 1e999}}', "infinite or NaN"),
        ('{"name": "x", "modality": "speech", "labels": ["a", "b"], "recipe": {"a": [{"b": -Infinity}]}}', "NaN"),
        ('{"name": "x", "modality": "speech", "labels": ["a", "b"], "threshold": NaN}', "NaN"),
        (
            '{"name": "x", "modality": "speech", "labels": ["a", "b"], '
            '"data": {"x": {"clips": 1, "speakers": 1, "licence": "\\u001b[31m"}}}',
            "control characters",
        ),
        ('{"name": "x", "modality": "speech", "labels": ["a"]}', "two or more different names"),
        ('{"name": "x", "modality": "speech", "labels": ["a", "b"], "schema": 99}', "upgrade affekt"),
        ('{"name": "x", "modality": "speech", "labels": ["a", "b"], "temperature": 0}', "temperature 0 is not between"),
        ('{"name": "x", "modality": "smell", "labels": ["a", "b"], "schema": 1}', "'smell'; cards of schema 1 have"),
        ('{"name": "x", "modality": "speech", "labels": ["a", "b", "c"]}', "one for each of the 3 labels of its card"),
    ],
)
def test_a_wrong_card_is_refused(save, card, sentence):
    with pytest.raises(ModelError, match=sentence):
        open_model(save(tiny(card)))


def test_another_signature_is_refused(save):
    nodes = [helper.make_node("Identity", ["signal"], ["speech"])]
    with pytest.raises(ModelError, match="gives 'speech' of shape .* first; a model of emotions gives 'logits'"):
        open_model(save(tiny(nodes=nodes, outputs=("speech",))))
    nodes = [
        helper.make_node("ReduceMean", ["signal"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["mean"] * 2, ["logits"], axis=1),
    ]
    with pytest.raises(ModelError, match="gives logits; one of speech for emotion gives logits, window_logits"):
        Recognizer(save(tiny(nodes=nodes, outputs=("logits",))))


def test_a_loop_is_refused(save):
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"])], "body",
        [
            helper.make_tensor_value_info("i", onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("d", onnx.TensorProto.BOOL, [])],
    )  # fmt: skip
    with pytest.raises(ModelError, match="operator Loop, which can run for ever"):
        open_model(save(tiny(nodes=[helper.make_node("Loop", ["", "c"], ["logits"], body=body)])))


def test_a_second_graph_behind_the_first_is_refused(save):
    """Protocol buffers merge what comes twice: the loop would be in the graph that runs."""
    body = helper.make_graph([], "body", [], [])
    loop = tiny(nodes=[helper.make_node("Loop", ["", "c"], ["logits"], body=body)])
    with pytest.raises(ModelError, match="holds two graphs"):
        open_model(save(loop.SerializeToString() + tiny().SerializeToString()))


@pytest.mark.parametrize(
    ("operator", "domain"),
    [("PyOp", "com.evil"), ("Inverse", "com.microsoft"), ("MatMulIntegerToFloat", "com.evil")],
)
def test_operators_from_elsewhere_are_refused(save, operator, domain):
    node = helper.make_node(operator, ["signal"], ["logits"], domain=domain)
    with pytest.raises(ModelError, match="outside the ONNX standard"):
        open_model(save(tiny(nodes=[node])))


def test_the_operator_of_the_runtime_is_opened_with_the_inputs_that_are_checked_alone(save):
    """A bias that is too short is read beyond its end by ONNX Runtime 1.20."""
    node = helper.make_node("MatMulIntegerToFloat", [*["signal"] * 5, "", "signal"], ["logits"], domain="com.microsoft")
    with pytest.raises(ModelError, match="outside the ONNX standard"):
        open_model(save(tiny(nodes=[node])))


def test_weights_in_another_file_are_refused(save, tmp_path):
    (tmp_path / "secret").write_bytes(b"x" * 64)
    tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=[16], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="secret")
    with pytest.raises(ModelError, match="refers to another file"):
        open_model(save(tiny(initializers=[tensor])))


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(600 << 20)
    with pytest.raises(ModelError, match="larger than 512 MB"):
        open_model(path)


def test_missing_and_unknown_models_are_named(tmp_path):
    with pytest.raises(ModelError, match="no such model file"):
        open_model(tmp_path / "none.onnx")
    with pytest.raises(UnknownName, match="did you mean 'voice'"):
        load_model("voise")


@pytest.mark.parametrize("shape", [(399,), (0,), (1, 800)])
def test_a_signal_of_the_wrong_shape_is_refused(shape):
    with pytest.raises(InputError, match="at least 400 samples"):
        ActivityModel(load_model("activity"))(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"hop": 6400.0}, "whole numbers"),
        ({"sampling_rate": 8000}, "8000 is not 16000"),
        ({"hop": 1_000_000_000}, "must be positive"),
        ({"hop": 1000}, "whole frames"),
        ({"context": -1}, "context must be between"),
        ({"hopp": 6400}, "its input has hopp; upgrade affekt"),
    ],
)
def test_what_speech_demands_of_a_card_is_checked_when_a_stream_is_set_up(save, given, problem):
    path = save(tiny(replace(CARD, input={**CARD.input, **given})))
    assert open_model(path).card.input == {**CARD.input, **given}
    with pytest.raises(ModelError, match=problem):
        Recognizer(path)


def test_a_modality_that_is_not_there_is_named(save):
    with pytest.raises(UnknownName, match="modality 'smell'.*speech"):
        Recognizer(save(tiny(replace(CARD, modality="smell"))))


def test_a_model_of_another_task_is_no_recogniser():
    with pytest.raises(ModelError, match="activity is a model for activity, not for emotions"):
        Recognizer("activity")


def test_a_card_of_the_first_schema_still_opens():
    old = {"name": "x", "labels": ["a", "b"], "sampling_rate": 16000, "frame": 640, "window": 1280, "hop": 640,
           "context": 0, "normal": 3, "input": {}, "schema": 1}  # fmt: skip
    card = Card.from_json(json.dumps({**old, "modality": "speech"}))
    assert (card.modality, card.task, card.baseline, card.schema) == ("speech", "emotion", 3, 2)
    assert WaveformInput.of(card) == WaveformInput(window=1280, hop=640)
    assert Card.from_json(json.dumps({**old, "modality": "activity", "normal": 0})).task == "activity"
    features = Card.from_json(json.dumps({**old, "modality": "features", "normal": 0, "input": {"kind": "mfcc-20"}}))
    assert features.input["features"] == {"kind": "mfcc-20"}
    assert Card.from_json(card.to_json()) == card


def varint(number, *, spare=0):
    """A number as protobuf writes it, in more bytes than it needs."""
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number]) if not spare else bytes([*data, number | 128, *[128] * (spare - 1), 0])


def field(number, content, *, key=None):
    return (key or varint(number << 3 | 2)) + varint(len(content)) + content


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (varint((4 << 3 | 2) | 1 << 32), "too large"),  # protobuf cuts a tag to 32 bits: it reads field 4
        (varint((4 << 3 | 2) | 1 << 63), "too large"),
        (varint(4 << 3 | 2, spare=1), "more bytes than it needs"),
        (varint(4 << 3 | 2, spare=4), "more bytes than it needs"),
        (varint(2), "without a number"),
    ],
)
def test_what_protobuf_reads_in_another_way_is_refused(key, says):
    node = field(2, b"logits") + field(4, b"Loop", key=key)
    model = field(7, field(1, node))
    with pytest.raises(ModelError, match=says):
        inspect(model)


def test_a_location_that_protobuf_cuts_to_external_is_refused():
    tensor = field(8, b"w") + varint(14 << 3) + varint(1 | 1 << 32)
    with pytest.raises(ModelError, match="refers to another file"):
        inspect(field(7, field(5, tensor)))


def test_products_of_constants_are_not_computed_when_a_model_is_opened(save):
    shape = helper.make_tensor("shape", onnx.TensorProto.INT64, [2], [6000, 6000])
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["c0"])]
    nodes += [helper.make_node("MatMul", [f"c{i}", f"c{i}"], [f"c{i + 1}"]) for i in range(60)]
    nodes += [helper.make_node("Concat", ["signal", "c60"], ["logits"], axis=1)]
    with pytest.raises(ModelError, match=r"constants alone \(MatMul\)"):
        open_model(save(tiny(nodes=nodes, initializers=[shape], outputs=("logits",))))


def test_products_of_constants_without_elements_are_as_large_as_their_other_axes(save):
    """(20000, 0) by (0, 20000) is a matrix of zeros: 1.6 GB, from a file of 700 bytes."""
    empty = [
        onnx.TensorProto(name=n, data_type=FLOAT, dims=dims) for n, dims in (("a", (20_000, 0)), ("b", (0, 20_000)))
    ]
    nodes = [
        helper.make_node("MatMul", ["a", "b"], ["c"]),
        helper.make_node("Concat", ["signal", "c"], ["logits"], axis=1),
    ]
    with pytest.raises(ModelError, match=r"constants alone \(MatMul\)"):
        open_model(save(tiny(nodes=nodes, initializers=empty, outputs=("logits",))))


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Tile", ["one", "many"], ["x"]),
        helper.make_node("Expand", ["one", "many"], ["x"]),
        helper.make_node("ConstantOfShape", ["many"], ["x"]),
        helper.make_node("Range", ["one", "many", "one"], ["x"]),
        helper.make_node("RandomNormal", [], ["x"], shape=[1 << 40]),
        helper.make_node("HannWindow", ["many"], ["x"]),
        helper.make_node("Tile", ["one", "unseen"], ["x"]),
    ],
    ids=lambda node: node.op_type,
)
def test_constants_that_are_made_large_are_refused(node):
    many = helper.make_tensor("many", onnx.TensorProto.INT64, [1], [1 << 40])
    unseen = [helper.make_node("Mul", ["many", "many"], ["unseen"])]
    with pytest.raises(ModelError, match="constants alone"):
        inspect(tiny(nodes=[*unseen, node], initializers=[many]).SerializeToString())


def test_a_card_is_read_without_loading_the_graph(save):
    path = save(tiny(nodes=[helper.make_node("NoSuchOperator", ["signal"], ["logits"])]))
    assert read_card(path) == CARD
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_model(path)
