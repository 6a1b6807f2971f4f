"""``affekt models`` and ``affekt info``: the models at hand, and their cards."""

from __future__ import annotations

import json
from pathlib import Path

import click

from affekt.cli.terminal import console, polite


@click.group(invoke_without_command=True)
@click.pass_context
def models(context: click.Context) -> None:
    """The available models, with the main numbers of their cards.

    `affekt models download NAME` gets one of the others that affekt can use.
    """
    if context.invoked_subcommand is None:
        context.invoke(listed)


@models.command(hidden=True, name="list")
@polite
def listed() -> None:
    """The models at hand, with their cards' main numbers."""
    from rich.table import Table

    from affekt.models.onnx import read_card
    from affekt.models.zoo import MODELS, model_path

    table = Table(
        "name", "what for", "size", "labels", "UAR on unseen speakers (mean over corpora)", box=None, pad_edge=False
    )
    for name, (_, purpose) in MODELS.items():
        card, size = read_card(model_path(name)), model_path(name).stat().st_size
        recalls = [entry["UAR"][0] for entry in card.scores.values() if "UAR" in entry]
        mean = f"{sum(recalls) / len(recalls):.2f} over {len(recalls)} corpora" if recalls else "-"
        table.add_row(name, purpose, f"{size / 1e6:.1f} MB", str(len(card.labels)), mean)
    console().print(table)
    _print_downloads()


def _print_downloads() -> None:
    from affekt.models.downloads import DOWNLOADS, model_folder

    for name, row in DOWNLOADS.items():
        is_here = (model_folder() / row.file).is_file()
        state = "downloaded" if is_here else f"not here: affekt models download {name}"
        console().print(f"{name}: {row.purpose}, {row.size / 1e6:.1f} MB, licence {row.licence}; {state}")


@models.command()
@click.argument("name")
@click.option(
    "--from",
    "source",
    metavar="FILE|ADDRESS",
    help="Another source of exactly the same file: a local copy, a mirror.",
)
@polite
def download(name: str, source: str | None) -> None:
    """Download a model that affekt can use but does not ship: yunet.

    The file is checked against its known digest and kept in the user's cache
    folder (to use another, set AFFEKT_MODELS).
    """
    from affekt.models.downloads import download as bring
    from affekt.models.downloads import entry, model_folder

    row = entry(name)
    addresses = [] if source is None else [source if "://" in source else Path(source).resolve().as_uri()]
    path = bring(row, model_folder(), addresses=addresses)
    click.echo(f"{path} ({row.size / 1e6:.1f} MB, {row.purpose}; licence {row.licence})")


@click.command()
@click.argument("model")
@click.option(
    "-f", "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True
)
@polite
def info(model: str, form: str) -> None:
    """The card of a model: a name from `affekt models`, or FILE.onnx."""
    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path
    from affekt.recognize.modalities import modality
    from affekt.write.card import SAMPLES, selective_sentences, to_markdown

    card = read_card(model_path(model))
    takes = modality(card.modality).load("takes")(card)
    if form == "json":
        click.echo(json.dumps(card.record(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    if form == "markdown":
        click.echo(to_markdown(card, takes), nl=False)
        return
    click.echo(f"{card.name}: {card.modality}, {card.task}, {len(card.labels)} labels: {', '.join(card.labels)}")
    click.echo(f"takes      {takes.removeprefix('Takes ')}")
    if card.task == "emotion":
        click.echo(f"calibrated temperature {card.temperature:.3f}")
    for sentence in selective_sentences(card):
        click.echo(f"unsure     {sentence}")
    click.echo(f"licence    {card.licence}")
    for corpus, entry in card.data.items():
        people = f" of {entry['speakers']} speaker{'s' * (entry['speakers'] != 1)}" if entry["speakers"] else ""
        samples = SAMPLES.get(card.modality, "clips")
        click.echo(f"learned    {corpus}: {entry['clips']} {samples}{people} ({entry['licence']})")
    for corpus, entry in card.scores.items():
        scores = [f"{name} {v:.3f} [{low:.3f}, {high:.3f}] n={n:g}" for name, (v, low, high, n) in entry.items()]
        click.echo(f"tested     {corpus}: " + "; ".join(scores))
    for limit in card.limits:
        click.echo(f"limit      {limit}")
