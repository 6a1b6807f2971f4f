"""Cross-corpus evaluation: the matrix of training and test corpora."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affekt.errors import InputError
from affekt.types import Estimate, Report


@dataclass(frozen=True)
class CrossCorpus:
    """UAR of several models on several corpora.

    Parameters
    ----------
    trained, tested : tuple of str
        Names of the rows (by default the training corpus of each model) and of the columns (the test corpora).
    recalls : mapping of (trained, tested) to Estimate
        Pairs that were not tested are missing.
    stamps : tuple of str
        Of all the reports.
    chance : mapping of str to float
        Chance level of the UAR on each test corpus.
    finished : bool
        Whether rows stand for models that were taken as they are.
    """

    trained: tuple[str, ...]
    tested: tuple[str, ...]
    recalls: Mapping[tuple[str, str], Estimate]
    stamps: tuple[str, ...] = ()
    chance: Mapping[str, float] | None = None
    finished: bool = False

    @property
    def row(self) -> str:
        """What a row is: the training corpus of a model, or a finished model."""
        return "model" if self.finished else "trained on"

    @property
    def caption(self) -> str:
        """Caption of the table."""
        rows = "models (rows) on corpora" if self.finished else "training on one corpus (rows) and testing on another"
        return f"UAR of {rows} (columns), with 95 % intervals."

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A table as text, its head first."""
        texts = {pair: f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]" for pair, e in self.recalls.items()}
        body = [(a, *(texts.get((a, b), "-") for b in self.tested)) for a in self.trained]
        return [(f"{self.row} / tested on", *self.tested), *body]


def cross_corpus(reports: Mapping[tuple[str, str], Report], *, finished: bool = False) -> CrossCorpus:
    """Put the reports of models trained on one corpus and tested on another into a matrix of UAR.

    Parameters
    ----------
    reports : mapping of (trained, tested) to Report
        If the two are the same, the model was tested on other speakers of that corpus.
    finished : bool
        Whether rows stand for models that were taken as they are.

    Returns
    -------
    CrossCorpus
        Corpora are in order of first appearance.

    Raises
    ------
    InputError
        If there are no reports, or one has no UAR.

    Examples
    --------
    >>> cross_corpus({("tess", "savee"): Report({"UAR": Estimate(0.5, 0.4, 0.6, 20)}, ("a", "b"), ())}).rows
    [('trained on / tested on', 'savee'), ('tess', '0.50 [0.40, 0.60]')]
    """
    without = [pair for pair, report in reports.items() if "UAR" not in report.metrics]
    if not reports or without:
        raise InputError(f"{len(reports)} reports, without UAR: {without}; give at least one, each with a UAR.")
    return CrossCorpus(
        tuple(dict.fromkeys(trained for trained, _ in reports)),
        tuple(dict.fromkeys(tested for _, tested in reports)),
        {pair: report.metrics["UAR"] for pair, report in reports.items()},
        tuple(dict.fromkeys(stamp for report in reports.values() for stamp in report.stamps)),
        {tested: report.chance for (_, tested), report in reports.items() if report.chance is not None},
        finished,
    )
