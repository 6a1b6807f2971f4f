"""The audit: what is wrong with data or a split, before there is any score.

Many published scores are not what they seem: clips split at random, so that
test voices are in training; clips augmented before the split; a part of the
file name that is not the emotion used as the label. Each check covers one such
mistake; ``CHECKS`` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from affekt.corpora.pictures import is_picture
from affekt.data import confounds, coverage, leaks
from affekt.data.findings import SEVERITIES, Evidence, Finding, stamps
from affekt.data.splits import Split
from affekt.data.wording import finding_in_words_of

__all__ = ["CHECKS", "Evidence", "Finding", "audit", "audit_folds", "stamps"]

NOTHING_ELSE = Evidence()

CHECKS: tuple[Callable[[Split, Evidence], Iterable[Finding]], ...] = (
    *leaks.CHECKS,
    *confounds.CHECKS,
    *coverage.CHECKS,
)


def audit(split: Split, evidence: Evidence = NOTHING_ELSE) -> tuple[Finding, ...]:
    """Look for everything that makes a score misleading.

    It uses what is known about the samples and decodes nothing itself: pass
    the evidence of :func:`affekt.data.near_duplicates.evidence_of` to compare their sound, and of
    :func:`affekt.data.pictures.evidence_of_pictures` to compare pictures.

    Parameters
    ----------
    split : Split
        Any split; with ``by="clip"`` the sides may share anything except a clip.
    evidence : Evidence
        What else is known: features, copies, and which clips were used for fitting and selection.

    Returns
    -------
    tuple of Finding
        Severe ones first; empty when nothing was found.

    Examples
    --------
    >>> def clip(i):
    ...     return Sample(f"x/{i}", f"{i}.wav", ("happy", "sad")[i % 2], speaker=str(i // 20))
    >>> from affekt.types import Sample
    >>> clips = [clip(i) for i in range(200)]
    >>> drawn = Split(tuple(clips[::3]), tuple(clips[1::3]), tuple(clips[2::3]), by="clip")
    >>> stamps(audit(drawn))
    ('speaker-dependent',)
    """
    return _sorted((finding for check in CHECKS for finding in check(split, evidence)), _modality_of(split))


def audit_folds(folds: Sequence[tuple[Split, Evidence]]) -> tuple[Finding, ...]:
    """Audit the folds of a cross-validation as one.

    Parameters
    ----------
    folds : sequence of (Split, Evidence)

    Returns
    -------
    tuple of Finding
        Severe ones first. A finding that several folds share is listed once, with
        the counts of the first; whether test has enough speakers and clips is
        checked on all test sides together.
    """
    found: dict[str, Finding] = {}
    for split, evidence in folds:
        for check in CHECKS:
            if check not in coverage.OF_TEST_SIZE:
                for finding in check(split, evidence):
                    found.setdefault(finding.name, finding)
    tested = Split((), (), tuple(sample for split, _ in folds for sample in split.test), by="clip")
    sizes = [finding for check in coverage.OF_TEST_SIZE for finding in check(tested, NOTHING_ELSE)]
    return _sorted([*found.values(), *sizes], _modality_of(tested))


def _sorted(found: Iterable[Finding], modality: str) -> tuple[Finding, ...]:
    worded = [finding_in_words_of(modality, finding) for finding in found]
    return tuple(sorted(worded, key=lambda finding: SEVERITIES.index(finding.severity)))


def _modality_of(split: Split) -> str:
    samples = (*split.train, *split.dev, *split.test)
    return "face" if samples and all(is_picture(sample) for sample in samples) else "speech"
