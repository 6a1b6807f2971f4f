"""Corpora of emotional speech: a folder of files becomes Samples.

Only names are read, no file is opened. Every corpus has a module whose
docstring says how its names are built and what has fooled people.
"""

from __future__ import annotations

import os

from affekt.corpora import ased, banglaser, emovo, nemo, ravdess, savee, tess, turev_db, urdu
from affekt.corpora.corpus import Corpus, Reading, read_folder
from affekt.errors import UnknownName

CORPORA: dict[str, Corpus] = {
    "ased": ased.CORPUS,
    "banglaser": banglaser.CORPUS,
    "emovo": emovo.CORPUS,
    "nemo": nemo.CORPUS,
    "ravdess": ravdess.CORPUS,
    "savee": savee.CORPUS,
    "tess": tess.CORPUS,
    "turev_db": turev_db.CORPUS,
    "urdu": urdu.CORPUS,
}

__all__ = ["CORPORA", "Corpus", "Reading", "read_corpus"]


def read_corpus(name: str, path: str | os.PathLike[str]) -> Reading:
    """Find the clips of a corpus below a folder, in any layout it is distributed in.

    The folder may hold less than the whole corpus: compare ``len(samples)`` with
    ``CORPORA[name].clips``. A speaker's name is unique within its corpus only.

    Parameters
    ----------
    name : str
        A key of ``CORPORA``, such as ``"ravdess"``.
    path : str or path
        The folder that the corpus was unpacked into.

    Returns
    -------
    Reading
        The samples, ordered by id, and the audio files skipped, with reasons.

    Raises
    ------
    UnknownName
        If there is no such corpus.
    CorpusError
        If the folder does not exist, holds no audio, or holds something else.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pathlib.Path(folder, "03-01-05-01-01-01-12.wav").touch()
    ...     [sample] = read_corpus("ravdess", folder).samples
    >>> sample.id, sample.label, sample.speaker, sample.sex
    ('ravdess/03-01-05-01-01-01-12', 'angry', '12', 'female')
    """
    if name not in CORPORA:
        raise UnknownName("corpus", name, CORPORA)
    return read_folder(CORPORA[name], path)
