"""A calibration -> text: the temperature, the threshold, and how well they hold."""

from __future__ import annotations

from collections.abc import Mapping

from affekt.metrics.calibration import Calibration, CalibrationScores
from affekt.models.card import Card
from affekt.write.tables import interval, text_table

CLOSING = (
    "Intervals are over speakers (over clips where there are fewer than three). All this was fitted on these very\n"
    "clips: evaluate it on test speakers (affekt evaluate). What is promised holds for clips like these; other\n"
    "speakers, languages and rooms get less."
)


def to_text(
    old: Card, found: Calibration, scores: Mapping[str, CalibrationScores], *, clips: int, coverage: float
) -> str:
    """A calibration for a terminal.

    Parameters
    ----------
    old : Card
        The card before calibration.
    found : Calibration
    scores : mapping of corpus to CalibrationScores
        ``"all"`` among them.
    clips : int
        Number of clips used for the fit.
    coverage : float
        Of the label sets.
    """
    chosen = found.threshold
    threshold = (
        f"threshold {chosen.value:.4f} for {chosen.precision:.0%} right answers: {chosen.seen} were right, "
        f"{chosen.bound:.3f} or more if clips were independent (95 %); answered {chosen.coverage}"
        if chosen.met
        else f"no threshold gives {chosen.precision:.0%} right answers with a margin for so few clips: the model goes "
        "on answering always. Ask for less --precision, or give more dev speakers."
    )
    sets = f"sets of {coverage:.0%} hold the truth"
    head = ("dev speakers of", "clips", "speakers", "ECE", "right when sure", "answered", sets, "labels in a set")
    rows = [
        (
            name,
            e.coverage.n,
            e.speakers,
            interval(e.ece),
            interval(e.precision) if e.precision.n else "-",
            *map(interval, (e.coverage, e.set_coverage, e.set_size)),
        )
        for name, e in scores.items()
    ]
    lines = [
        f"{clips} clips of {scores['all'].speakers} dev speakers",
        f"temperature {found.card.temperature:.3f} (was {old.temperature:.3f}), "
        f"log loss {found.loss[1]:.4f} (was {found.loss[0]:.4f})",
        threshold,
        *text_table([head, *rows]),
        CLOSING,
    ]
    return "\n".join(lines)
