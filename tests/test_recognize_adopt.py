"""Adopting models of other tools: any shape of input, any kind of output, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper

from affekt.cli import main
from affekt.errors import InputError, ModelError
from affekt.models.onnx import open_model, softmax
from affekt.recognize.adopt import Adoption, _fitting, adopt, read_adoption
from affekt.recognize.recognizer import Recognizer
from affekt.speech.feature_model import FeatureModel
from affekt.speech.inputs import Inputs, input_of
from affekt.types import Sample
from tests.conftest import speech_like

LABELS = ("angry", "happy", "sad")
MFCC = Adoption("mine", LABELS, {"kind": "mfcc-40-mean"})
FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE


def weights(width, count=3, seed=0):
    return (np.random.default_rng(seed).standard_normal((width, count)) / width).astype(np.float32)


def write(path, nodes, constants, *, takes=("b", 40), gives=("b", 3), kinds=(FLOAT, FLOAT), **more):
    """A file of another tool, as onnx.helper makes it."""
    graph = helper.make_graph(
        nodes,
        "theirs",
        more.get("inputs") or [helper.make_tensor_value_info("x", kinds[0], takes)],
        more.get("outputs") or [helper.make_tensor_value_info("y", kinds[1], gives)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", more.get("opset", 17)), helper.make_opsetid("ai.onnx.ml", 3)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def linear(path, width=40, *, last=None, **more):
    """One product, and what may come behind it."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z" if last else "y"])]
    return write(
        path, [*nodes, *([helper.make_node(last, ["z"], ["y"])] if last else [])], {"w": weights(width)}, **more
    )


def said(path, sound):
    """Probabilities of one window of sound."""
    return softmax(FeatureModel(open_model(path)).run(sound[None])[0][0])


@pytest.fixture(scope="module")
def sound():
    return speech_like(1.0, np.random.default_rng(0))


def wanted(sound, inputs, width=40):
    return softmax(input_of(sound, inputs).reshape(-1) @ weights(width))


RATE_16 = {"kind": "mfcc-40-mean", "sampling_rate": 16_000}


def test_logits_stay_and_probabilities_become_logits(sound, tmp_path):
    asked = replace(MFCC, features=RATE_16)
    for last, output in ((None, "logits"), ("Softmax", "probabilities"), ("LogSoftmax", "logits")):
        found = adopt(linear(tmp_path / "theirs.onnx", last=last), asked, tmp_path / "mine.onnx")
        assert found.output == output
        np.testing.assert_allclose(said(tmp_path / "mine.onnx", sound), wanted(sound, Inputs(**RATE_16)), atol=1e-5)


@pytest.mark.parametrize("form", [(40,), (1, 40), (40, 1), (1, 40, 1)])
@pytest.mark.parametrize("batch", ["b", 1])
def test_axes_of_length_one_are_put_where_the_model_has_them(form, batch, sound, tmp_path):
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["y"])]
    write(tmp_path / "theirs.onnx", nodes, {"w": weights(40)}, takes=(batch, *form), gives=(batch, 3))
    adopt(tmp_path / "theirs.onnx", replace(MFCC, features=RATE_16), tmp_path / "mine.onnx")
    np.testing.assert_allclose(said(tmp_path / "mine.onnx", sound), wanted(sound, Inputs(**RATE_16)), atol=1e-5)
    network = FeatureModel(open_model(tmp_path / "mine.onnx"))
    assert network.run(np.tile(sound, 5)[None])[1].shape == (1, 3, 3)


@pytest.mark.parametrize(("form", "turned"), [((20, 128), False), ((128, 20), True), ((1, 20, 128), False)])
def test_sequences_are_turned_to_where_the_model_has_time(form, turned, sound, tmp_path):
    asked = {"kind": "log-mel-128", "frames": 20, "sampling_rate": 16_000}
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["y"])]
    write(tmp_path / "theirs.onnx", nodes, {"w": weights(2560)}, takes=("b", *form))
    found = adopt(tmp_path / "theirs.onnx", replace(MFCC, features=asked), tmp_path / "mine.onnx")
    frames = input_of(sound, Inputs(**asked))
    expected = softmax((frames.T if turned else frames).reshape(-1) @ weights(2560))
    np.testing.assert_allclose(said(tmp_path / "mine.onnx", sound), expected, atol=1e-4)
    assert any("turned" in change for change in found.changes) == turned


def test_doubles_are_cast_on_the_way_in_and_out(sound, tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    write(tmp_path / "theirs.onnx", nodes, {"w": weights(40).astype(np.float64)}, kinds=(DOUBLE, DOUBLE))
    adopt(tmp_path / "theirs.onnx", replace(MFCC, features=RATE_16), tmp_path / "mine.onnx")
    np.testing.assert_allclose(said(tmp_path / "mine.onnx", sound), wanted(sound, Inputs(**RATE_16)), atol=1e-5)


def test_a_waveform_is_given_as_long_as_it_takes(sound, tmp_path):
    asked = {"kind": "waveform", "seconds": 1.5, "sampling_rate": 8_000}
    nodes = [helper.make_node("Abs", ["x"], ["loud"]), helper.make_node("MatMul", ["loud", "w"], ["y"])]
    write(tmp_path / "theirs.onnx", nodes, {"w": weights(12_000)}, takes=("b", 12_000))
    found = adopt(tmp_path / "theirs.onnx", replace(MFCC, features=asked), tmp_path / "mine.onnx")
    assert found.card.input["window"] == 24_000
    assert said(tmp_path / "mine.onnx", sound).shape == (3,)
    padded = input_of(np.ones(8_000, np.float32), Inputs(**asked))
    assert padded.sum() == 8_000 and len(padded) == 12_000


def test_names_that_are_ours_already_do_no_harm(sound, tmp_path):
    nodes = [helper.make_node("MatMul", ["features", "logits"], ["affekt/front-0"])]
    write(
        tmp_path / "theirs.onnx",
        nodes,
        {"logits": weights(40)},
        inputs=[helper.make_tensor_value_info("features", FLOAT, ("b", 40))],
        outputs=[helper.make_tensor_value_info("affekt/front-0", FLOAT, ("b", 3))],
    )
    adopt(tmp_path / "theirs.onnx", replace(MFCC, features=RATE_16), tmp_path / "mine.onnx")
    np.testing.assert_allclose(said(tmp_path / "mine.onnx", sound), wanted(sound, Inputs(**RATE_16)), atol=1e-5)


def test_an_adopted_model_works_in_the_engine_and_evaluation_does_not_call_its_speakers_unknown_to_it(clips, tmp_path):
    from affekt.evaluate.corpus import select_test_set

    adopt(linear(tmp_path / "theirs.onnx"), MFCC, tmp_path / "mine.onnx")
    recognizer = Recognizer(tmp_path / "mine.onnx")
    assert recognizer.labels == LABELS and recognizer.predict(str(clips[0]))[0].label in LABELS
    samples = [Sample(f"ravdess/{i}", str(clips[0]), "sad", "23", corpus="ravdess") for i in range(3)]
    chosen = select_test_set("ravdess", samples, recognizer.card, side="all")
    assert not chosen.held_out and "not known" in chosen.warnings[0]
    learned = replace(MFCC, data={"ravdess": {"clips": 9, "speakers": 3, "licence": "CC"}})
    adopt(tmp_path / "theirs.onnx", learned, tmp_path / "mine.onnx")
    chosen = select_test_set("ravdess", samples, Recognizer(tmp_path / "mine.onnx").card, side="all")
    assert chosen.stamps == ("trained on these clips",)
    named = replace(MFCC, data={"ravdess": {"clips": 9, "speakers": ["01", "02", "01"], "licence": "CC"}})
    card = adopt(tmp_path / "theirs.onnx", named, tmp_path / "mine.onnx").card
    assert card.data["ravdess"]["speakers"] == 2 and card.data["ravdess"]["learned_from"] == ["01", "02"]
    wrong = replace(named, data={"ravdess": {"clips": 9, "speakers": 3, "licence": "CC", "learned_from": ["01"]}})
    with pytest.raises(ModelError, match="as many names as there are speakers; those of ravdess are not"):
        adopt(tmp_path / "theirs.onnx", wrong, tmp_path / "other.onnx")
    wrong = replace(named, data={"ravdess": {"clips": "9", "speakers": 3, "licence": "CC"}})
    with pytest.raises(ModelError, match="clips and speakers of data must be whole numbers"):
        adopt(tmp_path / "theirs.onnx", wrong, tmp_path / "mine.onnx")


def ints(name, size):
    return helper.make_tensor_value_info(name, TensorProto.INT64, ("b", size))


REFUSED = {
    "two inputs": (
        {"inputs": [helper.make_tensor_value_info(name, FLOAT, ("b", 40)) for name in ("x", "mask")]},
        r"takes 2 inputs \(x, mask\); one is allowed",
    ),
    "another width": ({"takes": ("b", 39)}, r"takes \(b, 39\), and by its card features are \(b, 40\)"),
    "a fixed batch": ({"takes": (32, 40), "gives": (32, 3)}, "batches of exactly 32; export it with a batch of any"),
    "too few labels": ({"gives": ("b", 2)}, r"gives y \(b, 2\); allowed: one output \(b, 3\)"),
    "a sequence out": ({"gives": ("b", 7, 3)}, r"gives y \(b, 7, 3\); allowed"),
    "whole numbers in": ({"kinds": (TensorProto.INT64, FLOAT)}, "takes int64 for its input 'x'"),
    "words out": ({"kinds": (FLOAT, TensorProto.STRING)}, "gives no numbers"),
    "an old operator set": ({"opset": 6}, "operator set 6"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_model_of_another_kind_takes_or_gives_is_said(name, tmp_path):
    changes, error = REFUSED[name]
    path = linear(tmp_path / "theirs.onnx", **changes)
    with pytest.raises(ModelError, match=error) as raised:
        adopt(path, MFCC, tmp_path / "mine.onnx")
    assert str(raised.value).startswith(f"{path}: ")
    assert [file.name for file in tmp_path.iterdir()] == ["theirs.onnx"]


def test_a_count_that_the_file_leaves_open_is_compared_too(tmp_path):
    write(tmp_path / "a.onnx", [helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weights(40, 4)}, gives=("b", "k"))
    with pytest.raises(ModelError, match="one for each of the 3 labels of its card"):
        adopt(tmp_path / "a.onnx", MFCC, tmp_path / "mine.onnx")


def test_sigmoids_are_neither_logits_nor_probabilities(tmp_path):
    path = linear(tmp_path / "theirs.onnx", last="Sigmoid")
    with pytest.raises(ModelError, match="Export it without the sigmoid"):
        adopt(path, MFCC, tmp_path / "mine.onnx")
    with pytest.raises(ModelError, match="its card says that it gives probabilities"):
        adopt(path, replace(MFCC, output="probabilities"), tmp_path / "mine.onnx")
    assert adopt(path, replace(MFCC, output="logits"), tmp_path / "mine.onnx").output == "logits"


@pytest.mark.parametrize("form", ["Gemm", "MatMul and Add", "double"])
def test_a_linear_layer_gives_logits_even_between_0_and_1(form, tmp_path):
    bias = np.array([0.1, 0.2, 0.3])
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Add", ["bias", "z"], ["y"])]
    if form == "Gemm":
        nodes = [helper.make_node("Gemm", ["x", "w", "bias"], ["z"]), helper.make_node("Identity", ["z"], ["y"])]
    kind, dtype = (DOUBLE, np.float64) if form == "double" else (FLOAT, np.float32)
    layer = {"w": (weights(40) / 1e6).astype(dtype), "bias": bias.astype(dtype)}
    theirs = write(tmp_path / "theirs.onnx", nodes, layer, kinds=(kind, kind))
    found = adopt(theirs, MFCC, tmp_path / "mine.onnx")
    assert found.output == "logits"
    np.testing.assert_allclose(list(found.scores.values()), softmax(bias), atol=1e-3)


def test_a_table_that_sums_probabilities_is_not_taken_for_a_linear_layer(tmp_path):
    nodes = [helper.make_node("Sigmoid", ["x"], ["z"]), helper.make_node("MatMul", ["z", "w"], ["y"])]
    write(tmp_path / "theirs.onnx", nodes, {"w": np.abs(weights(40)) / 40})
    with pytest.raises(ModelError, match="nor clearly logits"):
        adopt(tmp_path / "theirs.onnx", MFCC, tmp_path / "mine.onnx")


def test_what_is_not_a_number_is_refused(tmp_path):
    with pytest.raises(ModelError, match="NaN or infinity"):
        adopt(linear(tmp_path / "theirs.onnx", last="Log"), MFCC, tmp_path / "mine.onnx")


def test_files_that_are_no_models_or_do_harm_are_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match="not an ONNX file"):
        adopt(tmp_path / "text.onnx", MFCC, tmp_path / "mine.onnx")
    with pytest.raises(ModelError, match="cannot be read"):
        adopt(tmp_path / "none.onnx", MFCC, tmp_path / "mine.onnx")
    strange = [helper.make_node("Surprise", ["x"], ["y"], domain="com.example")]
    with pytest.raises(ModelError, match="outside the ONNX standard"):
        adopt(write(tmp_path / "a.onnx", strange, {}), MFCC, tmp_path / "mine.onnx")
    adopt(linear(tmp_path / "theirs.onnx"), MFCC, tmp_path / "mine.onnx")
    with pytest.raises(ModelError, match="has a card already"):
        adopt(tmp_path / "mine.onnx", MFCC, tmp_path / "twice.onnx")
    with pytest.raises(InputError, match=r"ends in \.onnx"):
        adopt(tmp_path / "theirs.onnx", MFCC, tmp_path / "mine.bin")


def classified(path, labels):
    """What scikit-learn's converter writes: labels, and a list of maps."""
    coefficients = weights(40).T.reshape(-1).tolist()
    nodes = [
        helper.make_node(
            "LinearClassifier", ["x"], ["label", "raw"], domain="ai.onnx.ml", classlabels_strings=labels,
            coefficients=coefficients, intercepts=[0.0, 0.0, 0.0], multi_class=1, post_transform="SOFTMAX",
        ),
        helper.make_node("ZipMap", ["raw"], ["maps"], domain="ai.onnx.ml", classlabels_strings=labels),
    ]  # fmt: skip
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(FLOAT, []))
    )
    outputs = [helper.make_tensor_value_info("label", TensorProto.STRING, ("b",)), helper.make_value_info("maps", kind)]
    return write(path, nodes, {}, outputs=outputs)


def test_what_scikit_learn_adds_is_taken_away_and_its_order_is_the_labels(sound, tmp_path):
    path = classified(tmp_path / "theirs.onnx", list(LABELS))
    found = adopt(path, replace(MFCC, features=RATE_16), tmp_path / "mine.onnx")
    assert found.output == "probabilities" and "label is not needed" in found.changes[0]
    np.testing.assert_allclose(said(tmp_path / "mine.onnx", sound), wanted(sound, Inputs(**RATE_16)), atol=1e-5)
    path = classified(tmp_path / "theirs.onnx", list(LABELS[::-1]))
    with pytest.raises(ModelError, match="in the order sad, happy, angry, and its card has angry, happy, sad"):
        adopt(path, MFCC, tmp_path / "mine.onnx")


CARD = 'name = "mine"\nlabels = ["angry", "happy", "sad"]\n[features]\nkind = "mfcc-40-mean"\n'
BAD_CARDS = {
    "labels": (CARD.replace("labels", "label"), "did you mean 'labels'"),
    "kind": (CARD.replace("mfcc-40-mean", "mfcc-40-men"), "did you mean 'mfcc-40-mean'"),
    "key of features": (CARD + "frame = 3\n", "did you mean 'frames'"),
    "one label": (CARD.replace('"angry", "happy", ', ""), "two or more different names"),
    "no features": (CARD.split("[")[0] + '["angry", "sad"]\n', "features missing; a card looks like"),
    "a number for a name": (CARD.replace('"mine"', "3"), "name is 3; a card looks like"),
    "no TOML": ("name = ", "is not TOML"),
    "output": ('output = "logit"\n' + CARD, "did you mean 'logits'"),
    "window": ("window = 90.0\n" + CARD, "allowed: up to 60 s"),
    "sequence without frames": (CARD.replace("mfcc-40-mean", "mfcc-40"), "say how many frames"),
    "waveform without seconds": (CARD.replace("mfcc-40-mean", "waveform"), "seconds = 3"),
}


@pytest.mark.parametrize("name", BAD_CARDS)
def test_what_is_wrong_with_a_card_is_said(name, tmp_path):
    text, error = BAD_CARDS[name]
    (tmp_path / "CARD.toml").write_text(text)
    with pytest.raises(InputError, match=error):
        read_adoption(tmp_path / "CARD.toml")


def test_the_command_says_what_it_found(clips, tmp_path):
    linear(tmp_path / "theirs.onnx", last="Softmax")
    (tmp_path / "CARD.toml").write_text(CARD)
    call = ["adopt", str(tmp_path / "theirs.onnx"), "--card", str(tmp_path / "CARD.toml"), "-o"]
    done = CliRunner().invoke(main, [*call, str(tmp_path / "mine.onnx")])
    assert done.exit_code == 0, done.stderr
    assert "mine: 3 labels; takes mfcc-40-mean; gives probabilities." in done.stdout
    assert "the logarithm is appended" in done.stdout
    done = CliRunner().invoke(main, ["predict", str(clips[0]), "--model", str(tmp_path / "mine.onnx")])
    assert done.exit_code == 0, done.stderr
    for target, error in ((tmp_path, "give a file"), (tmp_path / "theirs.onnx", "is the model itself")):
        done = CliRunner().invoke(main, [*call, str(target)])
        assert done.exit_code == 2 and error in done.stderr


@pytest.mark.parametrize(
    ("shape", "given", "form"),
    [((180,), [162], None), ((180,), [0], (180,)), ((40, 100), [1, 0, 100], (1, 40, 100)), ((1,), [1], (1,))],
)
def test_shapes_fit_or_do_not(shape, given, form):
    assert _fitting(shape, given) == form
