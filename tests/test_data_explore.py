"""What is in a corpus: counts, notices, examples, spectra, what clips cluster by, the page and the command."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections import Counter

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.cli import main
from affekt.corpora import read_corpus
from affekt.data.counts import count
from affekt.data.explore import (
    CENTRES,
    Bands,
    Groups,
    bands_of,
    choose_examples,
    differences_of,
    explore,
    lengths_of,
    pitches_of,
    third_octaves,
)
from affekt.data.explore_notes import look_out
from affekt.data.maps import Measures, groupings, map_of, standardised
from affekt.data.splits import draw_evenly
from affekt.errors import AudioError, InputError, UnknownName
from affekt.types import Sample

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

LABELS = st.sampled_from(["angry", "happy", "sad", None])
SPEAKERS = st.sampled_from(["1", "2", "10", None])
SEXES = st.sampled_from(["female", "male", None])


def sample(i, label="sad", speaker="1", sentence="a", sex="female", **more):
    return Sample(f"made/{i}", f"/nowhere/{i}.wav", label, speaker, sentence=sentence, sex=sex, corpus="made", **more)


@st.composite
def corpora(draw):
    rows = draw(st.lists(st.tuples(LABELS, SPEAKERS, SEXES, SPEAKERS), min_size=1, max_size=40))
    return [sample(i, label, speaker, sentence, sex) for i, (label, speaker, sex, sentence) in enumerate(rows)]


def tone(path, hertz=200.0, seconds=0.5, rate=16_000, amplitude=0.3):
    time = np.arange(int(seconds * rate)) / rate
    soundfile.write(path, amplitude * np.sign(np.sin(2 * np.pi * hertz * time)), rate)


@pytest.fixture(scope="module")
def reading(clips, tmp_path_factory):
    """The committed clips, as a corpus."""
    return read_corpus("ravdess", clips[0].parent)


@pytest.fixture(scope="module")
def found(reading):
    return explore(reading.samples, np.random.default_rng(0))


# counts


@given(corpora())
def test_counts_count_every_clip_once(samples):
    table = count(samples, "label", "speaker")
    expected = Counter((s.label or "unknown", s.speaker or "unknown") for s in samples)
    got = {(r, c): n for r, row in zip(table.rows, table.counts, strict=True)
           for c, n in zip(table.columns, row, strict=True) if n}  # fmt: skip
    assert got == expected


def test_names_stand_in_natural_order_and_the_unknown_last():
    names = ["SM10", None, "SM2", "zoe", "SM1", "12", "2"]
    table = count([sample(i, speaker=name) for i, name in enumerate(names)], "speaker", "sex")
    assert table.rows == ("2", "12", "SM1", "SM2", "SM10", "zoe", "unknown")


def test_a_field_that_does_not_exist_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'speaker'"):
        count([sample(1)], "label", "speakr")


# drawing clips and examples


@given(corpora(), st.integers(1, 50), st.integers(0, 3))
def test_clips_are_drawn_evenly_over_labels(samples, wanted, seed):
    drawn = draw_evenly(samples, wanted, np.random.default_rng(seed))
    assert len(drawn) == min(wanted, len(samples)) == len({s.id for s in drawn})
    there, got = (Counter(s.label for s in some) for some in (samples, drawn))
    exhausted = [label for label in there if got[label] == there[label]]
    rest = [got[label] for label in there if label not in exhausted]
    assert not rest or max(rest) - min(rest) <= 1
    assert all(got[label] <= min(rest, default=wanted) + 1 for label in exhausted if rest)


def test_drawing_depends_on_the_seed_alone():
    samples = [sample(i, "sad" if i % 3 else "happy") for i in range(60)]
    a, b, c = (draw_evenly(samples, 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert a == b != c


def test_examples_are_of_one_speaker_and_sentence_where_these_cover_most_emotions():
    samples = [sample(i, label, speaker, sentence)
               for i, (label, speaker, sentence) in enumerate([
                   ("angry", "1", "a"), ("happy", "2", "a"), ("sad", "2", "a"), ("angry", "2", "b"),
                   ("happy", "1", "b"),
                   ("angry", "2", "a"), ("fear", "2", "b"), ("fear", "1", "a"), ("calm", "1", "c"),
               ])]  # fmt: skip
    chosen = {s.label: (s.speaker, s.sentence) for s in choose_examples(samples, dict.fromkeys(ids(samples), 1.0))}
    assert chosen == {
        "angry": ("2", "a"), "happy": ("2", "a"), "sad": ("2", "a"), "fear": ("2", "b"), "calm": ("1", "c")
    }  # fmt: skip


def test_examples_are_of_one_intensity_where_there_are_several():
    samples = [sample(i, label, meta={"intensity": intensity})
               for i, (label, intensity) in enumerate([
                   ("angry", "strong"), ("angry", "normal"), ("sad", "strong"), ("sad", "normal"), ("neutral", "normal")
               ])]  # fmt: skip
    assert ids(choose_examples(samples, dict.fromkeys(ids(samples), 1.0))) == ["made/1", "made/4", "made/3"]


def ids(samples):
    return [s.id for s in samples]


def test_among_equals_the_clip_nearest_the_median_length_is_chosen():
    samples = [sample(i) for i in range(5)]
    lengths = dict(zip(ids(samples), [1.0, 9.0, 2.1, 2.0, 4.0], strict=True))
    assert ids(choose_examples(samples, lengths)) == ["made/2"]


@given(corpora())
def test_there_is_one_example_for_each_emotion_and_sex(samples):
    chosen = choose_examples(samples, dict.fromkeys(ids(samples), 1.0))
    pairs = [(s.label, s.sex) for s in chosen]
    assert len(pairs) == len(set(pairs)) and set(pairs) == {(s.label, s.sex) for s in samples}


# spectra


@pytest.mark.parametrize("band", [0, 5, 10, 18])
def test_a_sine_of_amplitude_one_has_mean_square_one_half_in_its_band(band):
    sine = np.sin(2 * np.pi * CENTRES[band] * np.arange(32_000) / 16_000)
    levels = third_octaves(sine.astype(np.float32))
    assert levels.argmax() == band
    assert levels[band] == pytest.approx(0.5, rel=0.1)


def test_white_noise_spreads_over_the_bands_by_their_width():
    noise = np.random.default_rng(0).standard_normal(160_000).astype(np.float32)
    expected = CENTRES * (2 ** (1 / 6) - 2 ** (-1 / 6)) / 8000
    assert third_octaves(noise)[6:] == pytest.approx(expected[6:], rel=0.1)


@given(st.floats(0.1, 4.0))
@settings(max_examples=10)
def test_gain_moves_all_bands_by_its_square(gain):
    noise = np.random.default_rng(1).standard_normal(8000).astype(np.float32)
    assert third_octaves(np.float32(gain) * noise) == pytest.approx(gain**2 * third_octaves(noise), rel=1e-3)


def test_differences_are_from_the_mean_of_the_emotions_of_one_sex():
    levels = {("a", "f"): np.array([1.0]), ("b", "f"): np.array([5.0]), ("a", "m"): np.array([9.0])}
    got = differences_of(Bands(np.array([100.0]), levels)).levels
    assert {pair: float(value[0]) for pair, value in got.items()} == {("a", "f"): -2, ("b", "f"): 2, ("a", "m"): 0}


# what clips cluster by


def blobs(speakers=4, labels=("angry", "sad"), each=6, by="speaker", seed=0):
    """Samples and features that are clouds around a point for each speaker, or for each label."""
    rng = np.random.default_rng(seed)
    samples = [
        sample(f"{s}-{label}-{i}", label, str(s)) for s in range(speakers) for label in labels for i in range(each)
    ]
    points = {name: 10 * rng.standard_normal(5) for name in sorted({getattr(s, by) for s in samples})}
    return samples, np.stack([points[getattr(s, by)] + rng.standard_normal(5) for s in samples])


def test_voices_that_cluster_are_seen_as_such():
    label, speaker, others = groupings(*blobs(by="speaker"))
    assert (label.by, speaker.by, others.by) == ("label", "speaker", "label of other speakers")
    assert speaker.neighbour == 1 and speaker.silhouette > 0.5 and speaker.groups == 4
    assert speaker.lift == 1 and abs(label.lift) < 0.5 and label.silhouette < 0.1


def test_emotions_that_cluster_are_seen_as_such_for_new_voices_too():
    label, speaker, others = groupings(*blobs(by="label"))
    assert label.neighbour == others.neighbour == 1 and label.silhouette > 0.5 > speaker.silhouette


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_silhouette_and_neighbours_are_those_of_scikit_learn(seed):
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import NearestNeighbors

    samples, features = blobs(seed=seed)
    labels = np.array([s.label for s in samples])
    nearest = NearestNeighbors(n_neighbors=2).fit(features).kneighbors(features)[1][:, 1]
    (label, _, _) = groupings(samples, features)
    assert label.silhouette == pytest.approx(silhouette_score(features, labels))
    assert label.neighbour == pytest.approx((labels[nearest] == labels).mean())
    assert label.chance == pytest.approx((24 - 1) / (48 - 1))


def test_what_is_unknown_is_no_group():
    samples, features = blobs()
    nobody = [dataclasses.replace(s, speaker=None) for s in samples]
    assert [g.by for g in groupings(nobody, features)] == ["label"]
    one = [dataclasses.replace(s, label="sad") for s in samples]
    assert [g.by for g in groupings(one, features)] == ["speaker"]


def test_features_that_never_change_do_no_harm():
    got = standardised(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert got.tolist() == [[-1, 0], [1, 0]]


def test_a_map_needs_ten_clips_and_is_the_same_for_the_same_seed():
    samples, features = blobs()
    measures = [Measures(s, -20.0, np.ones(19), 100.0, row) for s, row in zip(samples, features, strict=True)]
    assert map_of(measures[:9], np.random.default_rng(0)) is None
    first, second = (map_of(measures, np.random.default_rng(3)).points for _ in range(2))
    assert first.shape == (48, 2) and np.array_equal(first, second)


# notices


def notices(samples, lengths=None, rates=None):
    from affekt.data.explore import Exploration

    lengths = lengths or dict.fromkeys(ids(samples), 2.0)
    rates = rates or dict.fromkeys(ids(samples), 16_000)
    return " ".join(look_out(Exploration(tuple(samples), lengths, rates, (), (), None)))


def balanced(speakers=12, labels=("angry", "sad")):
    return [sample(f"{s}{label}{text}", label, f"{s}", text, "male" if s % 2 else "female")
            for s in range(speakers) for label in labels for text in "ab"]  # fmt: skip


def test_of_a_balanced_corpus_there_is_nothing_to_say():
    assert notices(balanced()) == ""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: [*s, *(sample(f"x{i}", "sad", f"{i}", "a") for i in range(12))],
         "The classes are unbalanced: sad has 36 clips, angry 24. Always answering sad is right 60 % of the time"),
        (lambda s: [x for x in s if x.label == "sad"], "All 24 clips have one label, sad"),
        (lambda s: [dataclasses.replace(x, label=None) if x.speaker == "3" else x for x in s],
         "4 of 48 clips have no label"),
        (lambda s: [x for x in s if int(x.speaker) < 2], "There are 2 speakers only (0, 1)"),
        (lambda s: [dataclasses.replace(x, speaker=None) for x in s], "The speaker of 48 of 48 clips is unknown"),
        (lambda s: [x for x in s if x.label == "sad" or int(x.speaker) > 1],
         "2 of 12 speakers are heard in one emotion only (0, 1)"),
        (lambda s: [*s, *(sample(f"x{i}", ("angry", "sad")[i % 2], "3", "a", "male") for i in range(20))],
         "Speaker 3 alone has 24 of 68 clips (35 %); the median speaker has 4"),
        (lambda s: [dataclasses.replace(x, sex=None) for x in s], "The sex of the speaker of 48 of 48 clips"),
        (lambda s: [x for x in s if x.sex == "male"], "All speakers are male"),
        (lambda s: [x for x in s if x.sex == "male" or x.speaker in "02"], "24 clips male and 8 clips female"),
        (lambda s: [x for x in s if x.sex == "male" or x.label == "sad"], "Heard from one sex only: angry."),
        (lambda s: [dataclasses.replace(x, sex="male") if x.id == "made/4sadb" else x for x in s],
         "Female in some clips and male in others, by their names: speaker 4."),
        (lambda s: [dataclasses.replace(x, sentence=None) for x in s], "What is said is not known"),
        (lambda s: [dataclasses.replace(x, sentence="c") if x.label == "sad" and x.sentence == "a" else x for x in s],
         "2 of 3 sentences (a, c) are spoken in one emotion only, in 24 of 48 clips"),
    ],
)  # fmt: skip
def test_what_is_odd_is_told_with_its_counts(change, sentence):
    assert sentence in notices(change(balanced()))


def test_clips_without_a_label_are_not_counted_as_a_class():
    samples = balanced()
    bare = [dataclasses.replace(s, id=f"{s.id}{i}", label=None, sentence=None) for i in range(2) for s in samples]
    lengths = {s.id: 2.0 if s.label else 9.0 for s in [*samples, *bare]}
    assert notices([*samples, *bare], lengths) == "96 of 144 clips have no label."
    assert notices(bare) == "96 of 96 clips have no label."


def test_names_of_hundreds_of_speakers_do_not_lie_on_one_another():
    from affekt.plot.explore import bars

    samples = [sample(f"x{i}", "sad", f"{i:03d}", "a") for i in range(357)]
    ax = bars(count(samples, "speaker", "sex"))
    names = [text.get_text() for text in ax.get_xticklabels()]
    assert len(names) <= 120
    assert names[:2] == ["000", "003"] and ax.get_xticks()[1] == 3


def test_lengths_and_rates_that_give_something_away_are_told():
    samples = balanced()
    lengths = {s.id: 3.0 if s.label == "sad" else 1.5 for s in samples}
    assert "Length" not in notices([s for s in samples if s.sentence == "a"][:8], lengths)
    rates = {s.id: 8000 if s.speaker == "3" else 16_000 for s in samples}
    said = notices(samples, lengths, rates)
    assert "the median clip of sad lasts 3.0 s, that of angry 1.5 s" in said
    assert "16000 Hz (44 clips), 8000 Hz (4 clips)" in said


@given(corpora())
def test_there_are_words_for_any_corpus(samples):
    assert all(sentence.endswith(".") for sentence in [notices(samples)] if sentence)


# exploring


def test_every_clip_is_looked_at(found, reading):
    assert ids(found.samples) == ids(reading.samples) == [m.sample.id for m in found.measures]
    for s in found.samples:
        assert found.lengths[s.id] == pytest.approx(soundfile.info(s.path).duration)
    assert set(found.rates.values()) == {48_000}
    assert found.unreadable == {} and found.map is not None
    assert sum(map(len, lengths_of(found).values.values())) == 12


def test_levels_are_the_sum_of_the_bands_for_speech(found):
    for m in found.measures:
        # What lies below 100 Hz and above 7 kHz is little.
        assert 10 * np.log10(m.bands.sum()) == pytest.approx(m.level, abs=1.0)


def test_the_pitch_is_that_of_the_voice(found):
    medians = {pair: float(np.median(values)) for pair, values in pitches_of(found).values.items()}
    assert medians["neutral", "female"] > 1.2 * medians["neutral", "male"]
    assert medians["angry", "male"] > 1.2 * medians["neutral", "male"]
    assert all(65 <= value <= 500 for value in medians.values())


def test_of_more_clips_than_wanted_some_are_decoded_and_all_counted(reading):
    few = explore(reading.samples, np.random.default_rng(0), clips=4)
    assert (len(few.samples), len(few.measures), few.map) == (12, 4, None)


def test_broken_clips_are_named_and_the_rest_goes_on(clips, tmp_path):
    for path in clips:
        shutil.copy(path, tmp_path)
    broken = sorted(tmp_path.iterdir())[::2]
    for path in broken:
        path.write_bytes(b"RIFF nothing")
    got = explore(read_corpus("ravdess", tmp_path).samples, np.random.default_rng(0))
    assert {name.rpartition("/")[2] for name in got.unreadable} == {path.stem for path in broken}
    assert len(got.samples) == 6 and not set(ids(got.samples)) & set(got.unreadable)
    assert str(tmp_path) not in "".join(got.unreadable.values())


def test_a_clip_whose_header_alone_is_whole_is_named_too(clips, tmp_path):
    rate, nan = 16_000, np.full(16_000, np.nan, np.float32)
    for name in ("03-01-05-01-01-01-01", "03-01-05-01-01-01-02"):
        soundfile.write(tmp_path / f"{name}.wav", nan, rate, subtype="FLOAT")
    tone(tmp_path / "03-01-04-01-01-01-02.wav")
    got = explore(read_corpus("ravdess", tmp_path).samples, np.random.default_rng(0))
    assert len(got.unreadable) == 2 and all("NaN" in reason for reason in got.unreadable.values())
    assert ids(got.samples) == ["ravdess/03-01-04-01-01-01-02"] == [e.sample.id for e in got.examples]


def test_nothing_readable_is_an_error_that_names_the_first(tmp_path):
    (tmp_path / "03-01-05-01-01-01-01.wav").write_bytes(b"no sound")
    samples = read_corpus("ravdess", tmp_path).samples
    with pytest.raises(AudioError, match="none of the 1 clips can be read. The first, ravdess/03-01-05"):
        explore(samples, np.random.default_rng(0))
    with pytest.raises(InputError, match="0 samples"):
        explore([], np.random.default_rng(0))


def test_a_stretch_of_a_file_is_what_is_measured(tmp_path):
    silence, rate = np.zeros(16_000), 16_000
    soundfile.write(
        tmp_path / "a.wav", np.concatenate([silence, 0.5 * np.ones(16_000), silence]), rate, subtype="FLOAT"
    )
    parts = [("before", 0.0, 1.0), ("in", 1.25, 1.75), ("beyond", 5.0, None)]
    samples = [Sample(name, str(tmp_path / "a.wav"), "sad", start=a, end=b) for name, a, b in parts]
    got = explore(samples, np.random.default_rng(0))
    assert got.lengths == {"before": 1.0, "in": 0.5}
    assert {m.sample.id: round(m.level) for m in got.measures} == {"before": -120, "in": -6}
    assert "is 3.00 s long and ends before beyond starts, at 5 s" in got.unreadable["beyond"]


def test_a_clip_that_is_cut_short_is_read_and_told(clips, tmp_path):
    whole = clips[0].read_bytes()
    (tmp_path / clips[0].name).write_bytes(whole[: len(whole) // 2])
    got = explore(read_corpus("ravdess", tmp_path).samples, np.random.default_rng(0))
    assert len(got.samples) == 1 and len(got.odd) == 1 and clips[0].name in got.odd[0]


# pictures


@pytest.fixture(scope="module")
def drawn(found):
    from affekt.plot.explore_page import chapters

    return {chapter.name: chapter for chapter in chapters(found)}


def test_every_picture_is_there_with_a_title_units_and_words(drawn):
    assert list(drawn) == [
        "classes", "speakers", "speakers-by-emotion", "lengths", "waveforms", "mel-spectrograms", "mfcc",
        "pitch-tracks", "levels", "spectra", "pitch", "map",
    ]  # fmt: skip
    for chapter in drawn.values():
        assert chapter.see and chapter.caption.endswith(".")
        assert any(ax.get_title(loc="left") or ax.get_title() for ax in chapter.figure.axes)


def test_bars_and_boxes_show_the_numbers(found):
    from affekt.plot.explore import SEX_COLOURS, bars, boxes, heat

    table = count(found.samples, "label", "sex")
    ax = bars(table)
    assert [t.get_text() for t in ax.texts] == [str(n) for n in table.counts.sum(axis=1)]
    assert [patch.get_height() for patch in ax.patches] == table.counts.T.ravel().tolist()
    with pytest.raises(InputError, match="label by speaker"):
        bars(count(found.samples, "label", "speaker"))
    groups = Groups("length", "s", {("sad", "female"): np.arange(5.0), ("sad", "male"): np.ones(3)})
    box = boxes(groups)
    assert box.get_ylabel() == "length / s"
    assert {patch.get_facecolor()[:3] for patch in box.patches} == {rgb(SEX_COLOURS[s]) for s in ("female", "male")}
    cells = [t.get_text() for t in heat(count(found.samples, "label", "speaker")).texts]
    assert sum(int(cell) for cell in cells if cell.isdigit()) == 12


def rgb(colour):
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def test_examples_share_their_scales(found, drawn):
    for name in ("waveforms", "mel-spectrograms", "mfcc", "pitch-tracks"):
        axes = [ax for ax in drawn[name].figure.axes if ax.get_visible() and ax.get_title(loc="left")]
        assert len(axes) == len(found.examples)
        assert len({ax.get_xlim() for ax in axes}) == len({ax.get_ylim() for ax in axes}) == 1
        assert axes[0].get_xlim()[1] == max(e.length for e in found.examples)


def test_a_mel_picture_has_a_tone_at_its_frequency():
    from affekt.data.explore import _example
    from affekt.plot.explore import mel
    from affekt.speech.spectral import mel_to_hertz

    signal = np.sin(2 * np.pi * 2000 * np.arange(16_000) / 16_000).astype(np.float32)
    image = mel(_example(sample(1), signal)).get_images()[0]
    low, high = image.get_extent()[2:]
    row = np.asarray(image.get_array()).mean(axis=1).argmax()
    assert mel_to_hertz(low + (row + 0.5) * (high - low) / 64) == pytest.approx(2000, rel=0.05)


def test_the_page_is_one_file_that_asks_nobody(found, drawn):
    from affekt.plot.explore_page import explore_page

    text = explore_page(found, drawn.values(), title="<RAVDESS>", skipped=["b.wav: not a <name>"])
    assert text.count("data:image/png;base64,") == 12 and "<script" not in text
    assert not re.search(r"""(src|href)=(?!"data:|"#)|url\(|@import""", text)
    assert "&lt;RAVDESS&gt;" in text and "not a &lt;name&gt;" in text and "There are 2 speakers only" in text


def test_words_under_the_map_follow_from_its_numbers():
    from affekt.data.maps import Map
    from affekt.plot.explore_page import _clusters

    for by, words in (("speaker", "more by who speaks than by the emotion"), ("label", "more by the emotion than by")):
        samples, features = blobs(by=by)
        assert words in _clusters(Map(features[:, :2], tuple(samples), groupings(samples, features)))
    tied = [dataclasses.replace(s, label="sad" if int(s.speaker) % 2 else "angry") for s in samples]
    data = Map(features[:, :2], tuple(tied), groupings(tied, features))
    assert data.tied == 1 and "100 % of these clips are by speakers heard in one emotion only" in _clusters(data)
    assert "nothing to compare" in _clusters(Map(np.zeros((1, 2)), (sample(1),), ()))


# the command


def run(*arguments):
    return CliRunner().invoke(main, ["explore", *map(str, arguments)])


def test_the_command_writes_the_page_and_its_pictures(clips, tmp_path):
    (tmp_path / "in").mkdir()
    for path in clips[:4]:
        shutil.copy(path, tmp_path / "in")
    done = run(tmp_path / "in", "--corpus", "ravdess", "--output", tmp_path / "new" / "folder")
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (tmp_path / "new" / "folder").iterdir())
    # Of four clips there is no map.
    assert "index.html" in names and len(names) == 12 and "note: There are 2 speakers only (23, 24)" in done.output


def test_the_command_names_broken_clips_and_ends_with_one(tmp_path):
    corpus = tmp_path / "in"
    corpus.mkdir()
    tone(corpus / "03-01-04-01-01-01-02.wav")
    (corpus / "03-01-05-01-01-01-02.wav").write_bytes(b"RIFF")
    done = run(corpus, "--corpus", "ravdess", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "error: ravdess/03-01-05-01-01-01-02:" in done.output and "1 of 2 clips could not be read" in done.output
    assert "ravdess/03-01-05-01-01-01-02" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_one_class_of_unknown_speakers_is_shown_as_far_as_it_goes(clips, tmp_path):
    (tmp_path / "in" / "sad").mkdir(parents=True)
    for path in clips[:2]:
        shutil.copy(path, tmp_path / "in" / "sad")
    done = run(tmp_path / "in", "--corpus", "folder", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "All 2 clips have one label, sad" in done.output and "speaker of 2 of 2 clips is unknown" in done.output
    assert not (tmp_path / "out" / "map.png").exists()


def test_labels_that_look_like_formulas_are_shown_as_they_are(clips, tmp_path):
    for label in ("$x_{$", "$\\frac{$"):
        (tmp_path / "in" / label).mkdir(parents=True)
        for path in clips[:3]:
            shutil.copy(path, tmp_path / "in" / label)
    done = run(tmp_path / "in", "--corpus", "folder", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "classes.png").exists()


def test_wrong_usage_is_told_before_anything_is_made(clips, tmp_path):
    (tmp_path / "file").touch()
    folder, out = clips[0].parent, tmp_path / "out"
    for arguments, status, words in [
        ((folder, "--corpus", "ravdes", "-o", out), 2, "did you mean 'ravdess'"),
        ((folder, "--corpus", "nemo", "-o", out), 2, "does not hold nEMO"),
        ((tmp_path / "none", "--corpus", "ravdess", "-o", out), 2, "does not exist"),
        ((folder, "--corpus", "ravdess", "-o", tmp_path / "file"), 2, "is a file; give a folder"),
        ((folder, "--corpus", "ravdess", "-o", out, "--clips", 0), 2, "--clips"),
    ]:
        done = run(*arguments)
        assert (done.exit_code, words in done.output) == (status, True), done.output
    assert not out.exists()


@pytest.mark.corpora
def test_urdu_has_speakers_of_one_emotion_and_tess_two_women(corpora_folder):
    urdu = explore(read_corpus("urdu", corpora_folder / "urdu").samples, np.random.default_rng(0), clips=40)
    assert re.search(r"of 29 speakers are heard in one emotion only", said := " ".join(look_out(urdu)))
    assert "Speaker SM5 alone has 80 of 400 clips (20 %)" in said
    tess = explore(read_corpus("tess", corpora_folder / "tess").samples, np.random.default_rng(0), clips=70)
    said = " ".join(look_out(tess))
    assert "There are 2 speakers only (OAF, YAF)" in said and "All speakers are female" in said
    assert {pair[1] for pair in bands_of(tess).levels} == {"female"}
