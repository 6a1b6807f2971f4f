"""One Prediction for a whole: the length-weighted mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from affekt.errors import InputError
from affekt.timeline.gate import Weakest
from affekt.types import Prediction


def summarise(predictions: Sequence[Prediction]) -> Prediction:
    """One Prediction for a whole recording: the mean of its segments, weighted by their length.

    Parameters
    ----------
    predictions : sequence of Prediction
        With the same labels; may be empty.

    Returns
    -------
    Prediction
        From the first start to the last end. Without predictions it abstains:
        no scores, ``label`` None.

    Raises
    ------
    InputError
        If the labels differ.

    Examples
    --------
    >>> summarise([Prediction(0, 3, {"a": 1.0, "b": 0.0}), Prediction(3, 4, {"a": 0.0, "b": 1.0})]).scores
    {'a': 0.75, 'b': 0.25}
    """
    heard = [p for p in predictions if p.scores]
    if not heard:
        return Prediction(0.0, 0.0, {}, quality=0.0)
    labels = tuple(heard[0].scores)
    if any(tuple(p.scores) != labels for p in heard):
        raise InputError("the predictions have different labels; summarise those of one model and one set of labels.")
    lengths = np.array([p.duration for p in heard])
    weights = lengths / lengths.sum() if lengths.sum() > 0 else np.full(len(heard), 1 / len(heard))
    scores = weights @ np.array([list(p.scores.values()) for p in heard])
    weakest = Weakest()
    for part in heard:
        weakest.add(part)
    whole = Prediction(
        min(p.start for p in heard),
        max(p.end for p in heard),
        dict(zip(labels, (scores / scores.sum()).tolist(), strict=True)),
        modality=heard[0].modality,
        quality=float(np.clip(weights @ np.array([p.quality for p in heard]), 0, 1)),
        threshold=max(p.threshold for p in heard),
    )
    return replace(whole, reason=weakest.reason(whole.quality, unsure=whole.unsure))
