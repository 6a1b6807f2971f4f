"""Further outputs of an evaluation beside its report: answers per clip, figures, and players on the page."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt.cli.figures import figures_option, write_figures
from affekt.cli.terminal import Target
from affekt.errors import AudioError, InputError

if TYPE_CHECKING:
    from affekt.plot.scores import Sounds
    from affekt.write.clips import ClipAnswer
    from affekt.write.evaluation import ModelEvaluation

#: Of --embed-audio: quiet enough to send by mail, good enough to hear an emotion.
EMBEDDED_RATE = 16_000


def further_outputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of what is written beside the report."""
    for option in (
        click.option(
            "--embed-audio",
            is_flag=True,
            help="For html: embed the sound of the clips in the page, as MP3. By default the page plays the files "
            "where they are.",
        ),
        figures_option,
        click.option("--clips", type=Target(), metavar="FILE.csv", help="Also write the answer to each clip."),
    ):
        command = option(command)
    return command


def check_further(output: Path | None, form: str, further: dict[str, Any]) -> None:
    """Refuse what cannot be written, before the work.

    Raises
    ------
    InputError
        If a place is missing, or audio is to be put into something else than a page.
    """
    if further["figures"] and not output:
        raise InputError("--figures are written beside the report; say where: -o FILE.")
    if further["embed_audio"] and form != "html":
        raise InputError("--embed-audio is for --format html; the other formats have no players.")
    clips = further["clips"]
    if clips and (clips.is_dir() or not clips.parent.is_dir()):
        raise InputError(f"--clips {clips}: give a file in a folder that is there, such as answers.csv.")


def page_of(found: ModelEvaluation, output: Path, *, embed: bool) -> str:
    """The evaluation as a page at ``output``, with a player for each clip that is a recording."""
    from affekt.plot.scores import evaluation_page

    clips = [clip for entry in found.corpora.values() for clip in entry.clips]
    return evaluation_page(found, sounds=_sounds(output, embed=embed) if any(map(_is_recording, clips)) else None)


def write_further(found: ModelEvaluation, output: Path | None, further: dict[str, Any]) -> None:
    """Write the clips and the figures that were asked for."""
    from affekt.write.clips import clips_csv

    if further["clips"]:
        with atomic_write(further["clips"]) as file:
            clips_csv({name: entry.clips for name, entry in found.corpora.items()}, file)
    if further["figures"] and output:
        from affekt.plot.scores import evaluation_figures

        folder = output.with_name(f"{output.stem}-figures")
        write_figures(folder, further["figures"], evaluation_figures(found))
        click.echo(f"figures: {folder}", err=True)


def _sounds(output: Path, *, embed: bool) -> Sounds:
    from urllib.parse import quote

    def address(clip: ClipAnswer) -> str | None:
        if not _is_recording(clip):
            return None
        if embed:
            return _embedded(clip)
        try:
            where = os.path.relpath(Path(clip.path).resolve(), output.resolve().parent)
        except ValueError:  # another drive
            where = str(Path(clip.path).resolve())
        end = "" if clip.end is None else f",{clip.end:.10g}"
        stretch = f"#t={clip.start:.10g}{end}" if clip.start or clip.end else ""
        return quote(where.replace(os.sep, "/")) + stretch

    return address


def _is_recording(clip: ClipAnswer) -> bool:
    from affekt.corpora.corpus import modality_of

    return modality_of(clip.path) == "speech" and not clip.path.startswith("synthetic:")


def _embedded(clip: ClipAnswer) -> str | None:
    """The stretch of a clip as a data URL; None if it can no longer be read."""
    import numpy as np
    import soundfile

    from affekt.speech.stretch import stretch_blocks
    from affekt.types import Sample

    sample = Sample(clip.id, clip.path, start=clip.start, end=clip.end)
    try:
        parts = [*stretch_blocks(sample, sampling_rate=EMBEDDED_RATE, warn=lambda _: None)]
    except AudioError:
        return None
    buffer = BytesIO()
    soundfile.write(buffer, np.concatenate(parts), EMBEDDED_RATE, format="MP3")
    return f"data:audio/mpeg;base64,{b64encode(buffer.getvalue()).decode()}"
