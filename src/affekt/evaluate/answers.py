"""A model's answers to the samples of a test set: recordings, or pictures of faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from affekt.corpora.pictures import read_pictures
from affekt.errors import ImageError, UnknownName
from affekt.evaluate.speakers import baselines_of_samples
from affekt.face.align import crops
from affekt.face.image import Picture
from affekt.face.stream import FaceInput
from affekt.face.video import Frame
from affekt.models.onnx import softmax
from affekt.recognize.batch import Failure, predict_many
from affekt.recognize.recognizer import Recognizer
from affekt.types import Prediction, Sample

#: How to treat a picture: as a face itself, as an image to detect a face in, or by its shape.
CROPS = ("auto", "whole", "detect")
#: Longest side, in pixels, of a square picture that ``auto`` takes for a face as it is.
LARGEST_CROP = 100
#: Faces per batch.
BATCH = 64


@dataclass(frozen=True)
class Answers:
    """What a model answered to the samples of a test set.

    Parameters
    ----------
    samples : tuple of Sample
        Those that could be read; recordings have ``meta["duration"]`` in seconds.
    summaries : tuple of Prediction
        One per sample; it abstains where there is no speech or no face.
    failures : tuple of Failure
        Those that could not be read.
    labels : tuple of str
        The model's labels.
    note : str
        How pictures were treated, for the protocol.
    """

    samples: tuple[Sample, ...]
    summaries: tuple[Prediction, ...]
    failures: tuple[Failure, ...]
    labels: tuple[str, ...]
    note: str = ""


def answer(
    recognizer: Recognizer,
    samples: Sequence[Sample],
    *,
    jobs: int = 1,
    tick: Callable[[], None] = lambda: None,
    baseline: str = "none",
) -> Answers:
    """Recognise samples, including stretches of recordings; those that cannot be read are returned separately.

    With ``baseline``, a key of ``affekt.evaluate.speakers.BASELINES``, each sample is
    compared with other clips of its speaker. All are then read twice, and ``tick`` is called each time.
    """
    with_baseline = {} if baseline == "none" else baselines_of_samples(recognizer, samples, baseline, tick=tick)
    readable: list[Sample] = []
    summaries: list[Prediction] = []
    failures: list[Failure] = []
    outcomes = predict_many(recognizer, samples, jobs=jobs, with_baseline=with_baseline)
    for sample, outcome in zip(samples, outcomes, strict=True):
        tick()
        if isinstance(outcome, Failure):
            failures.append(Failure(sample.path, outcome.reason))
            continue
        readable.append(replace(sample, meta={**sample.meta, "duration": outcome.duration}))
        summaries.append(outcome.summary)
    return Answers(tuple(readable), tuple(summaries), tuple(failures), recognizer.labels)


def answer_pictures(
    recognizer: Recognizer, samples: Sequence[Sample], *, crop: str = "auto", tick: Callable[[], None] = lambda: None
) -> Answers:
    """Recognise the face in each picture; those that cannot be read are returned separately.

    Parameters
    ----------
    recognizer : Recognizer
        Of faces.
    samples : sequence of Sample
        Pictures, one face each.
    crop : str
        ``whole``: a picture is a face as the model takes it; the detector does not run. ``detect``: the largest
        face that the detector finds is used; where it finds none, the model abstains. ``auto``: ``whole`` for square
        pictures of at most 100 pixels a side, ``detect`` for all others.
    tick : callable
        Called after each picture.

    Raises
    ------
    UnknownName
        If there is no such crop.
    """
    if crop not in CROPS:
        raise UnknownName("crop", crop, CROPS)
    size = FaceInput.of(recognizer.card).size
    readable: list[Sample] = []
    failures: list[Failure] = []
    given: list[NDArray[np.float32]] = []
    found: dict[int, Prediction] = {}
    for sample, picture in read_pictures(samples):
        tick()
        if isinstance(picture, ImageError):
            failures.append(Failure(sample.path, str(picture).removeprefix(f"{sample.path}: ")))
            continue
        height, width = picture.shape[:2]
        if crop == "whole" or (crop == "auto" and height == width <= LARGEST_CROP):
            box = np.array([[0, 0, width, height]], np.float32)
            given.append(crops(picture, box, size=size, margin=1.0)[0])
        else:
            found[len(readable)] = _largest_face(recognizer, picture)
        readable.append(sample)
    whole = _predictions(recognizer, given)
    summaries = tuple(found[i] if i in found else next(whole) for i in range(len(readable)))
    return Answers(tuple(readable), summaries, tuple(failures), recognizer.labels, _note(crop, given, found))


def _largest_face(recognizer: Recognizer, picture: Picture) -> Prediction:
    """The prediction for the largest face that the detector finds; it abstains where there is none."""
    stream = recognizer.stream()
    stream.feed(Frame(0.0, picture))  # type: ignore[arg-type]  # a stream of faces takes frames
    faces = stream.flush()
    return faces[0] if faces else Prediction(0.0, 0.0, {}, modality="face")


def _predictions(recognizer: Recognizer, given: Sequence[NDArray[np.float32]]) -> Iterator[Prediction]:
    """Predictions for faces as the network takes them, (size, size) each."""
    card = recognizer.card
    for start in range(0, len(given), BATCH):
        logits = recognizer.network.run(np.stack(given[start : start + BATCH]))[0]
        for row in softmax(logits, card.temperature).tolist():
            scores = recognizer.label_map.apply(dict(zip(card.labels, row, strict=True)))
            yield Prediction(0.0, 0.0, scores, modality="face", threshold=recognizer.threshold)


def _note(crop: str, given: Sequence[NDArray[np.float32]], found: dict[int, Prediction]) -> str:
    """How the pictures were treated, with numbers."""
    faces = Counter("found" if prediction.scores else "none" for prediction in found.values())
    rule = f"square, at most {LARGEST_CROP} pixels" if crop == "auto" else f"--crop {crop}"
    parts = [f"{len(given)} pictures taken as faces as they are ({rule})"] if given else []
    parts += [f"in {faces['found']} pictures the largest face found"] if faces["found"] else []
    parts += [f"in {faces['none']} no face found, which counts as wrong"] if faces["none"] else []
    return ", ".join(parts)
