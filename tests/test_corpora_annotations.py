"""Truth from annotation files: ELAN, TextGrid, Audacity labels, RTTM, audformat; each made here."""

import io
import os

import numpy as np
import pytest
import soundfile

from affekt.corpora import CORPORA, corpus_name, read_corpus
from affekt.corpora.annotations import chosen_tiers
from affekt.errors import CorpusError, UnknownName
from affekt.types import Prediction, Result
from affekt.write.predictions import WRITERS

TRUTH = [("happy", 0.0, 1.0), ("sad", 1.5, 2.5)]


def recording(path, seconds=3.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(16000 * seconds), np.float32), 16000)
    return path


def result(who=None):
    scores = {"happy": {"happy": 0.8, "sad": 0.2}, "sad": {"happy": 0.1, "sad": 0.9}}
    parts = tuple(Prediction(a, b, scores[label], who=who) for label, a, b in TRUTH)
    return Result("a.wav", 3.0, parts, parts[0], "voice-1", ("happy", "sad"))


def written(folder, form, suffix, who=None):
    """A file as affekt writes it, beside its recording."""
    recording(folder / "a.wav")
    text = io.StringIO()
    WRITERS[form]([result(who)], text)
    (folder / f"a{suffix}").write_text(text.getvalue(), encoding="utf-8")
    return folder


FORMS = {"elan": ".eaf", "textgrid": ".TextGrid", "audacity": ".txt", "rttm": ".rttm"}


@pytest.fixture
def packages():
    pytest.importorskip("pympi")
    pytest.importorskip("praatio")


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("who", [None, "Ann"])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_is_read_back_as_truth(tmp_path, form, who):
    reading = read_corpus(form, written(tmp_path, form, FORMS[form], who))
    found = [(s.label, s.start, s.end) for s in reading.samples]
    assert found == TRUTH
    assert {s.speaker for s in reading.samples} == {who}
    assert {s.path for s in reading.samples} == {str(tmp_path / "a.wav")}
    assert len({s.id for s in reading.samples}) == 2
    if form in ("elan", "textgrid"):  # the others have no mark of who wrote them
        assert "look like predictions" in reading.warnings[0] and FORMS[form] in reading.warnings[0]


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_none_of_the_format_is_a_clear_error(tmp_path, form):
    recording(tmp_path / "a.wav")
    (tmp_path / f"a{FORMS[form]}").write_text("nothing of the kind\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"a\.|no emotion"):
        read_corpus(form, tmp_path)
    with pytest.raises(CorpusError, match="does not exist"):
        read_corpus(form, tmp_path / "nowhere")
    os.remove(tmp_path / f"a{FORMS[form]}")
    with pytest.raises(CorpusError, match="holds no"):
        read_corpus(form, tmp_path)


@pytest.mark.usefixtures("packages")
def test_an_annotation_file_without_its_recording_says_where_to_put_it(tmp_path):
    os.remove(written(tmp_path, "elan", ".eaf") / "a.wav")
    with pytest.raises(CorpusError, match=r"Put a\.wav into the same folder"):
        read_corpus("elan", tmp_path)


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="{version}"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/talks/talk.wav" MIME_TYPE="audio/x-wav" RELATIVE_MEDIA_URL="../talk.wav"/>
</HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1000"/></TIME_ORDER>
{tiers}
<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="x" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""
TIER = """<TIER LINGUISTIC_TYPE_REF="x" PARTICIPANT="{who}" TIER_ID="{name}"><ANNOTATION><ALIGNABLE_ANNOTATION
 ANNOTATION_ID="{id}" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>{text}</ANNOTATION_VALUE>
</ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"""


def eaf(folder, *tiers, version="3.0"):
    recording(folder / "talk.wav")
    parts = [TIER.format(who=who, name=name, text=text, id=f"a{i}") for i, (name, who, text) in enumerate(tiers, 1)]
    (folder / "session.eaf").write_text(EAF.format(tiers="".join(parts), version=version), encoding="utf-8")
    return folder


@pytest.mark.usefixtures("packages")
def test_elan_participants_speak_and_the_recording_is_the_one_named(tmp_path):
    folder = eaf(tmp_path, ("words", "Ann", "hello"), ("Emotion", "Ann", "Anger"))
    [sample] = read_corpus("elan", folder).samples
    assert (sample.label, sample.speaker, sample.start, sample.end) == ("angry", "Ann", 0.0, 1.0)
    assert sample.path == str(tmp_path / "talk.wav")


@pytest.mark.usefixtures("packages")
def test_an_elan_file_without_tiers_or_with_unclear_ones_is_a_clear_error(tmp_path):
    with pytest.raises(CorpusError, match="no tiers"):
        read_corpus("elan", eaf(tmp_path))
    folder = eaf(tmp_path, ("mood", "Ann", "sad"), ("words", "Ann", "hello"))
    with pytest.raises(CorpusError, match=r"'mood', 'words'.*PATH#TIER"):
        read_corpus("elan", folder)
    with pytest.raises(CorpusError, match="no tier 'feeling'"):
        read_corpus("elan", f"{folder}#feeling")
    [sample] = read_corpus("elan", f"{folder}#Mood").samples
    assert sample.label == "sad"
    assert len(read_corpus("elan", f"{folder}#*").samples) == 1  # one stretch of one speaker is one sample


@pytest.mark.usefixtures("packages")
def test_an_elan_file_of_an_old_version_is_read(tmp_path):
    assert len(read_corpus("elan", eaf(tmp_path, ("emotion", "", "sad"), version="2.6")).samples) == 1


@pytest.mark.usefixtures("packages")
def test_a_textgrid_in_utf_16_and_short_form_is_read(tmp_path):
    recording(tmp_path / "a.wav")
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "3", "<exists>", "1"]
    lines += ['"IntervalTier"', '"emotion"', "0", "3", "2", "0", "1", '"Freude"', "1", "3", '""']
    (tmp_path / "a.TextGrid").write_bytes("\n".join(lines).encode("utf-16"))
    [sample] = read_corpus("textgrid", tmp_path / "a.TextGrid").samples
    assert (sample.label, sample.start, sample.end) == ("freude", 0.0, 1.0)


def test_audacity_points_and_silence_are_no_truth(tmp_path):
    recording(tmp_path / "a.wav")
    lines = ["0,5\t1,5\tBen: angry", "\\\t100\t200", "2.0\t2.0\tsad", "2.1\t2.5\tunsure", "2.6\t2.9\tsad"]
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    found = [(s.label, s.speaker, s.start) for s in read_corpus("audacity", tmp_path).samples]
    assert found == [("angry", "Ben", 0.5), ("sad", None, 2.6)]


def test_rttm_of_a_diarisation_has_no_emotion(tmp_path):
    recording(tmp_path / "a.wav")
    (tmp_path / "a.rttm").write_text("SPEAKER a 1 0.0 1.0 <NA> <NA> spk1 <NA> <NA>\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"no emotion in it \(spk1\)"):
        read_corpus("rttm", tmp_path)
    (tmp_path / "a.rttm").write_text("SPEAKER a 1 zero 1.0\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="line 1"):
        read_corpus("rttm", tmp_path)


def test_tiers_of_several_kinds_of_emotion_are_not_mixed():
    with pytest.raises(CorpusError, match="voice emotion"):
        chosen_tiers({"voice emotion": (), "face emotion": ()})
    assert chosen_tiers({"emotion": (), "face emotion": ()}) == ["emotion"]


def test_corpora_are_found_in_any_case_and_the_near_match_is_said(tmp_path):
    assert {corpus_name(name.upper().replace("_", "-")) for name in CORPORA} == set(CORPORA)
    with pytest.raises(UnknownName, match="did you mean 'ravdess'"):
        read_corpus("RAVDES", tmp_path)


# --- audformat


def database(folder, *, column="emotion", tables=("emotion",), splits=False, form="csv"):
    audformat = pytest.importorskip("audformat")
    made = audformat.Database("own", source="test", usage="research")
    made.schemes["emotion"] = audformat.Scheme(labels=["anger", "happiness"])
    made.schemes["speaker"] = audformat.Scheme(labels={"ann": {"gender": "female"}, "bob": {"gender": "male"}})
    for number, name in enumerate(tables):
        files = [f"audio/{number}.wav"] * 2
        recording(folder / files[0])
        if splits:
            made.splits[name] = audformat.Split(type=("train", "test")[number])
        index = audformat.segmented_index(files, ["0s", "1s"], ["1s", None])
        made[name] = audformat.Table(index, split_id=name if splits else None)
        made[name][column] = audformat.Column(scheme_id="emotion")
        made[name][column].set(["anger", "happiness"])
    everything = [f"audio/{number}.wav" for number in range(len(tables))]
    made["files"] = audformat.Table(audformat.filewise_index(everything))
    made["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    made["files"]["speaker"].set(["ann", "bob"][: len(tables)])
    made.save(str(folder), storage_format=form)
    return folder


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_audformat_database_is_read(tmp_path, form):
    reading = read_corpus("audformat", database(tmp_path, form=form))
    found = [(s.label, s.speaker, s.sex, s.start, s.end) for s in reading.samples]
    assert found == [("angry", "ann", "female", 0.0, 1.0), ("happy", "ann", "female", 1.0, None)]
    assert read_corpus("audformat", tmp_path / "db.yaml").samples == reading.samples


def test_the_sex_of_a_speaker_named_in_the_same_table_comes_from_the_scheme(tmp_path):
    folder = database(tmp_path)
    header = (folder / "db.yaml").read_text(encoding="utf-8")
    columns = "emotion: {scheme_id: emotion}"
    header = header.replace(columns, f"{columns}\n      speaker: {{scheme_id: speaker}}", 1)
    (folder / "db.yaml").write_text(header, encoding="utf-8")
    rows = ["file,start,end,emotion,speaker", "audio/0.wav,0 days 00:00:00,0 days 00:00:01,anger,bob"]
    (folder / "db.emotion.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    [sample] = read_corpus("audformat", folder).samples
    assert (sample.speaker, sample.sex) == ("bob", "male")


def test_audformat_splits_are_the_published_ones(tmp_path):
    reading = read_corpus("audformat", database(tmp_path, column="perceived", tables=("one", "two"), splits=True))
    assert [s.meta["usage"] for s in reading.samples] == ["train"] * 2 + ["test"] * 2


def test_audformat_numbers_are_read_beside_the_label_and_without_it(tmp_path):
    folder = database(tmp_path)
    header = (folder / "db.yaml").read_text(encoding="utf-8")
    columns = "emotion: {scheme_id: emotion}"
    (folder / "db.yaml").write_text(header.replace(columns, f"{columns}\n      arousal: {{}}", 1), encoding="utf-8")
    rows = ["audio/0.wav,0 days 00:00:00,0 days 00:00:01,anger,0.5", "audio/0.wav,0 days 00:00:01,,,2", "a.wav,,,,"]
    (folder / "db.emotion.csv").write_text(
        "\n".join(["file,start,end,emotion,arousal", *rows]) + "\n", encoding="utf-8"
    )
    found = [(s.label, s.meta) for s in read_corpus("audformat", folder).samples]
    assert [(label, float(meta["arousal"])) for label, meta in found] == [("angry", 0.5), (None, 2.0)]
    (folder / "db.yaml").write_text(header.replace(columns, "arousal: {}", 1), encoding="utf-8")
    (folder / "db.emotion.csv").write_text("file,start,end,arousal\naudio/0.wav,0 days,,1\n", encoding="utf-8")
    assert [s.label for s in read_corpus("audformat", folder).samples] == [None]


def test_an_audformat_database_with_two_truths_asks_which(tmp_path):
    folder = database(tmp_path, tables=("rated", "acted"))
    with pytest.raises(CorpusError, match="several tables have emotions: acted, rated|rated, acted"):
        read_corpus("audformat", folder)
    assert len(read_corpus("audformat", f"{folder}#rated").samples) == 2
    with pytest.raises(CorpusError, match="no table 'other'"):
        read_corpus("audformat", f"{folder}#other")


def test_an_audformat_database_of_another_version_is_a_clear_error(tmp_path):
    folder = database(tmp_path)
    header = (folder / "db.yaml").read_text(encoding="utf-8")
    (folder / "db.yaml").write_text(header.replace("source: test\n", ""), encoding="utf-8")
    with pytest.raises(CorpusError, match="may be of another version"):
        read_corpus("audformat", folder)
    (folder / "db.yaml").write_text(header.replace("emotion: {scheme_id: emotion}", "age: {}"), encoding="utf-8")
    with pytest.raises(CorpusError, match="no table has a column emotion"):
        read_corpus("audformat", folder)


def test_an_audformat_table_without_the_columns_of_its_header_is_a_clear_error(tmp_path):
    folder = database(tmp_path)
    (folder / "db.emotion.csv").write_text("file,mood\naudio/0.wav,anger\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"db\.emotion\.csv: does not fit db\.yaml"):
        read_corpus("audformat", folder)


def test_a_header_that_would_run_code_and_a_pickled_table_are_refused(tmp_path):
    folder = database(tmp_path)
    header = (folder / "db.yaml").read_text(encoding="utf-8")
    mark = tmp_path / "ran"
    (folder / "db.yaml").write_text(f'{header}evil: !!python/object/apply:os.mkdir ["{mark}"]\n', encoding="utf-8")
    with pytest.raises(CorpusError, match="ConstructorError"):
        read_corpus("audformat", folder)
    assert not mark.exists()
    (folder / "db.yaml").write_text(header, encoding="utf-8")
    (folder / "db.emotion.csv").rename(folder / "db.emotion.pkl")
    with pytest.raises(CorpusError, match="Tables in other formats are not read"):
        read_corpus("audformat", folder)


def test_media_outside_the_database_are_left_out(tmp_path):
    folder = database(tmp_path / "db")
    recording(tmp_path / "outside.wav")
    table = folder / "db.emotion.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("audio/0.wav", "../outside.wav"), encoding="utf-8")
    with pytest.raises(CorpusError, match="no such file in the folder of the database"):
        read_corpus("audformat", folder)
