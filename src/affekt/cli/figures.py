"""Figures as files beside a page, in the formats that papers and slides take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from affekt._files import atomic_write
from affekt._optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

figures_option = click.option(
    "--figures",
    multiple=True,
    type=click.Choice(["png", "svg", "pdf"]),
    help="Also write each figure as a file of this format; once for each.",
)


def write_figures(folder: Path, forms: Sequence[str], figures: Iterable[tuple[str, Figure]]) -> list[Path]:
    """Write each figure into a folder, which is made, once for each format; the paths written.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    from affekt.plot.page import drawn

    require("matplotlib", extra="plot")
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures:
        for form in forms:
            path = folder / f"{name}.{form}"
            with atomic_write(path, "wb") as file:
                file.write(drawn(figure, form))
            written.append(path)
    return written
