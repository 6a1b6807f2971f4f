"""GoEmotions and dair-ai's ``emotion`` as their authors publish them, and how they are divided.

Nothing that is chosen or fitted sees GoEmotions' dev part or dair-ai's
validation part: a tenth of each training part, by a hash of the text, is
there for that, and is not learned from. A text that is word for word one of
the parts that are reported is left out of training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affekt.errors import CorpusError
from affekt.labels import GOEMOTIONS
from affekt.text.shape import DAIR


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts and which labels they have.

    Parameters
    ----------
    texts : tuple of str
    labels : bool array, shape (n, k)
        Of GoEmotions several of 28, of dair-ai one of 6.
    """

    texts: tuple[str, ...]
    labels: NDArray[np.bool_]

    def __len__(self) -> int:
        """How many."""
        return len(self.texts)

    def where(self, chosen: Iterable[bool]) -> Texts:
        """Those for which it is so."""
        rows = np.flatnonzero(np.fromiter(chosen, bool, len(self.texts)))
        return Texts(tuple(self.texts[i] for i in rows), self.labels[rows])


@dataclass(frozen=True, eq=False)
class TextSplit:
    """A corpus: to learn from, to fit thresholds and temperature on, and to report."""

    learned: Texts
    tuned: Texts
    reported: Texts

    @property
    def digest(self) -> str:
        """SHA-256 over all texts of each part."""
        found = hashlib.sha256()
        for part in (self.learned, self.tuned, self.reported):
            for text in part.texts:
                found.update(text.encode("utf-8", "surrogatepass") + b"\n")
            found.update(b"\x00")
        return found.hexdigest()


def read_goemotions(folder: Path, part: str) -> Texts:
    """``train`` or ``dev``: a line is a text, numbers of labels and an id, divided by tabs.

    Raises
    ------
    CorpusError
        If the folder is not what its authors publish.
    """
    names = tuple(_lines(folder / "labels.txt"))
    if names != GOEMOTIONS:
        raise CorpusError(f"{folder / 'labels.txt'}: are not the 28 labels of GoEmotions, in their order.")
    texts, rows = [], []
    for number, line in enumerate(_lines(folder / f"{part}.tsv"), 1):
        text, _, rest = line.partition("\t")
        places = rest.split("\t")[0].split(",")
        if not all(place.isdecimal() and int(place) < len(names) for place in places):
            raise CorpusError(f"{folder / part}.tsv: line {number} has no numbers of labels behind its first tab.")
        texts.append(text)
        rows.append(np.isin(np.arange(len(names)), [int(place) for place in places]))
    return Texts(tuple(texts), np.array(rows).reshape(-1, len(names)))


def read_dair(folder: Path, part: str) -> Texts:
    """``train`` or ``val``: a heading, then a text and its label, divided by a semicolon.

    Raises
    ------
    CorpusError
        If the folder is not what its authors publish.
    """
    texts, rows = [], []
    for number, line in enumerate(_lines(folder / f"{part}.txt"), 1):
        text, _, label = line.rpartition(";")
        if number == 1 and label == "label_name":
            continue
        if label not in DAIR:
            raise CorpusError(f"{folder / part}.txt: line {number} ends in {label!r}; allowed: {', '.join(DAIR)}.")
        texts.append(text)
        rows.append([label == name for name in DAIR])
    return Texts(tuple(texts), np.array(rows, bool).reshape(-1, len(DAIR)))


def split_texts(train: Texts, reported: Texts, *, share: int) -> TextSplit:
    """Divide a training part: one of ``share`` texts to fit on, the others to learn from."""
    seen = {_normal(text) for text in reported.texts}
    rest = train.where(_normal(text) not in seen for text in train.texts)
    hashes = (hashlib.sha256(_normal(text).encode("utf-8", "surrogatepass")).hexdigest() for text in rest.texts)
    is_tuned = [int(digits[:8], 16) % share == 0 for digits in hashes]
    return TextSplit(rest.where(not so for so in is_tuned), rest.where(is_tuned), reported)


def read_vectors(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Word vectors: winkNLP's JSON (``words``, ``vectors``), or lines of a word and its values, as GloVe has them.

    Returns
    -------
    list of str, array (n, e)
        The most frequent words first.

    Raises
    ------
    CorpusError
        If the file is neither.
    """
    try:
        if path.suffix == ".json":
            table = json.loads(path.read_text(encoding="utf-8"))
            words, size = list(table["words"]), int(table["dimensions"])
            return words, np.array([table["vectors"][word][:size] for word in words], np.float32)
        rows = [line.split(" ") for line in _lines(path)]
        return [row[0] for row in rows], np.array([row[1:] for row in rows], np.float32)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CorpusError(f"{path}: holds no word vectors ({error}).") from None


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from None


def _normal(text: str) -> str:
    return " ".join(text.lower().split())
