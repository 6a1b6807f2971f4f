"""Which channels are read: the mix and what it loses, one of them, or each with a timeline of its own."""

import numpy as np
import pytest

import affekt
from affekt.errors import AudioError, InputError
from affekt.speech.audio import blocks, read
from affekt.speech.channels import ReadOptions, channel_names
from tests.conftest import speech_like

RATE = 16_000


def said_of(array, rate=RATE, **options):
    found: list[str] = []
    parts = list(blocks((array, rate), warn=found.append, options=ReadOptions(**options)))
    return np.concatenate(parts), found


@pytest.fixture(scope="module")
def call():
    """Two people who take turns, each on a channel, (n, 2)."""
    rng = np.random.default_rng(3)
    first, second, pause = speech_like(3.0, rng), speech_like(3.0, rng), np.zeros(3 * RATE, np.float32)
    return np.stack([np.concatenate([first, pause, first]), np.concatenate([pause, second, pause])], axis=1)


def test_one_channel_is_that_channel(call):
    for channel, column in (("left", 0), ("1", 0), ("right", 1), ("2", 1)):
        np.testing.assert_array_equal(said_of(call, channel=channel)[0], call[:, column])
    np.testing.assert_allclose(said_of(call)[0], call.mean(axis=1), atol=1e-7)
    np.testing.assert_array_equal(said_of(call, channel="each")[0], call)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_each_channel_is_resampled_as_it_is_alone(call, rate):
    together = said_of(call, rate, channel="each")[0]
    for column, channel in enumerate(("left", "right")):
        np.testing.assert_allclose(together[:, column], said_of(call, rate, channel=channel)[0], atol=1e-6)


def test_a_channel_that_is_not_there_says_how_many_there_are(call):
    with pytest.raises(AudioError, match="has 1 channel, and channel right was asked for"):
        said_of(call[:, 0], channel="right")
    with pytest.raises(AudioError, match="has 2 channels, and channel 3 was asked for"):
        said_of(call, channel="3")


@pytest.mark.parametrize("channel", ["", "0", "-1", "middle", "Left", "1.5", "256", "²"])
def test_a_channel_that_cannot_be_is_refused(channel):
    with pytest.raises(InputError, match="allowed: mix, left, right, each, or a number from 1"):
        ReadOptions(channel)


@pytest.mark.parametrize("track", ["", "0", "-1", "e n", "1.5"])
def test_a_track_that_cannot_be_is_refused(track):
    with pytest.raises(InputError, match="allowed: a number from 1, or a language"):
        ReadOptions(track=track)


def test_each_is_no_single_signal(call):
    with pytest.raises(InputError, match="an Audio is one channel"):
        read((call, RATE), options=ReadOptions("each"))


class TestWhatAMixLoses:
    def test_channels_that_cancel_out_are_said(self, call):
        voice = call[:, 0]
        assert "its channels cancel out" in said_of(np.stack([voice, -voice], 1))[1][0]

    def test_small_pieces_of_a_pipe_are_compared_too(self, call):
        import io

        from affekt.speech.pipe import RawForm, raw

        voice, said = call[:, 0], []
        samples = np.ascontiguousarray(np.stack([voice, -voice], 1), "<f4").tobytes()
        pipe = io.BufferedReader(io.BytesIO(samples), buffer_size=4_000)
        pipe.read1 = lambda size, read=pipe.read1: read(4_000)
        list(raw(pipe, RawForm("float32", RATE, 2), named=("x", said.append)).pieces)
        assert any("cancel out" in sentence for sentence in said)

    def test_two_people_are_said(self, call):
        assert "Two people on one call? --channel each." in said_of(call)[1][0]

    def test_a_channel_that_holds_something_else_is_said(self, call):
        rng = np.random.default_rng(0)
        code = np.repeat(np.where(rng.integers(0, 2, len(call) // 10), 0.5, -0.5), 10)
        voice = call[: len(code), 0]
        assert "their mix is neither" in said_of(np.stack([voice, code], 1))[1][0]

    def test_an_ordinary_stereo_recording_is_not(self, call):
        """A voice in the middle, to one side, with the room of each ear; and a silent second channel."""
        rng, voice = np.random.default_rng(0), call[:, 0]
        room = 0.002 * rng.standard_normal((len(voice), 2))
        for left, right in ((1.0, 1.0), (1.0, 0.3)):
            assert said_of(np.stack([left * voice, right * voice], 1) + room)[1] == []
        delayed = np.concatenate([np.zeros(8, np.float32), voice[:-8]])  # half a millisecond between two microphones
        assert said_of(np.stack([voice, delayed], 1) + room)[1] == []
        assert said_of(np.stack([voice, np.zeros_like(voice)], 1))[1] == []

    def test_nothing_is_said_of_a_channel_that_was_asked_for(self, call):
        assert said_of(call, channel="left")[1] == []


class TestEachChannelItsOwnTimeline:
    def test_a_timeline_is_that_of_the_channel_alone(self, clips):
        first, second = (read(path).signal for path in clips[:2])
        size = max(map(len, (first, second)))
        array = np.stack([np.pad(x, (0, size - len(x))) for x in (first, second)], axis=1)
        recognizer = affekt.Recognizer()
        result = recognizer.reading(channel="each").analyse((array, RATE))
        assert result.duration == pytest.approx(size / RATE)
        for who, channel in (("left", "1"), ("right", "2")):
            alone = recognizer.reading(channel=channel).predict((array, RATE))
            found = [p for p in result.predictions if p.who == who]
            assert [(p.start, p.end, p.label) for p in found] == [(p.start, p.end, p.label) for p in alone]
            assert found and set(result.summaries) == {"left", "right"}
        assert list(result.predictions) == sorted(result.predictions, key=lambda p: p.start)

    def test_more_channels_are_numbered(self):
        assert channel_names(1) == ("channel 1",)
        assert channel_names(4)[-1] == "channel 4"

    def test_a_recording_that_turns_to_mono_keeps_its_channels(self):
        from affekt.speech.channels import _with_channels

        assert _with_channels(np.ones((3, 1)), 2).tolist() == [[1, 1]] * 3
        assert _with_channels(np.ones((3, 3)), 2).shape == (3, 2)


class TestLive:
    def test_each_channel_has_the_events_that_it_has_alone(self, clips):
        from affekt.recognize.live import Live, LiveChannels

        first, second = (read(path).signal[:48_000] for path in clips[:2])
        array = np.stack([first, second], axis=1)
        recognizer = affekt.Recognizer(options=affekt.LIVE)
        together = LiveChannels(recognizer, 2)
        events = [e for i in range(0, len(array), 1_234) for e in together.feed(array[i : i + 1_234])]
        events += together.flush()
        assert together.position == 3.0
        for who, signal in (("left", first), ("right", second)):
            alone = Live(recognizer)
            wanted = [e for i in range(0, len(signal), 1_234) for e in alone.feed(signal[i : i + 1_234])]
            wanted += alone.flush()
            found = [{k: v for k, v in e.as_table().items() if k != "who"} for e in events if e.fields["who"] == who]
            assert found == [e.as_table() for e in wanted]
            assert {e.prediction.who for e in events if e.prediction and e.fields["who"] == who} == {who}
        assert [e.time for e in events] == sorted(e.time for e in events)

    def test_a_signal_of_other_channels_is_refused(self):
        from affekt.recognize.live import LiveChannels

        live = LiveChannels(affekt.Recognizer(options=affekt.LIVE), 2)
        for shape in ((10,), (10, 1), (10, 3)):
            with pytest.raises(InputError, match=r"allowed: \(n, 2\)"):
                live.feed(np.zeros(shape, np.float32))
