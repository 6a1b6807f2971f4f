"""``affekt protocol``: what the recipe of a voice model is worth on speakers, sentences and corpora it never met."""

from __future__ import annotations

from pathlib import Path

import click

from affekt._optional import require
from affekt.cli.terminal import folders, polite
from affekt.errors import InputError
from affekt.write.protocol import FORMATS

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("name")
@click.option("--recipe", default="voice", show_default=True, help="A recipe of the kind voice: a name or FILE.toml.")
@click.option("--corpus", "corpora", multiple=True, metavar="NAME=PATH", help="A corpus of the recipe; once for each.")
@click.option("--sounds", type=FOLDER, help="Noises (ESC-10; its fold 5 is left alone).")
@click.option("--responses", type=FOLDER, help="Room impulse responses (wav).")
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, path_type=Path),
    help="Whisper's weights, for a recipe that starts or learns from them; once for each file.",
)
@click.option(
    "--unlabelled",
    multiple=True,
    type=FOLDER,
    help="For voice-small: recordings from none of these corpora, on which it first learns from its teacher; once for "
    "each folder.",
)
@click.option("--only", multiple=True, metavar="CORPUS", help="For left-out: only this corpus; once for each.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Times each fold is trained.")
@click.option("--others", type=click.IntRange(1), default=10, show_default=True, help="Epochs over other corpora.")
@click.option("--epochs", type=click.IntRange(1), default=30, show_default=True, help="Epochs over the folds.")
@click.option(
    "--tuned",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="For voice: epochs over the folds (left-out: over the other corpora) in which the encoder is trained, too; "
    "0: heads only.",
)
@click.option(
    "--frozen",
    "is_frozen",
    is_flag=True,
    help="For voice-small: train the heads only, on the distilled encoder; far quicker.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run; an interrupted run is resumed, and protocols in one folder share what they can.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["path", *FORMATS]),
    default="path",
    show_default=True,
    help="What to print: the path of the numbers, or a table of them.",
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@polite
def protocol(
    name: str,
    recipe: str,
    corpora: tuple[str, ...],
    sounds: Path | None,
    responses: Path | None,
    teachers: tuple[Path, ...],
    unlabelled: tuple[Path, ...],
    only: tuple[str, ...],
    seeds: int,
    others: int,
    epochs: int,
    tuned: int,
    is_frozen: bool,
    output: Path,
    form: str,
    threads: int,
) -> int:
    """Train and evaluate by the protocol NAME.

    \b
    ravdess            EmoBox's six speaker folds; the other corpora may come first
    ravdess-scratch    the same folds, trained on RAVDESS from scratch
    ravdess-sentences  the same folds, with the sentence unseen, too
    savee              EmoBox's four speaker folds; the other corpora may come first
    tess               each actress unseen; the other corpora first
    left-out           every corpus of the recipe, by a model not trained on it
    """
    require("torch", extra="train").set_num_threads(threads)
    from affekt.train.recipe import Recipe, WhisperRecipe, frozen, load_recipe
    from affekt.train.sources import Sources, noise_paths, recordings_in, response_paths
    from affekt.train.voice.protocols import LEFT_OUT, Budget, Job, run_protocol

    loaded = load_recipe(recipe)
    if not isinstance(loaded, (Recipe, WhisperRecipe)):
        raise InputError(f"{recipe} is no recipe of a voice model; its protocols are run by affekt reproduce.")
    if unlabelled and not (isinstance(loaded, Recipe) and loaded.distillation.steps):
        raise InputError(f"--unlabelled is for voices that learn from a teacher first; {recipe} does not.")
    recordings = tuple(path for folder in unlabelled for path in recordings_in(folder))
    if unlabelled and not recordings:
        raise InputError(f"--unlabelled {unlabelled[0]}: holds no recordings.")
    if is_frozen:
        if not isinstance(loaded, Recipe) or not unlabelled:
            raise InputError(
                "--frozen is for voice-small, with --teacher and --unlabelled, which its encoder learns from."
            )
        loaded = frozen(loaded)
    if tuned and not isinstance(loaded, WhisperRecipe):
        raise InputError(f"--tuned is for voice; {recipe} has no second stage.")
    sources = Sources(folders(corpora), noise_paths(sounds), response_paths(responses), teachers, recordings)
    budget = Budget(seeds=seeds, others=others, folds=epochs, tuned=tuned)
    if only and name != LEFT_OUT:
        raise InputError(f"--only is for {LEFT_OUT}; {name} has one corpus.")
    output.mkdir(parents=True, exist_ok=True)
    rows = run_protocol(name, Job(loaded, sources, output, budget, lambda line: click.echo(line, err=True), only))
    click.echo(output / f"{name}.json" if form == "path" else FORMATS[form](rows), nl=form in ("path", "text"))
    return 0
