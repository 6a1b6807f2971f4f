"""The regressors of the recipe ``dimensions``, from scikit-learn, and how strongly each is regularised."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._optional import require
from affekt.metrics.dimensions import concordance

Features = NDArray[np.float32]
Numbers = NDArray[np.float64]


def _ridge(strength: float, width: int, seed: int) -> Any:
    return require("sklearn.linear_model", extra="lab").Ridge(alpha=strength)


def _svr(strength: float, width: int, seed: int) -> Any:
    return require("sklearn.svm", extra="lab").SVR(C=strength, epsilon=0.1, gamma=1 / width)


def _network(strength: float, width: int, seed: int) -> Any:
    make = require("sklearn.neural_network", extra="lab").MLPRegressor
    return make(hidden_layer_sizes=(64,), alpha=strength, max_iter=100, random_state=seed)


#: Name to a function (strength, width of the features, seed) -> what has fit and predict, and the strengths tried.
TABLE: dict[str, tuple[Callable[[float, int, int], Any], tuple[float, ...]]] = {
    "ridge": (_ridge, (1.0, 10.0, 100.0, 1000.0, 10_000.0)),
    "svr": (_svr, (0.03, 0.1, 0.3, 1.0, 3.0)),
    "network": (_network, (0.1, 1.0, 10.0)),
}


def fitted(name: str, features: Features, numbers: Numbers, *, strength: float, seed: int) -> Any:
    """A regressor behind its scaler, fitted to features (n, d) and numbers (n,)."""
    make = TABLE[name][0]
    scaler = require("sklearn.preprocessing", extra="lab").StandardScaler()
    pipeline = require("sklearn.pipeline", extra="lab").make_pipeline(scaler, make(strength, features.shape[1], seed))
    with warnings.catch_warnings():
        # The number of passes is part of the recipe: a network that would go on learning is not an error.
        warnings.simplefilter("ignore", require("sklearn.exceptions", extra="lab").ConvergenceWarning)
        return pipeline.fit(features.astype(np.float64), numbers)


def answers(model: Any, features: Features) -> Numbers:
    """What a fitted regressor says of features (n, d), cut to -1 to 1: (n,)."""
    return np.clip(np.asarray(model.predict(features.astype(np.float64)), np.float64), -1, 1)


def chosen_strength(
    name: str, features: Features, numbers: Numbers, parts: Sequence[tuple[Sequence[int], Sequence[int]]], *, seed: int
) -> float:
    """The strength with the highest CCC over some inner folds; without folds, the middle one.

    Parameters
    ----------
    parts : sequence of (rows to fit, rows to try)
        Of training clips only.
    """
    tried = TABLE[name][1]
    if not parts:
        return tried[len(tried) // 2]
    found = {}
    for strength in tried:
        said = [
            answers(fitted(name, features[fit], numbers[fit], strength=strength, seed=seed), features[held])
            for fit, held in parts
        ]
        found[strength] = concordance(np.concatenate([numbers[held] for _, held in parts]), np.concatenate(said))
    return max(found, key=lambda strength: (np.nan_to_num(found[strength], nan=-1), -strength))
