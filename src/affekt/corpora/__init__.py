"""Corpora of emotional speech and of faces: a folder of files becomes Samples.

Only names and tables are read, no recording is opened. Every corpus has a module
whose docstring says how its names are built and what has fooled people. Your own
recordings or pictures are the corpus ``folder``; ``synthetic`` needs no recordings at all.
"""

from __future__ import annotations

import os

from affekt.corpora import (
    ased,
    banglaser,
    baved,
    casia,
    crema_d,
    emo_db,
    emogator,
    emospeech,
    emovo,
    fer2013,
    folder,
    nemo,
    ravdess,
    savee,
    synthetic,
    tess,
    turev_db,
    urdu,
)
from affekt.corpora.corpus import Corpus, Reading, read_folder
from affekt.errors import UnknownName

CORPORA: dict[str, Corpus] = {
    "ased": ased.CORPUS,
    "banglaser": banglaser.CORPUS,
    "baved": baved.CORPUS,
    "casia": casia.CORPUS,
    "crema_d": crema_d.CORPUS,
    "emo_db": emo_db.CORPUS,
    "emogator": emogator.CORPUS,
    "emospeech": emospeech.CORPUS,
    "emovo": emovo.CORPUS,
    "fer2013": fer2013.CORPUS,
    "folder": folder.CORPUS,
    "nemo": nemo.CORPUS,
    "ravdess": ravdess.CORPUS,
    "savee": savee.CORPUS,
    "synthetic": synthetic.CORPUS,
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
    if name not in CORPORA:
        raise UnknownName("corpus", name, CORPORA)
    corpus = CORPORA[name]
    return corpus.read(path) if corpus.read else read_folder(corpus, path)
