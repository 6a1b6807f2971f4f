"""``affekt predict``: emotions over time in recordings."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.explained import beside, check_form, explaining_writer, print_explained, save_maps
from affekt.cli.predict_table import NEXT_BEST, NOTHING, Also, answer, print_overview, print_timeline
from affekt.cli.terminal import SOME_FAILED, Target, percent, polite, progress, shown
from affekt.errors import AudioError, InputError
from affekt.labels import parse_labels
from affekt.types import Result
from affekt.write.predictions import ONE_RECORDING, SUFFIXES, WRITERS

if TYPE_CHECKING:
    from affekt.explain.words import Explanation, Reference
    from affekt.recognize.batch import Failure
    from affekt.recognize.recognizer import Recognizer
    from affekt.recognize.trace import Trace


@dataclass(frozen=True)
class Job:
    """What ``affekt predict`` was asked for."""

    paths: tuple[str, ...]
    form: str
    output: Path | None
    plot: Path | None
    model: str | None
    labels: str | None
    jobs: int
    recursive: bool
    threshold: float | None = None
    coverage: float | None = None
    explain: bool = False
    reference: str | None = None
    speaker_from: str | None = None
    one_speaker: bool = False
    channel: str = "mix"
    track: str | None = None


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--format", "form", type=click.Choice(["table", *WRITERS]), default="table", show_default=True)
@click.option("-o", "--output", type=Target(), help="File; or FOLDER/, for one file per recording.")
@click.option("--plot", type=Target(), help="Picture (png, svg, pdf); for many recordings FOLDER/.")
@click.option(
    "--model", help="A name from `affekt models`, or FILE.onnx. [default: voice; face where all are pictures]"
)
@click.option(
    "--labels", help="A set (four, ekman, valence, ...), labels (angry,sad), or groups (bad=angry+sad,good=happy)."
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Recordings at a time.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Not sure below this confidence; 0 always answers. [default: the card's]",
)
@click.option("--coverage", type=click.FloatRange(0.5, 0.99), help="Show the labels that hold the true one so often.")
@click.option(
    "--explain", is_flag=True, help="Say how each segment sounds; with --plot, also map what the label rests on."
)
@click.option(
    "--reference",
    type=str,
    metavar="FILE",
    help="Some 10 s of the speaker's voice without emotion: what they say is then compared with it.",
)
@click.option(
    "--speaker-from",
    metavar="HOW",
    help="Who speaks where, by name ({speaker}_*.wav, {speaker}/*) or TABLE.csv:COLUMN: "
    "each recording is compared with the speaker's others.",
)
@click.option(
    "--one-speaker",
    is_flag=True,
    help="One person speaks in each recording: compare what they say with what they said before.",
)
@click.option(
    "--channel",
    default="mix",
    show_default=True,
    metavar="mix|left|right|1..n|each",
    help="Of stereo and more; with each every channel (a caller, an agent) gets its own timeline.",
)
@click.option("--track", metavar="N|LANGUAGE", help="Sound track of a video. [default: the one that players play]")
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
    left_out: Counter[str] = Counter()
    sources, failures = find_recordings(job.paths, recursive=job.recursive, left_out=left_out)
    if left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in left_out.most_common(5))
        click.echo(f"note: files left out, as their names are none of recordings: {shown(kinds)}", err=True)
    _check(job, len(sources))
    _spare_inputs(job, sources)
    recognizer = Recognizer(
        job.model or default_model(sources), labels=parse_labels(job.labels), threshold=job.threshold
    )
    if job.explain and recognizer.card.modality != "speech":
        raise InputError(
            f"--explain puts voices into words; {recognizer.card.name} is a model of {recognizer.card.modality}. "
            "For maps: affekt explain PATH --output DIR."
        )
    if job.channel != "mix" or job.track:
        recognizer = recognizer.reading(channel=job.channel, track=job.track)
    if job.coverage is not None:
        recognizer.label_set(NOTHING, job.coverage)  # says at once when the model cannot
    session = Session(job, with_baseline(job, recognizer), sources, failures)
    if job.reference and job.explain:
        from affekt.explain.words import reference_of

        session.reference = reference_of(job.reference, recognizer)
    if job.speaker_from:
        session.learn_speakers()
    if len(sources) == 1 and not failures:
        session.one()
    else:
        session.many()
    return session.status()


def default_model(sources: Sequence[str]) -> str:
    """The model where none is named: ``face`` for pictures, ``voice`` for all that has sound.

    Raises
    ------
    InputError
        If there are pictures and recordings.
    """
    from affekt.face.image import PICTURES

    pictures = [source for source in sources if os.path.splitext(source)[1][1:].lower() in PICTURES]
    if pictures and len(pictures) < len(sources):
        raise InputError(
            f"{len(pictures)} of {len(sources)} files are pictures, the others have sound: name the model "
            "(--model face, or --model voice), or give them one after the other."
        )
    return "face" if pictures else "voice"


def with_baseline(job: Job, recognizer: Recognizer) -> Recognizer:
    """The recogniser with the speaker baseline that the command asks for; a model that takes none may still explain."""
    if job.one_speaker:
        return recognizer.with_baseline(running=True)
    if not job.reference or (job.explain and not recognizer.card.baseline):
        return recognizer
    try:
        return recognizer.adapt(job.reference)
    except AudioError as error:  # of the command, not of one of its inputs
        raise InputError(f"--reference {error}") from None


def _check(job: Job, count: int) -> None:
    if job.explain:
        check_form(job.form)
    if sum([bool(job.reference), bool(job.speaker_from), job.one_speaker]) > 1:
        raise InputError("--reference, --speaker-from and --one-speaker are three ways to know a speaker; give one.")
    if job.coverage is not None and job.form != "table":
        raise InputError(f"--coverage is for the table; {job.form} holds the scores that sets are made of.")
    if job.coverage is not None and job.labels:
        raise InputError("--coverage holds for all of the model's labels; leave --labels out.")
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
    for path in (job.output, job.plot, beside(job.plot) if job.plot and job.explain else None):
        if path and path.is_file() and any(os.path.exists(s) and path.samefile(s) for s in sources if s != "-"):
            raise InputError(f"{path} is one of the recordings and would be overwritten; give another file.")


class Session:
    """One run of ``affekt predict``: results go out as they come, failures are shown and counted."""

    def __init__(self, job: Job, recognizer: Recognizer, sources: Sequence[str], failures: Sequence[Failure]) -> None:
        self.job, self.recognizer, self.sources = job, recognizer, sources
        self.failed, self._not_found = 0, len(failures)
        self._names: dict[str, str] = {}
        self._shown: set[str] = set()
        self.reference: Reference | None = None
        self._knowing: dict[str, Recognizer] = {}
        self._explanations: dict[str, list[Explanation]] = {}
        for failure in failures:
            self._tell(failure)

    def learn_speakers(self) -> None:
        """Listen to all recordings once, to know how each speaker usually sounds."""
        from affekt.evaluate.speakers import baselines_of_recordings, speakers_of
        from affekt.speech.baseline import LEAST_SECONDS

        speakers = speakers_of(self.sources, str(self.job.speaker_from))
        with progress(len(speakers)) as tick:
            self._knowing = baselines_of_recordings(self.recognizer, speakers, tick=tick)
        alone = len(self.sources) - len(self._knowing)
        if alone:
            few = f"{alone} of {len(self.sources)} recordings: the speaker stays unknown"
            click.echo(f"{few}; it takes {LEAST_SECONDS['any']:g} s of other speech of theirs.", err=True)

    def one(self) -> None:
        """A single recording: its timeline, in full."""
        trace = self._trace()
        result = self.recognizer.analyse(self.sources[0], trace=trace)
        if trace:
            self._look(result, trace)
        self._tell_warnings(result)
        if self.job.form == "table" and self.job.explain:
            self._print_explained([result])
        elif self.job.form == "table":
            print_timeline(result, self._also())
        else:
            self._write([result])

    def many(self) -> None:
        """Many recordings: a progress bar, one line or record each."""
        results = self._results()
        if self.job.form == "table" and self.job.explain:
            self._print_explained(list(results))
        elif self.job.form == "table":
            print_overview(list(results), self._also())
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
        """Results as they come; failures are shown on the way."""
        from affekt.recognize.batch import Failure

        with progress(len(self.sources)) as tick:
            for outcome in self._outcomes():
                tick()
                if isinstance(outcome, Failure):
                    self._tell(outcome)
                    continue
                self._tell_warnings(outcome)
                yield outcome

    def _outcomes(self) -> Iterator[Result | Failure]:
        from affekt.recognize.batch import attempt, predict_many

        if self._trace() is None:
            yield from predict_many(self.recognizer, self.sources, jobs=self.job.jobs, with_baseline=self._knowing)
            return
        for source in self.sources:
            recognizer = self._knowing.get(source, self.recognizer)
            outcome = attempt(recognizer, source, trace=(trace := self._trace()))
            if trace and isinstance(outcome, Result):
                self._look(outcome, trace)
            yield outcome

    def _trace(self) -> Trace | None:
        """What has to be kept of a recording for what was asked; often nothing."""
        from affekt.recognize.trace import Trace

        if self.job.explain:
            from affekt.explain.words import Recording

            return Recording()
        return Trace() if self.job.plot else None

    def _look(self, result: Result, trace: Trace) -> None:
        """Pictures and explanations of a result."""
        plot = self.job.plot
        if plot:
            plot = self._file_for(result, plot, ".png") if plot.is_dir() else plot
            _save_plot(result, trace, plot)
        if self.job.explain:
            from affekt.explain.words import Recording, explain

            assert isinstance(trace, Recording)
            found = explain(trace.signal, result.predictions, reference=self.reference)
            self._explanations[result.source] = found
            if plot:
                save_maps(self._knowing.get(result.source, self.recognizer), result, trace, beside(plot))

    def _print_explained(self, results: Sequence[Result]) -> None:
        explained = [(result, self._explanations[result.source]) for result in results]
        also = self._also()
        print_explained(explained, lambda p: answer(p, also))

    def _also(self) -> Also:
        """What else it may be: the next best labels, or all that the coverage asked for takes."""
        coverage = self.job.coverage
        if coverage is None:
            return NEXT_BEST
        words = f"with {percent(coverage)} coverage"
        return Also(words, f"{words}:", lambda p: ", ".join(self.recognizer.label_set(p, coverage)) or "-")

    def _folder(self) -> bool:
        output = self.job.output
        return output is not None and output.is_dir()

    def _write(self, results: Iterable[Result]) -> None:
        writer, output = WRITERS[self.job.form], self.job.output
        if self.job.explain:
            writer = explaining_writer(self.job.form, lambda result: self._explanations[result.source])
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
        sentences = list(result.warnings)
        if self.job.one_speaker and result.baseline == "none":
            from affekt.speech.baseline import LEAST_SECONDS

            least = f"{LEAST_SECONDS['any']:g} s of speech"
            sentences.append(f"--one-speaker compares with what came before, from {least} on; some hold less.")
        for sentence in sentences:
            if sentence in self._shown:
                continue
            self._shown.add(sentence)
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
        windows=trace.hops,
        segments=list(result.predictions),
        labels=list(result.labels),
    )
    form = _picture_form(path)
    figure = draw_timeline(data)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format=form)
