"""Why a segment may sound the way it does, in plain words: its cues compared with a reference.

The words describe the voice. They are not what the network used: for what
it used see :mod:`affekt.explain.occlusion`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.recognize.recognizer import Recognizer
from affekt.recognize.trace import Trace
from affekt.speech.audio import Source, read
from affekt.speech.cues import CUES, OF_THE_RECORDING, RATE, Cues, measure_cues, norms, typical
from affekt.types import Prediction

Signal = NDArray[np.float32]

#: Accompanies the words everywhere.
NOTE = "Cues describe the voice; they are not what the network used."
#: Least seconds of speech of a reference, and of a segment.
ENOUGH, SHORTEST = 1.5, 1.0
#: Most differences to name, the most striking first.
MOST = 4


@dataclass(frozen=True)
class Reference:
    """What a segment is compared with.

    Parameters
    ----------
    kind : str
        ``speaker`` (their own neutral speech), ``recording`` (its other segments) or ``norms``.
    words : str
        The same for people to read, after "beside".
    cues : mapping of str to float
        What is usual; nan where nothing can be said.
    low, high : mapping of str to float
        A value between these does not count as a difference.
    """

    kind: str
    words: str
    cues: Cues
    low: Cues
    high: Cues


@dataclass(frozen=True)
class Explanation:
    """One segment's cues compared with a reference.

    Parameters
    ----------
    reference : Reference
    cues : mapping of str to float
        nan where the voice could not be measured.
    """

    reference: Reference
    cues: Cues

    @property
    def differences(self) -> dict[str, float]:
        """Value minus reference of each cue outside ``low`` to ``high``, the most striking first."""
        beside = self.reference
        by = {name: value - beside.cues[name] for name, value in self.cues.items()}
        room = {name: (beside.high if by[name] > 0 else beside.low)[name] - beside.cues[name] for name in by}
        # nan compares as False: what was not measured does not differ.
        beyond = {name: abs(by[name]) / max(abs(room[name]), 1e-9) for name in by if abs(by[name]) > abs(room[name])}
        return {name: by[name] for name in sorted(beyond, key=lambda name: -beyond[name])}

    @property
    def sentence(self) -> str:
        """The differences in words.

        Examples
        --------
        >>> cues, none = dict.fromkeys(CUES, 0.0), dict.fromkeys(CUES, 1.0)
        >>> usual = Reference("speaker", "this speaker's reference", cues, dict.fromkeys(CUES, -1.0), none)
        >>> Explanation(usual, {**cues, "level": 6.0, "pitch": 4.0}).sentence
        "beside this speaker's reference: louder by 6.0 dB, pitch higher by 4.0 semitones"
        """
        if not any(np.isfinite(value - self.reference.cues[name]) for name, value in self.cues.items()):
            return "too little voice to describe"
        parts = [_said(name, by) for name, by in list(self.differences.items())[:MOST]]
        if not parts:
            return f"much like {self.reference.words}"
        return f"beside {self.reference.words}: {', '.join(parts)}"


def _said(name: str, by: float) -> str:
    cue = CUES[name]
    return f"{cue.more if by > 0 else cue.less} by {abs(by):.{cue.digits}f} {cue.unit}"


class Recording(Trace):
    """A trace that keeps the sound as well: 4 MB per minute."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[Signal] = []

    @property
    def signal(self) -> Signal:
        """Mono at 16 kHz, (n,)."""
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0] if self._blocks else np.zeros(0, np.float32)

    def see(self, signal: Signal, *, step: int = 160) -> None:
        """Take the next piece of signal (n,)."""
        super().see(signal, step=step)
        self._blocks.append(signal)


def explain(
    signal: Signal, predictions: Sequence[Prediction], *, reference: Reference | None = None
) -> list[Explanation]:
    """Describe every segment of a recording, compared with a reference.

    The reference is the one given; else, for each segment, the recording's other
    segments, if they last a second and a half; else :func:`affekt.speech.cues.norms`.
    Pitch, level and tilt are not compared with norms: pitch depends on the
    speaker, the others on the microphone.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        The recording: mono, 16 kHz.
    predictions : sequence of Prediction
        Its segments.
    reference : Reference, optional
        Made by :func:`reference_of`.

    Returns
    -------
    list of Explanation
        One for each segment. Of less than a second nothing is said.

    Raises
    ------
    InputError
        If a segment ends after the signal.

    Examples
    --------
    >>> from affekt.recognize.recognizer import Recognizer
    >>> silence = np.zeros(16_000, np.float32)
    >>> explain(silence, Recognizer().predict((silence, 16_000)))
    []
    """
    late = [p for p in predictions if round(p.end * RATE) > len(signal) + 1]
    if late:
        raise InputError(
            f"a segment ends at {late[0].end:.2f} s, and the signal is {len(signal) / RATE:.2f} s long; "
            "give the whole recording, at 16 kHz."
        )
    rows = [_cues_of(signal, p) for p in predictions]
    found = []
    for i, row in enumerate(rows):
        others = [(rows[k], p.duration) for k, p in enumerate(predictions) if k != i and p.duration >= SHORTEST]
        found.append(Explanation(reference or _rest(others) or _norms_for(row), row))
    return found


def reference_of(source: Source, recognizer: Recognizer) -> Reference:
    """A speaker's own reference: a recording in which they speak without emotion.

    The level is compared as well, so the reference must be recorded like the
    explained recording: with the same microphone, at the same distance.

    Parameters
    ----------
    source : path, bytes, binary file, "-" or (array, sampling_rate)
        A second and a half of speech or more; ten are better.
    recognizer : Recognizer
        Finds the speech in it.

    Returns
    -------
    Reference

    Raises
    ------
    AudioError
        If it cannot be read.
    InputError
        If it holds less than a second and a half of speech.
    """
    signal = read(source).signal
    predictions = [p for p in recognizer.predict((signal, RATE)) if p.duration >= SHORTEST]
    spoken = sum(p.duration for p in predictions)
    if spoken < ENOUGH:
        raise InputError(
            f"the reference holds {spoken:.2f} s of speech in stretches of {SHORTEST:g} s or more; "
            f"give {ENOUGH:g} s or more of the speaker's usual voice."
        )
    rows = [_cues_of(signal, p) for p in predictions]
    cues = typical(rows, [p.duration for p in predictions])
    return _around(cues, ("speaker", "this speaker's reference"))


def as_json(explanation: Explanation) -> dict[str, object]:
    """The value of a segment's key ``explanation``; ``docs/explain.md`` describes it.

    Examples
    --------
    >>> same = dict.fromkeys(CUES, 0.0)
    >>> as_json(Explanation(Reference("speaker", "this speaker's reference", same, same, same), same))["text"]
    "much like this speaker's reference"
    """
    striking = explanation.differences
    cues = {
        name: {
            "value": _number(value),
            "reference": _number(explanation.reference.cues[name]),
            "unit": CUES[name].unit,
            "differs": name in striking,
        }
        for name, value in explanation.cues.items()
    }
    return {"text": explanation.sentence, "note": NOTE, "reference": explanation.reference.kind, "cues": cues}


def _cues_of(signal: Signal, prediction: Prediction) -> dict[str, float]:
    if prediction.duration < SHORTEST:
        return dict.fromkeys(CUES, float("nan"))
    return measure_cues(signal[round(prediction.start * RATE) : round(prediction.end * RATE)])


def _rest(others: Sequence[tuple[Cues, float]]) -> Reference | None:
    """The other segments (cues and seconds) as a reference, if that is enough."""
    if sum(seconds for _, seconds in others) < ENOUGH:
        return None
    rows, weights = zip(*others, strict=True)
    return _around(typical(rows, weights), ("recording", "the rest of this recording"))


def _around(cues: Cues, name: tuple[str, str]) -> Reference:
    within = norms().within
    low = {cue: cues[cue] - within[cue] for cue in CUES}
    return Reference(*name, cues, low, {cue: cues[cue] + within[cue] for cue in CUES})


def _norms_for(cues: Cues) -> Reference:
    """The norms of the pitch range; without a pitch those of high voices, as nothing can be compared anyway."""
    table = norms()
    name = table.range_of(cues)
    edges: Mapping[str, tuple[float, float, float]] = {
        cue: (float("nan"),) * 3 if cue in OF_THE_RECORDING else table.ranges[name][cue] for cue in CUES
    }
    low, usual, high = ({cue: edge[i] for cue, edge in edges.items()} for i in range(3))
    words = f"the neutral speech of {table.speakers[name]} people with a {name} voice"
    return Reference("norms", words, usual, low, high)


def _number(value: float) -> float | None:
    return round(value, 3) if np.isfinite(value) else None
