"""From a trained text network to one ONNX file: its words, its card, a byte a value of its tables."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import ModelError
from affekt.models.card import KEY, Card
from affekt.models.onnx import open_model
from affekt.text.network import BlendedTextNetwork
from affekt.text.shape import OUTPUTS
from affekt.text.stream import WORDS, TextModel
from affekt.text.tokens import Vocabulary
from affekt.train.export import OPSET

#: Largest difference between the file and the network.
TOLERANCE = 1e-3
#: What file and network are compared on: of many lengths, scripts and marks, and nothing at all.
_SAMPLES = (
    "I am so happy for you!", "not bad at all", "", "😂", "WHY would you do that???", "Ich bin traurig.", "我很高兴",
    "this is a rather long sentence, with many words in it, none of which says much about how anybody feels " * 3,
)  # fmt: skip


def export_text(network: BlendedTextNetwork, vocabulary: Vocabulary, card: Card, path: Path) -> float:
    """Write a text network as ONNX with its words and its card inside, and compare the two.

    Parameters
    ----------
    network : BlendedTextNetwork
    vocabulary : Vocabulary
    card : Card
    path : Path
        Written only if the file agrees with the network.

    Returns
    -------
    float
        The largest difference seen.

    Raises
    ------
    ModelError
        If they differ by more than 0.001.
    """
    onnx = require("onnx", extra="train")
    model = onnx.load_from_string(_graph(network))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: card.to_json(), WORDS: "\n".join(vocabulary.words)})
    model.producer_name, model.doc_string = "affekt", f"{card.name}: numbers of tokens in, logits out"
    part = path.with_suffix(".part.onnx")
    with atomic_write(part, "wb") as file:
        file.write(model.SerializeToString())
    difference = text_parity(network, vocabulary, part)
    if difference > TOLERANCE:
        raise ModelError(f"{path}: the file and the network differ by {difference:.1e}; allowed: {TOLERANCE:.0e}.")
    part.replace(path)
    return difference


def text_parity(
    network: BlendedTextNetwork, vocabulary: Vocabulary, path: Path, *, texts: Sequence[str] = _SAMPLES
) -> float:
    """Largest difference between the outputs of a network and of its file, texts one by one and all at once."""
    model, worst = TextModel(open_model(path)), 0.0
    for group in [*[[text] for text in texts], list(texts)]:
        with torch.no_grad():
            wanted = [network(torch.from_numpy(vocabulary.encode([text]))) for text in group]
        for place, found in enumerate(model.run(group)):
            expected = np.concatenate([one[place].numpy() for one in wanted])
            worst = max(worst, float(np.abs(expected - found).max()))
    return worst


def _graph(network: BlendedTextNetwork) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # Deprecated in favour of an exporter that needs two more packages for the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.ones(2, 5, 4),),
            file,  # type: ignore[arg-type]
            input_names=["tokens"],
            output_names=list(OUTPUTS),
            dynamic_axes={"tokens": {0: "b", 1: "t", 2: "g"}, **{name: {0: "b"} for name in OUTPUTS}},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()
