"""Subtitles inside of a video: which track is read, and its packets as cues."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from affekt._container import tracks_asked_for
from affekt.errors import TextError
from affekt.text.captions import Cue, RawCue, Warn, plain, timed

#: The language of the model that ships, as containers write it.
_READ = ("en", "eng")
#: Codecs whose packets are nothing but words.
_BARE = ("srt", "subrip", "text", "webvtt")
#: Before the words of an event as PyAV gives it: order, layer, style, name, three margins, effect.
_FIELDS = 8
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?:\{[^{}]*\\p0[^{}]*\}|$)", re.DOTALL)
_BREAK = re.compile(r"\\[Nnh]|\n")


def names_track(captions: Any) -> bool:
    """Whether captions name a track of the video, by a language code of two or three letters or by a number.

    Examples
    --------
    >>> names_track("de"), names_track("2"), names_track("film.srt")
    (True, True, False)
    """
    return isinstance(captions, str) and re.fullmatch(r"[A-Za-z]{2,3}|\d{1,3}", captions) is not None


def subtitles_of(container: Any, name: str, wanted: str | None, warn: Warn) -> Any:
    """The track of subtitles to be read, or None.

    The one asked for; else the first in English, which the model knows; else the default one; else the first. Subtitles
    stored as pictures (on DVDs, Blu-rays and in broadcasts) are skipped, with a warning if there are no others.

    Raises
    ------
    TextError
        If the track asked for does not exist.
    """
    tracks = list(container.streams.subtitles)
    found = tracks_asked_for(tracks, wanted) if wanted else tracks
    if wanted and not found:
        there = "; ".join(f"{i}{f' ({t.language})' if t.language else ''}" for i, t in enumerate(tracks, 1)) or "none"
        raise TextError(f"{name}: has no subtitles {wanted!r}. There: {there}.")
    from av.stream import Disposition

    words = [track for track in found if track.codec_context is not None and track.codec_context.codec.text_sub]
    if words:
        return min(words, key=lambda t: (t.language not in _READ, not t.disposition & Disposition.default))
    if found:
        kinds = {getattr(t.codec_context, "name", None) or "a kind that is not known here" for t in found}
        warn(f"{name}: its subtitles are pictures, which are not read ({', '.join(sorted(kinds))}); give them as text.")
    return None


def cues_of_packets(packets: Iterable[Any], begin: float, name: str, warn: Warn) -> list[Cue]:
    """The cues of a track of subtitles.

    Parameters
    ----------
    packets : iterable of av packets
    begin : float
        Time stamp of the container's start, in seconds: cues are on the clock of sound and pictures.
    name : str
    warn : callable
        Takes a sentence where something is odd; times are corrected as in :func:`~affekt.text.captions.timed`.
    """
    import av

    raw: list[RawCue] = []
    damaged = foreign = 0
    for packet in packets:
        try:
            events = list(_events(packet))
        except (av.FFmpegError, OSError, ValueError):
            if packet.stream.codec_context.name not in _BARE:
                damaged += 1
                continue
            # What decoders refuse is mostly text of an old encoding, as an old file of subtitles had it.
            foreign += 1
            events = [(None, plain(bytes(packet).decode("cp1252", "replace")))]
        start = None if packet.pts is None else max(0.0, float(packet.pts * packet.time_base) - begin)
        length = float(packet.duration * packet.time_base) if packet.duration else None
        end = None if start is None or length is None else start + length
        raw += [RawCue(start, end, words, who) for who, words in events if words]
    if foreign:
        warn(f"{name}: {foreign} of its subtitles are no UTF-8; read as Windows-1252: check accents.")
    if damaged:
        warn(f"{name}: {damaged} of its subtitles cannot be decoded.")
    return timed(raw, f"{name}: subtitles", warn)


def _events(packet: Any) -> Iterator[tuple[str | None, str]]:
    """Who says it, and the words of each event of a packet, in the form of Advanced SubStation that PyAV gives."""
    for event in packet.decode():
        given = getattr(event, "ass", b"")
        fields = (given.decode("utf-8", "replace") if isinstance(given, bytes) else str(given)).split(",", _FIELDS)
        if len(fields) > _FIELDS:
            words = _BREAK.sub(" ", _DRAWING.sub("", fields[_FIELDS]))
            yield fields[3].strip() or None, plain(words)
