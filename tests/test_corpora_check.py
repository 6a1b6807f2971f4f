"""What a check of a corpus finds, and the commands around it."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from affekt.cli import main
from affekt.corpora import CORPORA, read_corpus
from affekt.corpora.check import SPEAKERS, check_corpus, check_reading
from affekt.corpora.synthetic import write_synthetic
from affekt.errors import CorpusError, UnknownName


@pytest.fixture
def affekt():
    return lambda *words: CliRunner().invoke(main, ["corpora", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones") / "clean"
    write_synthetic(folder, speakers=2, clips_per_label=2, labels=["angry", "sad"])
    return folder


@pytest.fixture
def copy(tones, tmp_path):
    return shutil.copytree(tones, tmp_path / "copy")


def noise(seconds: float, rate: int = 16_000, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(0).standard_normal(int(seconds * rate))).astype(np.float32)


def test_a_clean_corpus_is_clean(tones):
    check = check_corpus("synthetic", tones)
    assert (check.clips, check.speakers, check.clips_published) == (8, 2, None)
    assert check.labels == {"angry": 4, "sad": 4}
    assert check.per_speaker == {"s01": 4, "s02": 4}
    assert check.sampling_rates == {16_000: 8}
    assert check.seconds == pytest.approx(sum(soundfile.info(p).duration for p in tones.glob("*.wav")))
    lists = (check.unreadable, check.cut_short, check.odd_levels, check.duplicates, check.odd_rates, check.odd_lengths)
    assert [*lists, check.skipped, check.warnings, check.problems] == [()] * 9


def test_each_clip_ticks_once(tones):
    ticks = []
    check_corpus("synthetic", tones, tick=lambda: ticks.append(1))
    assert len(ticks) == 8


def test_broken_recordings_are_listed_with_reasons(copy):
    (copy / "s01_angry_01.wav").write_bytes(b"")
    (copy / "s01_angry_02.wav").write_bytes(b"no sound at all " * 100)
    whole = (copy / "s01_sad_01.wav").read_bytes()
    (copy / "s01_sad_01.wav").write_bytes(whole[: len(whole) // 2])
    check = check_corpus("synthetic", copy)
    assert [line.split(": ")[0] for line in check.unreadable] == ["synthetic/s01_angry_01", "synthetic/s01_angry_02"]
    assert "is empty (0 bytes)" in check.unreadable[0]
    [cut] = check.cut_short
    assert cut.startswith("synthetic/s01_sad_01: is truncated; only ")
    assert check.problems == ("recordings that cannot be read: 2", "recordings that end too early: 1")


def test_equal_sounds_are_found_in_any_lossless_format_and_conflicts_are_marked(copy):
    signal, rate = soundfile.read(copy / "s01_angry_01.wav", dtype="int16")
    soundfile.write(copy / "s01_angry_03.flac", signal, rate, subtype="PCM_16")
    shutil.copy(copy / "s02_sad_01.wav", copy / "s01_angry_04.wav")
    check = check_corpus("synthetic", copy)
    same, conflict = check.duplicates
    assert same.ids == ("synthetic/s01_angry_01", "synthetic/s01_angry_03")
    assert (same.conflict, same.across_speakers) == (False, False)
    assert str(same) == "synthetic/s01_angry_01 = synthetic/s01_angry_03"
    assert conflict.labels == ("angry", "sad")
    assert (conflict.conflict, conflict.across_speakers) == (True, True)
    assert str(conflict).startswith("synthetic/s01_angry_04 (angry) = synthetic/s02_sad_01 (sad), said to be of diff")
    assert check.problems == ("sounds that stand under two labels: 1",)


def test_one_sample_of_difference_is_another_sound(copy):
    signal, rate = soundfile.read(copy / "s01_angry_01.wav", dtype="int16")
    signal[1000] += 1
    soundfile.write(copy / "s01_angry_03.wav", signal, rate)
    assert check_corpus("synthetic", copy).duplicates == ()


def test_odd_rates_lengths_and_levels_are_noted_and_are_no_problem(copy):
    soundfile.write(copy / "s01_angry_03.wav", noise(1, 48_000), 48_000)
    soundfile.write(copy / "s01_angry_04.wav", noise(0.25), 16_000)
    soundfile.write(copy / "s01_angry_05.wav", noise(61), 16_000)
    soundfile.write(copy / "s01_angry_06.wav", np.zeros(16_000), 16_000)
    soundfile.write(copy / "s01_angry_07.wav", noise(1, level=5).clip(-1, 1), 16_000)
    check = check_corpus("synthetic", copy)
    assert check.sampling_rates == {16_000: 12, 48_000: 1}
    assert check.odd_rates == ("synthetic/s01_angry_03: 48000 Hz, most have 16000 Hz",)
    assert check.odd_lengths == ("synthetic/s01_angry_04: 0.25 s", "synthetic/s01_angry_05: 61.00 s")
    silent, clipped = check.odd_levels
    assert silent == "synthetic/s01_angry_06: is silent."
    assert clipped.startswith("synthetic/s01_angry_07: is clipped")
    assert check.problems == ()


def test_stretches_of_one_recording_are_heard_apart(tmp_path):
    first, second = noise(1), noise(1)[::-1]
    soundfile.write(tmp_path / "a.wav", np.concatenate([first, second, first]), 16_000)
    rows = ["path,label,start,end", "a.wav,sad,0,1", "a.wav,sad,1,2", "a.wav,sad,2,3", "a.wav,angry,2,4"]
    (tmp_path / "labels.csv").write_text("\n".join([*rows, "a.wav,angry,9,"]), encoding="utf-8")
    check = check_corpus("folder", tmp_path)
    [same] = check.duplicates
    assert same.ids == ("folder/a@0-1", "folder/a@2-3", "folder/a@2-4")
    assert check.cut_short == ("folder/a@2-4: should end at 4 s, and the recording ends at 3.00 s.",)
    assert check.unreadable == ("folder/a@9-: starts at 9 s, after the end of the recording.",)
    assert check.seconds == pytest.approx(4)


def test_a_stretch_sounds_the_same_wherever_the_blocks_fall(tmp_path):
    # Decoding gives ten seconds at a time; this stretch lies across the border.
    signal = noise(25)
    soundfile.write(tmp_path / "long.wav", signal, 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "part.wav", signal[9 * 16_000 : 21 * 16_000], 16_000, subtype="FLOAT")
    (tmp_path / "labels.csv").write_text("path,label,start,end\nlong.wav,sad,9,21\npart.wav,sad,,\n", encoding="utf-8")
    [same] = check_corpus("folder", tmp_path).duplicates
    assert same.ids == ("folder/long@9-21", "folder/part")


def test_half_a_corpus_says_what_is_missing(tmp_path):
    write_synthetic(tmp_path, layout="savee", speakers=3, clips_per_label=1, labels=["angry", "disgust", "fear"])
    check = check_corpus("savee", tmp_path)
    assert check.missing_labels == ("happy", "neutral", "sad", "surprise")
    assert check.missing_speakers == ("KL",)
    assert check.problems == (
        "published clips missing: 471 of 480",
        "no clip of the labels happy, neutral, sad, surprise",
        "no clip of the speakers KL",
    )


def test_more_clips_than_published_are_wrong_too(tmp_path):
    write_synthetic(tmp_path, layout="tess", clips_per_label=1)
    reading = read_corpus("tess", tmp_path)
    crowd = type(reading)(reading.samples * 201)
    assert check_reading("tess", crowd).problems[0] == "more clips than published: 2814 of 2800"


def test_a_long_list_of_missing_speakers_is_cut(tmp_path):
    write_synthetic(tmp_path, layout="crema_d", speakers=1, clips_per_label=1)
    [_, sentence] = check_corpus("crema_d", tmp_path).problems
    assert sentence.endswith("1010, 1011 and 80 more")


@pytest.mark.parametrize(("name", "speakers"), SPEAKERS.items())
def test_the_speakers_that_a_scheme_tells_are_as_many_as_published(name, speakers):
    assert len(set(speakers)) == len(speakers) == CORPORA[name].speakers


def test_clips_without_a_label_are_counted_as_unknown_and_contradict_nothing(copy):
    shutil.copy(copy / "s01_angry_01.wav", copy / "000001-01-1.wav")
    shutil.copy(copy / "s01_angry_01.wav", copy / "000001-03-1.wav")
    check = check_corpus("emogator", copy)
    assert check.labels == {"angry": 1, "unknown": 1}
    [double] = check.duplicates
    assert not double.conflict


def test_wrong_corpora_and_empty_folders_are_errors(tones, tmp_path):
    with pytest.raises(CorpusError, match="does not hold TESS"):
        check_corpus("tess", tones)
    with pytest.raises(CorpusError, match="holds no audio"):
        check_corpus("synthetic", tmp_path)
    with pytest.raises(UnknownName, match="did you mean 'tess'"):
        check_corpus("tes", tones)
    with pytest.raises(UnknownName, match="unknown corpus"):
        check_reading("tes", read_corpus("synthetic", tones))


# --- the command


def test_without_a_subcommand_all_corpora_are_listed(affekt):
    done = affekt()
    assert done.exit_code == 0
    assert {line.split()[0] for line in done.stdout.splitlines() if line[:1].strip()} == {"name", *CORPORA}
    listed = json.loads(affekt("--format", "json").stdout)
    assert [corpus["name"] for corpus in listed] == list(CORPORA)
    ravdess = listed[list(CORPORA).index("ravdess")]
    assert (ravdess["clips"], ravdess["speakers"], ravdess["licence"]) == (1440, 24, "CC BY-NC-SA 4.0")
    assert ravdess["home"] in done.stdout


def test_check_exits_with_0_when_all_is_there_1_when_not_and_2_when_it_is_something_else(affekt, copy):
    clean = affekt("check", "synthetic", copy)
    assert clean.exit_code == 0
    assert clean.stdout.startswith("synthetic: 8 clips of 2 speakers")
    assert clean.stdout.endswith("nothing is missing or broken.\n")
    (copy / "s01_sad_02.wav").write_bytes(b"")
    broken = affekt("check", "synthetic", copy)
    assert broken.exit_code == 1
    assert "cannot be read: 1\n  synthetic/s01_sad_02: is empty" in broken.stdout
    assert broken.stdout.endswith("wrong: recordings that cannot be read: 1\n")
    other = affekt("check", "tess", copy)
    assert (other.exit_code, other.stdout) == (2, "")
    assert "error: " in other.stderr and "does not hold TESS" in other.stderr
    assert affekt("check", "synthetic").exit_code == 2


def test_check_as_json_says_all_that_text_says(affekt, copy):
    shutil.copy(copy / "s02_sad_01.wav", copy / "s01_angry_04.wav")
    done = affekt("check", "synthetic", copy, "--format", "json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (found["clips"], found["speakers"], found["labels"]) == (9, 2, {"angry": 5, "sad": 4})
    assert found["duplicates"][0]["conflict"] is True
    assert found["problems"] == ["sounds that stand under two labels: 1"]


def test_a_long_list_is_cut_in_text_and_whole_in_json(affekt, copy):
    for number in range(20, 35):
        (copy / f"s01_sad_{number}.wav").write_bytes(b"")
    assert "  and 5 more: --format json\n" in affekt("check", "synthetic", copy).stdout
    assert len(json.loads(affekt("check", "synthetic", copy, "--format", "json").stdout)["unreadable"]) == 15


def test_control_characters_in_names_do_not_reach_the_terminal(affekt, tmp_path):
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / "\x1b[31m.wav").write_bytes(b"")
    assert "\x1b" not in affekt("check", "folder", tmp_path).stdout


def test_synthetic_writes_a_corpus_that_check_reads(affekt, tmp_path):
    options = ["--layout", "ravdess", "--speakers", 2, "--clips", 1, "--labels", "sad, happy", "--seed", 3]
    done = affekt("synthetic", tmp_path / "new", *options)
    assert (done.exit_code, done.stdout) == (
        0,
        f"4 clips in {tmp_path / 'new'}; try: affekt corpora check folder {tmp_path / 'new'}\n",
    )
    assert len(read_corpus("ravdess", tmp_path / "new").samples) == 4
    assert affekt("check", "folder", tmp_path / "new").exit_code == 0
    again = affekt("synthetic", tmp_path / "new")
    assert again.exit_code == 2 and "is not empty" in again.stderr


# --- the real corpora: clips, and the sounds that occur twice

REAL = [
    ("emovo", 588, 0, ()),
    ("ravdess", 1440, 1, ()),
    ("savee", 480, 0, ()),
    ("urdu", 400, 0, ()),
    ("banglaser", 1466, 2, ("published clips missing: 1 of 1467",)),
]


@pytest.mark.corpora
@pytest.mark.parametrize(("name", "clips", "doubles", "problems"), REAL)
def test_real_corpora_are_as_described(corpora_folder, name, clips, doubles, problems):
    check = check_corpus(name, corpora_folder / name)
    assert (check.clips, len(check.duplicates), check.problems) == (clips, doubles, problems)
    assert (check.unreadable, check.cut_short) == ((), ())
    if name == "ravdess":
        assert check.duplicates[0].ids == ("ravdess/03-01-03-01-02-01-07", "ravdess/03-01-03-01-02-02-07")
