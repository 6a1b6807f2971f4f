"""What once failed is read whenever the tests run, with a few new damaged files; ``make fuzz`` reads thousands."""

import sys

import pytest

pytest.importorskip("resource", reason="limits of processes are POSIX's")

from .fuzz import CHECKS, KEPT, SEEDS, case, check, findings

PAST = sorted(path for path in KEPT.iterdir() if path.is_file())


@pytest.mark.parametrize("path", PAST, ids=lambda path: path.name)
def test_what_once_failed_is_refused_in_words(path, tmp_path, capfd):
    check(path.name.partition("-")[0], path.suffix[1:], path.read_bytes(), tmp_path)
    assert capfd.readouterr().out == ""  # decoders print nothing to where results go


@pytest.mark.parametrize("kind", CHECKS)
def test_damaged_files_are_refused_in_words(kind, tmp_path):
    for number in range({"sounds": 150, "pictures": 150, "videos": 60}.get(kind, 20)):
        check(kind, *case(kind, number, 1), tmp_path)


@pytest.mark.parametrize(("kind", "least"), [("sounds", 20), ("pictures", 14), ("videos", 10)])
def test_the_seeds_are_whole_and_of_many_kinds(kind, least, tmp_path):
    assert len(SEEDS[kind]()) >= least
    for name, data in SEEDS[kind]().items():
        check(kind, name.rpartition(".")[2], data, tmp_path)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no limit of address space")
def test_workers_go_through_all_numbers():
    assert findings("sounds", 5, 2) == {}
