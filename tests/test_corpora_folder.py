"""CREMA-D's tables, your own recordings, the synthetic tones."""

import csv
import string
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from affekt.corpora import CORPORA, read_corpus
from affekt.corpora.crema_d import DEMOGRAPHICS, VOTES
from affekt.corpora.folder import SEXES, SYNONYMS, label_of
from affekt.corpora.synthetic import LAYOUTS, SAMPLING_RATE, TONES, synthetic_clips, write_synthetic
from affekt.corpora.table import read_table
from affekt.data.splits import fixed_split, split_by_speaker
from affekt.errors import CorpusError, InputError, UnknownName
from affekt.labels import VOICE


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def table(folder: Path, *lines: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# --- tables


def test_a_table_may_have_semicolons_a_byte_order_mark_and_line_breaks_in_quotes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('﻿Path;LABEL\r\n"a\n,b.wav"; angry \r\n\r\nc.wav\r\n'.encode())
    read = read_table(path, needed=["path", "label"], lower=True)
    assert read.columns == ("path", "label")
    assert read.rows == ((3, {"path": "a\n,b.wav", "label": "angry"}), (5, {"path": "c.wav", "label": ""}))


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.lists(st.text("ab ,;\t\"é\n'", max_size=6), min_size=3, max_size=3), max_size=5),
    delimiter=st.sampled_from(",;\t"),
)
def test_what_the_csv_writer_of_python_writes_is_read_back(tmp_path_factory, rows, delimiter):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([["x", "y", "z"], *rows])
    expected = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    assert [list(cells.values()) for _, cells in read_table(path, needed=["x"]).rows] == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,lable\n", "has no column 'label'. Needed: path, label. It has: path, lable. Rename 'lable' to 'label'?"),
        ("File,Emotion\n", "no column 'path' and none 'label'.* Rename 'file' to 'path'. Rename 'emotion' to 'label'"),
        ("", "It has: none"),
        ("path,label,label\n", "the column 'label' comes twice"),
        ("path,label\na.wav,angry,x\n", "line 2: 3 cells under 2 columns"),
        ('path,label\n"a.wav,angry\n', "is not a CSV table"),
    ],
)
def test_a_table_that_is_none_says_what_to_do(tmp_path, text, words):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=words.replace("(", r"\(")):
        read_corpus("folder", tmp_path)


def test_a_table_in_another_encoding_is_refused_and_not_guessed(tmp_path):
    (tmp_path / "labels.csv").write_bytes("path,label\nä.wav,angry\n".encode("latin-1"))
    with pytest.raises(CorpusError, match="is not UTF-8 text. Export"):
        read_corpus("folder", tmp_path)


def test_a_row_with_a_number_for_arousal_needs_no_label(tmp_path):
    make(tmp_path, "a.wav", "b.wav")
    table(tmp_path, "path,speaker,Arousal,valence", "a.wav,ann,4.5,", "b.wav,bob,1,2")
    reading = read_corpus("folder", tmp_path)
    assert [(s.label, dict(s.meta)) for s in reading.samples] == [
        (None, {"arousal": "4.5"}),
        (None, {"arousal": "1", "valence": "2"}),
    ]
    assert "none of the 2 clips has a label." in reading.warnings
    table(tmp_path, "path,label,arousal", "a.wav,angry,", "b.wav,,2")
    assert [s.label for s in read_corpus("folder", tmp_path).samples] == ["angry", None]


def test_a_row_with_neither_label_nor_number_is_refused(tmp_path):
    make(tmp_path, "a.wav")
    table(tmp_path, "path,arousal", "a.wav,")
    with pytest.raises(CorpusError, match=r"line 2: a\.wav has no label or a number \(valence, arousal, dominance\)"):
        read_corpus("folder", tmp_path)
    table(tmp_path, "path,mood", "a.wav,1")
    with pytest.raises(CorpusError, match="has no column 'label'"):
        read_corpus("folder", tmp_path)


# --- CREMA-D

VOTE_HEADER = '"","A","D","F","H","N","S","fileName","numResponses"'


def test_crema_d_without_its_tables_knows_neither_sex_nor_votes(tmp_path):
    [sample] = read_corpus("crema_d", make(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav")).samples
    assert sample.sex is None
    assert sample.meta == {"intensity": "unspecified"}


def test_crema_d_demographics_give_sex_and_age(tmp_path):
    make(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_DFA_ANG_XX.wav", "AudioWAV/1003_DFA_ANG_XX.wav")
    rows = ['1001,51,"Male","Caucasian","Not Hispanic"', '1002,21,"Female","Caucasian","Not Hispanic"']
    table(tmp_path, '"ActorID","Age","Sex","Race","Ethnicity"', *rows, name=DEMOGRAPHICS)
    samples = read_corpus("crema_d", tmp_path).samples
    assert [(s.sex, s.meta.get("age")) for s in samples] == [("male", 51), ("female", 21), (None, None)]


def test_crema_d_votes_are_those_on_the_voice_alone_in_shares(tmp_path):
    make(tmp_path, "1001_IEO_NEU_XX.wav", "1001_IEO_HAP_LO.wav", "1040_ITH_SAD_X.wav", "processedResults/x")
    table(
        tmp_path / "processedResults",
        VOTE_HEADER,
        '"100001",0,0,0,1,3,0,"1001_IEO_NEU_XX",4',
        '"200001",4,0,0,0,0,0,"1001_IEO_NEU_XX",4',
        '"300002",0,0,0,9,0,0,"1001_IEO_HAP_LO",9',
        '"103000",0,1,0,0,0,1,"1040_ITH_SAD_XX",2',
        name=VOTES,
    )
    meta = {sample.id: sample.meta for sample in read_corpus("crema_d", tmp_path).samples}
    none = dict.fromkeys(("angry", "disgust", "fear", "happy", "neutral", "sad"), 0.0)
    assert meta["crema_d/1001_IEO_NEU_XX"]["votes"] == none | {"happy": 0.25, "neutral": 0.75}
    assert meta["crema_d/1001_IEO_NEU_XX"]["voters"] == 4
    assert "votes" not in meta["crema_d/1001_IEO_HAP_LO"]
    assert meta["crema_d/1040_ITH_SAD_X"]["votes"] == none | {"disgust": 0.5, "sad": 0.5}


def test_crema_d_tells_of_the_odd_intensity(tmp_path):
    names = ("1040_ITH_SAD_X.wav", "1041_ITH_SAD_XX.wav", "1042_ITH_HAP_HI.wav")
    [warning] = read_corpus("crema_d", make(tmp_path, *names)).warnings
    assert warning.startswith("1 with an intensity beside LO, MD, HI, XX")
    assert warning.endswith(": crema_d/1040_ITH_SAD_X.")


@pytest.mark.parametrize(
    ("name", "lines", "words"),
    [
        (DEMOGRAPHICS, ["ActorID,Age,Gender"], "has no column 'Sex'"),
        (DEMOGRAPHICS, ["ActorID,Age,Sex", "1001,51,X"], "line 2: Sex is 'X'; allowed: Female, Male"),
        (DEMOGRAPHICS, ["ActorID,Age,Sex", "1001,old,Male"], "line 2: Age is 'old'; a whole number is needed"),
        (VOTES, ['"",A,D,F,H,N,fileName'], "has no column 'S'"),
        (VOTES, ["A,D,F,H,N,S,fileName", "1,1,1,1,1,1,x"], "first column is 'A'; it must hold the row numbers"),
        (VOTES, [VOTE_HEADER, "x,1,1,1,1,1,1,1001_IEO_NEU_XX,6"], "line 2: the first column is 'x'"),
        (VOTES, [VOTE_HEADER, "100001,-1,1,1,1,1,1,1001_IEO_NEU_XX,6"], "line 2: A is '-1'"),
    ],
)
def test_a_malformed_crema_d_table_is_named_with_column_and_line(tmp_path, name, lines, words):
    table(make(tmp_path, "1001_IEO_NEU_XX.wav"), *lines, name=name)
    with pytest.raises(CorpusError, match=f"{name}.*{words}"):
        read_corpus("crema_d", tmp_path)


# --- your own recordings


def test_a_folder_for_each_label_and_speaker(tmp_path):
    make(tmp_path, "Anger/anna/hello.wav", "happiness/bob/x/take 1.flac", "sleepy/anna/a.b.wav", "notes.txt")
    reading = read_corpus("folder", tmp_path)
    found = [(s.id, s.label, s.speaker, s.corpus) for s in reading.samples]
    assert found == [
        ("folder/Anger/anna/hello", "angry", "anna", "folder"),
        ("folder/happiness/bob/x/take 1", "happy", "bob", "folder"),
        ("folder/sleepy/anna/a.b", "sleepy", "anna", "folder"),
    ]
    assert (reading.skipped, reading.warnings) == ((), ())


def test_a_folder_without_speakers_says_so_and_a_split_by_speaker_refuses(tmp_path):
    reading = read_corpus("folder", make(tmp_path, "angry/a.wav", "sad/b.wav", "c.wav"))
    assert [s.speaker for s in reading.samples] == [None, None]
    assert reading.warnings == ("the speaker of 2 of 2 clips is unknown: they cannot be split by speaker.",)
    assert reading.skipped == ("c.wav: no folder says its label; put it in one, such as angry/",)
    with pytest.raises(InputError, match="the speaker is unknown"):
        split_by_speaker(reading.samples, np.random.default_rng(0))


def test_one_speaker_and_one_class_are_told(tmp_path):
    assert read_corpus("folder", make(tmp_path, "angry/anna/a.wav", "anger/anna/b.wav")).warnings == (
        "only one speaker (anna): nobody is left to test on.",
        "only one class: all clips (2) are angry; there is nothing to tell apart.",
    )


def test_folders_the_other_way_round_are_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"speaker/label \(anna/happy\); they must be label/speaker"):
        read_corpus("folder", make(tmp_path, "anna/happy/a.wav", "bob/sad/a.wav"))
    with pytest.raises(CorpusError, match="one folder further down. Give .*Data"):
        read_corpus("folder", make(tmp_path / "new", "Data/happy/a.wav", "Data/sad/a.wav"))


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere", "does not exist. Give a folder with"), ("a.wav", "is no CSV file"), ("empty", "holds no audio")],
)
def test_what_is_no_folder_of_recordings_says_what_to_give(tmp_path, name, words):
    make(tmp_path, "a.wav", "empty/README.txt")
    with pytest.raises(CorpusError, match=words):
        read_corpus("folder", tmp_path / name)


def test_synonyms_lead_to_words_and_words_to_themselves():
    assert set(SYNONYMS.values()) <= {*VOICE, "boredom"}
    assert not set(SYNONYMS) & set(VOICE)
    assert {label_of(label) for label in VOICE} == set(VOICE)
    assert set(SEXES.values()) == {"female", "male"}


@given(st.text(string.ascii_letters + " _", min_size=1))
def test_label_of_is_idempotent_and_blind_to_case(word):
    assert label_of(label_of(word)) == label_of(word) == label_of(word.upper())


def test_a_table_says_everything_about_a_clip(tmp_path):
    make(tmp_path, "deep/a.wav", "b.wav")
    table(
        tmp_path,
        "path,label,speaker,sex,sentence,start,end,corpus,microphone",
        "deep\\a.wav,Fearful,anna,F,s1,1.5,2.25,mine,phone",
        "./b.wav,sad,,,,,,,",
    )
    for path in (tmp_path, tmp_path / "labels.csv"):
        b, a = read_corpus("folder", path).samples
        assert (a.id, a.label, a.speaker, a.sex) == ("folder/deep/a@1.5-2.25", "fear", "anna", "female")
        assert (a.sentence, a.start, a.end, a.corpus, a.meta) == ("s1", 1.5, 2.25, "mine", {"microphone": "phone"})
        assert (b.id, b.speaker, b.sex, b.sentence, b.corpus) == ("folder/b", None, None, None, "folder")
        assert (b.start, b.end, b.meta) == (0.0, None, {})
        assert Path(a.path).samefile(tmp_path / "deep/a.wav")


def test_stretches_of_one_recording_are_different_clips(tmp_path):
    table(make(tmp_path, "a.wav"), "path,label,start,end", "a.wav,sad,0,2", "a.wav,angry,2,", "a.wav,sad,0,2.0")
    reading = read_corpus("folder", tmp_path)
    assert [(s.id, s.start, s.end) for s in reading.samples] == [("folder/a@0-2", 0, 2), ("folder/a@2-", 2, None)]
    assert reading.skipped == ("a.wav: the same clip as in line 2 (line 4)",)


def test_stretches_late_in_a_long_recording_keep_their_names(tmp_path):
    table(make(tmp_path, "a.wav"), "path,label,start,end", "a.wav,sad,12345.67,12346", "a.wav,angry,12345.71,12346")
    assert [s.id for s in read_corpus("folder", tmp_path).samples] == [
        "folder/a@12345.67-12346", "folder/a@12345.71-12346",
    ]  # fmt: skip


def test_one_clip_under_two_labels_is_refused(tmp_path):
    table(make(tmp_path, "a.wav"), "path,label", "a.wav,sad", "./a.wav,angry")
    with pytest.raises(CorpusError, match="a.wav is sad in line 2 and angry in line 3"):
        read_corpus("folder", tmp_path)


@pytest.mark.parametrize("escape", ["../secret.wav", "x/../../secret.wav", "..\\secret.wav", "./.././secret.wav"])
def test_a_table_does_not_lead_out_of_its_folder(tmp_path, escape):
    make(tmp_path, "secret.wav", "data/a.wav", "data/x/y")
    csv_file = table(tmp_path / "data", "path,label", "a.wav,sad", f"{escape},angry")
    for path in (tmp_path / "data", csv_file):
        reading = read_corpus("folder", path)
        assert [s.id for s in reading.samples] == ["folder/a"]
        [line] = reading.skipped
        assert "leaves the folder of the CSV file" in line and "(line 3)" in line


def test_absolute_paths_are_for_those_who_name_the_table_themselves(tmp_path):
    make(tmp_path, "else/b.wav", "data/a.wav")
    csv_file = table(tmp_path / "data", "path,label", "a.wav,sad", f"{tmp_path}/else/b.wav,angry")
    assert "an absolute path" in read_corpus("folder", tmp_path / "data").skipped[0]
    samples = read_corpus("folder", csv_file).samples
    assert {Path(s.path).name for s in samples} == {"a.wav", "b.wav"}


def test_rows_without_a_recording_are_skipped_and_none_left_is_an_error(tmp_path):
    csv_file = table(tmp_path, "path,label", "a.wav,sad", "b.wav,angry")
    with pytest.raises(CorpusError, match="none of its 2 rows can be used. The first is 'a.wav: no such file"):
        read_corpus("folder", csv_file)
    assert read_corpus("folder", make(tmp_path, "b.wav")).skipped == ("a.wav: no such file (line 2)",)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a.wav,,,,", "line 2: a.wav has no label"),
        (",sad,,,", "line 2: no path"),
        ("a.wav,sad,x,,", "line 2: sex is 'x'; allowed: female, male"),
        ("a.wav,sad,,one,", "must be seconds"),
        ("a.wav,sad,,2,1", "are not an interval"),
        ("a.wav,sad,,-1,1", "are not an interval"),
        ("a.wav,sad,,nan,", "are not an interval"),
        ("a.wav,sad,,inf,", "are not an interval"),
    ],
)
def test_a_row_that_cannot_be_understood_is_named(tmp_path, row, words):
    table(make(tmp_path, "a.wav"), "path,label,sex,start,end", row, row)
    with pytest.raises(CorpusError, match=f"{words}.* Rows with something wrong: 2 of 2"):
        read_corpus("folder", tmp_path)


# --- synthetic tones


def contour(signal: np.ndarray) -> list[float]:
    """Level (dB), syllables per second and pitch slope (octaves), measured without looking at the recipe."""
    frames = np.lib.stride_tricks.sliding_window_view(signal, 640)[::160]
    level = np.sqrt(np.mean(frames**2, axis=1))
    voiced = np.flatnonzero(level > 0.3 * level.max())
    spectra = np.abs(np.fft.rfft(frames[voiced] * np.hanning(640), 2048)) ** 2
    pitch = SAMPLING_RATE / (30 + np.argmax(np.fft.irfft(spectra)[:, 30:220], axis=1))
    slope = np.polyfit(voiced / (voiced[-1] - voiced[0]), np.log2(pitch), 1)[0]
    envelope = np.abs(np.fft.rfft(level - level.mean(), 4096))
    return [20 * np.log10(level.mean()), float(np.argmax(envelope[61:400]) + 61) * 100 / 4096, float(slope)]


@pytest.fixture(scope="module")
def measured():
    pairs = [(sample, contour(audio.signal)) for sample, audio in synthetic_clips(speakers=4, clips_per_label=3)]
    return [sample for sample, _ in pairs], np.array([values for _, values in pairs])


def recall_by_speaker(samples, values, labels) -> float:
    """Nearest class mean, each speaker judged by the others."""
    speakers, labels = np.array([s.speaker for s in samples]), np.array(labels)
    values, right = (values - values.mean(0)) / values.std(0), []
    for speaker in set(speakers):
        rest = speakers != speaker
        means = {label: values[rest & (labels == label)].mean(0) for label in set(labels[rest])}
        for value, label in zip(values[~rest], labels[~rest], strict=True):
            right.append(min(means, key=lambda name: ((value - means[name]) ** 2).sum()) == label)
    return float(np.mean(right))


def test_tones_have_the_level_the_rate_and_the_contour_of_their_label(measured):
    samples, values = measured
    for label, tone in TONES.items():
        level, rate, slope = np.median(values[[s.label == label for s in samples]], axis=0)
        assert rate == pytest.approx(tone.rate, rel=0.1), label
        assert slope == pytest.approx(tone.slope, abs=0.2), label
        assert level == pytest.approx(tone.level, abs=4), label


def test_a_right_pipeline_scores_near_one_and_shuffled_labels_chance(measured):
    samples, values = measured
    labels = [s.label for s in samples]
    assert recall_by_speaker(samples, values, labels) > 0.9
    shuffled = [recall_by_speaker(samples, values, np.random.default_rng(i).permutation(labels)) for i in range(10)]
    assert np.mean(shuffled) == pytest.approx(1 / len(TONES), abs=0.06)


def test_a_tone_depends_on_its_name_and_the_seed_only():
    few = {s.id: a.signal for s, a in synthetic_clips(speakers=1, clips_per_label=1, labels=["sad", "angry"])}
    many = {s.id: a.signal for s, a in synthetic_clips(speakers=2, clips_per_label=2, labels=["angry", "fear", "sad"])}
    other = {s.id: a.signal for s, a in synthetic_clips(speakers=1, clips_per_label=1, labels=["sad"], seed=1)}
    assert len(few) == 2 and len(many) == 12
    assert all(np.array_equal(few[id], many[id]) for id in few)
    assert not any(np.array_equal(other[id][:1000], few[id][:1000]) for id in other)
    assert all(signal.dtype == np.float32 and np.abs(signal).max() < 0.99 for signal in many.values())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read_back_as_its_corpus_and_as_a_folder(tmp_path, layout):
    paths = write_synthetic(tmp_path / "new", layout=layout, speakers=2, clips_per_label=2)
    corpus = CORPORA[layout]
    for name in (layout, "folder"):
        reading = read_corpus(name, tmp_path / "new")
        assert {Path(s.path) for s in reading.samples} == set(paths)
        assert Counter(s.label for s in reading.samples) == dict.fromkeys(corpus.labels, 4)
        assert {s.speaker for s in reading.samples} == set(list(LAYOUTS[layout].speakers)[:2])
        assert (reading.skipped, reading.warnings) == ((), ())
        assert {s.sex for s in reading.samples} == set(list(LAYOUTS[layout].speakers.values())[:2])
    info = soundfile.info(paths[0])
    assert (info.samplerate, info.channels, info.subtype) == (SAMPLING_RATE, 1, "PCM_16")


def test_every_path_of_a_layout_is_a_name_of_its_corpus_and_none_comes_twice():
    for layout in LAYOUTS.values():
        speakers = list(layout.speakers)
        paths = [
            layout.path(speaker, label, number)
            for speaker in (speakers[0], speakers[-1])
            for label in layout.corpus.labels
            for number in range(layout.takes)
        ]
        paths = [path for path in paths if path]
        clips = {layout.corpus.parse(PurePosixPath(path)).name for path in paths}
        assert len(clips) == len(paths) == len(set(paths))


def test_six_synthetic_ravdess_speakers_fill_all_sides_of_the_committed_split(tmp_path):
    write_synthetic(tmp_path, layout="ravdess", clips_per_label=1)
    split = fixed_split(read_corpus("ravdess", tmp_path).samples)
    for side in (split.train, split.dev, split.test):
        assert {s.sex for s in side} == {"female", "male"}
        assert {s.label for s in side} == set(VOICE)


def test_ravdess_neutral_has_one_intensity_only(tmp_path):
    write_synthetic(tmp_path, layout="ravdess", speakers=1, clips_per_label=8, labels=["neutral", "sad"])
    counts = Counter(s.label for s in read_corpus("ravdess", tmp_path).samples)
    assert counts == {"neutral": 4, "sad": 8}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"layout": "ravdes"}, UnknownName, "did you mean 'ravdess'"),
        ({"labels": ["happi"]}, UnknownName, "did you mean 'happy'"),
        ({"labels": []}, InputError, "name at least one"),
        ({"labels": ["sad", "sad"]}, InputError, "each once"),
        ({"layout": "savee", "speakers": 5}, InputError, "speakers is 5; the layout savee allows 1 to 4"),
        ({"layout": "tess", "labels": ["calm"]}, UnknownName, "unknown label 'calm'"),
        ({"clips_per_label": 0}, InputError, "clips_per_label is 0; the layout synthetic allows 1 to 99"),
        ({"seed": -1}, InputError, "seed is -1"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        write_synthetic(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_tones_do_not_mix_with_recordings(tmp_path):
    with pytest.raises(CorpusError, match="is not empty. Give a new folder"):
        write_synthetic(make(tmp_path, "angry/mine.wav"))
    assert [path.name for path in tmp_path.rglob("*.*")] == ["mine.wav"]


def picture(path, value=128, size=(48, 48)):
    """A grey picture in a file, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, value, np.uint8)).save(path)
    return path


def test_class_folders_of_pictures_are_read_as_those_of_recordings(tmp_path):
    for name in ("Anger/1.png", "fearful/2.jpg", "happy/anna/3.png", "happy/notes.txt"):
        picture(tmp_path / name) if not name.endswith("txt") else (tmp_path / name).write_text("", encoding="utf-8")
    reading = read_corpus("folder", tmp_path)
    assert [(s.id, s.label, s.speaker) for s in reading.samples] == [
        ("folder/Anger/1", "angry", None), ("folder/fearful/2", "fear", None), ("folder/happy/anna/3", "happy", "anna"),
    ]  # fmt: skip
    assert reading.warnings == ("the person of 2 of 3 pictures is unknown: they cannot be split by person.",)


def test_the_parts_of_a_published_split_may_stand_above_the_labels(tmp_path):
    for name in ("train/angry/1.png", "test/sad/1.png", "test/sad/ben/2.png"):
        picture(tmp_path / name)
    samples = read_corpus("folder", tmp_path).samples
    assert {s.id: (s.label, s.speaker, s.meta["usage"]) for s in samples} == {
        "folder/train/angry/1": ("angry", None, "train"),
        "folder/test/sad/1": ("sad", None, "test"),
        "folder/test/sad/ben/2": ("sad", "ben", "test"),
    }


def test_where_there_is_audio_pictures_are_left_alone(tmp_path):
    picture(tmp_path / "angry" / "1.png")
    (tmp_path / "angry" / "2.wav").touch()
    assert [s.id for s in read_corpus("folder", tmp_path).samples] == ["folder/angry/2"]


def test_a_table_may_list_pictures(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    (tmp_path / "labels.csv").write_text("path,label,subject\na.png,joy,1\nb.png,sadness,2\n", encoding="utf-8")
    reading = read_corpus("folder", tmp_path)
    assert [(s.label, s.speaker) for s in reading.samples] == [("happy", "1"), ("sad", "2")]
