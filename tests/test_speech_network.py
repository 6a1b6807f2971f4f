"""The networks: a front end that agrees with float64, a bounded view, nothing that looks at the whole file."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affekt.labels import VOICE
from affekt.speech import frontend, spectral
from affekt.speech.frontend import FrontEnd
from affekt.speech.network import ActivityNetwork, LogMel, VoiceNetwork, VoiceShape


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = VoiceNetwork(VoiceShape(VOICE))
    with torch.no_grad():
        for _ in range(3):  # give the batch norms something to be normal about
            made(0.1 * torch.randn(4, 32_000), torch.zeros(4, 1 + made.size))
    return made.eval()


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def run(network, signal, baseline=None):
    baseline = torch.zeros(len(signal), 1 + network.size) if baseline is None else baseline
    with torch.no_grad():
        return [out.numpy() for out in network(torch.from_numpy(signal), baseline)]


def test_nothing_known_of_the_speaker_is_the_general_head_and_each_kind_its_own(network):
    signal, answers = noise(1, 40_000), []
    for kind in (0, 1, 2):
        baseline = torch.cat([torch.full((1, 1), float(kind)), torch.ones(1, network.size)], dim=1)
        answers.append(run(network, signal, baseline)[0][0])
        if not kind:
            np.testing.assert_array_equal(answers[0], run(network, signal)[0][0])
    assert all(abs(answers[a] - answers[b]).max() > 1e-3 for a, b in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize("samples", [400, 479, 480, 559, 560, 16_000, 47_999])
def test_log_mel_agrees_with_the_float64_reference(samples):
    signal = noise(2, samples)
    front = FrontEnd()
    found = LogMel(front, floor=1e-10)(torch.from_numpy(signal)).detach().numpy()
    assert found.shape == (2, 1 + (samples - 400) // 160, 64)
    for row, one in zip(found, signal, strict=True):
        np.testing.assert_allclose(row, frontend.log_mel(one, front), atol=1e-3)


def test_log_mel_agrees_on_a_real_recording(clips):
    from affekt.speech.audio import read

    signal = read(clips[0]).signal
    found = LogMel(FrontEnd(), floor=1e-10)(torch.from_numpy(signal[None])).detach().numpy()[0]
    np.testing.assert_allclose(found, frontend.log_mel(signal, FrontEnd()), atol=1e-3)


def test_pitch_salience_agrees_with_the_reference_and_finds_the_pitch(network):
    time = np.arange(16_000) / 16_000
    signal = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 8)).astype(np.float32)
    with torch.no_grad():
        found = network.features(torch.from_numpy(signal[None]))[1][0].numpy().T
    np.testing.assert_allclose(found, frontend.pitch_salience(signal, FrontEnd()), atol=1e-4)
    best = 1 / frontend.pitch_lags(FrontEnd())[found.mean(axis=0).argmax()]
    assert best == pytest.approx(150, rel=0.05)


def test_heads_that_cannot_share_the_channels_are_refused():
    from affekt.errors import InputError

    with pytest.raises(InputError, match="choose heads that divide"):
        VoiceShape(VOICE, heads=5)


def test_at_most_two_million_parameters(network):
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) < 2e6


def test_gain_and_a_constant_offset_change_nothing(network):
    signal = noise(1, 32_000)
    plain = run(network, signal)
    for other in (signal * np.float32(0.01), signal * np.float32(4), signal + np.float32(0.3)):
        for one, two in zip(plain, run(network, other), strict=True):
            np.testing.assert_allclose(two, one, atol=2e-3)


def test_what_lies_beyond_the_context_changes_no_window(network):
    shape = network.shape
    signal = noise(1, 16_000 * 12)
    changed = signal.copy()
    start = 5 * shape.hop_frames * shape.frame_samples
    end = start + shape.window_frames * shape.frame_samples
    changed[:, : start - shape.context_samples] = noise(1, start - shape.context_samples, seed=1)
    changed[:, end + shape.context_samples :] = 0
    one, two = run(network, signal)[1], run(network, changed)[1]
    np.testing.assert_allclose(two[0, 5], one[0, 5], atol=1e-5)
    assert abs(two[0, 12] - one[0, 12]).max() > 1e-3, "the change must be visible elsewhere, or this test sees nothing"


def test_padding_a_batch_changes_no_answer(network):
    """Clips of different length, padded and masked, answer as each does alone."""
    long, short = noise(1, 32_000), noise(1, 21_300, seed=2)
    with torch.no_grad():
        alone = [network.features(torch.from_numpy(signal)) for signal in (long, short)]
        size = [mel.shape[-1] for mel, _ in alone]
        batch = [torch.nn.utils.rnn.pad_sequence([one[i][0].T for one in alone], True).mT for i in (0, 1)]
        mask = (torch.arange(max(size)) < torch.tensor(size)[:, None])[:, None].float()
        frames = network.encode(*batch, mask=mask)
        together = network.head(network.embed(frames, mask)).numpy()
    np.testing.assert_allclose(together[0], run(network, long)[0][0], atol=1e-4)
    np.testing.assert_allclose(together[1], run(network, short)[0][0], atol=1e-4)


def test_windows_of_a_short_input_are_one_that_equals_the_whole(network):
    whole, windows, _ = run(network, noise(1, 20_000))
    np.testing.assert_allclose(windows[:, 0], whole, atol=1e-5)


def test_the_activity_context_is_what_the_stream_reckons_with():
    from affekt.speech.activity import CONTEXT, HOP, WINDOW

    torch.manual_seed(0)
    network = ActivityNetwork().eval()
    signal = noise(1, 64_000)
    changed = signal.copy()
    changed[:, (100 + CONTEXT) * HOP + WINDOW :] = 0
    with torch.no_grad():
        one, two = (network(torch.from_numpy(x))[0].numpy() for x in (signal, changed))
    np.testing.assert_allclose(two[:101], one[:101], atol=1e-5)
    assert abs(two[130:] - one[130:]).max() > 1e-3


def test_mel_filters_cover_the_band_and_refuse_too_many():
    from affekt.errors import InputError

    filters = frontend.mel_filters(FrontEnd())
    assert (filters.sum(axis=1)[3:-3] > 0.3).all()
    with pytest.raises(InputError, match="too many"):
        frontend.mel_filters(FrontEnd(bands=150))


def test_the_mel_scale_is_slaneys():
    assert spectral.hertz_to_mel(1000) == pytest.approx(15)
    assert spectral.hertz_to_mel(6400) == pytest.approx(42)
    np.testing.assert_allclose(
        spectral.mel_to_hertz(spectral.hertz_to_mel(np.array([80.0, 900, 3000]))), [80, 900, 3000]
    )
