"""Reading recordings: any common format, rate and number of channels to mono float32, block by block.

soundfile reads uncompressed audio (wav, aiff, au, caf); PyAV reads compressed
formats (mp3, opus, m4a, the audio track of mp4, mov, mkv). Neither starts a
process or uses the network.
"""

from __future__ import annotations

import inspect
import io
import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import soxr
from numpy.typing import NDArray

from affekt._container import Shared
from affekt.errors import AffektError, AudioError, AudioWarning, InputError
from affekt.speech.channels import ReadOptions
from affekt.speech.decode import (
    READABLE,
    check_rate,
    check_sampling_rate,
    checked_blocks,
    decode,
    decode_once,
    from_array,
    stated_length,
)
from affekt.speech.decoded import SAMPLING_RATE, Named, Warn
from affekt.types import Audio, Sample

#: Extensions of the files that a run over a folder treats as recordings.
# fmt: off
EXTENSIONS = frozenset([
    "3g2", "3gp", "aac", "ac3", "aif", "aifc", "aiff", "amr", "asf", "au", "avi", "caf", "dts", "eac3", "flac", "flv",
    "m2ts", "m4a", "m4b", "m4v", "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpeg", "mpg", "mpga", "mts", "mxf", "oga",
    "ogg", "opus", "rf64", "snd", "sph", "ts", "vob", "w64", "wav", "wave", "weba", "webm", "wma", "wmv",
])
# fmt: on

_SAMPLE_DUMP = b"\xf0\x7e"
# Maximum bytes from standard input: more is a mistake, not a recording, and would fill the disk.
_LARGEST_SPOOL = 16 << 30

MIX = ReadOptions()

Source = str | os.PathLike[str] | bytes | IO[bytes] | tuple[NDArray[Any], int] | Audio | Shared


def warn_user(sentence: str) -> None:
    """Say what is odd about a recording, as an :class:`AudioWarning`."""
    warnings.warn(sentence, AudioWarning, stacklevel=4)


def read(source: Source, *, sampling_rate: int = SAMPLING_RATE, options: ReadOptions = MIX) -> Audio:
    """Read a whole recording into memory.

    For long recordings use :func:`blocks`, whose memory use does not grow.

    Parameters
    ----------
    source : path, bytes, binary file, "-" or (array, sampling_rate)
        ``"-"`` is standard input. An array is (n,) or (n, channels), floats
        with full scale [-1, 1] or integers with their type's full scale.
    sampling_rate : int
        Hertz of the result.
    options : ReadOptions
        The channel, and of a video the sound track; by default the mix of all channels.

    Returns
    -------
    Audio
        One channel.

    Raises
    ------
    AudioError
        If the file does not exist or holds no recording; says what was tried.
    InputError
        If the channel is ``each``: use :func:`blocks` for that.

    Examples
    --------
    >>> import numpy as np
    >>> read((np.zeros(8000), 8000)).duration
    1.0
    """
    if options.channel == "each":
        raise InputError("channel is 'each'; an Audio is one channel: give mix, left, right or a number.")
    parts = list(blocks(source, sampling_rate=sampling_rate, options=options))
    return Audio(np.concatenate(parts) if parts else np.zeros(0, np.float32), sampling_rate)


def blocks(
    source: Source, *, sampling_rate: int = SAMPLING_RATE, warn: Warn = warn_user, options: ReadOptions = MIX
) -> Iterator[NDArray[np.float32]]:
    """Read a recording block by block, in memory that does not grow with its length.

    Parameters
    ----------
    source, sampling_rate
        As for :func:`read`; or a :class:`~affekt._container.Shared`, whose default track is read.
    warn : callable
        Takes a sentence when the recording is odd but readable (it ends before
        its header says); by default it becomes an :class:`AudioWarning`.
    options : ReadOptions
        The channel, and of a video the sound track; by default the mix of all channels.

    Yields
    ------
    float32 array, shape (n,); of ``each`` channel (n, channels)
        At ``sampling_rate``; n varies. Sample i is at ``i / sampling_rate`` seconds of the container's clock.

    Raises
    ------
    AudioError
        If there is no such file, no recording in it, or samples that are not numbers.
    InputError
        If the source is no source at all, or ``sampling_rate`` is not allowed.
    """
    check_sampling_rate(sampling_rate)
    name = Named(name_of(source), warn)
    source = (source.signal, source.sampling_rate) if isinstance(source, Audio) else source
    with failing_as(name.name), ExitStack() as stack:
        decoded = decode_once(source, name) if isinstance(source, Shared) else None
        source = source.path if isinstance(source, Shared) else source
        if decoded is None:
            decoded = (
                from_array(source)
                if isinstance(source, tuple)
                else decode(_open(source, name.name, stack), name, stack, options)
            )
        check_rate(decoded.sampling_rate, name.name)
        parts = _resampled(checked_blocks(decoded, options, name), decoded.sampling_rate, sampling_rate)
        yield from parts if options.channel == "each" else (part[:, 0] for part in parts)


@contextmanager
def failing_as(name: str) -> Iterator[None]:
    """Turn whatever a parser or decoder raises in the block into an error about the recording of that name.

    The rule is decided here: files from strangers raise errors that no author of a decoder expected.
    The cause stays in the traceback.

    Raises
    ------
    AudioError
        In place of any other error; affekt's own errors and warnings pass.
    """
    try:
        yield
    except (AffektError, Warning):
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error)
        words = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        raise AudioError(f"{name}: cannot be read ({words[:200]}). {READABLE}") from error


def length(path: str | os.PathLike[str]) -> tuple[float, int]:
    """Duration of a recording in seconds, and its own sampling rate, without decoding it if possible.

    The duration agrees with that of :func:`blocks` to about 30 ms.

    Raises
    ------
    AudioError
        If there is no such file, or no recording in it.
    """
    name = Named(name_of(path), lambda sentence: None)
    with failing_as(name.name), ExitStack() as stack:
        file = _open(path, name.name, stack)
        if (found := stated_length(file, stack)) is not None:
            return found
        decoded = decode(file, name, stack, MIX)
        samples = sum(len(block) for block in decoded.blocks)
        if not samples:
            raise AudioError(f"{name}: holds no samples. Copy or export it again.")
        return samples / decoded.sampling_rate, decoded.sampling_rate


def name_of(source: Source | Sample) -> str:
    """What to call a source in a message or a record."""
    if isinstance(source, (Sample, Shared)):
        return source.path
    if isinstance(source, (str, os.PathLike)):
        return "standard input" if os.fspath(source) == "-" else os.fspath(source)
    if isinstance(source, (tuple, Audio)):
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
        file = _seekable(_standard_input() if isinstance(source, (str, os.PathLike)) else source, stack)
    first = file.read(2)
    if not isinstance(first, bytes):
        raise InputError(f"{name}: is open as text; open it in binary mode, 'rb'.")
    if not first:
        raise AudioError(f"{name}: is empty (0 bytes). Copy or export it again.")
    if first == _SAMPLE_DUMP:
        # libsndfile prints to standard output, where results go, when one of these is damaged.
        raise AudioError(f"{name}: is a MIDI sample dump (sds), which affekt does not read. Convert it to wav.")
    file.seek(0)
    return file


def _open_path(path: Path, name: str) -> IO[bytes]:
    if not name:
        raise AudioError("a recording without a name: give a path, or - for standard input.")
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise AudioError(f"{name}: is a folder. Name the recordings in it, or use `affekt predict {name}`.")
        if not stat.S_ISREG(kind):
            raise AudioError(f"{name}: is not a plain file. Send what it gives to standard input: affekt predict -")
        # By number: decoders would otherwise see the name, and judge by it. Unbuffered: a buffer would
        # not notice that libsndfile moves the descriptor.
        return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb", buffering=0)
    except FileNotFoundError:
        hint = " affekt opens local files only; download it first." if "://" in name else ""
        raise AudioError(f"{name}: no such file.{hint}") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: cannot be opened ({getattr(error, 'strerror', None) or error}).") from None


def _standard_input() -> Any:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("standard input brings no recording; use it as in: affekt predict - < recording.wav")
    return sys.stdin.buffer


def _seekable(file: Any, stack: ExitStack) -> IO[bytes]:
    """Decoders need to seek: spool a source that cannot, to an unnamed temporary file when it is large."""
    if not hasattr(file, "read"):
        raise InputError(f"a {type(file).__name__} is not a recording: give a path, bytes, a file or (array, rate).")
    if inspect.iscoroutinefunction(file.read):
        # FastAPI's UploadFile and the like: the plain file is inside.
        if not hasattr(getattr(file, "file", None), "read"):
            raise InputError(f"a {type(file).__name__} is read with await: give what it holds, await file.read().")
        file = file.file
        file.seek(0)
    if getattr(file, "seekable", lambda: False)():
        found: IO[bytes] = file
        return found
    spool = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=1 << 25))  # noqa: SIM115
    while chunk := file.read(1 << 20):
        if not isinstance(chunk, bytes):
            raise InputError("a recording cannot be read from a text file; open it in binary mode, 'rb'.")
        if spool.tell() > _LARGEST_SPOOL:
            raise AudioError(f"{name_of(file)}: goes on after {_LARGEST_SPOOL >> 30} GiB; give it as a file instead.")
        spool.write(chunk)
    spool.seek(0)
    return spool


def _resampled(parts: Iterator[NDArray[np.float32]], given: int, wanted: int) -> Iterator[NDArray[np.float32]]:
    if given == wanted:
        yield from parts
        return
    stream, channels = None, 1
    for part in parts:
        if stream is None:
            channels = part.shape[1]
            stream = soxr.ResampleStream(given, wanted, channels, dtype="float32", quality="HQ")
        if len(out := stream.resample_chunk(part)):
            yield out
    if stream is not None and len(out := stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)):
        yield out
