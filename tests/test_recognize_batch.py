"""Finding recordings, and working through many of them."""

import os
import struct
import time
from collections import Counter

import numpy as np
import pytest
import soundfile

from affekt.recognize.batch import Failure, find_recordings, predict_many
from affekt.recognize.recognizer import Recognizer
from affekt.types import Result


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of empty files, which is also the current one."""
    for name in (
        "b.wav",
        "a.mp3",
        "C.FLAC",
        "notes.txt",
        "._b.wav",
        "no-extension",
        "wav",
        "deep/d.m4a",
        "deep/er/e.ogg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_gives_its_recordings_sorted_and_nothing_else(folder):
    assert find_recordings(["."]) == (["./C.FLAC", "./a.mp3", "./b.wav"], [])
    assert find_recordings([str(folder)])[0] == [str(folder / name) for name in ("C.FLAC", "a.mp3", "b.wav")]


def test_recursive_looks_into_the_folders_of_a_folder(folder):
    left_out = Counter()
    found, failures = find_recordings(["."], recursive=True, left_out=left_out)
    assert left_out[".txt"] == 1 and ".wav" not in left_out
    assert found == ["./C.FLAC", "./a.mp3", "./b.wav", "./deep/d.m4a", "./deep/er/e.ogg"]
    assert not failures


def test_a_file_is_taken_whatever_its_name_and_missing_ones_are_left_to_the_reader(folder):
    assert find_recordings(["notes.txt", "no-extension", "gone.wav"]) == (["notes.txt", "no-extension", "gone.wav"], [])


def test_order_is_as_named_and_each_comes_once(folder):
    names = ["b.wav", "-", "a.mp3", "./b.wav", str(folder / "b.wav"), "-", ".", "./-"]
    assert find_recordings(names) == (["b.wav", "-", "a.mp3", "./C.FLAC", "./-"], [])


def test_patterns(folder):
    assert find_recordings(["*.wav"]) == (["b.wav"], [])
    assert find_recordings(["deep/**/*.ogg"])[0] == ["deep/er/e.ogg"]
    assert find_recordings(["d*p"])[0] == ["deep/d.m4a"]
    assert find_recordings(["x*.wav"]) == ([], [Failure("x*.wav", "no file matches this pattern.")])


def test_a_name_that_looks_like_a_pattern_is_a_name_if_there_is_such_a_file(folder):
    (folder / "take[1].wav").touch()
    (folder / "take1.wav").touch()
    assert find_recordings(["take[1].wav"])[0] == ["take[1].wav"]


def test_a_folder_without_recordings_says_what_it_looked_for(folder):
    (folder / "empty" / "sub").mkdir(parents=True)
    (folder / "empty" / "sub" / "a.wav").touch()
    (failure,) = find_recordings(["empty", "b.wav"])[1]
    assert failure.source == "empty"
    assert failure.reason.startswith("holds no recordings (3g2, 3gp, ")
    assert failure.reason.endswith("--recursive does.")
    assert find_recordings(["empty"], recursive=True) == (["empty/sub/a.wav"], [])


def test_links_that_go_round_in_circles_end(folder):
    (folder / "deep" / "back").symlink_to("..")
    (folder / "self.wav").symlink_to("self.wav")
    found, failures = find_recordings(["."], recursive=True)
    assert found.count("./b.wav") == 1
    assert "./self.wav" in found
    assert len(found) == 6
    assert not failures


def test_names_of_any_bytes(folder):
    name = os.fsdecode(b"x\xff\n .wav")
    (folder / name).touch()
    assert find_recordings(["."])[0][-1] == f"./{name}"


@pytest.fixture
def mixed(tmp_path, clips):
    """Six recordings of different lengths; the third is missing, the fifth is text."""
    sources = []
    for i, path in enumerate(clips[:6]):
        signal, rate = soundfile.read(path)
        target = tmp_path / f"{i}.wav"
        if i == 4:
            target.write_text("no sound\n" * 100)
        elif i != 2:
            soundfile.write(target, np.tile(signal, 1 + (5 - i) % 3), rate)
        sources.append(str(target))
    return sources


def test_order_is_kept_failures_stay_in_place_and_threads_change_nothing(recognizer, mixed):
    alone = list(predict_many(recognizer, mixed, jobs=1))
    assert [type(outcome) for outcome in alone] == [Result, Result, Failure, Result, Failure, Result]
    assert [outcome.source for outcome in alone] == mixed
    assert alone[2].reason == "no such file."
    assert alone[4].reason.startswith("is not a recording that can be read")
    assert sum(len(outcome.predictions) for outcome in alone if isinstance(outcome, Result)) >= 4
    assert list(predict_many(recognizer, mixed, jobs=4)) == alone


def test_sources_are_taken_no_faster_than_they_are_worked_on(recognizer, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16_000)
    taken = []

    def endless():
        while True:
            taken.append(0)
            yield str(tmp_path / "a.wav")

    results = predict_many(recognizer, endless(), jobs=2)
    for _ in range(3):
        assert isinstance(next(results), Result)
    results.close()
    assert len(taken) < 12


def test_what_nobody_waits_for_is_not_finished(recognizer, tmp_path):
    soundfile.write(tmp_path / "short.wav", np.zeros(1600), 16_000)
    hours = tmp_path / "hours.wav"
    size = 12 * 3600 * 32_000
    fmt = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16, b"data", size)
    with hours.open("wb") as file:  # twelve hours of silence that take no room on the disk
        file.write(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVE" + fmt)
        file.truncate(44 + size)
    results = predict_many(recognizer, [str(tmp_path / "short.wav"), *[str(hours)] * 9], jobs=3)
    # The first result comes when the ninth source is asked for: meanwhile three long ones have begun.
    started = time.perf_counter()
    assert next(results).source.endswith("short.wav")
    results.close()
    # One of them would take about 20 s.
    assert time.perf_counter() - started < 5
