"""A sample that is a stretch of a recording: everywhere it is what a file that holds just the stretch would be."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from affekt.errors import AudioError
from affekt.speech.audio import read
from affekt.speech.stretch import bounds, read_stretch, stretch_blocks
from affekt.types import Sample

RATE = 16_000
#: Seconds of the recording before and behind the stretch; no whole number of frames.
BEFORE, BEHIND = 1.2345, 2.0


@pytest.fixture(scope="module")
def pair(clips, tmp_path_factory):
    """A clip as a stretch of a longer recording, and as a file of its own."""
    folder = tmp_path_factory.mktemp("stretch")
    clip, other = (read(path).signal for path in (clips[6], clips[9]))
    before = np.resize(other, round(BEFORE * RATE))
    whole = np.concatenate([before, clip, np.resize(other, round(BEHIND * RATE))])
    soundfile.write(folder / "whole.wav", whole, RATE, subtype="FLOAT")
    soundfile.write(folder / "clip.wav", clip, RATE, subtype="FLOAT")
    start = len(before) / RATE
    facts = {"label": "angry", "speaker": "1", "corpus": "folder"}
    stretch = Sample("c/stretch", str(folder / "whole.wav"), start=start, end=start + len(clip) / RATE, **facts)
    return stretch, Sample("c/alone", str(folder / "clip.wav"), **facts)


def test_it_is_cut_where_its_times_say(pair):
    stretch, alone = pair
    expected = read(alone.path).signal
    np.testing.assert_array_equal(read_stretch(stretch), expected)
    np.testing.assert_array_equal(read_stretch(alone), expected)
    start, end = bounds(stretch, RATE)
    assert end - start == len(expected)
    # Rounded, not cut off: int() would begin a sample early.
    assert bounds(Sample("a", "a", start=0.29, end=0.57), 100) == (29, 57)


def test_nothing_behind_its_end_is_decoded(pair):
    stretch, _ = pair
    early = replace(stretch, start=0.0, end=0.5)
    assert sum(map(len, stretch_blocks(early))) == RATE // 2


def test_an_end_behind_the_recording_is_its_end_and_a_start_behind_it_an_error(pair):
    stretch, alone = pair
    np.testing.assert_array_equal(read_stretch(replace(alone, end=99.0)), read(alone.path).signal)
    with pytest.raises(AudioError, match=r"whole.wav: is \d+\.\d\d s long and ends before c/stretch starts, at 99 s"):
        read_stretch(replace(stretch, start=99.0, end=None))


def test_a_recogniser_and_its_baselines(pair):
    from affekt import Recognizer
    from affekt.evaluate.speakers import baselines_of_samples

    recognizer = Recognizer()
    found, expected = (recognizer.analyse(sample) for sample in pair)
    assert (found.summary, found.duration) == (expected.summary, expected.duration)
    assert found.source == pair[0].path
    known = baselines_of_samples(recognizer, [replace(p, label="neutral") for p in pair], "neutral")
    one, other = (known[sample.id].baseline for sample in pair)
    np.testing.assert_array_equal(one.mean, other.mean)


def test_evaluate(pair):
    from affekt import Recognizer
    from affekt.evaluate.answers import answer

    answers = answer(Recognizer(), [*pair, replace(pair[0], id="c/late", start=99.0, end=None)])
    assert answers.summaries[0] == answers.summaries[1]
    assert answers.samples[0].meta["duration"] == answers.samples[1].meta["duration"]
    assert [failure.source for failure in answers.failures] == [pair[0].path]


def test_calibrate(pair):
    from affekt import Recognizer
    from affekt.evaluate.calibrate import clean_logits

    clips, failures = clean_logits(Recognizer(), pair)
    assert not failures
    np.testing.assert_array_equal(clips.recordings[0].logits, clips.recordings[1].logits)


def test_stress(pair):
    from affekt import Recognizer
    from affekt.evaluate.corpus import TestSet
    from affekt.evaluate.stress import StressOptions, stress

    other = replace(pair[1], id="c/other", label="sad")
    options = StressOptions(conditions=("gain",), clips=2)
    one, alone = (stress(Recognizer(), [TestSet("folder", (sample, other))], options).stress for sample in pair)
    assert one == alone


@pytest.mark.parametrize("kind", ["usual-180", "log-mel-128"])
def test_features(pair, kind, tmp_path):
    from affekt.speech.feature_sets import feature_of

    one, other = (feature_of(sample, kind, cache=tmp_path) for sample in pair)
    np.testing.assert_array_equal(one, other)


def test_the_clips_of_the_voice_model(pair, tmp_path):
    from affekt.train.voice.clips import load_clips

    clips = load_clips([*pair, replace(pair[0], end=None)], tmp_path)
    np.testing.assert_array_equal(clips[0], clips[1])
    assert len(clips[2]) > len(clips[0])
    # Another stretch of the same file is another entry of the cache.
    assert len(load_clips([replace(pair[0], end=pair[0].start + 0.5)], tmp_path)[0]) == RATE // 2


def test_the_lab(pair, tmp_path):
    pytest.importorskip("torch")
    from affekt.train.lab.material import load_material
    from affekt.train.recipe import load_recipe

    experiment = load_recipe("ravdess-dnn180")
    experiment = replace(experiment, inputs=replace(experiment.inputs, sampling_rate=RATE, skip=0.0))
    material = load_material(experiment, pair, tmp_path, tick=lambda: None)
    np.testing.assert_array_equal(material.inputs[0, 0], material.inputs[0, 1])


def test_explore_and_the_audit(pair):
    from affekt.data.explore import _Reader
    from affekt.data.near_duplicates import evidence_of

    reader = _Reader()
    np.testing.assert_array_equal(*(reader.signal(sample) for sample in pair))
    with pytest.raises(AudioError, match="ends before c/stretch starts, at 99 s"):
        evidence_of([replace(pair[0], start=99.0, end=None)])
    evidence = evidence_of(pair)
    assert evidence.hashes["c/stretch"] == evidence.hashes["c/alone"]
