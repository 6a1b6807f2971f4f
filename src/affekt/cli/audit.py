"""``affekt audit``: what is wrong with a split, before there is any score."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt.cli.terminal import polite, progress, read_all, shown
from affekt.errors import InputError

if TYPE_CHECKING:
    from affekt.data.findings import Evidence, Finding
    from affekt.data.splits import Split
    from affekt.types import Sample

FOUND = 1


@click.command()
@click.argument("one", nargs=-1, metavar="[NAME PATH]")
@click.option("--corpus", "corpora", multiple=True, metavar="NAME=PATH", help="Once for each corpus.")
@click.option(
    "--split",
    "how",
    metavar="HOW",
    help="fixed, speaker, clip, sentence, published, or FILE.csv with the columns id (or path, or clip) and side. "
    "By default fixed; for pictures published if they state their part, else clip.",
)
@click.option(
    "--label",
    default="emotion",
    show_default=True,
    metavar="WHAT",
    help="emotion, sentence, sex-emotion, speaker-emotion, or a field of the corpus's names.",
)
@click.option(
    "--audio",
    is_flag=True,
    help="Decode every clip too: copies, near-duplicates, what the files give away. Pictures are always looked at.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed for random splits.")
@click.option("--strict", is_flag=True, help="Exit status 1 when anything severe is found.")
@click.option(
    "-f", "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True
)
@polite
def audit(
    one: Sequence[str],
    corpora: Sequence[str],
    how: str | None,
    label: str,
    audio: bool,
    seed: int,
    strict: bool,
    form: str,
) -> int:
    """Audit a split of corpora: what is wrong with it, and how its scores must be stamped.

    Give one corpus as NAME PATH, or one or several with --corpus. `--split clip`
    draws clips at random, as many published scores did.
    """
    from affekt.data.audit import audit as audit_split
    from affekt.data.audit import stamps
    from affekt.data.labelling import relabel

    if len(one) not in (0, 2) or not (one or corpora):
        raise InputError("give one corpus as NAME PATH (fer2013 fer2013.csv), or each with --corpus NAME=PATH.")
    given = [*corpora, *(["=".join(one)] if one else [])]
    samples = [sample for found in read_all(given).values() for sample in found]
    if label != "emotion" and any(label in sample.meta for sample in samples):
        samples = [sample for sample in samples if sample.meta.get(label) is not None]
    # Clips without an emotion stay: the audit names them.
    called = samples if label == "emotion" else relabel(samples, label)
    split = _split(called, how or _usual(samples), seed)
    findings = audit_split(split, _evidence(split, audio))
    click.echo(WRITERS[form](split, findings))
    return FOUND if strict and stamps(findings) else 0


def _evidence(split: Split, audio: bool) -> Evidence:
    from affekt.corpora.pictures import is_picture
    from affekt.data.findings import Evidence
    from affekt.data.near_duplicates import evidence_of
    from affekt.data.pictures import evidence_of_pictures

    samples = (*split.train, *split.dev, *split.test)
    if all(is_picture(sample) for sample in samples):
        with progress(len(samples), "pictures") as tick:
            return evidence_of_pictures(samples, tick=tick)
    if not audio:
        return Evidence()
    with progress(len(samples), "clips") as tick:
        return evidence_of(samples, tick=tick)


def _usual(samples: Sequence[Sample]) -> str:
    """How samples are split when nothing is said."""
    from affekt.corpora.pictures import is_picture
    from affekt.data.splits import is_published_split

    if not all(is_picture(sample) for sample in samples):
        return "fixed"
    return "published" if is_published_split(samples) else "clip"


def _split(samples: Sequence[Sample], how: str, seed: int) -> Split:
    import numpy as np

    from affekt.data.splits import fixed_split, folds, published_split, split_by_clip, split_by_speaker

    rng = np.random.default_rng(seed)
    if how == "fixed":
        return fixed_split(samples)
    if how == "speaker":
        return split_by_speaker(samples, rng)
    if how == "clip":
        return split_by_clip(samples, rng)
    if how == "published":
        return published_split(samples)
    if how == "sentence":
        return folds(samples, min(5, len({(s.corpus, s.sentence) for s in samples})), rng, by="sentence")[0]
    if Path(how).suffix.lower() == ".csv":
        return _split_of_file(samples, Path(how))
    raise InputError(
        f"--split {how}: give fixed, speaker, clip, sentence, published, or a FILE.csv with the columns id and side."
    )


def _split_of_file(samples: Sequence[Sample], path: Path) -> Split:
    from affekt.data.splits import Split

    sides = _sides_of_file(path)
    divided: dict[str, list[Sample]] = {"train": [], "dev": [], "test": []}
    used = set()
    for sample in samples:
        # An id, or a path of any number of folders up to the whole, each with or without the ending of the file.
        parts = Path(sample.path).with_suffix("").parts
        names = (sample.id, sample.id.rsplit("/", 1)[-1], *(str(Path(*parts[i:])) for i in range(len(parts))))
        if name := next((name for name in names if name in sides), None):
            divided[sides[name]].append(sample)
            used.add(name)
    left = len(samples) - sum(len(some) for some in divided.values())
    if used and (left or len(used) < len(sides)):
        lines = f"{len(sides) - len(used)} of {len(sides)} lines match no clip"
        click.echo(f"warning: {path}: {lines}, and {left} of {len(samples)} clips have no side.", err=True)
    if not any(divided.values()):
        raise InputError(f"{path}: names none of the {len(samples)} clips. An id looks like {samples[0].id}.")
    return Split(tuple(divided["train"]), tuple(divided["dev"]), tuple(divided["test"]), by="clip")


def _sides_of_file(path: Path) -> dict[str, str]:
    from affekt.corpora.table import read_table
    from affekt.data.findings import SIDES

    table = read_table(path, needed=[], lower=True)
    rows = [row for _, row in table.rows]
    column = next((name for name in ("id", "path", "clip", "name") if name in table.columns), None)
    if column is None or "side" not in table.columns:
        raise InputError(f"{path}: give a header with id (or path, or clip) and side, and one line for each clip.")
    sides: dict[str, str] = {}
    for row in rows:
        name, side = _without_ending(row[column] or ""), (row["side"] or "").strip().lower()
        if side not in SIDES:
            raise InputError(f"{path}: the side of {name} is {row['side']!r}; allowed: {', '.join(SIDES)}.")
        if sides.setdefault(name, side) != side:
            raise InputError(f"{path}: {name} is in both {sides[name]} and {side}. Give each clip one side.")
    return sides


def _without_ending(name: str) -> str:
    from affekt.corpora.corpus import SUFFIXES

    name = name.strip()
    known = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
    return name[: name.rindex(".")] if name.lower().endswith(known) else name


def _counts(split: Split) -> str:
    from affekt.corpora.pictures import is_picture
    from affekt.data.wording import in_words_of

    sides = [f"{name} {len(getattr(split, name))}" for name in ("train", "dev", "test")]
    what = "pictures" if all(is_picture(sample) for sample in (*split.train, *split.test)) else "clips"
    return f"split by {in_words_of('face', split.by) if what == 'pictures' else split.by}: {', '.join(sides)} {what}"


def _conclusion(findings: Sequence[Finding]) -> str:
    from affekt.data.audit import stamps

    if words := stamps(findings):
        return f"Scores of this split must be stamped: {'; '.join(words)}."
    if any(finding.severity == "warning" for finding in findings):
        return "Nothing severe was found; the warnings belong beside every score of this split."
    return "Nothing was found that makes scores of this split untrue."


def _text(split: Split, findings: Sequence[Finding]) -> str:
    blocks = [_counts(split)]
    for finding in findings:
        lines = [f"{finding.severity.upper()}: {finding.name}", f"  {finding.what}"]
        lines += [f"    {example}" for example in finding.examples]
        lines += [f"  inflates: {finding.inflates}.", f"  remedy: {finding.remedy}."]
        blocks.append("\n".join(shown(line) for line in lines))
    return "\n\n".join([*blocks, _conclusion(findings)])


def _markdown(split: Split, findings: Sequence[Finding]) -> str:
    blocks = ["# Audit", _counts(split)]
    for finding in findings:
        lines = [f"## {finding.severity}: {finding.name}", "", finding.what, ""]
        lines += [f"- `{example}`" for example in finding.examples]
        lines += [f"- inflates: {finding.inflates}.", f"- remedy: {finding.remedy}."]
        blocks.append("\n".join(shown(line) for line in lines))
    return "\n\n".join([*blocks, f"**{_conclusion(findings)}**"])


def _json(split: Split, findings: Sequence[Finding]) -> str:
    from affekt.data.audit import stamps

    record: dict[str, Any] = {
        "split": {"by": split.by, **{side: len(getattr(split, side)) for side in ("train", "dev", "test")}},
        "findings": [asdict(finding) for finding in findings],
        "stamps": stamps(findings),
        "evaluation": _conclusion(findings),
    }
    return json.dumps(record, indent=2, ensure_ascii=False)


WRITERS = {"text": _text, "json": _json, "markdown": _markdown}
