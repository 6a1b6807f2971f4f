"""What the decoders give, of files and of pipes alike: blocks of samples, checked and averaged to mono."""

from __future__ import annotations

import errno
import io
import numbers
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from affekt.errors import AudioError, InputError
from affekt.speech.header import is_truncated

SAMPLING_RATE = 16_000
LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000
BLOCK_SECONDS = 10.0

# Containers PyAV may open. Playlists (hls, concat, dash, ...) are not among
# them: they make the decoder open other files and addresses.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,flac,wav,w64,aiff,caf,au,amr,amrnb,amrwb,asf,avi,mpeg,mpegts"
)

# Above this, floats are integers that nobody scaled; above that, they are no sound at all.
_LOUD, _ABSURD = 100.0, 1e12
# Below 127 of 128, the top of 8 bits; and how much of a recording may lie flat up there.
_FULL, _CLIPPED = 0.99, 0.005

READABLE = "Readable are wav, flac, ogg, opus, mp3, aiff, m4a, mp4, mov, mkv, webm and the like; convert it to one."

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Decoded:
    """Blocks of one recording as its decoder gives them: shape (n, channels), any real type."""

    sampling_rate: int
    blocks: Iterator[NDArray[Any]]
    promised: float = 0.0  # seconds; 0 where the header does not say


class DecodingError(Exception):
    """The decoder cannot go on."""


@dataclass(frozen=True)
class Named:
    """What to call a recording, and whom to tell that it is odd."""

    name: str
    warn: Warn

    def __str__(self) -> str:
        return self.name


def decode(file: IO[bytes], name: Named, stack: ExitStack) -> Decoded:
    """What soundfile reads of a file or, where it cannot, PyAV; raises AudioError where neither can."""
    cut = is_truncated(file)
    try:
        sound = stack.enter_context(soundfile.SoundFile(_number(file), closefd=False))
        # A size of 0 in the header may mean that its writer could not go back to fill it in; PyAV reads on.
        decoded = _from_sound(sound) if sound.frames else _from_av(file, "no samples", stack)
    except (soundfile.SoundFileError, TypeError, ValueError, ZeroDivisionError) as error:
        try:
            decoded = _from_av(file, str(error).rsplit(": ", 1)[-1].rstrip("."), stack)
        except DecodingError as broken:
            raise AudioError(f"{name}: {_diagnosis(file, cut)} ({broken}). {READABLE}") from None
    except DecodingError:
        raise AudioError(f"{name}: holds no samples. Copy or export it again.") from None
    return Decoded(decoded.sampling_rate, _as_promised(decoded, cut, name))


def _diagnosis(file: IO[bytes], cut: bool) -> str:
    file.seek(0)
    head = file.read(64).lstrip(b"\xef\xbb\xbf \r\n")
    if head.startswith((b"#EXTM3U", b"ffconcat", b"[playlist]")):
        return "is a playlist, and affekt does not follow it; name the recordings it lists"
    return "is truncated, and what is left cannot be read" if cut else "is not a recording that can be read"


def _number(file: IO[bytes]) -> Any:
    """The descriptor of a plain file at its start, else the file.

    libsndfile then reads without calling Python, where Ctrl-C would be lost.
    """
    file.seek(0)
    return file.fileno() if os.name == "posix" and type(file) is io.FileIO else file


def _as_promised(decoded: Decoded, cut: bool, name: Named) -> Iterator[NDArray[Any]]:
    """Pass the blocks on, and tell if they end before the header says."""
    done, reason = 0, ""
    try:
        for block in decoded.blocks:
            done += len(block)
            yield block
    except DecodingError as error:
        reason = str(error)
    if not done and (cut or reason):
        what = "is truncated, and no sound is left" if cut else f"cannot be decoded ({reason})"
        raise AudioError(f"{name}: {what}. Copy or export it again.")
    seconds = done / decoded.sampling_rate
    if cut or reason or decoded.promised - seconds > 0.5:
        more = f" of the {decoded.promised:.1f} s its header promises" if decoded.promised > seconds else ""
        name.warn(f"{name}: is truncated; only {seconds:.1f} s{more} can be read.")


def _from_sound(sound: soundfile.SoundFile) -> Decoded:
    # Only FLAC states its length; what libsndfile says of the others it has counted or guessed.
    stated = sound.format == "FLAC" and sound.frames < 1 << 60
    return Decoded(sound.samplerate, _sound_blocks(sound), sound.frames / sound.samplerate if stated else 0.0)


def _sound_blocks(sound: soundfile.SoundFile) -> Iterator[NDArray[Any]]:
    # Bounded in samples, not seconds: an absurd rate or channel count must not become an absurd buffer.
    frames = max(1, min(int(BLOCK_SECONDS * sound.samplerate), (1 << 22) // max(1, sound.channels)))
    while True:
        # Into an array of our own: when the decoder stumbles, what it had done by then is still there.
        buffer = np.full((frames, sound.channels), np.nan, np.float32)
        try:
            block = sound.read(out=buffer)
        except soundfile.SoundFileError as error:
            yield buffer[: np.argmax(np.isnan(buffer[:, -1]))]
            raise DecodingError(str(error).rstrip(".")) from None
        if not len(block):
            return
        yield block


def _from_av(file: IO[bytes], reason: str, stack: ExitStack) -> Decoded:
    import av  # 70 ms, and most recordings never need it

    av.logging.set_level(av.logging.PANIC)
    file.seek(0)
    try:
        # Belt and braces: no format that names other files, and no way to open one.
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
        container = stack.enter_context(av.open(file, "r", options=options, metadata_errors="replace"))
    except (av.FFmpegError, ValueError, OSError) as error:
        why = "no format it may open" if getattr(error, "errno", None) == errno.EINVAL else words(error)
        raise DecodingError(f"soundfile: {reason}; PyAV: {why}") from None
    if not container.streams.audio:
        raise DecodingError("it has no sound track")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise DecodingError(f"soundfile: {reason}; PyAV: a kind of sound that it does not know")
    return Decoded(
        int(stream.codec_context.sample_rate or 0),
        accumulator(av_parts(container), SAMPLING_RATE),
        _stated_seconds(container),
    )


def words(error: Exception) -> str:
    """What went wrong, in the decoder's words."""
    return str(getattr(error, "strerror", None) or error)


def _stated_seconds(container: Any) -> float:
    """What the header states; other containers estimate from the size, which is no promise."""
    stream = container.streams.audio[0]
    if not container.format.name.startswith(("mov", "asf")) or not stream.duration:
        return 0.0
    return float(stream.duration * stream.time_base)


def accumulator(parts: Iterator[NDArray[Any]], samples: int) -> Iterator[NDArray[Any]]:
    """Join the small parts (n, channels) that a decoder gives; each comes with a cost of its own further on."""
    held: list[NDArray[Any]] = []
    try:
        for part in parts:
            if held and held[0].shape[1] != part.shape[1]:
                yield np.concatenate(held)
                held = []
            held.append(part)
            if sum(map(len, held)) >= samples:
                yield np.concatenate(held)
                held = []
    except DecodingError:
        if held:
            yield np.concatenate(held)
        raise
    if held:
        yield np.concatenate(held)


def av_parts(container: Any) -> Iterator[NDArray[Any]]:
    """The parts (n, channels) that PyAV decodes; raises DecodingError where it stumbles."""
    import av

    stream = container.streams.audio[0]
    rate, resampler, kind = stream.codec_context.sample_rate, None, None
    frames = container.decode(stream)
    while True:
        try:
            frame = next(frames, None)
        except (av.FFmpegError, OSError) as error:
            raise DecodingError(words(error)) from None
        if frame is None:
            return
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or now != kind:  # broadcasts change from mono to stereo and back
            resampler, kind = av.AudioResampler(format="flt", layout=frame.layout, rate=rate), now
        for part in resampler.resample(frame):
            yield part.to_ndarray().reshape(part.samples, -1)


def from_array(source: tuple[Any, ...]) -> Decoded:
    """A recording in memory, (array, sampling_rate); raises InputError where it is none."""
    if len(source) != 2 or not isinstance(source[1], numbers.Real) or isinstance(source[1], bool):
        raise InputError("a recording in memory is (array, sampling_rate): samples first, then a number of hertz.")
    signal, sampling_rate = np.asarray(source[0]), source[1]
    if signal.ndim not in (1, 2) or signal.dtype.kind not in "fiu":
        raise InputError(
            f"an array of shape {signal.shape} and type {signal.dtype}; allowed: (n,) or (n, channels) of real numbers."
        )
    if signal.ndim == 2 and signal.shape[1] > max(32, signal.shape[0]):
        raise InputError(f"an array of shape {signal.shape}: time goes first, (n, channels). Transpose it.")
    size = int(BLOCK_SECONDS * SAMPLING_RATE)
    signal = signal.reshape(len(signal), -1) if signal.size else np.zeros((0, 1), np.float32)
    blocks = (full_scale(signal[i : i + size]) for i in range(0, len(signal), size))
    return Decoded(sampling_rate, blocks)  # type: ignore[arg-type]


def full_scale(block: NDArray[Any]) -> NDArray[np.floating]:
    """Integers (n, channels) to floats in [-1, 1); unsigned ones have their silence in the middle."""
    if block.dtype.kind == "f":
        return block.astype(np.float32) if block.dtype == np.float16 else block
    info = np.iinfo(block.dtype)
    middle = 0 if block.dtype.kind == "i" else (info.max + 1) / 2
    return (block.astype(np.float64) - middle) / (info.max + 1 - middle)


def check_sampling_rate(rate: Any) -> None:
    """Raise InputError unless this is a number of hertz that can be worked with."""
    if not isinstance(rate, numbers.Real) or isinstance(rate, bool) or not LOWEST_RATE <= float(rate) <= HIGHEST_RATE:
        raise InputError(f"sampling_rate is {rate!r}; allowed: {LOWEST_RATE} to {HIGHEST_RATE} Hz.")


def check_rate(rate: float, name: str) -> None:
    """Raise AudioError unless this is a number of hertz that a recording may have."""
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{name}: sampling rate {rate} Hz; allowed: {LOWEST_RATE} to {HIGHEST_RATE} Hz. Export it at 16000 Hz."
        )


def mono_blocks(decoded: Decoded, name: Named) -> Iterator[NDArray[np.float32]]:
    """The mean of the channels, block by block; raises AudioError for samples that are no numbers, or none."""
    done, peak, clipped = 0, 0.0, 0.0
    for block in decoded.blocks:
        with np.errstate(over="ignore", invalid="ignore"):  # raised below as our own error
            mono = (block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)).astype(np.float32, copy=False)
        usable = np.abs(mono) < _ABSURD  # NaN is not
        if not usable.all():
            when = (done + int(np.argmin(usable))) / decoded.sampling_rate
            raise AudioError(
                f"{name}: holds NaN, infinite or absurd samples, the first at {when:.3f} s. Export it again."
            )
        level = np.abs(block)
        done, peak = done + len(mono), max(peak, float(level.max(initial=0.0)))
        # A loud sine touches full scale, too, but does not stay there.
        clipped += float(((level[1:] >= _FULL) & (block[1:] == block[:-1])).sum()) / block.shape[1]
        yield mono
    if not done:
        raise AudioError(f"{name}: holds no samples. Copy or export it again.")
    _tell_level(name, peak, clipped / done)


def _tell_level(name: Named, peak: float, clipped: float) -> None:
    """Only here can clipping be seen: resampling rounds off what was cut flat."""
    if peak <= 1.001 and clipped > _CLIPPED:
        name.warn(f"{name}: is clipped; {100 * clipped:.0f} % of its samples are at full scale. Record it less loud.")
    if peak > _LOUD:
        name.warn(
            f"{name}: its samples reach {peak:.0f}, and full scale is 1; divide them by their type's largest value."
        )
