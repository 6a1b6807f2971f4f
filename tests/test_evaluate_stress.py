"""Robustness: the paired comparison, the conditions, the pictures, and ``affekt stress`` as a user types it."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.cli import main
from affekt.corpora import read_corpus
from affekt.data.splits import draw_evenly, fixed_split
from affekt.errors import CorpusError, InputError, UnknownName
from affekt.evaluate.corpus import TestSet
from affekt.evaluate.stress import CONDITIONS, RATE, StressOptions, _other, babble, count_versions, cut, stress
from affekt.metrics.intervals import bootstrap
from affekt.metrics.labels import unweighted_recall
from affekt.metrics.paired import MEAN, chances, compared
from affekt.metrics.permutation import paired_test
from affekt.recognize.recognizer import Recognizer
from affekt.recognize.trace import Trace
from affekt.speech.audio import read
from affekt.speech.augment import apply_steps, draw_steps
from affekt.types import Sample
from affekt.write.stress import HEAD, stress_rows, to_latex, to_markdown, to_text

GAINS = (-30, -20, -10, -3, 3, 6, 12)
#: By how much a label has to lead to be no toss-up.
CLEAR = 0.1


def made_up(corpora=("c", "d"), speakers=4, clips=12, seed=0):
    """Samples of some corpora, with answers to them that are better clean than changed."""
    rng = np.random.default_rng(seed)
    samples, clean, changed = [], [], []
    for corpus in corpora:
        for i in range(speakers * clips):
            label = "abc"[i % 3]
            samples.append(Sample(f"{corpus}/{i}", "x", label=label, speaker=str(i // clips), corpus=corpus))
            for side, skill in ((clean, 0.7), (changed, 0.4)):
                answer = label if rng.random() < skill else rng.choice(["a", "b", "c", "z", None])
                side.append((None, 0.0) if answer is None else (str(answer), float(rng.uniform(0.3, 1))))
    return samples, clean, changed


def best(prediction):
    return max(prediction.scores, key=prediction.scores.__getitem__, default=None)


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer()


@pytest.fixture(scope="module")
def test_set(clips):
    return TestSet("ravdess", read_corpus("ravdess", clips[0].parent).samples, "committed test speakers")


@pytest.fixture(scope="module")
def found(recognizer, test_set):
    """The example clips as two corpora, so that there is a mean."""
    halves = [TestSet(f"half {i}", tuple(s for s in test_set.samples if s.speaker == i)) for i in ("23", "24")]
    halves = [
        TestSet(half.corpus, tuple(Sample(s.id, s.path, s.label, s.speaker, corpus=half.corpus) for s in half.samples))
        for half in halves
    ]
    options = StressOptions(("gain", "noise", "babble", "channel", "length"))
    return stress(recognizer, halves, options).stress


def test_one_corpus_is_what_bootstrap_and_the_paired_test_say():
    samples, clean, changed = made_up(("c",))
    point = compared(samples, clean, changed, rng=np.random.default_rng(3))["c"]
    truth, speakers = [s.label for s in samples], [f"c/{s.speaker}" for s in samples]
    before, after = [label for label, _ in clean], [label for label, _ in changed]
    by = {"groups": speakers, "rng": np.random.default_rng(3)}
    known = bootstrap(unweighted_recall, truth, after, **by)
    assert (point.recall.value, point.recall.n) == pytest.approx((known.value, known.n))
    assert (point.recall.low, point.recall.high) == pytest.approx((known.low, known.high))
    by["rng"] = np.random.default_rng(3)
    paired = paired_test(truth, before, after, **by).difference
    assert point.difference.value == pytest.approx(paired.value)
    assert (point.difference.low, point.difference.high) == pytest.approx((paired.low, paired.high))


def test_recall_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    samples, clean, changed = made_up(("c",), seed=5)
    changed = [(label or "none", p) for label, p in changed]
    point = compared(samples, clean, changed, rng=np.random.default_rng(0))["c"]
    truth = [s.label for s in samples]
    known = metrics.recall_score(truth, [a for a, _ in changed], labels=sorted(set(truth)), average="macro")
    assert point.recall.value == pytest.approx(known)


def test_the_mean_is_that_of_the_corpora_whatever_their_size():
    samples, clean, changed = made_up()
    keep = [i for i, s in enumerate(samples) if s.corpus == "c" or int(s.speaker) < 3]
    points = compared(
        [samples[i] for i in keep], [clean[i] for i in keep], [changed[i] for i in keep], rng=np.random.default_rng(0)
    )
    assert list(points) == [MEAN, "c", "d"]
    for name in ("recall", "difference", "changed", "silent"):
        values = [getattr(points[c], name).value for c in ("c", "d")]
        mean = getattr(points[MEAN], name)
        assert mean.value == pytest.approx(np.mean(values))
        assert mean.low <= mean.value <= mean.high
        assert mean.n == len(keep)


def test_answers_that_stay_differ_by_nothing_and_without_doubt():
    samples, clean, _ = made_up()
    point = compared(samples, clean, clean, rng=np.random.default_rng(0))[MEAN]
    assert (point.difference.value, point.difference.low, point.difference.high) == (0, 0, 0)
    assert point.changed.value == 0 == point.confidence.value


def test_no_answer_is_wrong_another_answer_and_silent():
    samples, _, _ = made_up(("c",))
    clean = [(s.label, 0.75) for s in samples]
    point = compared(samples, clean, [(None, 0.0)] * len(samples), rng=np.random.default_rng(0))["c"]
    assert (point.recall.value, point.difference.value, point.changed.value, point.silent.value) == (0, -1, 1, 1)
    assert point.confidence is None


def test_confidence_is_compared_where_there_are_both():
    samples = [Sample(f"c/{i}", "x", label="ab"[i % 2], speaker=str(i), corpus="c") for i in range(4)]
    clean = [("a", 0.5), ("b", 0.75), (None, 0.0), ("b", 0.5)]
    changed = [("a", 0.75), ("a", 0.25), ("a", 0.9), (None, 0.0)]
    point = compared(samples, clean, changed, rng=np.random.default_rng(0), touched=[0, 3])["c"]
    assert (point.confidence.value, point.confidence.n) == (-0.125, 2)
    assert (point.changed.value, point.silent.value, point.touched) == (0.75, 0.25, 2)


def test_the_difference_is_surer_than_two_intervals_would_be():
    """Paired: who is hard to understand is so both times."""
    samples, clean, _ = made_up(("c",), speakers=8)
    clean = [(s.label, 0.9) if int(s.speaker) % 2 else ("z", 0.9) for s in samples]
    changed = [("z", 0.9) if i % 10 == 0 else answer for i, answer in enumerate(clean)]
    point = compared(samples, clean, changed, rng=np.random.default_rng(0))["c"]
    assert point.difference.high - point.difference.low < 0.5 * (point.recall.high - point.recall.low)


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_clips_does_not_matter(random):
    samples, clean, changed = made_up(clips=5)
    order = list(range(len(samples)))
    random.shuffle(order)
    first = compared(samples, clean, changed, rng=np.random.default_rng(0))
    second = compared(
        [samples[i] for i in order],
        [clean[i] for i in order],
        [changed[i] for i in order],
        rng=np.random.default_rng(0),
    )
    for name, point in first.items():
        for measure in ("recall", "difference", "changed", "silent", "confidence"):
            assert getattr(point, measure).value == pytest.approx(getattr(second[name], measure).value)


@pytest.mark.parametrize("answers", [[], [("a", 0.5)]])
def test_answers_of_another_number_are_an_error(answers):
    samples, clean, _ = made_up()
    with pytest.raises(InputError, match="give as many of each"):
        compared(samples, clean, answers, rng=np.random.default_rng(0))


def test_chance_is_one_over_the_labels_that_occur():
    samples = [Sample(f"{c}/{x}", "", label=x, corpus=c) for c, labels in (("c", "ab"), ("d", "abcd")) for x in labels]
    assert chances(samples) == {MEAN: 0.375, "c": 0.5, "d": 0.25}


def test_every_level_can_be_applied_and_keeps_what_it_should():
    rng = np.random.default_rng(0)
    signal = (0.1 * rng.standard_normal(8_000)).astype(np.float32)
    for name, condition in CONDITIONS.items():
        assert condition.title
        assert len(set(condition.levels)) == len(condition.levels)
        if not isinstance(condition.levels[0], str):
            assert condition.unit
            assert list(condition.levels) == sorted(condition.levels)
        for level in condition.levels:
            steps = draw_steps(condition.steps(level), np.random.default_rng(0))
            changed = apply_steps(signal, RATE, steps, sounds=[signal[::-1]])
            assert condition.cut == np.array_equal(changed, signal), name
            assert np.isfinite(changed).all()
            assert len(changed) == (round(8_000 / (1 + level / 100)) if name == "speed" else 8_000)
    assert count_versions(("gain", "channel")) == 1 + 5 + 3


def test_noise_is_the_same_at_all_levels_and_as_strong_as_it_says():
    signal = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
    condition, noises = CONDITIONS["noise"], {}
    for level in condition.levels:
        steps = draw_steps(condition.steps(level), np.random.default_rng(7))
        noises[level] = apply_steps(signal, RATE, steps) - signal
        ratio = 10 * np.log10(np.mean(signal**2) / np.mean(noises[level] ** 2))
        assert ratio == pytest.approx(level, abs=0.05)
    assert np.corrcoef(noises[0], noises[30])[0, 1] > 0.999


@settings(max_examples=50, deadline=None)
@given(st.floats(0.1, 5), st.floats(0, 4), st.integers(1, 64_000))
def test_a_cut_is_as_long_as_asked_and_holds_the_middle(seconds, middle, samples):
    signal = np.arange(samples, dtype=np.float32)
    part = cut(signal, seconds, middle)
    assert len(part) == min(round(seconds * RATE), samples)
    assert np.array_equal(part, signal[int(part[0]) :][: len(part)])
    inside = min(round(middle * RATE), samples - 1)
    assert part[0] <= inside <= part[-1]


def test_babble_is_of_other_people_as_loud_as_one_another():
    loud, soft = np.ones(50, np.float32), np.tile(np.float32([0.01, -0.01]), 25)
    both = babble([loud, soft], 100, np.random.default_rng(0))
    assert both.tolist() == pytest.approx([2, 0] * 50)
    with pytest.raises(InputError, match="other speakers"):
        babble([], 100, np.random.default_rng(0))
    one, same, other = (Sample(f"c/{i}", "", speaker=s, corpus="c") for i, s in enumerate("xxy"))
    unknown, foreign = Sample("c/9", "", corpus="c"), Sample("d/1", "", speaker="x", corpus="d")
    assert [_other(one, s) for s in (same, other, unknown, foreign)] == [False, True, False, True]


def regions_of(recognizer, signal):
    """Summary, and the regions of speech."""
    trace = Trace()
    return recognizer.analyse((signal, RATE), trace=trace).summary, trace.regions


@settings(max_examples=12, deadline=None)
@given(decibels=st.floats(-30, 12))
def test_gain_does_not_change_the_scores_where_it_does_not_change_the_regions(decibels, recognizer, clips):
    """Full scale is no limit here, as it is to a recording that clips. What int8 rounds otherwise makes the rest."""
    for path in clips[::3]:
        signal = read(path).signal
        clean, regions = regions_of(recognizer, signal)
        changed, found = regions_of(recognizer, signal * np.float32(10 ** (decibels / 20)))
        if found == regions:
            assert changed.scores == pytest.approx(clean.scores, abs=0.02), path.name


@pytest.mark.parametrize("decibels", GAINS)
def test_gain_keeps_all_but_doubtful_answers(decibels, recognizer, clips):
    for path in clips:
        signal = read(path).signal
        louder = signal * np.float32(10 ** (decibels / 20))
        clean, changed = (recognizer.analyse((s, RATE)).summary for s in (signal, louder))
        first, second, *_ = sorted(clean.scores.values(), reverse=True)
        if first - second >= CLEAR:
            assert best(changed) == best(clean), path.name


def test_gain_within_sixteen_bits_keeps_all_but_doubtful_answers(recognizer, clips):
    """As loud as a recording of integers can be without clipping, and 30 dB below what it was."""
    for path in clips:
        signal = read(path).signal
        clean = recognizer.analyse((signal, RATE)).summary
        first, second, *_ = sorted(clean.scores.values(), reverse=True)
        for factor in (0.98 / np.abs(signal).max(), 10 ** (-30 / 20)):
            whole = np.round(signal * factor * 32_767).astype(np.int16)
            changed = recognizer.analyse((whole, RATE)).summary
            assert best(changed) == best(clean) or first - second < CLEAR, path.name


def test_what_is_under_stress_is_heard_otherwise_and_less_surely(found):
    noise = next(c for c in found.curves if c.name == "noise")
    assert noise.points[0][MEAN].confidence.high < 0
    assert noise.points[0][MEAN].changed.value > noise.points[30][MEAN].changed.value
    gain = next(c for c in found.curves if c.name == "gain")
    assert all(points[MEAN].changed.value < 0.1 for points in gain.points.values())
    assert all(points[MEAN].touched == 12 for points in gain.points.values())


def test_what_is_not_altered_is_not_another_answer(found):
    length = next(c for c in found.curves if c.name == "length")
    whole = length.points[6][MEAN]
    assert (whole.touched, whole.changed.value, whole.difference.high) == (0, 0, 0)
    assert length.points[0.5][MEAN].touched == 12


def test_clean_is_what_the_model_says_without_any_stress(found, recognizer, clips):
    said = [recognizer.analyse(str(path)).summary for path in clips]
    known = read_corpus("ravdess", clips[0].parent).samples
    truth = {s.path: s.label for s in known}
    corpus_labels = set(truth.values())
    hits = 0
    for path, summary in zip(clips, said, strict=True):
        scores = {label: p for label, p in summary.scores.items() if label in corpus_labels}
        hits += max(scores, key=scores.__getitem__) == truth[str(path)]
    # Each speaker has one clip of each of six labels.
    assert found.clean[MEAN].recall.value == pytest.approx(hits / 12)


def test_noise_is_drawn_from_the_seed_and_from_nothing_else(recognizer, test_set):
    options = [StressOptions(("noise",), seed=seed, jobs=jobs) for seed, jobs in ((1, 1), (1, 3), (2, 1))]
    first, again, other = (stress(recognizer, [test_set], each).stress.curves for each in options)
    assert first == again
    assert first != other


def test_conditions_that_do_not_exist_or_cannot_be_made_are_errors(recognizer, test_set):
    with pytest.raises(UnknownName, match="did you mean 'noise'"):
        StressOptions(("noize",))
    with pytest.raises(InputError, match="each once"):
        StressOptions(("gain", "gain"))
    with pytest.raises(InputError, match="clips is 0"):
        StressOptions(clips=0)
    with pytest.raises(InputError, match="needs recorded noises"):
        stress(recognizer, [test_set], StressOptions(("sounds",)))
    alone = TestSet("ravdess", tuple(s for s in test_set.samples if s.speaker == "23"))
    with pytest.raises(InputError, match="other speakers"):
        stress(recognizer, [alone], StressOptions(("babble",)))
    missing = TestSet("ravdess", (Sample("ravdess/1", "nowhere.wav", "sad", "1", corpus="ravdess"),))
    with pytest.raises(CorpusError, match=r"none of 1 clips can be read.*nowhere\.wav"):
        stress(recognizer, [missing], StressOptions(("gain",)))
    with pytest.raises(InputError, match="at least one corpus"):
        stress(recognizer, [], StressOptions(("gain",)))


def test_every_number_has_an_interval_and_every_row_its_clips(found):
    rows = stress_rows(found)
    assert len(rows) == count_versions([curve.name for curve in found.curves])
    for row in rows:
        assert len(row) == len(HEAD)
        assert all(re.search(r"\[.*, .*\]", cell) for cell in row[2:7] if cell)
        assert row[7] == "12"
    text, markdown = to_text(found), to_markdown(found)
    for words in ("white noise", "telephone 8 kHz", "Chance is a UAR of 0.167", "say nothing about other speakers"):
        assert words in text
        assert words in markdown
    assert {line.count("|") for line in markdown.split("\n") if line.startswith("| gain / dB")} == {len(HEAD) + 1}


def test_the_picture_shows_every_corpus_the_mean_and_clean(found):
    pytest.importorskip("matplotlib")
    from affekt.plot.stress import draw_answers, draw_condition, draw_confidence, draw_stress

    noise = next(c for c in found.curves if c.name == "noise")
    ax = draw_condition(found, noise)
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert set(lines) == {"half 23", "half 24", MEAN, "clean", "chance"}
    assert lines[MEAN].get_linewidth() > lines["half 23"].get_linewidth()
    assert lines["clean"].get_linestyle() == ":"
    assert lines[MEAN].get_ydata() == pytest.approx([p[MEAN].recall.value for p in noise.points.values()])
    assert (ax.get_title(), ax.get_xlabel()) == (noise.title, noise.unit)
    channel = next(c for c in found.curves if c.name == "channel")
    assert draw_condition(found, channel).get_lines()[0].get_linestyle() == "None"
    figure = draw_stress(found)
    assert [a.get_title() for a in figure.axes if a.get_visible()] == [curve.title for curve in found.curves]
    assert draw_answers(noise).get_ylim() == (0, 100)
    assert draw_confidence(noise).get_ylabel().startswith("change of confidence")


def test_the_page_and_all_pictures_are_drawn(found):
    pytest.importorskip("matplotlib")
    from affekt.plot.stress import stress_page

    text = stress_page(found)
    assert text.count("<img ") == 1 + len(found.curves)
    assert text.count("<tr>") == 2 * (1 + len(stress_rows(found)))


def test_the_command(clips, tmp_path):
    line = ["stress", "voice", "--corpus", f"ravdess={clips[0].parent}", "--conditions", "gain,length", "--clips", "6"]
    done = CliRunner().invoke(main, [*line, "--format", "json"])
    assert done.exit_code == 0, done.output
    table = json.loads(done.stdout)
    assert table["schema"] == "affekt/stress-1"
    assert [condition["name"] for condition in table["conditions"]] == ["gain", "length"]
    level = table["conditions"][0]["levels"][0]
    assert level["level"] == -30
    assert set(level["corpora"]["ravdess"]["UAR"]) == {"value", "low", "high", "n"}
    assert level["corpora"]["ravdess"]["UAR"]["n"] == 6
    file = tmp_path / "stress.md"
    assert CliRunner().invoke(main, [*line, "--format", "markdown", "-o", str(file)]).exit_code == 0
    assert "| gain / dB |" in file.read_text(encoding="utf-8")


def test_the_tables_for_latex_carry_the_stamps(found):
    text = to_latex(replace(found, stamps=("trained on these clips",)))
    rows = len(stress_rows(found))
    assert text.count(r" \\") == (2 if MEAN in found.clean else 1) * (rows + 1)
    assert text.count("TRAINED ON THESE CLIPS") == text.count(r"\caption{") and r"0 \%" in text and "..." not in text


def test_the_command_writes_figures_beside_the_report(clips, tmp_path):
    pytest.importorskip("matplotlib")
    line = ["stress", "voice-small", "--corpus", f"ravdess={clips[0].parent}", "--conditions", "gain", "--clips", "6"]
    file = tmp_path / "stress.tex"
    done = CliRunner().invoke(main, [*line, "-f", "latex", "-o", str(file), "--figures", "svg"])
    assert done.exit_code == 0, done.output
    assert r"\toprule" in file.read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "stress-figures").iterdir()) == ["gain.svg", "stress.svg"]


def test_the_command_leaves_out_and_names_what_it_lacks(clips, tmp_path):
    folder = tmp_path / "ravdess"
    folder.mkdir()
    for path in clips[:4:2]:
        shutil.copy(path, folder)
    (folder / "03-01-05-02-01-01-23.wav").write_bytes(b"RIFF nothing")
    line = ["stress", "voice", "--corpus", f"ravdess={folder}"]
    done = CliRunner().invoke(main, line)
    assert done.exit_code == 1
    assert "sounds: needs --sounds FOLDER; left out." in done.stderr
    assert "babble: needs a second speaker; left out." in done.stderr
    assert "03-01-05-02-01-01-23.wav" in done.stderr
    assert "1 clips could not be read" in done.stdout
    assert "speed" in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--conditions", "gane"], "did you mean 'gain'"),
        (["--conditions", "sounds"], "--sounds FOLDER"),
        (["--format", "html"], "-o FILE.html"),
        (["--figures", "png"], "-o FILE"),
        (["-o", "no/such/folder/x.txt"], "folder that exists"),
        (["--side", "dev"], "no corpus has dev speakers"),
    ],
)
def test_the_command_says_what_is_wrong(options, words, clips):
    done = CliRunner().invoke(main, ["stress", "voice", "--corpus", f"ravdess={clips[0].parent}", *options])
    assert done.exit_code == 2
    assert words in done.stderr


@pytest.mark.corpora
def test_gain_changes_few_answers_and_only_where_it_moves_regions(recognizer, corpora_folder):
    other = total = 0
    for name in ("emovo", "turev_db"):
        samples = fixed_split(read_corpus(name, corpora_folder / name).samples).test
        for sample in draw_evenly(samples, 40, np.random.default_rng(0)):
            signal = read(sample.path).signal
            clean, regions = regions_of(recognizer, signal)
            for decibels in (-30, -10, 12):
                changed, found = regions_of(recognizer, signal * np.float32(10 ** (decibels / 20)))
                moved = best(changed) != best(clean)
                assert not moved or found != regions, sample.id
                other, total = other + moved, total + 1
    assert other / total < 0.1
