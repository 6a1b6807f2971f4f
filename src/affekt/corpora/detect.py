"""Which corpus a folder holds, by the names of its files."""

from __future__ import annotations

import os
from pathlib import Path

from affekt.corpora import CORPORA, OWN
from affekt.corpora.annotations import place_and_tier
from affekt.corpora.corpus import Clip, files_in
from affekt.corpora.folder import TABLES
from affekt.errors import CorpusError

#: At most this many file names are parsed for each published corpus, and for your own folder.
LOOKED_AT = 500
#: Share of names that must fit.
SURE = 0.9
#: File names, or their endings, that identify a format: whole databases, then annotations of single recordings.
MARKS = {
    "db.yaml": "audformat",
    "fer2013.csv": "fer2013",
    ".eaf": "elan",
    ".textgrid": "textgrid",
    ".rttm": "rttm",
}


def detect_corpus(path: str | os.PathLike[str]) -> str:
    """The name of the corpus at a path: a published one whose names fit, an annotation format, or your own folder.

    Parameters
    ----------
    path : path
        A folder, or a file such as ``labels.csv`` or ``talk.eaf``.

    Returns
    -------
    str
        A key of ``CORPORA``.

    Raises
    ------
    CorpusError
        If nothing there says which it is.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "03-01-08-01-01-01-12.wav").touch()
    ...     detect_corpus(folder)
    'ravdess'
    """
    given, _ = place_and_tier(path)
    if not given.exists():
        raise CorpusError(f"{given} does not exist. Give the folder of a corpus.")
    if given.is_file():
        fits = [name for mark, name in MARKS.items() if given.name.lower().endswith(mark)]
        return fits[0] if fits else "folder"
    shares = _shares(given)
    best = max(shares.values(), default=0.0)
    if best >= SURE and list(shares.values()).count(best) == 1:
        return max(shares, key=shares.__getitem__)
    if any((given / name).is_file() for name in TABLES):
        return "folder"
    inside = [name.lower() for _, _, names in os.walk(given) for name in names]
    for mark, corpus in MARKS.items():
        if any(name.endswith(mark) for name in inside):
            return corpus
    if _beside(given):
        return "audacity"
    if _names_that_fit("folder", given) >= SURE:
        return "folder"
    raise CorpusError(_not_known(given, shares))


def _shares(folder: Path) -> dict[str, float]:
    """Share of the file names that each published corpus can parse, for those that can parse any."""
    found = {name: _names_that_fit(name, folder) for name in CORPORA if name not in OWN}
    return {name: share for name, share in found.items() if share}


def _names_that_fit(name: str, folder: Path) -> float:
    corpus = CORPORA[name]
    files = files_in(folder, corpus.modality)[:LOOKED_AT]
    if corpus.parse is None or not files:
        return 0.0
    return sum(isinstance(corpus.parse(file), Clip) for file in files) / len(files)


def _beside(folder: Path) -> bool:
    """Whether each recording has a text file of the same name, as with label tracks."""
    recordings = files_in(folder, "speech")
    texts = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.txt")}
    return bool(recordings) and all(file.with_suffix("").as_posix() in texts for file in recordings)


def _not_known(folder: Path, shares: dict[str, float]) -> str:
    near = ", ".join(f"{name} ({100 * share:.0f} % of the names)" for name, share in sorted(shares.items()))
    files = files_in(folder, "any")
    first = f" A name is {files[0]}." if files else " It holds neither recordings nor pictures."
    return (
        f"{folder}: which corpus is this?{first} {f'Nearest: {near}. ' if near else ''}"
        f"Say so with --corpus NAME; one of {', '.join(CORPORA)}."
    )
