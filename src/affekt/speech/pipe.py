"""Signal as it arrives: from a pipe that another program still writes to, heard before it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError, InputError, UnknownName
from affekt.speech.audio import failing_as
from affekt.speech.decode import (
    CONTAINERS,
    READABLE,
    Decoded,
    DecodingError,
    Named,
    Warn,
    accumulator,
    av_parts,
    check_rate,
    check_sampling_rate,
    full_scale,
    mono_blocks,
    words,
)

#: Kinds of bare samples, little endian.
RAW = {"pcm16": "<i2", "float32": "<f4"}
#: Most bytes of a container that are looked at before the first sample comes out.
_PROBE = 1 << 15
#: Pieces per second; decoders give smaller ones.
_PIECES = 20


@dataclass(frozen=True)
class Arriving:
    """A signal that is not over.

    Parameters
    ----------
    name : str
        What to call it.
    sampling_rate : int
        Hertz.
    pieces : iterator of float32 array, shape (n,)
        Mono; n varies. The next one may be long in coming.
    """

    name: str
    sampling_rate: int
    pieces: Iterator[NDArray[np.float32]]


def contained(file: Any, stack: ExitStack, *, name: str, warn: Warn) -> Arriving:
    """What a pipe brings in a container: wav, ogg, webm, mp3, flac, aac, mpegts and the like.

    Parameters
    ----------
    file : binary file
        Read as it comes, never moved about in; needs ``read1``.
    stack : ExitStack
        Closes the decoder.
    name : str
        For messages.
    warn : callable
        Takes a sentence when the signal is odd.

    Raises
    ------
    AudioError
        If it is empty, no recording, or a container that has to be whole to be read.
    """
    import av

    av.logging.set_level(av.logging.PANIC)
    pipe = _Pipe(file)
    options = {
        "format_whitelist": CONTAINERS,
        "protocol_whitelist": "none",
        "probesize": str(_PROBE),
        "analyzeduration": "0",
    }
    try:
        container = stack.enter_context(av.open(pipe, "r", options=options, metadata_errors="replace"))
        stream = container.streams.audio[0]
        rate = int(stream.codec_context.sample_rate)
    except Exception as error:  # as failing_as has it, in words about pipes
        pipe.check()
        why = "is empty (0 bytes)" if not pipe.done else f"cannot be read as it arrives ({words(error)})"
        more = f" {READABLE} An mp4 has to be whole first: save it to a file." if pipe.done else ""
        raise AudioError(f"{name}: {why}.{more}") from None
    check_rate(rate, name)
    parts = _told(accumulator(av_parts(container), rate // _PIECES), pipe, Named(name, warn))
    return Arriving(name, rate, mono_blocks(Decoded(rate, parts), Named(name, warn)))


def raw(file: Any, *, kind: str, sampling_rate: int, channels: int, named: tuple[str, Warn]) -> Arriving:
    """Bare samples without a header.

    Parameters
    ----------
    file : binary file
        Read as it comes; needs ``read1``.
    kind : str
        A key of :data:`RAW`.
    sampling_rate : int
        Hertz.
    channels : int
        Interleaved; they are averaged.
    named : (str, callable)
        What to call it, and who takes a sentence when it is odd.

    Raises
    ------
    UnknownName
        If there is no such kind.
    InputError
        If the rate or the number of channels is not allowed.

    Examples
    --------
    >>> import io
    >>> sound = raw(io.BytesIO(b"\\0\\x40" * 3), kind="pcm16", sampling_rate=8000, channels=1, named=("x", print))
    >>> [piece.tolist() for piece in sound.pieces]
    [[0.5, 0.5, 0.5]]
    """
    if kind not in RAW:
        raise UnknownName("kind of samples", kind, RAW)
    if not 1 <= channels <= 32:
        raise InputError(f"channels is {channels}; allowed: 1 to 32.")
    check_sampling_rate(sampling_rate)
    name = Named(*named)
    parts = _raw_parts(file, np.dtype(RAW[kind]), channels, name)
    return Arriving(name.name, sampling_rate, mono_blocks(Decoded(sampling_rate, parts), name))


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


def _told(parts: Iterator[NDArray[Any]], pipe: _Pipe, name: Named) -> Iterator[NDArray[Any]]:
    """Pass parts on; tell when the decoder stumbles, and let Ctrl-C through."""
    done = 0
    with failing_as(name.name):
        try:
            for part in parts:
                pipe.check()
                done += len(part)
                yield part
        except DecodingError as error:
            pipe.check()
            if not done:
                raise AudioError(f"{name}: cannot be decoded ({error}). {READABLE}") from None
            name.warn(f"{name}: broke off; what came after it cannot be decoded ({error}).")
        pipe.check()


class _Pipe:
    """A file that cannot be moved about in, and gives what is there instead of waiting for more."""

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
