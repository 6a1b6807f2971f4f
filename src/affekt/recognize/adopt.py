"""Adopting a model: an ONNX file made with another tool gets its card, and then works like any other."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import AffektError, InputError, ModelError, UnknownName
from affekt.models.card import KEY, Card
from affekt.models.onnx import LARGEST, inspect, open_model, softmax
from affekt.recognize.recognizer import Recognizer
from affekt.speech.feature_model import FeatureModel
from affekt.speech.inputs import Inputs, input_of
from affekt.speech.waveform import RATE

#: What a model may output: logits, or probabilities.
OUTPUTS = ("auto", "logits", "probabilities")
#: Keeps the logarithm of a probability of 0 finite.
FLOOR = 1e-9
#: How far from 1 the sum of probabilities may be: the rounding error of float32 in a deep network.
ROUNDING = 1e-3
#: Operators that do not change the values.
SAME = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
#: The operators that are added need a default operator set of at least this version.
OLDEST = 7
ADOPTED = (
    "Made with another tool and adopted: what it is worth is not known before `affekt evaluate` has been run on it.",
    "Its confidence is as the model gives it; `affekt calibrate` fits it to people it has not learned from.",
    "Not for decisions about people; in the EU, inferring emotions at work and in education is forbidden but for "
    "medical or safety reasons (AI Act, Article 5(1)(f)).",
)


@dataclass(frozen=True)
class Adoption:
    """What ``CARD.toml`` says about a model.

    Parameters
    ----------
    name : str
    labels : tuple of str
        In the order of the model's outputs.
    features : mapping
        Its input: fields of :class:`affekt.speech.inputs.Inputs`, such as ``kind = "usual-180"``; for a model that
        takes the waveform, ``kind = "waveform"`` with ``sampling_rate`` and ``seconds``.
    window, hop : float
        Length of a window of speech and the step between windows, in seconds; ``window = 0`` means ``seconds``
        where the features have it, else 3.
    output : str
        ``logits``, ``probabilities``, or ``auto``: determined by running the model.
    temperature, threshold, data, licence, limits
        As in :class:`affekt.models.card.Card`.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    name: str
    labels: tuple[str, ...]
    features: Mapping[str, Any]
    window: float = 0.0
    hop: float = 1.0
    output: str = "auto"
    temperature: float = 1.0
    threshold: float = 0.0
    data: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "not stated"
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise UnknownName("output", str(self.output), OUTPUTS)
        if not 0 <= self.window <= 60 or not 0 < self.hop <= 60:
            raise InputError(f"window is {self.window} s and hop {self.hop} s; allowed: up to 60 s each, hop above 0.")

    @property
    def inputs(self) -> Inputs:
        """How a window becomes what the model takes.

        Raises
        ------
        InputError
            If a field does not exist, or is out of range.
        """
        known = [f.name for f in fields(Inputs)]
        for name in self.features:
            if name not in known:
                raise UnknownName("key of [features]", name, known)
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in self.features.items()}
        return Inputs(**given)

    def card(self) -> Card:
        """The card, without what only the model file can tell."""
        inputs = self.inputs
        window = round(RATE * (self.window or inputs.seconds or 3.0))
        hop = min(window, round(RATE * self.hop))
        sizes = {"sampling_rate": RATE, "frame": math.gcd(window, hop), "window": window, "hop": hop}
        return Card(
            name=self.name,
            modality="speech",
            labels=self.labels,
            input={**sizes, "features": asdict(inputs)},
            temperature=self.temperature,
            threshold=self.threshold,
            data={name: _data_entry(entry) for name, entry in self.data.items()},
            licence=self.licence,
            limits=(*self.limits, *ADOPTED),
        )


def _data_entry(entry: Any) -> Any:
    """What is known of a training corpus; its speakers may be given by number or by name."""
    if not isinstance(entry, Mapping) or not isinstance(who := entry.get("speakers"), list):
        return entry
    names = list(dict.fromkeys(map(str, who)))
    return {**entry, "speakers": len(names), "learned_from": names}


@dataclass(frozen=True)
class Adopted:
    """The result of an adoption.

    Parameters
    ----------
    card : Card
    output : str
        ``logits`` or ``probabilities``: what the model outputs.
    changes : tuple of str
        What was added to its graph, in words.
    scores : mapping of str to float
        The adopted model's scores for one second of a voice-like tone. They show that the model runs, and nothing else.
    """

    card: Card
    output: str
    changes: tuple[str, ...]
    scores: Mapping[str, float]


def read_adoption(path: str | Path) -> Adoption:
    """Read a ``CARD.toml``.

    Raises
    ------
    InputError
        If it is missing or not TOML, a key is missing or unknown, or a value has the wrong type or is out of range.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not TOML ({error}).") from None
    known = {f.name: f for f in fields(Adoption)}
    for key, value in table.items():
        if key not in known:
            raise UnknownName(f"key of {path}", key, known)
        kind = _TYPES.get(key) or type(known[key].default)
        if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):
            raise InputError(f"{path}: {key} is {value!r}; {_EXAMPLE}")
    if missing := [key for key in ("name", "labels", "features") if key not in table]:
        raise InputError(f"{path}: {', '.join(missing)} missing; {_EXAMPLE}")
    given: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
    try:
        found = Adoption(**given)
        found.card()
    except (AffektError, TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None
    return found


#: The TOML type of a key, where its default does not show it.
_TYPES: dict[str, type] = {"name": str, "labels": list, "limits": list, "features": dict, "data": dict}
_EXAMPLE = (
    'a card looks like: name = "mine", labels = ["angry", "happy"], and a table [features] with kind = "usual-180". '
    "See docs/own-model.md."
)


def adopt(model: str | Path, adoption: Adoption, output: str | Path) -> Adopted:
    """Give an ONNX file its card, after a trial run on sound.

    Parameters
    ----------
    model : path
        It has one float input and returns one row of numbers per clip: logits or probabilities. What scikit-learn's
        converter adds (predicted labels, a list of maps) is removed.
    adoption : Adoption
    output : path
        ``.onnx``; written only when the adopted model runs.

    Returns
    -------
    Adopted

    Raises
    ------
    ModelError
        If the file cannot be used: it is not a model, it is not safe, or its input or output differs from its card.
    MissingExtra
        If the package ``onnx`` is not installed.
    """
    source, target = Path(model), Path(output)
    if target.suffix != ".onnx":
        raise InputError(f"-o {target}: give a name that ends in .onnx.")
    onnx = require("onnx", extra="adopt")
    data = _foreign(source)
    card = adoption.card()
    facts = {"adopted": source.name, "sha256": hashlib.sha256(data).hexdigest()}
    part = target.with_suffix(".part.onnx")
    try:
        loaded = onnx.load_model_from_string(data)
        if producer := f"{loaded.producer_name} {loaded.producer_version}".strip():
            facts["producer"] = producer
        card = replace(card, recipe=facts)
        graph = _Graph(onnx, loaded, card.labels)
        row = input_of(_tone(card.input["window"] / RATE, adoption.inputs.sampling_rate), adoption.inputs)
        graph.take(row.shape)
        graph.give()
        kind = _kind(_tried(graph, card, part), adoption.output, linear=graph.ends_linear())
        if kind == "probabilities":
            graph.to_logits()
            _tried(graph, card, part)
        logits = FeatureModel(open_model(part)).run(_tone(1.0, RATE)[None])[0]
        Recognizer(part)  # checks whatever else the engine requires of a model
        part.replace(target)
    except ModelError as error:
        raise ModelError(f"{source}: {str(error).removeprefix(f'{part}: ')}") from None
    finally:
        part.unlink(missing_ok=True)
    scores = dict(zip(card.labels, softmax(logits[0], card.temperature).tolist(), strict=True))
    return Adopted(card, kind, tuple(graph.changes), scores)


def _foreign(path: Path) -> bytes:
    """The bytes of a model file, checked before anything else reads them."""
    try:
        if path.stat().st_size > LARGEST:
            raise ModelError(f"{path}: is larger than {LARGEST >> 20} MB.")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}).") from None
    try:
        if KEY in inspect(data):
            raise ModelError("has a card already and can be used as it is: affekt predict --model.")
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    return data


def _tone(seconds: float, sampling_rate: int) -> NDArray[np.float32]:
    """Pulses at the pitch of a voice, with syllables: a known sound of any length."""
    time = np.arange(round(seconds * sampling_rate)) / sampling_rate
    voice = np.sum([np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 12)], axis=0)
    return np.asarray(0.1 * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)), np.float32)


def _sounds() -> Iterable[NDArray[np.float32]]:
    """The test sounds, a second each: a tone, noise at several levels, a quiet mix of both, the tone reversed."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(RATE).astype(np.float32)
    yield _tone(1.0, RATE)
    yield from (level * noise for level in (0.3, 0.03, 0.001))
    yield 0.1 * _tone(1.0, RATE) + 0.01 * noise
    yield _tone(1.0, RATE)[::-1].copy()


def _tried(graph: _Graph, card: Card, part: Path) -> NDArray[np.float64]:
    """Write the graph with its card, open it as the engine does, and run it on sounds: its outputs, (n, k)."""
    with atomic_write(part, "wb") as file:
        file.write(graph.data(card))
    network = FeatureModel(open_model(part))
    given = np.concatenate([network.run(sound[None])[1][0] for sound in _sounds()]).astype(np.float64)
    if given.shape[-1] != len(card.labels):
        raise ModelError(
            f"gives {given.shape[-1]} numbers for a clip, and its card has {len(card.labels)} labels: "
            f"{', '.join(card.labels)}."
        )
    if not np.isfinite(given).all():
        raise ModelError("gives NaN or infinity for a second of sound; check it with the tool that made it.")
    return given


def _kind(given: NDArray[np.float64], stated: str, *, linear: bool) -> str:
    """Whether a model outputs logits or probabilities.

    Outputs of a linear layer that do not sum to 1 are logits, even if all of them lie between 0 and 1 in the trial,
    as they do for one in sixteen untrained networks with four labels.

    Raises
    ------
    ModelError
        If they lie between 0 and 1, do not sum to 1 and come from no linear layer, or are not what the card states.
    """
    sums = given.sum(axis=1)
    within = bool(((given >= 0) & (given <= 1)).all())
    are_shares = within and bool(np.abs(sums - 1).max() < ROUNDING)
    if stated == "probabilities" and not are_shares:
        raise ModelError(
            f"its card says that it gives probabilities, and they sum to {sums.min():.3g} to {sums.max():.3g}; export "
            'it with a softmax at its end, or say output = "logits".'
        )
    if stated == "auto" and within and not (are_shares or linear):
        raise ModelError(
            f"gives numbers between 0 and 1 that sum to {sums.min():.3g} to {sums.max():.3g}: neither probabilities of "
            "labels that exclude one another, nor clearly logits. Export it without the sigmoid at its end, or say "
            'output = "logits" in its card.'
        )
    return "probabilities" if stated == "probabilities" or (stated == "auto" and are_shares) else "logits"


class _Graph:
    """A foreign graph, adapted to take ``features`` and return ``logits``."""

    def __init__(self, onnx: Any, model: Any, labels: Sequence[str]) -> None:
        self._onnx, self._labels, self.changes = onnx, labels, list[str]()
        versions = {entry.domain: entry.version for entry in model.opset_import}
        if versions.get("", versions.get("ai.onnx", OLDEST)) < OLDEST:
            raise ModelError(f"is of operator set {versions['']}; export it with {OLDEST} or newer.")
        # Its names could clash with ours, so all of them get a prefix.
        self.model = require("onnx.compose", extra="adopt").add_prefix(model, "own/")
        if not any(entry.domain in ("", "ai.onnx") for entry in self.model.opset_import):
            self.model.opset_import.append(onnx.helper.make_opsetid("", 15))
        self._front: list[Any] = []
        self._back: list[Any] = []
        self._constants: list[Any] = []

    @property
    def graph(self) -> Any:
        """The ONNX graph itself."""
        return self.model.graph

    def take(self, shape: tuple[int, ...]) -> None:
        """Insert nodes at its front that bring features (b, *shape) into the form that it takes."""
        kinds = self._onnx.TensorProto
        constants = {tensor.name for tensor in self.graph.initializer}
        inputs = [value for value in self.graph.input if value.name not in constants]
        if len(inputs) != 1:
            names = ", ".join(_own(value.name) for value in inputs[:4]) + (", ..." if len(inputs) > 4 else "")
            raise ModelError(
                f"takes {len(inputs)} inputs ({names}); one is allowed: a row of features, or the waveform. "
                "Export it with a single input."
            )
        (value,) = inputs
        tensor = value.type.tensor_type
        kind = kinds.DataType.Name(tensor.elem_type).lower()
        if tensor.elem_type not in (kinds.FLOAT, kinds.DOUBLE):
            raise ModelError(f"takes {kind} for its input {_own(value.name)!r}; allowed: float or double.")
        batch, *wanted = [dim.dim_value or 0 for dim in tensor.shape.dim] or [0]
        if batch > 1:
            raise ModelError(
                f"takes batches of exactly {batch}; export it with a batch of any size (dynamic_axes, "
                "dynamic_shapes) or of 1."
            )
        name, form, turned = "features", _fitting(shape, wanted), False
        if form is None and len(shape) == 2:
            form, turned = _fitting(shape[::-1], wanted), True
        if form is None:
            raise ModelError(
                f"takes ({_shape([0, *wanted])}), and by its card features are (b, {', '.join(map(str, shape))}). "
                "Check kind, frames, seconds and sampling_rate in [features]."
            )
        if turned:
            name = self._put("Transpose", name, perm=[0, 2, 1])
            self.changes.append("features are turned to (b, d, t)")
        if form != (shape[::-1] if turned else shape):
            self._constant("form", np.array([-1, *form], np.int64))
            name = self._put("Reshape", name, "affekt/form")
            self.changes.append(f"features are reshaped to (b, {', '.join(map(str, form))})")
        if tensor.elem_type == kinds.DOUBLE:
            name = self._put("Cast", name, to=kinds.DOUBLE)
            self.changes.append("features are cast to double")
        self._front.append(self._onnx.helper.make_node("Identity", [name], [value.name]))
        del self.graph.input[:]
        taken = self._onnx.helper.make_tensor_value_info("features", kinds.FLOAT, [batch or "b", *shape])
        self.graph.input.append(taken)

    def give(self) -> None:
        """Leave one output, the scores of the labels, as floats."""
        kinds = self._onnx.TensorProto
        found = self._candidates()
        count = len(self._labels)
        fitting = [one for one in found if not one.sizes or (len(one.sizes) == 2 and one.sizes[-1] in (0, count))]
        exact = [one for one in fitting if one.sizes[-1:] == (count,)]
        if len(exact or fitting) != 1:
            shown = "; ".join(f"{_own(one.name)} ({_shape(one.sizes)})" for one in found)
            raise ModelError(
                f"gives {shown or 'no numbers'}; allowed: one output (b, {count}), a number for each of the {count} "
                f"labels of its card ({', '.join(self._labels)})."
            )
        (chosen,) = exact or fitting
        for attribute in (attribute for node in self.graph.node for attribute in node.attribute):
            if attribute.name == "classlabels_strings":
                self._check_order([text.decode() for text in attribute.strings])
        if len(self.graph.output) > 1:
            others = ", ".join(_own(value.name) for value in self.graph.output if value.name != chosen.output)
            self.changes.append(f"of its outputs {_own(chosen.output)} is kept; {others} is not needed")
        self._scores = chosen.name
        if chosen.kind == kinds.DOUBLE:
            self._scores = self._append("Cast", chosen.name, to=kinds.FLOAT)
        self._keep_needed(chosen.name)
        del self.graph.output[:]
        self.graph.output.append(self._onnx.helper.make_tensor_value_info("logits", kinds.FLOAT, ["b", count]))

    def _candidates(self) -> list[_Output]:
        """The numeric outputs; a list of maps is replaced by the tensor it was made from."""
        kinds, found = self._onnx.TensorProto, []
        maker = {name: node for node in self.graph.node for name in node.output}
        for value in self.graph.output:
            node, tensor = maker.get(value.name), value.type.tensor_type
            if node is not None and node.op_type == "ZipMap":
                found.append(_Output(value.name, node.input[0], kinds.FLOAT, ()))
            elif tensor.elem_type in (kinds.FLOAT, kinds.DOUBLE):
                sizes = tuple(dim.dim_value or 0 for dim in tensor.shape.dim)
                found.append(_Output(value.name, value.name, tensor.elem_type, sizes))
        return found

    def _check_order(self, stated: Sequence[str]) -> None:
        """Refuse a card that lists the labels in another order than the file itself."""
        if stated and list(stated) != list(self._labels) and set(stated) == set(self._labels):
            raise ModelError(
                f"gives its labels in the order {', '.join(stated)}, and its card has {', '.join(self._labels)}. "
                "Write them into the card in the order of the model."
            )

    def _keep_needed(self, name: str) -> None:
        """Drop what the scores do not depend on."""
        needed, kept = {name}, []
        for node in reversed(self.graph.node):
            if needed & set(node.output):
                needed |= set(node.input)
                kept.append(node)
        constants = [tensor for tensor in self.graph.initializer if tensor.name in needed]
        del self.graph.node[:], self.graph.initializer[:], self.graph.value_info[:]
        self.graph.node.extend(reversed(kept))
        self.graph.initializer.extend(constants)

    def ends_linear(self) -> bool:
        """Whether the scores come from a linear layer: a product with weights of both signs, and its bias."""
        maker = {name: node for node in [*self.graph.node, *self._back] for name in node.output}
        constants = {tensor.name: tensor for tensor in self.graph.initializer}
        node = maker.get(self._scores)
        while node is not None and (
            node.op_type in SAME or (node.op_type == "Add" and any(name in constants for name in node.input))
        ):
            node = next((maker[name] for name in node.input if name in maker), None)
        if node is None or node.op_type not in ("Gemm", "MatMul") or node.input[1] not in constants:
            return False
        weights = self._onnx.numpy_helper.to_array(constants[node.input[1]])
        # Weights of one sign could be a table that sums probabilities of labels.
        return bool((weights < 0).any() and (weights > 0).any())

    def to_logits(self) -> None:
        """Append the logarithm, which turns probabilities into logits."""
        self._constant("floor", np.array(FLOOR, np.float32))
        self._scores = self._append("Log", self._append("Add", self._scores, "affekt/floor"))
        self.changes.append("the logarithm is appended")

    def data(self, card: Card) -> bytes:
        """The file, with a card."""
        made = self._onnx.ModelProto()
        made.CopyFrom(self.model)
        del made.graph.node[:], made.metadata_props[:]
        last = self._onnx.helper.make_node("Identity", [self._scores], ["logits"])
        made.graph.node.extend([*self._front, *self.graph.node, *self._back, last])
        made.graph.initializer.extend(self._constants)
        self._onnx.helper.set_model_props(made, {KEY: card.to_json()})
        made.doc_string = f"{card.name}: features in, logits out"
        found: bytes = made.SerializeToString()
        return found

    def _constant(self, name: str, values: NDArray[Any]) -> None:
        self._constants.append(self._onnx.numpy_helper.from_array(values, f"affekt/{name}"))

    def _put(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"affekt/front-{len(self._front)}"
        self._front.append(self._onnx.helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def _append(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"affekt/back-{len(self._back)}"
        self._back.append(self._onnx.helper.make_node(operator, list(inputs), [output], **attributes))
        return output


@dataclass(frozen=True)
class _Output:
    """An output of a foreign graph: its name, the name of the tensor to take, its type and sizes (0: any)."""

    output: str
    name: str
    kind: int
    sizes: tuple[int, ...]


def _shape(sizes: Sequence[int]) -> str:
    """A shape in words, the batch first."""
    return ", ".join(["b", *(str(size or "any") for size in sizes[1:])])


def _own(name: str) -> str:
    """A name as it is in the original file."""
    return name.removeprefix("own/")


def _fitting(shape: tuple[int, ...], wanted: Sequence[int]) -> tuple[int, ...] | None:
    """The wanted shape (0: any size), reached from a feature shape by axes of length 1; None if it cannot be reached.

    Examples
    --------
    >>> _fitting((180,), [180, 1]), _fitting((180,), [0]), _fitting((40, 100), [1, 0, 100]), _fitting((180,), [162])
    ((180, 1), (180,), (1, 40, 100), None)
    """
    left, form = list(shape), []
    extra = len(wanted) - len(shape)
    for size in wanted:
        if extra > 0 and size == 1 and left[:1] != [1]:
            form.append(1)
            extra -= 1
        elif left and size in (0, left[0]):
            form.append(left.pop(0))
        else:
            return None
    return None if left else tuple(form)
