"""Splits: by speaker unless the name says otherwise."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.resources import files

import numpy as np

from affekt.corpora.corpus import USAGES
from affekt.errors import InputError, UnknownName
from affekt.types import Sample

#: What a split can keep apart: a sample's key, which is on one side only.
KEYS: dict[str, Callable[[Sample], Hashable]] = {
    "speaker": lambda sample: (sample.corpus, sample.speaker),
    "sentence": lambda sample: (sample.corpus, sample.sentence),
    "corpus": lambda sample: sample.corpus,
    "series": lambda sample: sample.meta.get("series"),
    "clip": lambda sample: sample.id,
}


@dataclass(frozen=True)
class Split:
    """Three sets of samples that have nothing in common by one key.

    Parameters
    ----------
    train, dev, test : tuple of Sample
    by : str
        What is on one side only: ``speaker``, ``sentence``, ``corpus``, ``series`` (of near-duplicate
        pictures, see :func:`affekt.data.pictures.with_series`) or ``clip``. Only ``speaker`` measures how well the
        model works on people it was not trained on; ``clip`` is there to show what published figures measure.

    Raises
    ------
    InputError
        If a speaker (sentence, corpus, clip) is in two of them, or is unknown.
    """

    train: tuple[Sample, ...]
    dev: tuple[Sample, ...]
    test: tuple[Sample, ...]
    by: str = "speaker"

    def __post_init__(self) -> None:
        if self.by not in KEYS:
            raise UnknownName("split", self.by, KEYS)
        seen: dict[Hashable, str] = {}
        for name, samples in (("train", self.train), ("dev", self.dev), ("test", self.test)):
            for key in _keys(samples, self.by):
                if seen.setdefault(key, name) != name:
                    what = f"{self.by} {' of '.join(str(k) for k in reversed(key))}" if isinstance(key, tuple) else key
                    raise InputError(
                        f"{what} stands in {seen[key]} and in {name}. Keep all clips of a {self.by} on one side."
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
        If a corpus has no fixed speakers, or a sample has no speaker.
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


def is_published_split(samples: Iterable[Sample]) -> bool:
    """Whether all samples say which part of their publisher's split they belong to (``meta["usage"]``)."""
    return all(str(sample.meta.get("usage")).lower() in USAGES for sample in samples)


def published_split(samples: Sequence[Sample]) -> Split:
    """Split samples by their publisher's parts, as published figures do, even if both sides share people or pictures.

    Parameters
    ----------
    samples : sequence of Sample
        Their ``meta["usage"]`` is ``Training``, ``PublicTest``, ``PrivateTest``, ``train``, ``val``, ``test``, ...
        A public test is dev if there is another test, else the test.

    Raises
    ------
    InputError
        If a sample does not say which part it belongs to.

    Examples
    --------
    >>> parts = ["Training", "PublicTest"]
    >>> len(published_split([Sample(f"f/{part}", "", meta={"usage": part}) for part in parts]).test)
    1
    """
    if not is_published_split(samples):
        lacking = next(s for s in samples if str(s.meta.get("usage")).lower() not in USAGES)
        raise InputError(
            f"{lacking.id} does not say which part of a published split it is of. Choose another split, or put the "
            "class folders into train/ and test/."
        )
    sides = {sample.id: USAGES[str(sample.meta["usage"]).lower()] for sample in samples}
    public = "dev" if "test" in sides.values() else "test"
    return _divided(samples, lambda s: public if sides[s.id] == "public" else sides[s.id], by="clip")


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
    speakers = sorted(_keys(samples, "speaker"), key=str)
    sizes = [max(1, round(share * len(speakers))) if share else 0 for share in (test, dev)]
    if sum(sizes) >= len(speakers):
        raise InputError(
            f"{len(speakers)} speakers are too few for {sizes[0]} in test, {sizes[1]} in dev and one in train."
        )
    drawn = [speakers[i] for i in rng.permutation(len(speakers))]
    held = {"test": set(drawn[: sizes[0]]), "dev": set(drawn[sizes[0] : sum(sizes)])}
    return _divided(
        samples, lambda s: next((side for side, names in held.items() if KEYS["speaker"](s) in names), "train")
    )


def split_by_clip(samples: Sequence[Sample], rng: np.random.Generator, *, dev: float = 0.0, test: float = 0.2) -> Split:
    """Draw clips, class by class, whoever speaks: the split behind many published figures.

    The same voices, and near-duplicates of the same clips, are on both sides, so
    the score says how well the model knows these speakers. For comparison only.

    Parameters
    ----------
    samples : sequence of Sample
        With labels.
    rng : numpy Generator
        Draws the clips.
    dev, test : float
        Share of the clips of each label, between 0 and 1.
    """
    order = [samples[i] for i in rng.permutation(len(samples))]
    side: dict[str, str] = {}
    for label in dict.fromkeys(sample.label for sample in order):
        members = [sample.id for sample in order if sample.label == label]
        # At least one clip of a small class is tested, as long as another is left to learn from.
        sizes = [max(round(share * len(members)), int(share > 0 and len(members) > 2)) for share in (test, dev)]
        side |= dict.fromkeys(members[: sizes[0]], "test")
        side |= dict.fromkeys(members[sizes[0] : sum(sizes)], "dev")
    return _divided(samples, lambda sample: side.get(sample.id, "train"), by="clip")


def split_by_series(samples: Sequence[Sample], rng: np.random.Generator, *, dev: float, test: float) -> Split:
    """Draw pictures, class by class, as :func:`split_by_clip` does, a whole series of near-duplicates at a time.

    Parameters
    ----------
    samples : sequence of Sample
        Of :func:`affekt.data.pictures.with_series`.
    rng : numpy Generator
    dev, test : float
        Share of the series of each label (that of its first picture), between 0 and 1.

    Raises
    ------
    InputError
        If the series of a sample is unknown.
    """
    _keys(samples, "series")
    first = {str(KEYS["series"](sample)): sample for sample in reversed(samples)}
    drawn = split_by_clip([replace(sample, id=series) for series, sample in first.items()], rng, dev=dev, test=test)
    held = {sample.id: side for side in ("dev", "test") for sample in getattr(drawn, side)}
    return _divided(samples, lambda s: held.get(str(KEYS["series"](s)), "train"), by="series")


def folds(
    samples: Sequence[Sample], count: int, rng: np.random.Generator, *, by: str = "speaker", dev: bool = True
) -> tuple[Split, ...]:
    """Every speaker (sentence, corpus) is tested once, by a model that was not trained on it.

    Speakers are assigned sex by sex and corpus by corpus, so that the folds are similar.

    Parameters
    ----------
    samples : sequence of Sample
    count : int
        Number of folds; at least 2.
    rng : numpy Generator
        Assigns the speakers.
    by : str
        ``speaker``, ``sentence`` or ``corpus``.
    dev : bool
        Whether the speakers of the next fold are used as dev; with fewer than three folds there is no dev.

    Raises
    ------
    InputError
        If there are fewer speakers than folds, or one is unknown.
    """
    kinds = {key: (str(s.corpus), str(s.sex)) for s in samples for key in _keys([s], by)}
    if not 2 <= count <= len(kinds):
        raise InputError(
            f"{count} folds of {len(kinds)} {by}{'' if len(kinds) == 1 else 's'}: give 2 to {len(kinds)} folds, "
            f"or recordings of more {by}s."
        )
    shuffled = sorted(kinds, key=str)
    shuffled = sorted((shuffled[i] for i in rng.permutation(len(shuffled))), key=lambda key: kinds[key])
    fold_of = {key: i % count for i, key in enumerate(shuffled)}

    def side(sample: Sample, tested: int) -> str:
        fold = fold_of[KEYS[by](sample)]
        return "test" if fold == tested else "dev" if dev and count > 2 and fold == (tested + 1) % count else "train"

    return tuple(_divided(samples, partial(side, tested=i), by=by) for i in range(count))


def _divided(samples: Iterable[Sample], side_of: Callable[[Sample], str], *, by: str = "speaker") -> Split:
    sides: dict[str, list[Sample]] = {"train": [], "dev": [], "test": []}
    for sample in samples:
        sides[side_of(sample)].append(sample)
    return Split(tuple(sides["train"]), tuple(sides["dev"]), tuple(sides["test"]), by)


def _keys(samples: Iterable[Sample], by: str) -> set[Hashable]:
    found = set()
    for sample in samples:
        key = KEYS[by](sample)
        if (key[-1] if isinstance(key, tuple) else key) is None:
            raise InputError(
                f"{sample.id}: the {by} is unknown, so this cannot be split by {by}. Give each sample one."
            )
        found.add(key)
    return found


def draw_evenly(samples: Sequence[Sample], count: int, rng: np.random.Generator) -> tuple[Sample, ...]:
    """Draw at most ``count`` samples, the same number of each label as far as possible; ordered by id.

    Examples
    --------
    >>> samples = [Sample(f"a/{i}", "", label) for i, label in enumerate(["sad"] * 9 + ["happy"] * 2)]
    >>> sorted(sample.label for sample in draw_evenly(samples, 5, np.random.default_rng(0)))
    ['happy', 'happy', 'sad', 'sad', 'sad']
    """
    seen: Counter[str | None] = Counter()
    turns = []
    for i in rng.permutation(len(samples)):
        turns.append((seen[samples[i].label], int(i)))
        seen[samples[i].label] += 1
    # Sorted by turn only: in the last turn, where not every label may get a clip, chance decides.
    drawn = sorted(turns, key=lambda turn: turn[0])[:count]
    return tuple(sorted((samples[i] for _, i in drawn), key=lambda sample: sample.id))
