"""UAR on unseen speakers against the seconds of speech behind their speaker baseline.

Usage: python benchmarks/reference.py --corpora SPEECH [--model FILE.onnx] [--clips 80] [--output FILE.json]

SPEECH holds the folders of the corpora by name. Test speakers only; `--clips` clips of each corpus are drawn. For each
clip, other clips of its speaker are drawn until they hold a given number of seconds of speech, or none is left: neutral
ones, or any, without labels. Each row says how much speech there was on average.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from affekt.corpora import read_corpus
from affekt.data.splits import fixed_speakers, fixed_split
from affekt.evaluate.corpus import TestSet, restriction
from affekt.evaluate.speakers import accumulate_all
from affekt.metrics.report import report
from affekt.metrics.slices import speaker_of
from affekt.recognize.recognizer import Recognizer
from affekt.speech.baseline import KINDS, Accumulator
from affekt.types import Prediction, Sample
from affekt.write.report import estimate_record

SECONDS = (0, 1, 3, 10, 30)


def rows_of(corpus: str, recognizer: Recognizer, samples: Sequence[Sample], clips: int) -> list[dict[str, Any]]:
    """One row for each kind of reference and each length of it."""
    rng = np.random.default_rng(0)
    tested = [samples[i] for i in sorted(rng.permutation(len(samples))[:clips])]
    voices = {speaker_of(sample) for sample in tested}
    pool = [sample for sample in samples if speaker_of(sample) in voices]
    accumulator = accumulate_all(recognizer, {sample.path: sample.path for sample in pool})
    rows = []
    for kind in KINDS:
        for seconds in SECONDS:
            known = [reference(s, pool, accumulator, kind=kind, seconds=seconds, rng=rng) for s in tested]
            answers = [answer_with(recognizer, s, k, kind) for s, k in zip(tested, known, strict=True)]
            uar = recall(TestSet(corpus, tuple(tested)), answers, recognizer.labels)
            heard = float(np.mean([k.seconds for k in known]))
            rows.append({"corpus": corpus, "kind": kind, "seconds": seconds, "heard": round(heard, 2), "UAR": uar})
    return rows


def reference(
    sample: Sample,
    pool: Sequence[Sample],
    accumulator: dict[str, Accumulator],
    *,
    kind: str,
    seconds: float,
    rng: np.random.Generator,
) -> Accumulator:
    """Speech of other clips of the speaker, as many as there need to be."""
    others = [
        s for s in pool if speaker_of(s) == speaker_of(sample) and s.path != sample.path and s.path in accumulator
    ]
    others = [s for s in others if kind == "any" or s.label == "neutral"]
    found = Accumulator()
    for i in rng.permutation(len(others)):
        if found.seconds >= seconds:
            break
        found.join(accumulator[others[i].path])
    return found


def answer_with(recognizer: Recognizer, sample: Sample, known: Accumulator, kind: str) -> Prediction:
    """The answer to a clip with a speaker baseline."""
    return recognizer.with_baseline(known.baseline(kind)).analyse(sample.path).summary


def recall(test_set: TestSet, answers: Sequence[Prediction], labels: tuple[str, ...]) -> dict[str, float | int]:
    """UAR among the labels of the corpus."""
    labels_of = restriction(test_set, labels)
    scores = [labels_of.apply(p.scores) if p.scores else {} for p in answers]
    given = [max(row, key=row.__getitem__) if row else None for row in scores]
    return estimate_record(report(test_set.samples, given, rng=np.random.default_rng(0)).metrics["UAR"])


def main() -> None:
    """Print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--model", default="voice")
    parser.add_argument("--clips", type=int, default=80)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    recognizer, rows = Recognizer(given.model, threshold=0), []
    for corpus in fixed_speakers():
        samples = fixed_split(read_corpus(corpus, given.corpora / corpus).samples).test
        rows += rows_of(corpus, recognizer, [s for s in samples if s.label is not None], given.clips)
    table = Table("corpus", "kind", *(f"{seconds} s" for seconds in SECONDS), title="UAR by seconds of reference")
    for corpus in fixed_speakers():
        for kind in KINDS:
            values = [row["UAR"]["value"] for row in rows if (row["corpus"], row["kind"]) == (corpus, kind)]
            table.add_row(corpus, kind, *(f"{value:.2f}" for value in values))
    Console().print(table)
    if given.output:
        result = {"model": recognizer.card.name, "clips": given.clips, "rows": rows}
        given.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
