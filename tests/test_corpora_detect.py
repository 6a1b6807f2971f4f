"""Which corpus a folder holds, by the names of its files."""

import pytest
from click.testing import CliRunner

from affekt.cli import main
from affekt.corpora import CORPORA, OWN
from affekt.corpora.detect import detect_corpus
from affekt.errors import CorpusError


def touched(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("name", sorted(set(CORPORA) - set(OWN) - {"fer2013"}))
def test_a_published_corpus_is_found_by_its_names(tmp_path, name):
    named = {"ravdess": "03-01-08-01-01-01-12.wav", "savee": "DC_a01.wav"}
    assert detect_corpus(touched(tmp_path, named.get(name, CORPORA[name].example))) == name


def test_names_that_two_corpora_use_decide_nothing(tmp_path):
    with pytest.raises(CorpusError, match=r"banglaser \(100 % of the names\), ravdess"):
        detect_corpus(touched(tmp_path, "03-01-05-01-01-01-12.wav"))


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["labels.csv", "a.wav"], "folder"),
        (["angry/a.wav", "sad/b.wav"], "folder"),
        (["angry/a.png"], "folder"),
        (["fer2013.csv"], "fer2013"),
        (["db.yaml", "audio/a.wav"], "audformat"),
        (["talks/a.wav", "talks/a.eaf"], "elan"),
        (["a.wav", "a.TextGrid"], "textgrid"),
        (["a.wav", "b.wav", "all.rttm"], "rttm"),
        (["a.wav", "a.txt"], "audacity"),
    ],
)
def test_your_own_data_are_found_by_what_lies_there(tmp_path, files, name):
    assert detect_corpus(touched(tmp_path, *files)) == name


def test_a_file_says_by_its_name_what_it_is(tmp_path):
    touched(tmp_path, "labels.csv", "a.EAF")
    assert detect_corpus(tmp_path / "labels.csv") == "folder"
    assert detect_corpus(f"{tmp_path / 'a.EAF'}#mood") == "elan"


def test_what_nobody_knows_is_asked_for(tmp_path):
    with pytest.raises(CorpusError, match="neither recordings nor pictures.*--corpus NAME"):
        detect_corpus(tmp_path)
    with pytest.raises(CorpusError, match=r"A name is nothing\.wav"):
        detect_corpus(touched(tmp_path, "nothing.wav"))
    with pytest.raises(CorpusError, match="does not exist"):
        detect_corpus(tmp_path / "nowhere")


def test_explore_finds_out_and_says_so(tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    touched(tmp_path, "03-01-08-01-01-01-12.wav")
    done = CliRunner().invoke(main, ["explore", str(tmp_path), "-o", str(tmp_path / "out")])
    assert "is RAVDESS" in done.stderr
    assert "--corpus ravdess" in done.stderr
    done = CliRunner().invoke(main, ["explore", str(touched(tmp_path / "x", "y.wav")), "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "which corpus is this?" in done.stderr
