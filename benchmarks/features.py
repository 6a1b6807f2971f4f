"""How fast the acoustic features are beside librosa's: checks that they agree, prints a table, writes JSON.

Usage: python benchmarks/features.py [--quick] [--output FILE]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from speed import THREAD_VARIABLES, machine, packages, said, spread  # noqa: E402

from affekt.speech.audio import read  # noqa: E402
from affekt.speech.functionals import VECTORS  # noqa: E402
from affekt.speech.spectral import Spectra, deltas  # noqa: E402

SECONDS = 3
RATES = (16_000, 48_000)
Feature = Callable[[NDArray[np.float32], int], NDArray[np.floating]]


def their_180(signal: NDArray[np.float32], rate: int, tuning: float | None = None) -> NDArray[np.floating]:
    """The usual recipe as people write it: each feature makes its own spectrum."""
    import librosa

    spectrum = np.abs(librosa.stft(signal))
    features = (
        librosa.feature.mfcc(y=signal, sr=rate, n_mfcc=40),
        librosa.feature.chroma_stft(S=spectrum, sr=rate, tuning=tuning),
        librosa.feature.melspectrogram(y=signal, sr=rate),
    )
    return np.concatenate([part.mean(axis=1) for part in features])


def their_180_in_tune(signal: NDArray[np.float32], rate: int) -> NDArray[np.floating]:
    """The same with the tuning given."""
    return their_180(signal, rate, 0.0)


def our_180_in_tune(signal: NDArray[np.float32], rate: int) -> NDArray[np.floating]:
    """The vector ``usual-180`` with the tuning given."""
    spectra = Spectra(signal, rate)
    return np.concatenate([p.mean(axis=0) for p in (spectra.mfcc(40), spectra.chroma(tuning=0.0), spectra.mel())])


def their_162(signal: NDArray[np.float32], rate: int) -> NDArray[np.floating]:
    """The other usual recipe."""
    import librosa

    features = (
        librosa.feature.zero_crossing_rate(y=signal),
        librosa.feature.chroma_stft(S=np.abs(librosa.stft(signal)), sr=rate),
        librosa.feature.mfcc(y=signal, sr=rate),
        librosa.feature.rms(y=signal),
        librosa.feature.melspectrogram(y=signal, sr=rate),
    )
    return np.concatenate([part.mean(axis=1) for part in features])


def their_sequence(signal: NDArray[np.float32], rate: int) -> NDArray[np.floating]:
    """MFCC with first and second deltas, (t, 120)."""
    import librosa

    mfcc = librosa.feature.mfcc(y=signal, sr=rate, n_mfcc=40)
    return np.concatenate([mfcc, librosa.feature.delta(mfcc), librosa.feature.delta(mfcc, order=2)]).T


def our_sequence(signal: NDArray[np.float32], rate: int) -> NDArray[np.floating]:
    """The same, ours."""
    mfcc = Spectra(signal, rate).mfcc(40)
    return np.concatenate([mfcc, deltas(mfcc), deltas(mfcc, order=2)], axis=1)


#: What is compared: words to librosa's function, ours, and which values are chroma with an estimated tuning.
PAIRS: dict[str, tuple[Feature, Feature, slice]] = {
    "180 values": (their_180, VECTORS["usual-180"], slice(40, 52)),
    "180 values, tuning given": (their_180_in_tune, our_180_in_tune, slice(0)),
    "162 values": (their_162, VECTORS["usual-162"], slice(1, 13)),
    "40 MFCC, two deltas, by frame": (their_sequence, our_sequence, slice(0)),
}


@click.command()
@click.option("--quick", is_flag=True, help="Two rounds: to see that it works, not to measure.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="JSON file.  [default: results/features-DATE.json here]"
)
@click.option(
    "--clips", type=click.Path(exists=True, file_okay=False, path_type=Path), default=HERE.parent / "examples"
)
def main(quick: bool, output: Path | None, clips: Path) -> None:
    """Measure the acoustic features on one core, in a process that was told so before it started."""
    if any(os.environ.get(name) != "1" for name in THREAD_VARIABLES):
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode)
    report: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "quick": quick, "machine": machine(),
        "packages": packages(), "seconds_per_clip": SECONDS,
    }  # fmt: skip
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    report["rates"] = {str(rate): measured(clips, rate, 2 if quick else 15) for rate in RATES}
    show(report, Console(width=None if sys.stdout.isatty() else 130, highlight=False))
    if quick and not output:
        click.echo("\nquick: to see that it works, not to measure; nothing is written without --output.")
        return
    output = output or HERE / "results" / f"features-{report['date'][:10]}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=2) + "\n")
    click.echo(f"\nwritten to {output}")


def measured(folder: Path, rate: int, rounds: int) -> dict[str, Any]:
    """Agreement, milliseconds per clip and ratios at one rate, by the words of :data:`PAIRS`."""
    clips = [read(path, sampling_rate=rate).signal[: SECONDS * rate] for path in sorted(folder.glob("*.wav"))]
    return {words: compared(*pair, clips, rate=rate, rounds=rounds) for words, pair in PAIRS.items()}


def compared(
    theirs: Feature, ours: Feature, chroma: slice, clips: list[NDArray[np.float32]], *, rate: int, rounds: int
) -> dict[str, Any]:
    """Check that both agree, then time both in turn, round by round: the ratio is taken within a round."""
    agreement = agree(theirs, ours, chroma, clips, rate=rate)
    pairs = [(timed(theirs, clips, rate), timed(ours, clips, rate)) for _ in range(rounds)]
    peers, own = ([round(1000 * value, 4) for value in column] for column in zip(*pairs, strict=True))
    ratios = [peer / mine for peer, mine in pairs]
    return {"librosa_ms": spread(peers), "affekt_ms": spread(own), "ratio": spread(ratios), **agreement}


def agree(
    theirs: Feature, ours: Feature, chroma: slice, clips: list[NDArray[np.float32]], *, rate: int
) -> dict[str, Any]:
    """Stop unless all values agree; say in how many clips the estimated tuning did not, which moves the chroma."""
    others, largest = 0, 0.0
    for clip in clips:
        expected, found = theirs(clip, rate), np.array(ours(clip, rate))
        if chroma.stop and not np.allclose(found[chroma], expected[chroma], atol=1e-4):
            others, found[chroma] = others + 1, expected[chroma]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-3)
        largest = max(largest, float(np.abs(found - expected).max()))
    return {"clips": len(clips), "other_tuning": others, "largest_difference": float(f"{largest:.2g}")}


def timed(feature: Feature, clips: list[NDArray[np.float32]], rate: int) -> float:
    """Seconds per clip."""
    start = perf_counter()
    for clip in clips:
        feature(clip, rate)
    return (perf_counter() - start) / len(clips)


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report as a table."""
    where = report["machine"]
    console.print(f"{where['cpu']}, one core, {where['system']}, Python {where['python']}\n")
    table = Table(title=f"Milliseconds per clip of {SECONDS} s: median (lowest to highest)", title_justify="left")
    for words in ("", "Hz", "librosa", "affekt", "librosa / affekt", "other tuning"):
        table.add_column(words, justify="left" if not words else "right", no_wrap=True)
    for rate, rows in report["rates"].items():
        for i, (words, row) in enumerate(rows.items()):
            cells = (said(row[name]) for name in ("librosa_ms", "affekt_ms", "ratio"))
            table.add_row(
                words, rate, *cells, f"{row['other_tuning']} of {row['clips']}", end_section=i == len(rows) - 1
            )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
