"""The calibration of a card: temperature, threshold and label sets, fitted to logits of dev speakers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from affekt.errors import InputError
from affekt.metrics.calibration import Calibration, CalibrationScores, LabelledLogits, best_temperature
from affekt.metrics.intervals import estimates, resample
from affekt.metrics.probabilities import SCORE_METRICS, checked
from affekt.metrics.selective import ERROR, Threshold, choose_threshold, conformal_quantiles, outcomes, selected
from affekt.models.card import Card, label_set, least_probability
from affekt.types import Estimate

#: Least gain in log loss, in nats, for a new temperature to replace the old one.
LEAST_GAIN = 0.001


def calibrate(
    clips: LabelledLogits,
    card: Card,
    *,
    precision: float = 0.7,
    rng: np.random.Generator,
) -> Calibration:
    """Fit temperature, threshold and label sets to clips of dev speakers, in this order, each given the ones before.

    A summary is a mean over windows, so a new temperature can change the best
    guess for recordings longer than one window; where a new temperature gains
    nothing, the old one is kept.

    Parameters
    ----------
    clips : LabelledLogits
        From dev speakers, never from test speakers: see :func:`affekt.evaluate.calibrate.clean_logits`.
    card : Card
        Of the model that made the logits.
    precision : float
        Target share of right answers among those given, between 0 and 1.
    rng : numpy Generator
        For intervals.

    Returns
    -------
    Calibration
        Where no threshold reaches the precision, its card has threshold 0, as a model
        that never answers is of no use; ``threshold.met`` is then False.

    Raises
    ------
    InputError
        If no clip has speech and a known label, or the precision is out of range.
    """
    spoken = sum(len(clip.weights) > 0 for clip in clips.recordings)
    if not spoken:
        raise InputError(f"{len(clips.recordings)} clips of dev speakers, none with speech; give corpora with some.")
    best = best_temperature(clips.loss)
    temperature = best if clips.loss(card.temperature) - clips.loss(best) > LEAST_GAIN else card.temperature
    scores = clips.scores(temperature)
    chosen = choose_threshold(outcomes(clips.truth, scores), clips.speakers, precision=precision, rng=rng)
    calibrated = replace(
        card,
        temperature=temperature,
        threshold=chosen.value if chosen.met else 0.0,
        promise=_promise(chosen, clips) if chosen.met else {},
        conformal={
            "method": "split conformal, least ambiguous sets (Sadinle, Lei & Wasserman, 2019)",
            "clips": spoken,
            "speakers": len(set(clips.speakers)),
            "quantiles": {
                # Rounded down, so that no label that belongs in a set is lost.
                f"{coverage:.2f}": math.floor(1e6 * least) / 1e6
                for coverage, least in conformal_quantiles(clips.truth, scores).items()
            },
        },
    )
    return Calibration(calibrated, chosen, (clips.loss(card.temperature), clips.loss(temperature)))


def _promise(chosen: Threshold, clips: LabelledLogits) -> dict[str, Any]:
    """What a threshold promises, for the card."""

    def rounded(e: Estimate) -> list[float]:
        return [round(e.value, 4), round(e.low, 4), round(e.high, 4), e.n]

    return {
        "precision": chosen.precision,
        "error": ERROR,
        "bound": round(chosen.bound, 4),
        "seen": rounded(chosen.seen),
        "coverage": rounded(chosen.coverage),
        "speakers": len(set(clips.speakers)),
        "corpora": list(dict.fromkeys(clips.corpora)),
        "method": "fixed-sequence tests with Clopper-Pearson bounds over clips, as if clips were independent",
    }


def calibration_scores(
    clips: LabelledLogits, card: Card, *, coverage: float = 0.9, rng: np.random.Generator
) -> dict[str, CalibrationScores]:
    """How well a card's temperature, threshold and label sets hold on clips, overall and by corpus.

    Parameters
    ----------
    clips : LabelledLogits
        From dev speakers to check the fit, from test speakers to evaluate it.
    card : Card
    coverage : float
        Of the label sets.
    rng : numpy Generator

    Returns
    -------
    dict of corpus to CalibrationScores
        ``"all"`` first.
    """
    least, metric = least_probability(card, coverage), SCORE_METRICS["ECE"]
    found = {}
    for name, part in clips.by_corpus().items():
        scores = part.scores(card.temperature)
        precision, answered = selected(outcomes(part.truth, scores), part.speakers, card.threshold, rng=rng)
        array = part.score_array(card.temperature)
        statistics = metric.statistics(*checked(part.truth, array, part.labels))
        drawn = resample(statistics, metric.value, part.speakers, rng=rng)
        ece = estimates(*drawn, [len(scores)], biased=metric.biased)[0]
        # Of each clip: whether its set contains the truth, how large the set is, and whether it has one.
        sets = [(label, label_set(row, least)) for label, row in zip(part.truth, scores, strict=True)]
        counted = np.array([(label in chosen, len(chosen), bool(chosen)) for label, chosen in sets], np.float64)
        spoken = int(counted[:, 2].sum())
        shares = resample(counted, lambda sums: sums[..., :2] / np.maximum(sums[..., 2:], 1), part.speakers, rng=rng)
        held, size = estimates(*shares, [spoken, spoken])
        found[name] = CalibrationScores(ece, precision, answered, held, size, len(set(part.speakers)))
    return found
