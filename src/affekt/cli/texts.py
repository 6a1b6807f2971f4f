"""``affekt predict`` of texts, subtitles and tables of messages: a row for each sentence, its words highlighted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affekt._files import atomic_write
from affekt.cli.predict import Job, check, spare_inputs
from affekt.cli.predict_run import Session
from affekt.cli.predict_table import NEXT_BEST, answer
from affekt.cli.shares_table import is_long, print_shares
from affekt.cli.terminal import clock, console, in_all, percent, shown
from affekt.errors import InputError
from affekt.labels import parse_labels
from affekt.types import Prediction, Result

if TYPE_CHECKING:
    from rich.text import Text as RichText

    from affekt.explain.sentence import Highlights
    from affekt.recognize.batch import Failure

#: Characters of a sentence in a table.
WIDEST = 70


def predict_texts(job: Job, sources: Sequence[Any], failures: Sequence[Failure]) -> int:
    """``affekt predict`` of texts, or of the words of ``--text``.

    Raises
    ------
    InputError
        If an option is none of text.
    """
    from affekt.recognize.recognizer import Recognizer
    from affekt.text.captions import Text

    if job.text is not None:
        if job.paths or job.modality not in ("auto", "text"):
            raise InputError("--text is judged alone: leave files and other modalities out.")
        if not job.text.strip():
            raise InputError("--text holds no words; give a sentence.")
        sources = [Text(job.text)]
    wrong = {
        "--reference": job.reference, "--speaker-from": job.speaker_from, "--one-speaker": job.one_speaker,
        "--track": job.track, "--channel": job.channel != "mix", "--annotate": job.annotate, "--seconds": job.seconds,
        "--smoothing": job.smoothing is not None, "--coverage": job.coverage is not None, "--detector": job.detector,
        "--captions": job.captions,
    }  # fmt: skip
    if given := [option for option, value in wrong.items() if value]:
        raise InputError(f"{', '.join(given)}: not for text; leave it out.")
    if job.plot and (not job.explain or not (job.plot.is_dir() or job.plot.suffix.lower() == ".html")):
        raise InputError("--plot of texts is a page of highlighted words: give --explain --plot FILE.html, or FOLDER/.")
    if job.plot and not job.plot.is_dir() and (len(sources) > 1 or not job.plot.parent.is_dir()):
        raise InputError(f"--plot {job.plot}: its folder must be there, and for many texts give FOLDER/.")
    check(replace(job, plot=None), len(sources))
    spare_inputs(job, [source for source in sources if isinstance(source, str)])
    recognizer = Recognizer(job.model or "text", labels=parse_labels(job.labels), threshold=job.threshold)
    if recognizer.card.modality != "text":
        raise InputError(f"{recognizer.card.name} is a model of {recognizer.card.modality}; texts need one of text.")
    return TextSession(job, recognizer, sources, failures).run()


class TextSession(Session):
    """One run of ``affekt predict`` on texts."""

    def __init__(self, job: Job, recognizer: Any, sources: Sequence[Any], failures: Sequence[Failure]) -> None:
        super().__init__(job, recognizer, sources, failures)
        self._highlights: dict[str, list[Highlights]] = {}

    def one(self) -> None:
        """A single text: its sentences, in full."""
        result = self._analysed(self.sources[0])
        self._tell_warnings(result)
        if self.job.form == "table":
            print_sentences(result, self._highlights.get(result.source, ()))
        else:
            self._write([result])

    def many(self) -> None:
        """Many texts: one line or record each; with explanations, the sentences of each."""
        if self.job.form != "table":
            super().many()
            return
        results = list(self._results())
        if self.job.explain:
            for result in results:
                print_sentences(result, self._highlights.get(result.source, ()))
        elif results:
            print_texts(results)

    def _analysed(self, source: Any) -> Result:
        result: Result = self.recognizer.analyse(source)
        if self.job.explain:
            from affekt.explain.sentence import highlight

            self._highlights[result.source] = [highlight(self.recognizer, p) for p in result.predictions]
        if self.job.plot:
            self._save_page(result, self.job.plot)
        return result

    def _save_page(self, result: Result, path: Path) -> None:
        from affekt.plot.highlight import highlight_page

        path = self._file_for(result.source, path, ".html") if path.is_dir() else path
        with atomic_write(path) as file:
            file.write(highlight_page(result, self._highlights[result.source]))

    def _explained(self, result: Result) -> list[dict[str, Any]]:
        return [found.as_json() for found in self._highlights[result.source]]


def print_sentences(result: Result, highlights: Sequence[Highlights] = ()) -> None:
    """One text: a row for each sentence or cue, and what it is in all."""
    from rich.table import Table
    from rich.text import Text

    timed = result.duration > 0
    people = any(p.who for p in result.predictions)
    weak = any(p.reason for p in result.predictions)
    table = Table(box=None, pad_edge=False)
    for heading in (*(["start", "end"] if timed else []), *(["who"] if people else [])):
        table.add_column(heading, no_wrap=True)
    table.add_column("sentence", ratio=1)
    for heading in ("emotion", "conf.", NEXT_BEST.heading, *(["weak because"] if weak else [])):
        table.add_column(heading)
    for i, p in enumerate(result.predictions):
        said = shown(p.text or "")
        table.add_row(
            *([clock(p.start), clock(p.end)] if timed else []),
            *([Text(shown(p.who or ""))] if people else []),
            highlighted(highlights[i])
            if highlights
            else Text(said if len(said) <= WIDEST else f"{said[: WIDEST - 1]}…"),
            Text(p.answer),
            percent(p.confidence),
            Text(NEXT_BEST.of(p)),
            *([Text(p.reason)] if weak else []),
        )
    screen = console()
    count = len(result.predictions)
    screen.print(Text(f"{shown(result.source)}: {'1 sentence' if count == 1 else f'{count} sentences'}"))
    if is_long(result):
        print_shares(result)
    if result.predictions:
        screen.print(table)
    screen.print(Text(in_all(result.summary, _answer(result.summary))))
    for who, summary in result.summaries.items() if len(result.summaries) > 1 else ():
        screen.print(Text(f"{shown(who)}, {in_all(summary, _answer(summary))}"))
    if highlights:
        from affekt.explain.sentence import NOTE

        marks = "Bold: words that speak for the label; underlined: against it."
        if not screen.is_terminal:
            marks = "A terminal, --plot FILE.html and --format json mark words that speak for the label or against it."
        screen.print(Text(f"{marks} {NOTE}"))


def print_texts(results: Sequence[Result]) -> None:
    """Many texts: a row for each."""
    from rich.table import Table
    from rich.text import Text

    timed = any(result.duration for result in results)
    table = Table("text", *(["length"] if timed else []), "sentences", "emotion", "confidence", NEXT_BEST.heading,
                  box=None, pad_edge=False)  # fmt: skip
    for result in results:
        p = result.summary
        length = [clock(result.duration)] if timed else []
        table.add_row(Text(shown(result.source)), *length, str(len(result.predictions)), Text(p.answer),
                      percent(p.confidence), Text(NEXT_BEST.of(p)))  # fmt: skip
    console().print(table)


def highlighted(found: Highlights) -> RichText:
    """A sentence for the terminal: bold words speak for its label, underlined ones against it."""
    from rich.text import Text

    text = Text(shown(found.text))
    if len(text.plain) != len(found.text):
        return text  # escapes have moved the words
    for (start, end), share in zip(found.places, found.shares, strict=True):
        if share >= 0.25:
            text.stylize("bold blue" if share >= 0.6 else "bold", start, end)
        elif share <= -0.25:
            text.stylize("underline yellow", start, end)
    return text


def _answer(summary: Prediction) -> str:
    return answer(summary, NEXT_BEST)
