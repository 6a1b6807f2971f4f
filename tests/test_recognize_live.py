"""Live streams: the same events however the signal is cut, segments as batch has them, and the two commands."""

import io
import itertools
import json
import os
import signal as signals
import subprocess
import sys
import wave
from contextlib import ExitStack
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from affekt.cli import main
from affekt.cli.listen import Microphone, choose, without_portaudio
from affekt.cli.stream import cut
from affekt.errors import AudioError, InputError, UnknownName
from affekt.face.video import Frame
from affekt.recognize import live_faces
from affekt.recognize.live import STEPS, TYPES, Live
from affekt.recognize.live_faces import LiveFaces
from affekt.recognize.recognizer import Recognizer
from affekt.speech.pipe import RawForm, contained, raw
from affekt.speech.stream import LIVE
from affekt.timeline.summary import summarise
from affekt.write.fields import table_of
from tests.conftest import drawn_face

DOCS = Path(__file__).parent.parent / "docs"
VALIDATOR = jsonschema.Draft202012Validator(json.loads((DOCS / "events-2.schema.json").read_text(encoding="utf-8")))


class TooEarly(BaseException):
    """Somebody wants more than there is yet."""


class Unfinished:
    """What a pipe brings while its writer still works; who asks for more than is there does not wait, but fails."""

    def __init__(self, data, there):
        self._data, self.there, self._done = data, there, 0

    def read1(self, size):
        if self._done >= self.there < len(self._data):
            raise TooEarly
        part = self._data[self._done : min(self._done + size, self.there)]
        self._done += len(part)
        return part


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(options=LIVE)


def run(recognizer, signal, cuts=(), **options):
    live, events = Live(recognizer, **options), []
    for part in np.split(signal, sorted(cuts)):
        events += live.feed(part)
    return events + live.flush()


def in_small_pieces(recognizer, signal, **options):
    return run(recognizer, signal, range(1600, len(signal), 1600), **options)


def of(events, kind):
    return [event for event in events if event.type == kind]


def final(events):
    return [event.prediction for event in of(events, "segment") if event.stable]


class TestEvents:
    def test_stable_segments_are_those_of_batch_to_the_last_bit(self, recognizer, conversation):
        assert final(in_small_pieces(recognizer, conversation)) == recognizer.predict((conversation, 16_000)) != []

    def test_and_those_of_the_default_options_but_for_rounding(self, recognizer, conversation):
        found, batch = final(in_small_pieces(recognizer, conversation)), Recognizer().predict((conversation, 16_000))
        assert [(p.start, p.end, p.label) for p in found] == [(p.start, p.end, p.label) for p in batch]
        for one, other in zip(found, batch, strict=True):
            np.testing.assert_allclose(list(one.scores.values()), list(other.scores.values()), atol=1e-4)

    @settings(max_examples=6, deadline=None)
    @given(cuts=st.lists(st.integers(0, 64_000), max_size=40))
    def test_any_chunks_give_the_same_events_but_for_segments_in_progress(self, recognizer, conversation, cuts):
        def lasting(events):
            return [e for e in events if e.type != "segment" or e.stable]

        signal = conversation[:64_000]
        assert lasting(run(recognizer, signal, cuts)) == lasting(in_small_pieces(recognizer, signal))

    @pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
    def test_any_rate_gives_the_segments_of_batch(self, recognizer, conversation, rate):
        import soxr

        signal = soxr.resample(conversation[:128_000], 16_000, rate)
        assert final(run(recognizer, signal, (7, 5_000, 30_001), sampling_rate=rate)) == recognizer.predict(
            (signal, rate)
        )

    def test_events_are_those_that_the_schema_describes(self, recognizer, conversation):
        events = in_small_pieces(recognizer, conversation)
        events += in_small_pieces(Recognizer(options=LIVE, threshold=1.0), conversation[:80_000])
        events += run(recognizer, np.zeros(20_000, np.float32))
        assert {event.type for event in events} == set(TYPES)
        for event in events:
            VALIDATOR.validate(json.loads(json.dumps(event.as_table(), allow_nan=False)))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"type": "level", "time": 1.0, "rms": -20.0},
            {"type": "cough", "time": 1.0},
            {"type": "speech_end", "time": 1.0, "start": 0.5},
            {"type": "speech_start", "start": 0.5},
            {
                "type": "partial",
                "time": 1,
                "start": 0,
                "end": 1,
                "label": None,
                "confidence": 0,
                "quality": 1,
                "scores": {},
            },
        ],
    )
    def test_the_schema_refuses_what_is_no_event(self, wrong):
        assert not VALIDATOR.is_valid(wrong)

    def test_each_start_of_speech_has_its_end_and_the_ends_are_the_regions_of_batch(self, recognizer, conversation):
        from affekt.recognize.trace import Trace

        rng = np.random.default_rng(0)
        # Clicks and bursts, so that some starts turn out to be none.
        signal = np.concatenate([conversation[:160_000], conversation[20_000:22_500], np.zeros(30_000, np.float32)])
        signal += 0.003 * rng.standard_normal(len(signal)).astype(np.float32)
        events, trace = in_small_pieces(recognizer, signal), Trace()
        recognizer.analyse((signal, 16_000), trace=trace)
        spans = [event for event in events if event.type.startswith("speech")]
        assert [event.type for event in spans] == ["speech_start", "speech_end"] * (len(spans) // 2)
        ends = [(e.fields["start"], e.fields["end"]) for e in of(events, "speech_end")]
        regions = [(round(start, 3), round(end, 3)) for start, end in trace.regions]
        assert [(start, end) for start, end in ends if end > start] == regions

    def test_speech_is_told_within_half_a_second(self, recognizer, conversation):
        events = in_small_pieces(recognizer, conversation)
        for start, end in zip(of(events, "speech_start"), of(events, "speech_end"), strict=True):
            onset = end.fields["start"] + LIVE.activity.margin
            assert start.time - onset <= 0.5

    def test_noise_and_silence_have_levels_and_a_summary_that_abstains(self, recognizer):
        noise = (0.1 * np.random.default_rng(0).standard_normal(32_000)).astype(np.float32)
        *levels, summary = run(recognizer, np.concatenate([np.zeros(16_000, np.float32), noise]))
        assert {event.type for event in levels} == {"level"}
        assert levels[0].fields == {"time": 0.1, "rms": -120.0, "peak": -120.0}
        assert levels[-1].fields["rms"] == pytest.approx(-20, abs=0.5)
        assert summary.fields["label"] is None and summary.fields["scores"] == {}

    def test_levels_are_known_answers_on_a_grid_of_a_tenth_of_a_second(self, recognizer):
        events = of(run(recognizer, np.tile([0.5, -0.5], 8_820).astype(np.float32), sampling_rate=44_100), "level")
        assert [event.time for event in events] == [0.1, 0.2, 0.3, 0.4]
        assert all(event.fields["rms"] == event.fields["peak"] == -6.0 for event in events)

    def test_partials_of_a_speech_follow_one_another_and_lie_in_it(self, recognizer, conversation):
        events = in_small_pieces(recognizer, conversation)
        partials = of(events, "partial")
        assert len(partials) > 10
        assert all(p.fields["end"] <= p.time for p in partials)
        for end in of(events, "speech_end"):
            inside = [p.prediction for p in partials if end.fields["start"] <= p.fields["start"] < end.fields["end"]]
            assert all(a.end == b.start for a, b in itertools.pairwise(inside))

    def test_the_segment_in_progress_is_what_batch_says_when_speech_ends_there(self, recognizer, conversation):
        stream = recognizer.stream()
        stream.feed(conversation[:45_000])
        _, segment = stream.so_far()
        seen = stream.so_far()
        assert stream.so_far() == seen, "looking changes nothing"
        model = recognizer.network
        start, end = (round(16_000 * t) for t in (segment.start, segment.end))
        from affekt.models.onnx import softmax

        expected = softmax(model.run(conversation[None, start:end])[1][0], model.card.temperature)[0]
        np.testing.assert_allclose(list(segment.scores.values()), expected, atol=1e-4)

    def test_at_most_one_segment_in_progress_comes_out_of_a_feed(self, recognizer, conversation):
        live = Live(recognizer)
        for part in np.array_split(conversation, 9):
            events = of(live.feed(part), "segment")
            assert sum(not event.stable for event in events) <= 1
            assert all(event.stable for event in events[:-1])

    def test_the_summary_is_that_of_batch(self, recognizer, conversation):
        summary = in_small_pieces(recognizer, conversation)[-1]
        batch = summarise(recognizer.predict((conversation, 16_000)))
        assert summary.fields == {"time": summary.time, **{k: v for k, v in table_of(batch).items() if k != "modality"}}

    def test_position_counts_what_was_fed_and_flush_ends_once(self, recognizer):
        live = Live(recognizer, sampling_rate=8_000)
        live.feed(np.zeros(1_000, np.float32))
        assert live.position == 0.125
        assert [event.type for event in live.flush()] == ["summary"]
        assert live.flush() == []
        with pytest.raises(InputError, match="make a new one"):
            live.feed(np.zeros(1, np.float32))

    @pytest.mark.parametrize("wrong", [np.zeros((2, 2), np.float32), np.zeros(4, np.int16), np.array([np.nan])])
    def test_what_is_no_signal_is_refused_and_changes_nothing(self, recognizer, wrong):
        live = Live(recognizer)
        with pytest.raises(InputError):
            live.feed(wrong)
        assert live.position == 0


class TestPipes:
    @pytest.mark.parametrize(("form", "least"), [("wav", 70_000), ("ogg", 20_000), ("flac", 40_000)])
    def test_a_pipe_is_heard_before_it_ends(self, conversation, form, least):
        file = io.BytesIO()
        soundfile.write(file, conversation, 16_000, format=form)
        pipe = Unfinished(file.getvalue(), least)
        with ExitStack() as stack:
            sound = contained(pipe, stack, named=("pipe", print))
            first = next(sound.pieces)
            pipe.there = len(file.getvalue())
            total = len(first) + sum(map(len, sound.pieces))
        assert sound.sampling_rate == 16_000 and len(first) > 0
        assert total == len(conversation)

    def test_what_stops_the_reading_is_not_lost_in_the_decoder(self, conversation):
        file = io.BytesIO()
        soundfile.write(file, conversation, 16_000, format="wav")
        with ExitStack() as stack, pytest.raises(TooEarly):
            list(contained(Unfinished(file.getvalue(), 200_000), stack, named=("pipe", print)).pieces)

    @pytest.mark.parametrize(
        ("data", "said"),
        [(b"", "is empty"), (b"not a recording" * 99, "cannot be read as it arrives"), (b"RIFF\0\0", "cannot be read")],
    )
    def test_what_is_no_recording_is_an_audio_error(self, data, said):
        with ExitStack() as stack, pytest.raises(AudioError, match=said):
            contained(io.BytesIO(data), stack, named=("pipe", print))

    @pytest.mark.parametrize(("kind", "channels"), [("pcm16", 1), ("pcm16", 2), ("float32", 1), ("float32", 3)])
    def test_bare_samples_are_what_they_were(self, kind, channels, tmp_path):
        rng, said = np.random.default_rng(0), []
        samples = rng.integers(-32768, 32767, size=(5_000, channels)).astype("<i2")
        data = samples if kind == "pcm16" else (samples / 32768).astype("<f4")
        path = tmp_path / "x.raw"
        path.write_bytes(data.tobytes() + b"\1")
        with open(path, "rb", buffering=1_001) as file:
            sound = raw(file, RawForm(kind, 16_000, channels), named=("x", said.append))
            found = np.concatenate(list(sound.pieces))
        np.testing.assert_allclose(found, (samples / 32768).mean(axis=1), atol=1e-6)
        assert "1 bytes of a sample" in said[0]

    def test_what_cannot_be_a_form_of_samples_is_refused(self, tmp_path):
        for kind, rate, channels in (("pcm24", 16_000, 1), ("pcm16", 100, 1), ("pcm16", 16_000, 0)):
            with pytest.raises(InputError):
                raw(None, RawForm(kind, rate, channels), named=("x", print))

    def test_cut_loses_nothing(self):
        pieces = [np.arange(n, dtype=np.float32) for n in (0, 1, 1_599, 1_600, 9_000)]
        parts = list(cut(pieces, 16_000))
        assert max(map(len, parts)) == 16_000 / STEPS
        np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(pieces))


@pytest.fixture
def affekt():
    return lambda *words, **extra: CliRunner().invoke(main, [str(word) for word in words], **extra)


def command(*words, data):
    return subprocess.run(
        [sys.executable, "-m", "affekt", *map(str, words)], input=data, capture_output=True, check=False, timeout=60
    )


def events_of(text):
    return [json.loads(line) for line in text.splitlines()]


class TestStream:
    def test_a_piped_recording_gives_the_segments_of_the_file(self, clips):
        done = command("stream", "-", "--events", "segment,summary", data=clips[6].read_bytes())
        assert (done.returncode, done.stderr) == (0, b"")
        *segments, summary = events_of(done.stdout)
        found = [{k: v for k, v in e.items() if k not in ("type", "time", "stable")} for e in segments if e["stable"]]
        assert found == [table_of(p) for p in Recognizer(options=LIVE).predict(clips[6])] != []
        assert summary["type"] == "summary"

    def test_bare_samples_and_the_recording_they_are_of_give_the_same(self, clips):
        with wave.open(str(clips[6])) as recording:
            samples = recording.readframes(recording.getnframes())
        done = command("stream", "-", "--raw", "pcm16", "--sampling-rate", 48_000, data=samples)
        events = events_of(done.stdout)
        assert {e["type"] for e in events} == {"speech_start", "speech_end", "partial", "segment", "summary"}
        batch = summarise(Recognizer().predict(clips[6]))
        assert events[-1]["scores"] == pytest.approx(batch.scores, abs=2e-4)

    def test_what_is_no_recording_is_said_in_one_line(self):
        done = command("stream", "-", data=b"not a recording" * 99)
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.startswith(b"error: standard input: ") and done.stderr.count(b"\n") == 1

    def test_nan_ends_it_with_an_error_after_a_summary(self, affekt):
        samples = np.zeros(40_000, "<f4")
        samples[30_000] = np.nan
        done = affekt("stream", "-", "--raw", "float32", input=samples.tobytes())
        assert done.exit_code == 1 and "NaN" in done.stderr
        assert events_of(done.stdout)[-1]["type"] == "summary"

    def test_record_keeps_the_sound_and_output_the_events(self, affekt, clips, tmp_path):
        kept, lines = tmp_path / "kept.wav", tmp_path / "events.jsonl"
        with wave.open(str(clips[6])) as recording:
            samples = recording.readframes(recording.getnframes())
        words = ("--raw", "pcm16", "--sampling-rate", 48_000, "--record", kept, "-o", lines, "--events", "all")
        done = affekt("stream", "-", *words, input=samples)
        assert (done.exit_code, done.stdout) == (0, "")
        with wave.open(str(kept)) as recording:
            assert recording.getparams()[:3] == (1, 2, 48_000)
            assert recording.readframes(recording.getnframes()) == samples
        assert {e["type"] for e in events_of(lines.read_text())} == set(TYPES)
        assert sorted(os.listdir(tmp_path)) == ["events.jsonl", "kept.wav"]

    @pytest.mark.skipif(os.name != "posix", reason="sends a signal")
    @pytest.mark.parametrize("number", [signals.SIGINT, signals.SIGTERM])
    def test_ctrl_c_and_a_kill_end_it_with_the_summary_and_a_complete_recording(self, clips, tmp_path, number):
        kept = tmp_path / "kept.wav"
        words = [sys.executable, "-m", "affekt", "stream", "-", "--record", str(kept)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            run.stdin.write(clips[6].read_bytes())
            run.stdin.flush()  # and stays open
            lines = [run.stdout.readline()]
            run.send_signal(number)
            lines += run.stdout.readlines()
            said = run.stderr.read()
            run.stdin.close()
        assert (run.returncode, said) == (130, b"")
        assert json.loads(lines[-1])["type"] == "summary"
        with wave.open(str(kept)) as recording:
            assert recording.getnframes() > 10_000

    @pytest.mark.skipif(os.name != "posix", reason="pipes of a shell")
    def test_a_reader_that_has_seen_enough_ends_it_quietly_and_the_recording_is_complete(self, clips, tmp_path):
        kept = tmp_path / "kept.wav"
        words = [sys.executable, "-m", "affekt", "stream", str(clips[6]), "--events", "all", "--record", str(kept)]
        with subprocess.Popen([*words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            run.stdout.readline()
            run.stdout.close()
            said = run.stderr.read()
        assert (run.returncode, said) == (0, b"")
        with wave.open(str(kept)) as recording:
            assert recording.getnframes() > 0

    def test_labels_and_threshold_mean_what_they_mean_for_predict(self, affekt, clips):
        done = affekt(
            "stream", clips[6], "--labels", "bad=angry+sad,good=happy+calm", "--threshold", 1, "--events", "summary"
        )
        (summary,) = events_of(done.stdout)
        assert set(summary["scores"]) == {"bad", "good"}
        assert summary["label"] is None and summary["unsure"]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--events", "partials"], "did you mean 'partial'"),
            (["--sampling-rate", "8000"], "are for --raw"),
            (["--record", "-"], "--record needs a file"),
            (["-o", "no/such/folder/x"], "folder that exists"),
            (["--record", "x.wav", "-o", "x.wav"], "two files"),
        ],
    )
    def test_wrong_commands_are_refused_before_anything_is_heard(self, affekt, clips, words, said):
        done = affekt("stream", clips[0], *words)
        assert done.exit_code == 2 and said in done.stderr

    def test_the_recording_is_not_overwritten(self, affekt, clips, tmp_path):
        path = tmp_path / "a.wav"
        path.write_bytes(clips[0].read_bytes())
        done = affekt("stream", path, "--record", path)
        assert done.exit_code == 2 and "would be overwritten" in done.stderr
        assert path.read_bytes() == clips[0].read_bytes()


class TestListen:
    def test_without_portaudio_it_says_what_to_install(self):
        error = without_portaudio(OSError("PortAudio library not found"))
        assert "apt install libportaudio2" in str(error) and "--force-reinstall sounddevice" in str(error)

    def test_the_command_ends_with_one_sentence_where_there_is_no_microphone(self, affekt):
        try:
            import sounddevice

            if any(device["max_input_channels"] for device in sounddevice.query_devices()):
                pytest.skip("there is a microphone here, and it is not ours to open")
        except (ImportError, OSError):
            pass
        done = affekt("listen")
        assert done.exit_code in (1, 2) and done.stdout == ""
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1

    def test_a_device_is_chosen_by_number_name_and_default(self):
        devices = [
            {"name": "USB Mic", "index": 1, "default": False},
            {"name": "USB Mic (monitor)", "index": 4, "default": True},
        ]
        assert [choose(devices, wanted)["index"] for wanted in ("1", "usb mic", "MONITOR", None)] == [1, 1, 4, 4]
        with pytest.raises(InputError, match="several of these fit: 1 USB Mic, 4"):
            choose(devices, "usb")
        with pytest.raises(InputError, match="none of these fit"):
            choose(devices, "7")
        with pytest.raises(AudioError, match="no microphone"):
            choose([], None)

    def test_the_callback_never_waits_and_counts_what_is_lost(self):
        microphone, said = Microphone(16_000, 2, alive=lambda: False), []
        room = microphone.waiting.maxsize
        for i in range(room + 4):
            microphone.take(np.full((800, 2), i, np.float32), 800, None, None)
        pieces = microphone.pieces(said)
        assert [next(pieces)[0] for _ in range(room)] == list(range(room))
        with pytest.raises(AudioError, match="gives no more sound"):
            next(pieces)
        assert said == ["0.2 s of sound were lost because this machine was too busy; times after that are too early."]


class TestView:
    def frame(self, events, *, width=92):
        from rich.console import Console

        from affekt.cli.live_view import LiveView

        view = LiveView("talk.wav", Recognizer().labels)
        view.see(events)
        console = Console(width=width, color_system=None, record=True, file=open(os.devnull, "w"))
        console.print(view.frame())
        return console.export_text()

    def test_it_shows_bars_level_and_timeline(self, recognizer, clips):
        from affekt.speech.audio import read

        events = in_small_pieces(recognizer, read(clips[6]).signal)
        index = max(i for i, event in enumerate(events) if event.type == "partial")
        speaking, over = self.frame(events[: index + 2]), self.frame(events)
        assert "speech" in speaking.splitlines()[0] and "silence" in over.splitlines()[0]
        assert "level" in over and " dB" in over
        best = events[index].prediction
        line = next(line for line in speaking.splitlines() if f" {best.best} " in line)
        assert f"{100 * best.confidence:.0f} %" in line and "█" in line
        assert " ..." in speaking and " ..." not in over

    def test_not_sure_is_said(self, clips):
        from affekt.speech.audio import read

        events = in_small_pieces(Recognizer(options=LIVE, threshold=1.0), read(clips[6]).signal)
        assert "not sure, perhaps" in self.frame(events)

    def test_names_cannot_move_the_cursor(self):
        from affekt.cli.live_view import LiveView

        assert "\x1b" not in LiveView("a\x1b[2Jb", ("x", "y")).frame().renderables[0].plain


def test_an_unknown_event_is_an_unknown_name():
    from affekt.cli.stream import event_types

    assert event_types("all") == TYPES
    with pytest.raises(UnknownName):
        event_types("loudness")


class TestFaces:
    def test_events_are_those_that_the_schema_describes(self):
        live, events = LiveFaces(Recognizer("face")), []
        for number in range(12):
            scene = Image.new("RGB", (480, 240), (120, 125, 130))
            scene.paste(drawn_face(160), (20, 40))
            if number > 4:
                scene.paste(drawn_face(150, smile=False), (300, 40))
            events += live.feed(Frame(number / 10, np.asarray(scene)))
        events += live.flush()
        assert {event.type for event in events} == set(live_faces.TYPES)
        for event in events:
            VALIDATOR.validate(json.loads(json.dumps(event.as_table(), allow_nan=False)))
        assert [e.fields.get("who") for e in of(events, "summary")] == ["face 1", "face 2", None]
        assert len(of(events, "frame")[-1].fields["faces"]) == 2 and live.flush() == []

    def test_segments_are_those_of_batch(self):
        recognizer = Recognizer("face")
        live, stream, found, batch = LiveFaces(recognizer), recognizer.stream(), [], []
        for number in range(15):
            pixels = np.asarray(drawn_face(160, smile=number < 8))
            found += live.feed(Frame(number / 10, pixels))
            batch += stream.feed(Frame(number / 10, pixels))
        found += live.flush()
        batch += stream.flush()
        assert [event.prediction for event in of(found, "segment")] == batch != []

    def test_what_is_said_of_a_signal_is_refused(self):
        with pytest.raises(InputError, match="sampling_rate: a live stream of faces"):
            live_faces.open_live(Recognizer("face"), sampling_rate=16_000)


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (("--model", "text"), "text is a model of text; a stream of sound needs one of speech", 2),
        (("--record", "a.mp3"), "--record a.mp3: it writes wav", 2),
        (("--output", "a.csv"), "--output a.csv: events are JSON lines", 2),
        (("--track", "3"), "has no sound track '3'. There: track 1.", 1),
        (("--labels", "four", "--events", "summary"), "warning: left out: calm, disgust, fear, surprise", 0),
    ],
)
def test_what_the_command_refuses_or_warns_of(clips, words, said, status):
    done = CliRunner().invoke(main, ["stream", str(clips[0]), *words])
    assert done.exit_code == status
    assert said in done.stderr
