"""Results as a data frame: one row per segment, for pandas or polars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from affekt._optional import first_of
from affekt.errors import InputError
from affekt.labels import DIMENSIONS
from affekt.types import Prediction, Result

COLUMNS = ("source", "start", "end", "who", "modality", "label", "best", "confidence", "quality", "reason")
#: Columns whose values may be whole numbers, which polars would take for integers.
_NUMBERS = ("start", "end", "confidence", "quality")


def to_frame(results: Result | Prediction | Iterable[Result | Prediction]) -> Any:
    """A data frame with one row per segment, and a column per label with its probability.

    Nothing is rounded. A recording without segments has one row without a label, so that no source is lost. Where the
    model is not sure, ``label`` is missing and ``best`` is its guess.

    Parameters
    ----------
    results : Result or Prediction, or an iterable of them
        From :func:`affekt.predict`, ``Recognizer.analyse`` or ``Client.predict``. Predictions alone have no
        ``source``.

    Returns
    -------
    pandas.DataFrame, or polars.DataFrame where pandas is not installed
        Columns ``source``, ``start``, ``end`` (seconds), ``who``, ``modality``, ``label``, ``best``, ``confidence``,
        ``quality``, ``reason``, ``text`` where there are words, ``valence``, ``arousal``, ``dominance`` (-1 to 1,
        derived from the scores), then the labels in the model's order (for several models, as they come). A label
        named like one of these columns has ``p_`` in front.

    Raises
    ------
    MissingExtra
        If neither pandas nor polars is installed.
    InputError
        If something else is given.

    Examples
    --------
    >>> p = Prediction(0.0, 2.5, {"happy": 0.75, "sad": 0.25})
    >>> frame = to_frame(Result("a.wav", 2.5, (p,), p, "voice-1", ("happy", "sad")))  # doctest: +SKIP
    >>> frame[["source", "label", "happy"]].to_dict("records")  # doctest: +SKIP
    [{'source': 'a.wav', 'label': 'happy', 'happy': 0.75}]
    """
    frames = first_of("pandas", "polars")
    if isinstance(results, (Result, Prediction)):
        results = [results]
    rows: list[tuple[str | None, Prediction]] = []
    labels: dict[str, None] = {}
    for item in results:
        if isinstance(item, Prediction):
            rows.append((None, item))
            labels |= dict.fromkeys(item.scores)
        elif isinstance(item, Result):
            nothing = Prediction(0.0, item.duration, {}, modality=item.summary.modality, quality=item.summary.quality)
            rows += [(item.source, p) for p in item.predictions or (nothing,)]
            labels |= dict.fromkeys(item.labels)
        else:
            raise InputError(f"a {type(item).__name__} is no Result or Prediction; give what predict or analyse gave.")
    table: dict[str, list[Any]] = {"source": [source for source, _ in rows]}
    table |= {name: [getattr(p, name) for _, p in rows] for name in COLUMNS[1:]}
    if any(p.text for _, p in rows):
        table["text"] = [p.text for _, p in rows]
    table |= {name: list(map(float, table[name])) for name in _NUMBERS}
    table |= {name: [p.dimensions.get(name) for _, p in rows] for name in DIMENSIONS}
    for label in labels:
        scores = [float(p.scores[label]) if label in p.scores else None for _, p in rows]
        table[f"p_{label}" if label in table else label] = scores
    return frames.DataFrame(table)
