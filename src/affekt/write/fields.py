"""A Prediction as plain values for files and events: milliseconds, ten-thousandths, valid UTF-8."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from affekt.types import Prediction


def table_of(prediction: Prediction) -> dict[str, Any]:
    """A Prediction as it is written to files.

    Examples
    --------
    >>> table_of(Prediction(0.0, 2.50049, {"happy": 0.75, "sad": 0.25}))["end"]
    2.5
    """
    scores = rounded(prediction.scores)
    label, best = prediction.label, prediction.best
    return {
        "start": thousandths(prediction.start),
        "end": thousandths(prediction.end),
        "label": None if label is None else utf8(label),
        # Only where the model is not sure, so that the output of models that always answer does not change.
        **({"unsure": True, "best": utf8(best or "")} if prediction.unsure else {}),
        "confidence": 0.0 if best is None else scores[best],
        "quality": thousandths(prediction.quality),
        **({"reason": utf8(prediction.reason)} if prediction.reason else {}),
        "modality": prediction.modality,
        **({} if prediction.who is None else {"who": utf8(prediction.who)}),
        **({} if prediction.text is None else {"text": utf8(prediction.text)}),
        **({} if prediction.box is None else {"box": [round(x, 4) for x in prediction.box]}),
        "scores": {utf8(label): p for label, p in scores.items()},
        **({"dimensions": placed} if (placed := {k: thousandths(x) for k, x in prediction.dimensions.items()}) else {}),
    }


def whole_table_of(prediction: Prediction) -> dict[str, Any]:
    """A Prediction as ``Prediction.to_dict`` has it: ``best`` and ``unsure`` are always included.

    Examples
    --------
    >>> whole_table_of(Prediction(0.0, 2.5, {"happy": 0.75, "sad": 0.25}))["best"]
    'happy'
    """
    fields = table_of(prediction)
    best = prediction.best
    always = {"label": fields["label"], "best": None if best is None else utf8(best), "unsure": prediction.unsure}
    return {"start": fields.pop("start"), "end": fields.pop("end"), **always, **fields, **always}


def rounded(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores in ten-thousandths that sum to 1: the largest remainders are rounded up.

    Rounding each by itself would drift by 1e-3 with two dozen labels.
    """
    total = sum(scores.values())
    exact = {label: 10_000 * p / total for label, p in scores.items()}
    parts = {label: math.floor(x) for label, x in exact.items()}
    missing = 10_000 - sum(parts.values())
    for label in sorted(exact, key=lambda label: parts[label] - exact[label])[:missing]:
        parts[label] += 1
    return {label: part / 10_000 for label, part in parts.items()}


def thousandths(x: float) -> float:
    """To the millisecond."""
    return round(1000 * x) / 1000


def utf8(text: str) -> str:
    """Text that is valid UTF-8; invalid bytes of file names become ``\\\\udce9``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
