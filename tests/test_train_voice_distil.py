"""The stage without labels: what is heard is what is taught, it learns, it resumes, and emotions start from it."""

import dataclasses

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

from affekt.errors import InputError
from affekt.train.recipe import Network, Recipe, Schedule, Teaching, WhisperSizes, recipe_digest
from affekt.train.sources import Sources
from affekt.train.voice.clips import load_clips
from affekt.train.voice.distil import FEATURES, Distillation, distil, lessons_of
from affekt.train.voice.features import Changes
from affekt.train.voice.run import run

from .conftest import speech_like
from .test_train_voice_teacher import random_weights, safetensors

TINY = Recipe(
    corpora=("ravdess",),
    labels=("angry", "calm", "happy", "sad"),
    network=Network(planes=(4, 4), channels=8, dilations=(1,), hidden=4),
    schedule=Schedule(epochs=1, clips=8, batch=8, group=4, seconds=1.0, ways=1),
    distillation=Teaching(steps=30, batch=8, frames=12, ways=1, teacher=WhisperSizes(1, 1, 16, 2, heads=2)),
)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("sound"), np.random.default_rng(0)
    for number, seconds in enumerate((1.3, 2.1, 1.6, 0.4)):
        soundfile.write(folder / f"{number}.wav", speech_like(seconds, rng), 16_000)
    teacher = safetensors(random_weights(), folder / "model.safetensors")
    clips = load_clips(sorted(map(str, folder.glob("*.wav"))), folder / "cache")
    return [clips], Changes(), (teacher,)


def test_the_network_hears_the_stretch_that_the_teacher_heard(given, tmp_path):
    (lesson,) = lessons_of(TINY, given, tmp_path)
    assert len(lesson.taught) == 3, "0.4 s is too short"
    rng = np.random.default_rng(0)
    for clip in range(3):
        heard, taught = lesson.draw(clip, 6, rng)
        assert len(heard) == FEATURES * len(taught) == 48
        whole = lesson.taught.get(clip)
        start = next(i for i in range(len(whole)) if np.array_equal(whole[i : i + 6], taught))
        ways = [lesson.heard.get(clip, way)[start * FEATURES : (start + 6) * FEATURES] for way in range(2)]
        assert any(np.array_equal(way, heard) for way in ways)


def test_changed_clips_keep_their_speed(given, tmp_path):
    (lesson,) = lessons_of(TINY, given, tmp_path)
    sizes = lesson.heard.ends - lesson.heard.starts
    assert lesson.heard.ways == 2
    np.testing.assert_array_equal(sizes[0], sizes[1])


def test_it_learns_the_teachers_frames(given, tmp_path):
    torch.set_num_threads(1)
    distillation = Distillation(TINY, lessons_of(TINY, given, tmp_path))
    errors = [distillation.train_step() for _ in range(30)]
    assert np.mean(errors[-5:]) < 0.9 * np.mean(errors[:5])


def test_a_resumed_run_is_the_same_run_and_a_finished_one_is_opened(given, tmp_path, monkeypatch):
    monkeypatch.setattr("affekt.train.voice.distil.EVERY", 2)
    short = dataclasses.replace(TINY, distillation=dataclasses.replace(TINY.distillation, steps=6))
    wanted = distil(short, given, tmp_path, report=str)
    parts = tmp_path / "parts"
    parts.mkdir()

    def stop(line):
        if "after 4 steps" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distil(short, given, parts, report=stop)
    assert (parts / "distillation.pt").exists() and not (parts / "distilled.pt").exists()
    found = distil(short, given, parts, report=str)
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    lines = []
    again = distil(short, given, parts, report=lines.append)
    assert not lines and all(torch.equal(again[name], value) for name, value in wanted.items())


def test_without_a_teacher_it_says_what_to_add(given, tmp_path):
    with pytest.raises(InputError, match=r"add --teacher FILE .* or set distillation.steps to 0"):
        distil(TINY, (given[0], given[1], ()), tmp_path, report=str)


def test_a_voice_that_was_taught_first_is_another_recipe():
    assert recipe_digest(TINY) != recipe_digest(dataclasses.replace(TINY, distillation=Teaching()))


def test_emotions_are_learned_from_where_the_teacher_left_the_network(given, tmp_path):
    rng = np.random.default_rng(1)
    for actor in ("01", "02", "04", "17", "19"):
        for emotion in ("02", "03", "04", "05"):
            folder = tmp_path / "ravdess" / f"Actor_{actor}"
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"03-01-{emotion}-01-01-01-{actor}.wav", speech_like(1.2, rng), 16_000)
    still = dataclasses.replace(TINY.schedule, learning_rate=1e-12, encoder_rate=1e-12)
    recipe = dataclasses.replace(TINY, schedule=still, distillation=dataclasses.replace(TINY.distillation, steps=2))
    lines = []
    run(recipe, Sources({"ravdess": tmp_path / "ravdess"}, teacher=given[2]), tmp_path / "run", report=lines.append)
    assert any("of their variance unexplained" in line for line in lines)
    taught = torch.load(tmp_path / "run" / "distilled.pt", weights_only=True)
    learned = torch.load(tmp_path / "run" / "best.pt", weights_only=True)
    np.testing.assert_allclose(learned["join.0.weight"], taught["join.0.weight"], atol=1e-6)
