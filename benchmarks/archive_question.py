"""An archive of known recordings, and two queries on it: the picture of docs/archives.md.

Usage: python benchmarks/archive_question.py RAVDESS [--output docs/archive-question.png]

The clips of RAVDESS' test speakers, held out of training, are joined into a session for each speaker and
month. Which emotions a month has was chosen here, so that the answers can be compared with what was put in: the first
month has neutral, calm and happy clips, the second sad, fearful and mildly angry ones, the third very angry, disgusted
and surprised ones, all in random order. The queries are those of docs/archives.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import soundfile

from affekt.archive.query import query
from affekt.corpora import read_corpus
from affekt.data.splits import fixed_speakers
from affekt.plot.colours import colours
from affekt.plot.style import FAINT, as_written, blank_figure, plain_axes
from affekt.speech.audio import read

ROOT, RATE = Path(__file__).resolve().parent.parent, 16_000
PAUSE = np.zeros(int(0.7 * RATE), np.float32)
MONTHS = ("2026-01", "2026-02", "2026-03")
UNSURE = "not sure"
Shares = dict[tuple[str, str], dict[str, float]]


def month_of(sample: Any) -> str:
    """The month that a clip is put into."""
    if sample.label == "angry":  # the fourth number of a name says how intense
        return MONTHS[1] if Path(sample.path).stem.split("-")[3] == "01" else MONTHS[2]
    first, second = ("neutral", "calm", "happy"), ("sad", "fear")
    return MONTHS[0] if sample.label in first else MONTHS[1] if sample.label in second else MONTHS[2]


def write_sessions(corpus: Path, folder: Path) -> tuple[Shares, dict[tuple[str, str, int], float]]:
    """Sessions and a manifest of them; shares of speech by label, and of angry speech by minute, by the corpus."""
    rng, clips = np.random.default_rng(0), defaultdict(list)
    for sample in read_corpus("ravdess", str(corpus)).samples:
        if sample.speaker in fixed_speakers()["ravdess"]["test"]:
            clips[sample.speaker, month_of(sample)].append(sample)
    rows, shares, angry = ["uri,speaker"], {}, {}
    for (speaker, month), members in sorted(clips.items()):
        parts, by_label, by_minute = [], defaultdict(float), defaultdict(lambda: np.zeros(2))
        for index in rng.permutation(len(members)):
            signal = read(members[index].path).signal
            minute = int(sum(map(len, parts)) / RATE // 60)
            by_label[members[index].label] += len(signal)
            by_minute[minute] += len(signal) * np.array([members[index].label == "angry", 1])
            parts += [signal, PAUSE]
        (folder / month).mkdir(exist_ok=True)
        soundfile.write(folder / month / f"{speaker}.wav", np.concatenate(parts), RATE)
        rows.append(f"{month}/{speaker}.wav,actor-{speaker}")
        whole = sum(by_label.values())
        shares[f"actor-{speaker}", month] = {label: length / whole for label, length in by_label.items()}
        angry |= {(f"actor-{speaker}", month, minute): a / n for minute, (a, n) in by_minute.items()}
    (folder / "sessions.csv").write_text("\n".join(rows) + "\n")
    return shares, angry


def questions() -> list[str]:
    """Those of the page: shares by month, and the angriest minutes."""
    page = (ROOT / "docs/archives.md").read_text(encoding="utf-8")
    found = [sql.replace('\\"', '"') for sql in re.findall(r'archive query out --sql "(.*?[^\\])"', page, re.S)]
    return [next(sql for sql in found if word in sql) for word in ("AS month, coalesce", "AS minute")]


def draw(truth: Shares, said: Shares, minutes: list[tuple[str, float, float]]) -> Any:
    """Shares of each speaker and month, as put in and as recognised, and the angriest minutes."""
    labels = sorted({label for table in (*truth.values(), *said.values()) for label in table} - {UNSURE})
    hues = {**colours(labels), UNSURE: "white"}
    line: dict[str, dict[str, Any]] = {label: {"edgecolor": "white", "lw": 0.4} for label in labels}
    line[UNSURE] = {"edgecolor": FAINT, "lw": 0.4, "hatch": "////"}
    figure = blank_figure((9.0, 6.6), dpi=130)
    top, bottom = figure.subplots(2, 1, height_ratios=[1.7, 1])
    places = [(speaker, month) for month in MONTHS for speaker in sorted({key[0] for key in truth})]
    where = {key: i + MONTHS.index(key[1]) for i, key in enumerate(places)}
    for key, x in where.items():
        for table, shift, alpha in ((truth, -0.21, 0.45), (said, 0.21, 1.0)):
            base = 0.0
            for label in [*labels, UNSURE]:
                share = table[key].get(label, 0.0)
                top.bar(x + shift, share, 0.4, bottom=base, color=hues[label], alpha=alpha, **line[label])
                base += share
    top.set_xticks(list(where.values()), [key[0].removeprefix("actor-") for key in where])
    for month in MONTHS:
        middle = np.mean([x for key, x in where.items() if key[1] == month])
        top.text(middle, 1.02, f"month {month}", ha="center", va="bottom", fontsize=9)
    top.set(xlabel="speaker (actor of RAVDESS); pale: put in, full: recognised", ylabel="share of speech", ylim=(0, 1))
    handles = [top.bar(0, 0, color=hues[label], label=label, **line[label]) for label in [*labels, UNSURE]]
    as_written(top.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8))
    names = [name for name, _, _ in minutes][::-1]
    bottom.barh(names, [score for _, score, _ in minutes][::-1], color=hues["angry"], label="mean score of angry")
    bottom.plot(
        [share for _, _, share in minutes][::-1], names, "D", color="black", ms=4, label="share of speech put in"
    )
    bottom.set(xlabel="angry, 0 to 1, in the angriest minutes of all", xlim=(0, 0.7))
    bottom.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    for ax in (top, bottom):
        plain_axes(ax, (9, 6))
    return figure


@click.command()
@click.argument("ravdess", type=click.Path(path_type=Path, exists=True))
@click.option("--output", type=click.Path(path_type=Path), default=ROOT / "docs/archive-question.png")
def main(ravdess: Path, output: Path) -> None:
    """Make the sessions, work through them, ask, and draw."""
    with tempfile.TemporaryDirectory() as folder:
        truth, angry = write_sessions(ravdess, Path(folder))
        command = ["run", f"{folder}/sessions.csv", "-o", f"{folder}/out", "--workers", "1"]
        subprocess.run([sys.executable, "-m", "affekt", "archive", *command], check=True)
        by_month, by_minute = questions()
        said: Shares = defaultdict(dict)
        for speaker, month, label, share in query(f"{folder}/out", by_month)[1]:
            said[speaker, month][label] = share
        source = by_minute.replace("parse_filename(source)", "source").replace("LIMIT 3", "LIMIT 8")
        minutes = []
        for recording, minute, score in query(f"{folder}/out", source)[1]:
            month, name = Path(recording).parts[-2:]
            key = (f"actor-{Path(name).stem}", month, minute)
            minutes.append((f"actor {Path(name).stem}, {month}, minute {minute}", score, angry.get(key, 0.0)))
    of_all = [sum(min(truth[key].get(label, 0), share) for label, share in said[key].items()) for key in truth]
    click.echo(f"shares in common, mean of {len(truth)} sessions: {np.mean(of_all):.2f}")
    for row in minutes:
        click.echo(f"{row[0]}: {row[1]:.2f}; put in {row[2]:.2f}")
    draw(truth, said, minutes).savefig(output)


if __name__ == "__main__":
    main()
