"""Corpora of emotional speech and of faces: a folder of files becomes Samples.

Only names and tables are read; no recording is opened. Every corpus has a module
whose docstring says how its names are built and which traps it holds. Your own
recordings or pictures are the corpus ``folder``; ``synthetic`` needs no recordings at all.
"""

from __future__ import annotations

import os

from affekt.corpora import (
    ased,
    audacity,
    audformat,
    banglaser,
    baved,
    casia,
    crema_d,
    elan,
    emo_db,
    emogator,
    emospeech,
    emovo,
    fer2013,
    folder,
    nemo,
    ravdess,
    rttm,
    savee,
    synthetic,
    tess,
    textgrid,
    turev_db,
    urdu,
)
from affekt.corpora.corpus import Corpus, Reading, read_folder
from affekt.errors import UnknownName

CORPORA: dict[str, Corpus] = {
    "ased": ased.CORPUS,
    "audacity": audacity.CORPUS,
    "audformat": audformat.CORPUS,
    "banglaser": banglaser.CORPUS,
    "baved": baved.CORPUS,
    "casia": casia.CORPUS,
    "crema_d": crema_d.CORPUS,
    "elan": elan.CORPUS,
    "emo_db": emo_db.CORPUS,
    "emogator": emogator.CORPUS,
    "emospeech": emospeech.CORPUS,
    "emovo": emovo.CORPUS,
    "fer2013": fer2013.CORPUS,
    "folder": folder.CORPUS,
    "nemo": nemo.CORPUS,
    "ravdess": ravdess.CORPUS,
    "rttm": rttm.CORPUS,
    "savee": savee.CORPUS,
    "synthetic": synthetic.CORPUS,
    "tess": tess.CORPUS,
    "textgrid": textgrid.CORPUS,
    "turev_db": turev_db.CORPUS,
    "urdu": urdu.CORPUS,
}

#: The user's own data: nobody can say whether a model was trained on it.
OWN = ("audacity", "audformat", "elan", "folder", "rttm", "textgrid")

__all__ = ["CORPORA", "OWN", "Corpus", "Reading", "corpus_name", "read_corpus"]


def read_corpus(name: str, path: str | os.PathLike[str]) -> Reading:
    """Find the clips of a corpus in a folder and its sub-folders, in any layout it is distributed in.

    The folder may hold less than the whole corpus: compare ``len(samples)`` with
    ``CORPORA[name].clips``. A speaker's name is unique within its corpus only.

    Parameters
    ----------
    name : str
        A key of ``CORPORA``, such as ``"ravdess"``; ``"RAVDESS"`` and ``"EMO-DB"`` will do.
    path : str or path
        The folder that the corpus was unpacked into; for ``"folder"`` also a CSV file.

    Returns
    -------
    Reading
        The samples, ordered by id, the audio files skipped, with reasons, and warnings.

    Raises
    ------
    UnknownName
        If there is no such corpus.
    CorpusError
        If the folder does not exist, holds no audio, or holds something else, or a table in it is wrong.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pathlib.Path(folder, "03-01-05-01-01-01-12.wav").touch()
    ...     [sample] = read_corpus("ravdess", folder).samples
    >>> sample.id, sample.label, sample.speaker, sample.sex
    ('ravdess/03-01-05-01-01-01-12', 'angry', '12', 'female')
    """
    corpus = CORPORA[corpus_name(name)]
    return corpus.read(path) if corpus.read else read_folder(corpus, path)


def corpus_name(name: str) -> str:
    """The key of ``CORPORA`` that a name stands for, whatever its case and its dashes.

    Raises
    ------
    UnknownName
        If there is no such corpus; the message suggests the nearest name.

    Examples
    --------
    >>> corpus_name("RAVDESS"), corpus_name("EMO-DB"), corpus_name("CremaD")
    ('ravdess', 'emo_db', 'crema_d')
    """
    bare = {key.replace("_", ""): key for key in CORPORA}
    found = bare.get("".join(c for c in name.casefold() if c.isalnum()))
    if found is None:
        raise UnknownName("corpus", name.casefold(), CORPORA)
    return found
