"""Audio augmentation that does not change the emotion. Parameters are drawn first and applied second.

There are two ways: :mod:`affekt.train.voice.augment` is the fast fixed chain used to train
the voice models, at 16 kHz; :func:`draw_step` and :func:`apply_steps` are the individual
changes of :data:`CHANGES`, by name, in any order, at any sampling rate.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from affekt._optional import require
from affekt.errors import InputError, UnknownName

Signal = NDArray[np.float32]
SAMPLING_RATE = 16_000


def add_noise(signal: Signal, noise: Signal, snr: float) -> Signal:
    """Add noise (n,) at a signal-to-noise ratio in dB, measured over the whole signal."""
    power, noise_power = np.mean(signal * signal), np.mean(noise * noise)
    if power <= 0 or noise_power <= 1e-12:
        return signal
    found: Signal = signal + noise * np.sqrt(power / noise_power * 10 ** (-snr / 10)).astype(np.float32)
    return found


def coloured_noise(samples: int, power: float, rng: np.random.Generator) -> Signal:
    """Noise whose power falls with frequency to ``power``: 0 white, 1 pink, 2 brown; root mean square 1."""
    length = 1 << max(1, (samples - 1).bit_length())
    slope = np.arange(1, length // 2 + 2, dtype=np.float32) ** (-power / 2)
    real, imaginary = rng.standard_normal((2, length // 2 + 1), dtype=np.float32) * slope
    noise = np.fft.irfft(real + 1j * imaginary, length)[:samples].astype(np.float32)
    found: Signal = noise / (np.sqrt(np.mean(noise * noise)) + 1e-9)
    return found


Value = float | int | str


@dataclass(frozen=True)
class Parameter:
    """One number or word that a change needs.

    Parameters
    ----------
    drawn : tuple
        Where :func:`draw_step` draws it from: two numbers are a range, words a choice, one value is fixed.
    allowed : tuple
        Lowest and highest number (whole numbers where these are), or all the words there are.
    meaning : str
        In words, with its unit.
    """

    drawn: tuple[Value, ...]
    allowed: tuple[Value, ...]
    meaning: str

    def checked(self, name: str, value: object) -> Value:
        """The value, as the plain type that JSON and TOML know.

        Raises
        ------
        UnknownName
            If it is a word, but none of those allowed.
        InputError
            If it is not a number, or outside the range.
        """
        low, high = self.allowed[0], self.allowed[-1]
        if isinstance(low, str):
            if value not in self.allowed:
                raise UnknownName(name, str(value), map(str, self.allowed))
            return str(value)
        if isinstance(value, (str, bool)) or not isinstance(value, (int, float, np.number)):
            raise InputError(f"{name} is {value!r}; give a number from {low} to {high} ({self.meaning}).")
        if not float(low) <= value <= float(high) or (isinstance(low, int) and value != int(value)):
            whole = "whole number" if isinstance(low, int) else "number"
            raise InputError(f"{name} is {value}; allowed is a {whole} from {low} to {high} ({self.meaning}).")
        return int(value) if isinstance(low, int) else float(value)


@dataclass(frozen=True)
class Kind:
    """What can be done to a clip: one row of :data:`CHANGES`.

    Parameters
    ----------
    function : callable
        Takes ``(signal, sampling_rate)``, and the parameters and ``needs`` by name; returns a new signal.
    meaning : str
        In words.
    parameters : mapping of str to Parameter
    needs : tuple of str
        Which of the recordings handed to :func:`apply_steps` it may use: ``sounds``, ``responses``.
    """

    function: Callable[..., Signal]
    meaning: str
    parameters: Mapping[str, Parameter]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One change with all its parameters; nothing about it is left to chance.

    ``dataclasses.asdict`` gives a table for JSON or TOML, and ``Step(**table)`` makes it again.

    Parameters
    ----------
    name : str
        A key of :data:`CHANGES`.
    parameters : mapping of str to float, int or str
        A value for each parameter of that change.

    Raises
    ------
    UnknownName
        If there is no such change, parameter or word; the near match is suggested.
    InputError
        If a parameter is missing, no number or out of range.

    Examples
    --------
    >>> Step("gain", {"decibels": -6.0}).parameters
    {'decibels': -6.0}
    """

    name: str
    parameters: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = _kind(self.name, self.parameters).parameters
        if missing := [key for key in known if key not in self.parameters]:
            raise InputError(
                f"{self.name} needs {', '.join(known)}; missing: {', '.join(missing)}. draw_step draws them."
            )
        values = {key: known[key].checked(f"{self.name} {key}", self.parameters[key]) for key in known}
        object.__setattr__(self, "parameters", values)


def draw_step(name: str, rng: np.random.Generator, **ranges: Value | Sequence[Value]) -> Step:
    """Draw the parameters of one change.

    Parameters
    ----------
    name : str
        A key of :data:`CHANGES`.
    rng : numpy Generator
    **ranges
        Instead of the range in the table: two numbers to draw between, more
        numbers or words to choose from, or one value that is not drawn.

    Raises
    ------
    UnknownName
        If there is no such change, parameter or word; the near match is suggested.
    InputError
        If a range is empty, upside down or not allowed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> draw_step("pitch", rng, semitones=2)
    Step(name='pitch', parameters={'semitones': 2.0})
    >>> -3 <= draw_step("pitch", rng, semitones=(-3, 3)).parameters["semitones"] <= 3
    True
    """
    known = _kind(name, ranges).parameters
    drawn = {key: _draw_value(f"{name} {key}", known[key], ranges.get(key), rng) for key in known}
    return Step(name, drawn)


def draw_steps(table: Sequence[Mapping[str, Any]], rng: np.random.Generator) -> tuple[Step, ...]:
    """Draw the steps for one clip from a list of changes, such as ``[[augment]]`` in TOML.

    Parameters
    ----------
    table : sequence of mappings
        Each has the ``name`` of a change, optionally the ``chance`` (0 to 1, by
        default 1) that it happens, and optionally ranges as in :func:`draw_step`.

    Raises
    ------
    UnknownName, InputError
        As :func:`draw_step`; also if a name is missing or a chance is invalid.

    Examples
    --------
    >>> table = [{"name": "noise", "snr": [5, 20], "chance": 0.5}, {"name": "gain", "decibels": -6}]
    >>> [step.name for step in draw_steps(table, np.random.default_rng(0))]
    ['gain']
    """
    steps = []
    for row in table:
        if "name" not in row:
            raise InputError(f"a change without a name: {dict(row)}. Name one of: {', '.join(CHANGES)}.")
        chance = _CHANCE.checked(f"{row['name']} chance", row.get("chance", 1.0))
        # Drawn in any case, so that a chance changed in the table does not change the steps that follow.
        happens = rng.random() < float(chance)
        step = draw_step(row["name"], rng, **{key: row[key] for key in row if key not in ("name", "chance")})
        steps += [step] if happens else []
    return tuple(steps)


def apply_steps(
    signal: Signal,
    sampling_rate: int,
    steps: Sequence[Step],
    *,
    sounds: Sequence[Signal] = (),
    responses: Sequence[Signal] = (),
) -> Signal:
    """Apply drawn steps, in their order.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono. It is not modified.
    sampling_rate : int
        Hertz.
    steps : sequence of Step
    sounds, responses : sequences of float32 arrays
        Recorded noises and impulse responses, at the same sampling rate, for
        ``noise`` with colour "recorded" and ``reverb`` with room "recorded".

    Returns
    -------
    float32 array, shape (m,)
        A new signal; m differs from n only after ``stretch`` and ``speed``.
        It may exceed 1: it is not cut to full scale.

    Raises
    ------
    InputError
        If the signal is not mono, or a recorded sound or response is asked for and there is none.
    MissingExtra
        If ``pitch`` or ``stretch`` is asked for without librosa.

    Examples
    --------
    >>> signal = np.array([0.0, 0.5, -0.5], np.float32)
    >>> apply_steps(signal, 16_000, [Step("shift", {"seconds": 1 / 16_000, "edge": "circular"})]).tolist()
    [-0.5, 0.0, 0.5]
    """
    changed = np.array(signal, np.float32)
    if changed.ndim != 1:
        raise InputError(f"the signal has shape {changed.shape}; give one channel, shape (n,).")
    recorded = {"sounds": sounds, "responses": responses}
    for step in steps if len(changed) else ():
        kind = CHANGES[step.name]
        extras = {key: recorded[key] for key in kind.needs}
        changed = kind.function(changed, sampling_rate, **step.parameters, **extras).astype(np.float32, copy=False)
    return changed


def _kind(name: str, parameters: Mapping[str, object]) -> Kind:
    if name not in CHANGES:
        raise UnknownName("change", name, CHANGES)
    for key in parameters:
        if key not in CHANGES[name].parameters:
            raise UnknownName(f"parameter of {name}", key, CHANGES[name].parameters)
    return CHANGES[name]


def _draw_value(name: str, parameter: Parameter, given: object, rng: np.random.Generator) -> Value:
    spec: Sequence[Any] = parameter.drawn
    if given is not None:
        spec = given if isinstance(given, (list, tuple)) else [given]
    values: list[Any] = [parameter.checked(name, value) for value in spec]
    if not values:
        raise InputError(f"{name} has nothing to draw from; give a value, two numbers or several words.")
    chosen: Value
    if len(values) == 1:
        chosen = values[0]
        return chosen
    if isinstance(values[0], str) or len(values) > 2:
        chosen = values[int(rng.integers(len(values)))]
        return chosen
    low, high = values
    if low > high:
        raise InputError(f"{name} is drawn from {low} to {high}; give the lower one first.")
    return int(rng.integers(low, high + 1)) if isinstance(low, int) else float(rng.uniform(low, high))


def _fitted(signal: Signal, samples: int) -> Signal:
    """Cut, or continue with silence, to so many samples."""
    return np.pad(signal[:samples], (0, max(0, samples - len(signal))))


def _add_noise_of(
    signal: Signal, sampling_rate: int, *, snr: float, colour: str, seed: int, sounds: Sequence[Signal]
) -> Signal:
    if colour == "recorded":
        if not sounds:
            raise InputError("noise: colour 'recorded' needs recordings; hand them over as `sounds`.")
        sound = sounds[seed % len(sounds)]
        return add_noise(signal, np.resize(np.roll(sound, seed % max(1, len(sound))), len(signal)), snr)
    noise = coloured_noise(len(signal), _COLOURS[colour], np.random.default_rng(seed))
    # Brown noise has nearly all its power at inaudible frequencies, so the ratio would mean nothing.
    return add_noise(signal, _band(noise, sampling_rate, low=20.0, high=sampling_rate), snr)


def _add_notebook_noise(signal: Signal, sampling_rate: int, *, amount: float, seed: int) -> Signal:
    normal = np.random.default_rng(seed).standard_normal(len(signal))
    return (signal + amount * float(np.max(signal)) * normal).astype(np.float32)


def _shift_pitch(signal: Signal, sampling_rate: int, *, semitones: float) -> Signal:
    speed = 2 ** (semitones / 12)
    longer = _stretch(signal, sampling_rate, rate=1 / speed)
    return _fitted(_play_faster(longer, sampling_rate, rate=speed), len(signal))


def _stretch(signal: Signal, sampling_rate: int, *, rate: float) -> Signal:
    if rate == 1:
        return signal
    # 93 ms: what librosa's 2048 samples are at its 22,050 Hz, where the published recipes use it.
    window = 1 << round(math.log2(2048 / 22_050 * sampling_rate))
    effects = require("librosa", extra="lab").effects
    stretched = effects.time_stretch(_fitted(signal, max(window, len(signal))), rate=rate, n_fft=window)
    return _fitted(stretched, max(1, round(len(signal) / rate)))


def _play_faster(signal: Signal, sampling_rate: int, *, rate: float) -> Signal:
    if rate == 1:
        return signal
    return _fitted(soxr.resample(signal, rate * sampling_rate, sampling_rate), max(1, round(len(signal) / rate)))


def _shift(signal: Signal, sampling_rate: int, *, seconds: float, edge: str) -> Signal:
    samples = round(seconds * sampling_rate)
    if edge == "circular":
        return np.roll(signal, samples)
    samples = min(max(samples, -len(signal)), len(signal))
    return np.pad(signal, (max(0, samples), max(0, -samples)))[max(0, -samples) :][: len(signal)]


def _amplify(signal: Signal, sampling_rate: int, *, decibels: float) -> Signal:
    return signal * np.float32(10 ** (decibels / 20))


def _reverberate(
    signal: Signal,
    sampling_rate: int,
    *,
    room: str,
    rt60: float,
    direct: float,
    seed: int,
    responses: Sequence[Signal],
) -> Signal:
    if room == "recorded":
        if not responses:
            raise InputError("reverb: room 'recorded' needs impulse responses; hand them over as `responses`.")
        recorded = responses[seed % len(responses)]
        # From the direct sound on: a recorded response begins with the delay to the microphone.
        response = np.asarray(recorded[int(np.argmax(np.abs(recorded))) :], np.float64)
    else:
        response = _synthetic_room(sampling_rate, rt60, direct, np.random.default_rng(seed))
    length = 1 << (len(signal) + len(response)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(signal, length) * np.fft.rfft(response, length), length)[: len(signal)]
    power, wet_power = np.mean(np.square(signal, dtype=np.float64)), np.mean(wet * wet)
    return (wet * np.sqrt(power / wet_power)).astype(np.float32) if wet_power > 0 else signal


def _synthetic_room(sampling_rate: int, rt60: float, direct: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise that falls by 60 dB in ``rt60`` seconds, behind a direct sound ``direct`` dB above all of it."""
    time = np.arange(1, max(2, round(rt60 * sampling_rate))) / sampling_rate
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / rt60)
    return np.concatenate([[1.0], tail * np.sqrt(10 ** (-direct / 10) / np.sum(tail * tail))])


def _through_codec(signal: Signal, sampling_rate: int, *, codec: str, kbps: int) -> Signal:
    encoder, container, rates = _CODECS[codec]
    rate = next((rate for rate in rates if rate >= sampling_rate), rates[-1])
    loudest = max(1.0, float(np.abs(signal).max()))  # encoders clip what is above full scale
    prepared = soxr.resample(signal / np.float32(loudest), sampling_rate, rate)
    decoded = _encode_and_decode(np.ascontiguousarray(prepared, np.float32), rate, (encoder, container, kbps))
    return _fitted(soxr.resample(decoded, rate, sampling_rate), len(signal)) * np.float32(loudest)


def _encode_and_decode(signal: Signal, rate: int, target: tuple[str, str, int]) -> Signal:
    """In memory; both containers state the encoder's delay, and the decoder leaves it out."""
    import av  # 70 ms, and most changes never need it

    av.logging.set_level(av.logging.PANIC)
    encoder, container, kbps = target
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(encoder, rate=rate)
        stream.layout, stream.bit_rate = "mono", 1000 * kbps
        frame = av.AudioFrame.from_ndarray(signal[None], "fltp", "mono")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
    file.seek(0)
    with av.open(file, "r") as coded:
        return np.concatenate([part.to_ndarray().ravel() for part in coded.decode(audio=0)]).astype(np.float32)


def _band(signal: Signal, sampling_rate: int, *, low: float, high: float) -> Signal:
    if low >= high:
        raise InputError(f"band: low is {low} Hz and high is {high} Hz; give the lower one first.")
    length = 1 << (len(signal) + sampling_rate // 4).bit_length()
    hertz = np.fft.rfftfreq(length, 1 / sampling_rate)
    # Butterworth magnitude without its phase: nothing shifts in time.
    gain = 1 / (1 + (hertz / high) ** 12) if high < sampling_rate / 2 else np.ones_like(hertz)
    if low:
        gain[1:] /= 1 + (low / hertz[1:]) ** 8
        gain[0] = 0
    return np.fft.irfft(np.fft.rfft(signal, length) * gain, length)[: len(signal)].astype(np.float32)


def _clip_peaks(signal: Signal, sampling_rate: int, *, share: float) -> Signal:
    loudness = np.abs(signal)
    limit = np.partition(loudness, -max(1, round(share * len(signal))))[-max(1, round(share * len(signal)))]
    return np.clip(signal, -limit, limit) if limit > 0 else signal


_CHANCE = Parameter((1.0,), (0.0, 1.0), "how likely the change is")
_SEED = Parameter((0, 1 << 30), (0, 1 << 53), "what the noise, or the choice among recordings, starts from")
_RATE = Parameter((0.85, 1.15), (0.25, 4.0), "1.25 is a quarter faster, and 1/1.25 as long")
_COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
# fmt: off
_CODECS = {
    "mp3": ("libmp3lame", "mp3", (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)),
    "opus": ("libopus", "ogg", (48_000,)),  # whose own clock is 48 kHz, whatever goes in
}

#: Every change by name: what it does, and what is drawn for it unless a recipe says otherwise.
CHANGES: dict[str, Kind] = {
    "noise": Kind(_add_noise_of, "noise at a ratio measured over the whole clip; silence stays silence", {
        "snr": Parameter((5.0, 35.0), (-40.0, 100.0), "signal-to-noise ratio in dB"),
        "colour": Parameter(tuple(_COLOURS), (*_COLOURS, "recorded"), "of the noise; recorded: one of `sounds`"),
        "seed": _SEED,
    }, ("sounds",)),
    "notebook-noise": Kind(
        _add_notebook_noise,
        "white noise whose deviation is a share of the largest sample, as in `noise_amp = 0.035 * uniform * max(data)`;"
        " the ratio to the voice is not controlled: a quiet clip with one loud word drowns", {
        "amount": Parameter((0.0, 0.035), (0.0, 1.0), "share of the largest sample"),
        "seed": _SEED,
    }),
    "pitch": Kind(_shift_pitch, "another pitch at the same length (phase vocoder); the formants move too", {
        "semitones": Parameter((-2.0, 2.0), (-24.0, 24.0), "up, or down where negative"),
    }),
    "stretch": Kind(_stretch, "another tempo at the same pitch (phase vocoder)", {"rate": _RATE}),
    "speed": Kind(_play_faster, "tempo and pitch together, as a tape played faster or slower", {"rate": _RATE}),
    "shift": Kind(_shift, "later in time, or earlier where negative", {
        "seconds": Parameter((-0.5, 0.5), (-3600.0, 3600.0), "how far"),
        "edge": Parameter(("circular", "silence"), ("circular", "silence"), "what enters where the signal left"),
    }),
    "gain": Kind(_amplify, "louder or softer; nothing is cut off", {
        "decibels": Parameter((-12.0, 12.0), (-120.0, 60.0), "dB"),
    }),
    "reverb": Kind(_reverberate, "a room; level, length and direct sound stay where they were", {
        "room": Parameter(("synthetic",), ("synthetic", "recorded"), "recorded: one of `responses`"),
        "rt60": Parameter((0.2, 1.0), (0.01, 10.0), "seconds to fall by 60 dB; a recorded room has its own"),
        "direct": Parameter((0.0, 12.0), (-30.0, 60.0), "direct over reverberant in dB; a recorded room has its own"),
        "seed": _SEED,
    }, ("responses",)),
    "codec": Kind(_through_codec, "there and back through a lossy codec; length and alignment kept", {
        "codec": Parameter(tuple(_CODECS), tuple(_CODECS), "which"),
        "kbps": Parameter((16, 64), (8, 256), "kilobits a second, or the nearest that the codec knows"),
    }),
    "band": Kind(_band, "a band as of a telephone; a tone at an edge is halved, nothing moves in time", {
        "low": Parameter((300.0,), (0.0, 24_000.0), "Hz; 0: no lower edge"),
        "high": Parameter((3400.0,), (1.0, 1e6), "Hz; from half the sampling rate on: no upper edge"),
    }),
    "clipping": Kind(_clip_peaks, "the loudest samples cut flat, as by an overdriven microphone", {
        "share": Parameter((0.001, 0.05), (0.0, 1.0), "of the samples that lie flat"),
    }),
}
# fmt: on
