"""Reports: slices, stamps, chance, and the same report as text, JSON, Markdown and in a card."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from affekt.errors import InputError, UnknownName
from affekt.evaluate.answers import answer
from affekt.evaluate.corpus import COMMITTED, TestSet, evaluate, select_test_set
from affekt.metrics.across import cross_corpus
from affekt.metrics.labels import METRICS
from affekt.metrics.probabilities import SCORE_METRICS
from affekt.metrics.report import report, stamped
from affekt.metrics.slices import slices, too_small
from affekt.models.card import Card
from affekt.types import Estimate, Report, Sample
from affekt.write.report import FORMATS, record, to_json, to_markdown, to_text, worst_speaker
from affekt.write.tables import interval, markdown_table, text_table

STAMP = "the same clip is in training and test"


@dataclass(frozen=True)
class Found:
    """Like a finding of the audit."""

    name: str = "copies"
    severity: str = "severe"
    what: str = "12 clips stand in train and in test."
    examples: tuple[str, ...] = ("c/1",)
    inflates: str = "the score"
    remedy: str = "drop them"
    stamp: str = STAMP


def make_samples(speakers=4, clips=20, labels="ab", corpus="ravdess"):
    return [
        Sample(
            f"{corpus}/{s}-{i}",
            "x.wav",
            label=labels[i % len(labels)],
            speaker=f"{s:02d}",
            corpus=corpus,
            sex=("female", "male")[s % 2],
            sentence=f"s{i // 2 % 2}",
            meta={"intensity": ("baseline", "strong")[i // 4 % 2], "duration": (1.0, 2.0, 4.0)[i // 2 % 3]},
        )
        for s in range(speakers)
        for i in range(clips)
    ]


def answers_of(samples, rng, right=0.7, labels="ab"):
    scores = []
    for sample in samples:
        row = rng.dirichlet(np.ones(len(labels)))
        best = sample.label if rng.random() < right else labels[rng.integers(len(labels))]
        order = sorted(row, reverse=True)
        scores.append({best: order[0]} | dict(zip([x for x in labels if x != best], order[1:], strict=True)))
    return [max(row, key=row.__getitem__) for row in scores], scores


@pytest.fixture(scope="module")
def full():
    samples = make_samples()
    predicted, scores = answers_of(samples, np.random.default_rng(0))
    predicted[3], scores[3] = None, {}
    return report(samples, predicted, rng=np.random.default_rng(0), protocol="p|q", scores=scores, findings=[Found()])


def test_a_report_has_every_metric_with_n_and_an_interval(full):
    assert list(full.metrics) == [*METRICS, *SCORE_METRICS]
    for name, e in full.metrics.items():
        assert e.n == 80, name
        assert e.low <= e.value <= e.high, name
    assert full.chance == 0.5
    assert full.p_value < 0.05
    assert full.speakers == 4
    for label in "ab":
        entry = full.per_class[label]
        assert entry["support"] == 40
        assert entry["recall"].low <= entry["recall"].value <= entry["recall"].high
    assert sum(n for _, _, n in full.reliability) == 80
    assert np.mean([e["recall"].value for e in full.per_class.values()]) == pytest.approx(full.metrics["UAR"].value)


def test_scores_as_array_and_as_mappings_are_the_same(full):
    samples = make_samples(labels="ba")
    predicted, scores = answers_of(samples, np.random.default_rng(1))
    table = np.array([[row["b"], row["a"]] for row in scores])
    one = report(samples, predicted, rng=np.random.default_rng(0), scores=scores)
    two = report(samples, predicted, rng=np.random.default_rng(0), scores=table, labels=("b", "a"))
    for name in one.metrics:
        assert one.metrics[name].value == pytest.approx(two.metrics[name].value)


def test_what_shuffled_answers_are_worth():
    rng = np.random.default_rng(0)
    samples = make_samples(speakers=8)
    predicted = rng.permutation([sample.label for sample in samples]).tolist()
    found = report(samples, predicted, rng=rng)
    assert found.metrics["UAR"].low < 0.5 < found.metrics["UAR"].high
    assert found.p_value > 0.05


def test_a_label_without_a_score_is_left_out_of_the_scores_only():
    samples = make_samples(labels="abc")
    predicted, scores = answers_of(samples, np.random.default_rng(0), labels="ab", right=0)
    found = report(samples, predicted, rng=np.random.default_rng(0), scores=scores)
    without = sum(sample.label == "c" for sample in samples)
    assert found.metrics["log loss"].n == len(samples) - without
    assert found.metrics["UAR"].n == len(samples)
    assert any(f"{without} of 80 clips have a label that gets no score" in w for w in found.warnings)


def test_nothing_answered_at_all_is_a_report_too():
    samples = make_samples()
    found = report(samples, [None] * 80, rng=np.random.default_rng(0), scores=[{}] * 80)
    assert found.metrics["UAR"].value == 0
    assert found.metrics["log loss"].value == pytest.approx(np.log(2))
    assert found.p_value == 1
    json.loads(to_json(found))


def test_wrong_numbers_of_scores_are_refused():
    samples = make_samples()
    with pytest.raises(InputError, match="80 samples and 1 rows of scores"):
        report(samples, ["a"] * 80, rng=np.random.default_rng(0), scores=[{"a": 1.0}])
    with pytest.raises(InputError, match="must be probabilities"):
        report(samples, ["a"] * 80, rng=np.random.default_rng(0), scores=np.ones((80, 2)))


def test_one_class_only_is_said():
    samples = make_samples(labels="a")
    found = report(samples, ["a"] * 80, rng=np.random.default_rng(0))
    assert found.chance == 1
    assert found.p_value == 1
    assert any("all clips are a: there is nothing to distinguish" in w for w in found.warnings)


# slices


def test_slices_are_the_uar_of_their_clips():
    samples = make_samples()
    predicted = [s.label if s.sex == "female" else "a" for s in samples]
    found = slices(samples, predicted, rng=np.random.default_rng(0))
    assert found["sex=female"] == Estimate(1.0, 1.0, 1.0, 40)
    assert found["sex=male"].value == 0.5
    assert {name.partition("=")[0] for name in found} == {"sex", "length", "intensity", "sentence", "speaker"}
    assert found["length=under 1.5 s"].n + found["length=1.5 to 3 s"].n + found["length=over 3 s"].n == 80
    assert found["speaker=01"].value == 0.5


def test_what_all_clips_share_is_no_slice_and_several_corpora_name_their_speakers():
    both = make_samples() + make_samples(corpus="emovo")
    found = slices(both, [s.label for s in both], rng=np.random.default_rng(0))
    assert {"corpus=ravdess", "corpus=emovo", "language=English", "language=Italian"} <= set(found)
    assert found["speaker=emovo/00"].n == 20
    assert not any(
        name.startswith("corpus") for name in slices(make_samples(), ["a"] * 80, rng=np.random.default_rng(0))
    )


def test_small_slices_get_no_number_and_are_counted():
    samples = make_samples(speakers=2, clips=12)[:20]  # the second speaker has 8 clips
    samples += [replace(s, id=f"{s.id}x", speaker="09", label="a") for s in make_samples(speakers=1, clips=12)]
    assert set(too_small(samples, ["speaker"])) == {"speaker=01", "speaker=09"}
    assert set(slices(samples, ["a"] * 32, rng=np.random.default_rng(0), by=["speaker"])) == {"speaker=00"}
    found = report(samples, ["a"] * 32, rng=np.random.default_rng(0))
    assert any("get no number" in sentence for sentence in found.warnings)


def test_an_end_tells_the_length_and_an_unknown_slice_is_refused():
    samples = [Sample(f"c/{i}", "x", label="ab"[i % 2], start=1.0, end=(2.0, 9.0)[i < 12]) for i in range(24)]
    found = slices(samples, ["a"] * 24, rng=np.random.default_rng(0))
    assert {name: e.n for name, e in found.items()} == {"length=over 3 s": 12, "length=under 1.5 s": 12}
    with pytest.raises(UnknownName, match="unknown slice 'sexx': did you mean 'sex'"):
        slices(samples, ["a"] * 24, rng=np.random.default_rng(0), by=["sexx"])


def test_the_worst_speaker_is_named(full):
    recalls = {n.partition("=")[2]: e.value for n, e in full.slices.items() if n.startswith("speaker=")}
    assert worst_speaker(full)[0] == min(recalls, key=recalls.__getitem__)
    assert f"worst speaker: {worst_speaker(full)[0]}" in to_text(full)


# writing


@pytest.mark.parametrize("write", FORMATS.values(), ids=list(FORMATS))
def test_stamps_findings_and_warnings_are_in_every_format(full, write):
    assert full.stamps == (STAMP,)
    written = write(full)
    assert STAMP in written.lower()
    assert "12 clips stand in train and in test." in written
    for sentence in full.warnings:
        assert sentence in written


def test_only_severe_findings_stamp_and_each_stamp_stands_once(full):
    samples = make_samples()
    found = report(
        samples,
        ["a"] * 80,
        rng=np.random.default_rng(0),
        findings=[Found(), Found(), Found(severity="warning", stamp="no")],
    )
    assert found.stamps == (STAMP,)
    assert stamped(stamped(found, "x", "why"), "x").stamps == (STAMP, "x")
    assert stamped(found, "x", "why").warnings[0] == "why"


def test_json_is_versioned_and_says_all(full):
    table = json.loads(to_json(full))
    assert table == record(full)
    assert table["schema"] == "affekt/report-1"
    assert table["metrics"]["UAR"] == {
        "value": full.metrics["UAR"].value,
        "low": full.metrics["UAR"].low,
        "high": full.metrics["UAR"].high,
        "n": 80,
    }
    assert table["confusion"] == [list(row) for row in full.confusion]
    assert table["findings"][0]["examples"] == ["c/1"]
    assert len(table["reliability"]) == 15


def test_a_differences_interval_has_its_sign_and_no_minus_zero():
    assert interval(Estimate(-0.004, -0.126, 0.05, 9), sign=True) == "+0.00 [−0.13, +0.05]"
    assert interval(Estimate(0.5, 0.25, 1.0, 9), places=3) == "0.500 [0.250, 1.000]"


def test_markdown_tables_escape_cells_unless_they_are_markdown():
    assert markdown_table(["a"], [["*b* | c"]])[2] == r"| \*b\* \| c |"
    assert markdown_table(["a"], [["*b*"]], escape=False)[2] == "| *b* |"


def test_text_tables_align_numbers_to_the_right_or_everything_to_the_left():
    rows = [("label", "clips"), ("sad", 7)]
    assert text_table(rows) == ["label  clips", "sad        7"]
    assert text_table(rows, numbers=False) == ["label  clips", "sad    7"]


def test_markdown_has_tables_and_no_markup_from_outside(full):
    text = to_markdown(full)
    assert text.startswith("## p\\|q\n\n> **THE SAME CLIP IS IN TRAINING AND TEST**")
    assert "| UAR | 0." in text
    assert "| true | a | b | other or none |" in text
    evil = replace(full, labels=("<b>x</b>", "a\n# b"), protocol="[x](y)\n# z")
    assert "<b>" not in to_markdown(evil)
    assert "\n# " not in to_markdown(evil)


def test_text_lists_slices_when_asked(full):
    assert "sex=female" not in to_text(full)
    assert "sex=female" in to_text(full, slices=True)


def test_the_corpora_matrix_keeps_pairs_chance_and_stamps(full):
    plain = replace(full, stamps=(), metrics={"UAR": Estimate(0.5, 0.4, 0.6, 9)})
    found = cross_corpus({("a", "a"): full, ("a", "b"): plain, ("c", "b"): plain})
    assert found.rows[0] == ("trained on / tested on", "a", "b")
    assert found.rows[2] == ("c", "-", "0.50 [0.40, 0.60]")
    assert found.stamps == (STAMP,)
    assert found.chance == {"a": 0.5, "b": 0.5}
    with pytest.raises(InputError, match="give at least one"):
        cross_corpus({})
    with pytest.raises(InputError, match="without UAR"):
        cross_corpus({("a", "b"): Report({}, (), ())})


# who is tested, and what the model may know of them


def card(data=("ravdess",), split=""):
    entry = {"clips": 1, "speakers": 1, "licence": "x"}
    return Card("m", "speech", ("a", "b"), data=dict.fromkeys(data, entry), split=split)


def test_speakers_the_split_hash_vouches_for_are_held_out():
    samples = [s for s in make_samples(speakers=24) if s.speaker != "00"]
    committed = next(iter(COMMITTED))
    for found in (
        select_test_set("ravdess", samples, card(split=committed)),
        select_test_set("ravdess", samples, card(split="abc"), split_hash="abc"),
    ):
        assert {s.speaker for s in found.samples} == {"19", "20", "21", "22", "23"}
        assert "was not trained on them" in found.protocol
        assert found.held_out
        assert not found.warnings
    dev = select_test_set("ravdess", samples, card(split=committed), side="dev")
    assert {s.speaker for s in dev.samples} == {"17", "18"}
    assert "the score flatters it" in dev.warnings[0]


def test_speakers_nobody_vouches_for_may_have_been_trained_on():
    found = select_test_set("ravdess", make_samples(speakers=24), card(split="abc"), split_hash="other")
    assert not found.held_out
    assert "may have been trained on these speakers" in found.warnings[0]


def test_speakers_that_a_card_names_are_looked_for_among_those_tested():
    def named(*who):
        data = {"ravdess": {"clips": 9, "speakers": len(who), "licence": "CC", "learned_from": list(who)}}
        return select_test_set("ravdess", make_samples(speakers=24), Card("m", "speech", ("a", "b"), data=data))

    found = named("01", "02")
    assert found.held_out and not found.warnings and "learned from other speakers" in found.protocol
    found = named("01", "23")
    assert found.stamps == ("trained on these clips",) and not found.held_out
    assert "learned from 1 of the speakers tested: 23" in found.warnings[0]
    found = named("Actor_01")  # as the corpus does not call them: that none of them is tested says nothing
    assert not found.held_out and "Actor_01; it has speakers such as 00, 01, 02" in found.warnings[0]


def test_speakers_that_a_card_names_are_looked_for_under_the_name_of_their_corpus_too():
    def found(data, **fields):
        samples = [replace(sample, **fields) for sample in make_samples(corpus="savee", speakers=4)]
        return select_test_set("folder", samples, Card("m", "speech", ("a", "b"), data=data))

    savee = {"clips": 9, "speakers": 1, "licence": "CC", "learned_from": ["01"]}
    assert found({"savee": savee}).stamps == ("trained on these clips",)
    assert found({"savee": savee | {"learned_from": ["09"]}}, speaker="1").held_out is False
    # Of another corpus in the same folder nobody knows who: that the names are not among those tested says nothing.
    other = {"clips": 9, "speakers": 1, "licence": "CC"}
    assert not found({"savee": savee, "folder": other}, speaker="02").held_out
    nobody = found({"savee": savee}, speaker=None)
    assert not nobody.held_out and "it has no speakers" in nobody.warnings[0]


def test_clips_without_a_speaker_are_not_vouched_for_by_names():
    data = {"folder": {"clips": 9, "speakers": 1, "licence": "CC", "learned_from": ["01"]}}
    card = Card("m", "speech", ("a", "b"), data=data)
    made = make_samples(corpus="folder", speakers=2)
    split = [replace(s, meta={"usage": "train" if s.speaker == "01" else "test"}) for s in made]
    assert select_test_set("folder", split, card).held_out
    nameless = [replace(s, speaker=s.speaker if s.speaker == "01" else None) for s in split]
    found = select_test_set("folder", nameless, card)
    assert not found.held_out and "20 clips have no speaker: whether" in found.warnings[0]


def test_everybody_of_a_corpus_the_model_learned_from_is_stamped():
    found = select_test_set("ravdess", make_samples(), card(split=next(iter(COMMITTED))), side="all")
    assert found.stamps == ("trained on these clips",)
    assert not found.held_out
    listed = select_test_set("folder", make_samples(corpus="folder"), card(("folder",)))
    assert listed.stamps == ("trained on these clips",), "without committed speakers nobody knows who was held out"


def test_a_corpus_the_model_never_met_is_tested_as_a_whole_when_it_has_no_committed_speakers():
    samples = [*make_samples(corpus="folder"), Sample("folder/unlabelled", "x", corpus="folder", speaker="00")]
    found = select_test_set("folder", samples, card())
    assert len(found.samples) == 80
    assert found.stamps == ()
    assert "did not learn" not in found.protocol  # whose voices a folder holds, nobody can tell
    assert not found.held_out
    assert "1 clips have no label" in found.warnings[0]
    assert "is not known" in found.warnings[1]
    assert select_test_set("ravdess", make_samples(), card(), side="dev") is None
    with pytest.raises(InputError, match="allowed: test, dev, all"):
        select_test_set("ravdess", samples, card(), side="train")


@pytest.fixture(scope="module")
def recognizer():
    from affekt.recognize.recognizer import Recognizer

    return Recognizer("voice")


EMOTIONS = {"01": "neutral", "03": "happy", "04": "sad", "05": "angry", "06": "fear", "08": "surprise"}


def clip_sample(path):
    emotion = EMOTIONS[path.name[6:8]]
    return Sample(f"ravdess/{path.stem}", str(path), label=emotion, speaker=path.stem[-2:], corpus="ravdess")


def test_an_unreadable_clip_is_named_counted_and_left_out(recognizer, clips, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF not a sound")
    samples = [clip_sample(path) for path in clips] + [
        Sample("ravdess/broken", str(broken), label="sad", speaker="24", corpus="ravdess")
    ]
    evaluation = evaluate(
        recognizer, TestSet("ravdess", tuple(samples), stamps=("trained on these clips",), held_out=False)
    )
    assert [failure.source for failure in evaluation.failures] == [str(broken)]
    for found in evaluation.reports.values():
        assert found.metrics["UAR"].n == 12
        assert f"1 of 13 clips could not be read and are left out ({broken})." in found.warnings
        assert found.stamps == ("trained on these clips",)
        assert found.metrics["log loss"].n == 12
        assert "held-out" not in found.protocol
    assert set(evaluation.predicted["all labels"]) == {sample.id for sample in samples[:-1]}


def test_a_stretch_is_judged_as_a_file_that_holds_just_it(recognizer, clips, tmp_path):
    import soundfile

    from affekt.speech.audio import read

    signal = read(clips[0]).signal
    soundfile.write(tmp_path / "part.wav", signal[8000:40_000], 16_000, subtype="FLOAT")
    whole = replace(clip_sample(clips[0]), start=0.5, end=2.5)
    part = replace(clip_sample(clips[0]), path=str(tmp_path / "part.wav"))
    one, two = (answer(recognizer, [sample]).summaries[0] for sample in (whole, part))
    assert dict(one.scores) == pytest.approx(dict(two.scores), abs=1e-5)
    assert answer(recognizer, [whole]).samples[0].meta["duration"] == pytest.approx(2.0)


@pytest.mark.corpora
def test_the_shipped_model_was_trained_on_the_committed_split(corpora_folder, recognizer):
    from affekt.corpora import read_corpus
    from affekt.data.splits import fixed_split
    from affekt.train.sources import split_hash

    names = COMMITTED[recognizer.card.split]
    assert set(names) == set(recognizer.card.data)
    samples = [sample for name in names for sample in read_corpus(name, corpora_folder / name).samples]
    assert split_hash(fixed_split(samples)) == recognizer.card.split
