"""What once failed is read whenever the tests run, with a few new damaged files; ``make fuzz`` reads thousands."""

import sys

import pytest

pytest.importorskip("resource", reason="limits of processes are POSIX's")

from .fuzz import CHECKS, KEPT, case, check, findings, sound_seeds

PAST = sorted(path for path in KEPT.iterdir() if path.is_file())


@pytest.mark.parametrize("path", PAST, ids=lambda path: path.name)
def test_what_once_failed_is_refused_in_words(path, tmp_path, capfd):
    check(path.name.partition("-")[0], path.suffix[1:], path.read_bytes(), tmp_path)
    assert capfd.readouterr().out == ""  # decoders print nothing to where results go


@pytest.mark.parametrize("kind", CHECKS)
def test_damaged_files_are_refused_in_words(kind, tmp_path):
    for number in range(150 if kind == "sounds" else 20):
        check(kind, *case(kind, number, 1), tmp_path)


def test_the_seeds_are_sound_in_many_containers(tmp_path):
    assert len(sound_seeds()) >= 20
    for name, data in sound_seeds().items():
        check("sounds", name.rpartition(".")[2], data, tmp_path)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no limit of address space")
def test_workers_go_through_all_numbers():
    assert findings("sounds", 5, 2) == {}
