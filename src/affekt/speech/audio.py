"""Recordings in: any common format, rate and number of channels to mono float32, block by block.

soundfile reads wav, flac, ogg, opus and mp3; PyAV reads the rest (m4a, webm,
the sound track of mp4, mov, mkv). Neither starts a process or touches the network.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from affekt.errors import AudioError, AudioWarning, InputError
from affekt.types import Audio

SAMPLING_RATE = 16_000
LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000
BLOCK_SECONDS = 10.0

#: What a folder run takes for a recording.
EXTENSIONS = frozenset(
    ["wav", "wave", "flac", "ogg", "oga", "opus", "mp3", "m4a", "aac", "mp4", "m4v", "mov", "mkv", "mka", "webm", "aif", "aiff", "aifc", "au", "caf", "w64", "rf64", "3gp", "amr", "wma", "avi"]
)

# Containers PyAV may open. Playlists (hls, concat, dash, ...) are not among
# them: they make the decoder open other files and addresses.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,flac,wav,w64,aiff,caf,au,amr,amrnb,amrwb,asf,avi,mpeg,mpegts"
)

Source = str | os.PathLike[str] | bytes | IO[bytes] | tuple[NDArray[Any], int]


@dataclass(frozen=True)
class _Decoded:
    """Blocks of one recording as its decoder gives them: shape (n, channels), any real type."""

    sampling_rate: int
    blocks: Iterator[NDArray[Any]]


Warn = Callable[[str], None]


def _warn(sentence: str) -> None:
    warnings.warn(sentence, AudioWarning, stacklevel=4)


@dataclass(frozen=True)
class _Named:
    """What to call a recording, and whom to tell that it is odd."""

    name: str
    warn: Warn

    def __str__(self) -> str:
        return self.name


def read(source: Source, *, sampling_rate: int = SAMPLING_RATE) -> Audio:
    """Read a whole recording into memory.

    For long recordings use :func:`blocks`, whose memory does not grow.

    Parameters
    ----------
    source : path, bytes, binary file, "-" or (array, sampling_rate)
        ``"-"`` is standard input. An array is (n,) or (n, channels), floats
        with full scale [-1, 1] or integers with their type's full scale.
    sampling_rate : int
        Hertz of the result.

    Returns
    -------
    Audio
        Channels are averaged.

    Raises
    ------
    AudioError
        If there is no such file, or no recording in it; says what was tried.

    Examples
    --------
    >>> import numpy as np
    >>> read((np.zeros(8000), 8000)).duration
    1.0
    """
    parts = list(blocks(source, sampling_rate=sampling_rate))
    return Audio(np.concatenate(parts) if parts else np.zeros(0, np.float32), sampling_rate)


def blocks(source: Source, *, sampling_rate: int = SAMPLING_RATE, warn: Warn = _warn) -> Iterator[NDArray[np.float32]]:
    """Read a recording block by block, in memory that does not grow with its length.

    Parameters
    ----------
    source, sampling_rate
        As for :func:`read`.
    warn : callable
        Takes a sentence when the recording is odd but readable (it ends before
        its header says); by default it becomes an :class:`AudioWarning`.

    Yields
    ------
    float32 array, shape (n,)
        Mono, at ``sampling_rate``; n varies.

    Raises
    ------
    AudioError
        If there is no such file, no recording in it, or samples that are not numbers.

    """
    name = name_of(source)
    with ExitStack() as stack:
        if isinstance(source, tuple):
            decoded = _from_array(*source)
        else:
            decoded = _decode(_open(source, name, stack), _Named(name, warn), stack)
        _check_rate(decoded.sampling_rate, name)
        yield from _resampled(_mono_blocks(decoded, name), decoded.sampling_rate, sampling_rate)


def name_of(source: Source) -> str:
    """What to call a source in a message or a record."""
    if isinstance(source, (str, os.PathLike)):
        return "standard input" if os.fspath(source) == "-" else os.fspath(source)
    if isinstance(source, tuple):
        return "array"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{len(source)} bytes"
    return str(getattr(source, "name", "stream"))


def _open(source: Any, name: str, stack: ExitStack) -> IO[bytes]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        file: IO[bytes] = io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)) and os.fspath(source) != "-":
        file = stack.enter_context(_open_path(Path(source), name))
    else:
        file = _seekable(sys.stdin.buffer if isinstance(source, (str, os.PathLike)) else source, stack)
    if not file.read(1):
        raise AudioError(f"{name}: is empty (0 bytes).")
    file.seek(0)
    return file


def _open_path(path: Path, name: str) -> IO[bytes]:
    if path.is_dir():
        raise AudioError(f"{name}: is a folder. Name the recordings in it, or use `affekt predict {name}`.")
    if path.exists() and not path.is_file():
        raise AudioError(f"{name}: is not a plain file.")
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file.") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: cannot be opened ({getattr(error, 'strerror', None) or error}).") from None


def _seekable(file: Any, stack: ExitStack) -> IO[bytes]:
    """Decoders jump about in a file: spool what cannot seek, to a nameless temporary file when it is large."""
    if not hasattr(file, "read"):
        raise InputError(f"a {type(file).__name__} is not a recording: give a path, bytes, a file or (array, rate).")
    if getattr(file, "seekable", lambda: False)():
        return file
    spool = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=1 << 25))
    while chunk := file.read(1 << 20):
        spool.write(chunk)
    spool.seek(0)
    return spool  # type: ignore[return-value]


def _decode(file: IO[bytes], name: _Named, stack: ExitStack) -> _Decoded:
    _warn_if_truncated(file, name)
    try:
        sound = stack.enter_context(soundfile.SoundFile(file))
    except (soundfile.SoundFileError, TypeError, ValueError, ZeroDivisionError) as error:
        file.seek(0)
        return _from_av(file, name, str(error).rsplit(": ", 1)[-1], stack)
    return _Decoded(sound.samplerate, _sound_blocks(sound, name))


def _sound_blocks(sound: soundfile.SoundFile, name: _Named) -> Iterator[NDArray[np.float32]]:
    # Bounded in samples, not seconds: an absurd rate or channel count must not become an absurd buffer.
    frames = max(1, min(int(BLOCK_SECONDS * sound.samplerate), (1 << 22) // max(1, sound.channels)))
    while True:
        try:
            block = sound.read(frames, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, MemoryError) as error:
            raise AudioError(f"{name}: cannot be decoded ({error}).") from None
        if not len(block):
            return
        yield block


def _from_av(file: IO[bytes], name: _Named, reason: str, stack: ExitStack) -> _Decoded:
    import av  # 70 ms, and most recordings never need it

    av.logging.set_level(av.logging.PANIC)
    try:
        options = {"format_whitelist": _CONTAINERS}
        container = stack.enter_context(av.open(file, "r", options=options, metadata_errors="replace"))
        if not container.streams.audio:
            raise AudioError(f"{name}: has no sound track.")
        stream = container.streams.audio[0]
        rate = int(stream.codec_context.sample_rate or 0)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise AudioError(f"{name}: is not a recording that can be read (soundfile: {reason} PyAV: {error}).") from None
    promised = float(stream.duration * stream.time_base) if stream.duration else 0.0
    return _Decoded(rate, _av_blocks(container, promised, name))


def _av_blocks(container: Any, promised: float, name: _Named) -> Iterator[NDArray[np.float32]]:
    import av

    stream = container.streams.audio[0]
    resampler, seconds, broken = av.AudioResampler(format="flt"), 0.0, 0
    frames = _av_frames(container, stream)
    while True:
        try:
            frame = next(frames)
        except StopIteration:
            break
        except (av.FFmpegError, OSError) as error:
            broken += 1
            if seconds == 0.0:
                raise AudioError(f"{name}: cannot be decoded ({error}).") from None
            break
        for part in resampler.resample(frame):
            seconds += part.samples / part.sample_rate
            yield part.to_ndarray().reshape(part.samples, -1)
    if broken or promised - seconds > 0.5:
        _warn_truncated(name, seconds, promised)


def _av_frames(container: Any, stream: Any) -> Iterator[Any]:
    yield from container.decode(stream)


def _warn_if_truncated(file: IO[bytes], name: _Named) -> None:
    """A RIFF header says how long the sound is; soundfile silently reads what is there."""
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        size, start, rate = _riff_data(file)
        file.seek(0, os.SEEK_END)
        there = file.tell() - start
        # Writers that cannot seek leave these sizes, with all the sound behind them.
        if size not in (0, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFF000) and start and there < size:
            _warn_truncated(name, max(0, there) / max(1, rate), size / max(1, rate))
    file.seek(0)


def _riff_data(file: IO[bytes]) -> tuple[int, int, int]:
    """Size and position of the data chunk and bytes per second; zeros where there is none."""
    rate = 0
    while len(header := file.read(8)) == 8:
        kind, size = header[:4], struct.unpack("<I", header[4:])[0]
        if kind == b"data":
            return size, file.tell(), rate
        if kind == b"fmt " and size >= 16:
            rate = struct.unpack("<I", file.read(16)[8:12].ljust(4, b"\0"))[0]
            size -= 16
        file.seek(size + size % 2, os.SEEK_CUR)
    return 0, 0, 0


def _warn_truncated(name: _Named, seconds: float, promised: float) -> None:
    more = f" of the {promised:.1f} s its header promises" if promised > seconds else ""
    name.warn(f"{name}: is truncated; only {seconds:.1f} s{more} can be read.")


def _from_array(signal: NDArray[Any], sampling_rate: int) -> _Decoded:
    signal = np.asarray(signal)
    if signal.ndim not in (1, 2) or signal.dtype.kind not in "fiu":
        raise InputError(
            f"an array of shape {signal.shape} and type {signal.dtype}; allowed: (n,) or (n, channels) of real numbers."
        )
    if signal.ndim == 2 and signal.shape[1] > max(32, signal.shape[0]):
        raise InputError(f"an array of shape {signal.shape}: time goes first, (n, channels). Transpose it.")
    if signal.dtype.kind in "iu":
        info = np.iinfo(signal.dtype)
        middle = 0 if signal.dtype.kind == "i" else (info.max + 1) / 2
        signal = (signal.astype(np.float64) - middle) / (info.max + 1 - middle)
    size = int(BLOCK_SECONDS * SAMPLING_RATE)
    signal = signal.reshape(len(signal), -1)
    return _Decoded(sampling_rate, (signal[i : i + size] for i in range(0, len(signal), size)))


def _check_rate(rate: int, name: str) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(f"{name}: sampling rate {rate} Hz; allowed: {LOWEST_RATE} to {HIGHEST_RATE} Hz.")


def _mono_blocks(decoded: _Decoded, name: str) -> Iterator[NDArray[np.float32]]:
    done = 0
    for block in decoded.blocks:
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        if not np.isfinite(mono).all():
            when = (done + int(np.argmin(np.isfinite(mono)))) / decoded.sampling_rate
            raise AudioError(f"{name}: holds NaN or infinite samples, the first at {when:.3f} s. Export it again.")
        done += len(mono)
        yield mono.astype(np.float32, copy=False)
    if not done:
        raise AudioError(f"{name}: holds no samples.")


def _resampled(parts: Iterator[NDArray[np.float32]], given: int, wanted: int) -> Iterator[NDArray[np.float32]]:
    if given == wanted:
        yield from parts
        return
    stream = soxr.ResampleStream(given, wanted, 1, dtype="float32", quality="HQ")
    for part in parts:
        if len(out := stream.resample_chunk(part)):
            yield out
    if len(out := stream.resample_chunk(np.zeros(0, np.float32), last=True)):
        yield out
