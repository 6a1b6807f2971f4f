"""``affekt predict --annotate``: pictures and videos with what was found of each face drawn into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt.cli.terminal import shown
from affekt.errors import InputError

if TYPE_CHECKING:
    from affekt.face.stream import FaceStream
    from affekt.face.video import Frame


def check_annotate(path: Path) -> None:
    """Raise InputError where neither a picture nor a video can be written there."""
    from affekt.write.video import PICTURES, VIDEOS

    if not path.is_dir() and path.suffix.lower() not in (*PICTURES, *VIDEOS):
        raise InputError(
            f"--annotate {path}: allowed are {', '.join(PICTURES)} for a picture, {', '.join(VIDEOS)} for a video, "
            "or FOLDER/."
        )


@contextmanager
def annotation(path: Path, source: str, labels: tuple[str, ...]) -> Iterator[Callable[[Frame, FaceStream], None]]:
    """Write a source with its faces drawn in, as it is recognised; the file appears when all went well.

    Parameters
    ----------
    path : Path
        Without a suffix, that of a picture or of a video is added.
    source : str
        A video's sound is copied from it, if it is a file.
    labels : tuple of str
        Of the model.

    Yields
    ------
    callable
        Takes each frame and the stream that has just seen it.

    Raises
    ------
    InputError
        If the source is a picture and the suffix one of a video, or the other way round.
    """
    from affekt.plot.annotate import annotated
    from affekt.write.video import PICTURES, VIDEOS, VideoWriter, save_picture

    first: list[tuple[float, Any]] = []
    writers: list[VideoWriter] = []

    def see(frame: Frame, stream: FaceStream) -> None:
        drawn = annotated(frame.pixels, stream.current, labels)
        if not first:
            first.append((frame.time, drawn))
            return
        if not writers:
            target = _target(path, source, VIDEOS, "a video")
            file = stack.enter_context(atomic_write(target, "wb"))
            writers.append(VideoWriter(target, file, stack, sound=source if Path(source).is_file() else None))
            writers[0].add(*first[0])
        writers[0].add(frame.time, drawn)

    with ExitStack() as stack:
        yield see
        for writer in writers:
            writer.finish()
            if writer.silent:
                click.echo(f"warning: {shown(source)}: its sound is left out: its format cannot be copied.", err=True)
        if first and not writers:
            target = _target(path, source, PICTURES, "a picture")
            save_picture(target, stack.enter_context(atomic_write(target, "wb")), first[0][1])


def _target(path: Path, source: str, suffixes: Mapping[str, str], what: str) -> Path:
    target = path if path.suffix else path.with_name(path.name + next(iter(suffixes)))
    if target.suffix.lower() not in suffixes:
        raise InputError(f"--annotate {target}: {shown(source)} is {what}; give {', '.join(suffixes)}.")
    return target
