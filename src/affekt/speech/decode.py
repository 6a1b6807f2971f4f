"""Choice of the decoder for a recording, and the checks of samples that all decoders share."""

from __future__ import annotations

import io
import numbers
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from affekt._container import Shared
from affekt.errors import AudioError, InputError
from affekt.speech.channels import USUAL, ReadOptions, selected
from affekt.speech.container import decode_shared, decode_track, open_sound, packet_length
from affekt.speech.decoded import SAMPLING_RATE, Decoded, DecodingError, Named
from affekt.speech.header import has_bare_samples, is_truncated, repaired

LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000
BLOCK_SECONDS = 10.0

# Above this, floats are integers that nobody scaled; above that, they are no sound at all.
_LOUD, _ABSURD = 100.0, 1e12
# Below 127 of 128, the top of 8 bits; and how much of a recording may lie flat up there.
_FULL, _CLIPPED = 0.99, 0.005

READABLE = "Readable are wav, flac, ogg, opus, mp3, aiff, m4a, mp4, mov, mkv, webm and the like; convert it to one."

_NO_SAMPLES = "no samples"


def decode(file: IO[bytes], name: Named, stack: ExitStack, options: ReadOptions) -> Decoded:
    """Decode uncompressed audio with soundfile, and the rest with PyAV; raises AudioError if neither can.

    libsndfile reads uncompressed audio fastest. For compressed audio it follows the
    length that the header states or that it guesses, and gives up at the first
    damaged packet; PyAV reads to the end, by the clock of the container.
    """
    cut = is_truncated(file)
    reasons = []
    readers = (_from_sound, _from_av) if has_bare_samples(file) else (_from_av, _from_sound)
    for reader in readers:
        try:
            decoded = reader(file, name, stack, options)
            return replace(decoded, blocks=_as_promised(decoded, cut, name))
        except (soundfile.SoundFileError, DecodingError, TypeError, ValueError, ZeroDivisionError) as error:
            reasons.append(_reason(error))
    if _NO_SAMPLES in reasons:
        raise AudioError(f"{name}: holds no samples. Copy or export it again.")
    why = "; ".join(dict.fromkeys(reasons))
    raise AudioError(f"{name}: {_diagnosis(file, cut)} ({why}). {READABLE}")


def decode_once(shared: Shared, name: Named) -> Decoded | None:
    """The sound of a file that is open for its pictures, too; None where only :func:`decode` may find what to read."""
    try:
        decoded = decode_shared(shared, name)
    except DecodingError:
        return None
    with open(shared.path, "rb") as file:
        cut = is_truncated(file)
    return replace(decoded, blocks=_as_promised(decoded, cut, name))


def _reason(error: Exception) -> str:
    if isinstance(error, DecodingError):
        return str(error)
    return f"soundfile: {str(error).rsplit(': ', 1)[-1].rstrip('.')}"


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
    """Pass the blocks on, and warn if they end before the header says."""
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


def _from_sound(file: IO[bytes], name: Named, stack: ExitStack, options: ReadOptions) -> Decoded:
    source = repaired(file) or _number(file)
    sound = stack.enter_context(soundfile.SoundFile(source, closefd=False))
    if not sound.frames:
        raise DecodingError(_NO_SAMPLES)
    if options.track is not None and options.track.lstrip("0") != "1":
        raise AudioError(f"{name}: has no sound track {options.track!r}. There: track 1.")
    return Decoded(sound.samplerate, _sound_blocks(sound), speakers=USUAL.get(sound.channels, ()))


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


def _from_av(file: IO[bytes], name: Named, stack: ExitStack, options: ReadOptions) -> Decoded:
    file.seek(0)
    return decode_track(open_sound(file, stack), options, name)


def stated_length(file: IO[bytes], stack: ExitStack) -> tuple[float, int] | None:
    """Seconds and sampling rate by the header of bare samples, or the packets of a container; None where neither says.

    What raises here is for :func:`decode` to say.
    """
    try:
        if has_bare_samples(file):
            sound = stack.enter_context(soundfile.SoundFile(repaired(file) or _number(file), closefd=False))
            found = (sound.frames / sound.samplerate, int(sound.samplerate)) if 0 < sound.frames < 1 << 60 else None
        else:
            file.seek(0)
            found = packet_length(open_sound(file, stack))
    except (soundfile.SoundFileError, DecodingError, TypeError, ValueError, ZeroDivisionError):
        found = None
    file.seek(0)
    return found


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


def checked_blocks(decoded: Decoded, options: ReadOptions, name: Named) -> Iterator[NDArray[np.float32]]:
    """The requested channels, (n, 1) or (n, channels); raises AudioError for non-numeric or no samples."""
    done, peak, clipped = 0, 0.0, 0.0
    for block in selected(decoded, options, name):
        with np.errstate(over="ignore", invalid="ignore"):  # raised below as our own error
            block = block.astype(np.float32, copy=False)
        level = np.abs(block)
        usable = (level < _ABSURD).all(axis=1)  # NaN is not
        if not usable.all():
            when = (done + int(np.argmin(usable))) / decoded.sampling_rate
            raise AudioError(
                f"{name}: holds NaN, infinite or absurd samples, the first at {when:.3f} s. Export it again."
            )
        done, peak = done + len(block), max(peak, float(level.max(initial=0.0)))
        # A loud sine touches full scale, too, but does not stay there.
        clipped += float(((level[1:] >= _FULL) & (block[1:] == block[:-1])).sum()) / block.shape[1]
        yield block
    if not done:
        raise AudioError(f"{name}: holds no samples. Copy or export it again.")
    _tell_level(name, peak, clipped / done)


def _tell_level(name: Named, peak: float, clipped: float) -> None:
    """Warn about level and clipping. Clipping is visible only here: resampling rounds off clipped peaks."""
    if peak <= 1.001 and clipped > _CLIPPED:
        name.warn(f"{name}: is clipped; {100 * clipped:.0f} % of its samples are at full scale. Record it less loud.")
    if peak > _LOUD:
        name.warn(
            f"{name}: its samples reach {peak:.0f}, and full scale is 1; divide them by their type's largest value."
        )
