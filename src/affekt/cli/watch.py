"""``affekt watch``: faces of a camera or a video while they are seen, in a window, a terminal, or as events."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt.cli.stream import ended_by_signals
from affekt.cli.terminal import INTERRUPTED, Target, clock, percent, polite, shown
from affekt.errors import InputError, MissingExtra
from affekt.labels import parse_labels
from affekt.plot.colours import colours

if TYPE_CHECKING:
    from affekt.face.video import Frame
    from affekt.recognize.live import Event
    from affekt.types import Prediction

#: Seconds that a frame of a file may be late before it is passed over.
LATE = 0.1
#: Faces and segments that the terminal shows, and the widest bar, in characters.
LISTED, WIDEST = 8, 30
#: Largest width and height that the window opens at.
WINDOW = (1280, 720)
TITLE = "affekt watch (q ends)"

See = Callable[["Frame", "Sequence[Event]", "Sequence[Prediction]"], None]


@click.command()
@click.argument("source", metavar="CAMERA|PATH")
@click.option("--model", default="face", show_default=True, help="A name from `affekt models`, or FILE.onnx.")
@click.option("--labels", help="A set (four, ...), labels (angry,sad), or groups (bad=angry+sad,good=happy).")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Not sure below this confidence; 0 always answers. [default: the card's]",
)
@click.option(
    "--smoothing", type=click.FloatRange(0, 10), default=0.4, show_default=True, help="Seconds averaged; 0: not at all."
)
@click.option(
    "--detector", metavar="NAME|FILE.onnx", help="Finds the faces: yunet, haar, or a file. [default: affekt's own]"
)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Stop after this long. [default: Ctrl-C]")
@click.option("--window", is_flag=True, help="Show the picture with its faces; needs opencv-python, not headless.")
@click.option("-o", "--output", type=Target(), metavar="FILE.jsonl", help="Events, a line each; - is stdout.")
@polite
def watch(source: str, seconds: float | None, window: bool, output: Path | None, **options: Any) -> int:
    """Emotions in faces of a camera or a video, live.

    CAMERA is webcam:0, rtsp://... or http://... (jpegs); PATH is a video,
    which is watched as fast as it plays. On a terminal the view moves along;
    otherwise each event is a line of JSON, described in docs/live.md. Ctrl-C
    ends it with the summary and exit status 130. Nothing is kept but what
    --output asks for.
    """
    from affekt.face.camera import Camera, CameraOptions, is_camera
    from affekt.face.stream import frames_of
    from affekt.recognize.live_faces import LiveFaces
    from affekt.recognize.recognizer import Recognizer

    if output and str(output) != "-" and (output.is_dir() or not output.parent.is_dir()):
        raise InputError(f"{output}: give a file in a folder that exists.")
    recognizer = Recognizer(options["model"], labels=parse_labels(options["labels"]), threshold=options["threshold"])
    if recognizer.card.modality != "face":
        raise InputError(f"{recognizer.card.name} is a model of {recognizer.card.modality}; watch takes one of face.")
    following = {"smoothing": options["smoothing"]}
    if options["detector"] is not None:
        following["detector"] = options["detector"]
    live = LiveFaces(recognizer.with_options(**following))
    stopped: list[bool] = []
    warnings: list[str] = []
    camera = Camera(source, CameraOptions(seconds=seconds), warn=warnings.append) if is_camera(source) else None
    frames = camera.frames() if camera else _paced(frames_of(source, warn=warnings.append), seconds, stopped)

    def stop() -> None:
        stopped.append(True)
        if camera:
            camera.stop()

    with ExitStack() as stack:
        views = [stack.enter_context(view) for view in _views(shown(source), recognizer.labels, window, output)]
        stack.enter_context(ended_by_signals(stop))
        for frame in frames:
            events = live.feed(frame)
            for see in views:
                if see(frame, events, live.current) is False:
                    stop()
            while warnings:
                click.echo(f"warning: {shown(warnings.pop(0))}", err=True)
        last = live.flush()
        for see in views:
            see(None, last, [])
    for sentence in warnings:
        click.echo(f"warning: {shown(sentence)}", err=True)
    return INTERRUPTED if stopped and not window else 0


def _paced(frames: Iterable[Frame], seconds: float | None, stopped: list[bool]) -> Iterator[Frame]:
    """Frames of a file as they would be shown; those that come too late are passed over."""
    began, shown_at = time.monotonic(), -math.inf
    for frame in frames:
        early = began + frame.time - time.monotonic()
        if stopped or (seconds is not None and frame.time >= seconds):
            return
        if early > 0:
            time.sleep(early)
        # However slow the machine is, a frame a second is shown.
        if early > -LATE or frame.time - shown_at >= 1.0:
            shown_at = frame.time
            yield frame


def _views(name: str, labels: tuple[str, ...], window: bool, output: Path | None) -> Iterator[Any]:
    """Where it is shown: each a context that gives what takes a frame, its events, and its faces."""
    on_terminal = sys.stdout.isatty() and str(output) != "-"
    if window:
        yield _window(labels)
    elif on_terminal:
        yield _screen(name, labels)
    if output and str(output) != "-":
        yield _lines(output)
    elif not on_terminal and not window:
        yield _lines(None)


@contextmanager
def _lines(path: Path | None) -> Iterator[Any]:
    with ExitStack() as stack:
        file = sys.stdout if path is None else stack.enter_context(open(path, "w", encoding="utf-8", newline=""))

        def see(frame: Any, events: Sequence[Event], faces: Any) -> None:
            file.write("".join(json.dumps(event.as_table(), allow_nan=False) + "\n" for event in events))
            file.flush()

        yield see


@contextmanager
def _window(labels: tuple[str, ...]) -> Iterator[Any]:
    """A window of OpenCV; q closes it."""
    from affekt.plot.annotate import annotated

    try:
        cv2: Any = import_module("cv2")
    except ImportError:
        raise MissingExtra("--window needs OpenCV with windows. Run: pip install 'opencv-python<5'") from None
    try:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    except cv2.error:
        raise InputError(
            "--window: this OpenCV cannot open windows (it is the headless one, or there is no screen); install "
            "opencv-python<5 in its place, or leave --window out."
        ) from None

    sizes = list[tuple[int, int]]()

    def see(frame: Any, events: Any, faces: Sequence[Prediction]) -> bool:
        if frame is None:
            return True
        height, width = frame.pixels.shape[:2]
        if not sizes:  # else it opens at a size of its own; later the user's counts
            scale = min(1.0, WINDOW[0] / width, WINDOW[1] / height)
            sizes.append((round(scale * width), round(scale * height)))
            cv2.resizeWindow(TITLE, *sizes[0])
        cv2.imshow(TITLE, annotated(frame.pixels, faces, labels)[:, :, ::-1])
        closed = cv2.waitKey(1) & 0xFF == ord("q") or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1
        return not closed

    yield see
    cv2.destroyAllWindows()


@contextmanager
def _screen(name: str, labels: tuple[str, ...]) -> Iterator[Any]:
    """The faces of the newest frame, a line each, and the newest segments, in a terminal."""
    from rich.console import Group
    from rich.live import Live as Screen
    from rich.text import Text

    colour_of, segments, summaries = colours(labels), deque[Any](maxlen=LISTED), list[Any]()
    times = deque[float](maxlen=30)

    def drawn(faces: Sequence[Prediction], now: float) -> Group:
        rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
        lines = [Text(f"{name}  {clock(now)}  {len(faces)} faces  {rate:.0f} frames/s")]
        for face in faces[:LISTED]:
            bar = Text("█" * round(WIDEST * face.confidence), style=colour_of.get(str(face.best), ""))
            bar.append(" " * (WIDEST - len(bar)))
            lines.append(Text(f"{shown(face.who or ''):<10}") + bar + f" {face.answer} {percent(face.confidence)}")
            if face.reason:
                lines[-1].append(f"  {face.reason}", style="dim")
        lines.append(Text())
        for p in [*segments, *summaries][-2 * LISTED :]:
            lines.append(Text(f"{clock(p.start):>9} to {clock(p.end):>7}  {shown(p.who or 'in all')}: {p.answer} "
                              f"{percent(p.confidence)}"))  # fmt: skip
        return Group(*lines)

    with Screen(refresh_per_second=15) as screen:

        def see(frame: Any, events: Sequence[Event], faces: Sequence[Prediction]) -> None:
            times.append(time.monotonic())
            for event in events:
                if event.prediction is not None:
                    (segments if event.type == "segment" else summaries).append(event.prediction)
            now = frame.time if frame is not None else (events[-1].time if events else 0.0)
            screen.update(drawn(faces, now))

        yield see
