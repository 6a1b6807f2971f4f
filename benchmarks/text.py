"""The model ``text`` beside others in one run: sentences per second, a small challenge set, and what words it uses.

    python benchmarks/text.py GOEMOTIONS [--texts 2000] [--model text] [--output FILE.json]

GOEMOTIONS is the folder of that corpus (``train.tsv``, ``dev.tsv``, ``labels.txt``). On one core:

- speed, from words to probabilities: affekt; TF-IDF of words and pairs with logistic regression (scikit-learn), trained
  here on the training part; and an ONNX file of DistilBERT's shape with random weights, whose tokenisation
  is not timed;
- macro and micro F1 of that logistic regression, its thresholds fitted on the same tenth of the training part;
- the challenge set of tests/text_challenge.csv, reported by kind: it is small, ours, and was never fitted on;
- deletion: what is left of a label while words are left out, the heaviest first, against random order.
"""

from __future__ import annotations

import csv
import io
import json
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from affekt.explain.occlusion import deletion, label_score
from affekt.explain.sentence import highlights
from affekt.metrics.intervals import estimates, resample
from affekt.recognize.recognizer import Recognizer
from affekt.text.captions import Cue
from affekt.text.masks import WordMasker
from affekt.text.tokens import tokens_of
from affekt.train.text.scores import fit_thresholds, interval, macro_of, micro_of, several_tallies
from affekt.train.text.texts import read_goemotions, split_texts

CHALLENGE = Path(__file__).parent.parent / "tests" / "text_challenge.csv"
#: DistilBERT: 6 layers of 768 values, 12 heads, 3072 inside.
LAYERS, WIDTH, HEADS, INNER = 6, 768, 12, 3072
#: Texts at a time, for all.
BATCH = 32


@click.command()
@click.argument("goemotions", type=click.Path(path_type=Path, exists=True))
@click.option("--texts", default=2000, show_default=True, help="Sentences to be timed.")
@click.option("--model", default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="JSON with all figures.")
def main(goemotions: Path, texts: int, model: str, output: Path | None) -> None:
    """Measure, and print the tables."""
    recognizer = Recognizer(model)
    split = split_texts(read_goemotions(goemotions, "train"), read_goemotions(goemotions, "dev"), share=10)
    timed = list(split.reported.texts[:texts])
    linear, worth = linear_model(split)
    found: dict[str, Any] = {
        "model": recognizer.card.name,
        "machine": f"{platform.processor() or platform.machine()}, one core",
        "date": datetime.now(UTC).date().isoformat(),
        "speed": speeds(recognizer, linear, timed),
        "logistic regression": worth,
        "challenge": challenge(recognizer),
        "deletion": deletions(recognizer, split.reported.texts[:300]),
    }
    show(found)
    if output:
        output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def linear_model(split: Any) -> tuple[Callable[[Sequence[str]], Any], dict[str, list[float]]]:
    """TF-IDF and logistic regression, and their scores on the dev part."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    vectorizer = TfidfVectorizer(
        tokenizer=words_of, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2, sublinear_tf=True
    )
    classifier = OneVsRestClassifier(LogisticRegression(C=6, solver="liblinear"))
    classifier.fit(vectorizer.fit_transform(split.learned.texts), split.learned.labels.astype(int))

    def probabilities(texts: Sequence[str]) -> Any:
        return classifier.predict_proba(vectorizer.transform(texts))

    thresholds = fit_thresholds(probabilities(split.tuned.texts), split.tuned.labels)
    present = probabilities(split.reported.texts) >= thresholds
    tallies = several_tallies(present, split.reported.labels)
    return probabilities, {"macro F1": interval(tallies, macro_of), "micro F1": interval(tallies, micro_of)}


def words_of(text: str) -> list[str]:
    """Affekt's own tokens: the linear model is given the same words."""
    return [token.word for token in tokens_of(text)]


def distilbert_shaped() -> Callable[[np.ndarray], Any]:
    """An encoder of DistilBERT's shape with random weights: token numbers (b, t) to 28 logits."""
    import onnxruntime
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.three, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.inner = nn.Sequential(nn.Linear(WIDTH, INNER), nn.GELU(), nn.Linear(INNER, WIDTH))
            self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

        def forward(self, x: Any) -> Any:
            heads = self.three(x).unflatten(2, (3, HEADS, WIDTH // HEADS)).permute(2, 0, 3, 1, 4)
            query, key, value = heads.unbind(0)
            weights = (query @ key.transpose(2, 3) / (WIDTH // HEADS) ** 0.5).softmax(dim=3)
            x = self.first(x + self.out((weights @ value).transpose(1, 2).flatten(2)))
            return self.second(x + self.inner(x))

    network = nn.Sequential(nn.Embedding(30_522, WIDTH), *(Block() for _ in range(LAYERS))).eval()
    file = io.BytesIO()
    axes = {"tokens": {0: "b", 1: "t"}, "out": {0: "b", 1: "t"}}
    warnings.simplefilter("ignore", DeprecationWarning)
    torch.onnx.export(network, (torch.ones(2, 8, dtype=torch.long),), file, input_names=["tokens"],
                      output_names=["out"], dynamic_axes=axes, opset_version=17, dynamo=False)  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda tokens: session.run(None, {"tokens": tokens})[0][:, 0]


def speeds(recognizer: Recognizer, linear: Callable[[Sequence[str]], Any], texts: list[str]) -> dict[str, Any]:
    """Milliseconds a sentence of each, the least of three rounds, in batches and one by one; and ratios to affekt."""
    stream = recognizer.stream()
    transformer = distilbert_shaped()
    lengths = [max(1, round(1.3 * len(words_of(text)))) for text in texts]  # a word is about 1.3 of its pieces

    def affekt(batch: Sequence[str]) -> Any:
        return stream.feed([Cue(0.0, 0.0, text) for text in batch])  # type: ignore[arg-type]

    few = texts[:200]
    rounds = {
        "affekt": lambda: over(texts, affekt),
        "logistic regression": lambda: over(texts, linear),
        "DistilBERT's shape": lambda: [
            transformer(np.ones((len(part), max(part)), np.int64)) for part in batches(sorted(lengths[:96]))
        ],
        "affekt, one by one": lambda: [affekt([text]) for text in few],
        "logistic regression, one by one": lambda: [linear([text]) for text in few],
        "DistilBERT's shape, one by one": lambda: [transformer(np.ones((1, n), np.int64)) for n in lengths[:24]],
    }
    counts = [len(texts), len(texts), 96, 200, 200, 24]
    found = {}
    for (name, work), count in zip(rounds.items(), counts, strict=True):
        found[name] = round(min(seconds(work) for _ in range(3)) / count * 1000, 4)
    return {
        "milliseconds a sentence": found,
        "times as long as affekt": {
            name: round(took / found["affekt, one by one" if "one by one" in name else "affekt"], 2)
            for name, took in found.items()
        },
    }


def over(texts: list[str], work: Callable[[Sequence[str]], Any]) -> None:
    """Run on all texts, some at a time."""
    for part in batches(texts):
        work(part)


def batches(items: list[Any]) -> list[list[Any]]:
    """Some at a time."""
    return [items[i : i + BATCH] for i in range(0, len(items), BATCH)]


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes this process, which others on the machine do not slow down."""
    start = time.process_time()
    work()
    return time.process_time() - start


def challenge(recognizer: Recognizer) -> dict[str, list[Any]]:
    """Of each kind of sentence: how many are answered as expected, how many there are, and the others."""
    found: dict[str, list[Any]] = {}
    with open(CHALLENGE, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    answers = recognizer.stream().feed([Cue(0.0, 0.0, row["text"]) for row in rows])  # type: ignore[arg-type]
    for row, p in zip(rows, answers, strict=True):
        right = p.best in row["expected"].split()
        hits, count, missed = found.get(row["kind"], [0, 0, []])
        missed = missed if right else [*missed, f"{row['text']} -> {p.best} {p.confidence:.2f}"]
        found[row["kind"]] = [hits + right, count + 1, missed]
    return found


def deletions(recognizer: Recognizer, texts: Sequence[str]) -> dict[str, list[float]]:
    """Area under the deletion curve by the order of words, [mean, low, high, n] over texts of five words or more."""
    rng, rows = np.random.default_rng(1), []
    for text in texts:
        (p,) = recognizer.stream().feed([Cue(0.0, 0.0, text)])  # type: ignore[arg-type]
        masker: Any = WordMasker(text)
        if p.best is None or masker.shape[0] < 5:
            continue
        score = label_score(recognizer, p.best)
        values = highlights(masker, score, label=p.best).values
        orders = [np.argsort(-values, kind="stable"), rng.permutation(len(values)), np.argsort(values, kind="stable")]
        rows.append([deletion(masker, score, order).area for order in orders])
    areas = np.array(rows)
    return {name: mean(areas[:, i]) for i, name in enumerate(("heaviest first", "random", "lightest first"))}


def mean(values: np.ndarray) -> list[float]:
    """[mean, low, high, n] over draws of texts."""
    names = [str(i) for i in range(len(values))]
    rng = np.random.default_rng(0)
    whole, drawn = resample(values[:, None], lambda sums: sums[..., 0] / len(values), names, rng=rng)
    (found,) = estimates(whole, drawn, [len(values)])
    return [round(found.value, 4), round(found.low, 4), round(found.high, 4), found.n]


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    console = Console()
    speed = found["speed"]
    table = Table("one core", "ms a sentence", "times affekt", box=None)
    for name, took in speed["milliseconds a sentence"].items():
        table.add_row(name, f"{took:.3f}", f"{speed['times as long as affekt'][name]:.2f}")
    console.print(table)
    console.print("logistic regression on dev:", found["logistic regression"])
    table = Table("challenge", "as expected", "of", box=None)
    for kind, (hits, count, _) in found["challenge"].items():
        table.add_row(kind, str(hits), str(count))
    console.print(table)
    table = Table("words left out", "area under the probability", box=None)
    for name, (value, low, high, n) in found["deletion"].items():
        table.add_row(name, f"{value:.3f} [{low:.3f}, {high:.3f}] n={n}")
    console.print(table)


if __name__ == "__main__":
    main()
