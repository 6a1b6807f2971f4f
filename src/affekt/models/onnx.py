"""Opening a model file and checking that it is of a known kind, complete and harmless."""

from __future__ import annotations

import ast
import math
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, ModelError
from affekt.models.card import KEY, Card
from affekt.models.constants import SHORT, ConstantWork

LARGEST = 512 * 1024 * 1024
#: Operators that run other graphs, for as long as the file likes.
FORBIDDEN = frozenset({"If", "Loop", "Scan", "SequenceMap"})
#: Seconds after which opening is given up.
OPENING = 30.0
#: What others call the emotions.
SAME_EMOTION = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "natural": "neutral",
    "sadness": "sad",
    "scared": "fear",
    "surprised": "surprise",
}
#: The ONNX standard: its operators for networks, and those for classical classifiers.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
#: The one operator beyond it, which ``affekt.train.quantise`` writes with five inputs: ONNX Runtime's own.
OWN = ("com.microsoft", "MatMulIntegerToFloat")


class Model:
    """An opened model: its card, and a session that runs its graph.

    Returned by :func:`open_model`. Thread-safe. It is independent of the modality: the modules of a modality, such
    as :mod:`affekt.speech.waveform`, define what inputs and outputs mean.

    Attributes
    ----------
    card : Card
    inputs : dict of str to int
        Names of the graph's inputs, in order, and how many axes each has. All are float32.
    outputs : tuple of str
        Names of the graph's outputs, in order.
    shapes : tuple of tuple
        Of each input: an int for an axis of fixed length, else a text.
    metadata : dict of str to str
        What else the file says about itself.
    """

    def __init__(self, card: Card, session: Any) -> None:
        self.card, self._session = card, session
        self.inputs = {i.name: len(i.shape) for i in session.get_inputs()}
        self.shapes = tuple(tuple(i.shape) for i in session.get_inputs())
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self.outputs = tuple(o.name for o in session.get_outputs())

    def run(self, *inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Run the graph on its inputs, in the order of :attr:`inputs`; all outputs, in the order of :attr:`outputs`.

        Raises
        ------
        InputError
            If the number of arrays differs from the number of inputs, or one has the wrong number of axes.
        ModelError
            If the graph fails: the file is damaged.
        """
        if [np.ndim(array) for array in inputs] != list(self.inputs.values()):
            raise InputError(
                f"arrays of shape {', '.join(str(np.shape(array)) for array in inputs)}; the model {self.card.name} "
                f"takes {', '.join(f'{name} with {axes} axes' for name, axes in self.inputs.items())}."
            )
        try:
            given = {name: np.asarray(a, np.float32) for name, a in zip(self.inputs, inputs, strict=True)}
            return tuple(self._session.run(None, given))
        except Exception as error:  # onnxruntime raises a different class for each cause, none of them public
            raise ModelError(f"the model {self.card.name} is damaged: {_first_line(error)}") from None


def open_model(path: str | os.PathLike[str], *, threads: int = 1) -> Model:
    """Open a model file.

    The file is inspected before anything in it runs: no operator that
    loops, none from outside the ONNX standard except :data:`OWN`, no reference to
    another file, and little computation from constants alone. The memory and time that its
    operators need on an input are not checked.

    Parameters
    ----------
    path : path
        An ONNX file written by affekt.
    threads : int
        How many cores one run may use.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If the file is missing, truncated, not ONNX, not ours, or not harmless.
    """
    data = _read(Path(path))
    try:
        return _opened(data, _card(data), threads)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def open_foreign(path: str | os.PathLike[str], card: Card, *, threads: int = 1) -> Model:
    """Open a model file that somebody else exported, after the checks of :func:`open_model`.

    Parameters
    ----------
    path : path
    card : Card
        What is known about it; the file's own card, if it has one, comes first.
    threads : int
        How many cores one run may use.

    Raises
    ------
    ModelError
        If the file is missing, truncated, not ONNX, or not harmless.
    """
    data = _read(Path(path))
    try:
        metadata = inspect(data)
        return _opened(data, Card.from_json(metadata[KEY]) if KEY in metadata else card, threads)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def read_card(path: str | os.PathLike[str]) -> Card:
    """The card of a model file, after all checks of :func:`open_model` but the last; runs and loads nothing in it."""
    try:
        return _card(_read(Path(path)))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _card(data: bytes) -> Card:
    metadata = inspect(data)
    if KEY in metadata:
        return Card.from_json(metadata[KEY])
    if "names" in metadata:
        return _detector_card(metadata)
    raise ModelError("has no affekt card; only models exported by affekt, and YOLOv8-style detectors, can be used.")


def class_names(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Class names of a YOLOv8-style export, which stores them as a Python dict in its metadata.

    Raises
    ------
    ModelError
        If it has something else.

    Examples
    --------
    >>> class_names({"names": "{0: 'anger', 1: 'happy'}"})
    ('anger', 'happy')
    """
    try:
        table = ast.literal_eval(metadata["names"][:100_000])
        return tuple(str(table[key]) for key in sorted(table))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ModelError("the class names in its metadata are no table; export the detector again.") from None


def _detector_card(metadata: Mapping[str, str]) -> Card:
    """What is known of a YOLOv8-style export; classes named after emotions get affekt's names."""
    names = class_names(metadata)
    if len(set(names)) < 2:
        raise ModelError(f"a detector of one class, {', '.join(names)[:60]}, names no emotions; give it as detector.")
    labels = [SAME_EMOTION.get(name.lower(), name.lower()) for name in names]
    return Card(
        name=str(metadata.get("description", "YOLOv8-style detector"))[:60],
        modality="face",
        task="detection",
        labels=tuple(labels),
        licence=str(metadata.get("license", "not stated"))[:200],
        limits=("Made by somebody else: nothing is known of what it was trained or tested on.",),
    )


def inspect(data: bytes) -> dict[str, str]:
    """Check the graph of an ONNX file and return its metadata, without running it.

    Raises
    ------
    ModelError
        If this is no ONNX file, or one that could do more than compute.
    """
    try:
        metadata, graph = {}, None
        for number, value in _fields(data):
            if number == 14 and isinstance(value, memoryview):
                entry = dict(_fields(value))
                metadata[_text(entry.get(1))] = _text(entry.get(2))
            elif number == 7 and isinstance(value, memoryview):
                if graph is not None:
                    raise ModelError("holds two graphs, of which only one can be looked at; it is not opened.")
                graph = value
            elif number == 25:
                raise ModelError("brings functions of its own; export it without.")
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise ModelError(f"is not an ONNX file, or is truncated ({error}).") from None
    if graph is None:
        raise ModelError("is not an ONNX file: it holds no graph.")
    _check_graph(graph)
    return metadata


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise ModelError(f"{path}: is larger than {LARGEST >> 20} MB.")
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file.") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}).") from None


def _fields(data: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Walk the fields of a protocol buffer message: (field number, number or bytes).

    Anything that protobuf would read differently is rejected, so that what was checked is what will run.
    """
    view, at = memoryview(data), 0
    while at < len(view):
        key, at = _varint(view, at)
        if not 8 <= key < 1 << 32:
            raise ValueError("a field without a number, or with one that is too large")
        kind = key & 7
        if kind == 0:
            value, at = _varint(view, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(view, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if at + size > len(view):
            raise ValueError("it ends too early")
        yield key >> 3, view[at : at + size]
        at += size


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value >= 1 << 64 or (byte == 0 and shift):
                raise ValueError("a number that is written in more bytes than it needs")
            return value, at
    raise ValueError("a number that does not end")


def _text(value: object) -> str:
    return bytes(value).decode("utf-8") if isinstance(value, memoryview) else ""


def _check_graph(graph: memoryview) -> None:
    work, known, nodes = ConstantWork(), {""}, []
    try:
        for number, value in _fields(graph):
            if number == 1 and isinstance(value, memoryview):
                nodes.append(value)
            elif number == 5 and isinstance(value, memoryview):
                name, size, values = _tensor(value)
                work.tensor(name, size, values)
                known.add(name)
            elif number == 11 and isinstance(value, memoryview):
                known.add(_text(dict(_fields(value)).get(1)))
            elif number == 15:
                raise ModelError("holds sparse weights, which affekt does not write; it is not opened.")
        for node in nodes:
            _check_node(node, work, known)
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise ModelError(f"is truncated or damaged ({error}).") from None


def _check_node(node: memoryview, work: ConstantWork, known: set[str]) -> None:
    texts: dict[int, list[str]] = {1: [], 2: [], 4: [], 7: []}
    tensors: list[_Tensor] = []
    for number, value in _fields(node):
        if number in texts:
            texts[number].append(_text(value))
        if number == 4 and _text(value) in FORBIDDEN:
            raise ModelError(f"uses the operator {_text(value)}, which can run for ever; it is not opened.")
        if number == 5 and isinstance(value, memoryview):
            tensors += _attribute(value)
    inputs, outputs, operator = texts[1], texts[2], "".join(texts[4][-1:])
    for domain in texts[7]:
        # Of a sixth and a seventh input older versions of ONNX Runtime do not check the size.
        if domain not in DOMAINS and ((domain, operator) != OWN or len(inputs) > 5):
            raise ModelError(f"uses operators of {domain!r}, outside the ONNX standard; it is not opened.")
    if unknown := [name for name in inputs if name not in known]:
        raise ModelError(f"is damaged: {operator} takes {unknown[0][:100]!r}, which nothing before it gives.")
    known.update(outputs)
    if operator == "Constant":
        size, values = (tensors[0].size, tensors[0].values) if tensors else (len(node), ())
        for name in outputs:
            work.tensor(name, size, values)
    else:
        work.node(operator, [name for name in inputs if name], outputs)


def _attribute(attribute: memoryview) -> list[_Tensor]:
    """The tensors of an attribute, checked."""
    tensors, single = [], 0
    for number, value in _fields(attribute):
        if number in (5, 10) and isinstance(value, memoryview):
            tensors.append(_tensor(value))
            single += number == 5
            if single > 1:  # protobuf would make one of two
                raise ModelError("holds two values where there is one; it is not opened.")
        elif number in (6, 11, 22, 23):
            raise ModelError("holds graphs inside its graph, or sparse weights; it is not opened.")
    return tensors


class _Tensor(NamedTuple):
    name: str
    size: int
    values: Sequence[int]


def _tensor(tensor: memoryview) -> _Tensor:
    """A constant, checked: its name, how many elements it has and, of few whole numbers, which."""
    name, kind, raw = "", 0, b""
    dims: list[int] = []
    numbers: list[int] = []
    for number, value in _fields(tensor):
        if number == 13 or (number == 14 and value):
            raise ModelError("refers to another file for its weights; it is not opened.")
        if number == 8:
            name = _text(value)
        elif number == 1:
            dims += _numbers(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number in (5, 7) and len(numbers) <= SHORT:
            numbers += _numbers(value)[: SHORT + 1]
        elif number == 9 and isinstance(value, memoryview):
            raw = bytes(value[: 8 * (SHORT + 1)])
    # A product over an axis of nothing is zeros, as many as the other axes say.
    size = math.prod(max(1, dim) for dim in dims)
    if size > SHORT or kind not in (6, 7):
        return _Tensor(name, size, ())
    width = 4 if kind == 6 else 8
    numbers += np.frombuffer(raw[: len(raw) // width * width], f"<i{width}").tolist()
    # Negative numbers are written as their complement.
    return _Tensor(name, size, [n - (1 << 64) if n >= 1 << 63 else n for n in numbers])


def _numbers(value: int | memoryview) -> list[int]:
    """Whole numbers, one by one or packed."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(number)
    return found


def _opened(data: bytes, card: Card, threads: int) -> Model:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads that wait in a busy loop would take the cores from decoding and from other recordings.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        with _at_most(OPENING, options):
            session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        _check_signature(session, card)
        return Model(card, session)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime raises a different class for each cause, none of them public
        raise ModelError(f"cannot be loaded ({_first_line(error)}).") from None


@contextmanager
def _at_most(seconds: float, options: Any) -> Iterator[None]:
    """Set a time limit on the runtime, if it is new enough (1.21)."""
    if not hasattr(options, "set_load_cancellation_flag"):
        yield
        return
    timer = threading.Timer(seconds, options.set_load_cancellation_flag, (True,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _check_signature(session: Any, card: Card) -> None:
    """Whether the graph takes floats, and gives a logit for each label if it names emotions."""
    kinds = {i.name: i.type for i in session.get_inputs()}
    if not kinds or set(kinds.values()) != {"tensor(float)"}:
        raise ModelError(f"takes {kinds}; a model of affekt takes floats only.")
    first = session.get_outputs()[0]
    if card.task == "emotion" and (first.name != "logits" or first.shape[-1] != len(card.labels)):
        raise ModelError(
            f"gives {first.name!r} of shape {first.shape} first; a model of emotions gives 'logits', "
            f"one for each of the {len(card.labels)} labels of its card."
        )


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Logits (..., k) to probabilities (..., k)."""
    scaled = np.asarray(logits, np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    found: NDArray[np.float64] = raised / raised.sum(axis=-1, keepdims=True)
    return found
