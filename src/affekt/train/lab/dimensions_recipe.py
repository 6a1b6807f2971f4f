"""The recipe of models that learn numbers: their features, their regressors, and how they are evaluated."""

from __future__ import annotations

from dataclasses import dataclass

from affekt.errors import InputError, UnknownName
from affekt.speech.functionals import VECTORS

#: The one set that is not computed from features: a voice model's embeddings, before its heads.
EMBEDDING = "embedding"
SETS = (EMBEDDING, *VECTORS, "egemaps")
REGRESSORS = ("ridge", "svr", "network")


@dataclass(frozen=True)
class DimensionRecipe:
    """A recipe for regression of valence, arousal and dominance on features of whole clips.

    Parameters
    ----------
    folds : int
        Folds of speakers; each speaker is tested by a model not trained on them. Fewer if there are fewer speakers.
    inner : int
        Folds of the training speakers that choose how strongly a regressor is regularised.
    encoder : str
        The model whose embeddings serve as a set of features.
    models : tuple of str
        ``SET-REGRESSOR``: of ``SETS`` and ``REGRESSORS``; the first is exported.

    Raises
    ------
    UnknownName
        If there is no such model.
    InputError
        If there are fewer than two folds.
    """

    kind: str = "dimensions"
    name: str = "dimensions"
    title: str = ""
    folds: int = 5
    inner: int = 3
    seed: int = 1
    encoder: str = "voice"
    models: tuple[str, ...] = ("embedding-ridge",)

    def __post_init__(self) -> None:
        known = [f"{name}-{regressor}" for name in SETS for regressor in REGRESSORS]
        for name in self.models:
            if name not in known:
                raise UnknownName(f"model of {self.name}", name, known)
        if not self.models or min(self.folds, self.inner) < 2:
            raise InputError(
                f"models {list(self.models)}, folds {self.folds}, inner {self.inner}; allowed: one model or more, and "
                "2 folds or more."
            )


def parts_of(model: str) -> tuple[str, str]:
    """The set and the regressor of a model.

    Examples
    --------
    >>> parts_of("usual-180-ridge")
    ('usual-180', 'ridge')
    """
    name, _, regressor = model.rpartition("-")
    return name, regressor
