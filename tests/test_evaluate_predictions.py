"""Tables of predictions: the report is that of a model, and every bad table is one sentence."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from affekt.cli import main
from affekt.corpora import read_corpus
from affekt.errors import CorpusError, InputError
from affekt.evaluate.corpus import TestSet
from affekt.evaluate.predictions import evaluate_predictions, predicted_test_set, read_predictions
from affekt.metrics.report import report
from affekt.types import Sample

CODES = {"neutral": "01", "happy": "03", "sad": "04", "angry": "05"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Names of RAVDESS: six actors, four emotions, two takes; nothing is read of them."""
    folder = tmp_path_factory.mktemp("ravdess")
    for actor in range(1, 7):
        (folder / f"Actor_{actor:02d}").mkdir()
        for code in CODES.values():
            for take in ("01", "02"):
                (folder / f"Actor_{actor:02d}" / f"03-01-{code}-01-01-{take}-{actor:02d}.wav").touch()
    return folder


@pytest.fixture(scope="module")
def samples(corpus):
    return read_corpus("ravdess", corpus).samples


@pytest.fixture
def write(tmp_path):
    def written(rows, name="predictions.csv"):
        with open(tmp_path / name, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return tmp_path / name

    return written


def scored(samples, seed=0):
    rng = np.random.default_rng(seed)
    for sample in samples:
        p = rng.dirichlet(np.ones(4)) * 0.6
        scores = dict(zip(CODES, p, strict=True))
        scores[sample.label] += 0.4
        yield sample, {label: round(float(x), 4) for label, x in scores.items()}


@pytest.fixture(scope="module")
def rows(samples):
    return [{"path": Path(sample.path).name, **scores} for sample, scores in scored(samples)]


def evaluated(path, samples, **asked):
    table = read_predictions(path, samples)
    test_set, findings = predicted_test_set(TestSet("ravdess", tuple(samples)), samples, table, **asked)
    return evaluate_predictions(test_set, table, findings=findings)


def test_the_report_is_that_of_the_same_answers(write, rows, samples):
    found = evaluated(write(rows), samples).reports["all labels"]
    scores = [{label: row[label] / sum(row[c] for c in CODES) for label in CODES} for row in rows]
    given = [max(row, key=row.__getitem__) for row in scores]
    wanted = report(samples, given, rng=np.random.default_rng(0), scores=scores)
    assert found.metrics == wanted.metrics and found.confusion == wanted.confusion and found.slices == wanted.slices


def test_order_of_rows_and_words_for_columns_do_not_matter(write, rows, samples):
    first = evaluated(write(rows), samples).reports["corpus labels"]
    others = [
        {
            "File": row["path"],
            "Happiness": row["happy"],
            "p_angry": row["angry"],
            "sad_prob": str(row["sad"]).replace(".", ","),
            "prob_neutral": row["neutral"],
            "confidence": 1,
        }
        for row in rows[::-1]
    ]
    found = evaluated(write(others), samples).reports["corpus labels"]
    assert list(map(str, found.metrics.values())) == list(map(str, first.metrics.values()))
    assert found.confusion == first.confusion


def test_labels_alone_have_no_probabilities_to_judge(write, rows, samples):
    plain = [{"file": row["path"], "emotion": max(CODES, key=row.__getitem__)} for row in rows]
    found = evaluated(write(plain), samples)
    assert "log loss" not in found.reports["all labels"].metrics
    assert found.predicted["all labels"] == evaluated(write(rows), samples).predicted["all labels"]


def test_no_answer_is_a_wrong_one(write, rows, samples):
    plain = [{"path": row["path"], "label": "unsure" if i < 8 else "sad"} for i, row in enumerate(rows)]
    found = evaluated(write(plain), samples).reports["all labels"]
    assert sum(row[-1] for row in found.confusion) == 8
    assert any("8 of 48 clips got no answer; they count as wrong." in sentence for sentence in found.warnings)
    empty = [{"path": row["path"], **dict.fromkeys(CODES, "")} if i < 8 else row for i, row in enumerate(rows)]
    assert sum(row[-1] for row in evaluated(write(empty), samples).reports["all labels"].confusion) == 8


@pytest.mark.parametrize("name", ["id", "absolute", "below", "without extension", "relative to the table"])
def test_clips_are_found_by_id_and_by_any_end_of_their_path(name, write, samples, corpus, tmp_path):
    def named(sample):
        return {
            "id": sample.id,
            "absolute": sample.path,
            "below": str(Path(sample.path).relative_to(corpus)),
            "without extension": Path(sample.path).stem,
            "relative to the table": os.path.relpath(sample.path, tmp_path),
        }[name]

    table = [{"id" if name == "id" else "path": named(sample), "label": "sad"} for sample in samples]
    assert list(read_predictions(write(table), samples).answers) == [sample.id for sample in samples]


def test_stretches_are_told_apart_by_start_and_end(write):
    samples = [
        Sample(f"folder/talk@{i}-{i + 1}", "/data/talk.wav", ("sad", "happy")[i % 2], start=float(i), end=i + 1.0)
        for i in range(4)
    ]
    rows = [{"path": "talk.wav", "start": s.start, "end": s.end, "label": s.label} for s in samples]
    assert list(read_predictions(write(rows), samples).answers) == [s.id for s in samples]
    without = [{"path": row["path"], "label": row["label"]} for row in rows]
    with pytest.raises(InputError, match="the end of 4 clips' paths.*or start and end"):
        read_predictions(write(without), samples)


def changed(rows, i, **cells):
    return [{**row, **cells} if j == i else row for j, row in enumerate(rows)]


BAD = {
    "an unknown path": (
        lambda rows: changed(rows, 3, path="03-01-05-01-01-03-01.wav"),
        r"1 of 48 rows are of no clip of the corpora: 03-01-05-01-01-03-01.wav \(line 5\). Did you mean 03-01-0",
    ),
    "a sum that is not 1": (
        lambda rows: changed(rows, 0, angry=0.99),
        r"predictions.csv, line 2: the probabilities of neutral, happy, sad, angry sum to .*give probabilities",
    ),
    "per cent": (
        lambda rows: [{"path": row["path"], **{label: 100 * row[label] for label in CODES}} for row in rows],
        "look like per cent: divide them by 100",
    ),
    "logits": (lambda rows: changed(rows, 0, angry=-2.5, happy=4.1), "look like logits: give their softmax"),
    "not a number": (lambda rows: changed(rows, 0, angry="high"), "the probability of angry is 'high'"),
    "NaN among numbers": (lambda rows: changed(rows, 0, angry="nan"), "sum to nan"),
    "a misspelt column": (
        lambda rows: [{("angri" if k == "angry" else k): v for k, v in row.items()} for row in rows],
        "unknown label of a column 'angri': did you mean 'angry'",
    ),
    "a column twice": (lambda rows: [{**row, "anger": row["angry"]} for row in rows], "columns of 'angry' come twice"),
    "one column": (lambda rows: [{"path": row["path"], "angry": 1} for row in rows], "of one label, angry, only"),
    "no column": (lambda rows: [{"path": row["path"], "speaker": 1} for row in rows], "needed: label, or one column"),
    "no path": (lambda rows: [{"label": "sad"} for row in rows], "needed: path, or id"),
    "a misspelt label": (
        lambda rows: [{"path": row["path"], "label": "hapy"} for row in rows],
        "line 2: unknown label 'hapy': did you mean 'happy'",
    ),
    "two rows": (lambda rows: [*rows, rows[0]], "lines 2 and 50 are both of ravdess/03-01-01-01-01-01-01"),
    "an empty path": (lambda rows: changed(rows, 0, path=""), "line 2: names no clip"),
    "a part that is none": (
        lambda rows: [{**row, "split": "exam"} for row in rows],
        "line 2: the part of the split is 'exam'; allowed: train, dev, test",
    ),
    "missing clips": (lambda rows: rows[:40], r"8 of 48 clips have no prediction \(ravdess/.*--partial"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_table_is_said(name, write, rows, samples):
    change, error = BAD[name]
    with pytest.raises(InputError, match=error):
        evaluated(write(change(rows)), samples)


def test_a_label_that_no_clip_has_is_a_wrong_answer_and_noted(write, rows, samples):
    plain = [{"path": row["path"], "label": "longing" if i == 0 else "sad"} for i, row in enumerate(rows)]
    found = evaluated(write(plain), samples).reports["all labels"]
    assert any("longing: none of the clips has such a label" in sentence for sentence in found.warnings)


def test_a_part_is_stamped_and_says_whose_voices_were_left_out(write, rows, samples):
    found = evaluated(write(rows[:40]), samples, partial=True).reports["all labels"]
    assert found.stamps == ("part of the test set",) and found.metrics["UAR"].n == 40
    assert any("8 of 48 clips have no prediction" in sentence for sentence in found.warnings)


def test_a_split_by_clip_in_the_table_is_audited_and_one_by_speaker_is_not_stamped(write, rows, samples):
    by_clip = [{**row, "split": "test" if i % 4 == 0 else "train"} for i, row in enumerate(rows)]
    found = evaluated(write(by_clip), samples).reports["all labels"]
    assert "speaker-dependent" in found.stamps and "12 clips" not in found.protocol
    assert found.metrics["UAR"].n == 12 and "36 clips trained on" in found.protocol
    by_speaker = [
        {**row, "split": "test" if sample.speaker in ("01", "02") else "train"}
        for row, sample in zip(rows, samples, strict=True)
    ]
    found = evaluated(write(by_speaker), samples).reports["all labels"]
    assert "speaker-dependent" not in found.stamps and "2 held-out speakers" in found.protocol


def test_rows_of_training_need_no_answer(write, rows, samples):
    table = [
        {"path": row["path"], "label": "" if i % 2 else "sad", "split": "train" if i % 2 else "test"}
        for i, row in enumerate(rows)
    ]
    assert evaluated(write(table), samples).reports["all labels"].metrics["UAR"].n == 24


def test_a_file_that_is_no_table_is_refused(tmp_path, samples):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\xfa\x00\x01")
    with pytest.raises(CorpusError):
        read_predictions(tmp_path / "a.csv", samples)


def affekt(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def test_the_command_reports_as_for_a_model(write, rows, corpus, tmp_path):
    done = affekt("--predictions", write(rows), "--corpus", f"ravdess={corpus}")
    assert done.exit_code == 0, done.stderr
    assert "ravdess: 6 speakers; corpus labels; all speakers" in done.stdout and "log loss" in done.stdout
    assert "whether the model learned from these recordings or these voices is not known" in done.stdout
    done = affekt("--predictions", write(rows), "--corpus", f"ravdess={corpus}", "--format", "json")
    assert '"model": "predictions.csv"' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "Give MODEL, or --predictions FILE.csv"),
        (["voice", "--predictions", "TABLE"], "Give MODEL, or --predictions FILE.csv"),
        (["voice", "--partial"], "--partial is for --predictions"),
        (["--predictions", "TABLE", "--baseline", "any"], "--baseline: for a model"),
        (["--predictions", "TABLE", "--write-card"], "--write-card: for a model"),
        (["--predictions", "nothing.csv"], "does not exist"),
    ],
)
def test_what_is_wrong_with_the_command_is_said(arguments, error, write, rows, corpus):
    table = str(write(rows))
    done = affekt(*[a.replace("TABLE", table) for a in arguments], "--corpus", f"ravdess={corpus}")
    assert done.exit_code == 2 and error in done.stderr


def test_predictions_are_compared_with_a_model_on_the_same_clips(clips, write):
    rows = [{"path": path.name, "label": "happy" if "-03-02" in path.name else "sad"} for path in clips]
    done = affekt(
        "--predictions", write(rows), "--corpus", f"ravdess={clips[0].parent}", "--compare", "voice-small"
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "voice-small minus predictions.csv: UAR" in done.stdout
    assert "voice-small: TRAINED ON THESE CLIPS" in done.stdout
