"""``affekt attendance run``: one camera, video or folder of pictures, watched in a window."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt.attendance import LAW
from affekt.cli.attendance import day_of, gallery_sentences, of_class, opened_roster, print_sheet, stored
from affekt.cli.attendance import embedding as embedding_option
from affekt.cli.terminal import INTERRUPTED, polite, shown
from affekt.errors import ImageError, InputError, StoreError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from affekt.attendance.session import Event, Session
    from affekt.attendance.window import SteadyClock, Window

    Say = Callable[[str], None]
    Timed = tuple[datetime, NDArray[np.uint8] | None]

#: The sentence that --emotion prints: what Article 5(1)(f) of Regulation (EU) 2024/1689 says.
EMOTION_LAW = (
    "EU AI Act, Art. 5(1)(f): it is prohibited to infer emotions of people at work or in education institutions, "
    "except for medical or safety reasons. Research has to be research (Art. 2(6)), with everybody's consent. You say "
    "that this is for: {purpose}. This statement is stored with the data."
)


@dataclass(frozen=True)
class Source:
    """Where frames come from, and how they are to be taken.

    Parameters
    ----------
    frames : callable
        Takes a function that reports a sentence (a camera is gone, the clock was set); gives pictures with the times
        they were taken, or None instead of a picture if there is none yet.
    live : bool
    still : bool
        Single pictures, minutes apart: nobody can be followed from one to the next.
    """

    frames: Callable[[Say], Iterator[Timed]]
    live: bool = False
    still: bool = False


@click.command()
@click.argument("source", metavar="webcam|rtsp://...|VIDEO|FOLDER")
@of_class
@click.option("--from", "start", required=True, metavar="HH:MM", help="When the window opens.")
@click.option("--to", "end", required=True, metavar="HH:MM", help="When the window closes; this minute is outside.")
@click.option("--zone", required=True, metavar="NAME", help="Time zone of the window: Europe/Berlin, ...")
@click.option("--date", "day", metavar="YYYY-MM-DD", help="[default: today, or the day of the recording]")
@click.option("--overnight", is_flag=True, help="The window goes past midnight.")
@click.option("--starts", metavar="TIME", help="When a video began: 2026-11-28T09:29:50.")
@click.option("--late-after", default="10min", show_default=True, metavar="TIME", help="How long after it opens.")
@click.option("--leaves-before", default=None, metavar="TIME", help="How long before it closes. [default: not judged]")
@click.option("--votes", type=click.IntRange(2, 9), default=3, show_default=True, help="Looks that must agree.")
@click.option("--liveness", type=click.Choice(["none", "blink", "turn", "any"]), default="none", show_default=True)
@click.option(
    "--camera", default="camera", show_default=True, metavar="NAME", help="Name to tell cameras of a session apart."
)
@click.option("--leave-open", is_flag=True, help="Do not close the session at the end: another camera still runs.")
@click.option(
    "--keep", default="30d", show_default=True, metavar="TIME", help="Time after which `sweep` deletes the rows."
)
@click.option("--rate", type=click.FloatRange(0.5, 60), default=10.0, show_default=True, help="Frames per second.")
@click.option("--emotion", is_flag=True, help="Also infer emotions; forbidden in class and at work in the EU.")
@click.option("--emotion-purpose", default="", metavar="medical|safety|research-with-consent")
@embedding_option
@stored
@polite
def run(source: str, class_name: str, url: str, key_path: Path, embedder: str, **options: Any) -> int:
    """Watch SOURCE during a time window and mark who is there.

    A row is reported only once it is on the disk. At the end of the window, of
    the recording, or on Ctrl-C, everybody who was not seen gets a row, too.
    """
    from affekt.attendance.roster import sweep
    from affekt.attendance.session import Rules, Session, open_session
    from affekt.attendance.window import span
    from affekt.cli.attendance_faces import facts_of

    if bool(options["emotion"]) != bool(options["emotion_purpose"]):
        raise InputError(
            "--emotion needs --emotion-purpose medical|safety|research-with-consent, and vice versa. Anything "
            "else is forbidden in education and at work (EU AI Act, Art. 5(1)(f))."
        )
    rules = Rules(
        late_after=span(options["late_after"]).total_seconds(),
        leaves_before=span(options["leaves_before"]).total_seconds() if options["leaves_before"] else 0.0,
        votes=options["votes"],
        liveness=options["liveness"],
        purpose=options["emotion_purpose"],
    )
    keep = span(options["keep"])
    span_of, taken = _plan(source, options)
    with opened_roster(url, key_path, class_name) as roster:
        sweep(roster.store)
        gallery, ids = roster.gallery(facts_of(embedder))
        if not ids:
            raise InputError(f"nobody is on the roster of {class_name}. First: affekt attendance consent NAME ...")
        _say(LAW)
        if rules.purpose:
            _say(EMOTION_LAW.format(purpose=rules.purpose))
        for sentence in (*gallery_sentences(gallery), *(f"note: {note}" for note in span_of.notes)):
            _say(sentence)
        number, fresh = open_session(roster.store, roster.name, span_of, rules, keep=keep)
        _say(f"session {number}: {span_of.text()}{'' if fresh else ', which goes on'}")
        session = Session(roster.store, number, gallery, ids, camera=options["camera"])
        status = _watched(session, taken, embedder, options)
        from affekt.attendance.export import sheets

        print_sheet(sheets(roster.store, session=number, emotions=bool(rules.purpose) and _felt(session))[0])
        return status


def _felt(session: Session) -> bool:
    from affekt.attendance.session import table

    return any(row.emotion for row in table(session.store, session.id, emotions=True))


def _plan(source: str, options: dict[str, Any]) -> tuple[Window, Source]:
    """The window and the source, checked before anything is opened."""
    from affekt.attendance.window import SteadyClock, moment, time_zone, window
    from affekt.face.camera import is_camera
    from affekt.face.timed import timed_pictures

    zone = time_zone(options["zone"])

    def around(first: datetime) -> Window:
        day = day_of(options["day"]) if options["day"] else first.astimezone(zone).date()
        return window(options["start"], options["end"], options["zone"], day=day, overnight=options["overnight"])

    if is_camera(source):
        clock = SteadyClock()
        span = around(clock())
        if clock() >= span.closes:
            raise InputError(
                f"the window {span.text()} is over: it is {clock().astimezone(zone):%Y-%m-%d %H:%M}. Give a later "
                "window, or another --date."
            )
        return span, Source(lambda say: _live(source, span, (clock, options["rate"]), say), live=True)
    if options["starts"] and Path(source).is_dir():
        raise InputError("--starts is for a video; pictures say themselves when they were taken.")
    if Path(source).is_dir():
        pictures = timed_pictures(Path(source), zone)
        return around(pictures[0][0]), Source(lambda say: _pictures(pictures, say), still=True)
    if not options["starts"]:
        raise InputError(f"{source}: when did this recording begin? Give --starts 2026-11-28T09:29:50.")
    began = moment(options["starts"], zone)
    return around(began), Source(lambda say: _video(source, began, options["rate"], say))


def _live(source: str, span: Window, pace: tuple[SteadyClock, float], say: Say) -> Iterator[Timed]:
    """Frames of a camera until the window closes; the camera stays off before it opens."""
    from affekt.face.camera import Camera, CameraOptions

    clock, rate = pace
    clock.notify = say
    if clock() < span.opens:
        _say(f"waits until {span.opens.astimezone(span.zone):%H:%M:%S}; the camera is off.")
    while (left := (span.opens - clock()).total_seconds()) > 0:
        time.sleep(min(left, 0.5))
    last = span.opens - timedelta(days=1)
    for frame in Camera(source, CameraOptions(patience=math.inf), warn=say).turns():
        now = clock()
        if now >= span.closes:
            return
        if frame is None or (now - last).total_seconds() >= 0.9 / rate:
            last = last if frame is None else now
            yield now, None if frame is None else frame.pixels


def _video(source: str, began: datetime, rate: float, say: Say) -> Iterator[Timed]:
    from affekt.face.stream import frames_of

    for frame in frames_of(source, warn=say, rate=rate):
        yield began + timedelta(seconds=frame.time), frame.pixels


def _pictures(pictures: list[tuple[datetime, Path]], say: Say) -> Iterator[Timed]:
    from affekt.face.image import read_picture

    for taken, path in pictures:
        try:
            yield taken, read_picture(path)
        except ImageError as error:
            say(f"error: {error}")


def _watched(session: Session, source: Source, embedder: str, options: dict[str, Any]) -> int:
    """Feed the session, and close it; the exit status."""
    watcher = _watcher(session, source, embedder)
    at, began = session.window.opens, session.window.opens
    interrupted = False

    def say(sentence: str) -> None:
        """Report a sentence, and write it to the audit trail: gaps in the recording belong to the session."""
        _say(sentence)
        with suppress(StoreError):
            session.store.note("camera", f"{session.camera}: {sentence}", session=session.id)

    try:
        for at, pixels in source.frames(say):
            seconds = (at - began).total_seconds()
            sightings = watcher.look(pixels, seconds) if pixels is not None else []
            if source.still:
                sightings = session.by_name(sightings)
            for event in session.see(sightings, at):
                _tell(session, event)
    except KeyboardInterrupt:
        interrupted = True
        at = max(at, datetime.now(UTC)) if source.live else at
    if source.live and not interrupted:
        at = session.window.closes
    if session.outside:
        _say(f"note: {session.outside} faces were seen outside the window; they do not count.")
    if options["leave_open"]:
        session.flush(at)
        _say(f"the session stays open: affekt attendance close {session.id}")
    else:
        _close(session, at, patient=source.live)
    return INTERRUPTED if interrupted else 0


def _close(session: Session, at: datetime, *, patient: bool) -> None:
    """Close the session; while the disk is full, wait for room."""
    while True:
        try:
            session.close(at)
            return
        except StoreError as error:
            if not patient:
                raise
            _say(f"error: {error}")
            time.sleep(5)


def _watcher(session: Session, source: Source, embedder: str) -> Any:
    from affekt.face.detect import Detector
    from affekt.face.identity import open_embedder
    from affekt.face.sightings import Watch, Watcher, expressions

    express = None
    if session.rules.purpose:
        from affekt.face.stream import open_faces
        from affekt.labels import label_map
        from affekt.models.zoo import load_model

        model = load_model("face")
        setup = open_faces(model, label_map(model.card.labels, model.card.labels), threshold=model.card.threshold)
        express = expressions(setup)
    began = session.window.opens
    watch = Watch(
        wanted=lambda track, seconds: session.wanted(track, began + timedelta(seconds=seconds)),
        # A live camera must be followed: one face vector per frame leaves some nine frames a second on one core.
        most=1000 if source.still else 1 if source.live else 4,
        signs=session.rules.liveness != "none",
        express=express,
    )
    return Watcher(Detector(), open_embedder(embedder), watch)


def _tell(session: Session, event: Event) -> None:
    there = f"{event.at.astimezone(session.window.zone):%H:%M:%S}"
    if event.kind == "marked" and event.match:
        click.echo(f"{there}  {shown(event.name or '')}  (similarity {event.match.similarity:.3f})")
    elif event.kind in ("waiting", "written"):
        _say(f"{there}  {event.detail}")
    elif event.kind == "unknown":
        _say(f"{there}  {event.track}: {shown(event.name or 'unknown')}, {shown(event.detail)}")
    elif event.kind == "alive":
        _say(f"{there}  {event.track}: a sign of life")


def _say(sentence: str) -> None:
    click.echo(shown(sentence), err=True)
