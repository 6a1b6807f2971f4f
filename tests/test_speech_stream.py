"""The engine: any chunking is one feed, a stream is a file, gain and constants change nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import InputError
from affekt.recognize.recognizer import Recognizer
from affekt.recognize.trace import Trace
from affekt.speech.activity import ActivityOptions
from affekt.speech.stream import LIVE, StreamOptions
from affekt.timeline.summary import summarise
from affekt.types import Prediction


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer()


@pytest.fixture(scope="module")
def live():
    return Recognizer(options=LIVE)


def run(recognizer, signal, cuts=()):
    stream = recognizer.stream()
    found = []
    for part in np.split(signal, sorted(cuts)):
        found += stream.feed(part)
    return found + stream.flush()


def as_rows(predictions):
    return [(p.start, p.end, *p.scores.values(), p.quality) for p in predictions]


@pytest.mark.parametrize("seed", range(4))
def test_random_chunks_give_exactly_what_one_feed_gives(recognizer, conversation, seed):
    rng = np.random.default_rng(seed)
    cuts = rng.integers(0, len(conversation), size=(0, 7, 60, 900)[seed])
    assert as_rows(run(recognizer, conversation, cuts)) == as_rows(run(recognizer, conversation))


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, 60_000), max_size=40))
def test_any_chunks_give_exactly_what_one_feed_gives_live(live, conversation, cuts):
    signal = conversation[:60_000]
    assert as_rows(run(live, signal, cuts)) == as_rows(run(live, signal))


def test_the_size_of_blocks_changes_nothing_but_rounding(recognizer, live, conversation):
    large, small = run(recognizer, conversation), run(live, conversation)
    assert len(large) == len(small) > 5
    np.testing.assert_allclose(as_rows(small), as_rows(large), atol=1e-4)


def test_a_long_region_read_in_pieces_equals_the_model_run_over_it_at_once(recognizer, conversation):
    # No pause ever ends a region here, so that it is cut into many pieces with context.
    activity = ActivityOptions(pause=60.0)
    pieces = Recognizer(options=StreamOptions(block=2.0, activity=activity))
    whole = Recognizer(options=StreamOptions(block=100.0, activity=activity))
    np.testing.assert_allclose(as_rows(run(pieces, conversation)), as_rows(run(whole, conversation)), atol=1e-4)


def test_one_window_equals_the_models_answer_for_the_whole(recognizer, clips):
    """A clip shorter than a window is one window, pooled as the model pools a whole input."""
    from affekt.models.onnx import softmax
    from affekt.speech.audio import read

    signal = read(clips[6]).signal
    (prediction,) = run(recognizer, signal)
    start, end = (round(t * 16_000) for t in (prediction.start, prediction.end))
    model = recognizer.network
    whole, *_ = model.run(signal[None, start:end])
    assert end - start < model.input.window
    np.testing.assert_allclose(list(prediction.scores.values()), softmax(whole[0], model.card.temperature), atol=1e-4)


@pytest.mark.parametrize("gain", [0.03, 0.3, 3.0])
def test_gain_does_not_change_the_answer(recognizer, conversation, gain):
    plain, loud = run(recognizer, conversation), run(recognizer, conversation * np.float32(gain))
    spoken = [sum(p.duration for p in found) for found in (plain, loud)]
    assert spoken[1] == pytest.approx(spoken[0], rel=0.1)
    one, other = summarise(plain), summarise(loud)
    assert one.label == other.label
    np.testing.assert_allclose(list(one.scores.values()), list(other.scores.values()), atol=0.05)


def test_a_stream_at_48_khz_hears_what_one_at_16_khz_hears(recognizer, clips):
    import soundfile

    signal, rate = soundfile.read(clips[0], dtype="float32")
    signal = signal if signal.ndim == 1 else signal.mean(axis=1)
    stream = recognizer.stream(sampling_rate=rate)
    found = [p for part in np.array_split(signal, 50) for p in stream.feed(part)] + stream.flush()
    assert as_rows(found) == as_rows(recognizer.predict(clips[0]))


def test_segments_lie_in_order_inside_the_signal_and_do_not_overlap(recognizer, conversation):
    found = run(recognizer, conversation)
    edges = [t for p in found for t in (p.start, p.end)]
    assert edges == sorted(edges)
    assert 0 <= edges[0] <= edges[-1] <= len(conversation) / 16_000
    assert all(tuple(p.scores) == recognizer.labels for p in found)


def test_a_live_stream_answers_before_the_speaker_is_done(live, conversation):
    endless = Recognizer(options=StreamOptions(block=0.8, activity=ActivityOptions(block=0.4, pause=60.0)))
    stream, early = endless.stream(), []
    for part in np.array_split(conversation, 200):
        early += stream.feed(part)
    assert early, "segments must come out while one region of speech goes on"


@pytest.mark.parametrize("seed", range(3))
def test_segments_end_with_the_signal_and_none_is_short_but_a_whole_region(recognizer, conversation, seed):
    start = int(np.random.default_rng(seed).integers(0, 300_000))
    for length in (4000, 5000, 6000, 9000, 60_000, 200_000):
        signal, trace = conversation[start : start + length], Trace()
        stream = recognizer.stream(listener=trace.listener())
        for p in stream.feed(signal) + stream.flush():
            assert 0 <= p.start < p.end <= len(signal) / 16_000
            begin, end = next(region for region in trace.regions if region[0] <= p.start < region[1])
            assert p.end <= end
            assert (p.start, p.end) == (begin, end) or p.duration >= 1.0 - 0.4


def test_a_glance_shows_the_speech_in_progress(conversation):
    stream, seen = Recognizer(options=LIVE).stream(), []
    for part in np.array_split(conversation, 200):
        before = stream.position
        stream.feed(part)
        if (now := stream.glance()) is not None:
            assert now.end <= stream.position
            assert now.duration <= 3.2 + 1e-9
            seen.append(before - now.end)
    assert len(seen) > 20
    assert np.median(seen) < 1.0, "a glance is about now"
    stream.flush()
    assert stream.glance() is None


@pytest.mark.parametrize("rate", [0, -1, float("nan"), True, 1e9, "48000", None])
def test_a_stream_refuses_what_is_no_sampling_rate(recognizer, rate):
    with pytest.raises(InputError, match="allowed: 4000 to 768000 Hz"):
        recognizer.stream(sampling_rate=rate)


@pytest.mark.parametrize("signal", [np.zeros(80_000), np.full(80_000, 0.4), np.zeros(0), np.zeros(160), np.zeros(399)])
def test_where_nobody_speaks_nothing_is_predicted(recognizer, signal):
    assert run(recognizer, signal.astype(np.float32)) == []


@pytest.mark.parametrize("level", [0.001, 0.1, 1.0])
def test_noise_is_not_speech(recognizer, level):
    noise = level * np.random.default_rng(0).standard_normal(160_000)
    assert run(recognizer, noise.astype(np.float32)) == []


def test_silence_before_speech_only_shifts_it(recognizer, conversation):
    pause = np.zeros(32_000, np.float32)
    plain, shifted = run(recognizer, conversation), run(recognizer, np.concatenate([pause, conversation]))
    assert len(plain) == len(shifted)
    assert shifted[3].start == pytest.approx(plain[3].start + 2, abs=0.1)


def test_memory_stays_flat_in_an_endless_stream(recognizer):
    import tracemalloc

    rng, stream = np.random.default_rng(0), recognizer.stream()
    from .conftest import speech_like

    minute = speech_like(60, rng)
    for _ in range(2):
        stream.feed(minute)
    tracemalloc.start()
    for _ in range(10):
        stream.feed(minute)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 8e6, "ten more minutes are 38 MB of float32"


@pytest.mark.parametrize(
    ("signal", "sentence"),
    [
        (np.array([0.0, np.nan]), "NaN or infinite"),
        (np.array([0.0, 1e39]), "beyond float32"),
        (np.array([0.0, np.inf]), "NaN or infinite"),
        (np.zeros((5, 2)), r"allowed: floats of shape \(n,\)"),
        (np.zeros(5, np.int16), "type int16; allowed: floats"),
    ],
)
def test_a_stream_refuses_what_is_no_signal(recognizer, signal, sentence):
    with pytest.raises(InputError, match=sentence):
        recognizer.stream().feed(signal)


def test_the_packages_own_noun_is_a_source(recognizer, clips):
    from affekt.speech.audio import read

    assert as_rows(recognizer.predict(read(clips[0]))) == as_rows(recognizer.predict(clips[0]))


def test_a_flushed_stream_takes_no_more(recognizer):
    stream = recognizer.stream()
    stream.flush()
    assert stream.flush() == []
    with pytest.raises(InputError, match="make a new one"):
        stream.feed(np.zeros(10, np.float32))


def test_options_out_of_range_are_refused():
    with pytest.raises(InputError, match="allowed: 0.4 to 120"):
        StreamOptions(block=0.0)
    with pytest.raises(InputError, match="off <= on"):
        ActivityOptions(on=0.2, off=0.5)
    with pytest.raises(InputError, match="half a pause"):
        ActivityOptions(margin=1.0)


def test_labels_restrict_and_merge(clips):
    warned = Recognizer(
        labels={"high": ["angry", "happy", "fear", "surprise"], "low": ["sad", "neutral", "calm", "disgust"]}
    )
    summary = summarise(warned.predict(clips[0]))
    assert tuple(summary.scores) == ("high", "low")
    assert sum(summary.scores.values()) == pytest.approx(1)


def test_a_summary_weighs_by_length():
    long, short = Prediction(0, 3, {"a": 1.0, "b": 0.0}), Prediction(5, 6, {"a": 0.0, "b": 1.0}, quality=0.0)
    summary = summarise([long, short])
    assert summary.scores == {"a": 0.75, "b": 0.25}
    assert (summary.start, summary.end, summary.quality) == (0, 6, 0.75)


def test_a_summary_of_nothing_abstains_and_of_two_models_is_refused():
    assert summarise([]).label is None
    assert summarise([]).confidence == 0.0
    with pytest.raises(InputError, match="different labels"):
        summarise([Prediction(0, 1, {"a": 1.0}), Prediction(1, 2, {"b": 1.0})])
