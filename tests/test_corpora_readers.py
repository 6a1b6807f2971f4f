"""Readers of corpora: made from empty files, and (marked corpora) checked on the real ones.

The marked tests need AFFEKT_CORPORA, a folder with one folder per corpus
(``ravdess``, ``tess``, ...); without it they are skipped.
"""

import hashlib
import os
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

from affekt.corpora import CORPORA, Corpus, read_corpus
from affekt.corpora.baved import WORDS
from affekt.corpora.corpus import AUDIO_SUFFIXES, Clip
from affekt.corpora.emogator import CATEGORIES, EMOTIONS
from affekt.corpora.emospeech import UNKNOWN_USER
from affekt.data.labelling import relabel
from affekt.errors import CorpusError, UnknownName
from affekt.labels import VOICE


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


USER = "61da3711fc5f82a04684b7c066241130f6c5b79902cf6f95ec8d2376"

# corpus, path, and what it must say: id, label, speaker, sentence, sex, meta
PARSED = [
    ("ravdess", "03-01-01-01-02-02-01", "neutral", "01", "02", "male", {"intensity": "normal", "repetition": 2}),
    ("ravdess", "03-01-02-02-01-01-24", "calm", "24", "01", "female", {"intensity": "strong", "repetition": 1}),
    ("ravdess", "03-01-03-01-01-01-10", "happy", "10", "01", "female", {"intensity": "normal", "repetition": 1}),
    ("ravdess", "03-01-04-01-01-01-11", "sad", "11", "01", "male", {"intensity": "normal", "repetition": 1}),
    ("ravdess", "03-01-05-02-01-01-12", "angry", "12", "01", "female", {"intensity": "strong", "repetition": 1}),
    ("ravdess", "03-01-06-01-01-01-13", "fear", "13", "01", "male", {"intensity": "normal", "repetition": 1}),
    ("ravdess", "03-01-07-01-01-01-14", "disgust", "14", "01", "female", {"intensity": "normal", "repetition": 1}),
    ("ravdess", "03-01-08-01-01-01-15", "surprise", "15", "01", "male", {"intensity": "normal", "repetition": 1}),
    ("tess", "OAF_back_angry", "angry", "OAF", "back", "female", {"age": 64}),
    ("tess", "YAF_dog_ps", "surprise", "YAF", "dog", "female", {"age": 26}),
    ("tess", "YAF_dog_disgust", "disgust", "YAF", "dog", "female", {"age": 26}),
    ("tess", "YAF_dog_fear", "fear", "YAF", "dog", "female", {"age": 26}),
    ("tess", "YAF_dog_happy", "happy", "YAF", "dog", "female", {"age": 26}),
    ("tess", "YAF_dog_neutral", "neutral", "YAF", "dog", "female", {"age": 26}),
    ("tess", "YAF_dog_sad", "sad", "YAF", "dog", "female", {"age": 26}),
    ("savee", "DC_a01", "angry", "DC", "01", "male", {}),
    ("savee", "JE_d15", "disgust", "JE", "d15", "male", {}),
    ("savee", "JK_f02", "fear", "JK", "02", "male", {}),
    ("savee", "KL_h03", "happy", "KL", "03", "male", {}),
    ("savee", "DC_n30", "neutral", "DC", "n30", "male", {}),
    ("savee", "DC_sa04", "sad", "DC", "sa04", "male", {}),
    ("savee", "DC_su05", "surprise", "DC", "su05", "male", {}),
    ("emovo", "neu-f1-b1", "neutral", "f1", "b1", "female", {}),
    ("emovo", "dis-f2-d2", "disgust", "f2", "d2", "female", {}),
    ("emovo", "gio-f3-l4", "happy", "f3", "l4", "female", {}),
    ("emovo", "pau-m1-n5", "fear", "m1", "n5", "male", {}),
    ("emovo", "rab-m2-b3", "angry", "m2", "b3", "male", {}),
    ("emovo", "sor-m3-b2", "surprise", "m3", "b2", "male", {}),
    ("emovo", "tri-m3-b2", "sad", "m3", "b2", "male", {}),
    ("urdu", "SM1_F10_A010", "angry", "SM1", None, "male", {"file": 10}),
    ("urdu", "SM7_F9_H081", "happy", "SM7", None, "male", {"file": 9}),
    ("urdu", "SM5_F25_N053", "neutral", "SM5", None, "male", {"file": 25}),
    ("urdu", "SF10_F1_S01", "sad", "SF10", None, "female", {"file": 1}),
    ("banglaser", "03-01-01-01-02-03-27", "happy", "27", "02", "male", {"intensity": "normal", "repetition": 3}),
    ("banglaser", "03-01-02-01-01-01-34", "sad", "34", "01", "female", {"intensity": "normal", "repetition": 1}),
    ("banglaser", "03-01-03-02-01-01-02", "angry", "02", "01", "female", {"intensity": "strong", "repetition": 1}),
    ("banglaser", "01-01-04-02-03-01-15", "surprise", "15", "03", "male", {"intensity": "strong", "repetition": 1}),
    ("banglaser", "03-01-05-01-03-02-01", "neutral", "01", "03", "male", {"intensity": "normal", "repetition": 2}),
    ("nemo", "EB0_anger_1", "angry", "EB0", "1", None, {}),
    ("nemo", "IC0_fear_90", "fear", "IC0", "90", None, {}),
    ("nemo", "KD0_happiness_2", "happy", "KD0", "2", None, {}),
    ("nemo", "KS0_neutral_3", "neutral", "KS0", "3", None, {}),
    ("nemo", "MP0_sadness_4", "sad", "MP0", "4", None, {}),
    ("nemo", "WR0_surprised_5", "surprise", "WR0", "5", None, {}),
    ("ased", "n1-01-02-02-05", "neutral", "05", "01", "male", {"repetition": 2}),
    ("ased", "f2-07-01-01-65", "fear", "65", "f2-07", "female", {"repetition": 1}),
    ("ased", "h3-03-01-01-10", "happy", "10", "h3-03", "female", {"repetition": 1}),
    ("ased", "s4-04-02-01-29", "sad", "29", "s4-04", "female", {"repetition": 2}),
    ("ased", "a5-06-02-02-01", "angry", "01", "a5-06", "male", {"repetition": 2}),
    ("turev_db", "7895_kz_acik", "angry", "7895", "acik", None, {"letters": "kz"}),
    ("turev_db", "1234_sk_soba", "calm", "1234", "soba", None, {"letters": "sk"}),
    ("turev_db", "1234_mt_soba", "happy", "1234", "soba", None, {"letters": "mt"}),
    ("turev_db", "7895_hl_ogul1", "sad", "7895", "ogul", None, {"letters": "hl"}),
    ("crema_d", "1001_DFA_ANG_XX", "angry", "1001", "DFA", None, {"intensity": "unspecified"}),
    ("crema_d", "1091_WSI_DIS_LO", "disgust", "1091", "WSI", None, {"intensity": "low"}),
    ("crema_d", "1040_IEO_FEA_MD", "fear", "1040", "IEO", None, {"intensity": "medium"}),
    ("crema_d", "1089_IOM_HAP_HI", "happy", "1089", "IOM", None, {"intensity": "high"}),
    ("crema_d", "1090_TSI_NEU_XX", "neutral", "1090", "TSI", None, {"intensity": "unspecified"}),
    ("crema_d", "1040_ITH_SAD_X", "sad", "1040", "ITH", None, {"intensity": "unspecified"}),
    ("emo_db", "03a01Wa", "angry", "03", "a01", "male", {"version": "a"}),
    ("emo_db", "08b10Lb", "boredom", "08", "b10", "female", {"version": "b"}),
    ("emo_db", "10a07Ea", "disgust", "10", "a07", "male", {"version": "a"}),
    ("emo_db", "11b09Ad", "fear", "11", "b09", "male", {"version": "d"}),
    ("emo_db", "03a01Fa", "happy", "03", "a01", "male", {"version": "a"}),
    ("emo_db", "14a05Tc", "sad", "14", "a05", "female", {"version": "c"}),
    ("emo_db", "16b02Na", "neutral", "16", "b02", "female", {"version": "a"}),
    ("emogator", "000001-03-2", "angry", "000001", None, None, {"category": "anger", "repetition": 2}),
    ("emogator", "000357-25-1", "calm", "000357", None, None, {"category": "serenity", "repetition": 1}),
    ("emogator", "000100-10-3", "disgust", "000100", None, None, {"category": "disgust", "repetition": 3}),
    ("emogator", "000299-15-1", "fear", "000299", None, None, {"category": "fear", "repetition": 1}),
    ("emogator", "000340-02-1", "happy", "000340", None, None, {"category": "amusement", "repetition": 1}),
    ("emogator", "000010-30-1", "happy", "000010", None, None, {"category": "triumph", "repetition": 1}),
    ("emogator", "000001-18-1", "neutral", "000001", None, None, {"category": "neutral", "repetition": 1}),
    ("emogator", "000001-09-1", "sad", "000001", None, None, {"category": "disappointment", "repetition": 1}),
    ("emogator", "000001-27-1", "surprise", "000001", None, None, {"category": "surprise (negative)", "repetition": 1}),
    ("emogator", "000001-01-1", None, "000001", None, None, {"category": "adoration", "repetition": 1}),
    ("emogator", "000001-06-1", None, "000001", None, None, {"category": "contempt", "repetition": 1}),
    ("emospeech", f"bacho-safe-angry-1562907046662-{USER}", "angry", "61da3711", "bacho", None,
     {"keyword": "bacho", "environment": "safe", "published": "angry"}),
    ("emospeech", f"help-glass break-calm-20190711161513-{UNKNOWN_USER}", "calm", None, "help", None,
     {"keyword": "help", "environment": "glass break", "published": "calm"}),
    ("emospeech", f"unknown-scream-fearful-1561964985.764769-{USER}", "fear", "61da3711", None, None,
     {"keyword": "unknown", "environment": "scream", "published": "fearful"}),
    ("emospeech", f"yes-gunshots-happy-??-{USER}", "happy", "61da3711", "yes", None,
     {"keyword": "yes", "environment": "gunshots", "published": "happy"}),
    ("emospeech", f"unknown-safe-None-20190618164152 copy-{UNKNOWN_USER}", None, None, None, None,
     {"keyword": "unknown", "environment": "safe", "published": "None"}),
    ("baved", "0-m-21-0-1-105", None, "0", "0", "male", {"age": 21, "level": 1, "word": "اعجبني"}),
    ("baved", "100-f-6-6-2-2", None, "100", "6", "female", {"age": 6, "level": 2, "word": "سيئ"}),
    ("casia", "liuchanhg_angry_201", "angry", "liuchanhg", "201", None, {}),
    ("casia", "wangzhe_fear_250", "fear", "wangzhe", "250", None, {}),
    ("casia", "zhaoquanyin_happy_001", "happy", "zhaoquanyin", "001", None, {}),
    ("casia", "zhaozuoxiang_neutral_300", "neutral", "zhaozuoxiang", "300", None, {}),
    ("casia", "liuchanhg_sad_201", "sad", "liuchanhg", "201", None, {}),
    ("casia", "liuchanhg_surprise_d001", "surprise", "liuchanhg", "surprise-d001", None, {}),
    ("synthetic", "s01_angry_01", "angry", "s01", "01", "male", {}),
    ("synthetic", "s02_calm_02", "calm", "s02", "02", "female", {}),
    ("synthetic", "s99_disgust_99", "disgust", "s99", "99", "male", {}),
    ("synthetic", "s10_fear_10", "fear", "s10", "10", "female", {}),
    ("synthetic", "s03_happy_01", "happy", "s03", "01", "male", {}),
    ("synthetic", "s03_neutral_01", "neutral", "s03", "01", "male", {}),
    ("synthetic", "s03_sad_01", "sad", "s03", "01", "male", {}),
    ("synthetic", "s03_surprise_01", "surprise", "s03", "01", "male", {}),
]  # fmt: skip


@pytest.mark.parametrize(("corpus", "name", "label", "speaker", "sentence", "sex", "meta"), PARSED)
def test_a_name_says_what_the_corpus_says(corpus, name, label, speaker, sentence, sex, meta):
    clip = CORPORA[corpus].parse(PurePosixPath(f"{name}.wav"))
    assert clip == Clip(name, label, speaker, sentence, sex, meta)


@pytest.mark.parametrize("corpus", [name for name, corpus in CORPORA.items() if corpus.parse])
def test_every_label_has_a_literal_example(corpus):
    assert {row[2] for row in PARSED if row[0] == corpus} - {None} == set(CORPORA[corpus].labels)


# One digit, letter or field beside the scheme must not be guessed at.
FOREIGN = {
    "ravdess": ["03-01-09-01-01-01-01", "03-01-05-01-01-01-25", "03-01-05-01-01-01-00", "03-01-05-01-01-01",
                "03-01-05-03-01-01-01", "03-01-05-01-01-01-01 (1)", "1001_DFA_ANG_XX"],
    "tess": ["OAF_back_bored", "MAF_back_angry", "OAF_angry", "OAF_back_angry_1", "OAF_back_pleasant_surprise"],
    "savee": ["DC_b01", "XX_a01", "a01", "DC_a1", "DC_a001"],
    "emovo": ["joy-f1-b1", "neu-f4-b1", "neu-f1", "f1-neu-b1"],
    "urdu": ["SX1_F1_A01", "SM1_F1_B01", "SM1_A01"],
    "banglaser": ["03-01-06-01-01-01-01", "02-01-01-01-01-01-01", "03-01-01-01-01-01-35", "03-01-01-01-04-01-01"],
    "nemo": ["XX0_anger_1", "EB0_angry_1", "EB0_anger_0", "EB0_anger_100", "EB0_anger"],
    "ased": ["n2-01-01-01-01", "x1-01-01-01-01", "n1-08-01-01-01", "n1-01-03-01-01", "n1-01-01-01-66"],
    "turev_db": ["7895_xx_soba", "789_hl_soba", "7895_hl", "hl_7895_soba"],
    "crema_d": ["1000_DFA_ANG_XX", "1092_DFA_ANG_XX", "1001_XXX_ANG_XX", "1001_DFA_CAL_XX", "1001_ANG_DFA_XX",
                "1001_DFA_ANG", "1001_DFA_ANG_", "1001_DFA_ANG_XXX", "1001_DFA_ANG_xx"],
    "emo_db": ["07a01Fa", "17a01Fa", "03a03Fa", "03b04Fa", "03a01Xa", "03a01fa", "03a01F", "03a01FA", "03a01Faa"],
    "emogator": ["000000-01-1", "000358-01-1", "000400-01-1", "000001-00-1", "000001-31-1", "000001-01-4", "1-01-1"],
    "emospeech": [f"run-safe-calm-1-{USER}", f"help-unsafe-calm-1-{USER}", f"help-safe-sad-1-{USER}",
                  f"help-safe-calm-{USER}", f"help-safe-calm-1-{USER[1:]}", f"help-safe-calm-1-{USER.upper()}"],
    "baved": ["0-m-21-7-1-105", "0-m-21-0-3-105", "0-x-21-0-1-105", "0-m-21-0-1", "-1-m-21-0-1-105"],
    "casia": ["liuchanhg/angry/1", "liuchanhg/angry/2010", "liuchanhg/bored/201", "zhang/angry/201", "angry/201",
              "liuchanhg/201", "liuchanhg/angry/201-202", "liuchanhg/angry/take"],
    "synthetic": ["s00_angry_01", "s01_angry_00", "s01_bored_01", "01_angry_01", "s01_angry_1", "s01_angry_001"],
}  # fmt: skip


@pytest.mark.parametrize(("corpus", "name"), [(corpus, name) for corpus, names in FOREIGN.items() for name in names])
def test_a_name_beside_the_scheme_is_refused(corpus, name):
    assert CORPORA[corpus].parse(PurePosixPath(f"{name}.wav")) is None


def test_digits_of_other_scripts_are_not_digits():
    assert CORPORA["savee"].parse(PurePosixPath("DC_a\u0660\u0661.wav")) is None


# corpus, the ways one clip is found in the wild, and its one id
LAYOUTS = [
    (
        "ravdess",
        [
            "03-01-05-01-01-01-12.wav",
            "Actor_12/03-01-05-01-01-01-12.wav",
            "audio_speech_actors_01-24/Actor_12/03-01-05-01-01-01-12.WAV",
            "Actor_12/03-01-05-01-01-01-12.opus",
        ],
        "ravdess/03-01-05-01-01-01-12",
    ),
    (
        "tess",
        [
            "OAF_back_ps.wav",
            "OAF_pleasant_surprise/OAF_back_ps.opus",
            "TESS Toronto emotional speech set data/OAF_Pleasant_surprise/OAF_back_ps.wav",
            "small letters/oaf_back_PS.wav",
        ],
        "tess/OAF_back_ps",
    ),
    ("tess", ["OA_bite_neutral.wav", "OAF_neutral/OAF_bite_neutral.wav"], "tess/OAF_bite_neutral"),
    ("savee", ["DC_sa01.opus", "DC/sa01.wav", "AudioData/DC/sa01.wav", "ALL/DC_sa01.wav"], "savee/DC_sa01"),
    ("emovo", ["neu-f1-b1.wav", "f1/neu-f1-b1.opus", "EMOVO/f1/neu-f1-b1.wav"], "emovo/neu-f1-b1"),
    (
        "urdu",
        ["SM5_F25_N053.wav", "Neutral/SM5_F25_N053.wav", "URDU/neutral/SM5_F25_N053.opus"],
        "urdu/SM5_F25_N053",
    ),
    (
        "banglaser",
        ["03-01-01-01-02-03-27.wav", "Happy/03-01-01-01-02-03-27.wav", "Actor 27/03-01-01-01-02-03-27.wav"],
        "banglaser/03-01-01-01-02-03-27",
    ),
    ("nemo", ["EB0_anger_1.wav", "samples/EB0_anger_1.opus", "nEMO/samples/EB0_anger_1.flac"], "nemo/EB0_anger_1"),
    (
        "ased",
        ["s4-04-02-01-29.wav", "04Sad/S4-04-02-01-29.opus", "ASED_V1/04Sad/s4-04-02-01-29.wav"],
        "ased/s4-04-02-01-29",
    ),
    (
        "crema_d",
        ["1001_DFA_ANG_XX.wav", "AudioWAV/1001_DFA_ANG_XX.wav", "CREMA-D/AudioMP3/1001_DFA_ANG_XX.mp3"],
        "crema_d/1001_DFA_ANG_XX",
    ),
    ("emo_db", ["03a01Fa.wav", "wav/03a01Fa.wav", "EmoDB/wav/03a01Fa.flac"], "emo_db/03a01Fa"),
    (
        "turev_db",
        ["7895_hl_soba.wav", "Sad/7895_hl_soba.wav", "Sound Source/Sad/7895_hl_soba.opus"],
        "turev_db/7895_hl_soba",
    ),
    ("emogator", ["000001-03-2.mp3", "data/mp3/000001-03-2.mp3", "wav/000001-03-2.wav"], "emogator/000001-03-2"),
    (
        "emospeech",
        [
            f"help-safe-calm-1-{USER}.wav",
            f"Near Lake/help-safe-calm-1-{USER}.wav",
            f"v1/House/help-safe-calm-1-{USER}.opus",
        ],
        f"emospeech/help-safe-calm-1-{USER}",
    ),
    ("baved", ["0-m-21-0-1-105.wav", "0/0-m-21-0-1-105.wav", "BAVED/0/0-m-21-0-1-105.opus"], "baved/0-m-21-0-1-105"),
    (
        "casia",
        [
            "liuchanhg/angry/201.wav",
            "CASIA/Liuchang/Angry/201.WAV",
            "angry/201-angry-liuchanhg.wav",
            "相同文本300_liuchanhg_angry_201.wav",
            "liuchanhg_angry_201.opus",
        ],
        "casia/liuchanhg_angry_201",
    ),
    (
        "casia",
        [
            "不同文本100/Zuoxiang.Zhao/normal/001.wav",
            "Zuoxiang.Zhao/normal/001.opus",
            "不同文本100/ZhaoZuoxiang/neutral/001.wav",
            "neutral_Zuoxiang.Zhao_001.wav",
        ],
        "casia/zhaozuoxiang_neutral_d001",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("corpus", "name", "expected"), [(corpus, name, expected) for corpus, names, expected in LAYOUTS for name in names]
)
def test_every_layout_gives_the_same_id(tmp_path, corpus, name, expected):
    reading = read_corpus(corpus, make(tmp_path, name))
    assert [sample.id for sample in reading.samples] == [expected]
    assert reading.skipped == ()


@pytest.mark.parametrize(("corpus", "names", "expected"), LAYOUTS)
def test_all_layouts_together_are_one_clip(tmp_path, corpus, names, expected):
    reading = read_corpus(corpus, make(tmp_path, *names))
    assert [sample.id for sample in reading.samples] == [expected]
    assert len(reading.skipped) == len(names) - 1
    assert all(": the same clip as " in line for line in reading.skipped)


def test_a_sample_carries_everything_the_name_says(tmp_path):
    folder = make(tmp_path, "Actor_12/03-01-05-02-02-01-12.wav")
    [sample] = read_corpus("ravdess", str(folder)).samples
    assert Path(sample.path) == folder / "Actor_12" / "03-01-05-02-02-01-12.wav"
    assert (sample.corpus, sample.label, sample.speaker, sample.sentence) == ("ravdess", "angry", "12", "02")
    assert (sample.sex, sample.start, sample.end) == ("female", 0.0, None)
    assert sample.meta == {"intensity": "strong", "repetition": 1}


def test_samples_come_in_the_order_of_their_ids_in_any_layout(tmp_path):
    flat = make(tmp_path / "flat", "DC_a01.wav", "KL_a01.wav", "JE_su01.wav")
    nested = make(tmp_path / "nested", "z/DC/a01.wav", "b/KL/a01.wav", "a/JE/su01.wav")
    ids = [[sample.id for sample in read_corpus("savee", folder).samples] for folder in (flat, nested)]
    assert ids[0] == ids[1] == sorted(ids[0])


def test_of_two_formats_the_lossless_one_is_kept(tmp_path):
    reading = read_corpus("savee", make(tmp_path, "DC_a01.opus", "DC_a01.wav"))
    assert [Path(sample.path).name for sample in reading.samples] == ["DC_a01.wav"]
    assert reading.skipped == ("DC_a01.opus: the same clip as DC_a01.wav",)


def test_a_tree_that_is_there_twice_counts_once(tmp_path):
    name = "03-01-05-01-01-01-12.wav"
    reading = read_corpus("ravdess", make(tmp_path, f"Actor_12/{name}", f"audio_speech_actors_01-24/Actor_12/{name}"))
    assert len(reading.samples) == 1
    assert reading.skipped == (
        f"audio_speech_actors_01-24/Actor_12/{name}: the same clip as Actor_12/{name}",
    )  # fmt: skip


def test_audio_with_another_name_is_listed_and_other_files_are_not(tmp_path):
    reading = read_corpus("savee", make(tmp_path, "DC_a01.wav", "take 2.wav", "README.txt", "DC_a02.csv", "DC_a03"))
    assert [sample.id for sample in reading.samples] == ["savee/DC_a01"]
    assert reading.skipped == ("take 2.wav: not a SAVEE name, such as DC_a01.wav (or DC/a01.wav)",)


@pytest.mark.parametrize("suffix", AUDIO_SUFFIXES)
def test_any_audio_suffix_will_do(tmp_path, suffix):
    assert len(read_corpus("savee", make(tmp_path, f"DC_a01{suffix}")).samples) == 1


def test_ravdess_song_and_video_are_skipped_with_the_reason(tmp_path):
    names = [f"{kind}-05-01-01-01-12.wav" for kind in ("01-01", "02-01", "03-01", "03-02")]
    reading = read_corpus("ravdess", make(tmp_path, *names))
    assert [sample.id for sample in reading.samples] == ["ravdess/03-01-05-01-01-01-12"]
    assert reading.skipped == (
        "01-01-05-01-01-01-12.wav: modality 01 is video with sound; only 03 (audio) is read",
        "02-01-05-01-01-01-12.wav: modality 02 is video without sound; only 03 (audio) is read",
        "03-02-05-01-01-01-12.wav: channel 02 is song; only 01 (speech) is read",
    )


def test_emogator_has_thirty_categories_and_each_stands_under_one_label_at_most():
    mapped = [category for group in EMOTIONS.values() for category in group]
    assert len(set(CATEGORIES)) == 30
    assert len(set(mapped)) == len(mapped) == 13
    assert set(mapped) < set(CATEGORIES)


def test_emospeech_clips_of_the_hash_of_nothing_have_no_speaker(tmp_path):
    assert hashlib.sha224(b"").hexdigest() == UNKNOWN_USER
    names = [f"House/help-safe-calm-{n}-{UNKNOWN_USER}.wav" for n in (1, 2)]
    reading = read_corpus("emospeech", make(tmp_path, *names, f"webservice/help-safe-happy-1-{USER}.wav"))
    assert [sample.speaker for sample in reading.samples] == [None, None, "61da3711"]
    assert reading.warnings == ("the speaker of 2 of 3 clips is unknown: they cannot be split by speaker.",)


def test_emospeech_clips_without_a_voice_have_no_label_whatever_their_name_says(tmp_path):
    [sample] = read_corpus("emospeech", make(tmp_path, f"Near Lake/background-safe-calm-1-{UNKNOWN_USER}.wav")).samples
    assert (sample.label, sample.sentence) == (None, None)
    assert (sample.meta["published"], sample.meta["place"]) == ("calm", "near lake")


def test_baved_has_levels_and_no_labels(tmp_path):
    reading = read_corpus("baved", make(tmp_path, "0/0-m-21-0-0-1.wav", "3/1-f-20-3-2-7.wav"))
    assert reading.warnings == ("none of the 2 clips has a label.",)
    assert [sample.label for sample in relabel(reading.samples, "level")] == ["0", "2"]
    assert len(set(WORDS)) == 7


def test_baved_speaker_that_is_there_under_two_numbers_is_one(tmp_path):
    samples = read_corpus("baved", make(tmp_path, "0/46-m-20-0-0-156.wav", "0/53-m-20-0-0-209.wav")).samples
    assert [(sample.id, sample.speaker) for sample in samples] == [
        ("baved/46-m-20-0-0-156", "46"),
        ("baved/53-m-20-0-0-209", "46"),
    ]


def test_baved_clip_in_the_folder_of_another_word_has_no_word(tmp_path):
    [sample] = read_corpus("baved", make(tmp_path, "0/49-m-23-6-1-201.wav")).samples
    assert sample.sentence is None and "word" not in sample.meta
    assert sample.meta["level"] == 1


def test_casia_path_that_contradicts_itself_is_skipped(tmp_path):
    names = ["wangzhe/angry/201.wav", "wangzhe/angry/202-sad-wangzhe.wav", "wangzhe/sad/203-sad-liuchanhg.wav"]
    reading = read_corpus("casia", make(tmp_path, *names))
    assert [sample.id for sample in reading.samples] == ["casia/wangzhe_angry_201"]
    assert reading.skipped == (
        "wangzhe/angry/202-sad-wangzhe.wav: the path says angry and sad",
        "wangzhe/sad/203-sad-liuchanhg.wav: the path says liuchanhg and wangzhe",
    )


def test_casia_texts_of_one_emotion_are_no_sentence_of_another(tmp_path):
    names = ["liuchanhg/angry/001.wav", "liuchanhg/sad/001.wav", "Chang.Liu/angry/001.wav", "Chang.Liu/sad/001.wav"]
    samples = read_corpus("casia", make(tmp_path, *names)).samples
    assert [sample.sentence for sample in samples] == ["001", "angry-d001", "001", "sad-d001"]
    assert {sample.speaker for sample in samples} == {"liuchanhg"}


def test_urdu_letter_that_contradicts_the_folder_is_skipped(tmp_path):
    reading = read_corpus("urdu", make(tmp_path, "Sad/SM1_F1_A01.wav", "Sad/SM1_F1_S01.wav"))
    assert [sample.id for sample in reading.samples] == ["urdu/SM1_F1_S01"]
    assert reading.skipped == ("Sad/SM1_F1_A01.wav: the folder says sad, the letter A in the name says angry",)


def test_turev_letters_that_contradict_the_folder_are_skipped(tmp_path):
    reading = read_corpus("turev_db", make(tmp_path, "Happy/1234_kz_soba.wav", "Happy/1234_mt_soba.wav"))
    assert [sample.id for sample in reading.samples] == ["turev_db/1234_mt_soba"]
    assert reading.skipped == ("Happy/1234_kz_soba.wav: the folder says happy, the letters kz in the name say angry",)


def test_ased_common_sentences_are_the_same_in_every_emotion_and_the_others_are_not(tmp_path):
    names = [f"{emotion}-{sentence}-01-01-05.wav" for emotion in ("n1", "a5") for sentence in ("01", "02", "03")]
    samples = read_corpus("ased", make(tmp_path, *names)).samples
    assert [sample.sentence for sample in samples] == ["01", "02", "a5-03", "01", "02", "n1-03"]


def test_a_loop_of_links_ends(tmp_path):
    folder = make(tmp_path, "DC/a01.wav")
    (folder / "DC" / "again").symlink_to(folder, target_is_directory=True)
    assert len(read_corpus("savee", folder).samples) == 1


def test_a_link_to_the_corpus_itself_is_followed(tmp_path):
    make(tmp_path / "disk", "DC/a01.wav")
    (tmp_path / "savee").symlink_to(tmp_path / "disk", target_is_directory=True)
    assert len(read_corpus("savee", tmp_path / "savee").samples) == 1


def test_unknown_corpus_suggests_the_near_one(tmp_path):
    with pytest.raises(UnknownName, match="unknown corpus 'ravdes': did you mean 'ravdess'\\?"):
        read_corpus("ravdes", tmp_path)


def test_missing_folder_says_what_to_give(tmp_path):
    with pytest.raises(CorpusError, match="nowhere does not exist. Give the folder that RAVDESS was unpacked into."):
        read_corpus("ravdess", tmp_path / "nowhere")


def test_a_file_is_not_a_folder(tmp_path):
    make(tmp_path, "ravdess.zip")
    with pytest.raises(CorpusError, match="ravdess.zip is a file. Give the folder that RAVDESS was unpacked into."):
        read_corpus("ravdess", tmp_path / "ravdess.zip")


def test_a_folder_without_audio_says_where_the_corpus_is(tmp_path):
    with pytest.raises(CorpusError, match=r"holds no audio \(\.wav, .*Unpack RAVDESS there \(https://zenodo.org"):
        read_corpus("ravdess", make(tmp_path, "README.txt"))


def test_another_corpus_says_what_was_found_and_what_a_name_looks_like(tmp_path):
    with pytest.raises(CorpusError) as error:
        read_corpus("tess", make(tmp_path, "DC_a01.wav", "DC_a02.wav"))
    assert str(error.value) == (
        f"{tmp_path} does not hold TESS (tess): none of its 2 audio files can be read. "
        "The first is 'DC_a01.wav: not a TESS name, such as OAF_back_angry.wav'. "
        "A name looks like OAF_back_angry.wav. "
        "Give the folder of this corpus, or the name of the corpus that it holds."
    )


@pytest.mark.parametrize(("key", "corpus"), CORPORA.items())
def test_the_table_is_sound(key, corpus: Corpus):
    assert corpus.name == key
    assert corpus.labels == tuple(sorted(corpus.labels))
    assert set(corpus.labels) <= {*VOICE, "boredom"}
    assert isinstance(corpus.parse(PurePosixPath(corpus.example.split(" ")[0])), Clip) if corpus.parse else corpus.read
    assert corpus.home.startswith("http") or corpus.clips is None
    assert (corpus.clips is None) == (corpus.speakers is None) or corpus.modality == "face"


# clips, speakers and clips per label of the copies described in the data's README
REAL = {
    "ased": (2474, 65, {"angry": 486, "fear": 510, "happy": 486, "neutral": 522, "sad": 470}),
    "banglaser": (1466, 34, {"angry": 306, "happy": 306, "neutral": 242, "sad": 306, "surprise": 306}),
    "baved": (1935, 59, {None: 1935}),
    "emogator": (32130, 357, {None: 18207, **{name: 1071 * len(group) for name, group in EMOTIONS.items()}}),
    "emospeech": (7741, 108, {None: 1117, "angry": 1134, "calm": 2945, "fear": 1576, "happy": 969}),
    "emovo": (588, 6, dict.fromkeys(CORPORA["emovo"].labels, 84)),
    "nemo": (4481, 9, {"angry": 749, "fear": 736, "happy": 749, "neutral": 809, "sad": 769, "surprise": 669}),
    "ravdess": (1440, 24, dict.fromkeys(CORPORA["ravdess"].labels, 192) | {"neutral": 96}),
    "savee": (480, 4, dict.fromkeys(CORPORA["savee"].labels, 60) | {"neutral": 120}),
    "tess": (2798, 2, dict.fromkeys(CORPORA["tess"].labels, 400) | {"angry": 399, "sad": 399}),
    "turev_db": (1735, 6, {"angry": 487, "calm": 408, "happy": 357, "sad": 483}),
    "urdu": (400, 29, dict.fromkeys(CORPORA["urdu"].labels, 100)),
}


@pytest.fixture
def real_corpora() -> Path:
    folder = os.environ.get("AFFEKT_CORPORA")
    if not folder:
        pytest.skip("AFFEKT_CORPORA is not set")
    return Path(folder)


@pytest.mark.corpora
@pytest.mark.parametrize("corpus", REAL)
def test_the_real_corpus_is_read_completely(real_corpora, corpus):
    if not (real_corpora / corpus).is_dir():
        pytest.skip(f"no {corpus} in {real_corpora}")
    reading = read_corpus(corpus, real_corpora / corpus)
    clips, speakers, labels = REAL[corpus]
    assert reading.skipped == ()
    assert len(reading.samples) == clips <= CORPORA[corpus].clips
    assert len({sample.speaker for sample in reading.samples} - {None}) == speakers <= CORPORA[corpus].speakers
    assert Counter(sample.label for sample in reading.samples) == labels
