"""``affekt explain``: maps of what a network looks at, as pictures and one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.terminal import polite, progress, shown
from affekt.errors import ImageError, InputError, UnknownName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from affekt.explain.attribution import Attribution
    from affekt.explain.network import MapNetwork
    from affekt.plot.attributions import Input
    from affekt.plot.page import Section
    from affekt.recognize.recognizer import Recognizer

#: Method to whether it needs torch; in the order in which they are drawn.
METHODS = {
    "cam": False,
    "occlusion": False,
    "grad-cam": True,
    "grad-cam++": True,
    "score-cam": True,
    "integrated-gradients": True,
    "filters": True,
}
#: Maximum number of explained faces of one picture, or segments of one recording.
MOST = 4
#: Frames of a video that are looked at for a face.
MOST_FRAMES = 120
#: Filters whose most exciting faces are drawn.
EXCITING = 8
#: Faces of the corpus that are looked through at most: a minute or two.
MOST_FACES = 4000
WHAT_IT_IS = (
    "A map shows what this network's answer rests on, not whether the answer is right, nor what somebody feels. "
    "Brown speaks for the label, purple against it; each map has a scale of its own. How far the methods can be "
    "trusted was measured: see docs/explain.md."
)


@dataclass(frozen=True)
class Job:
    """What ``affekt explain`` was asked for."""

    path: Path
    output: Path
    methods: tuple[str, ...]
    layer: str | None
    label: str | None
    model: str | None
    corpus: str | None
    filters: int


@dataclass(frozen=True, eq=False)
class Case:
    """One face, or one segment of a voice: the input of the network, and its answer."""

    name: str
    given: NDArray[np.float32]
    drawn: Input
    label: str
    answer: str


@dataclass(frozen=True, eq=False)
class Work:
    """What all cases of one command share; without torch there is no network with accessible layers."""

    job: Job
    methods: tuple[str, ...]
    recognizer: Recognizer
    network: MapNetwork | None


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Made if missing.")
@click.option(
    "--method", "methods", type=click.Choice(list(METHODS)), multiple=True,
    help="May be repeated. [default: all that the model and the installed packages allow]",
)  # fmt: skip
@click.option("--layer", metavar="NAME", help="Layer to show the maps of; a wrong name lists all. [default: the last]")
@click.option("--label", metavar="NAME", help="Explain this label. [default: the most probable]")
@click.option("--model", help="A name from `affekt models`, or FILE.onnx. [default: face for pictures, else voice]")
@click.option(
    "--corpus", metavar="fer2013=FILE.npz", help="Also show the faces of its training part that excite filters most."
)
@click.option("--filters", type=click.IntRange(1, 512), default=48, show_default=True, help="Most to draw per layer.")
@polite
def explain(**options: Any) -> int:
    """Show what the network looks at in PATH, a picture or a recording: DIR/index.html, and its pictures as PNG.

    cam and occlusion work with the base install; the others look into layers,
    and need torch (the extra train). The largest four faces of a picture, or
    the four most confident segments of a recording, are shown.
    """
    job = Job(**options)
    require("matplotlib", extra="plot")
    from affekt.face.image import PICTURES
    from affekt.plot.page import page
    from affekt.recognize.recognizer import Recognizer

    if job.output.exists() and not job.output.is_dir():
        raise InputError(f"--output {job.output} is a file; give a folder, which is made if it is missing.")
    is_picture = job.path.suffix[1:].lower() in PICTURES
    recognizer = Recognizer(job.model or ("face" if is_picture else "voice"))
    if job.label is not None and job.label not in recognizer.card.labels:
        raise UnknownName("label", job.label, recognizer.card.labels)
    methods = chosen_methods(job, recognizer)
    work = Work(job, methods, recognizer, open_layers(job, methods, recognizer))
    is_face = recognizer.card.modality == "face"
    cases = face_cases(job, recognizer) if is_face else voice_cases(job, recognizer)
    job.output.mkdir(parents=True, exist_ok=True)
    sections = []
    with progress(len(cases), "maps") as tick:
        for case in cases:
            sections.append(_section(work, case))
            tick()
    if job.corpus and work.network is not None:
        sections.append(_exciting(job, work.network, cases[0]))
    with atomic_write(job.output / "index.html") as file:
        file.write(page(f"What the network looks at: {job.path.name}", [*sections, _about(work)]))
    what = ("face" if is_face else "segment") + "s" * (len(cases) > 1)
    click.echo(f"{len(cases)} {what}; see {shown(str(job.output / 'index.html'))}")
    return 0


def open_layers(job: Job, methods: Sequence[str], recognizer: Recognizer) -> MapNetwork | None:
    """The network in torch, if a method or the corpus needs it.

    Raises
    ------
    InputError
        If a layer is named that no method uses, or a corpus that has no faces.
    MissingExtra
        If torch or onnx is not installed.
    UnknownName
        If there is no such layer; the message lists all.
    """
    if job.corpus and (recognizer.card.modality != "face" or not job.corpus.startswith("fer2013=")):
        raise InputError(f"--corpus {job.corpus}: give fer2013=FILE.npz, with a model of faces.")
    if not job.corpus and not any(METHODS[method] for method in methods):
        if job.layer:
            raise InputError(f"--layer {job.layer}: {', '.join(methods)} look into no layer; leave it out.")
        return None
    for module in ("torch", "onnx"):
        require(module, extra="train")
    from affekt.explain.network import rebuild

    network = rebuild(job.model or recognizer.card.name)
    network.modules(job.layer)
    return network


def chosen_methods(job: Job, recognizer: Recognizer) -> tuple[str, ...]:
    """The methods asked for, or all available ones; stderr says why others are not.

    Raises
    ------
    InputError
        If cam is asked for of a model that does not give its maps.
    """
    has_maps = recognizer.card.modality == "face" and "maps" in recognizer.network.outputs
    if job.methods:
        if "cam" in job.methods and not has_maps:
            raise InputError(
                f"the model {recognizer.card.name} does not give its maps, which cam draws; "
                "use --method occlusion or grad-cam."
            )
        return tuple(method for method in METHODS if method in job.methods)
    has_torch = find_spec("torch") is not None and find_spec("onnx") is not None
    knows_layers = has_torch and recognizer.card.recipe.get("kind") in ("face", "voice")
    if not knows_layers:
        reason = "the layers of this model are not known" if has_torch else "torch and onnx are not installed"
        click.echo(f"note: {reason}; methods that look into layers are left out.", err=True)
    return tuple(m for m, deep in METHODS.items() if (knows_layers or not deep) and (has_maps or m != "cam"))


def face_cases(job: Job, recognizer: Recognizer) -> list[Case]:
    """The largest faces of a picture, or of the first frame with a face in a video, searched at two frames a second.

    Raises
    ------
    ImageError
        If it cannot be read, or no face is found in it.
    """
    import numpy as np

    from affekt.face.align import crops
    from affekt.face.detect import Detector, emotion_crop
    from affekt.face.stream import FaceInput, frames_of
    from affekt.models.onnx import softmax
    from affekt.plot.attributions import Input

    detector = Detector()
    seen = ((frame, detector.detect(frame.pixels)) for frame in islice(frames_of(job.path, rate=2.0), MOST_FRAMES))
    frame, faces = next(((frame, faces) for frame, faces in seen if len(faces)), (None, None))
    if frame is None or faces is None:
        raise ImageError(
            f"{job.path}: no face was found in it (of a video, only the first {MOST_FRAMES // 2} s are searched); "
            "give a picture with a face of 16 pixels or more."
        )
    largest = np.argsort(-faces.boxes[:, 3], kind="stable")[:MOST]
    takes, card = FaceInput.of(recognizer.card), recognizer.card
    given = crops(frame.pixels, emotion_crop(faces.boxes[largest]), size=takes.size, margin=takes.margin)
    scores = softmax(recognizer.network.run(given)[0], card.temperature)
    cases = []
    for number, (face, row) in enumerate(zip(given, scores, strict=True), 1):
        label = job.label or card.labels[int(row.argmax())]
        which = f"face {number} of {len(faces)}" if len(faces) > 1 else "the face"
        which += f" at {frame.time:.1f} s" if frame.time else ""
        answer = ", ".join(f"{card.labels[i]} {100 * row[i]:.0f} %" for i in np.argsort(-row)[:3])
        drawn = Input(face.astype(np.float64), f"{job.path.name}, {which}: {answer}")
        cases.append(Case(f"face-{number}", face, drawn, label, answer))
    return cases


def voice_cases(job: Job, recognizer: Recognizer) -> list[Case]:
    """The most confident segments of a recording, in order of time; of a long one its middle ten seconds.

    Raises
    ------
    InputError
        If nobody speaks in it.
    """
    import numpy as np

    from affekt.plot.attributions import Input
    from affekt.speech.audio import read
    from affekt.speech.frontend import FrontEnd, log_mel
    from affekt.speech.masks import RATE, MapOptions

    signal = read(job.path).signal
    spoken = [p for p in recognizer.predict((signal, RATE)) if p.scores and p.duration >= 0.1]
    if not spoken:
        raise InputError(f"{job.path}: nobody speaks in it for 0.1 s or more, so there is nothing to explain.")
    surest = sorted(sorted(spoken, key=lambda p: -p.confidence)[:MOST], key=lambda p: p.start)
    cases, front, longest = [], FrontEnd(), MapOptions().longest
    for number, p in enumerate(surest, 1):
        start = max(p.start, (p.start + p.end - longest) / 2)
        part = signal[round(start * RATE) : round(min(p.end, start + longest) * RATE)]
        label = job.label or str(p.best)
        ranked = sorted(p.scores.items(), key=lambda pair: -pair[1])[:3]
        answer = ", ".join(f"{name} {100 * score:.0f} %" for name, score in ranked)
        end = start + len(part) / RATE
        drawn = Input(
            log_mel(part, front, floor=1e-7).T, f"{job.path.name}, {start:.1f} to {end:.1f} s: {answer}",
            start, end, (front.low, front.high),
        )  # fmt: skip
        cases.append(Case(f"segment-{number}", part.astype(np.float32), drawn, label, answer))
    return cases


def _section(work: Work, case: Case) -> Section:
    """The maps of one face or segment, written as PNG and as a part of the page."""
    from affekt.plot.attributions import Seen, draw_filters, draw_methods
    from affekt.plot.page import Picture, Section, png

    job, pictures, troubles = work.job, [], []
    maps = [_map(work, method, case) for method in work.methods if method != "filters"]
    if maps:
        troubles += [found.trouble for found in maps if found.trouble]
        pictures.append((f"{case.name}-maps", png(draw_methods(Seen(case.drawn, maps))),
                         f"What speaks for {case.label}, by {', '.join(found.method for found in maps)}"))  # fmt: skip
    if "filters" in work.methods and work.network is not None:
        from affekt.explain.activations import filter_maps

        filters = filter_maps(work.network, case.given, layer=job.layer)
        troubles += [filters.trouble] * bool(filters.trouble)
        caption = f"Output of the strongest filters of {filters.layer}, light where high; number and range above each"
        pictures.append((f"{case.name}-filters", png(draw_filters(filters, most=job.filters)), caption))
    for name, data, _ in pictures:
        with atomic_write(job.output / f"{name}.png", "wb") as file:
            file.write(data)
    said = [f"The answer: {case.answer}. The maps are for {case.label}."]
    said += [f"Note: {trouble}." for trouble in troubles]
    for trouble in troubles:
        click.echo(f"note: {case.name}: {trouble}", err=True)
    return Section(case.drawn.title, said, pictures=[Picture(caption, data) for _, data, caption in pictures])


def _map(work: Work, method: str, case: Case) -> Attribution:
    from affekt.explain import attribution
    from affekt.explain.occlusion import label_score

    if method == "cam":
        return attribution.class_activation(work.recognizer.network, case.given, case.label)
    if method == "occlusion":
        score = label_score(work.recognizer, case.label)
        if case.drawn.is_voice:
            return attribution.voice_occlusion(case.given, score, case.label, band=case.drawn.band)
        return attribution.face_occlusion(case.given, score, case.label)
    from affekt.explain import activations

    how = {} if method in activations.WITHOUT_LAYER else {"layer": work.job.layer}
    found: Attribution = activations.METHODS[method](work.network, case.given, case.label, **how)
    return found


def _exciting(job: Job, network: MapNetwork, case: Case) -> Section:
    """The faces of a corpus that most excite the filters that respond most strongly to the first face."""
    import numpy as np

    from affekt.cli.terminal import folders
    from affekt.corpora.fer2013 import read_fer2013
    from affekt.explain.activations import exciting_faces, filter_maps
    from affekt.plot.attributions import draw_exciting
    from affekt.plot.page import Picture, Section, png

    faces, usage = read_fer2013(folders([job.corpus or ""])["fer2013"])
    images = faces.images[usage == 0]
    count = len(images)
    images = images[np.random.default_rng(0).permutation(count)[:MOST_FACES]]
    numbers = filter_maps(network, case.given, layer=job.layer).numbers[:EXCITING]
    found = exciting_faces(network, images, np.asarray(numbers), layer=job.layer)
    data = png(draw_exciting(found, images))
    with atomic_write(job.output / "exciting.png", "wb") as file:
        file.write(data)
    said = (
        f"The {len(numbers)} filters of {found.layer} that are strongest on the first face, and those of "
        f"{len(images):,} faces (drawn of the {count:,} of FER2013's training part) on which each reaches its highest "
        "value, which stands above; the frame "
        "is the place."
    )
    return Section("What excites the filters", [said], pictures=[Picture("Faces that excite each filter most", data)])


def _about(work: Work) -> Section:
    from affekt.plot.page import Section

    job = work.job
    command = f"affekt explain {job.path.name} --output DIR" + "".join(f" --method {m}" for m in job.methods)
    command += f" --layer {job.layer}" if job.layer else ""
    return Section("What these maps are", [WHAT_IT_IS, f"Model: {work.recognizer.card.name}. Made by: {command}"])
