"""What the commands share: errors as one line and an exit status, progress, tables, units for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any

import click

from affekt.errors import AffektError, AudioError, ImageError, InputError, StoreError, TextError, UnknownName
from affekt.types import Prediction, Sample

SOME_FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
#: Errors of what is worked on, not of the command.
_FAILURES = (AudioError, ImageError, TextError, StoreError, OSError)


def polite(command: Callable[..., int | None]) -> Callable[..., None]:
    """Turn what can go wrong into one line on stderr and an exit status."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            status = command(*args, **kwargs) or 0
            sys.stdout.flush()
        except KeyboardInterrupt:
            status = _complain("interrupted.", INTERRUPTED)
        except BrokenPipeError:
            # The reader (head, say) has seen enough; give Python's own exit nothing left to flush.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 0
        except (AffektError, OSError) as error:
            status = _complain(_sentence(error), SOME_FAILED if isinstance(error, _FAILURES) else WRONG_USAGE)
        sys.exit(status)

    return wrapped


def _complain(sentence: str, status: int) -> int:
    click.echo(f"error: {shown(sentence)}", err=True)
    return status


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else "output: "
        return f"{where}{error.strerror}."
    return str(error)


def shown(text: str) -> str:
    """Text as a terminal may show it: control characters, newlines among them, as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


class Target(click.ParamType):  # type: ignore[type-arg]  # no generic at run time before click 8.2
    """Where to write: a file, or a folder, which a slash at the end makes if need be."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Text to Path; the slash would be lost in it, so it is acted on here."""
        if str(value).endswith(("/", os.sep)):
            try:
                os.makedirs(value, exist_ok=True)
            except OSError as error:
                self.fail(f"{value}: this folder cannot be made ({error.strerror}).", param, ctx)
        return Path(value)


@contextmanager
def progress(total: int, what: str = "recordings") -> Iterator[Callable[[], None]]:
    """A bar on stderr, when that is a terminal; yields what is to be called after each step."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def console() -> Any:
    """Where tables go: standard output."""
    from rich.console import Console

    # A table in a file or a pipe is for programs and people with wide windows: never cut.
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, soft_wrap=not sys.stdout.isatty())


def clock(seconds: float) -> str:
    """Seconds as m:ss.s, or h:mm:ss.s when there are hours."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02d}:{rest / 10:04.1f}"
    return f"{minutes}:{rest / 10:04.1f}"


def in_all(summary: Prediction, said: str) -> str:
    """The last line about a recording: the answer for all of it, and why that is weak."""
    return f"in all: {said}" + (f"; {summary.reason}" if summary.reason else "")


def percent(share: float) -> str:
    """A fraction as whole per cent; small shares read "< 1 %", never "0 %"."""
    return "< 1 %" if 0 < share <= 0.005 else f"{100 * share:.0f} %"


def read_all(pairs: Sequence[str]) -> dict[str, tuple[Sample, ...]]:
    """The samples of ``NAME=PATH`` options; what was left out of a folder is said on stderr."""
    from affekt.corpora import CORPORA, read_corpus

    found = {}
    for name, path in folders(pairs).items():
        reading, published = read_corpus(name, path), CORPORA[name].clips
        found[name] = reading.samples
        if published and len(reading.samples) < published:
            what = "pictures" if CORPORA[name].modality == "face" else "clips"
            click.echo(f"warning: {name}: {len(reading.samples)} of its {published} {what} are there.", err=True)
        for sentence in reading.warnings:
            click.echo(f"warning: {name}: {shown(sentence)}", err=True)
        if reading.skipped:
            first = "; ".join(shown(line) for line in reading.skipped[:3])
            click.echo(f"warning: {name}: {len(reading.skipped)} left out: {first}", err=True)
    return found


def folders(pairs: Sequence[str]) -> dict[str, Path]:
    """``NAME=PATH`` options to a table; a known corpus by its own name, however it was written.

    Raises
    ------
    InputError
        If one has another form, or a name comes twice.
    """
    from affekt.corpora import corpus_name

    table: dict[str, Path] = {}
    for pair in pairs:
        name, _, path = pair.partition("=")
        with suppress(UnknownName):  # some commands take texts, which are no corpora
            name = corpus_name(name)
        if not name or not path or name in table:
            raise InputError(f"--corpus {pair}: give NAME=PATH, each name once, such as ravdess=/data/RAVDESS.")
        table[name] = Path(path)
    return table
