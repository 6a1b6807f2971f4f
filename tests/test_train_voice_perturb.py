"""Other voices and hidden parts while a network learns."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affekt.speech.frontend import FrontEnd, pitch_lags
from affekt.speech.network import VoiceFeatures
from affekt.train.recipe import Objective
from affekt.train.voice.perturb import change_voices, spec_augment


class Fixed:
    """Draws a given number of deviations for everybody."""

    def __init__(self, deviations):
        self.deviations = deviations

    def normal(self, mean, size, count):
        return np.full(count, mean + size * self.deviations)


def features(*signals):
    with torch.no_grad():
        return VoiceFeatures(FrontEnd())(torch.from_numpy(np.stack(signals)))


def buzz(hertz):
    """A voice-like sound: all harmonics, weaker towards the top."""
    time = np.arange(8000) / 16000
    return sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, int(7000 / hertz))).astype(np.float32) / 8


def tones(*hertz):
    time = np.arange(8000) / 16000
    return sum(np.sin(2 * np.pi * h * time) for h in hertz).astype(np.float32) / 8


def test_a_higher_pitch_looks_like_a_signal_of_higher_pitch():
    mel, salience = features(buzz(150.0), buzz(150.0 * np.exp(0.2)))
    same, moved = change_voices(
        (mel, salience), torch.zeros(2, dtype=torch.int64), Objective(formants=0.0, pitch=0.2), Fixed(1)
    )
    assert torch.equal(same, mel)
    best, before, wanted = moved[0].mean(-1).argmax(), salience[0].mean(-1).argmax(), salience[1].mean(-1).argmax()
    assert abs(int(best) - int(wanted)) <= 1 < abs(int(before) - int(wanted))
    hertz = 1 / pitch_lags(FrontEnd())
    assert hertz[best] == pytest.approx(150 * np.exp(0.2), rel=0.05)


def test_higher_formants_look_like_a_signal_of_higher_formants():
    factor = np.exp(0.15)
    mel, salience = features(tones(700.0, 2500.0), tones(700.0 * factor, 2500.0 * factor))
    moved, same = change_voices(
        (mel, salience), torch.zeros(2, dtype=torch.int64), Objective(formants=0.15, pitch=0.0), Fixed(1)
    )
    assert torch.equal(same, salience)

    def peaks(bands):
        mean = bands.mean(-1).numpy()
        return mean[:32].argmax(), 32 + mean[32:].argmax()

    assert np.abs(np.subtract(peaks(moved[0]), peaks(mel[1]))).max() <= 1
    assert np.abs(np.subtract(peaks(mel[0]), peaks(mel[1]))).min() >= 2


def test_a_speaker_keeps_one_voice_within_a_batch_and_others_have_theirs():
    mel, salience = features(buzz(150.0), buzz(150.0), buzz(150.0))
    objective = Objective(formants=0.1, pitch=0.2)
    rng = np.random.default_rng(0)
    for changed in change_voices((mel, salience), torch.tensor([7, 3, 7]), objective, rng):
        assert torch.equal(changed[0], changed[2])
        assert not torch.allclose(changed[0], changed[1], atol=1e-2)


def test_no_change_is_none():
    mel, salience = features(buzz(150.0))
    for before, after in zip(
        (mel, salience),
        change_voices((mel, salience), torch.tensor([0]), Objective(formants=0.0, pitch=0.0), np.random.default_rng(0)),
        strict=True,
    ):
        torch.testing.assert_close(before, after, atol=1e-5, rtol=0)


def test_masks_hide_bands_and_stretches_no_larger_than_asked_and_leave_the_rest():
    mel = torch.randn(4, 64, 200)
    hidden = spec_augment(mel, Objective(frequency_mask=6, time_mask=20), np.random.default_rng(1)) != mel
    assert hidden.any()
    bands, times = hidden.all(dim=2).sum(dim=1), hidden.all(dim=1).sum(dim=1)
    assert bands.max() <= 12 and times.max() <= 40
    rest = hidden & ~hidden.all(dim=2, keepdim=True) & ~hidden.all(dim=1, keepdim=True)
    assert not rest.any()
