"""Speaker-disjoint splits. A clip split is not offered: it measures who speaks, not how."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from affekt.errors import InputError
from affekt.types import Sample


@dataclass(frozen=True)
class Split:
    """Three sets of samples that share no speaker.

    Raises
    ------
    InputError
        If a speaker stands in two of them, or is unknown.
    """

    train: tuple[Sample, ...]
    dev: tuple[Sample, ...]
    test: tuple[Sample, ...]

    def __post_init__(self) -> None:
        seen: dict[tuple[str | None, str], str] = {}
        for name, samples in (("train", self.train), ("dev", self.dev), ("test", self.test)):
            for speaker in _speakers(samples):
                if seen.setdefault(speaker, name) != name:
                    raise InputError(
                        f"speaker {speaker[1]} of {speaker[0]} stands in {seen[speaker]} and in {name}. "
                        "Keep all clips of a speaker on one side."
                    )


def fixed_speakers() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """The committed test and dev speakers: ``{corpus: {"test": [...], "dev": [...]}}``."""
    return _fixed_speakers()


@cache
def _fixed_speakers() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((files("affekt.data") / "fixed_speakers.toml").read_text(encoding="utf-8"))


def fixed_split(samples: Iterable[Sample]) -> Split:
    """Split samples by the committed speakers.

    Parameters
    ----------
    samples : iterable of Sample
        Of the corpora in ``fixed_speakers.toml``, with known speakers.

    Returns
    -------
    Split

    Raises
    ------
    InputError
        If a corpus has no fixed speakers, or a sample no speaker.
    """
    table = fixed_speakers()

    def side(sample: Sample) -> str:
        if sample.corpus not in table:
            raise InputError(
                f"corpus {sample.corpus!r} has no fixed speakers; there are: {', '.join(table)}. Use split_by_speaker."
            )
        named = table[sample.corpus or ""]
        return next((side for side in ("test", "dev") if sample.speaker in named[side]), "train")

    return _divided(samples, side)


def split_by_speaker(
    samples: Sequence[Sample], rng: np.random.Generator, *, dev: float = 0.1, test: float = 0.2
) -> Split:
    """Draw speakers for dev and test; the rest is for training.

    Parameters
    ----------
    samples : sequence of Sample
        With known speakers.
    rng : numpy Generator
        Draws the speakers.
    dev, test : float
        Share of the speakers, between 0 and 1; at least one each unless 0.

    Returns
    -------
    Split

    Raises
    ------
    InputError
        If a speaker is unknown, or there are too few.
    """
    speakers = sorted(_speakers(samples), key=str)
    sizes = [max(1, round(share * len(speakers))) if share else 0 for share in (test, dev)]
    if sum(sizes) >= len(speakers):
        raise InputError(
            f"{len(speakers)} speakers are too few for {sizes[0]} in test, {sizes[1]} in dev and one in train."
        )
    drawn = [speakers[i] for i in rng.permutation(len(speakers))]
    held = {"test": set(drawn[: sizes[0]]), "dev": set(drawn[sizes[0] : sum(sizes)])}
    return _divided(
        samples, lambda s: next((side for side, names in held.items() if (s.corpus, s.speaker) in names), "train")
    )


def _divided(samples: Iterable[Sample], side_of: Callable[[Sample], str]) -> Split:
    sides: dict[str, list[Sample]] = {"train": [], "dev": [], "test": []}
    for sample in samples:
        sides[side_of(sample)].append(sample)
    return Split(tuple(sides["train"]), tuple(sides["dev"]), tuple(sides["test"]))


def _speakers(samples: Iterable[Sample]) -> set[tuple[str | None, str]]:
    found = set()
    for sample in samples:
        if sample.speaker is None:
            raise InputError(
                f"{sample.id}: the speaker is unknown, so this cannot be split by speaker. Give each sample one."
            )
        found.add((sample.corpus, sample.speaker))
    return found
