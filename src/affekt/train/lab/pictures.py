"""The faces of an experiment: which take part, what they see of them, and what the audit should know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from affekt.corpora.pictures import grey, is_picture, read_pictures
from affekt.data.findings import Evidence
from affekt.data.pictures import SERIES, evidence_of_pictures, with_series
from affekt.data.splits import published_split
from affekt.errors import ImageError, InputError
from affekt.face.align import crops
from affekt.face.shape import SIZE
from affekt.train.lab.experiment import Experiment
from affekt.train.lab.material import Material, check_unread
from affekt.train.sources import OWN
from affekt.types import Sample

Tick = Callable[[], object]


def chosen_pictures(
    experiment: Experiment, samples: Sequence[Sample], *, tick: Tick
) -> tuple[tuple[Sample, ...], Evidence]:
    """The pictures that take part, with the series that each belongs to, and their hashes and thumbnails.

    Where the recipe takes only some, whole series are drawn, which keeps the share of pictures that have a copy.

    Parameters
    ----------
    experiment : Experiment
    samples : sequence of Sample
        Pictures.
    tick : callable
        Called after each.

    Raises
    ------
    InputError
        If some samples are not pictures, or the corpus does not state its parts.
    """
    if other := next((sample for sample in samples if not is_picture(sample)), None):
        raise InputError(f"{other.id} is no picture; the recipe {experiment.name} learns from pictures of faces.")
    if experiment.copies:
        raise InputError(f"{experiment.name}: copies are made of recordings; leave them out of a recipe of faces.")
    # The user's own pictures have no published split.
    if experiment.part and not all(sample.corpus == OWN for sample in samples):
        samples = getattr(published_split(samples), experiment.part)
    evidence = evidence_of_pictures(samples, tick=tick)
    samples = with_series(samples, evidence.thumbnails)
    if experiment.most:
        series: dict[str, list[Sample]] = {}
        for sample in samples:
            series.setdefault(str(sample.meta[SERIES]), []).append(sample)
        groups, kept = list(series.values()), list[Sample]()
        for i in np.random.default_rng(experiment.seed).permutation(len(groups)):
            if len(kept) + len(groups[i]) <= experiment.most:
                kept += groups[i]
        samples = sorted(kept, key=lambda sample: sample.id)
    ids = {sample.id for sample in samples}
    return tuple(samples), replace(
        evidence,
        thumbnails={id: row for id, row in evidence.thumbnails.items() if id in ids},
        hashes={id: digest for id, digest in evidence.hashes.items() if id in ids},
        traits={id: traits for id, traits in evidence.traits.items() if id in ids},
    )


def load_pictures(samples: Sequence[Sample], *, tick: Tick = lambda: None) -> Material:
    """Grey faces, 48 x 48, from 0 to 1, of pictures that are faces as they are.

    Returns
    -------
    Material
        ``inputs`` (1, n, 48, 48).

    Raises
    ------
    InputError
        If fewer than half of the pictures can be read.
    """
    rows, kept, unread = [], [], []
    for sample, picture in read_pictures(samples):
        tick()
        if isinstance(picture, ImageError):
            unread.append(str(picture))
            continue
        if picture.shape[:2] == (SIZE, SIZE):
            values = grey(picture)
        else:
            box = np.array([[0, 0, picture.shape[1], picture.shape[0]]], np.float32)
            values = crops(picture, box, size=SIZE, margin=1.0)[0]
        rows.append(values / np.float32(255))
        kept.append(sample)
    check_unread(unread, samples)
    return Material(tuple(kept), np.stack(rows)[None], tuple(unread))
