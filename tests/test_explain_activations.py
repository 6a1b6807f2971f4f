"""Maps of what a network looks at: closed forms on tiny networks, laws on the real ones, refusals in words."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch import nn

from affekt.errors import InputError, ModelError, UnknownName
from affekt.explain.activations import (
    FilterMaps,
    added,
    exciting_faces,
    filter_maps,
    grad_cam,
    grad_cam_pp,
    integrated_gradients,
    randomised,
    score_cam,
)
from affekt.explain.attribution import class_activation
from affekt.explain.network import MapNetwork, rebuild
from affekt.models.card import Card
from affekt.models.zoo import load_model

CARD = Card("tiny", "face", ("happy", "sad"))
#: Two filters that pass their input on, once as it is and once doubled; the head weighs their means by 3 and -1.
FACE = np.array([[1.0, 2.0], [0.0, 4.0]], np.float32)


class Tiny(nn.Module):
    """Two filters of one pixel, a mean, a linear head: all that methods make of it can be written down."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.head = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1))
            self.head.weight.copy_(torch.tensor([[3.0, -1.0], [0.0, 0.0]]))

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean(dim=(2, 3)))


def tiny(change=None):
    module = Tiny().eval()
    if change:
        change(module)
    return MapNetwork(
        CARD,
        module,
        prepare=lambda face: (torch.from_numpy(face[None, None]),),
        blank=lambda prepared: (torch.zeros_like(prepared[0]),),
        logits=module,
        layer="conv",
    )


@pytest.fixture(scope="module")
def network():
    return rebuild("face")


@pytest.fixture(scope="module")
def voice():
    return rebuild("voice-small")


@pytest.fixture(scope="module")
def face():
    """Something with light and dark places, as a face has."""
    coarse = torch.from_numpy(np.random.default_rng(3).uniform(0, 255, (1, 1, 7, 7)).astype(np.float32))
    return nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear")[0, 0].numpy()


@pytest.fixture(scope="module")
def signal(clips):
    from affekt.speech.audio import read

    return read(clips[3]).signal[16_000:32_000]


class TestClosedForms:
    def test_grad_cam_weighs_each_filter_by_the_mean_of_its_gradient(self):
        # Gradients: 3 / 4 and -1 / 4 wherever a filter gives something; filter 1 gives x, filter 2 gives 2 x.
        weights = np.array([3, -1]) * 3 / 16  # three of four places are above 0
        expected = weights[0] * FACE + weights[1] * 2 * FACE
        assert grad_cam(tiny(), FACE, "happy").values == pytest.approx(np.maximum(expected, 0))

    def test_grad_cam_pp_counts_positive_gradients_by_how_alone_they_are(self):
        slope = 3 / 4 * (FACE > 0)
        alpha = slope**2 / np.where(slope > 0, 2 * slope**2 + (FACE * slope**3).sum(), 1)
        expected = (alpha * slope).sum() * FACE  # the other filter's gradient is negative: its weight is 0
        assert grad_cam_pp(tiny(), FACE, "happy").values == pytest.approx(expected, rel=1e-5)

    def test_score_cam_weighs_each_filter_by_what_the_logit_gains(self):
        # Both filters mark x / 4, so both gain as much, and each has half the weight.
        expected = 0.5 * FACE + 0.5 * 2 * FACE
        assert score_cam(tiny(), FACE, "happy").values == pytest.approx(expected, rel=1e-5)

    def test_integrated_gradients_of_a_linear_network_are_weights_times_input(self):
        assert integrated_gradients(tiny(), FACE, "happy").values == pytest.approx((3 - 2) / 4 * FACE)

    def test_filters_come_strongest_first_with_number_and_range(self):
        found = filter_maps(tiny(), FACE)
        assert found.numbers.tolist() == [1, 0] and found.ranges.tolist() == [[0, 8], [0, 4]]
        assert found.values[1] == pytest.approx(FACE) and found.trouble == ""


class TestTrouble:
    def test_a_map_of_zeros_says_so(self):
        found = grad_cam(tiny(), FACE, "sad")
        assert found.trouble == "zero everywhere: by grad-cam nothing speaks for sad at conv"

    def test_a_map_that_is_no_number_says_so(self):
        network = tiny(lambda module: module.conv.weight.data.fill_(float("nan")))
        found = grad_cam(network, FACE, "happy")
        assert found.trouble == "4 of 4 values are not finite numbers; the map cannot be used"
        assert not found.resized((8, 8)).any()
        assert filter_maps(network, FACE).trouble == "of 2 filters of conv, 2 give values that are not finite numbers"

    def test_silent_filters_are_counted(self):
        values = np.stack([np.ones((2, 2)), np.zeros((2, 2))]).astype(np.float32)
        assert FilterMaps(values, np.arange(2), "conv").trouble == "of 2 filters of conv, 1 are zero everywhere"

    def test_a_flat_layer_has_no_marks_for_score_cam(self):
        assert score_cam(tiny(), np.ones((2, 2), np.float32), "happy").trouble.startswith("zero everywhere")

    def test_an_unknown_layer_lists_all_and_the_near_one(self, network, face):
        with pytest.raises(UnknownName, match=r"unknown layer 'stage\.3': did you mean 'stages\.3'\?.*stages\.2\.1"):
            grad_cam(network, face, "happy", layer="stage.3")

    def test_an_unknown_label_lists_all(self, network, face):
        with pytest.raises(UnknownName, match="unknown label 'hapy': did you mean 'happy'"):
            grad_cam(network, face, "hapy")


class TestRebuilt:
    def test_the_logits_are_those_of_the_file(self, network, voice, face, signal):
        # Convolutions of both are in int8.
        wanted = load_model("face").run(face[None])[0][0]
        assert network.logits(*network.prepare(face))[0].detach().numpy() == pytest.approx(wanted, abs=0.2)
        zeros = np.zeros((1, 1 + voice.card.baseline), np.float32)
        wanted = load_model("voice-small").run(signal[None], zeros)[0][0]
        assert voice.logits(*voice.prepare(signal))[0].detach().numpy() == pytest.approx(wanted, abs=0.2)

    def test_the_voice_in_int8_is_rebuilt_but_for_its_rounding(self, signal):
        voice = rebuild("voice")
        zeros = np.zeros((1, 1 + voice.card.baseline), np.float32)
        wanted = load_model("voice").run(signal[None], zeros)[0][0]
        assert voice.logits(*voice.prepare(signal))[0].detach().numpy() == pytest.approx(wanted, abs=0.5)
        assert grad_cam(voice, signal, "angry").values.shape == (1, -(-(1 + (len(signal) - 400) // 160) // 8))

    def test_a_file_whose_weights_differ_is_refused(self, tmp_path):
        path = changed(tmp_path, lambda name, values: values + 1 if name.endswith("votes_head.bias") else values)
        assert rebuild(path).card.name == "face"  # votes are no logits
        path = changed(
            tmp_path,
            lambda name, values: values * np.nan if values.shape == (32,) and values.dtype == np.float32 else values,
        )
        with pytest.raises(ModelError, match="other logits than the file"):
            rebuild(path)

    def test_a_card_of_another_size_is_refused(self, tmp_path):
        path = changed(tmp_path, lambda name, values: values, channels=[32, 64, 128, 200])
        with pytest.raises(ModelError, match="no weights of shape"):
            rebuild(path)

    def test_another_kind_of_model_is_refused(self):
        with pytest.raises(ModelError, match="the model activity is no network of affekt's .*--method occlusion"):
            rebuild("activity")


def changed(folder: Path, change, **sizes) -> Path:
    """The model `face` with other weights, or other sizes on its card."""
    import json

    import onnx

    from affekt.models.card import KEY
    from affekt.models.zoo import model_path

    model = onnx.load_model(model_path("face"))
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(change(tensor.name, values).astype(values.dtype), tensor.name))
    for entry in model.metadata_props:
        if entry.key == KEY and sizes:
            card = json.loads(entry.value)
            card["recipe"]["network"] |= sizes
            entry.value = json.dumps(card)
    path = folder / "changed.onnx"
    path.write_bytes(model.SerializeToString())
    return path


class TestLaws:
    def test_the_class_activation_map_is_grad_cam_at_the_last_layer(self, network, face):
        for label in ("happy", "fear"):
            cam = class_activation(load_model("face"), face, label).values
            assert grad_cam(network, face, label).values == pytest.approx(np.maximum(cam, 0) / 9, abs=0.06)

    def test_the_class_activation_map_averages_to_the_logit_less_a_constant(self, face):
        model = load_model("face")
        faces = np.stack([face, face[::-1]])
        logits = model.run(faces)[0]
        means = [[class_activation(model, f, label).values.mean() for label in model.card.labels] for f in faces]
        assert (logits - means)[0] == pytest.approx((logits - means)[1], abs=1e-3)

    @pytest.mark.parametrize("name", ["network", "voice"])
    def test_integrated_gradients_sum_to_the_difference_of_the_logits(self, request, name, face, signal):
        network = request.getfixturevalue(name)
        given = face if name == "network" else signal
        prepared = network.prepare(given)
        place = network.target("happy")
        with torch.no_grad():
            gap = float((network.logits(*prepared) - network.logits(*network.blank(prepared)))[0, place])
        total = sum(float(part.sum()) for part in added(network, given, "happy", steps=16))
        assert total == pytest.approx(gap, abs=0.05 * max(abs(gap), 0.1))

    def test_a_mirrored_face_has_the_mirrored_map(self, network, face):
        faces = (face, face[:, ::-1].copy())
        for method in (grad_cam, grad_cam_pp):
            one, other = (method(network, f, "happy", layer="stages.1").values for f in faces)
            assert other[:, ::-1] == pytest.approx(one, abs=1e-4 + 1e-3 * np.abs(one).max())

    def test_maps_of_a_network_that_knows_nothing_are_others(self, network, face):
        blind = randomised("face", seed=0)
        one, other = (grad_cam(n, face, "happy", layer="stages.1").values.ravel() for n in (network, blind))
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.5
        assert rebuild("face").logits(*network.prepare(face)).detach().numpy() == pytest.approx(
            network.logits(*network.prepare(face)).detach().numpy()
        )

    def test_layers_of_the_voice_have_frequency_and_time_or_time_alone(self, voice, signal):
        assert grad_cam(voice, signal, "angry").values.shape == (8, 25)
        assert grad_cam(voice, signal, "angry", layer="blocks.3").values.shape == (1, 25)
        assert filter_maps(voice, signal, layer="stem").values.shape == (32, 16, 25)
        assert score_cam(voice, signal, "angry").trouble == ""


class TestExcitingFaces:
    def test_the_brightest_faces_come_first_and_their_brightest_place_is_marked(self):
        faces = np.stack([FACE, 2 * FACE, 0 * FACE])
        found = exciting_faces(tiny(), faces, np.array([1]), most=2)
        assert found.faces.tolist() == [[1, 0]] and found.values.tolist() == [[16, 8]]
        assert found.places[0, 0].tolist() == [0.5, 0.5] and found.cell == (0.5, 0.5)

    def test_a_filter_that_is_not_there_and_no_faces_are_refused(self):
        with pytest.raises(InputError, match="filter 2 of conv, which has 2: from 0"):
            exciting_faces(tiny(), FACE[None], np.array([2]))
        with pytest.raises(InputError, match="no faces to look through"):
            exciting_faces(tiny(), FACE[:0, None], np.array([0]))
