"""``affekt stream``: emotions in a signal while it arrives, from a pipe or a file."""

from __future__ import annotations

import json
import os
import signal as signals
import sys
import time
import wave
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt.cli.predict_table import NEXT_BEST, answer
from affekt.cli.terminal import INTERRUPTED, Target, polite, shown
from affekt.errors import AffektError, InputError, UnknownName
from affekt.labels import loss_of, parse_labels

if TYPE_CHECKING:
    import numpy as np

    from affekt.recognize.live import Event, Live, LiveChannels
    from affekt.recognize.recognizer import Recognizer
    from affekt.speech.channels import ReadOptions
    from affekt.speech.pipe import Arriving

#: The events without --events: levels come ten times a second, and are for meters.
USUAL = ("speech_start", "speech_end", "partial", "segment", "summary")
#: Endings of names that promise something else than JSON lines.
FOREIGN = (".csv", ".srt", ".textgrid", ".eaf", ".rttm", ".parquet", ".html", ".xlsx", ".tsv")
#: Seconds that are read at a time.
PIECE = 0.1
#: Samples that fit in a WAV file, whose sizes have 32 bits.
_MOST_SAMPLES = (1 << 31) - (1 << 10)


@dataclass(frozen=True)
class Job:
    """What ``affekt stream`` and ``affekt listen`` have in common."""

    model: str = "voice"
    labels: str | None = None
    threshold: float | None = None
    reference: str | None = None
    record: Path | None = None
    output: Path | None = None
    events: str | None = None


def live_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of :class:`Job`."""
    options = [
        click.option("--model", default="voice", show_default=True, help="A name from `affekt models`, or FILE.onnx."),
        click.option("--labels", help="A set (four, ...), labels (angry,sad), or groups (bad=angry+sad,good=happy)."),
        click.option(
            "--threshold",
            type=click.FloatRange(0, 1),
            help="Not sure below this confidence; 0 always answers. [default: the card's]",
        ),
        click.option(
            "--reference", metavar="FILE", help="The speaker's neutral voice: at least 1 s of speech, better 10 s."
        ),
        click.option(
            "--record",
            type=Target(),
            metavar="FILE.wav",
            help="Keep the sound (16 bits). Only with the consent of everyone who can be heard.",
        ),
        click.option("-o", "--output", type=Target(), metavar="FILE.jsonl", help="Events, a line each; - is stdout."),
        click.option(
            "--events", metavar="TYPES", help=f"Such as partial,segment; or all. [default: {', '.join(USUAL)}]"
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("source", metavar="PATH|-")
@click.option("--raw", "kind", type=click.Choice(["pcm16", "float32"]), help="Bare samples without a header.")
@click.option("--sampling-rate", type=click.IntRange(4_000, 768_000), help="For --raw. [default: 16000]")
@click.option("--channels", type=click.IntRange(1, 32), help="For --raw, interleaved. [default: 1]")
@click.option(
    "--channel",
    default="mix",
    show_default=True,
    metavar="mix|left|right|1..n|each",
    help="For stereo and more; with `each`, every channel has its own events, named in the field who.",
)
@click.option("--track", metavar="N|LANGUAGE", help="Sound track of a video. [default: the one that players play]")
@click.option("--realtime", is_flag=True, help="Play a file no faster than real time.")
@live_options
@polite
def stream(
    source: str,
    kind: str | None,
    sampling_rate: int | None,
    channels: int | None,
    channel: str,
    track: str | None,
    realtime: bool,
    **options: Any,
) -> int:
    """Emotions in a signal while it arrives.

    PATH is a recording; - is standard input, read as it comes: a container
    such as wav, ogg, webm or mp3, or bare samples with --raw. On a terminal
    the view moves along; otherwise each event is a line of JSON, described in
    docs/live.md. Ctrl-C ends it with the summary and complete files, and exit
    status 130.
    """
    job = Job(**options)
    if kind is None and (sampling_rate or channels):
        raise InputError("--sampling-rate and --channels are for --raw; a container states its own.")
    check(job, source)
    from affekt.speech.channels import ReadOptions
    from affekt.speech.pipe import RawForm, raw

    said: list[str] = []
    reading = ReadOptions(channel, track)
    with ExitStack() as stack:
        if kind:
            file = _standard_input() if source == "-" else stack.enter_context(open(source, "rb"))
            named = ("standard input" if source == "-" else source, said.append)
            sound = raw(file, RawForm(kind, sampling_rate or 16_000, channels or 1), named=named, options=reading)
        else:
            sound = _contained(source, stack, said.append, reading)
        pieces = cut(sound.pieces, sound.sampling_rate)
        return follow(job, sound, paced(pieces, sound.sampling_rate) if realtime else pieces, said=said)


def _contained(source: str, stack: ExitStack, warn: Callable[[str], None], reading: ReadOptions) -> Arriving:
    from affekt.speech.audio import blocks
    from affekt.speech.decoded import SAMPLING_RATE
    from affekt.speech.pipe import Arriving, contained

    if source != "-":
        return Arriving(source, SAMPLING_RATE, blocks(source, warn=warn, options=reading))
    file = _standard_input()
    if file.seekable():
        return Arriving("standard input", SAMPLING_RATE, blocks(file, warn=warn, options=reading))
    return contained(file, stack, named=("standard input", warn), options=reading)


def _standard_input() -> Any:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("standard input brings no signal; use it as in: ffmpeg ... -f wav - | affekt stream -")
    return sys.stdin.buffer


def check(job: Job, source: str | None = None) -> None:
    """Raise InputError where files of a job cannot be written, or an event does not exist."""
    event_types(job.events)
    paths = [path for path in (job.record, job.output) if path and str(path) != "-"]
    for path in paths:
        if path.is_dir() or not path.parent.is_dir():
            raise InputError(f"{path}: give a file in a folder that exists.")
        if source and source != "-" and os.path.exists(source) and path.exists() and path.samefile(source):
            raise InputError(f"{path} is the recording itself and would be overwritten; give another file.")
    if job.record and str(job.record) == "-":
        raise InputError("--record needs a file; events go to standard output.")
    if job.record and job.record.suffix.lower() not in ("", ".wav"):
        raise InputError(f"--record {job.record}: it writes wav; give a name that ends in .wav.")
    if job.output and job.output.suffix.lower() in FOREIGN:
        raise InputError(f"--output {job.output}: events are JSON lines; give a name that ends in .jsonl.")
    if len({path.absolute() for path in paths}) < len(paths):
        raise InputError(f"--record and --output are both {job.record}; give two files.")


def event_types(events: str | None) -> tuple[str, ...]:
    """Types of events that ``--events`` asks for.

    Raises
    ------
    UnknownName
        If there is no such type.

    Examples
    --------
    >>> event_types("partial, summary")
    ('partial', 'summary')
    """
    from affekt.recognize.live import TYPES

    if events is None:
        return USUAL
    if events.strip() == "all":
        return TYPES
    names = tuple(name.strip() for name in events.split(","))
    for name in names:
        if name not in TYPES:
            raise UnknownName("event", name, TYPES)
    return names


def recognizer_of(job: Job) -> Recognizer:
    """The recogniser that a job asks for."""
    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path
    from affekt.recognize.recognizer import Recognizer
    from affekt.speech.stream import LIVE

    card = read_card(model_path(job.model))
    if card.modality != "speech":
        raise InputError(f"{card.name} is a model of {card.modality}; a stream of sound needs one of speech.")
    recognizer = Recognizer(job.model, labels=parse_labels(job.labels), threshold=job.threshold, options=LIVE)
    return recognizer.adapt([job.reference]) if job.reference else recognizer


def follow(
    job: Job,
    sound: Arriving,
    pieces: Iterable[np.ndarray],
    *,
    said: list[str],
    interrupted: int = INTERRUPTED,
) -> int:
    """Hear pieces of a sound to their end or to Ctrl-C; tell, show and keep what was asked for.

    Parameters
    ----------
    job : Job
    sound : Arriving
        Its name and rate.
    pieces : iterable of float32 array, shape (n,) or (n, channels)
    said : list of str
        Sentences about the sound, shown at the end; may grow meanwhile.
    interrupted : int
        Exit status after Ctrl-C.

    Returns
    -------
    int
        The exit status.
    """
    import numpy as np

    from affekt.recognize.live import Live, LiveChannels

    recognizer = recognizer_of(job)
    if lost := recognizer.label_map.lost:
        said.append(loss_of(lost, recognizer.labels))
    # Whether there are several channels is known when the first piece is there.
    pieces = iter(pieces)
    first = next(pieces, np.zeros(0, np.float32))
    pieces = chain([first], pieces)
    live: Live | LiveChannels = Live(recognizer, sampling_rate=sound.sampling_rate)
    channels = 1
    if first.ndim == 2:
        channels = first.shape[1]
        live = LiveChannels(recognizer, channels, sampling_rate=sound.sampling_rate)
    with ended_by_signals(), _recording(job.record, sound.sampling_rate, said, channels=channels) as keep:
        session = Session(job, live, (sound.name, recognizer.labels), said)
        # What came before something went wrong is complete, too.
        ending = session.hear(pieces, keep)
    for sentence in dict.fromkeys(said):
        click.echo(f"warning: {shown(sentence)}", err=True)
    if isinstance(ending, KeyboardInterrupt):
        return interrupted
    if ending is not None:
        raise ending
    return 0


class Session:
    """One run: pieces in; events to a file or a pipe, and to the view on a terminal.

    Parameters
    ----------
    job : Job
    live : Live or LiveChannels
    named : (str, tuple of str)
        The stream, and the labels.
    said : list of str
        Sentences; the view shows the newest.
    """

    def __init__(
        self, job: Job, live: Live | LiveChannels, named: tuple[str, tuple[str, ...]], said: list[str]
    ) -> None:
        self._live, self._named, self._said, self._types = live, named, said, event_types(job.events)
        self._output = job.output
        self._view: Any = None
        self._file: Any = None

    def hear(self, pieces: Iterable[np.ndarray], keep: Callable[[np.ndarray], None]) -> BaseException | None:
        """Hear all pieces; return what ended them before their end."""
        ending: BaseException | None = None
        try:
            with ExitStack() as stack:
                self._file = stack.enter_context(self._lines())
                self._view = stack.enter_context(self._screen()) if self._shows() else None
                try:
                    for piece in pieces:
                        keep(piece)
                        self._tell(self._live.feed(piece))
                except (KeyboardInterrupt, AffektError, OSError) as error:
                    ending = error
                if not isinstance(ending, BrokenPipeError):
                    self._tell(self._live.flush())
        except BrokenPipeError as error:
            ending = error
        return ending

    def _shows(self) -> bool:
        return sys.stdout.isatty() and str(self._output) != "-"

    def _screen(self) -> Any:
        from affekt.cli.live_view import LiveView

        return LiveView(*self._named)

    @contextmanager
    def _lines(self) -> Iterator[Any]:
        if self._output and str(self._output) != "-":
            with open(self._output, "w", encoding="utf-8", newline="") as file:
                yield file
        else:
            yield None if self._shows() else sys.stdout

    def _tell(self, events: Iterable[Event]) -> None:
        events = list(events)
        if self._file:
            lines = [
                json.dumps(event.as_table(), allow_nan=False) + "\n" for event in events if event.type in self._types
            ]
            if lines:
                self._file.write("".join(lines))
                self._file.flush()
        if self._view:
            self._view.see(events)
            summary = next((e.prediction for e in events if e.type == "summary"), None)
            if summary:
                who = "in all" if summary.who is None else summary.who
                self._view.note = f"{who}: {answer(summary, NEXT_BEST)}"
            elif self._said:
                self._view.note = f"warning: {shown(self._said[-1])}"


@contextmanager
def ended_by_signals(stop: Callable[[], None] | None = None) -> Iterator[None]:
    """Let a polite kill (of systemd, say) end a run as Ctrl-C does; with ``stop``, both call it and raise nothing."""

    def end(number: int, frame: Any) -> None:
        if stop is None:
            raise KeyboardInterrupt
        stop()

    numbers = (signals.SIGTERM,) if stop is None else (signals.SIGTERM, signals.SIGINT)
    before = [signals.signal(number, end) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signals.signal(number, handler)


@contextmanager
def _recording(
    path: Path | None, sampling_rate: int, said: list[str], *, channels: int
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield a function that writes pieces, (n,) or (n, channels), to a 16-bit WAV file, named when complete."""
    if path is None:
        yield lambda piece: None
        return
    import numpy as np

    with atomic_write(path, "wb") as file, wave.open(file, "wb") as recording:
        recording.setparams((channels, 2, sampling_rate, 0, "NONE", ""))

        def keep(piece: np.ndarray) -> None:
            if channels * (recording.tell() + len(piece)) > _MOST_SAMPLES:
                said.append(
                    f"{path}: is full after {recording.tell() / sampling_rate / 3600:.1f} h; the rest is not kept."
                )
                return
            samples = np.clip(np.round(32768 * piece.astype(np.float64)), -32768, 32767)
            recording.writeframesraw(samples.astype("<i2").tobytes())

        yield keep


def cut(pieces: Iterable[np.ndarray], sampling_rate: int) -> Iterator[np.ndarray]:
    """Pieces (n,) of at most :data:`PIECE` seconds."""
    size = max(1, int(PIECE * sampling_rate))
    for piece in pieces:
        for start in range(0, len(piece), size):
            yield piece[start : start + size]


def paced(pieces: Iterable[np.ndarray], sampling_rate: int) -> Iterator[np.ndarray]:
    """Pieces (n,) no earlier than they would have been spoken."""
    began, done = time.monotonic(), 0
    for piece in pieces:
        done += len(piece)
        time.sleep(max(0.0, began + done / sampling_rate - time.monotonic()))
        yield piece
