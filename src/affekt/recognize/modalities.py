"""The modalities: one row each, all paths lazy. The code behind a row knows only its own modality."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from affekt.errors import UnknownName


@dataclass(frozen=True)
class Modality:
    """Where the parts of a modality are found: ``module:name``, below ``affekt``, imported when first needed.

    Parameters
    ----------
    extensions : str
        The file name extensions that are read, without their dots.
    reader : str
        Turns a source, or a Sample of one, into pieces of its content: ``reader(source, *, warn)``.
    setup : str
        Turns an opened model into what its streams need: ``setup(model, labels, *, threshold, options, threads)``. The
        result has ``network``, ``labels`` and ``stream(**options)``. It checks what the modality requires of a card.
    takes : str
        Turns a card into a sentence about the model's input.
    live : str
        Opens a live stream of events for a recogniser: ``live(recognizer, **form)``. The result has ``feed`` and
        ``flush``; ``form`` describes what the format of the input leaves open.
    masks : str or None
        The maker of masks for occlusion.
    ships : tuple of str
        The models that ship with affekt.
    formats : tuple of str
        What a live stream may send.
    page : str or None
        The module of the web page that records it.
    warning : str
        The warning class for problems in a source.
    options : str or None
        The class of its streams' options.
    live_options : str or None
        The options for the lowest latency of a live stream, where they are not the default ones.
    sniff : str or None
        Tells from the first 16 bytes of a file whether it can only be of this modality.
    extra : str or None
        The extra that must be installed.
    baseline : bool
        Whether a person's own baseline can be given.
    channels : bool
        Whether its files have channels and tracks to choose from.
    in_folders : bool
        Whether its files in a folder are read by default; text is not, as notes and subtitles lie beside recordings.
    """

    extensions: str
    reader: str
    setup: str
    takes: str
    live: str
    masks: str | None
    ships: tuple[str, ...]
    formats: tuple[str, ...]
    page: str | None
    warning: str
    options: str | None = None
    live_options: str | None = None
    sniff: str | None = None
    extra: str | None = None
    baseline: bool = False
    channels: bool = False
    in_folders: bool = True

    def load(self, part: str) -> Any:
        """Import what a field names, such as ``load("reader")``."""
        module, name = getattr(self, part).split(":")
        return getattr(import_module(f"affekt.{module}"), name)


MODALITIES: dict[str, Modality] = {
    "speech": Modality(
        extensions="speech.audio:EXTENSIONS",
        reader="speech.stretch:stretch_blocks",
        setup="speech.stream:open_speech",
        takes="speech.waveform:takes",
        live="recognize.live:open_live",
        masks="speech.masks:Masker",
        ships=("voice", "activity"),
        formats=("pcm16", "float32"),
        page="recorder.js",
        warning="errors:AudioWarning",
        options="speech.stream:StreamOptions",
        live_options="speech.stream:LIVE",
        baseline=True,
        channels=True,
    ),
    "face": Modality(
        extensions="face.stream:EXTENSIONS",
        reader="face.stream:frames_of",
        setup="face.stream:open_faces",
        takes="face.stream:takes",
        live="recognize.live_faces:open_live",
        masks="face.masks:Masker",
        ships=("face", "detector"),
        formats=("jpeg",),
        page="camera.js",
        options="face.stream:FaceOptions",
        sniff="face.image:is_picture",
        warning="errors:ImageWarning",
    ),
    "text": Modality(
        extensions="text.captions:EXTENSIONS",
        reader="text.captions:cue_blocks",
        setup="text.stream:open_text",
        takes="text.stream:takes",
        live="recognize.live_text:open_live",
        masks="text.masks:WordMasker",
        ships=("text",),
        formats=(),
        page="text.js",
        warning="errors:TextWarning",
        options="text.stream:TextOptions",
        in_folders=False,
    ),
    "fusion": Modality(
        extensions="face.video:VIDEOS",
        reader="face.stream:frames_of",
        setup="recognize.fusion:open_fusion",
        takes="recognize.fusion:takes",
        live="recognize.live_media:open_live",
        masks=None,
        ships=("fusion",),
        formats=("jpeg+pcm16",),
        page="video.js",
        warning="errors:ImageWarning",
    ),
}


def modality(name: str) -> Modality:
    """The row of a modality.

    Raises
    ------
    UnknownName
        If this affekt has none of that name.

    Examples
    --------
    >>> modality("speech").ships
    ('voice', 'activity')
    """
    if name not in MODALITIES:
        raise UnknownName("modality", name, MODALITIES)
    return MODALITIES[name]


def modality_of(head: bytes) -> str | None:
    r"""The modality of a file, by its first 16 bytes; None where several are possible.

    Examples
    --------
    >>> modality_of(b"\xff\xd8\xff\xe0" + bytes(12)), modality_of(b"RIFF....WAVEfmt ")
    ('face', None)
    """
    for name, row in MODALITIES.items():
        if row.sniff and row.load("sniff")(head):
            return name
    return None


def extensions(name: str | None = None) -> frozenset[str]:
    """The file name extensions, without their dots, that a modality reads; without a name, those taken from folders."""
    rows = (row for key, row in MODALITIES.items() if key == name or (name is None and row.in_folders))
    return frozenset().union(*(row.load("extensions") for row in rows))
