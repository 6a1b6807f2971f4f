"""Opening a model file and checking that it is one of ours, whole and harmless."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, ModelError
from affekt.models.card import KEY, Card

LARGEST = 512 * 1024 * 1024
#: Operators that run other graphs, for as long as the file likes.
FORBIDDEN = frozenset({"If", "Loop", "Scan", "SequenceMap"})
#: The ONNX standard: its operators for networks, and those for classical classifiers.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


class Model:
    """An opened model: its card, and a session that runs its graph.

    Made by :func:`open_model`. Safe to use from several threads. It knows no modality: what the inputs and
    outputs mean is known where the modality lives, such as :mod:`affekt.speech.waveform`.

    Attributes
    ----------
    card : Card
    inputs : dict of str to int
        Names of the graph's inputs, in order, and how many axes each has. All are float32.
    outputs : tuple of str
        Names of the graph's outputs, in order.
    """

    def __init__(self, card: Card, session: Any) -> None:
        self.card, self._session = card, session
        self.inputs = {i.name: len(i.shape) for i in session.get_inputs()}
        self.outputs = tuple(o.name for o in session.get_outputs())

    def run(self, *inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Run the graph on its inputs, in the order of :attr:`inputs`; all outputs, in the order of :attr:`outputs`.

        Raises
        ------
        InputError
            If there are more or fewer arrays than inputs, or one has another number of axes.
        ModelError
            If the graph breaks: the file is damaged.
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

    The file is looked through before anything in it runs: no operator that
    loops, none from outside the ONNX standard, no reference to another file.
    How much memory its operators take is not looked at.

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
        metadata = inspect(data)
        if KEY not in metadata:
            raise ModelError("has no affekt card; only models exported by affekt can be used.")
        card = Card.from_json(metadata[KEY])
        return _opened(data, card, threads)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def read_card(path: str | os.PathLike[str]) -> Card:
    """The card of a model file, after the same checks."""
    return open_model(path).card


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
    """Walk the fields of a protocol buffer message: (field number, number or bytes)."""
    view, at = memoryview(data), 0
    while at < len(view):
        key, at = _varint(view, at)
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
            return value, at
    raise ValueError("a number that does not end")


def _text(value: object) -> str:
    return bytes(value).decode("utf-8") if isinstance(value, memoryview) else ""


def _check_graph(graph: memoryview) -> None:
    try:
        for number, value in _fields(graph):
            if number == 1 and isinstance(value, memoryview):
                _check_node(value)
            elif number == 5 and isinstance(value, memoryview):
                _check_tensor(value)
            elif number == 15:
                raise ModelError("holds sparse weights, which affekt does not write; it is not opened.")
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise ModelError(f"is truncated or damaged ({error}).") from None


def _check_node(node: memoryview) -> None:
    for number, value in _fields(node):
        if number == 4 and _text(value) in FORBIDDEN:
            raise ModelError(f"uses the operator {_text(value)}, which can run for ever; it is not opened.")
        if number == 7 and _text(value) not in DOMAINS:
            raise ModelError(f"uses operators of {_text(value)!r}, outside the ONNX standard; it is not opened.")
        if number == 5 and isinstance(value, memoryview):
            _check_attribute(value)


def _check_attribute(attribute: memoryview) -> None:
    for number, value in _fields(attribute):
        if number in (5, 10) and isinstance(value, memoryview):
            _check_tensor(value)
        elif number in (6, 11, 22, 23):
            raise ModelError("holds graphs inside its graph, or sparse weights; it is not opened.")


def _check_tensor(tensor: memoryview) -> None:
    for number, value in _fields(tensor):
        if number == 13 or (number == 14 and value == 1):
            raise ModelError("refers to another file for its weights; it is not opened.")


def _opened(data: bytes, card: Card, threads: int) -> Model:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads that wait in a busy loop would take the cores from decoding and from other recordings.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        _check_signature(session, card)
        return Model(card, session)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime raises a different class for each cause, none of them public
        raise ModelError(f"cannot be loaded ({_first_line(error)}).") from None


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
