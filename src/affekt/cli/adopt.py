"""``affekt adopt``: a model made with another tool gets its card."""

from __future__ import annotations

from pathlib import Path

import click

from affekt.cli.terminal import polite, shown
from affekt.errors import InputError


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--card",
    type=click.Path(path_type=Path),
    required=True,
    help="CARD.toml: name, labels, and a table [features] with kind (usual-180, ..., waveform).",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="File to write; ends in .onnx.")
@polite
def adopt(model: Path, card: Path, output: Path) -> None:
    """Add a card to an ONNX MODEL from another tool; it then works everywhere that affekt's own models do.

    MODEL takes a row of features of a named set, or the waveform, and gives a
    number for each label: logits or probabilities (detected automatically). It is
    tried on sound before anything is written. docs/own-model.md has examples with
    torch, scikit-learn and Keras.
    """
    from affekt.recognize.adopt import adopt as run
    from affekt.recognize.adopt import read_adoption

    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"-o {output}: give a file in a folder that exists.")
    if output.exists() and model.exists() and output.samefile(model):
        raise InputError(f"-o {output} is the model itself; give another file.")
    found = run(model, read_adoption(card), output)
    kind = found.card.input["features"]["kind"]
    says = ", ".join(f"{label} {100 * p:.0f} %" for label, p in sorted(found.scores.items(), key=lambda x: -x[1])[:3])
    click.echo(f"{shown(found.card.name)}: {len(found.card.labels)} labels; takes {kind}; gives {found.output}.")
    for change in found.changes:
        click.echo(f"  {shown(change)}")
    click.echo(f"  tried on sound; for a second of a voice-like tone it says: {shown(says)}")
    click.echo(f"written: {output}. Next: affekt evaluate {output} --corpus NAME=PATH")
