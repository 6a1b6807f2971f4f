"""Evaluation of predictions from any source: a table of answers in place of a model."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from affekt.corpora import CORPORA
from affekt.corpora.corpus import USAGES
from affekt.corpora.folder import SYNONYMS, label_of
from affekt.corpora.pictures import is_picture
from affekt.corpora.table import OTHER_WORDS, Table, column_of, read_table, seconds_of
from affekt.data.audit import audit
from affekt.data.numbers import SCALE
from affekt.data.splits import Split
from affekt.errors import AffektError, InputError, UnknownName
from affekt.evaluate.corpus import (
    NOT_KNOWN,
    Evaluation,
    TestSet,
    numbers_report,
    of_pictures,
    protocol_of,
    restriction,
    warned,
)
from affekt.evaluate.dimensions import with_dimensions
from affekt.labels import DIMENSIONS, VOICE, dimensions
from affekt.metrics.report import report, stamped
from affekt.speech.audio import length
from affekt.types import Sample
from affekt.write.clips import ClipAnswer

#: How far the sum of a clip's probabilities may be from 1: two dozen labels, each rounded to three decimals.
ROUNDING = 0.02
#: Possible names of the column with the parts of a split.
PARTS = ("split", "usage", "set", "subset", "part", "partition")
#: Columns from other programs that are neither labels nor needed.
OTHERS = frozenset({
    "confidence", "best", "reason", "quality", "who", "modality", "duration", "model", "fold", "truth", "true", "index",
    "sentence", "sex", "gender", "corpus", "intensity", "", "speaker", *OTHER_WORDS["speaker"],
    *OTHER_WORDS["sentence"],
})  # fmt: skip
#: Cells that mean no answer.
NO_ANSWER = ("", "unsure", "none", "nan", "-")
#: Prefixes and suffixes of labels in the names of probability columns: ``p_angry``, ``angry_prob``.
_AFFIX = re.compile(r"^(?:p|prob|proba|probability|scores?)[_.:/ -]+|[_.:/ -]+(?:p|prob|proba|probability|score)$")
NAMED = 3


@dataclass(frozen=True)
class Answer:
    """One row of a table of predictions.

    Parameters
    ----------
    line : int
        Its line in the file.
    label : str or None
        None means no answer.
    scores : mapping of str to float
        Probabilities; empty where the table has none.
    part : str
        ``train``, ``dev`` or ``test``, where the table says which part of the model's split the clip was in.
    numbers : mapping of str to float
        Values of valence, arousal and dominance, on the scale of the truth; empty where the table has none.
    """

    line: int
    label: str | None
    scores: Mapping[str, float]
    part: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PredictionTable:
    """A table of predictions, matched to clips.

    Parameters
    ----------
    path : Path
    labels : tuple of str
        The labels of the probability columns; empty where the table has only labels.
    answers : mapping of str to Answer
        By sample id.
    notes : tuple of str
        What was not used, and what looks wrong.
    dimensions : tuple of str
        The dimensions that have a column.
    named : bool
        Whether it also has labels or probabilities.
    """

    path: Path
    labels: tuple[str, ...]
    answers: Mapping[str, Answer]
    notes: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    named: bool = True


def read_predictions(path: str | Path, samples: Sequence[Sample]) -> PredictionTable:
    """Read predictions of clips from a CSV file.

    Parameters
    ----------
    path : path
        Columns: ``path`` (absolute, or any unique end of the clip's path) or ``id``; then ``label``, a
        column of probabilities for each label (``angry``, ``p_angry``, ``angry_prob``), or both; values of
        ``valence``, ``arousal`` or ``dominance``, with these or alone; ``start`` and
        ``end`` where clips are stretches of a recording; and ``split`` (train, dev, test) where the table also
        says what the model learned from. Common other names for columns and labels are accepted.
    samples : sequence of Sample
        All samples that rows may refer to.

    Returns
    -------
    PredictionTable

    Raises
    ------
    CorpusError
        If it is not a table.
    InputError
        If a column is missing, a row matches no clip or several, a clip has two rows, a label looks misspelt, or
        probabilities are not valid.
    """
    table = read_table(Path(path), needed=[])
    known = {s.label for s in samples if s.label}
    known |= {label for name in {s.corpus for s in samples} & set(CORPORA) for label in CORPORA[str(name)].labels}
    columns, notes = _label_columns(table, known)
    label_column, part_column = column_of(table.columns, "label"), _named(table, PARTS)
    numbers = {name: column for name in DIMENSIONS if (column := _named(table, (name,)))}
    if not columns and label_column is None and not numbers:
        raise InputError(
            f"{path}: has the columns {', '.join(table.columns)}; needed: label, or one column of probabilities for "
            f"each label ({', '.join(sorted(known)) or 'such as angry, sad'}), or a number ({', '.join(DIMENSIONS)})."
        )
    finder = _Finder(table, samples)
    answers: dict[str, Answer] = {}
    strange: set[str] = set()
    for line, row in table.rows:
        part = _part(path, line, row[part_column]) if part_column else ""
        asked = part in ("", "test")
        scores = _scores(f"{path}, line {line}", row, columns) if asked else {}
        label = _label(f"{path}, line {line}", row[label_column], known, strange) if label_column and asked else None
        if label is None and scores:
            label = max(scores, key=scores.__getitem__)
        sample = finder.sample(line, row)
        if sample is None:
            continue
        if sample.id in answers:
            raise InputError(
                f"{path}: lines {answers[sample.id].line} and {line} are both of {sample.id}. Give one row for a clip: "
                "of several segments, the mean of their probabilities."
            )
        said = _numbers(f"{path}, line {line}", row, numbers) if asked else {}
        answers[sample.id] = Answer(line, label, scores, part, said)
    finder.check()
    if strange:
        notes.append(f"{', '.join(sorted(strange))}: none of the clips has such a label; these answers are wrong ones.")
    named = bool(columns) or label_column is not None
    return PredictionTable(
        Path(path), tuple(dict.fromkeys(columns.values())), answers, tuple(notes), tuple(numbers), named
    )


def _named(table: Table, names: Iterable[str]) -> str | None:
    by_case = {column.lower(): column for column in table.columns}
    return next((by_case[name] for name in names if name in by_case), None)


def _label_columns(table: Table, known: set[str]) -> tuple[dict[str, str], list[str]]:
    """Columns of probabilities with their labels, and what was not used."""
    words = {*known, *VOICE}
    taken = {column_of(table.columns, name) for name in ("path", "label", "start", "end")}
    taken |= {_named(table, ("id",)), _named(table, PARTS), *(_named(table, (name,)) for name in DIMENSIONS)}
    found: dict[str, str] = {}
    unused: list[str] = []
    for column in table.columns:
        label = label_of(_AFFIX.sub("", column.lower()))
        if column in taken or (column.lower() in OTHERS and label not in words):
            continue
        if label in words:
            if label in found.values():
                raise InputError(f"{table.path}: the columns of {label!r} come twice. Keep one of them.")
            found[column] = label
        elif get_close_matches(label, [*words, *SYNONYMS], n=1, cutoff=0.75):
            raise InputError(f"{table.path}: {UnknownName('label of a column', column, words)}")
        else:
            unused.append(column)
    if len(found) == 1:
        raise InputError(
            f"{table.path}: has probabilities of one label, {next(iter(found.values()))}, only; give a column for "
            f"each: {', '.join(sorted(known))}."
        )
    return found, [f"{table.path.name}: the column {column!r} is not used." for column in unused]


def _part(path: str | Path, line: int, cell: str) -> str:
    word = cell.lower()
    part = {"": "test", "public": "dev"}.get(word) or {"public": "dev"}.get(USAGES.get(word, ""), USAGES.get(word, ""))
    if not part:
        raise InputError(f"{path}, line {line}: the part of the split is {cell!r}; allowed: train, dev, test.")
    return part


def _scores(where: str, row: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, float]:
    """Probabilities of a row; empty where all of its cells are empty, which means no answer.

    Raises
    ------
    InputError
        If a cell is not a number, or the values are not probabilities.
    """
    cells = {label: row[column] for column, label in columns.items()}
    if all(cell.lower() in NO_ANSWER for cell in cells.values()):
        return {}
    try:
        scores = {label: float(cell.replace(",", ".")) for label, cell in cells.items()}
    except ValueError:
        label, cell = next((label, cell) for label, cell in cells.items() if not re.fullmatch(r"[-+.,eE\d]+", cell))
        raise InputError(f"{where}: the probability of {label} is {cell!r}; give a number from 0 to 1.") from None
    total = sum(scores.values())
    if any(not -1e-6 <= p <= 1 + 1e-6 for p in scores.values()) or not abs(total - 1) <= ROUNDING:
        hint = "give probabilities."
        if abs(total - 100) <= 100 * ROUNDING and min(scores.values()) >= 0:
            hint = "they look like per cent: divide them by 100."
        elif min(scores.values()) < 0 or max(scores.values()) > 1:
            hint = "they look like logits: give their softmax."
        raise InputError(
            f"{where}: the probabilities of {', '.join(scores)} sum to {total:.4g}; they must be from 0 to 1 and sum "
            f"to 1: {hint}"
        )
    return {label: min(1.0, max(0.0, p)) / total for label, p in scores.items()}


def _numbers(where: str, row: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, float]:
    """Values of a row, without empty cells."""
    found = {}
    for name, column in columns.items():
        cell = row[column]
        if cell.lower() in NO_ANSWER:
            continue
        try:
            found[name] = float(cell.replace(",", "."))
        except ValueError:
            found[name] = math.nan
        if not math.isfinite(found[name]):
            raise InputError(f"{where}: {name} is {cell!r}; give a number on the scale of the truth, or nothing.")
    return found


def _label(where: str, cell: str, known: set[str], strange: set[str]) -> str | None:
    """The label of a row; one that looks misspelt is refused, any other that no clip has is noted."""
    if cell.lower() in NO_ANSWER:
        return None
    label = label_of(cell)
    if label not in {*known, *VOICE}:
        if get_close_matches(label, [*known, *VOICE, *SYNONYMS], n=1, cutoff=0.75):
            raise InputError(f"{where}: {UnknownName('label', cell, {*known, *VOICE})}")
        strange.add(label)
    return label


class _Finder:
    """Finds the clip that a row refers to; collects the rows that match none."""

    def __init__(self, table: Table, samples: Sequence[Sample]) -> None:
        self._path, columns = table.path, table.columns
        self._id = _named(table, ("id",))
        self._named = column_of(columns, "path")
        if self._id is None and self._named is None:
            raise InputError(f"{table.path}: has the columns {', '.join(columns) or '-'}; needed: path, or id.")
        stretches = any(sample.start or sample.end is not None for sample in samples)
        self._start, self._end = (column_of(columns, name) if stretches else None for name in ("start", "end"))
        self._by_id = {sample.id: sample for sample in samples}
        self._by_name: dict[str, list[tuple[tuple[str, ...], Sample]]] = {}
        for sample in samples:
            parts = _parts(os.path.abspath(sample.path))
            self._by_name.setdefault(parts[-1], []).append((parts, sample))
            # Some tables leave the extension out.
            stem = PurePosixPath(parts[-1]).stem
            if stem != parts[-1]:
                self._by_name.setdefault(stem, []).append(((*parts[:-1], stem), sample))
        self._without: list[str] = []
        self._rows = len(table.rows)

    def sample(self, line: int, row: Mapping[str, str]) -> Sample | None:
        """The clip of a row, or None.

        Raises
        ------
        InputError
            If several clips match.
        """
        if self._id and row[self._id] in self._by_id:
            return self._by_id[row[self._id]]
        text = row[self._named] if self._named else row[self._id or ""]
        if not text:
            raise InputError(f"{self._path}, line {line}: names no clip. Give its path or id.")
        parts = _parts(text)
        found = {s.id: s for whole, s in self._by_name.get(parts[-1], ()) if whole[-len(parts) :] == parts}
        if not found and self._named:
            # Relative to the table, with ".." in it.
            parts = _parts(os.path.abspath(self._path.parent / text.replace("\\", "/")))
            found = {s.id: s for whole, s in self._by_name.get(parts[-1], ()) if whole == parts}
        if self._start or self._end:
            found = {id: s for id, s in found.items() if self._is_stretch(s, row, line)}
        if len(found) > 1:
            names = ", ".join(list(found)[:NAMED])
            raise InputError(
                f"{self._path}, line {line}: {text} is the end of {len(found)} clips' paths ({names}"
                f"{', ...' if len(found) > NAMED else ''}). Give more of the path, the id"
                f"{'' if self._start else ', or start and end'}."
            )
        if not found:
            self._without.append(f"{text} (line {line})")
            return None
        return next(iter(found.values()))

    def _is_stretch(self, sample: Sample, row: Mapping[str, str], line: int) -> bool:
        """Whether a sample begins and ends where a row does, to a hundredth of a second."""
        try:
            start = seconds_of(row[self._start]) if self._start and row[self._start] else 0.0
            end = seconds_of(row[self._end]) if self._end and row[self._end] else math.inf
        except ValueError:
            raise InputError(f"{self._path}, line {line}: start and end must be seconds, such as 1.25.") from None
        there = math.inf if sample.end is None else sample.end
        return abs(sample.start - start) < 0.01 and (there == end or abs(there - end) < 0.01)

    def check(self) -> None:
        """Refuse a table with rows that match no clip."""
        if self._without:
            more = ", ..." if len(self._without) > NAMED else ""
            near = get_close_matches(_parts(self._without[0].rpartition(" (line")[0])[-1], [*self._by_name], n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise InputError(
                f"{self._path}: {len(self._without)} of {self._rows} rows are of no clip of the corpora: "
                f"{', '.join(self._without[:NAMED])}{more}.{hint} Give every corpus that they are of with --corpus, "
                "and paths as they end there."
            )


def _parts(path: str) -> tuple[str, ...]:
    """The parts of a path from any system, with accents in one Unicode form."""
    plain = unicodedata.normalize("NFC", path.replace("\\", "/"))
    return tuple(part for part in PurePosixPath(plain).parts if part not in ("/", "."))


def predicted_test_set(
    test_set: TestSet, samples: Sequence[Sample], table: PredictionTable, *, partial: bool = False
) -> tuple[TestSet, tuple[Any, ...]] | None:
    """The clips of a test set that a table answers, with what to report about them.

    Parameters
    ----------
    test_set : TestSet
        The requested clips.
    samples : sequence of Sample
        All of the corpus.
    table : PredictionTable
    partial : bool
        Whether to leave out clips without a row and stamp the report; otherwise they are an error.

    Returns
    -------
    (TestSet, tuple of Finding) or None
        The findings of an audit if the table says what the model learned from; None if no row is from this corpus.

    Raises
    ------
    InputError
        If clips are missing.
    """
    of_corpus = {s.id: table.answers[s.id] for s in samples if s.id in table.answers}
    if not of_corpus:
        return None
    named = any(answer.part for answer in of_corpus.values())
    tested = [s for s in test_set.samples if s.id in of_corpus and of_corpus[s.id].part in ("", "test")]
    wanted = tested if named else test_set.samples
    missing = [s for s in wanted if s.id not in of_corpus]
    if not tested:
        raise InputError(f"{table.path}: {test_set.corpus}: none of its rows is of a clip that is tested.")
    if missing and not partial:
        shown = ", ".join(s.id for s in missing[:NAMED]) + (", ..." if len(missing) > NAMED else "")
        raise InputError(
            f"{table.path}: {test_set.corpus}: {len(missing)} of {len(wanted)} clips have no prediction ({shown}). "
            "Predict them, too; --side test asks for the committed test speakers only; --partial evaluates what is "
            "there, and says so."
        )
    found = replace(test_set, samples=tuple(tested))
    found = replace(found, warnings=(*found.warnings, *table.notes))
    if named:
        sides = {
            side: tuple(s for s in samples if s.id in of_corpus and of_corpus[s.id].part == side)
            for side in ("train", "dev")
        }
        findings = audit(Split(sides["train"], sides["dev"], tuple(tested), by="clip"))
        shared = any(finding.name == "shared speakers" for finding in findings)
        protocol = f"the test part of the table's split; {len(sides['train'])} clips trained on"
        known = tuple(sentence for sentence in found.warnings if sentence != NOT_KNOWN)
        return replace(found, protocol=protocol, held_out=not shared, warnings=known), findings
    if missing:
        found = warned(found, _left_out(missing, tested))
        found = replace(found, stamps=(*found.stamps, "part of the test set"))
    return found, ()


def _left_out(missing: Sequence[Sample], tested: Sequence[Sample]) -> str:
    """What a partial test set leaves out, and whether the model may have learned from its speakers."""
    voices = {(s.corpus, s.speaker) for s in tested if s.speaker}
    both = voices & {(s.corpus, s.speaker) for s in missing}
    words = f"{len(missing)} of {len(missing) + len(tested)} clips have no prediction and are left out"
    if not both:
        return f"{words}; they are of other speakers."
    return (
        f"{words}; {len(both)} of {len(voices)} tested speakers have clips among them. If the model learned from "
        "those, it knows these voices, and is worth less for others; a column split (train, test) lets the audit say."
    )


def evaluate_predictions(
    test_set: TestSet,
    table: PredictionTable,
    *,
    findings: Sequence[Any] = (),
    tick: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Report on the answers of a table, as :func:`affekt.evaluate.corpus.evaluate` does for a model.

    Parameters
    ----------
    test_set : TestSet
        From :func:`predicted_test_set`.
    table : PredictionTable
    findings : sequence of Finding
    tick : callable
        Called after each clip.

    Returns
    -------
    Evaluation
        Without probabilities, both reports use the labels as given.
    """
    samples = []
    for sample in test_set.samples:
        samples.append(_with_duration(sample))
        tick()
    answers = [table.answers[sample.id] for sample in samples]
    said = [_dimensions_of(answer, test_set.scale or SCALE) for answer in answers]
    if not table.named or all(sample.label is None for sample in samples):
        alone = numbers_report(test_set, samples, said, findings=findings)
        for stamp in test_set.stamps:
            alone = stamped(alone, stamp)
        alone = replace(alone, warnings=(*test_set.warnings, *alone.warnings))
        return Evaluation({"corpus labels": alone, "all labels": alone}, {})
    restricted = restriction(test_set, table.labels) if table.labels else None
    reports, predicted, kept = {}, {}, {}
    for kind in ("corpus labels", "all labels"):
        scores = [dict(answer.scores) for answer in answers]
        given = [answer.label for answer in answers]
        if restricted and kind == "corpus labels":
            scores = [restricted.apply(row) if row else {} for row in scores]
            given = [max(row, key=row.__getitem__) if row else None for row in scores]
        found = report(
            samples,
            given,
            rng=np.random.default_rng(0),
            protocol=protocol_of(test_set, samples, kind),
            scores=scores if restricted else None,
            findings=findings,
        )
        for stamp in test_set.stamps:
            found = stamped(found, stamp)
        found = replace(found, warnings=(*test_set.warnings, *map(_reworded, found.warnings)))
        found = with_dimensions(found, samples, said, scale=test_set.scale)
        reports[kind] = of_pictures(found, "") if is_picture(samples[0]) else found
        predicted[kind], kept[kind] = {s.id: label for s, label in zip(samples, given, strict=True)}, scores
    clips = [
        ClipAnswer(s.id, s.path, str(s.label), predicted["corpus labels"][s.id], row, s.speaker, s.start, s.end)
        for s, row in zip(samples, kept["corpus labels"], strict=True)
    ]
    return Evaluation(reports, predicted, clips=tuple(clips))


def _dimensions_of(answer: Answer, scale: tuple[float, float]) -> dict[str, float]:
    """The dimensions of a row from -1 to 1; where it has none, those derived from its probabilities."""
    low, high = scale
    given = {name: 2 * (x - low) / (high - low) - 1 for name, x in answer.numbers.items()}
    return given or dimensions(answer.scores)


def _reworded(sentence: str) -> str:
    """A sentence without the reason for a missing answer, which a table does not tell."""
    return sentence.replace(" (no speech was found)", "")


def _with_duration(sample: Sample) -> Sample:
    """The sample with its length, for the slices; without it where the recording is missing."""
    if is_picture(sample):
        return sample
    seconds = sample.end
    if seconds is None:
        with suppress(AffektError, OSError):
            seconds = length(sample.path)[0]
    if seconds is None or seconds <= sample.start:
        return sample
    return replace(sample, meta={**sample.meta, "duration": seconds - sample.start})
