"""The clock of a container, damage, tracks and lengths: inputs made here, as recorders and editors leave them."""

import io
import struct
import warnings
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from affekt.errors import AudioError, AudioWarning, InputError
from affekt.speech.audio import blocks, length, read
from affekt.speech.channels import ReadOptions
from affekt.speech.pipe import contained

RATE = 48_000


def burst(at: float, seconds: float) -> np.ndarray:
    """Silence with half a second of a tone that starts at a time."""
    signal = np.zeros(int(seconds * RATE), np.float32)
    first = int(at * RATE)
    signal[first : first + RATE // 2] = 0.5 * np.sin(np.arange(RATE // 2) * 2 * np.pi * 440 / RATE)
    return signal


def bursts(signal: np.ndarray) -> list[float]:
    """When tones start, in seconds."""
    loud = np.abs(signal[: len(signal) // 160 * 160].reshape(-1, 160)).max(axis=1) > 0.1
    return [i / 100 for i in np.flatnonzero(loud) if i == 0 or not loud[max(0, i - 20) : i].any()]


def listened(source, **options):
    """The signal of a source and the sentences about it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        signal = read(source, options=ReadOptions(**options)).signal
    return signal, [str(w.message) for w in said if issubclass(w.category, AudioWarning)]


def written(path, codec, pieces, *, picture=0.0, form=None, languages=("",), default=0):
    """A container of tracks, each with pieces (time, signal) of sound, and so many seconds of picture."""
    with av.open(str(path), "w", format=form) as container:
        pictures = container.add_stream("mpeg4", rate=10) if picture else None
        if pictures:
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        tracks = [container.add_stream(codec, rate=RATE, layout="mono") for _ in languages]
        if codec == "wmav2":
            tracks[0].bit_rate = 64_000
        for number, (track, language) in enumerate(zip(tracks, languages, strict=True)):
            if language:
                track.metadata["language"] = language
            if len(languages) > 1:
                track.disposition = av.stream.Disposition.default if number == default else av.stream.Disposition(0)
        if pictures:
            for i in range(int(10 * picture)):
                image = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * i % 255, np.uint8))
                image.pts, image.time_base = i, Fraction(1, 10)
                container.mux(pictures.encode(image))
            container.mux(pictures.encode(None))
        for track, parts in zip(tracks, pieces if len(tracks) > 1 else [pieces], strict=True):
            for time, signal in parts:
                frame = av.AudioFrame.from_ndarray((signal * 32767).astype(np.int16)[None], "s16", "mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, int(time * RATE), Fraction(1, RATE)
                container.mux(track.encode(frame))
            container.mux(track.encode(None))
    return path


class TestClock:
    @pytest.mark.parametrize(
        ("name", "codec"),
        [("a.mp4", "aac"), ("a.mov", "aac"), ("a.mkv", "libopus"), ("a.ts", "aac"), ("a.wmv", "wmav2")],
    )
    def test_sound_that_starts_later_than_the_picture_keeps_its_time(self, tmp_path, name, codec):
        path = written(tmp_path / name, codec, [(5.0, burst(1.0, 3.0))], picture=8.0)
        signal, said = listened(path)
        assert bursts(signal) == [pytest.approx(6.0, abs=0.06)] and said == []
        assert len(signal) / 16_000 == pytest.approx(8.0, abs=0.1)

    @pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
    def test_a_pause_without_packets_is_silence(self, tmp_path, name):
        path = written(tmp_path / name, "libopus", [(0.0, burst(0.5, 2.0)), (6.0, burst(1.0, 2.0))])
        signal, said = listened(path)
        assert bursts(signal) == pytest.approx([0.5, 7.0], abs=0.05) and said == []

    def test_a_pipe_has_the_same_clock(self, tmp_path):
        path = written(tmp_path / "a.mkv", "libopus", [(0.0, burst(0.5, 2.0)), (6.0, burst(1.0, 2.0))])
        from contextlib import ExitStack

        with ExitStack() as stack:
            sound = contained(io.BufferedReader(io.BytesIO(path.read_bytes())), stack, named=("pipe", print))
            signal = np.concatenate(list(sound.pieces))
        assert bursts(signal[::3]) == pytest.approx([0.5, 7.0], abs=0.05)

    def test_a_silence_of_hours_takes_no_memory(self, tmp_path):
        path = written(tmp_path / "a.mkv", "libopus", [(0.0, burst(0.5, 2.0)), (7_200.0, burst(1.0, 2.0))])
        sizes = [len(block) for block in blocks(path)]
        assert max(sizes) < 30 * 16_000
        assert sum(sizes) / 16_000 == pytest.approx(7_202, abs=0.1)

    def test_a_time_stamp_that_no_recording_can_have_moves_nothing(self, tmp_path):
        path = written(tmp_path / "a.mkv", "libopus", [(0.0, burst(0.5, 2.0)), (9e5, burst(1.0, 2.0))])
        assert bursts(listened(path)[0]) == pytest.approx([0.5, 3.0], abs=0.05)


class TestToTheEnd:
    @pytest.mark.parametrize(("form", "subtype"), [("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", None)])
    def test_files_joined_end_to_end_are_read_to_the_end(self, form, subtype):
        data = b""
        for _ in range(2):
            file = io.BytesIO()
            soundfile.write(file, burst(0.5, 2.0), RATE, format=form, subtype=subtype)
            data += file.getvalue()
        signal, _ = listened(data)
        assert bursts(signal) == pytest.approx([0.5, 2.5], abs=0.1)
        assert len(signal) / 16_000 == pytest.approx(4.0, abs=0.15)

    def test_a_changing_bit_rate_without_a_table_is_read_to_the_end(self, tmp_path):
        noise = 0.3 * np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)
        path = tmp_path / "a.mp3"
        with av.open(str(path), "w", format="mp3", options={"write_xing": "0"}) as container:
            track = container.add_stream("libmp3lame", rate=RATE, layout="mono", options={"q": "0"})
            track.codec_context.options = {"q": "0"}
            signal = np.concatenate([noise, np.zeros(16 * RATE, np.float32), burst(0.5, 2.0)])
            frame = av.AudioFrame.from_ndarray((signal * 32767).astype(np.int16)[None], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
        signal, said = listened(path)
        assert len(signal) / 16_000 == pytest.approx(22.0, abs=0.15) and said == []

    @pytest.mark.parametrize("stated", [0, 2 * RATE])
    @pytest.mark.parametrize("form", ["WAV", "AIFF", "AU", "CAF"])
    def test_a_header_that_was_not_updated_does_not_end_the_reading(self, form, stated):
        file = io.BytesIO()
        soundfile.write(file, burst(3.0, 5.0), RATE, format=form, subtype="PCM_16")
        data = bytearray(file.getvalue())
        if form == "WAV":
            struct.pack_into("<I", data, data.find(b"data") + 4, stated)
            struct.pack_into("<I", data, 4, 36 + stated)
        elif form == "AIFF":
            struct.pack_into(">I", data, data.find(b"SSND") + 4, 8 + stated)
            struct.pack_into(">I", data, data.find(b"COMM") + 10, stated // 2)
        elif form == "AU":
            struct.pack_into(">I", data, 8, stated)
        else:
            struct.pack_into(">q", data, data.find(b"data") + 4, 4 + stated)
        signal, said = listened(bytes(data))
        assert bursts(signal) == [pytest.approx(3.0, abs=0.05)]
        assert len(signal) / 16_000 == pytest.approx(5.0, abs=0.05) and said == []

    def test_what_stands_behind_the_sound_is_no_sound(self):
        file = io.BytesIO()
        soundfile.write(file, burst(0.5, 2.0), RATE, format="WAV", subtype="PCM_16")
        chunk = b"LIST" + struct.pack("<I", 9_000) + b"INFO" + bytes(8_996)
        for tail in (chunk, b"ID3\4" + bytes(20_000), b"TAG" + bytes(5_000), bytes(300)):
            assert len(listened(file.getvalue() + tail)[0]) / 16_000 == pytest.approx(2.0, abs=0.001)


class TestDamage:
    @pytest.mark.parametrize(
        ("name", "codec"),
        [
            ("a.m4a", "aac"),
            ("a.mp3", "mp3"),
            ("a.opus", "libopus"),
            ("a.flac", "flac"),
            ("a.aac", "aac"),
            ("a.mka", "aac"),
        ],
    )
    def test_300_damaged_bytes_cost_what_they_damage_and_no_more(self, tmp_path, name, codec):
        rng = np.random.default_rng(1)
        noise = 0.01 * rng.standard_normal(11 * RATE).astype(np.float32)
        path = written(tmp_path / name, codec, [(0.0, noise + burst(2.0, 11.0) + burst(9.0, 11.0))])
        data = bytearray(path.read_bytes())
        middle = int(0.35 * len(data))
        data[middle : middle + 300] = rng.integers(0, 256, 300, dtype=np.uint8).tobytes()
        signal, said = listened(bytes(data))
        assert bursts(signal)[0] == pytest.approx(2.0, abs=0.1)
        assert bursts(signal)[-1] == pytest.approx(9.0, abs=0.15)
        assert len(signal) / 16_000 == pytest.approx(11.0, abs=0.15)
        assert any("is damaged in " in sentence for sentence in said) and not any("truncated" in s for s in said)

    def test_a_pipe_goes_on_behind_a_damaged_packet(self, tmp_path):
        from contextlib import ExitStack

        path = written(tmp_path / "a.aac", "aac", [(0.0, burst(2.0, 11.0) + burst(9.0, 11.0))], form="adts")
        data, said = bytearray(path.read_bytes()), []
        middle = data.find(b"\xff\xf1", len(data) // 2) + 8
        data[middle : middle + 60] = np.random.default_rng(1).integers(0, 256, 60, dtype=np.uint8).tobytes()
        with ExitStack() as stack:
            pipe = io.BufferedReader(io.BytesIO(bytes(data)))
            signal = np.concatenate(list(contained(pipe, stack, named=("pipe", said.append)).pieces))
        assert bursts(signal[::3])[-1] == pytest.approx(9.0, abs=0.15)

    @pytest.mark.parametrize("name", ["a.m4a", "a.flac", "a.mp3"])
    def test_half_a_file_is_truncated_and_not_damaged(self, tmp_path, name):
        codec = {"a.m4a": "aac", "a.flac": "flac", "a.mp3": "mp3"}[name]
        noise = 0.1 * np.random.default_rng(1).standard_normal(8 * RATE).astype(np.float32)
        if name == "a.m4a":
            with av.open(str(tmp_path / name), "w", options={"movflags": "faststart"}) as container:
                track = container.add_stream(codec, rate=RATE, layout="mono")
                frame = av.AudioFrame.from_ndarray((noise * 32767).astype(np.int16)[None], "s16", "mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
                container.mux(track.encode(frame))
                container.mux(track.encode(None))
        else:
            written(tmp_path / name, codec, [(0.0, noise)])
        data = (tmp_path / name).read_bytes()
        signal, said = listened(data[: len(data) * 6 // 10])
        assert 4 < len(signal) / 16_000 < 6
        assert [s for s in said if "is truncated; only" in s] and not any("damaged" in s for s in said)


class TestTracks:
    def test_the_default_track_is_read_and_the_others_are_named(self, tmp_path):
        pieces = [[(0.0, burst(1.0, 3.0))], [(0.0, burst(2.0, 3.0))]]
        path = written(tmp_path / "a.mkv", "libopus", pieces, languages=("eng", "ger"), default=1)
        signal, said = listened(path)
        assert bursts(signal) == [pytest.approx(2.0, abs=0.05)]
        assert "holds 2 sound tracks; track 2 (ger) is read. Others: track 1 (eng)" in said[0]
        for track, start in (("1", 1.0), ("eng", 1.0), ("en", 1.0), ("ger", 2.0)):
            assert bursts(listened(path, track=track)[0]) == [pytest.approx(start, abs=0.05)]

    @pytest.mark.parametrize("track", ["3", "fre"])
    def test_a_track_that_is_not_there_names_those_that_are(self, tmp_path, track):
        pieces = [[(0.0, burst(1.0, 3.0))], [(0.0, burst(2.0, 3.0))]]
        path = written(tmp_path / "a.mkv", "libopus", pieces, languages=("eng", "ger"))
        with pytest.raises(AudioError, match=r"has no sound track .*track 1 \(eng\); track 2 \(ger\)"):
            listened(path, track=track)

    def test_a_track_of_an_unknown_codec_is_passed_over(self, tmp_path):
        pieces = [[(0.0, burst(1.0, 3.0))], [(0.0, burst(2.0, 3.0))]]
        path = written(tmp_path / "a.mp4", "aac", pieces, languages=("eng", "ger"))
        data = bytearray(path.read_bytes())
        first = data.find(b"mp4a")
        data[first : first + 4] = b"apac"
        described = data.find(b"esds", first)
        data[described : described + 4] = b"free"
        assert bursts(listened(bytes(data))[0]) == [pytest.approx(2.0, abs=0.06)]

    def test_a_rate_that_the_header_does_not_say_is_that_of_the_first_frame(self, tmp_path):
        path = written(tmp_path / "a.mpg", "mp2", [(0.0, burst(1.0, 3.0))], picture=3.0, form="mpeg")
        assert bursts(listened(path)[0]) == [pytest.approx(1.0, abs=0.1)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libopus"), ("a.m4a", "aac"), ("a.mp3", "mp3"), ("a.flac", "flac"), ("a.wav", "pcm_s16le")],
)
def test_a_length_by_the_packets_is_that_of_the_samples(tmp_path, name, codec):
    pieces = [(0.0, burst(0.5, 2.0)), (6.0, burst(1.0, 2.0))] if name == "a.mkv" else [(0.0, burst(0.5, 4.0))]
    path = written(tmp_path / name, codec, pieces)
    seconds, rate = length(path)
    assert (seconds, rate) == (pytest.approx(len(read(path).signal) / 16_000, abs=0.03), RATE)


def test_an_upload_of_fastapi_is_read():
    class Upload:
        """What FastAPI gives: a file whose read has to be awaited, with the plain file inside."""

        def __init__(self, data):
            self.file = io.BytesIO(data)

        async def read(self, size=-1):
            return self.file.read(size)

    file = io.BytesIO()
    soundfile.write(file, burst(0.5, 2.0), RATE, format="WAV")
    assert bursts(read(Upload(file.getvalue())).signal) == [pytest.approx(0.5, abs=0.05)]
    later = Upload(b"")
    later.file = None
    with pytest.raises(InputError, match="give what it holds, await file.read"):
        read(later)
