"""A model's answer to each clip of a test set -> CSV, the errors first."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from affekt.write.predictions import spreadsheet_cell

COLUMNS = ("corpus", "id", "path", "start", "end", "speaker", "truth", "label", "right", "confidence")


@dataclass(frozen=True)
class ClipAnswer:
    """The answer to one clip, choosing among the labels of its corpus.

    Parameters
    ----------
    id, path : str
        Of the sample.
    truth : str
    label : str or None
        The best guess, however unsure; None means no answer.
    scores : mapping of str to float
        Label to probability.
    speaker : str or None
    start : float
    end : float or None
        Seconds; None means the end of the recording.
    """

    id: str
    path: str
    truth: str
    label: str | None
    scores: Mapping[str, float]
    speaker: str | None = None
    start: float = 0.0
    end: float | None = None

    @property
    def right(self) -> bool:
        """Whether the guess is right."""
        return self.label == self.truth

    @property
    def confidence(self) -> float:
        """The probability of the guess; 0 without one."""
        return max(self.scores.values(), default=0.0)


def errors_first(clips: Iterable[ClipAnswer]) -> list[ClipAnswer]:
    """Wrong answers first, the most confident at the top; then the right ones, the least confident first.

    Examples
    --------
    >>> wrong = ClipAnswer("a", "a.wav", "sad", "angry", {"angry": 0.9, "sad": 0.1})
    >>> right = ClipAnswer("b", "b.wav", "sad", "sad", {"angry": 0.4, "sad": 0.6})
    >>> [clip.id for clip in errors_first([right, wrong])]
    ['a', 'b']
    """
    return sorted(clips, key=lambda c: (c.right, c.confidence if c.right else -c.confidence, c.id))


def clips_csv(corpora: Mapping[str, Sequence[ClipAnswer]], file: IO[str]) -> None:
    """Write one row per clip, corpus by corpus, errors first; one column per label after the fixed ones.

    Cells that a spreadsheet would run as a formula get a leading ``'``.

    Examples
    --------
    >>> import io
    >>> file = io.StringIO()
    >>> clips_csv({"own": [ClipAnswer("own/a", "a.wav", "sad", "sad", {"angry": 0.25, "sad": 0.75})]}, file)
    >>> print(file.getvalue().splitlines()[1])
    "own","own/a","a.wav",0.0,"","","sad","sad",1,0.75,0.25,0.75
    """
    labels = list(dict.fromkeys(label for clips in corpora.values() for clip in clips for label in clip.scores))
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([*COLUMNS, *map(spreadsheet_cell, labels)])
    for corpus, clips in corpora.items():
        for clip in errors_first(clips):
            words = [spreadsheet_cell(text or "") for text in (clip.speaker, clip.truth, clip.label)]
            writer.writerow(
                [
                    corpus,
                    spreadsheet_cell(clip.id),
                    spreadsheet_cell(clip.path),
                    round(clip.start, 3),
                    "" if clip.end is None else round(clip.end, 3),
                    *words,
                    int(clip.right),
                    round(clip.confidence, 4),
                    *(round(clip.scores[label], 4) if label in clip.scores else "" for label in labels),
                ]
            )
