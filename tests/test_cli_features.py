"""``affekt features``: what a user types, and what is written."""

import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from affekt.cli import main


@pytest.fixture
def affekt():
    return lambda *arguments: CliRunner().invoke(main, ["features", *map(str, arguments)])


def test_a_table_goes_to_standard_output(affekt, clips):
    done = affekt(clips[0], "--set", "mfcc")
    header, row = done.stdout.splitlines()
    assert done.exit_code == 0, done.stderr
    assert header.startswith("path,start,end,mfcc_0_mean,") and row.startswith(str(clips[0]))


@pytest.mark.parametrize("name", ["a.csv", "a.npz", "a.parquet"])
def test_the_name_of_the_file_says_its_format(name, affekt, clips, tmp_path):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    done = affekt(clips[0], "--set", "mfcc", "--frames", "-o", tmp_path / name)
    assert done.exit_code == 0, done.stderr
    assert "rows, 40 features" in done.stderr
    start = {"csv": b"path", "npz": b"PK", "parquet": b"PAR1"}[name[2:]]
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_corpus_brings_labels_and_speakers(affekt, clips, tmp_path):
    for path in clips[:2]:
        shutil.copy(path, tmp_path)
    done = affekt("--corpus", f"ravdess={tmp_path}", "--set", "mfcc", "-o", tmp_path / "a.npz")
    assert done.exit_code == 0, done.stderr
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["label"].tolist() == ["neutral", "neutral"] and arrays["speaker"].tolist() == ["23", "24"]


def test_one_that_fails_is_named_and_the_others_are_written(affekt, clips, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    shutil.copy(clips[0], tmp_path / "fine.wav")
    done = affekt(tmp_path, "--set", "mfcc")
    assert done.exit_code == 1
    assert "broken.wav" in done.stderr and "1 of 2 inputs failed; the others were written." in done.stderr
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "Missing argument 'PATH...'"),
        (["CLIP", "--set", "mfc"], "did you mean 'mfcc'"),
        (["CLIP", "--format", "npz"], "say where to write it: -o FILE.npz"),
        (["CLIP", "-o", "FOLDER"], "is a folder; give a file in it"),
        (["CLIP", "-o", "FOLDER/no/a.csv"], "there is no folder"),
        (["CLIP", "-o", "CLIP"], "is one of the recordings"),
        (["CLIP", "--channel", "middle"], "allowed: mix, left, right, each"),
        (["CLIP", "--sampling-rate", "5"], "5"),
        (["CLIP", "--corpus", "ravdess=EXAMPLES"], "give paths, or --corpus"),
        (["CLIP", "--set", "embedding", "--model", "text"], "text"),
    ],
)
def test_what_is_wrong_with_a_command_is_said(arguments, error, affekt, clips, tmp_path):
    words = {"CLIP": str(clips[0]), "FOLDER": str(tmp_path), "EXAMPLES": str(clips[0].parent)}
    for name, text in words.items():
        arguments = [argument.replace(name, text) for argument in arguments]
    done = affekt(*arguments)
    assert done.exit_code == 2 and error in done.stderr and "Traceback" not in done.stderr


def test_parquet_without_pyarrow_says_what_to_install(affekt, clips, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    done = affekt(clips[0], "-o", tmp_path / "a.parquet")
    assert done.exit_code == 2 and "pip install '.[parquet]'" in done.stderr
