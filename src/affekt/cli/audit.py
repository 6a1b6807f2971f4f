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
@click.option("--corpus", "corpora", multiple=True, required=True, metavar="NAME=PATH", help="Once for each corpus.")
@click.option(
    "--split",
    "how",
    default="fixed",
    show_default=True,
    metavar="HOW",
    help="fixed, speaker, clip, sentence, or FILE.csv with the columns id (or path, or clip) and side.",
)
@click.option(
    "--label",
    default="emotion",
    show_default=True,
    metavar="WHAT",
    help="emotion, sentence, sex-emotion, speaker-emotion, or a field of the corpus's names.",
)
@click.option("--audio", is_flag=True, help="Decode every clip too: copies, near-duplicates, what the files give away.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of splits that are drawn.")
@click.option("--strict", is_flag=True, help="Exit status 1 when anything severe is found.")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@polite
def audit(corpora: Sequence[str], how: str, label: str, audio: bool, seed: int, strict: bool, form: str) -> int:
    """What is wrong with a split of corpora, and with which words its scores must be stamped.

    `--split clip` draws clips at random, as many published scores did.
    """
    from affekt.data.audit import audit as audit_split
    from affekt.data.audit import stamps
    from affekt.data.labelling import relabel

    samples = [sample for found in read_all(corpora).values() for sample in found]
    split = _split(relabel(samples, label), how, seed)
    findings = audit_split(split, _evidence(split, audio))
    click.echo(WRITERS[form](split, findings))
    return FOUND if strict and stamps(findings) else 0


def _evidence(split: Split, audio: bool) -> Evidence:
    from affekt.data.findings import Evidence
    from affekt.data.near_duplicates import evidence_of

    if not audio:
        return Evidence()
    samples = (*split.train, *split.dev, *split.test)
    with progress(len(samples), "clips") as tick:
        return evidence_of(samples, tick=tick)


def _split(samples: Sequence[Sample], how: str, seed: int) -> Split:
    import numpy as np

    from affekt.data.splits import fixed_split, folds, split_by_clip, split_by_speaker

    rng = np.random.default_rng(seed)
    if how == "fixed":
        return fixed_split(samples)
    if how == "speaker":
        return split_by_speaker(samples, rng)
    if how == "clip":
        return split_by_clip(samples, rng)
    if how == "sentence":
        return folds(samples, min(5, len({(s.corpus, s.sentence) for s in samples})), rng, by="sentence")[0]
    if Path(how).suffix.lower() == ".csv":
        return _split_of_file(samples, Path(how))
    raise InputError(f"--split {how}: give fixed, speaker, clip, sentence, or a FILE.csv with the columns id and side.")


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
        lines = f"{len(sides) - len(used)} of {len(sides)} lines name no clip"
        click.echo(f"warning: {path}: {lines}, and {left} of {len(samples)} clips are on no side.", err=True)
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
            raise InputError(f"{path}: {name} stands in {sides[name]} and in {side}. Give each clip one side.")
    return sides


def _without_ending(name: str) -> str:
    from affekt.corpora.corpus import AUDIO_SUFFIXES

    name = name.strip()
    return name[: name.rindex(".")] if name.lower().endswith(AUDIO_SUFFIXES) else name


def _counts(split: Split) -> str:
    sides = [f"{name} {len(getattr(split, name))}" for name in ("train", "dev", "test")]
    return f"split by {split.by}: {', '.join(sides)} clips"


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
