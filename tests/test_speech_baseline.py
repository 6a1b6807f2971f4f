"""Knowing the speaker: what is accumulator, who speaks where, and that the model is told."""

import json
import subprocess
import sys

import numpy as np
import pytest

from affekt.errors import InputError, UnknownName
from affekt.evaluate.answers import answer
from affekt.evaluate.speakers import baselines_of_recordings, baselines_of_samples, speakers_of
from affekt.recognize.recognizer import Recognizer
from affekt.speech.activity import ActivityOptions
from affekt.speech.audio import read
from affekt.speech.baseline import LEAST_SECONDS, Accumulator, Baseline
from affekt.speech.stream import StreamOptions
from affekt.types import Sample

from .conftest import EXAMPLES


@pytest.fixture(scope="module")
def clips():
    """Names of the committed recordings."""
    return [str(path) for path in sorted(EXAMPLES.glob("*.wav"))]


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer("voice")


@pytest.fixture(scope="module")
def told(recognizer, clips):
    return recognizer.adapt([clips[0], clips[2]])


def scores(predictions):
    return np.array([list(p.scores.values()) for p in predictions])


def test_regions_count_by_their_length():
    one, other = Accumulator(), Accumulator()
    one.add(np.zeros((4, 2)), 1.0)
    other.add(np.full((9, 2), 4.0), 3.0)
    one.join(other)
    found = one.baseline("neutral")
    assert found.seconds == 4
    np.testing.assert_allclose(found.mean, [3, 3])
    np.testing.assert_allclose(found.row, [2, 3, 3])


def test_too_little_is_no_baseline():
    heard = Accumulator()
    assert heard.baseline() is None
    heard.add(np.ones((1, 2)), 1.5)
    assert heard.baseline() is None
    assert heard.baseline("neutral").kind == "neutral"
    heard.add(np.ones((1, 2)), LEAST_SECONDS["any"])
    assert heard.baseline().kind == "any"


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="allowed: any, neutral"):
        Baseline("sad", np.zeros(2), 1.0)


def test_a_reference_changes_the_answer_and_says_so(recognizer, told, clips):
    plain, known = recognizer.analyse(clips[4]), told.analyse(clips[4])
    assert (plain.baseline, known.baseline) == ("none", "neutral")
    assert abs(scores(plain.predictions) - scores(known.predictions)).max() > 1e-4
    assert recognizer.analyse(clips[4]).predictions == plain.predictions


def test_the_order_of_the_references_does_not_matter(recognizer, told, clips):
    np.testing.assert_allclose(recognizer.adapt([clips[2], clips[0]]).baseline.mean, told.baseline.mean, atol=1e-9)


def test_a_reference_needs_speech(recognizer):
    with pytest.raises(InputError, match="give 1 s or more"):
        recognizer.adapt((np.zeros(160_000, np.float32), 16_000))
    with pytest.raises(InputError, match="give 8 s or more"):
        recognizer.adapt((np.zeros(160_000, np.float32), 16_000), kind="any")


def test_the_running_baseline_begins_when_enough_was_heard(recognizer, clips):
    quiet = np.zeros(32_000, np.float32)
    parts = [part for clip in clips[:8] for part in (read(clip).signal, quiet)]
    signal = np.concatenate(parts)
    plain = recognizer.predict((signal, 16_000))
    running = recognizer.with_baseline(running=True).analyse((signal, 16_000))
    assert running.baseline == "running"
    assert scores(plain[:1]).tolist() == scores(running.predictions[:1]).tolist()
    assert abs(scores(plain[-1:]) - scores(running.predictions[-1:])).max() > 1e-4


@pytest.mark.parametrize("block", [0.4, 0.8, 5.0])
def test_a_running_baseline_is_the_same_however_the_signal_is_cut(clips, block):
    signal = np.concatenate([part for clip in clips[:6] for part in (read(clip).signal, np.zeros(16_000, np.float32))])
    options = StreamOptions(block=block, activity=ActivityOptions(block=0.4))
    recognizer = Recognizer("voice", options=options).with_baseline(running=True)
    whole = recognizer.predict((signal, 16_000))
    stream, found = recognizer.stream(), []
    for start in range(0, len(signal), 3_777):
        found += stream.feed(signal[start : start + 3_777])
    found += stream.flush()
    assert found == whole


def test_speakers_from_a_name():
    paths = ["a/ann_1.wav", "a/ann_2.wav", "a/ben_1.wav", "a/other.wav"]
    assert speakers_of(paths, "{speaker}_*.wav") == {paths[0]: "ann", paths[1]: "ann", paths[2]: "ben"}
    assert speakers_of(["x/ann/1.wav", "x/ben/2.wav"], "{speaker}/*") == {"x/ann/1.wav": "ann", "x/ben/2.wav": "ben"}
    assert speakers_of(["03-01-05-01-01-01-23.wav"], "*-{speaker}.wav") == {"03-01-05-01-01-01-23.wav": "23"}


def test_a_name_is_no_regular_expression():
    assert speakers_of(["a.b_1.wav"], "{speaker}.b_*.wav") == {"a.b_1.wav": "a"}
    with pytest.raises(InputError, match="none of 1 recordings"):
        speakers_of(["axb_1.wav"], "{speaker}.b_*.wav")


def test_speakers_from_a_table(tmp_path):
    (tmp_path / "who.csv").write_text("path,name\n1.wav,ann\nsub/2.wav,ben\n3.wav,\n")
    paths = [str(tmp_path / name) for name in ("1.wav", "sub/2.wav", "3.wav", "4.wav")]
    assert speakers_of(paths, f"{tmp_path / 'who.csv'}:name") == {paths[0]: "ann", paths[1]: "ben"}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("ann", "give a name with {speaker}"),
        ("{speaker}_{speaker}", "may stand there once"),
        ("nowhere.csv:name", "cannot be read"),
    ],
)
def test_speakers_from_nonsense(how, said):
    with pytest.raises(InputError) as caught:
        speakers_of(["a.wav"], how)
    assert said in str(caught.value)


def test_a_table_without_the_column_names_those_it_has(tmp_path):
    (tmp_path / "who.csv").write_text("path,name\n1.wav,ann\n")
    with pytest.raises(InputError, match="has the columns path, name; needed: speaker"):
        speakers_of(["1.wav"], f"{tmp_path / 'who.csv'}:speaker")


def test_a_recording_is_compared_with_the_others_of_its_speaker_alone(recognizer, clips):
    own = [*clips[1::2], clips[0]]  # eight seconds of others are left to each
    known = baselines_of_recordings(recognizer, {**dict.fromkeys(own, "a"), clips[2]: "b", "missing.wav": "a"})
    assert set(known) == set(own)
    np.testing.assert_allclose(known[clips[0]].baseline.mean, recognizer.adapt(clips[1::2], kind="any").baseline.mean)


def samples_of(clips):
    # In the names: the third number is the emotion (01 neutral), the last the speaker.
    fields = [(clip, clip.rsplit("/", 1)[-1].removesuffix(".wav").split("-")) for clip in clips]
    return [
        Sample(f"x/{f[6]}-{i}", clip, label="neutral" if f[2] == "01" else "angry", speaker=f[6], corpus="x")
        for i, (clip, f) in enumerate(fields)
    ]


def test_the_neutral_way_uses_neutral_clips_only(recognizer, clips):
    samples = samples_of(clips)
    known = baselines_of_samples(recognizer, samples, "neutral")
    neutral = {s.speaker: s.path for s in samples if s.label == "neutral"}
    assert known
    assert not set(known) & set(neutral.values())  # there is one each, which has no other
    for sample in samples:
        if sample.path in known:
            alone = recognizer.adapt(neutral[sample.speaker])
            np.testing.assert_allclose(known[sample.path].baseline.mean, alone.baseline.mean)


def test_the_running_way_knows_what_came_before_and_nothing_at_first(recognizer, clips):
    samples = samples_of(clips)
    known, both = (baselines_of_samples(recognizer, samples, way) for way in ("running", "any"))
    assert len(both) == len(samples)
    assert 0 < len(known) < len(both)
    assert all(known[path].baseline.seconds <= both[path].baseline.seconds for path in known)


def test_a_way_that_does_not_exist_is_refused(recognizer, clips):
    with pytest.raises(UnknownName, match="neutral"):
        baselines_of_samples(recognizer, samples_of(clips[:1]), "neutrl")


def test_who_must_be_heard_first_is_counted_twice(recognizer, clips):
    """A bar of progress that stands still for half of the time looks like a program that hangs."""
    for baseline, passes in {"none": 1, "any": 2}.items():
        ticks: list[int] = []
        answer(recognizer, samples_of(clips[:2]), tick=lambda ticks=ticks: ticks.append(1), baseline=baseline)
        assert len(ticks) == 2 * passes


def run(*arguments):
    command = [sys.executable, "-m", "affekt", "predict", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_says_what_was_known_of_the_speaker(clips):
    done = run(clips[2], "--format", "json", "--reference", clips[0])
    assert json.loads(done.stdout)["results"][0]["baseline"] == "neutral"
    # All twelve as of one speaker, by the first number of their names: two speakers have too little to be known by.
    done = run(*clips, "--format", "json", "--speaker-from", "{speaker}-01-*.wav")
    assert {result["baseline"] for result in json.loads(done.stdout)["results"]} == {"any"}


def test_who_says_too_little_stays_unknown_and_the_command_says_so(clips):
    done = run(clips[2], "--format", "json", "--one-speaker")
    assert json.loads(done.stdout)["results"][0]["baseline"] == "none"
    assert "--one-speaker compares with what came before, from 8 s of speech on; some hold less." in done.stderr


def test_a_reference_that_is_not_there_is_an_error_of_the_command(clips):
    done = run(clips[2], "--reference", "nowhere.wav")
    assert done.returncode == 2
    assert "--reference nowhere.wav: no such file" in done.stderr
    done = run(clips[2], "--speaker-from", "nowhere.csv:who")
    assert done.returncode == 2
    assert "nowhere.csv: cannot be read (No such file or directory). Give a table in CSV." in done.stderr


def test_two_ways_to_know_a_speaker_are_one_too_many(clips):
    done = run(clips[2], "--one-speaker", "--reference", clips[0])
    assert done.returncode == 2
    assert "give one" in done.stderr


def test_a_model_that_cannot_be_told_says_which_can(clips, tmp_path):
    pytest.importorskip("onnx")
    from .test_models_onnx import tiny

    deaf = tmp_path / "deaf.onnx"
    deaf.write_bytes(tiny().SerializeToString())
    for use in (lambda plain: plain.adapt(clips[0]), lambda plain: plain.with_baseline(running=True)):
        with pytest.raises(InputError, match="tiny takes no speaker baseline; voice does"):
            use(Recognizer(deaf))
    done = run(clips[2], "--model", str(deaf), "--one-speaker")
    assert done.returncode == 2
    assert "voice does" in done.stderr
