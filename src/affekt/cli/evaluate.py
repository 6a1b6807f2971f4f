"""``affekt evaluate``: what a model is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from affekt.cli.terminal import folders, polite, progress
from affekt.errors import InputError


@click.command()
@click.argument("model")
@click.option("--corpus", "corpora", multiple=True, required=True, metavar="NAME=PATH", help="Once for each corpus.")
@click.option("--side", type=click.Choice(["test", "dev"]), default="test", show_default=True)
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--write-card", is_flag=True, help="Write the scores into FILE.onnx (needs the extra train).")
@polite
def evaluate(model: str, corpora: Sequence[str], side: str, jobs: int, write_card: bool) -> None:
    """What MODEL is worth on the fixed test speakers of corpora, with 95 % intervals over speakers."""
    from affekt.corpora import read_corpus
    from affekt.data.splits import fixed_split
    from affekt.recognize.judge import judge
    from affekt.recognize.recognizer import Recognizer

    recognizer, scores = Recognizer(model), {}
    if write_card and (side != "test" or Path(model).suffix != ".onnx"):
        raise InputError("--write-card writes test scores into a FILE.onnx; give one, and no other --side.")
    for name, path in folders(corpora).items():
        samples = getattr(fixed_split(read_corpus(name, path).samples), side)
        if not samples:
            click.echo(f"{name}: has no {side} speakers; left out.", err=True)
            continue
        with progress(len(samples)) as tick:
            reports = judge(recognizer, samples, jobs=jobs, tick=tick)
        scores[name] = _print_reports(reports)
    if write_card:
        _write_scores(model, scores)


def _print_reports(reports: dict[str, Any]) -> dict[str, list[float]]:
    main_report, free = reports["corpus labels"], reports["all labels"]
    click.echo(main_report.protocol)
    for name, estimate in main_report.metrics.items():
        click.echo(f"  {name:22} {estimate}")
    click.echo(f"  {'UAR, all labels':22} {free.metrics['UAR']}")
    for sentence in main_report.warnings:
        click.echo(f"  note: {sentence}")
    table = {**main_report.metrics, "UAR, all labels": free.metrics["UAR"]}
    return {name: [round(e.value, 4), round(e.low, 4), round(e.high, 4), e.n] for name, e in table.items()}


def _write_scores(model: str, scores: dict[str, Any]) -> None:
    from dataclasses import replace

    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path
    from affekt.train.export import rewrite_card

    path = model_path(model)
    card = read_card(path)
    rewrite_card(path, replace(card, scores={**card.scores, **scores}))
