"""What networks of several sizes transfer from Whisper's first layers to unseen corpora, against their cost.

Each network learns the teacher's frames from unlabelled recordings outside these corpora, for the same number of
steps, and is then frozen. On the mean and standard deviation of a clip's frames over time, a logistic regression is
tested: over the six speaker folds of RAVDESS, and among four labels of each corpus with them, trained on all others.
For comparison: an untrained network, the first, second and third of Whisper's layers themselves, and the
first with its products cut to a lower rank, without retraining.

Usage: python benchmarks/students.py --corpora SPEECH --teacher FILE ... --unlabelled FOLDER ... --sounds ESC-10
           --responses ROOMS -o RUN [--steps 600] [--size NAME ...] [--keep FILE.json]

An interrupted run goes on. `--keep` joins what is new to a file; docs/students.png is drawn from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from speed import machine
from torch import nn
from voice.page import mean_of

from affekt.corpora import read_corpus
from affekt.data.splits import fixed_speakers
from affekt.metrics.report import report
from affekt.speech.whisper.network import WhisperLayers, WhisperShape
from affekt.train.recipe import Recipe, WhisperSizes, load_recipe
from affekt.train.sources import Sources, noise_paths, recordings_in, response_paths
from affekt.train.voice.clips import Clips, load_clips
from affekt.train.voice.distil import distil
from affekt.train.voice.features import Changes, features_of_clips
from affekt.train.voice.networks import network_of
from affekt.train.voice.protocols import FOUR, PLANS, UNLABELLED, fold_rows
from affekt.train.voice.run import changes_of, speech_only
from affekt.train.voice.teacher import encoded, load_teacher, whisper_mel
from affekt.types import Estimate, Sample

#: Planes and channels; 1.2 is `voice-small`.
SIZES = {
    "0.4 M": ((16, 32), 80),
    "1.2 M": ((32, 64), 192),
    "1.9 M": ((40, 80), 256),
    "3.6 M": ((56, 112), 384),
    "8 M": ((80, 160), 608),
}
UNTAUGHT = "1.2 M, untaught"
LAYERS = 3
#: Ranks that the products of Whisper's first layer are cut to, and recordings that say what may go.
RANKS, HEARD = (192, 96, 48), 200
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(path_type=Path)
#: One clip's frames, (frames, values), each in turn.
Frames = Iterator[NDArray[np.float32]]


def recipe_of(size: str, steps: int) -> Recipe:
    """`voice-small` with another width, without corpora."""
    recipe = load_recipe("voice-small")
    planes, channels = SIZES[size.split(",")[0]]
    network = replace(recipe.network, planes=planes, channels=channels)
    teaching = replace(recipe.distillation, steps=steps)
    return replace(recipe, corpora=(UNLABELLED,), network=network, distillation=teaching)


def student_frames(network: nn.Module, clips: Clips, cache: Path) -> Frames:
    """Of a network of our own; it stays as it is."""
    features = features_of_clips(clips, np.arange(len(clips)), Changes(), cache)
    for clip in range(len(features)):
        parts = torch.from_numpy(features.get(clip).astype(np.float32).T[None]).split(features.sizes, dim=1)
        with torch.no_grad():
            yield network.encode(*parts)[0].numpy().T


def listener(teacher: Sequence[Path], layers: int, levels: int = 1) -> WhisperLayers:
    """Whisper's first layers."""
    return load_teacher(teacher, WhisperShape(("a", "b"), **vars(WhisperSizes(layers=layers, levels=levels))))


def whisper_frames(layers: WhisperLayers, clips: Clips, cache: Path) -> Frames:
    """Of Whisper's layers, side by side."""
    measure = encoded(layers)
    features = features_of_clips(clips, np.arange(len(clips)), Changes(), cache, measure=measure)
    for clip in range(len(features)):
        yield features.get(clip).astype(np.float32)


def cut(network: WhisperLayers, rank: int, sound: Sequence[torch.Tensor]) -> WhisperLayers:
    """Whisper's layers, each product replaced by two of this rank where they need fewer weights.

    Of all such pairs, the one with the least error on this sound: weight errors are weighted by their inputs
    (Wang et al., SVD-LLM, 2025).
    """
    moments: dict[nn.Module, torch.Tensor] = {}

    def see(module: nn.Module, given: tuple[torch.Tensor], _: torch.Tensor) -> None:
        rows = given[0].flatten(0, -2).double()
        moments[module] = moments.get(module, torch.zeros(())) + rows.T @ rows

    linear = {name: part for name, part in network.named_modules() if isinstance(part, nn.Linear)}
    hooks = [part.register_forward_hook(see) for part in linear.values()]
    with torch.no_grad():
        for part in sound:
            network(part)
    for hook in hooks:
        hook.remove()
    for name, part in linear.items():
        if rank * (part.in_features + part.out_features) >= part.weight.numel():
            continue
        size, inputs = moments[part].diagonal().mean(), part.in_features
        root = torch.linalg.cholesky(moments[part] + 1e-4 * size * torch.eye(inputs))
        left, values, right = torch.linalg.svd(part.weight.double() @ root, full_matrices=False)
        down, up = nn.Linear(inputs, rank, bias=False), nn.Linear(rank, part.out_features)
        with torch.no_grad():
            down.weight.copy_(torch.linalg.solve_triangular(root.T, right[:rank].T, upper=True).T)
            up.weight.copy_(left[:, :rank] * values[:rank])
            up.bias.copy_(part.bias)
        network.set_submodule(name, nn.Sequential(down, up))
    return network


def cost_of(run: Callable[[], Any], network: nn.Module) -> dict[str, float]:
    """Weights used on a second of sound, and multiplications with them, both in millions."""
    products, seen = 0.0, {}

    def count(module: nn.Module, _: Any, found: torch.Tensor) -> None:
        nonlocal products
        seen[module] = module.weight.numel()
        products += found.numel() * (module.weight[0].numel())

    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
    hooks = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, kinds)]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return {"weights, M": sum(seen.values()) / 1e6, "products, M": products / 1e6}


def cost_of_listener(network: WhisperLayers) -> dict[str, float]:
    """As :func:`cost_of`, of layers that take blocks of 3.2 seconds."""
    found = cost_of(lambda: network(torch.zeros(1, 80, 320)), network)
    return found | {"products, M": found["products, M"] / 3.2}


def pooled(frames: Frames) -> NDArray[np.float32]:
    """Mean and deviation over time, a row for each clip."""
    return np.stack([np.concatenate([part.mean(0), part.std(0)]) for part in frames])


def figures(values: NDArray[np.float32], samples: Sequence[Sample]) -> dict[str, list[float]]:
    """UAR over RAVDESS's folds; and of each corpus left out, among four labels, and their mean."""
    labels = np.array([sample.label for sample in samples])
    corpora = np.array([sample.corpus for sample in samples])
    rng = np.random.default_rng(1)

    def answered(learned: NDArray[np.int64], held: NDArray[np.int64]) -> NDArray[np.str_]:
        scaler = StandardScaler().fit(values[learned])
        model = LogisticRegression(C=0.01, max_iter=300).fit(scaler.transform(values[learned]), labels[learned])
        return model.predict(scaler.transform(values[held]))

    def uar(rows: NDArray[np.int64], said: NDArray[np.str_]) -> Estimate:
        return report([samples[i] for i in rows], list(said), rng=rng).metrics["UAR"]

    folds = list(fold_rows(PLANS["ravdess"], samples).values())
    said = [answered(learned, held) for learned, held in folds]
    found = {"RAVDESS, six folds": uar(np.concatenate([held for _, held in folds]), np.concatenate(said))}
    four = np.isin(labels, FOUR)
    for corpus in dict.fromkeys(corpora):
        held, learned = np.flatnonzero(four & (corpora == corpus)), np.flatnonzero(four & (corpora != corpus))
        if set(labels[held]) == set(FOUR):
            found[f"left out: {corpus}"] = uar(held, answered(learned, held))
    found["left out, mean"] = mean_of([e for name, e in found.items() if name.startswith("left out")])
    return {name: [round(x, 4) for x in (e.value, e.low, e.high)] + [e.n] for name, e in found.items()}


#: Of what is drawn: its words, colour, mark, and where the name of a point stands.
DRAWN = {
    "student": ("network of our own, taught by Whisper", "#0072b2", "o", (-12, 8)),
    "layer": ("Whisper, layers 1 to 3", "#d55e00", "s", (-11, 6)),
    "cut": ("Whisper's first layer, products cut to a rank", "#009e73", "^", (6, -11)),
    "untaught": ("1.2 M, untaught", "#666666", "x", (5, -12)),
}


def draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """UAR against cost, networks of our own and Whisper's layers."""
    from matplotlib.figure import Figure

    figure = Figure((8.4, 4.8), layout="constrained")
    titles = {
        "left out, mean": "Corpora never met, four labels (chance 0.25)",
        "RAVDESS, six folds": "RAVDESS, six folds, eight labels (chance 0.125)",
    }
    for ax, (name, title) in zip(figure.subplots(1, 2, sharex=True), titles.items(), strict=True):
        for kind, (words, colour, mark, place) in DRAWN.items():
            chosen = [row for row in rows if row["kind"] == kind]
            if not chosen:
                continue
            where, found = [row["products, M"] for row in chosen], [row["UAR"][name] for row in chosen]
            ends = np.abs(np.array([[e[0] - e[1], e[2] - e[0]] for e in found]).T)
            ax.errorbar(where, [e[0] for e in found], ends, color=colour, marker=mark, capsize=3, lw=1.2, label=words)
            for x, e, row in zip(where, found, chosen, strict=True):
                text = row["name"].removesuffix(", untaught").removeprefix("Whisper, layer ").removeprefix("rank ")
                ax.annotate(text, (x, e[0]), place, textcoords="offset points", fontsize=8, color=colour)
        ax.set(xscale="log", xlabel="million products for a second of sound", xlim=(4, 1500))
        ax.set_title(title, fontsize=10)
        ax.grid(alpha=0.3)
    figure.axes[0].set_ylabel("UAR; 95 % intervals over speakers")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    steps = max(row["steps"] for row in rows)
    figure.suptitle(f"Logistic regression on frozen frames; networks taught for {steps} steps", fontsize=11)
    figure.savefig(file, dpi=150)


@click.command()
@click.option("--corpora", type=FOLDER, help="Holds the folders of the nine corpora by name.")
@click.option("--teacher", multiple=True, type=FILE, help="Whisper's weights.")
@click.option("--unlabelled", multiple=True, type=FOLDER, help="Recordings of no corpus here.")
@click.option("--sounds", type=FOLDER)
@click.option("--responses", type=FOLDER)
@click.option("-o", "--output", type=FILE, help="Folder of the run.")
@click.option("--steps", default=600, show_default=True)
@click.option("--size", "sizes", multiple=True, type=click.Choice([*SIZES, UNTAUGHT, "layers", "ranks"]))
@click.option("--keep", type=FILE, default=Path(__file__).parent / "results" / "students.json", show_default=False)
def main(
    corpora: Path,
    teacher: tuple[Path, ...],
    unlabelled: tuple[Path, ...],
    sounds: Path,
    responses: Path,
    output: Path | None,
    steps: int,
    sizes: tuple[str, ...],
    keep: Path,
) -> None:
    """Run what is asked for, keep its figures, and draw all that is kept."""
    kept = json.loads(keep.read_text(encoding="utf-8")) if keep.exists() else {"rows": []}
    if output:
        torch.set_num_threads(1)
        read = [s for name in fixed_speakers() for s in read_corpus(name, corpora / name).samples]
        samples = [sample for sample in read if sample.label is not None]
        cache = output / "cache"
        recordings = tuple(path for folder in unlabelled for path in recordings_in(folder))
        sources = Sources({}, noise_paths(sounds), response_paths(responses), teacher, recordings)
        clips = load_clips(samples, cache, trim=speech_only)
        for size in sizes or (*SIZES, UNTAUGHT, "layers", "ranks"):
            rows = list(measured(size, steps, (sources, output), (clips, samples)))
            names = {row["name"] for row in rows}
            kept = machine() | {"rows": [row for row in kept["rows"] if row["name"] not in names] + rows}
            kept["rows"].sort(key=lambda row: (row["kind"], row["products, M"]))
            keep.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    draw(kept["rows"], Path(__file__).parent.parent / "docs" / "students.png")


def measured(
    size: str, steps: int, given: tuple[Sources, Path], tested: tuple[Clips, Sequence[Sample]]
) -> Iterator[dict[str, Any]]:
    """The rows of a network, taught if it is to be, or of Whisper's layers."""
    (sources, output), (clips, samples) = given, tested
    cache = output / "cache"
    if size == "layers":
        frames = pooled(whisper_frames(listener(sources.teacher, LAYERS, LAYERS), clips, cache))
        for layer in range(1, LAYERS + 1):
            network = listener(sources.teacher, layer)
            width = network.shape.channels
            columns = np.arange((layer - 1) * width, layer * width)
            values = frames[:, np.concatenate([columns, columns + LAYERS * width])]
            row = {"name": f"Whisper, layer {layer}", "kind": "layer", "steps": 0, **cost_of_listener(network)}
            yield row | {"UAR": figures(values, samples)}
        return
    if size == "ranks":
        heard = load_clips(sources.unlabelled, cache, trim=speech_only, unread=click.echo)
        some = np.random.default_rng(1).permutation(np.flatnonzero(heard.lengths >= 16_000))[:HEARD]
        mel = [whisper_mel().run(torch.from_numpy(heard[int(clip)])[None])[0] for clip in some]
        for rank in RANKS:
            network = cut(listener(sources.teacher, 1), rank, mel)
            row = {"name": f"rank {rank}", "kind": "cut", "steps": 0, **cost_of_listener(network)}
            yield row | {"UAR": figures(pooled(whisper_frames(network, clips, cache)), samples)}
        return
    taught = size != UNTAUGHT
    recipe = recipe_of(size, steps)
    torch.manual_seed(recipe.seed)
    network, told = network_of(recipe), list[str]()
    if taught:
        folder = output / f"{size.split()[0]}-{steps}"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "cache").exists():
            (folder / "cache").symlink_to(cache.resolve())
        heard = load_clips(sources.unlabelled, cache, trim=speech_only, unread=click.echo)
        state = distil(
            recipe,
            ([heard], changes_of(recipe, sources, cache), sources.teacher),
            folder,
            report=lambda line: (told.append(line), click.echo(line)),  # type: ignore[func-returns-value]
        )
        network.load_state_dict(state)
    network.eval()
    cost = cost_of(lambda: network.encode(torch.zeros(1, 64, 300), torch.zeros(1, 48, 300)), network)
    cost["products, M"] /= 3
    row = {"name": size, "kind": "student" if taught else "untaught", "steps": steps if taught else 0, **cost}
    row["told"] = next((line for line in reversed(told) if "unexplained" in line), "")
    yield row | {"UAR": figures(pooled(student_frames(network, clips, cache)), samples)}


if __name__ == "__main__":
    main()
