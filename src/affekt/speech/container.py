"""Reading the audio track of a container with PyAV, aligned to the container's own clock.

A container says when each piece of audio is to be played. The time before audio
that starts later than the video, pauses without packets, and damaged packets are
filled with silence of the same length, so that a time in the answer is the time in
a player. ``ffmpeg -af aresample=async=1:first_pts=0`` does the same.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._container import FORMATS, Packets, Shared, open_container, tracks_asked_for
from affekt.errors import AudioError
from affekt.speech.channels import ReadOptions
from affekt.speech.decoded import SAMPLING_RATE, Decoded, DecodingError, Named

#: Containers PyAV may open.
CONTAINERS = f"{FORMATS},aac,mp3,ogg,flac,wav,w64,aiff,caf,au,amr,amrnb,amrwb,ac3,eac3,dts,nistsphere"
#: Seconds by which a time stamp may be off before sound is moved: players' clocks are that coarse.
TOLERANCE = 0.05
#: The same where a packet was lost just before, whose place is certain.
LOST = 0.005
#: If a time stamp is behind by more than this, the clock has restarted: files joined end to end, a restarted recorder.
RESTARTED = 0.5
#: If a time stamp is ahead by more than this, it is damaged; broadcasts jump by less.
LONGEST_GAP, LONGEST_BROADCAST_GAP = 24 * 3600.0, 10.0
#: Containers that have no pauses: where the clock jumps, the demuxer passed over what is damaged.
UNBROKEN = ("aac", "ac3", "amr", "dts", "eac3", "flac", "mp3", "ogg")


_NO_SOUND = "PyAV: a kind of sound that it does not know, or none at all"


def open_sound(file: Any, stack: ExitStack, **options: str) -> Any:
    """A file as PyAV's container; raises DecodingError where PyAV cannot open it."""
    import av

    try:
        return open_container(file, stack, CONTAINERS, **options)
    except (av.FFmpegError, ValueError, OSError) as error:
        why = "no format it may open" if getattr(error, "errno", None) == errno.EINVAL else words(error)
        raise DecodingError(f"PyAV: {why}") from None


def decode_track(container: Any, options: ReadOptions, name: Named, *, at_once: float = 1.0) -> Decoded:
    """The requested audio track, else the default one, else the first that can be decoded.

    Its blocks last at least ``at_once`` seconds; decoders give smaller ones, and each block has a processing cost.

    Raises
    ------
    DecodingError
        If there is no sound track, or none that can be decoded.
    AudioError
        If the track asked for does not exist.
    """
    tracks = list(container.streams.audio)
    if not tracks:
        raise DecodingError("it has no sound track")
    wanted = _wanted(container, tracks, options.track, name)
    for track in wanted:
        parts = TrackReader(container, track, Packets(container, [track]))
        if parts.sampling_rate:
            return _decoded(parts, tracks, name, at_once)
        if track is not wanted[-1]:
            container.seek(0)
    raise DecodingError(_NO_SOUND)


def decode_shared(shared: Shared, name: Named) -> Decoded:
    """The sound of a file that is open for its pictures, too.

    Raises
    ------
    DecodingError
        If its track cannot be decoded; another one may, see :func:`decode_track`.
    """
    parts = TrackReader(shared.container, shared.sound, shared.packets)
    if not parts.sampling_rate:
        raise DecodingError(_NO_SOUND)
    return _decoded(parts, list(shared.container.streams.audio), name, 1.0)


def _decoded(parts: TrackReader, tracks: list[Any], name: Named, at_once: float) -> Decoded:
    """What the reader of one of the tracks yields; warns if there are other tracks."""
    if len(tracks) > 1:
        others = ", ".join(_title(t, tracks) for t in tracks if t is not parts.track)
        name.warn(
            f"{name}: holds {len(tracks)} sound tracks; {_title(parts.track, tracks)} is read. Others: {others} "
            "(--track)."
        )
    blocks = parts.blocks(name, max(1, round(at_once * parts.sampling_rate)))
    return Decoded(parts.sampling_rate, blocks, parts.stated_end(), parts.speakers)


def packet_length(container: Any) -> tuple[float, int] | None:
    """Seconds of the sound track by its packets, and its sampling rate; None where they do not say."""
    import av

    track = container.streams.best("audio")
    if track is None or track.codec_context is None or not track.codec_context.sample_rate:
        return None
    start, end = (container.start_time or 0) / 1e6, 0.0
    try:
        for packet in container.demux(track):
            if not packet.size:
                continue
            if packet.pts is None or not packet.duration:
                return None
            time = float(packet.pts * packet.time_base) - start
            if time < end - RESTARTED or time > end + longest_gap(container):  # the clock began anew
                start, time = start + time - end, end
            end = max(end, time + float(packet.duration * packet.time_base))
    except (av.FFmpegError, OSError):
        return None
    return (end, int(track.codec_context.sample_rate)) if end else None


def _wanted(container: Any, tracks: list[Any], track: str | None, name: Named) -> list[Any]:
    """The tracks to try, in order."""
    if track is None:
        best = container.streams.best("audio")
        return sorted(tracks, key=lambda t: t is not best)
    found = tracks_asked_for(tracks, track)
    if not found:
        there = "; ".join(_title(t, tracks) for t in tracks)
        raise AudioError(f"{name}: has no sound track {track!r}. There: {there}.")
    return found[:1]


def _title(track: Any, tracks: list[Any]) -> str:
    return f"track {tracks.index(track) + 1}" + (f" ({track.language})" if track.language else "")


class TrackReader:
    """The frames of one sound track, decoded as they come and put in their place on the container's clock."""

    def __init__(self, container: Any, track: Any, packets: Packets) -> None:
        self._container, self.track = container, track
        #: Samples so far, silence included; places where packets were lost, and samples of silence there.
        self.done = self.lost = self.silence = 0
        self.first_loss = 0.0
        self._pending = 0  # packets lost since the last frame
        self._start, self.sampling_rate = 0.0, 0
        if track.codec_context is not None and track.codec_context.name == "flac":
            # It would give noise for what its checksum says is damaged.
            track.codec_context.options = {"err_detect": "crccheck+explode"}
        self._frames = packets.frames(track, self._lose) if track.codec_context is not None else iter(())
        self._first = next(self._frames, None)
        self.sampling_rate = int(self._first.sample_rate) if self._first is not None else 0
        self.speakers = tuple(c.name for c in self._first.layout.channels) if self._first is not None else ()
        self._start = self._clock_start()

    def stated_end(self) -> float:
        """Seconds on the container's clock at which the track ends, 0 where the header states nothing."""
        track = self.track
        if not self._container.format.name.startswith(("mov", "asf", "flac")) or not track.duration:
            return 0.0
        begin = float((track.start_time or 0) * track.time_base) - self._start
        whole = self._container.format.name.startswith("asf")  # its tracks state the end, not the length
        return float(track.duration * track.time_base) + (0.0 if whole else max(0.0, begin))

    def blocks(self, name: Named, at_once: int) -> Iterator[NDArray[Any]]:
        """Blocks (n, channels) of so many samples or more, and at the end a warning where packets were damaged."""
        held: list[NDArray[Any]] = []
        for part in self.parts():
            if held and held[0].shape[1] != part.shape[1]:
                yield np.concatenate(held)
                held = []
            held.append(part)
            if sum(map(len, held)) >= at_once:
                yield np.concatenate(held)
                held = []
        if held:
            yield np.concatenate(held)
        if self.lost:
            places = "in a place" if self.lost == 1 else f"in {self.lost} places"
            silence = self.silence / self.sampling_rate
            name.warn(
                f"{name}: is damaged {places}, first at {self.first_loss:.1f} s; "
                f"{silence:.2f} s of silence stand for what cannot be decoded."
            )

    def parts(self) -> Iterator[NDArray[Any]]:
        """What is decoded, (n, channels), with silence where the clock runs on without sound."""
        import av

        resampler, kind = None, None
        for frame in self._all_frames():
            place = self._place(frame)
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if now != kind:  # broadcasts change from mono to stereo and back
                resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=self.sampling_rate)
                kind = now
            for samples in _pieces(max(0, place)):
                yield np.zeros((samples, frame.layout.nb_channels), np.float32)
            self.done += max(0, place)
            # Of many planes PyAV does not read all; interleaved samples are safe.
            is_ready = now[0] == "fltp" and now[2] == self.sampling_rate and frame.layout.nb_channels <= 2
            for part in (frame,) if is_ready else resampler.resample(frame):  # type: ignore[union-attr]
                block = part.to_ndarray().T if is_ready else part.to_ndarray().reshape(part.samples, -1)
                block = block[max(0, -place) :]
                self.done += len(block)
                if len(block):
                    yield block
        if self._pending:  # nothing came after them: that is the end, not damage
            raise DecodingError("its last packets are damaged")

    def _all_frames(self) -> Iterator[Any]:
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._frames

    def _place(self, frame: Any) -> int:
        """Samples of silence before a frame; negative: samples of it that were there already."""
        was_lost, self._pending = self._pending > 0, 0
        if was_lost:
            self._note_loss()
        if frame.pts is None:
            return 0
        time, position = float(frame.time) - self._start, self.done / self.sampling_rate
        ahead = time - position
        if ahead < -RESTARTED or ahead > longest_gap(self._container):
            self._start += ahead
            return 0
        if abs(ahead) < (LOST if was_lost else TOLERANCE):
            return 0
        samples = round(ahead * self.sampling_rate)
        if samples > 0 and not was_lost and self._container.format.name in UNBROKEN:
            self._note_loss()
            was_lost = True
        if was_lost:
            self.silence += max(0, samples)
        return samples

    def _clock_start(self) -> float:
        """Seconds of the clock at the start of the recording, sound or picture."""
        if self._container.start_time is not None:
            return float(self._container.start_time) / 1e6
        first = self._first
        return float(first.pts * first.time_base) if first is not None and first.pts is not None else 0.0

    def _lose(self) -> None:
        self._pending += 1

    def _note_loss(self) -> None:
        if not self.lost:
            self.first_loss = self.done / (self.sampling_rate or 1)
        self.lost += 1


def _pieces(samples: int) -> Iterator[int]:
    """A long silence in pieces, so that it takes no memory."""
    while samples > 0:
        yield min(samples, 10 * SAMPLING_RATE)
        samples -= 10 * SAMPLING_RATE


def longest_gap(container: Any) -> float:
    """Seconds by which the clock of a container may run ahead and still be believed."""
    return LONGEST_BROADCAST_GAP if container.format.name.startswith("mpeg") else LONGEST_GAP


def words(error: Exception) -> str:
    """What went wrong, in the decoder's words."""
    return str(getattr(error, "strerror", None) or error)
