"""Reading a signal as it arrives, from a pipe that another program is still writing to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError, InputError, UnknownName
from affekt.speech.audio import MIX, failing_as
from affekt.speech.channels import ReadOptions
from affekt.speech.container import decode_track, open_sound
from affekt.speech.decode import READABLE, check_rate, check_sampling_rate, checked_blocks, full_scale
from affekt.speech.decoded import Decoded, Named, Warn

#: Kinds of bare samples, little endian.
RAW = {"pcm16": "<i2", "float32": "<f4"}
#: Most bytes of a container that are looked at before the first sample comes out.
_PROBE = 1 << 15
#: Pieces per second; decoders give smaller ones.
_PIECES = 20


@dataclass(frozen=True)
class Arriving:
    """A signal that is still arriving.

    Parameters
    ----------
    name : str
        What to call it.
    sampling_rate : int
        Hertz.
    pieces : iterator of float32 array, shape (n,); of ``each`` channel (n, channels)
        n varies. The next piece may take a long time to arrive.
    """

    name: str
    sampling_rate: int
    pieces: Iterator[NDArray[np.float32]]


def contained(file: Any, stack: ExitStack, *, named: tuple[str, Warn], options: ReadOptions = MIX) -> Arriving:
    """Read a container from a pipe: wav, ogg, webm, mp3, flac, aac, mpegts and the like.

    A damaged packet is skipped, and reported at the end.

    Parameters
    ----------
    file : binary file
        Read as it arrives, without seeking; needs ``read1``.
    stack : ExitStack
        Closes the decoder.
    named : (str, callable)
        What to call it, and a function that takes warnings about it.
    options : ReadOptions
        The channel and, for a video, the audio track.

    Raises
    ------
    AudioError
        If it is empty, not a recording, or a container that can be read only when complete.
    """
    pipe, name = _Pipe(file), Named(*named)
    try:
        container = open_sound(pipe, stack, probesize=str(_PROBE), analyzeduration="0")
        decoded = decode_track(container, options, name, at_once=1 / _PIECES)
    except AudioError:
        raise
    except Exception as error:  # as failing_as has it, in words about pipes
        pipe.check()
        why = "is empty (0 bytes)" if not pipe.done else f"cannot be read as it arrives ({error})"
        more = f" {READABLE} An mp4 has to be whole first: save it to a file." if pipe.done else ""
        raise AudioError(f"{name}: {why}.{more}") from None
    check_rate(decoded.sampling_rate, name.name)
    checked = replace(decoded, blocks=_interruptible(decoded.blocks, pipe, name))
    return Arriving(name.name, decoded.sampling_rate, _pieces(checked, options, name))


def _pieces(decoded: Decoded, options: ReadOptions, name: Named) -> Iterator[NDArray[np.float32]]:
    blocks = checked_blocks(decoded, options, name)
    return blocks if options.channel == "each" else (block[:, 0] for block in blocks)


@dataclass(frozen=True)
class RawForm:
    """How bare samples are written.

    Parameters
    ----------
    kind : str
        A key of :data:`RAW`.
    sampling_rate : int
        Hertz.
    channels : int
        Interleaved.

    Raises
    ------
    UnknownName
        If there is no such kind.
    InputError
        If the rate or the number of channels is not allowed.
    """

    kind: str
    sampling_rate: int
    channels: int = 1

    def __post_init__(self) -> None:
        if self.kind not in RAW:
            raise UnknownName("kind of samples", self.kind, RAW)
        if not 1 <= self.channels <= 32:
            raise InputError(f"channels is {self.channels}; allowed: 1 to 32.")
        check_sampling_rate(self.sampling_rate)


def raw(file: Any, form: RawForm, *, named: tuple[str, Warn], options: ReadOptions = MIX) -> Arriving:
    """Bare samples without a header.

    Parameters
    ----------
    file : binary file
        Read as it comes; needs ``read1``.
    form : RawForm
    named : (str, callable)
        What to call it, and who takes a sentence when it is odd.
    options : ReadOptions
        The channel.

    Examples
    --------
    >>> import io
    >>> sound = raw(io.BytesIO(b"\\0\\x40" * 3), RawForm("pcm16", 8000), named=("x", print))
    >>> [piece.tolist() for piece in sound.pieces]
    [[0.5, 0.5, 0.5]]
    """
    name = Named(*named)
    parts = _raw_parts(file, np.dtype(RAW[form.kind]), form.channels, name)
    return Arriving(name.name, form.sampling_rate, _pieces(Decoded(form.sampling_rate, parts), options, name))


def _raw_parts(file: Any, kind: np.dtype, channels: int, name: Named) -> Iterator[NDArray[Any]]:
    size, rest = kind.itemsize * channels, b""
    while chunk := file.read1(1 << 16):
        rest += chunk
        whole = len(rest) // size * size
        if whole:
            yield full_scale(np.frombuffer(rest[:whole], kind).reshape(-1, channels))
        rest = rest[whole:]
    if rest:
        name.warn(f"{name}: ends with {len(rest)} bytes of a sample of {size}; is it {kind.name}, {channels} channels?")


def _interruptible(parts: Iterator[NDArray[Any]], pipe: _Pipe, name: Named) -> Iterator[NDArray[Any]]:
    """Pass parts on, and let Ctrl-C through."""
    with failing_as(name.name):
        for part in parts:
            pipe.check()
            yield part
        pipe.check()


class _Pipe:
    """A file that cannot seek, and returns what is available instead of waiting for more."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.done = 0
        self._stopped: BaseException | None = None

    def read(self, size: int) -> bytes:
        """Up to so many bytes."""
        try:
            chunk: bytes = b"" if self._stopped else self._file.read1(size)
        except BaseException as error:
            # The decoder, which calls this, would lose it.
            self._stopped, chunk = error, b""
        self.done += len(chunk)
        return chunk

    def check(self) -> None:
        """Raise what stopped the reading, Ctrl-C among it."""
        if self._stopped:
            raise self._stopped
