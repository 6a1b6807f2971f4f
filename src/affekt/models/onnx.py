"""Opening a model file and checking that it is one of ours, whole and harmless."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, ModelError
from affekt.models.card import KEY, Card

LARGEST = 512 * 1024 * 1024
#: Operators that run other graphs, for as long as the file likes.
FORBIDDEN = frozenset({"If", "Loop", "Scan", "SequenceMap"})
#: Output names by modality: the first is checked against the labels.
OUTPUTS = {"speech": ("logits", "window_logits"), "activity": ("speech",), "features": ("logits",)}
#: The ONNX standard: its operators for networks, and those for classical classifiers.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def output_names(card: Card) -> tuple[str, ...]:
    """What the graph of a model with this card gives."""
    return (*OUTPUTS[card.modality], "embeddings") if card.baseline else OUTPUTS[card.modality]


class Model:
    """An opened model: its card, and a session that runs it.

    Made by :func:`open_model`. Safe to use from several threads.
    """

    def __init__(self, card: Card, session: object) -> None:
        self.card, self._session = card, session

    def run(
        self, signal: NDArray[np.float32], baseline: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], ...]:
        """Run the graph on signals (b, n) at 16 kHz, or on features (b, d) or (b, t, d).

        Parameters
        ----------
        signal : float32 array
        baseline : float32 array, shape (1 + d,), optional
            Of a model whose card has ``baseline`` d: how the speaker usually sounds,
            see :class:`affekt.speech.baseline.Baseline`.

        Returns
        -------
        tuple of float32 arrays
            For ``speech`` the logits of the whole (b, k) and of every window (b, w, k),
            and with ``baseline`` in the card the embeddings of the windows (b, w, d);
            for ``activity`` the probability of speech per 20 ms (b, t); for ``features`` the logits (b, k).

        Raises
        ------
        InputError
            If the shape is wrong or the signal is shorter than one frame.
        ModelError
            If the graph breaks: the file is damaged.
        """
        of_features = self.card.modality == "features"
        if not of_features and (signal.ndim != 2 or signal.shape[1] < 400):
            raise InputError(f"a signal of shape {signal.shape}; allowed: (b, n) with n at least 400 samples (25 ms).")
        given = {"features" if of_features else "signal": signal.astype(np.float32, copy=False)}
        if self.card.baseline:
            row = np.zeros(1 + self.card.baseline, np.float32) if baseline is None else baseline.astype(np.float32)
            given[self._session.get_inputs()[1].name] = np.tile(row, (len(signal), 1))
        elif baseline is not None:
            raise InputError(f"the model {self.card.name} cannot be told how a speaker usually sounds.")
        try:
            outputs = self._session.run(None, given)  # type: ignore[attr-defined]
        except Exception as error:  # onnxruntime raises a different class for each cause, none of them public
            raise ModelError(f"the model {self.card.name} is damaged: {_first_line(error)}") from None
        return tuple(outputs)


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
        return Model(card, _session(data, card, threads))
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


def _session(data: bytes, card: Card, threads: int) -> object:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads that wait in a busy loop would take the cores from decoding and from other recordings.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        _check_signature(session, card)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime raises a different class for each cause, none of them public
        raise ModelError(f"cannot be loaded ({_first_line(error)}).") from None
    return session


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _check_signature(session: object, card: Card) -> None:
    if card.modality not in OUTPUTS:
        raise ModelError(f"is a model for {card.modality!r}; allowed: {', '.join(OUTPUTS)}.")
    inputs = [(i.name, i.type, len(i.shape)) for i in session.get_inputs()]  # type: ignore[attr-defined]
    outputs = tuple(o.name for o in session.get_outputs())  # type: ignore[attr-defined]
    name, axes = ("features", (2, 3)) if card.modality == "features" else ("signal", (2,))
    more = [(inputs[-1][0], "tensor(float)", 2)] if card.baseline else []
    if inputs not in [[(name, "tensor(float)", n), *more] for n in axes] or outputs != output_names(card):
        raise ModelError(
            f"takes {inputs} and gives {outputs}; a {card.modality} model takes a float {name!r} (b, n) "
            f"and gives {', '.join(output_names(card))}."
        )
    if card.modality != "activity":
        classes = session.get_outputs()[0].shape[-1]  # type: ignore[attr-defined]
        if classes != len(card.labels):
            raise ModelError(f"gives {classes} logits, but its card names {len(card.labels)} labels.")


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Logits (..., k) to probabilities (..., k)."""
    scaled = np.asarray(logits, np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)
