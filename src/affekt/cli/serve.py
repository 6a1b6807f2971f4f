"""``affekt serve``: the page, the HTTP interface and live streams, on this machine."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from affekt._optional import require
from affekt.cli.terminal import polite
from affekt.errors import InputError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 is all of them.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="0 picks a free one.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--threads", type=click.IntRange(0, 256), default=0, help="Per process.  [default: one per core]")
@click.option("--model", "models", multiple=True, help="A name, FILE.onnx or NAME=FILE.onnx; the first is the default.")
@click.option("--token", envvar="AFFEKT_TOKEN", help="Token that clients must send; better set in AFFEKT_TOKEN.")
@click.option("--open", "unguarded", is_flag=True, help="No token, even if other machines can reach the server.")
@click.option("--cors", "origins", multiple=True, metavar="ORIGIN", help="Another site whose pages may use the server.")
@click.option(
    "--allowed-hosts",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name that the server may be called by, besides addresses, localhost and --host; * is any.",
)
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="A trusted proxy, whose X-Forwarded-For names the client; without it all its clients count as one.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to keep recordings, results, jobs and voice references in; without it nothing is stored.",
)
@click.option(
    "--attendance",
    metavar="PATH|URL",
    help="Also keep attendance, in this store; needs --token. See docs/attendance.md.",
)
@click.option(
    "--attendance-key",
    type=click.Path(path_type=Path),
    envvar="AFFEKT_ATTENDANCE_KEY",
    default="attendance.key",
    show_default=True,
    metavar="FILE",
    help="Key that its faces are encrypted with; keep it on another disk.",
)
@click.option(
    "--attendance-embedder",
    default="dlib",
    show_default=True,
    metavar="dlib|FILE.onnx",
    help="Model that tells people apart.",
)
@click.option(
    "--limit", "limits", multiple=True, metavar="NAME=NUMBER", help="Change a limit, such as streams=50; see docs."
)
@polite
def serve(**options: Any) -> None:
    """Serve the page, the HTTP interface and live streams.

    Listens on this machine only unless --host says otherwise, and stores
    nothing unless --store says where. Where other machines can reach it, it
    asks for a token: yours, or one that it makes and shows once. The page is
    at /, the description of the interface at /docs.
    """
    for package in ("fastapi", "uvicorn", "websockets", "python_multipart", "prometheus_client"):
        require(package, extra="serve")
    from affekt.server.serving import listen

    try:
        listening = listen(options["host"], options["port"])  # before the models are opened, which takes a while
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise InputError(
            f"port {options['port']} is taken: another server may be running there. Use --port {options['port'] + 1}, "
            "or --port 0 for any that is free."
        ) from None
    with closing(listening):
        _serve(options, listening)


def _serve(options: dict[str, Any], listening: socket.socket) -> None:
    """Look the options through, say where the server is, and serve."""
    from affekt.server.database import Database
    from affekt.server.serving import serve, serve_many
    from affekt.server.settings import Attendance, Settings
    from affekt.server.store import Store

    kept = None
    if options["attendance"]:
        for package in ("sqlalchemy", "cryptography", "openpyxl"):
            require(package, extra="attendance")
        kept = Attendance(options["attendance"], options["attendance_key"], options["attendance_embedder"])
    local = options["host"] in ("127.0.0.1", "::1", "localhost")
    if options["unguarded"] and options["token"]:
        raise InputError("--open asks for no token, and --token for one; give one of them.")
    made = None if local or options["unguarded"] or options["token"] else secrets.token_urlsafe(12)
    settings = Settings(
        models=_models(options["models"]),
        token=options["token"] or made,
        origins=options["origins"],
        hosts=_names((options["host"], *options["hosts"])),
        proxies=_names(options["proxies"]),
        store=options["store"],
        threads=options["threads"],
        workers=options["workers"],
        limits=_limits(options["limits"]),
        attendance=kept,
    )
    if settings.store:  # once, so that what is wrong is said now, and the processes find it made
        Store(settings.store)
        Database(settings.store).close()
    if kept:
        from affekt.face.identity import open_embedder
        from affekt.server.attendance import opened

        opened(kept)[0].close()
        open_embedder(kept.embedder)
    host, port = listening.getsockname()[:2]
    click.echo(f"affekt serves at http://{f'[{host}]' if ':' in host else host}:{port} (Ctrl-C ends it)", err=True)
    if kept:
        click.echo("attendance is at /attendance, for whoever has the token", err=True)
    if made:
        click.echo(f"other machines can reach it, so it asks for a token, which is {made}", err=True)
        click.echo("a token of your own: --token or AFFEKT_TOKEN; none at all: --open", err=True)
    elif settings.token is None and not local:
        click.echo("warning: anyone who can reach this machine can use the server.", err=True)
    (serve if settings.workers == 1 else serve_many)(settings, listening)


def _names(given: tuple[str, ...]) -> tuple[str, ...]:
    """Names of hosts, several in one option with commas."""
    return tuple(name.strip().lower() for text in given for name in text.split(",") if name.strip())


def _models(given: tuple[str, ...]) -> dict[str, str]:
    """``NAME=FILE.onnx``, ``FILE.onnx`` or a name to a table; opened once, so that what is wrong is said now."""
    from affekt.models.zoo import load_model
    from affekt.recognize.fusion import Pool
    from affekt.recognize.recognizer import Recognizer
    from affekt.server.settings import SHIPPED

    table: dict[str, str] = {}
    for text in given or SHIPPED:
        name, _, path = text.partition("=") if "=" in text else (Path(text).stem, "", text)
        if not name or not path or name in table:
            raise InputError(f"--model {text}: give NAME=FILE.onnx, each name once.")
        table[name] = path if path == name else os.path.abspath(path)
        model = load_model(table[name])
        _ = Pool(model) if model.card.modality == "fusion" else Recognizer(table[name])
    return table


def _limits(given: tuple[str, ...]) -> Any:
    from affekt.errors import UnknownName
    from affekt.server.settings import Limits

    kinds = {name: type(value) for name, value in asdict(Limits()).items()}
    table: dict[str, Any] = {}
    for text in given:
        name, _, number = text.partition("=")
        if name not in kinds:
            raise UnknownName("limit", name, kinds)
        try:
            table[name] = kinds[name](number)
        except ValueError:
            raise InputError(f"--limit {text}: give {name}=NUMBER.") from None
    return Limits(**table)
