"""``affekt recipes``: what can be trained or reproduced, how large it is, and how long it takes."""

from __future__ import annotations

import json

import click

from affekt.cli.terminal import console, polite


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@polite
def recipes(form: str) -> None:
    """The recipes that ship with affekt: what each trains, from what, how large it is and how long it takes.

    `affekt reproduce NAME` runs a well-known recipe as published and as it should be; `affekt train NAME` trains the
    models that ship, and by the honest protocol those of the well-known recipes.
    """
    from affekt.train.recipe import recipe_facts, recipe_names

    facts = [recipe_facts(name) for name in recipe_names()]
    if form == "json":
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table("name", "modality", "what", "size", "time", "models", "run with", box=None, pad_edge=False)
    for fact in facts:
        counts = ", ".join(f"{count:,} parameters" for count in list(fact["parameters"].values())[:1])
        size = f"{fact['size'] / 1e6:.1f} MB" if fact["size"] else counts or "-"
        names = fact["models"]
        models = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
        command = f"affekt {fact['command']} {fact['name']}"
        table.add_row(fact["name"], fact["modality"], fact["what"], size, fact["time"] or "-", models, command)
    console().print(table)
    click.echo("size: of the file that ships, or as published; time: where it was measured, - where it was not.")
