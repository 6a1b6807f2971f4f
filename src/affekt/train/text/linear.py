"""The linear model beside the network: logistic regression on words and pairs of words, weighed by their rarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._optional import require
from affekt.text.network import LinearTables
from affekt.text.tokens import FIRST, Vocabulary, first_tokens
from affekt.train.text.loop import common_of
from affekt.train.text.recipe import TextRecipe
from affekt.train.text.texts import Texts


@dataclass(frozen=True)
class Features:
    """What the linear model sees of a text: numbers of its words, from 0, and buckets of its pairs behind them.

    Parameters
    ----------
    vocabulary : Vocabulary
    pairs : int
        Buckets.
    """

    vocabulary: Vocabulary
    pairs: int

    @property
    def count(self) -> int:
        """Of all words and buckets."""
        return len(self.vocabulary.words) + self.pairs

    def of(self, text: str) -> list[int]:
        """The features of a text, as often as they occur; words outside the vocabulary have none."""
        words = len(self.vocabulary.words)
        rows = [
            self.vocabulary.numbers(token.word)[0] if self.vocabulary.knows(token.word) else 0
            for token in first_tokens(text)
        ]
        found = [row - FIRST for row in rows if row]
        neighbours = pairwise(rows)
        return found + [words + LinearTables.bucket(one, two, self.pairs) for one, two in neighbours if one and two]

    def matrix(self, texts: Sequence[str]) -> Any:
        """Counts of all features, sparse, shape (n, count)."""
        sparse = require("scipy.sparse", extra="lab")
        rows = [self.of(text) for text in texts]
        places = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        columns = np.array([column for row in rows for column in row], np.int32)
        found = sparse.csr_matrix((np.ones(len(columns)), columns, places), shape=(len(rows), self.count))
        found.sum_duplicates()
        return found


def fit_linear(recipe: TextRecipe, vocabulary: Vocabulary, goemotions: Texts, dair: Texts) -> LinearTables:
    """One logistic regression for each label of GoEmotions, each of affekt's words and each label of dair-ai."""
    linear = require("sklearn.linear_model", extra="lab")
    features = Features(vocabulary, recipe.network.pairs)
    first, second = features.matrix(goemotions.texts), features.matrix(dair.texts)
    seen = np.asarray((first > 0).sum(axis=0)).ravel() + np.asarray((second > 0).sum(axis=0)).ravel()
    rarity = np.log((1 + first.shape[0] + second.shape[0]) / (1 + seen)) + 1
    weights, biases = [], []
    for counts, labels in (
        (first, goemotions.labels),
        (first, common_of(goemotions.labels)),
        (second, dair.labels),
    ):
        lengths = np.sqrt(np.maximum(counts @ rarity**2, 1e-12))
        given = counts.multiply(rarity).multiply(1 / lengths[:, None]).tocsr()
        for label in labels.T:
            if label.all() or not label.any():
                weights.append(np.zeros(features.count))
                biases.append(10.0 if label.all() else -10.0)
                continue
            fitted = linear.LogisticRegression(C=recipe.strength, solver="liblinear").fit(given, label)
            weights.append(fitted.coef_[0] * rarity)
            biases.append(float(fitted.intercept_[0]))
    return LinearTables(np.array(weights, np.float32).T, rarity.astype(np.float32), np.array(biases, np.float32))


def kept_linear(path: Path, fit: Any) -> LinearTables:
    """The linear model of an earlier call, or a new one that is kept at ``path``."""
    if not path.is_file():
        found = fit()
        with open(path.with_suffix(".part"), "wb") as file:
            np.savez_compressed(file, weights=found.weights, rarity=found.rarity, biases=found.biases)
        path.with_suffix(".part").replace(path)
    with np.load(path) as kept:
        return LinearTables(kept["weights"], kept["rarity"], kept["biases"])


def fit_blend(
    answers: tuple[NDArray[np.floating], NDArray[np.floating]], labels: NDArray[np.bool_], *, one_of: bool
) -> tuple[float, float]:
    """Weights of the logits of the network and of the linear model (n, k) that make the labels most likely.

    Parameters
    ----------
    answers : tuple of array
    labels : bool array, shape (n, k)
    one_of : bool
        Whether one label is asked for; else each by itself.
    """
    network, linear = (one.astype(np.float64) for one in answers)

    def loss(first: float, second: float) -> float:
        logits = first * network + second * linear
        if one_of:
            target = labels / labels.sum(axis=1, keepdims=True)
            top = logits.max(axis=1, keepdims=True)
            return float(-(target * (logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True)))).sum())
        return float((np.logaddexp(0, logits) - labels * logits).sum())

    best, step = (1.0, 0.0), 0.4
    while step > 0.01:
        # Of labels that are told apart without error, ever larger logits are ever likelier.
        near = [
            (min(max(best[0] + i * step, 0.0), 3.0), min(max(best[1] + j * step, 0.0), 3.0))
            for i in (0, -1, 1)
            for j in (0, -1, 1)
        ]
        found = min(near, key=lambda pair: loss(*pair))
        best, step = (found, step / 2) if found == best else (found, step)
    return best
