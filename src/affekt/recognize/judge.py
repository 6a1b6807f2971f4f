"""What a model is worth on a corpus, through the same engine that users call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from affekt.corpora import CORPORA
from affekt.errors import CorpusError
from affekt.evaluate.report import report
from affekt.labels import LabelMap
from affekt.recognize.batch import Failure, predict_many
from affekt.recognize.recognizer import Recognizer
from affekt.types import Prediction, Report, Sample


def judge(
    recognizer: Recognizer, samples: Sequence[Sample], *, jobs: int = 1, tick: Callable[[], None] = lambda: None
) -> dict[str, Report]:
    """Recognise samples of one corpus and report, twice.

    Parameters
    ----------
    recognizer : Recognizer
        With all its labels.
    samples : sequence of Sample
        Of one corpus, none of which the model learned from.
    jobs : int
        Recordings at a time.
    tick : callable
        Called after each recording.

    Returns
    -------
    dict of str to Report
        ``"corpus labels"``: choosing among the labels the corpus has, as the
        field does. ``"all labels"``: choosing among all the model's labels, as
        a user who restricts nothing gets it.

    Raises
    ------
    CorpusError
        If a recording cannot be read.
    """
    summaries: list[Prediction] = []
    for outcome in predict_many(recognizer, [sample.path for sample in samples], jobs=jobs):
        if isinstance(outcome, Failure):
            raise CorpusError(f"{outcome.source}: {outcome.reason}")
        summaries.append(outcome.summary)
        tick()
    known = CORPORA[samples[0].corpus or ""].labels
    restricted = LabelMap({label: (label,) for label in recognizer.labels if label in known})
    answers = {
        "corpus labels": [_best(restricted.apply(p.scores)) if p.scores else None for p in summaries],
        "all labels": [p.label for p in summaries],
    }
    count = len({s.speaker for s in samples})
    protocol = f"{samples[0].corpus}: {count} held-out speaker{'s' * (count != 1)}"
    return {
        kind: report(samples, given, rng=np.random.default_rng(0), protocol=f"{protocol}; {kind}")
        for kind, given in answers.items()
    }


def _best(scores: dict[str, float]) -> str:
    return max(scores, key=scores.__getitem__)
