"""Which channels of a recording are analysed: their mix, one of them, or each separately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError, InputError
from affekt.speech.decoded import Decoded, Named

#: How loud each speaker is in a mix to one channel, as players mix 5.1 to stereo, and that to one.
WEIGHTS = {
    "FL": 0.5, "FR": 0.5, "FC": 0.707, "LFE": 0.0, "LFE2": 0.0, "BL": 0.354, "BR": 0.354, "SL": 0.354, "SR": 0.354,
    "BC": 0.5, "FLC": 0.5, "FRC": 0.5,
}  # fmt: skip
#: Loudspeakers of wav and aiff by number of channels; these formats do not give us their names.
USUAL = {
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
#: Blocks per second over which channels are compared.
_PER_SECOND = 10
#: Power of a channel that counts as sound, a mix that keeps less of its channels than this, and the correlation
#: below which two channels hold different sound.
_SOUND, _LOST, _RELATED = 1e-6, 0.05, 0.1
#: Ratio of powers (15 dB) by which a channel is louder while only its speaker speaks.
_LOUDER = 30.0
#: Share of the time that each channel must speak alone for the two to count as two people.
_ALONE = 0.1


@dataclass(frozen=True)
class ReadOptions:
    """Which channel and audio track of a recording to read.

    Parameters
    ----------
    channel : str
        ``mix``: all channels, mixed to mono as a player does. ``left``, ``right`` or ``1`` to ``n``: one of them.
        ``each``: all of them, each with its own timeline.
    track : str, optional
        Number (from 1) or language of the audio track of a video; by default the one that players play.

    Raises
    ------
    InputError
        If there is no such channel or track.
    """

    channel: str = "mix"
    track: str | None = None

    def __post_init__(self) -> None:
        known = self.channel in ("mix", "each", "left", "right")
        if not known and not (self.channel.isdecimal() and 1 <= int(self.channel) <= 255):
            raise InputError(f"channel is {self.channel!r}; allowed: mix, left, right, each, or a number from 1.")
        if self.track is not None and not ((self.track.isdecimal() and int(self.track) > 0) or self.track.isalpha()):
            raise InputError(f"track is {self.track!r}; allowed: a number from 1, or a language such as eng.")

    @property
    def number(self) -> int | None:
        """The channel's number from 0; None for all of them."""
        words = {"mix": None, "each": None, "left": 0, "right": 1}
        return words[self.channel] if self.channel in words else int(self.channel) - 1


def channel_names(count: int) -> tuple[str, ...]:
    """What to call the channels.

    Examples
    --------
    >>> channel_names(2), channel_names(3)
    (('left', 'right'), ('channel 1', 'channel 2', 'channel 3'))
    """
    return ("left", "right") if count == 2 else tuple(f"channel {i}" for i in range(1, count + 1))


def selected(decoded: Decoded, options: ReadOptions, name: Named) -> Iterator[NDArray[np.floating]]:
    """The channels asked for, block by block: (n, 1), or (n, channels) of ``each``.

    Raises
    ------
    AudioError
        If the recording does not have the channel.
    """
    comparison, count = _Comparison(decoded.sampling_rate), 0
    for block in decoded.blocks:
        channels = block.shape[1]
        if options.channel == "each":
            count = count or channels
            yield _with_channels(block, count)
        elif options.number is None:
            weights = _weights(channels, decoded.speakers)
            comparison.see(block, weights)
            with np.errstate(over="ignore", invalid="ignore"):  # found and said by who checks the samples
                yield block if channels == 1 else (block @ weights).astype(np.float32)[:, None]
        elif options.number >= channels:
            there = "1 channel" if channels == 1 else f"{channels} channels"
            raise AudioError(f"{name}: has {there}, and channel {options.channel} was asked for.")
        else:
            yield block[:, options.number : options.number + 1]
    if sentence := comparison.sentence():
        name.warn(f"{name}: {sentence}")


def _with_channels(block: NDArray[Any], count: int) -> NDArray[Any]:
    """A recording that changes between mono and stereo keeps the channels that it began with."""
    if block.shape[1] == count:
        return block
    if block.shape[1] == 1:
        return np.repeat(block, count, axis=1)
    return np.pad(block, ((0, 0), (0, max(0, count - block.shape[1]))))[:, :count]


def _weights(channels: int, speakers: tuple[str, ...]) -> NDArray[np.float32]:
    places = speakers if len(speakers) == channels else ()
    weights = np.array([WEIGHTS.get(place, 0.354) for place in places] or [1.0] * channels, np.float32)
    return weights / weights.sum() if weights.sum() else np.full(channels, 1 / channels, np.float32)


class _Comparison:
    """Whether a mix is what its channels hold."""

    def __init__(self, sampling_rate: int) -> None:
        self._size = sampling_rate // _PER_SECOND
        self._rest: NDArray[Any] | None = None
        self._mixed = self._products = 0.0
        self._powers: list[NDArray[np.float64]] = []

    def see(self, block: NDArray[Any], weights: NDArray[np.float32]) -> None:
        """Take a block (n, channels) of what is mixed."""
        if block.shape[1] < 2:
            return
        # Pieces from a pipe are smaller than the blocks to compare.
        if self._rest is not None and self._rest.shape[1] == block.shape[1]:
            block = np.concatenate([self._rest, block])
        steps = len(block) // self._size
        self._rest = block[steps * self._size :].copy()
        if not steps:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            wide = block[: steps * self._size].astype(np.float64)
            self._mixed += float(np.mean((wide @ weights) ** 2)) * steps
            self._products += float(np.mean(wide[:, 0] * wide[:, 1])) * steps
            self._powers.append((wide[:, :2] ** 2).reshape(steps, self._size, 2).mean(axis=1))

    def sentence(self) -> str:
        """A warning for the user; empty if the mix is as good as any channel."""
        if not self._powers:
            return ""
        powers = np.concatenate(self._powers)
        left, right = powers.mean(axis=0)
        if not np.isfinite(powers).all() or min(left, right) < _SOUND or len(powers) < _PER_SECOND:
            return ""
        correlation = self._products / len(powers) / np.sqrt(left * right)
        kept = self._mixed / len(powers) / ((left + right) / 2)
        if kept < _LOST and correlation < 0:
            return (
                f"its channels cancel out: their mix keeps {100 * kept:.0f} % of their power (one is upside down). "
                "Read one of them: --channel left."
            )
        loud = powers[powers.max(axis=1) > max(_SOUND, 1e-3 * powers.max())]
        alone = [float(np.mean(loud[:, i] > _LOUDER * loud[:, 1 - i])) for i in (0, 1)]
        if min(alone) > _ALONE:
            return (
                f"its two channels hold different sound: {100 * alone[0]:.0f} % of it is in the left one only, "
                f"{100 * alone[1]:.0f} % in the right one only. Two people on one call? --channel each."
            )
        if abs(correlation) < _RELATED:
            return (
                "its two channels hold different sound, and their mix is neither. "
                "Read one of them (--channel left), or both: --channel each."
            )
        return ""
