"""``affekt predict``: emotions over time in recordings."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._optional import require
from affekt.cli.annotated import check_annotate
from affekt.cli.explained import beside, check_form
from affekt.cli.predict_run import Session, picture_form
from affekt.cli.predict_table import NOTHING
from affekt.cli.terminal import Target, polite, shown
from affekt.errors import AudioError, InputError
from affekt.labels import parse_labels
from affekt.write.binary import BINARY, NEEDED
from affekt.write.predictions import ONE_RECORDING, SUFFIXES, WRITERS

if TYPE_CHECKING:
    from affekt.recognize.batch import Failure
    from affekt.recognize.recognizer import Recognizer


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
    help="Subtitles of a video: a file (srt, vtt, csv), or the language or number of an embedded track. [default: a "
    "file of the same name beside it, else an embedded track]",
)
@click.option("--text", metavar="WORDS", help="Sentences to judge, instead of files.")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["table", *WRITERS, *BINARY]),
    help="[default: by the extension of --output, else table]",
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
@click.option("--coverage", type=click.FloatRange(0.5, 0.99), help="Show sets that hold the true label this often.")
@click.option(
    "--explain", is_flag=True, help="Say how each segment sounds; with --plot, also map what the label rests on."
)
@click.option(
    "--reference",
    type=str,
    metavar="FILE",
    help="About 10 s of the speaker's neutral voice: what they say is then compared with it.",
)
@click.option(
    "--speaker-from",
    metavar="HOW",
    help="Who speaks in which recording, by file name ({speaker}_*.wav, {speaker}/*) or TABLE.csv:COLUMN: "
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
    help="For stereo and more; with `each`, every channel (a caller, an agent) gets its own timeline.",
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
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="For a camera. [default: until Ctrl-C]")
@click.option("-r", "--recursive", is_flag=True, help="Include subfolders.")
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
    # Not http addresses: what they hold may be a recording, which the user should download.
    if any(is_camera(path) and not path.lower().startswith("http") for path in job.paths):
        return watch_camera(job)
    if job.seconds:
        raise InputError("--seconds is for cameras, which have no end.")
    left_out: Counter[str] = Counter()
    wanted = "text" if "text" in (job.modality, job.model) else None
    sources, failures = find_recordings(job.paths, recursive=job.recursive, left_out=left_out, modality=wanted)
    if left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in left_out.most_common(5))
        texts = " (--modality text reads texts)" if {".txt", ".srt", ".vtt"} & set(left_out) and not sources else ""
        sentence = "files left out, because their names are not those of recordings"
        click.echo(f"note: {sentence}: {shown(kinds)}{texts}", err=True)
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
        raise InputError("a camera is watched alone; give one camera and no files.")
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
    """The modality if none is given: by the names of the files, and by options that only one modality has.

    Raises
    ------
    InputError
        If there are pictures and recordings.
    """
    from affekt.face.image import PICTURES
    from affekt.face.video import VIDEOS
    from affekt.speech.audio import EXTENSIONS as SOUND
    from affekt.text.captions import EXTENSIONS as TEXTS

    endings = [os.path.splitext(source)[1][1:].lower() for source in sources]
    if job.annotate or job.face_options():
        option = "--annotate" if job.annotate else f"--{next(iter(job.face_options()))}"
        if sound := [s for s, e in zip(sources, endings, strict=True) if e in SOUND and e not in VIDEOS]:
            raise InputError(f"{option} is for faces, and {sound[0]} is sound; leave the option out.")
        return "face"
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
            f"--captions {captions}: no such file; allowed: a file (srt, vtt, csv), or the language (de) or "
            "number (2) of subtitles inside the video."
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
        raise InputError(f"{job.form} cannot be shown on the screen; say where to write it: --output.")
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
        picture_form(job.plot)
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
