"""Subtitles inside of a video: the right track, as words without markup, on the clock of the video."""

from fractions import Fraction

import av
import numpy as np
import pytest

from affekt.errors import TextError
from affekt.text.embedded import cues_of_packets, names_track, subtitles_of

#: A packet of subtitles that are pictures: a set of nothing, of a DVD.
PICTURES = b"\x00\x08\x00\x04\xff\xff\xff\xff"


def film(path, tracks, *, default=None, sound=False):
    """A second of grey with tracks of subtitles: (codec, language, [(milliseconds, duration, bytes), ...])."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libvpx" if path.suffix == ".webm" else "mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        streams = []
        for number, (codec, language, _) in enumerate(tracks):
            streams.append(out.add_mux_stream(codec))
            streams[-1].metadata["language"] = language
            streams[-1].disposition = av.stream.Disposition.default if number == default else 0
        grey = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 90, np.uint8), format="rgb24")
        packets = [p for _ in range(30) for p in video.encode(grey)] + video.encode()
        for stream, (_, _, said) in zip(streams, tracks, strict=True):
            for start, duration, words in said:
                packet = av.Packet(words)
                packet.stream, packet.time_base = stream, Fraction(1, 1000)
                packet.pts = packet.dts = start
                packet.duration = duration
                packets.append(packet)
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base)):
            out.mux(packet)
    return path


def read(path, wanted=None):
    said = []
    with av.open(str(path)) as container:
        track = subtitles_of(container, "film", wanted, said.append)
        packets = [] if track is None else [p for p in container.demux(track) if p.size]
        return cues_of_packets(packets, (container.start_time or 0) / 1e6, "film", said.append), said


def mov(words):
    return len(words).to_bytes(2, "big") + words


@pytest.mark.parametrize(
    ("name", "codec", "words", "plain"),
    [
        ("a.mkv", "subrip", b"<i>I hate</i> this,\n{\\an8}I am <b>furious</b>!", "I hate this, I am furious!"),
        ("a.mp4", "mov_text", mov(b"I hate this"), "I hate this"),
        ("a.mkv", "webvtt", b"<v Ann>Salt &amp; <i>pepper</i>", "Salt & pepper"),
        ("a.webm", "webvtt", b"I hate this", "I hate this"),
    ],
)
def test_words_of_each_kind_of_subtitles_have_their_times_and_no_markup(tmp_path, name, codec, words, plain):
    (cue,), said = read(film(tmp_path / name, [(codec, "eng", [(200, 1300, words)])]))
    assert (cue.start, cue.end, cue.text) == (pytest.approx(0.2, abs=0.01), pytest.approx(1.5, abs=0.01), plain)
    assert said == []


class Event:
    """What PyAV gives of Advanced SubStation, whose packets it cannot write."""

    def __init__(self, ass):
        self.ass = ass


def test_advanced_substation_names_who_speaks_and_its_drawings_are_no_words():
    class Packet:
        size, pts, duration, time_base = 1, 1500, 500, Fraction(1, 1000)

        def __init__(self, *events):
            self.events = events

        def decode(self):
            return [Event(e) for e in self.events]

    packets = [
        Packet(b"0,0,Default,Ann,0,0,0,,{\\i1}I hate{\\i0} this,\\NI am, well, furious!"),
        Packet(b"1,0,Sign,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100{\\p0}"),
        Packet(b"not an event"),
    ]
    cues = cues_of_packets(packets, 1.0, "film", str)
    assert cues == [(0.5, 1.0, "I hate this, I am, well, furious!", "Ann")]


def test_the_track_asked_for_then_english_then_the_default_one_is_read(tmp_path):
    tracks = [("subrip", language, [(100, 500, language.encode())]) for language in ("deu", "eng", "fra")]
    path = film(tmp_path / "a.mkv", tracks, default=2)
    assert read(path)[0][0].text == "eng"  # the model knows no other
    assert [read(path, wanted)[0][0].text for wanted in ("de", "fra", "1", "3")] == ["deu", "fra", "deu", "fra"]
    path = film(tmp_path / "b.mkv", [tracks[0], tracks[2]], default=1)
    assert read(path)[0][0].text == "fra"
    with pytest.raises(TextError, match=r"has no subtitles 'ita'. There: 1 \(deu\); 2 \(fra\)"):
        read(path, "ita")
    with pytest.raises(TextError, match="has no subtitles '9'. There: none"):
        read(film(tmp_path / "c.mkv", []), "9")


def test_subtitles_that_are_pictures_are_said_to_be_some(tmp_path):
    pictures = ("dvd_subtitle", "eng", [(100, 500, PICTURES)])
    cues, said = read(film(tmp_path / "a.mkv", [pictures]))
    assert cues == [] and "its subtitles are pictures, which are not read (dvdsub)" in said[0]
    words = ("subrip", "deu", [(100, 500, b"Ach")])
    cues, said = read(film(tmp_path / "b.mkv", [pictures, words]))
    assert [c.text for c in cues] == ["Ach"] and said == []
    assert "are pictures" in read(film(tmp_path / "b.mkv", [pictures, words]), "eng")[1][0]


def test_odd_times_and_encodings_of_embedded_subtitles_are_put_right_and_said(tmp_path):
    said = [(100, 900, b"One."), (500, 900, b"Two, too early."), (600, 0, b"No length."), (900, 50, b"[door slams]"),
            (1000, 500, "Señor Müller, olé!".encode("cp1252"))]  # fmt: skip
    cues, warnings = read(film(tmp_path / "a.mkv", [("subrip", "eng", said)]))
    assert [c.text for c in cues] == ["One.", "Two, too early.", "No length.", "Señor Müller, olé!"]
    assert cues[2].start == cues[2].end == pytest.approx(0.6)
    told = " ".join(warnings)
    for what in ("without words left out", "without a time that can be read", "overlapping", "read as Windows-1252"):
        assert what in told, what


def test_a_track_is_named_by_its_language_or_number():
    assert [names_track(x) for x in ("en", "deu", "12", "a.srt", "film", None, ("en",))] == [True] * 3 + [False] * 4
