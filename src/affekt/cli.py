"""The command ``affekt``: parse, call, print. Each command is a public function with a terminal around it."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt import __version__
from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import AffektError, AudioError, AudioWarning, InputError, LossWarning
from affekt.types import Prediction, Result
from affekt.write import ONE_RECORDING, SUFFIXES, WRITERS

if TYPE_CHECKING:
    from affekt.recognize.batch import Failure
    from affekt.recognize.recognizer import Recognizer, Trace

SOME_FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="affekt")
def main() -> None:
    """Emotions in the voice: a recording in, a timeline of emotions out.

    Nothing is sent anywhere and nothing is stored unless you ask for it.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # File names may hold bytes that the terminal's encoding does not.
            stream.reconfigure(errors="backslashreplace")
    for category in (AudioWarning, LossWarning):  # results carry these, and each is told once
        warnings.simplefilter("ignore", category)
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"warning: {message}", err=True)


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
            status = _complain(
                _sentence(error), SOME_FAILED if isinstance(error, (AudioError, OSError)) else WRONG_USAGE
            )
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


@dataclass(frozen=True)
class Job:
    """What ``affekt predict`` was asked for."""

    paths: tuple[str, ...]
    form: str
    output: Path | None
    plot: Path | None
    model: str
    labels: str | None
    jobs: int
    recursive: bool


class Target(click.ParamType):
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


@main.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--format", "form", type=click.Choice(["table", *WRITERS]), default="table", show_default=True)
@click.option("-o", "--output", type=Target(), help="File; or FOLDER/, for one file per recording.")
@click.option("--plot", type=Target(), help="Picture (png, svg, pdf); for many recordings FOLDER/.")
@click.option("--model", default="voice", show_default=True, help="A name from `affekt models`, or FILE.onnx.")
@click.option(
    "--labels", help="A set (four, ekman, valence, ...), labels (angry,sad), or groups (bad=angry+sad,good=happy)."
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Recordings at a time.")
@click.option("-r", "--recursive", is_flag=True, help="Look into the folders of a folder, too.")
@polite
def predict(**options: Any) -> int:
    """Emotions over time in recordings.

    PATH is a recording in any common format (sound or video), a folder, a
    pattern, or - for standard input. The exit status is 0 when all went well,
    1 when some recordings failed (they are named on stderr, the others are
    written), 2 when the command was wrong.
    """
    from affekt.recognize.batch import find_recordings
    from affekt.recognize.recognizer import Recognizer

    job = Job(**options)
    sources, failures = find_recordings(job.paths, recursive=job.recursive)
    _check(job, len(sources))
    _spare_inputs(job, sources)
    recognizer = Recognizer(job.model, labels=parse_labels(job.labels))
    session = Session(job, recognizer, sources, failures)
    if len(sources) == 1 and not failures:
        session.one()
    else:
        session.many()
    return session.status()


def parse_labels(text: str | None) -> str | dict[str, list[str]] | None:
    """``bad=angry+sad,good=happy`` to groups; anything else stays as it is."""
    if text is None or "=" not in text:
        return text
    groups: dict[str, list[str]] = {}
    for part in text.split(","):
        name, _, members = (piece.strip() for piece in part.partition("="))
        if not name or not members or name in groups:
            raise InputError(f"--labels {part}: give groups as NAME=LABEL+LABEL, each name once.")
        groups[name] = [label.strip() for label in members.split("+")]
    return groups


def _check(job: Job, count: int) -> None:
    if job.form == "table" and job.output:
        raise InputError("--output needs a --format to write; the table is for the screen.")
    for option, path in (("--output", job.output), ("--plot", job.plot)):
        if path and not path.parent.is_dir():
            raise InputError(f"{option} {path}: there is no folder {path.parent}; make it first.")
    into_folder = job.output is not None and job.output.is_dir()
    if job.form in ONE_RECORDING and count > 1 and not into_folder:
        raise InputError(f"{job.form} holds one recording, and there are {count}: give --output FOLDER/.")
    if job.plot and count > 1 and not job.plot.is_dir():
        raise InputError(f"--plot {job.plot}: for {count} recordings give a folder: --plot FOLDER/.")
    if job.plot and not job.plot.is_dir():
        _picture_form(job.plot)
    if job.plot:
        require("matplotlib", extra="plot")
    if job.plot and job.plot == job.output and not job.plot.is_dir():
        raise InputError(f"--plot and --output are both {job.plot}; give two files.")


def _spare_inputs(job: Job, sources: Sequence[str]) -> None:
    for path in (job.output, job.plot):
        if path and path.is_file() and any(os.path.exists(s) and path.samefile(s) for s in sources if s != "-"):
            raise InputError(f"{path} is one of the recordings and would be overwritten; give another file.")


class Session:
    """One run of ``affekt predict``: results go out as they come, failures are told and counted."""

    def __init__(self, job: Job, recognizer: Recognizer, sources: Sequence[str], failures: Sequence[Failure]) -> None:
        self.job, self.recognizer, self.sources = job, recognizer, sources
        self.failed, self._not_found = 0, len(failures)
        self._names: dict[str, str] = {}
        self._told: set[str] = set()
        for failure in failures:
            self._tell(failure)

    def one(self) -> None:
        """A single recording: its timeline, in full."""
        from affekt.recognize.recognizer import Trace

        trace = Trace() if self.job.plot else None
        result = self.recognizer.analyse(self.sources[0], trace=trace)
        if trace and self.job.plot:
            into_folder = self.job.plot.is_dir()
            _save_plot(result, trace, self._file_for(result, self.job.plot, ".png") if into_folder else self.job.plot)
        self._tell_warnings(result)
        if self.job.form == "table":
            _print_timeline(result)
        else:
            self._write([result])

    def many(self) -> None:
        """Many recordings: a progress bar, one line or record each."""
        results = self._results()
        if self.job.form == "table":
            _print_overview(list(results))
        elif self._folder():
            for result in results:
                self._write([result])
        elif self.sources:
            self._write(results)

    def status(self) -> int:
        """The exit status; says how many failed."""
        if self.failed:
            total = len(self.sources) + self._not_found
            rest = "; the others were written." if self.failed < total else "."
            click.echo(f"{self.failed} of {total} inputs failed{rest}", err=True)
        return SOME_FAILED if self.failed else 0

    def _results(self) -> Iterator[Result]:
        """Results as they come; failures are told on the way."""
        from affekt.recognize.batch import Failure

        with _progress(len(self.sources)) as tick:
            for outcome in self._outcomes():
                tick()
                if isinstance(outcome, Failure):
                    self._tell(outcome)
                    continue
                self._tell_warnings(outcome)
                yield outcome

    def _outcomes(self) -> Iterator[Result | Failure]:
        from affekt.recognize.batch import attempt, predict_many
        from affekt.recognize.recognizer import Trace

        if self.job.plot is None:
            yield from predict_many(self.recognizer, self.sources, jobs=self.job.jobs)
            return
        for source in self.sources:
            outcome = attempt(self.recognizer, source, trace=(trace := Trace()))
            if isinstance(outcome, Result):
                _save_plot(outcome, trace, self._file_for(outcome, self.job.plot, ".png"))
            yield outcome

    def _folder(self) -> bool:
        output = self.job.output
        return output is not None and output.is_dir()

    def _write(self, results: Iterable[Result]) -> None:
        writer, output = WRITERS[self.job.form], self.job.output
        if output is None:
            writer(results, sys.stdout)
        elif self._folder():
            (result,) = results
            with atomic_write(self._file_for(result, output, SUFFIXES[self.job.form])) as file:
                writer([result], file)
        else:
            # Lines are complete in themselves and go out one by one; everything else appears when it is whole.
            in_place = self.job.form == "jsonl" or not _replaceable(output)
            with _line_file(output) if in_place else atomic_write(output) as file:
                writer(results, file)

    def _file_for(self, result: Result, folder: Path, suffix: str) -> Path:
        """A file named after the recording; a number tells recordings of one name apart."""
        if result.source not in self._names:
            stem = (
                shown(Path(result.source).stem).replace(os.sep, "_").encode()[:180].decode(errors="ignore")
                or "recording"
            )
            name, number = stem, 1
            while name in self._names.values():
                number += 1
                name = f"{stem}-{number}"
            self._names[result.source] = name
        return folder / f"{self._names[result.source]}{suffix}"

    def _tell(self, failure: Failure) -> None:
        self.failed += 1
        click.echo(f"error: {shown(failure.source)}: {shown(failure.reason)}", err=True)

    def _tell_warnings(self, result: Result) -> None:
        for sentence in result.warnings:
            if sentence in self._told:
                continue
            self._told.add(sentence)
            click.echo(f"warning: {shown(sentence)}", err=True)


def _replaceable(path: Path) -> bool:
    """A link or a device (/dev/stdout, a named pipe) is written to; only a plain file gives way to a new one."""
    return not os.path.lexists(path) or (path.is_file() and not path.is_symlink())


@contextmanager
def _line_file(path: Path) -> Iterator[Any]:
    """A text file written in place; when the disk is full, its last, half-written line is taken back."""
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            yield file
    except OSError:
        if path.is_file():
            with open(path, "rb+") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
        raise


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("recordings"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def _print_timeline(result: Result) -> None:
    from rich.table import Table
    from rich.text import Text

    spoken = sum(p.duration for p in result.predictions)
    heading = f"{shown(result.source)}: {clock(result.duration)} long, {clock(spoken)} of speech"
    table = Table(
        "start",
        "end",
        "emotion",
        "confidence",
        "quality",
        "also possible",
        box=None,
        pad_edge=False,
        title_justify="left",
    )
    for p in result.predictions:
        table.add_row(
            clock(p.start), clock(p.end), Text(str(p.label)), percent(p.confidence), percent(p.quality), Text(others(p))
        )
    console = _console()
    console.print(Text(heading))
    if result.predictions:
        console.print(table)
    console.print(Text(f"in all: {answer(result.summary)}"))


def _print_overview(results: Sequence[Result]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not results:
        return
    table = Table(
        "recording", "length", "speech", "segments", "emotion", "confidence", "also possible", box=None, pad_edge=False
    )
    for result in results:
        spoken = clock(sum(p.duration for p in result.predictions))
        p = result.summary
        label = Text(p.label or "no speech")
        row = (
            clock(result.duration),
            spoken,
            str(len(result.predictions)),
            label,
            percent(p.confidence),
            Text(others(p)),
        )
        table.add_row(Text(shown(result.source)), *row)
    _console().print(table)


def _console() -> Any:
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


def percent(share: float) -> str:
    """A share of 1 as whole per cent."""
    return f"{100 * share:.0f} %"


def answer(prediction: Prediction) -> str:
    """A prediction in words."""
    if prediction.label is None:
        return "no speech"
    return f"{prediction.label} ({percent(prediction.confidence)}), then {others(prediction)}"


def others(prediction: Prediction) -> str:
    """The two next best labels with their probabilities."""
    ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])[1:3]
    return ", ".join(f"{label} {percent(p)}" for label, p in ranked)


def _picture_form(path: Path) -> str:
    form = path.suffix.lstrip(".").lower()
    if form not in ("png", "svg", "pdf"):
        raise InputError(f"--plot {path}: allowed are .png, .svg and .pdf, or a FOLDER/.")
    return form


def _save_plot(result: Result, trace: Trace, path: Path) -> None:
    from affekt.plot.timeline import Timeline, draw_timeline

    data = Timeline(
        title=shown(Path(result.source).name),
        duration=result.duration,
        envelope=trace.envelope,
        activity=trace.regions,
        windows=trace.cells,
        segments=list(result.predictions),
        labels=list(result.labels),
    )
    form = _picture_form(path)
    figure = draw_timeline(data)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format=form)


@main.command()
@polite
def models() -> None:
    """The models at hand, with their cards' main numbers."""
    from rich.table import Table

    from affekt.models.onnx import read_card
    from affekt.models.zoo import MODELS, model_path

    table = Table(
        "name", "what for", "size", "labels", "UAR on unseen speakers (mean over corpora)", box=None, pad_edge=False
    )
    for name, (_, purpose) in MODELS.items():
        card, size = read_card(model_path(name)), model_path(name).stat().st_size
        table.add_row(name, purpose, f"{size / 1e6:.1f} MB", str(len(card.labels)), _main_number(card.scores))
    _console().print(table)


def _main_number(scores: Any) -> str:
    values = [entry["UAR"][0] for entry in scores.values() if "UAR" in entry]
    return f"{sum(values) / len(values):.2f} over {len(values)} corpora" if values else "-"


@main.command()
@click.argument("model")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@polite
def info(model: str, form: str) -> None:
    """The card of a model: a name from `affekt models`, or FILE.onnx."""
    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path

    card = read_card(model_path(model))
    if form == "json":
        click.echo(json.dumps(json.loads(card.to_json()), indent=2, ensure_ascii=False))
        return
    if form == "markdown":
        click.echo(card.to_markdown(), nl=False)
        return
    rate = card.sampling_rate
    click.echo(f"{card.name}: {card.modality}, {len(card.labels)} labels: {', '.join(card.labels)}")
    click.echo(f"takes      mono float32 at {rate} Hz; windows of {card.window / rate:g} s every {card.hop / rate:g} s")
    if card.modality == "speech":
        click.echo(f"calibrated temperature {card.temperature:.3f}")
    click.echo(f"licence    {card.licence}")
    for corpus, entry in card.data.items():
        click.echo(f"learned    {corpus}: {entry['clips']} clips of {entry['speakers']} speakers ({entry['licence']})")
    for corpus, entry in card.scores.items():
        click.echo(f"tested     {corpus}: " + "; ".join(_score_text(name, value) for name, value in entry.items()))
    for limit in card.limits:
        click.echo(f"limit      {limit}")


def _score_text(name: str, value: Sequence[float]) -> str:
    return f"{name} {value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}] n={value[3]:g}"


def folders(pairs: Sequence[str]) -> dict[str, Path]:
    """``NAME=PATH`` options to a table.

    Raises
    ------
    InputError
        If one has another form, or a name comes twice.
    """
    table: dict[str, Path] = {}
    for pair in pairs:
        name, _, path = pair.partition("=")
        if not name or not path or name in table:
            raise InputError(f"--corpus {pair}: give NAME=PATH, each name once, such as ravdess=/data/RAVDESS.")
        table[name] = Path(path)
    return table


@main.command()
@click.argument("recipe")
@click.option("--corpus", "corpora", multiple=True, metavar="NAME=PATH", help="A corpus of the recipe; once for each.")
@click.option(
    "--sounds",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Noises: ESC-10; its fold 5 is left alone.",
)
@click.option(
    "--responses", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Room impulse responses (wav)."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run; an interrupted run goes on.",
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@polite
def train(recipe: str, corpora: Sequence[str], threads: int, output: Path, **extras: Path | None) -> None:
    """Train a model by a RECIPE: the name of one that ships with affekt, or FILE.toml."""
    require("torch", extra="train").set_num_threads(threads)
    from affekt.train.activity import ActivityRecipe, run_activity
    from affekt.train.recipe import load_recipe
    from affekt.train.run import run
    from affekt.train.sources import Sources, noise_paths, response_paths

    sources = Sources(folders(corpora), noise_paths(extras["sounds"]), response_paths(extras["responses"]))

    def report(line: str) -> None:
        click.echo(line, err=True)

    if recipe == "activity":
        click.echo(run_activity(ActivityRecipe(), sources, output, report=report))
    else:
        click.echo(run(load_recipe(recipe), sources, output, report=report))


@main.command()
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
        with _progress(len(samples)) as tick:
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
