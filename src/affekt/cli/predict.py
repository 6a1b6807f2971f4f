"""``affekt predict``: emotions over time in recordings."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.annotated import annotation, check_annotate
from affekt.cli.explained import beside, check_form, explaining_writer, print_explained, save_maps
from affekt.cli.predict_table import NEXT_BEST, NOTHING, Also, answer, print_overview, print_timeline
from affekt.cli.terminal import SOME_FAILED, Target, percent, polite, progress, shown
from affekt.errors import AffektError, AudioError, InputError
from affekt.labels import parse_labels
from affekt.types import Result
from affekt.write.binary import BINARY, NEEDED
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
    annotate: Path | None
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
    smoothing: float | None = None
    modality: str = "auto"
    text: str | None = None
    captions: str | None = None
    seconds: float | None = None
    detector: str | None = None

    def of_speech(self) -> dict[str, Any]:
        """The options that only speech has, and what was said of them."""
        return {
            "--explain": self.explain, "--coverage": self.coverage is not None, "--reference": self.reference,
            "--speaker-from": self.speaker_from, "--one-speaker": self.one_speaker, "--track": self.track,
            "--channel": self.channel != "mix",
        }  # fmt: skip

    def face_options(self) -> dict[str, Any]:
        """What was said of how faces are looked for and followed."""
        return {name: value for name in ("smoothing", "detector") if (value := getattr(self, name)) is not None}


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--captions",
    metavar="FILE|LANGUAGE",
    help="Subtitles of a video: a file (srt, vtt, csv), or the language or number of those inside of it. [default: a "
    "file of its name beside it, else those inside]",
)
@click.option("--text", metavar="WORDS", help="Sentences to judge, instead of files.")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["table", *WRITERS, *BINARY]),
    help="[default: what the name of --output ends in, else table]",
)
@click.option("-o", "--output", type=Target(), help="File; or FOLDER/, for one file per recording.")
@click.option("--plot", type=Target(), help="Picture of the timeline (png, svg, pdf); for many recordings FOLDER/.")
@click.option("--annotate", type=Target(), help="Draw boxes and labels into a picture or video; for many FOLDER/.")
@click.option(
    "--model",
    help="A name from `affekt models`, or FILE.onnx. [default: that of the modality]",
)
@click.option(
    "--modality",
    type=click.Choice(["auto", "speech", "face", "text", "fusion"]),
    default="auto",
    show_default=True,
    help="What to recognise. auto: speech in sound, faces in pictures, words in texts, and in videos all of it.",
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
@click.option(
    "--smoothing",
    type=click.FloatRange(0, 10),
    help="Seconds over which the answers about a face in a video are averaged; 0: not at all. [default: 0.4]",
)
@click.option(
    "--detector", metavar="NAME|FILE.onnx", help="Finds the faces: yunet, haar, or a file. [default: affekt's own]"
)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Of a camera. [default: until Ctrl-C]")
@click.option("-r", "--recursive", is_flag=True, help="Look into the folders of a folder, too.")
@polite
def predict(**options: Any) -> int:
    """Emotions over time in recordings, in the faces of pictures and videos, and in written words.

    PATH is a recording in any common format (sound or video), a picture, a text
    (txt, srt, vtt, csv), a folder, a pattern, - for standard input, or a camera (webcam:0,
    rtsp://...), which Ctrl-C or --seconds ends. The exit status is 0 when all went well,
    1 when some recordings failed (they are named on stderr, the others are
    written), 2 when the command was wrong.
    """
    from affekt.face.camera import is_camera
    from affekt.recognize.batch import find_recordings

    options["form"] = options["form"] or form_of(options["output"])
    job = Job(**options)
    if not job.paths and job.text is None:
        raise click.UsageError("Missing argument 'PATH...'.")
    if job.text is not None:
        from affekt.cli.texts import predict_texts

        return predict_texts(job, [], [])
    # What an http address holds is not fetched: it may be a recording, and the user's to download.
    if any(is_camera(path) and not path.lower().startswith("http") for path in job.paths):
        return watch_camera(job)
    if job.seconds:
        raise InputError("--seconds is for cameras, which have no end.")
    left_out: Counter[str] = Counter()
    wanted = "text" if "text" in (job.modality, job.model) else None
    sources, failures = find_recordings(job.paths, recursive=job.recursive, left_out=left_out, modality=wanted)
    if left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in left_out.most_common(5))
        click.echo(f"note: files left out, as their names are none of recordings: {shown(kinds)}", err=True)
    modality = job.modality if job.modality != "auto" or job.model else modality_of(job, sources)
    if "text" in (modality, wanted):
        from affekt.cli.texts import predict_texts

        return predict_texts(job, sources, failures)
    check(job, len(sources))
    spare_inputs(job, sources)
    if job.captions and modality != "fusion":
        raise InputError("--captions are of a video whose voice and faces are looked at, too: --modality fusion.")
    if modality == "fusion":
        return predict_media(job, sources, failures)
    recognizer = recognizer_of(job, modality)
    session = Session(job, with_baseline(job, recognizer), sources, failures)
    if job.reference and job.explain:
        from affekt.explain.words import reference_of

        session.reference = reference_of(job.reference, recognizer)
    if job.speaker_from:
        session.learn_speakers()
    return session.run()


def form_of(output: Path | None) -> str:
    """The format that the name of a file asks for, where nobody gives one; for the screen the table.

    Raises
    ------
    InputError
        If the name ends in none.
    """
    if output is None or output.is_dir():
        return "table"
    # A .txt may be anything; the longest first, because .shares.csv is one of .csv, too.
    endings = {suffix: form for form, suffix in SUFFIXES.items() if suffix != ".txt"} | {".parquet": "parquet"}
    for suffix in sorted(endings, key=len, reverse=True):
        if output.name.lower().endswith(suffix.lower()):
            return endings[suffix]
    raise InputError(
        f"--output {output}: its ending says no format; give --format, or a name in {', '.join(sorted(endings))}."
    )


def recognizer_of(job: Job, modality: str) -> Recognizer:
    """The recogniser that a command asks for, of speech or of faces.

    Raises
    ------
    InputError
        If an option is none of its modality.
    """
    from affekt.recognize.recognizer import Recognizer

    default = {"auto": "voice", "speech": "voice"}.get(modality, modality)
    recognizer = Recognizer(job.model or default, labels=parse_labels(job.labels), threshold=job.threshold)
    if modality not in ("auto", recognizer.card.modality):
        raise InputError(f"{recognizer.card.name} is a model of {recognizer.card.modality}, not of {modality}.")
    if job.annotate and recognizer.card.modality != "face":
        raise InputError(f"--annotate is for faces; {recognizer.card.name} is a model of {recognizer.card.modality}.")
    if job.face_options():
        recognizer = recognizer.with_options(**job.face_options())
    if job.explain and recognizer.card.modality != "speech":
        raise InputError(
            f"--explain puts voices into words; {recognizer.card.name} is a model of {recognizer.card.modality}. "
            "For maps: affekt explain PATH --output DIR."
        )
    if job.channel != "mix" or job.track:
        recognizer = recognizer.reading(channel=job.channel, track=job.track)
    if job.coverage is not None:
        recognizer.label_set(NOTHING, job.coverage)  # says at once when the model cannot
    return recognizer


def watch_camera(job: Job) -> int:
    """``affekt predict`` of a camera: until Ctrl-C, or for so many seconds; then as for a recording."""
    from affekt.cli.stream import ended_by_signals
    from affekt.face.camera import Camera, CameraOptions
    from affekt.recognize.recognizer import Recognizer

    if len(job.paths) > 1:
        raise InputError("a camera is watched alone; give one, and no files beside it.")
    wrong = {**job.of_speech(), "--captions": job.captions, "--modality": job.modality not in ("auto", "face")}
    if given := [option for option, value in wrong.items() if value]:
        raise InputError(f"{', '.join(given)}: is not for a camera, whose faces are watched.")
    check(job, 1)
    recognizer = Recognizer(job.model or "face", labels=parse_labels(job.labels), threshold=job.threshold)
    if recognizer.card.modality != "face":
        raise InputError(
            f"{recognizer.card.name} is a model of {recognizer.card.modality}; a camera needs one of face."
        )
    if job.face_options():
        recognizer = recognizer.with_options(**job.face_options())

    def warn(sentence: str) -> None:
        click.echo(f"warning: {shown(sentence)}", err=True)

    camera = Camera(job.paths[0], CameraOptions(seconds=job.seconds), warn=warn)
    with ended_by_signals(camera.stop):
        Session(job, recognizer, [camera], []).one()
    return 0


def modality_of(job: Job, sources: Sequence[str]) -> str:
    """What to recognise where nobody says it: by the names of the files, and by options that only one modality has.

    Raises
    ------
    InputError
        If there are pictures and recordings.
    """
    from affekt.face.image import PICTURES
    from affekt.face.video import VIDEOS
    from affekt.text.captions import EXTENSIONS as TEXTS

    if job.annotate or job.face_options():
        return "face"
    endings = [os.path.splitext(source)[1][1:].lower() for source in sources]
    texts = sum(e in TEXTS for e in endings)
    if texts and texts < len(sources):
        raise InputError(f"{texts} of {len(sources)} files are texts; give them without the others.")
    if texts:
        return "text"
    pictures, videos = sum(e in PICTURES for e in endings), sum(e in VIDEOS for e in endings)
    if pictures and pictures < len(sources):
        raise InputError(
            f"{pictures} of {len(sources)} files are pictures, the others have sound: say what to recognise "
            "(--modality face, or --modality speech), or give them one after the other."
        )
    if pictures:
        return "face"
    if videos < len(sources) or not videos or job.labels or any(job.of_speech().values()):
        return "speech"
    return "fusion"


def predict_media(job: Job, sources: Sequence[str], failures: Sequence[Failure]) -> int:
    """``affekt predict`` of videos: voice, faces, and what they say together."""
    from affekt.recognize.media import MediaRecognizer
    from affekt.text.embedded import names_track

    wrong = {
        "--model": job.model, "--labels": job.labels, **job.of_speech(), "--annotate": job.annotate,
        "--smoothing": job.smoothing is not None, "--detector": job.detector,
    }  # fmt: skip
    if given := [option for option, value in wrong.items() if value]:
        raise InputError(f"{', '.join(given)}: is for one modality; name it: --modality speech, or --modality face.")
    captions: Path | str | None = job.captions
    if captions and os.path.isfile(captions):
        captions = Path(captions)
        if len(sources) != 1:
            raise InputError(f"--captions {captions} are of one video, and there are {len(sources)}.")
    elif captions and not names_track(captions):
        raise InputError(
            f"--captions {captions}: no such file; allowed: a file (srt, vtt, csv), or of subtitles inside of the "
            "video the language (de) or the number (2)."
        )
    session = Session(job, MediaRecognizer(threshold=job.threshold, captions=captions), sources, failures)
    return session.run()


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


def check(job: Job, count: int) -> None:
    """Raise InputError where options do not go together, or what was asked for cannot be written."""
    if job.explain:
        check_form(job.form)
    if sum([bool(job.reference), bool(job.speaker_from), job.one_speaker]) > 1:
        raise InputError("--reference, --speaker-from and --one-speaker are three ways to know a speaker; give one.")
    if job.coverage is not None and job.form != "table":
        raise InputError(f"--coverage is for the table; {job.form} holds the scores that sets are made of.")
    if job.coverage is not None and job.labels:
        raise InputError("--coverage holds for all of the model's labels; leave --labels out.")
    if job.form == "table" and job.output:
        raise InputError("--output needs a --format to write, such as csv; the table is for the screen.")
    into_folder = job.output is not None and job.output.is_dir()
    if job.form in BINARY and not job.output:
        raise InputError(f"{job.form} is no text for the screen; say where to write it: --output.")
    if job.form in BINARY:
        require(NEEDED[job.form], extra=job.form)  # now, not when all recordings are done
    if job.form in ONE_RECORDING and count > 1 and not into_folder:
        raise InputError(f"{job.form} holds one recording, and there are {count}: give --output FOLDER/.")
    _check_targets(job, count)


def _check_targets(job: Job, count: int) -> None:
    """Raise InputError where what was asked for cannot be written."""
    targets = {"--output": job.output, "--plot": job.plot, "--annotate": job.annotate}
    for option, path in targets.items():
        if path and not path.parent.is_dir():
            raise InputError(f"{option} {path}: there is no folder {path.parent}; make it first.")
        if path and option != "--output" and count > 1 and not path.is_dir():
            raise InputError(f"{option} {path}: for {count} recordings give a folder: {option} FOLDER/.")
    if job.plot:
        _picture_form(job.plot)
        require("matplotlib", extra="plot")
    if job.annotate:
        check_annotate(job.annotate)
    files = [path for path in targets.values() if path and not path.is_dir()]
    if len(set(files)) < len(files):
        given = " and ".join(option for option, path in targets.items() if path in files)
        raise InputError(f"{given} are both {files[-1]}; give two files.")


def spare_inputs(job: Job, sources: Sequence[str]) -> None:
    """Raise InputError where an output is one of the inputs."""
    for path in (job.output, job.plot, job.annotate, beside(job.plot) if job.plot and job.explain else None):
        if path and path.is_file() and any(os.path.exists(s) and path.samefile(s) for s in sources if s != "-"):
            raise InputError(f"{path} is one of the recordings and would be overwritten; give another file.")


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
            click.echo(f"{few}; it takes {LEAST_SECONDS['any']:g} s of other speech of theirs.", err=True)

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
    form = _picture_form(path)
    figure = draw_timeline(data)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format=form)
