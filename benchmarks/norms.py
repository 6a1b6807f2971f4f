"""The norms that explanations compare with: neutral clips of training speakers, their cues as numbers per pitch range.

    python benchmarks/norms.py FOLDER [--clips 4] [--cues FILE.jsonl]

FOLDER holds one folder per corpus (``ravdess``, ``tess``, ...). Test and dev speakers are left out. Writes
``src/affekt/recognize/norms.toml``. With ``--cues``, measurements are kept there, so that a run can resume.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from affekt.corpora import read_corpus
from affekt.data.splits import fixed_speakers, fixed_split
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import read
from affekt.speech.cues import CUES, RANGES_MEET, SHORTEST, measure_cues, typical
from affekt.types import Sample

TARGET = Path(__file__).parent.parent / "src" / "affekt" / "recognize" / "norms.toml"
RATE = 16_000
Row = Mapping[str, Any]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--clips", default=4, show_default=True, help="Neutral clips per speaker.")
@click.option("--cues", "kept", type=click.Path(path_type=Path), help="Where what was measured is kept.")
def main(folder: Path, clips: int, kept: Path | None) -> None:
    """Measure, and write the table."""
    rows = measured(neutral(folder, clips), kept)
    TARGET.write_text(table(rows), encoding="utf-8")
    click.echo(TARGET.read_text(encoding="utf-8"))


def neutral(folder: Path, clips: int) -> list[Sample]:
    """So many neutral clips of each training speaker."""
    rng = np.random.default_rng(1)
    found: list[Sample] = []
    for corpus in fixed_speakers():
        train = fixed_split(read_corpus(corpus, folder / corpus).samples).train
        groups: dict[str | None, list[Sample]] = defaultdict(list)
        for sample in train:
            if sample.label == "neutral":
                groups[sample.speaker].append(sample)
        for group in groups.values():
            found += [group[i] for i in sorted(rng.permutation(len(group))[:clips])]
    return found


def measured(samples: Sequence[Sample], kept: Path | None) -> list[Row]:
    """Cues of the speech of each clip, found as the recogniser finds it."""
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept and kept.exists() else []
    done = {row["id"] for row in rows}
    recognizer = Recognizer()
    for sample in samples:
        if sample.id in done:
            continue
        audio = read(sample.path)
        segments = recognizer.predict((audio.signal, RATE))
        parts = [(p.duration, audio.signal[round(p.start * RATE) : round(p.end * RATE)]) for p in segments]
        heard = [(seconds, measure_cues(part)) for seconds, part in parts if seconds >= 2 * SHORTEST]
        if heard:
            seconds, cues = zip(*heard, strict=True)
            row = {"id": sample.id, "speaker": f"{sample.corpus}/{sample.speaker}", **typical(cues, seconds)}
            rows.append(row)
            if kept:
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    return rows


def table(rows: Sequence[Row]) -> str:
    """The norms as TOML."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["speaker"]].append(row)
    usual = {speaker: typical(group, [1] * len(group)) for speaker, group in groups.items()}
    usual = {speaker: cues for speaker, cues in usual.items() if np.isfinite(cues["pitch"])}
    border = 12 * np.log2(RANGES_MEET / 27.5)
    lines = [
        "# Neutral speech of training speakers of the fixed split (test and dev speakers are left out).",
        "# Made by benchmarks/norms.py. Percentiles over speakers: 10th, 50th, 90th; each speaker is the median of",
        f"# their clips. Voices with a median pitch below {RANGES_MEET:g} Hz are `low`. Units: docs/explain.md.",
        "",
        "# Nine in ten neutral clips differ by less than this from the median of their speaker (at least 3 clips).",
        "[within]",
    ]
    several = [row for row in rows if len(groups[row["speaker"]]) >= 3 and row["speaker"] in usual]
    for cue in CUES:
        apart = [abs(row[cue] - usual[row["speaker"]][cue]) for row in several]
        lines.append(f"{cue} = {np.nanpercentile(apart, 90):.2f}")
    for name, inside in (("low", lambda pitch: pitch < border), ("high", lambda pitch: pitch >= border)):
        members = {speaker: cues for speaker, cues in usual.items() if inside(cues["pitch"])}
        lines += ["", f"[{name}]", f"speakers = {len(members)}", f"clips = {sum(len(groups[s]) for s in members)}"]
        for cue in CUES:
            edges = np.nanpercentile([cues[cue] for cues in members.values()], [10, 50, 90])
            lines.append(f"{cue} = [{', '.join(f'{edge:.2f}' for edge in edges)}]")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
