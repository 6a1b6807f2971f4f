"""Faces through the door: the models that ship, on a picture and a video made in the test from no one's face."""

import json
import subprocess
import sys

import numpy as np
import pytest

import affekt
from affekt.errors import InputError
from affekt.recognize.modalities import MODALITIES, modality


def run(*args):
    command = [sys.executable, "-m", "affekt", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A picture without a face."""
    Image = pytest.importorskip("PIL.Image")
    path = tmp_path_factory.mktemp("pictures") / "wall.png"
    noise = np.random.default_rng(0).integers(90, 110, (120, 160, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def test_a_picture_without_a_face_has_no_answer(empty):
    recognizer = affekt.Recognizer("face")
    result = recognizer.analyse(str(empty))
    assert (result.predictions, result.duration, result.model, result.baseline) == ((), 0.0, "face", "none")
    assert result.summary.modality == "face"
    assert "no face" in run("predict", empty).stdout
    assert recognizer.labels == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert recognizer.predict(np.zeros((50, 50, 3), np.uint8)) == []


def test_what_faces_lack_is_refused_in_a_sentence():
    recognizer = affekt.Recognizer("face")
    with pytest.raises(InputError, match="speaker baselines are for speech; face is a model of face"):
        recognizer.with_baseline(running=True)
    with pytest.raises(InputError, match="channels and tracks are for sound"):
        recognizer.reading(channel="each")
    with pytest.raises(InputError, match="sampling_rate is not for a stream of face"):
        recognizer.stream(sampling_rate=16_000)
    with pytest.raises(InputError, match="options are StreamOptions; face is a model of face: FaceOptions"):
        affekt.Recognizer("face", options=affekt.LIVE)


def test_pictures_choose_the_model_of_faces_and_a_mixture_asks(empty, clips):
    done = run("predict", empty, "--format", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["results"][0]["model"] == "face"
    done = run("predict", empty, clips[0])
    assert done.returncode == 2 and "1 of 2 files are pictures" in done.stderr
    done = run("predict", empty, "--one-speaker")
    assert done.returncode == 2 and "speaker baselines are for speech" in done.stderr


@pytest.mark.parametrize("name", ["face", "detector"])
def test_the_card_of_each_model_is_shown(name):
    done = run("info", name)
    assert done.returncode == 0 and "takes " in done.stdout.lower() and "limit" in done.stdout


def test_the_row_of_faces_is_whole():
    row = modality("face")
    assert {"jpg", "png", "mp4"} <= row.load("extensions")
    assert row.ships == ("face", "detector") and not row.channels
    assert set(MODALITIES) == {"speech", "face", "text", "fusion"}


def test_options_of_faces_are_refused_for_sound_and_broken_pictures_fail_like_recordings(clips, tmp_path):
    sound = str(next(iter(clips)))
    for words in (("--smoothing", "0"), ("--annotate", tmp_path / "a.png")):
        done = run("predict", sound, *words)
        assert done.returncode == 2
        assert f"{words[0]} is for faces, and {sound} is sound" in done.stderr
    (tmp_path / "a.jpg").write_text("hello")
    assert run("predict", tmp_path / "a.jpg").returncode == 1
