"""What an audit knows about a run, and what it finds: Evidence and Finding."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from affekt.errors import UnknownName

#: From bad to harmless. Severe: the score does not measure what it claims to. Warning: it may not. Note: good to know.
SEVERITIES = ("severe", "warning", "note")
SIDES = ("train", "dev", "test")


@dataclass(frozen=True)
class Evidence:
    """What else is known about a run, beyond which clip is on which side; all of it optional.

    Parameters
    ----------
    features : mapping of str to array, shape (d,)
        Sample id to what the model is given, or to the :func:`affekt.data.near_duplicates.fingerprint`
        (uint8) of the clip; all of one kind. The audit searches them for near-duplicates.
    thumbnails : mapping of str to array, shape (144,)
        For pictures, sample id to :func:`affekt.data.pictures.thumbnail`; also searched for near-duplicates.
    hashes : mapping of str to str
        Sample id to the :func:`affekt.data.near_duplicates.content_hash` of its audio, or to the
        :func:`affekt.data.pictures.picture_hash` of its pixels.
    copies : mapping of str to str
        Id of an augmented copy to the id of the sample it was made from.
    copy_sides : mapping of str to str
        Id of an augmented copy to where it is used: ``train``, ``dev`` or ``test``.
    fitted_on : mapping of str to collection of str
        What was fitted (``"scaler"``, ``"selection"``, ``"temperature"``) to the ids it was fitted on.
    chosen_on : collection of str
        Ids whose scores chose the epoch, the model or a setting.
    traits : mapping of str to mapping
        Sample id to properties of its file (``{"duration": 3.1}``): a model can pick
        these up without recognising any emotion.

    Raises
    ------
    UnknownName
        If ``copy_sides`` names no side.
    """

    features: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    thumbnails: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)
    copy_sides: Mapping[str, str] = field(default_factory=dict)
    fitted_on: Mapping[str, Collection[str]] = field(default_factory=dict)
    chosen_on: Collection[str] = ()
    traits: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for side in self.copy_sides.values():
            if side not in SIDES:
                raise UnknownName("side", side, SIDES)


@dataclass(frozen=True)
class Finding:
    """Something about data or a split that makes a score misleading.

    Parameters
    ----------
    name : str
        Such as ``shared speakers``.
    severity : str
        ``severe``, ``warning`` or ``note``.
    what : str
        A sentence with counts.
    examples : tuple of str
        Up to three.
    inflates : str
        What it does to which score.
    remedy : str
        What to do about it.
    stamp : str
        For severe ones: the words that every score of this split must carry.
    """

    name: str
    severity: str
    what: str
    examples: tuple[str, ...]
    inflates: str
    remedy: str
    stamp: str = ""

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise UnknownName("severity", self.severity, SEVERITIES)


def stamps(findings: Iterable[Finding]) -> tuple[str, ...]:
    """What scores must be stamped with: those of the severe findings, each once, in order.

    Examples
    --------
    >>> stamps([Finding("shared speakers", "severe", "...", (), "...", "...", stamp="speaker-dependent")])
    ('speaker-dependent',)
    """
    return tuple(dict.fromkeys(f.stamp for f in findings if f.severity == "severe" and f.stamp))
