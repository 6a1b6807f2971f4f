"""``affekt attendance``: who was there, from faces, with consent first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.attendance import LAW
from affekt.cli.terminal import SOME_FAILED, console, polite, shown
from affekt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from affekt.attendance.key import Key
    from affekt.attendance.roster import Roster
    from affekt.attendance.store import Receipt, Store

STORE, KEY = "attendance.sqlite", "attendance.key"


class _WithRun(click.Group):
    """The group, with the one command that needs the most imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order of a first day."""
        return ["consent", "enrol", "roster", "run", "sessions", "report", "correct", "close", "forget", "export",
                "sweep", "audit"]  # fmt: skip

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, or None."""
        if cmd_name != "run":
            return super().get_command(ctx, cmd_name)
        from affekt.cli.attendance_run import run

        return run


@click.group(cls=_WithRun)
def attendance() -> None:
    """Who was there: consent first, then faces, then rows that people can correct.

    The order of a first day: `consent` for everybody, `enrol` with some
    photos, `run` in the window, `report` for the table. docs/attendance.md
    says what the law allows, and how often the camera errs.
    """
    for module in ("sqlalchemy", "cryptography"):
        require(module, extra="attendance")


def stored(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where things are kept."""
    for option in (
        click.option(
            "--key", "key_path", type=click.Path(path_type=Path), envvar="AFFEKT_ATTENDANCE_KEY", default=KEY,
            show_default=True, help="Key file (mode 600); keep it, and a copy, on another disk than the store.",
        ),
        click.option(
            "--store", "url", envvar="AFFEKT_ATTENDANCE_STORE", default=STORE, show_default=True, metavar="PATH|URL",
            help="An SQLite file, or postgresql://user@host/database.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def of_class(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that says whose roster it is."""
    return click.option("--roster", "class_name", required=True, metavar="CLASS", help="Name of the class.")(command)


def embedding(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that says what tells people apart."""
    return click.option(
        "--embedder", default="dlib", show_default=True, metavar="dlib|FILE.onnx",
        help="Model that tells people apart; its card has the task identity.",
    )(command)  # fmt: skip


@contextmanager
def opened(url: str, key_path: Path, *, make: bool = False) -> Iterator[tuple[Store, Key]]:
    """The store and its key; with ``make`` both are made if there is no store.

    Raises
    ------
    InputError
        If there is no store and none is to be made, or its key is missing.
    """
    from affekt.attendance.key import Key
    from affekt.attendance.store import Store

    there = "://" in url or Path(url).exists()
    if not there and not make:
        raise InputError(
            f"{url}: there is no store. Name it (--store), or begin one: affekt attendance consent NAME --roster CLASS"
        )
    # An existing store already has a key: a new one could decrypt nothing in it.
    key = Key.open(key_path, make=make and ("://" in url or not there))
    store = Store(url)
    try:
        store.check_key(key)
        yield store, key
    finally:
        store.close()


@contextmanager
def opened_roster(url: str, key_path: Path, class_name: str, *, make: bool = False) -> Iterator[Roster]:
    """The roster of a class; as :func:`opened`."""
    from affekt.attendance.roster import Roster

    with opened(url, key_path, make=make) as (store, key):
        yield Roster(store, class_name, key)


def day_of(text: str | None) -> date:
    """Parse a date as people write it; None is today.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        return date.fromisoformat(text) if text else datetime.now().astimezone().date()
    except ValueError:
        raise InputError(f"day {text!r}; give YYYY-MM-DD, such as 2026-11-28.") from None


@attendance.command()
@click.argument("name")
@of_class
@click.option("--given-by", metavar="WHO", help="Who consents: the person, or with --guardian their guardian.")
@click.option("--guardian", is_flag=True, help="The person is a minor; a guardian consents.")
@click.option("--notice", metavar="VERSION", help="Version of the notice that they read.")
@click.option("--on", "day", metavar="YYYY-MM-DD", help="When they gave it. [default: today]")
@click.option("--recorded-by", metavar="WHO", default=lambda: os.environ.get("USER", ""), help="Who records it.")
@click.option("--withdraw", is_flag=True, help="Withdraw consent: the face is deleted at once.")
@stored
@polite
def consent(
    name: str, class_name: str, given_by: str | None, guardian: bool, notice: str | None, day: str | None,
    recorded_by: str, withdraw: bool, url: str, key_path: Path,
) -> None:  # fmt: skip
    """Record that NAME consented, or withdrew consent."""
    from affekt.attendance.roster import Consent

    with opened_roster(url, key_path, class_name, make=not withdraw) as roster:
        if withdraw:
            _tell_receipt(roster.withdraw(name))
            return
        if not given_by or not notice:
            raise InputError("a consent needs --given-by WHO and --notice VERSION.")
        person = roster.consent(name, Consent(given_by, notice, day_of(day), guardian, recorded_by))
        who = "their guardian" if guardian else "them"
        click.echo(
            f"{shown(person.name)}: consent recorded, given by {who} ({shown(given_by)}), notice {shown(notice)}"
        )


@attendance.command()
@click.argument("name")
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path))
@of_class
@click.option("--webcam", is_flag=True, help="Take three pictures with the camera of this machine.")
@click.option(
    "--keep", default="365d", show_default=True, metavar="TIME", help="Time after which `sweep` deletes the face."
)
@click.option("--keep-photos", is_flag=True, help="Keep the photos, encrypted. By default only vectors are kept.")
@click.option("--although-similar", is_flag=True, help="Enrol even if somebody else looks alike: twins, siblings.")
@embedding
@stored
@polite
def enrol(
    name: str, photos: tuple[Path, ...], class_name: str, webcam: bool, keep: str, keep_photos: bool,
    although_similar: bool, embedder: str, url: str, key_path: Path,
) -> int:  # fmt: skip
    """Enrol the face of NAME, who consented: three photos or more, of one face each.

    A photo that is not good enough is left out, with the reason; the exit status is then 1.
    """
    from affekt.attendance.window import span
    from affekt.cli.attendance_faces import Faces

    kept = span(keep)
    if bool(photos) == webcam:
        raise InputError("give photos, or --webcam; one of the two.")
    with opened_roster(url, key_path, class_name) as roster:
        roster.consented(name)  # before any face is looked at
        faces = Faces(embedder)
        taken, failures = (faces.from_webcam(), []) if webcam else faces.from_files(photos)
        for failure in failures:
            click.echo(f"error: {shown(failure)}", err=True)
        if not taken:
            raise InputError(f"{name}: none of the photos can be used; nothing is enrolled.")
        if not keep_photos:
            taken = [replace(photo, picture=None) for photo in taken]
        notes = roster.enrol(name, taken, embedder=faces.facts, keep=kept, although_similar=although_similar)
        for note in notes:
            click.echo(f"note: {shown(note)}", err=True)
        person = roster.find(name)
        click.echo(f"{shown(person.name)}: {person.photos} photos enrolled, until {person.keep_until:%Y-%m-%d}")
        click.echo(LAW, err=True)
        return SOME_FAILED if failures else 0


@attendance.command("roster")
@click.argument("class_name", metavar="CLASS")
@click.option("--add", "added", multiple=True, metavar="NAME", help="Add somebody who is marked by hand only.")
@embedding
@stored
@polite
def show_roster(class_name: str, added: tuple[str, ...], embedder: str, url: str, key_path: Path) -> None:
    """Who is on the roster of CLASS, and how well the camera tells them apart."""
    from rich.table import Table

    from affekt.cli.attendance_faces import facts_of

    with opened_roster(url, key_path, class_name, make=bool(added)) as roster:
        for name in added:
            roster.add(name)
        people = roster.people()
        if not people:
            raise InputError(
                f"nobody is on the roster of {class_name}. First: affekt attendance consent NAME --roster ..."
            )
        shape = Table("name", "photos", "consent", "until", box=None, pad_edge=False)
        for person in people:
            until = f"{person.keep_until:%Y-%m-%d}" if person.keep_until else "-"
            said = "none"
            if (agreed := person.consent) is not None:
                role = " (guardian)" if agreed.guardian else ""
                said = shown(f"{agreed.given_on}, {agreed.given_by}{role}, notice {agreed.notice}")
            shape.add_row(shown(person.name), str(person.photos or "by hand"), said, until)
        console().print(shape)
        if any(person.photos for person in people):
            gallery, _ = roster.gallery(facts_of(embedder))
            for sentence in gallery_sentences(gallery):
                click.echo(sentence)


def gallery_sentences(gallery: Any) -> list[str]:
    """What has to be said about a gallery: its threshold, how often it errs, and who is too similar."""

    def rate(estimate: Any) -> str:
        return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}], {estimate.n} photos"

    limit = gallery.threshold
    if limit.fitted:
        lines = [
            f"threshold {limit.value:.3f}, fitted to these faces; one look of a stranger taken for somebody: "
            f"{rate(limit.false_accepts)}"
        ]
    else:
        lines = [
            f"threshold {limit.value:.3f}, the usual one: {len(gallery.people)} person(s) are too few to fit one, and "
            "how often a stranger is taken for somebody is not known."
        ]
    if limit.false_rejects:
        lines.append(f"one look of somebody enrolled stays unknown: {rate(limit.false_rejects)}")
    else:
        lines.append("how often somebody enrolled stays unknown is not known: nobody has two photos.")
    for one, other, score in gallery.similar():
        lines.append(
            f"too much alike: {shown(one)} and {shown(other)} ({score:.3f}); the camera may take one for the other. "
            "Check their rows."
        )
    return lines


@attendance.command()
@click.argument("name")
@of_class
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE.json", help="Also write the receipt.")
@stored
@polite
def forget(name: str, class_name: str, output: Path | None, url: str, key_path: Path) -> None:
    """Delete NAME: face, photos, consent, rows. The deletion is verified, with a receipt for NAME."""
    with opened_roster(url, key_path, class_name) as roster:
        receipt = roster.forget(name)
        _tell_receipt(receipt)
        if output:
            facts = {**vars(receipt), "at": receipt.at.isoformat(), "removed": dict(receipt.removed)}
            with atomic_write(output, private=True) as file:
                json.dump({"schema": "affekt.receipt/1", **facts}, file, ensure_ascii=False, indent=2)


def _tell_receipt(receipt: Receipt) -> None:
    click.echo(f"{shown(receipt.name)} ({shown(receipt.roster)}), {receipt.at:%Y-%m-%d %H:%M:%S} UTC")
    rows = ", ".join(f"{count} of {table}" for table, count in receipt.removed.items() if count)
    click.echo(f"deleted   {rows or 'nothing was there'}")
    for line in receipt.verified:
        click.echo(f"verified  {line}")
    for line in receipt.remains:
        click.echo(f"not reached by this program: {line}")


@attendance.command("export")
@click.argument("name")
@of_class
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE.json", help="[default: the terminal]")
@stored
@polite
def export_person(name: str, class_name: str, output: Path | None, url: str, key_path: Path) -> None:
    """Everything that is kept about NAME, as JSON: their right (GDPR Art. 15 and 20)."""
    with opened_roster(url, key_path, class_name) as roster:
        text = json.dumps(roster.export(name), ensure_ascii=False, indent=2, allow_nan=False)
        if output is None:
            click.echo(text)
            return
        with atomic_write(output, private=True) as file:
            file.write(text + "\n")


@attendance.command()
@stored
@polite
def sweep(url: str, key_path: Path) -> None:
    """Delete faces and sessions whose retention time is over. Every `run` does this, too."""
    from affekt.attendance.roster import sweep as sweep_store

    with opened(url, key_path) as (store, _):
        gone = sweep_store(store)
        click.echo(f"deleted: the faces of {gone['faces']} people, {gone['sessions']} sessions")


@attendance.command("sessions")
@click.option("--roster", "class_name", metavar="CLASS", help="Only this class.")
@stored
@polite
def list_sessions(class_name: str | None, url: str, key_path: Path) -> None:
    """All sessions, with the ids that `report` and `correct` take."""
    from affekt.attendance.export import sheets

    with opened(url, key_path) as (store, _):
        for sheet in sheets(store, roster=class_name):
            remarks = f" ({'; '.join(sheet.remarks)})" if sheet.remarks else ""
            click.echo(f"{sheet.session}  {shown(sheet.title)}{remarks}")


@attendance.command()
@click.argument("session")
@click.argument("name")
@click.option("--status", required=True, help="on time, late, left early, late and left early, absent or excused.")
@click.option("--reason", required=True)
@click.option("--by", required=True, metavar="WHO", help="Who corrects.")
@stored
@polite
def correct(session: str, name: str, status: str, reason: str, by: str, url: str, key_path: Path) -> None:
    """Correct what a session says about NAME. The earlier entry stays on record."""
    from affekt.attendance import session as sessions
    from affekt.attendance.export import sheets
    from affekt.attendance.roster import Roster

    with opened(url, key_path) as (store, key):
        roster = Roster(store, sheets(store, session=session)[0].roster, key)
        row = sessions.correct(store, session, roster.find(name).id, status=status, reason=reason, by=by)
        last = row.corrections[-1]
        click.echo(f"{shown(row.name)}: {last['before']} -> {last['after']}, {shown(by)}: {shown(reason)}")


@attendance.command()
@click.argument("session")
@stored
@polite
def close(session: str, url: str, key_path: Path) -> None:
    """End a session that was left open, for instance by a power cut; absentees get their rows."""
    from affekt.attendance.session import close_session

    with opened(url, key_path) as (store, _):
        done = close_session(store, session, store.clock())
        click.echo("closed" if done else "it was closed already; its rows were written again")


@attendance.command()
@click.option("--roster", "class_name", metavar="CLASS", help="All sessions of a class.")
@click.option("--session", metavar="ID", help="One session; see `affekt attendance sessions`.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Extension: csv, xlsx, json or html."
)
@click.option("--with-emotion", is_flag=True, help="Also the emotions, where a session inferred any.")
@stored
@polite
def report(
    class_name: str | None, session: str | None, output: Path | None, with_emotion: bool, url: str, key_path: Path
) -> None:  # fmt: skip
    """The table of sessions: on the terminal, or as a file."""
    from affekt.attendance.export import WRITERS, sheets
    from affekt.errors import UnknownName

    kind = output.suffix.lstrip(".").lower() if output else ""
    if output and kind not in WRITERS:
        raise UnknownName("format", kind, WRITERS)
    if kind == "xlsx":
        require("openpyxl", extra="attendance")
    with opened(url, key_path) as (store, _):
        found = sheets(store, roster=class_name, session=session, emotions=with_emotion)
    if output is None:
        for sheet in found:
            print_sheet(sheet)
        return
    with atomic_write(output, "wb", private=True) as file:
        file.write(WRITERS[kind](found))
    click.echo(f"{len(found)} session(s) in {shown(str(output))}")


def print_sheet(sheet: Any) -> None:
    """One session on the terminal."""
    from rich.table import Table

    click.echo(f"{shown(sheet.title)}  ({sheet.session})")
    for remark in sheet.remarks:
        click.echo(f"note: {remark}")
    shape = Table(*sheet.columns, box=None, pad_edge=False)
    for row in sheet.rows:
        shape.add_row(*("" if cell is None else shown(str(cell)) for cell in sheet.cells(row)))
    console().print(shape)


@attendance.command()
@click.option("--session", metavar="ID", help="Only this session.")
@stored
@polite
def audit(session: str | None, url: str, key_path: Path) -> None:
    """What was done, and when; people appear only by their ids."""
    with opened(url, key_path) as (store, _):
        for row in store.audit(session):
            about = " ".join(f"{key} {row[key]}" for key in ("session", "person") if row[key])
            click.echo(f"{row['at']:%Y-%m-%d %H:%M:%S} UTC  {row['action']}  {shown(row['detail'])}  {about}".rstrip())
