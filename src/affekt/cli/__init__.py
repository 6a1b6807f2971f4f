"""The command ``affekt``: parse, call, print. Each command is a public function with a terminal around it.

One file per command; a command is imported when it is called, so that the quick ones stay quick.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import Any

import click

from affekt import __version__
from affekt.errors import AudioWarning, ImageWarning, LossWarning, TextWarning

#: Command to the module in this folder that holds it.
COMMANDS = {
    "predict": "predict",
    "listen": "listen",
    "watch": "watch",
    "stream": "stream",
    "explain": "explain",
    "features": "features",
    "serve": "serve",
    "models": "models",
    "adopt": "adopt",
    "info": "models",
    "train": "train",
    "reproduce": "reproduce",
    "protocol": "protocol",
    "recipes": "recipes",
    "matrix": "matrix",
    "evaluate": "evaluate",
    "calibrate": "calibrate",
    "stress": "stress",
    "audit": "audit",
    "corpora": "corpora",
    "explore": "explore",
    "attendance": "attendance",
    "archive": "archive",
}


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, or None."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command | None = getattr(import_module(f"affekt.cli.{COMMANDS[cmd_name]}"), cmd_name)
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="affekt")
def main() -> None:
    """Emotions in voices and faces: a recording, a picture or a video in, emotions over time out.

    Nothing is sent anywhere and nothing is stored unless you ask for it.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # File names may hold bytes that the terminal's encoding does not.
            stream.reconfigure(errors="backslashreplace")
    for category in (
        AudioWarning,
        ImageWarning,
        TextWarning,
        LossWarning,
    ):  # results carry these, and each is told once
        warnings.simplefilter("ignore", category)
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"warning: {message}", err=True)
