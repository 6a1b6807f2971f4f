"""How ``affekt predict`` goes through its sources: results go out as they come, failures are shown and counted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt.cli.annotated import annotation
from affekt.cli.explained import beside, explaining_writer, print_explained, save_maps
from affekt.cli.predict_table import NEXT_BEST, Also, answer, print_overview, print_timeline
from affekt.cli.terminal import SOME_FAILED, percent, progress, shown
from affekt.errors import AffektError, InputError
from affekt.types import Result
from affekt.write.binary import BINARY
from affekt.write.predictions import SUFFIXES, WRITERS

if TYPE_CHECKING:
    from affekt.cli.predict import Job
    from affekt.explain.words import Explanation, Reference
    from affekt.recognize.batch import Failure
    from affekt.recognize.recognizer import Recognizer
    from affekt.recognize.trace import Trace

#: Formats that hold nothing but stretches of time.
TIMED = ("srt", "audacity", "textgrid", "elan", "rttm")


class Session:
    """One run of ``affekt predict``: results go out as they come, failures are shown and counted.

    The recogniser is a :class:`Recognizer`, or a :class:`MediaRecognizer`, which analyses in the same way.
    """

    def __init__(self, job: Job, recognizer: Any, sources: Sequence[Any], failures: Sequence[Failure]) -> None:
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
            click.echo(f"{few}; {LEAST_SECONDS['any']:g} s of their other speech are needed.", err=True)

    def run(self) -> int:
        """Work through all sources; the exit status."""
        if len(self.sources) == 1 and not self._not_found:
            self.one()
        else:
            self.many()
        return self.status()

    def one(self) -> None:
        """A single recording: its timeline, in full."""
        result = self._analysed(self.sources[0])
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
        from affekt.recognize.batch import failure_of, predict_many

        if not (self.job.explain or self.job.plot or self.job.annotate):
            yield from predict_many(self.recognizer, self.sources, jobs=self.job.jobs, with_baseline=self._knowing)
            return
        for source in self.sources:
            try:
                yield self._analysed(source)
            except (AffektError, OSError, MemoryError) as error:
                yield failure_of(source, error)

    def _analysed(self, source: Any) -> Result:
        """The result of a source; pictures and explanations of it are made on the way."""
        from affekt.recognize.trace import Trace

        recognizer = self._knowing.get(source, self.recognizer)
        trace = Trace() if self.job.plot or self.job.annotate else None
        if self.job.explain:
            from affekt.explain.words import Recording

            trace = Recording()
        with ExitStack() as stack:
            if trace and self.job.annotate:
                target = self.job.annotate
                name = getattr(source, "name", source)
                target = self._file_for(name, target, "") if target.is_dir() else target
                trace.on_piece = stack.enter_context(annotation(target, name, recognizer.labels))
            result: Result = recognizer.analyse(source, trace=trace)
        if trace:
            self._look(result, trace)
        return result

    def _look(self, result: Result, trace: Trace) -> None:
        """Pictures and explanations of a result."""
        plot = self.job.plot
        if plot:
            plot = self._file_for(result.source, plot, ".png") if plot.is_dir() else plot
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
        # A database is a folder, and holds all recordings.
        return output is not None and output.is_dir() and self.job.form != "audformat"

    def _write(self, results: Iterable[Result]) -> None:
        if self.job.form in BINARY and self.job.output:
            found = list(results)
            path = self._file_for(found[0].source, self.job.output, ".parquet") if self._folder() else self.job.output
            BINARY[self.job.form](found, path)
            return
        writer, output = WRITERS[self.job.form], self.job.output
        if self.job.explain:
            writer = explaining_writer(self.job.form, self._explained)
        if output is None:
            writer(results, sys.stdout)
        elif self._folder():
            (result,) = results
            with atomic_write(self._file_for(result.source, output, SUFFIXES[self.job.form])) as file:
                writer([result], file)
        else:
            # Lines are complete in themselves and go out one by one; everything else appears when it is whole.
            in_place = self.job.form == "jsonl" or not _replaceable(output)
            with _line_file(output) if in_place else atomic_write(output) as file:
                writer(results, file)

    def _explained(self, result: Result) -> list[dict[str, Any]]:
        from affekt.explain.words import as_json

        return [as_json(explanation) for explanation in self._explanations[result.source]]

    def _file_for(self, source: str, folder: Path, suffix: str) -> Path:
        """A file named after the recording; a number tells recordings of one name apart."""
        if source not in self._names:
            stem = shown(Path(source).stem).replace(os.sep, "_").encode()[:180].decode(errors="ignore") or "recording"
            name, number = stem, 1
            while name in self._names.values():
                number += 1
                name = f"{stem}-{number}"
            self._names[source] = name
        return folder / f"{self._names[source]}{suffix}"

    def _tell(self, failure: Failure) -> None:
        self.failed += 1
        click.echo(f"error: {shown(failure.source)}: {shown(failure.reason)}", err=True)

    def _tell_warnings(self, result: Result) -> None:
        sentences = list(result.warnings)
        if self.job.one_speaker and result.baseline == "none":
            from affekt.speech.baseline import LEAST_SECONDS

            least = f"{LEAST_SECONDS['any']:g} s of speech"
            sentences.append(f"--one-speaker compares with what came before, from {least} on; some hold less.")
        if self.job.form in TIMED and result.predictions and not result.duration:
            sentences.append(
                f"{result.source}: has no times, so {self.job.form} holds none of its answers; json, jsonl and csv do."
            )
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


def picture_form(path: Path) -> str:
    """The form of a picture by its name; raises InputError where it is none that ``--plot`` writes."""
    form = path.suffix.lstrip(".").lower()
    if not path.is_dir() and form not in ("png", "svg", "pdf"):
        raise InputError(f"--plot {path}: allowed are .png, .svg and .pdf, or a FOLDER/.")
    return form


def _save_plot(result: Result, trace: Trace, path: Path) -> None:
    if not result.duration:
        raise InputError(f"{shown(result.source)}: a picture has no timeline to --plot; --annotate draws into it.")
    from affekt.plot.timeline import Timeline, draw_timeline, in_lanes

    segments, windows = list(result.predictions), trace.hops
    title = shown(Path(result.source).name)
    if result.summary.modality == "fusion":
        segments, windows = in_lanes(result), []
        brief = len(result.summaries) - len({p.who for p in segments if p.modality == "fusion"})
        title += f" (without {brief} seen for less than a second)" if brief else ""
    data = Timeline(
        title=title,
        duration=result.duration,
        envelope=trace.envelope,
        activity=trace.regions,
        windows=windows,
        segments=segments,
        labels=list(result.labels),
        silent=result.summary.modality == "face",
    )
    form = picture_form(path)
    figure = draw_timeline(data)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format=form)
