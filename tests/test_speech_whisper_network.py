"""Whisper's first layers under our heads: blocks stand alone, padding and gain change nothing, the file agrees."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affekt.errors import InputError
from affekt.models.card import Card
from affekt.models.onnx import open_model
from affekt.recognize.recognizer import Recognizer
from affekt.speech.stream import StreamOptions
from affekt.speech.whisper.network import (
    LOUDEST,
    Layer,
    WhisperFeatures,
    WhisperLayers,
    WhisperShape,
    WhisperVoice,
    normalised,
    sinusoids,
)

from .conftest import speech_like

TINY = WhisperShape(
    ("angry", "happy", "sad"), channels=16, levels=2, heads=2, layers=2, attention_heads=2, embedding=12, hidden=8
)
BLOCK = TINY.block_frames * TINY.frame_samples


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = WhisperVoice(TINY)
    with torch.no_grad():
        for _ in range(20):  # give the batch norms something to be normal about
            made(0.1 * torch.randn(4, 32_000), torch.zeros(4, 1 + made.size))
    return made.eval()


@pytest.fixture(scope="module")
def model_file(network, tmp_path_factory):
    from affekt.train.export import export

    shape = {"frame": 1280, "window": 51_200, "hop": 6_400, "context": TINY.context_samples, "block": BLOCK}
    path = tmp_path_factory.mktemp("whisper") / "tiny.onnx"
    export(network, Card("tiny", "speech", TINY.labels, input={"sampling_rate": 16_000, **shape}, baseline=12), path)
    return path


def noise(*shape, seed=0):
    return torch.from_numpy((0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32))


def test_a_layer_is_the_pre_norm_transformer_layer_of_torch():
    torch.manual_seed(1)
    ours = Layer(16, 2).eval()
    theirs = torch.nn.TransformerEncoderLayer(16, 2, 64, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    parts = {
        "self_attn.in_proj_": ours.query_key_value,
        "self_attn.out_proj.": ours.output,
        "linear1.": ours.widen,
        "linear2.": ours.narrow,
        "norm1.": ours.attention_norm,
        "norm2.": ours.hidden_norm,
    }
    theirs.load_state_dict(
        {name + kind: getattr(part, kind) for name, part in parts.items() for kind in ("weight", "bias")}
    )
    frames = torch.randn(2, 9, 16)
    hidden = torch.zeros(2, 9, dtype=torch.bool)
    hidden[1, 6:] = True
    with torch.no_grad():
        found = ours(frames, hidden.float()[:, None, None] * -1e4)
        wanted = theirs(frames, src_key_padding_mask=hidden)
    torch.testing.assert_close(found[0], wanted[0])
    torch.testing.assert_close(found[1, :6], wanted[1, :6])


def test_positions_begin_with_zero_sines_and_ones_of_cosine():
    found = sinusoids(3, 8)
    np.testing.assert_allclose(found[0], [0] * 4 + [1] * 4)
    np.testing.assert_allclose(found[1, [0, 3]], [np.sin(1), np.sin(1e-4)])


def test_blocks_are_encoded_by_themselves(network):
    log_mel = network.measured(noise(1, 2 * BLOCK + 240))
    with torch.no_grad():
        both = network.encoder(log_mel)
        alone = [network.encoder(part) for part in log_mel.split(320, dim=2)]
    assert log_mel.shape[2] == 640
    torch.testing.assert_close(both, torch.cat(alone, dim=2))


def test_padding_a_batch_changes_no_answer(network):
    long, short = noise(1, 40_000), noise(1, 21_300, seed=2)
    with torch.no_grad():
        alone = [network.features(signal)[0] for signal in (long, short)]
        size = [mel.shape[2] for mel in alone]
        batch = torch.nn.utils.rnn.pad_sequence([mel[0].T for mel in alone], True).mT
        mask = (torch.arange(max(size)) < torch.tensor(size)[:, None])[:, None].float()
        together = network.embed(network.encode(batch, mask=mask), mask)
        for row, mel in enumerate(alone):
            torch.testing.assert_close(together[row], network.embed(network.encode(mel))[0], atol=1e-4, rtol=1e-4)


def test_gain_changes_no_frame_and_the_loudest_band_has_one_level(network):
    log_mel = network.measured(noise(1, 30_000))
    frames = log_mel.transpose(1, 2)
    assert normalised(frames, torch.ones_like(frames[..., :1])).max() == pytest.approx((LOUDEST + 4) / 4)
    with torch.no_grad():
        torch.testing.assert_close(network.encoder(log_mel + 1.3), network.encoder(log_mel), atol=1e-4, rtol=1e-4)


def test_log_mel_is_whispers(network):
    """Its filters have an area of 2 hertz-halves: Slaney's norm, as in librosa's filters."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    power = 10 ** WhisperFeatures()(torch.from_numpy(tone[None]))[0].numpy()
    width = 200 / 3 * 45.245640471924965 / 81  # hertz between band edges below 1 kHz: mel steps of 45.2 / 81
    assert power.sum(axis=0).max() == pytest.approx(1.5 * 100**2 / width, rel=0.03)


def test_more_levels_than_layers_are_refused():
    with pytest.raises(InputError, match="no more levels than layers"):
        WhisperShape(("a", "b"), layers=2, levels=3)


def test_the_file_gives_what_the_network_gives_whatever_the_length(network, model_file):
    for samples in (400, 5_000, BLOCK + 240, 2 * BLOCK + 9_000):
        signal, baseline = noise(1, samples), torch.zeros(1, 13)
        with torch.no_grad():
            wanted = network(signal, baseline)
        for one, other in zip(wanted, open_model(model_file).run(signal.numpy(), baseline.numpy()), strict=True):
            np.testing.assert_allclose(other, one.numpy(), atol=1e-4)


@pytest.mark.parametrize("block", [0.8, 4.0, 40.0])
def test_a_stream_in_any_chunks_gives_the_windows_of_the_whole_region(model_file, block):
    rng = np.random.default_rng(3)
    signal = np.concatenate(
        [np.zeros(8_000, np.float32), speech_like(14, rng).astype(np.float32), np.zeros(16_000, np.float32)]
    )
    found = []
    for chunk in (1_600, 7_001, len(signal)):
        rows, spans = [], []
        recognizer = Recognizer(str(model_file), options=StreamOptions(block=block))
        stream = recognizer.stream(listener=_listening(rows, spans))
        for start in range(0, len(signal), chunk):
            stream.feed(signal[start : start + chunk])
        stream.flush()
        found.append(np.concatenate(rows))
        (region,) = spans
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)
    start, end = (round(second * 16_000) for second in region)
    whole = open_model(model_file).run(signal[None, start:end], np.zeros((1, 13), np.float32))[1][0]
    assert len(found[0]) > 20
    np.testing.assert_allclose(found[0], whole[: len(found[0])], atol=1e-4)


def _listening(rows, spans):
    from affekt.timeline.segments import Listener

    return Listener(logits=lambda logits: rows.append(logits), region=lambda start, end: spans.append((start, end)))


def test_layers_take_part_in_their_order():
    shape = WhisperShape(("a", "b"), channels=16, levels=1, heads=2, layers=2, attention_heads=2)
    torch.manual_seed(0)
    two = WhisperLayers(shape).eval()
    log_mel = torch.randn(1, 80, 64)
    with torch.no_grad():
        before = two(log_mel)
        two.layers[0].narrow.weight.mul_(2)
        assert not torch.allclose(before, two(log_mel))


def in_int8(model_file, tmp_path):
    import onnx

    from affekt.train.quantise import quantise_products

    path = tmp_path / "int8.onnx"
    baseline = np.zeros((1, 13), np.float32)
    recordings = [(noise(1, 51_440, seed=seed).numpy(), baseline) for seed in range(4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("affekt.train.quantise.LEAST", 100)
        model = quantise_products(onnx.load(model_file), "encoder", recordings)
    assert sum(node.op_type == "MatMulIntegerToFloat" for node in model.graph.node) == 2 + 4 * TINY.layers
    path.write_bytes(model.SerializeToString())
    return path


def test_in_int8_a_window_does_not_depend_on_what_else_is_in_the_batch(network, model_file, tmp_path):
    plain, rounded = open_model(model_file), open_model(in_int8(model_file, tmp_path))
    signal = noise(3, 51_440, seed=9).numpy()
    signal[1] *= 100
    baseline = np.zeros((3, 13), np.float32)
    together = rounded.run(signal, baseline)
    for row in range(3):
        for one, other in zip(together, rounded.run(signal[row : row + 1], baseline[:1]), strict=True):
            np.testing.assert_array_equal(one[row], other[0])
    wanted = plain.run(signal, baseline)[2]
    found = together[2]
    assert np.linalg.norm(found - wanted) < 0.1 * np.linalg.norm(wanted - wanted.mean())
    assert np.abs(found - wanted).max() > 0


def test_the_torch_network_of_an_int8_file_answers_as_it_does_but_for_rounding(model_file, tmp_path):
    from affekt.explain.network import take_weights

    path, made = in_int8(model_file, tmp_path), WhisperVoice(TINY).eval()
    take_weights(made, path, lambda: made(noise(1, 64_000), torch.zeros(1, 13)))
    signal, baseline = noise(1, 64_000, seed=5), torch.zeros(1, 13)
    wanted = open_model(path).run(signal.numpy(), baseline.numpy())[2]
    with torch.no_grad():
        found = made(signal, baseline)[2].numpy()
    assert np.linalg.norm(found - wanted) < 0.1 * np.linalg.norm(wanted - wanted.mean())
