"""What an encoder recipe learns from, on disk: hidden states of each clip, or its signal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt._files import atomic_write
from affekt.errors import AffektError
from affekt.speech.stretch import read_stretch
from affekt.train.lab.encoder import RATE, Encoder
from affekt.train.lab.material import cache_key, check_unread
from affekt.train.voice.run import speech_only
from affekt.types import Sample

#: Part of every file's name: another number when the arrays change.
VERSION = 1
#: Samples that the encoders need for one frame.
SHORTEST = 400

Tick = Callable[[], object]


@dataclass(frozen=True)
class Views:
    """What the trained network is given of each clip, back to back in one file.

    Parameters
    ----------
    samples : tuple of Sample
        Those that could be read.
    values : array, shape (numbers,)
        float16 states or float32 signals.
    ends : tuple of int
        Where each clip ends in ``values``.
    shape : tuple of int
        Of one step: (l, d) for states, () for signals.
    unread : tuple of str
        ``path: reason`` of those that could not.
    """

    samples: tuple[Sample, ...]
    values: NDArray[np.floating]
    ends: tuple[int, ...]
    shape: tuple[int, ...]
    unread: tuple[str, ...] = ()

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """States (t, l, d) or signal (n,) of clip ``index``."""
        start = self.ends[index - 1] if index else 0
        return self.values[start : self.ends[index]].astype(np.float32).reshape(-1, *self.shape)


@dataclass(frozen=True)
class EncoderClips:
    """Some of the views with their class numbers (n,): what a head, or an encoder with its head, is fitted on.

    Clips differ in length and none is padded, so that they go through the network one by one.
    """

    views: Views
    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    one_by_one: bool = field(default=True, init=False)

    def logits(self, network: nn.Module, rows: Tensor) -> Tensor:
        """Logits (len(rows), k) of some of the clips."""
        device = next(network.parameters()).device
        whole: Callable[[Tensor], Tensor] = network.whole  # type: ignore[assignment]
        return torch.cat([whole(torch.from_numpy(self.views[int(self.rows[row])])[None].to(device)) for row in rows])


def load_views(
    samples: Sequence[Sample], encoder: Encoder, cache: Path, *, frozen: bool, seconds: float, tick: Tick
) -> Views:
    """Read every clip, from its first to its last speech, and store the network's input for it.

    For a frozen encoder these are its hidden states, every 40 ms of every layer
    in float16: 12 layers of 768 take 0.5 MB per second of speech (RAVDESS: about
    1.6 GB). Otherwise it is the signal, 64 kB per second.

    Parameters
    ----------
    samples : sequence of Sample
    encoder : Encoder
    cache : Path
        Folder; an interrupted call is resumed from what it left there.
    frozen : bool
    seconds : float
        Longer clips are cut.
    tick : callable
        Called after each clip.

    Raises
    ------
    InputError
        If fewer than half of the clips can be read.
    """
    kind, shape = (np.float16, (encoder.layers, encoder.width)) if frozen else (np.float32, ())
    facts = {"version": VERSION, "weights": weights_hash(encoder) if frozen else "", "seconds": seconds}
    path = cache / f"{cache_key(facts, samples)}.bin"
    cache.mkdir(parents=True, exist_ok=True)
    size = np.dtype(kind).itemsize
    ends = _ends(path, size)
    with path.open("ab") as values, path.with_suffix(".jsonl").open("a", encoding="utf-8") as notes:
        values.truncate(size * (ends[-1][0] if ends else 0))
        for _ in ends:
            tick()
        for sample in samples[len(ends) :]:
            end, reason = (ends[-1][0] if ends else 0), ""
            try:
                view = _view(sample, encoder, frozen=frozen, seconds=seconds)
                values.write(view.astype(kind).tobytes())
                end += view.size
            except AffektError as error:
                reason = str(error)
            values.flush()
            notes.write(json.dumps([end, reason]) + "\n")
            notes.flush()
            ends.append((end, reason))
            tick()
    return _views(samples, ends, np.memmap(path, kind, "r") if ends[-1][0] else np.zeros(0, kind), shape)


def _views(
    samples: Sequence[Sample], facts: Sequence[tuple[int, str]], values: NDArray[Any], shape: tuple[int, ...]
) -> Views:
    unread = tuple(reason for _, reason in facts if reason)
    check_unread(unread, samples)
    kept = [(sample, end) for sample, (end, reason) in zip(samples, facts, strict=True) if not reason]
    return Views(tuple(s for s, _ in kept), values, tuple(end for _, end in kept), shape, unread)


def _ends(path: Path, size: int) -> list[tuple[int, str]]:
    """For each clip that was written completely: where it ends in the file, and why it is missing, if it is."""
    notes = path.with_suffix(".jsonl")
    if not (notes.exists() and path.exists()):
        notes.unlink(missing_ok=True)
        return []
    # What follows the last line break was being written when the run was interrupted.
    lines = notes.read_text(encoding="utf-8").split("\n")[:-1]
    facts = [(int(end), str(reason)) for end, reason in map(json.loads, lines)]
    whole = [fact for fact in facts if size * fact[0] <= path.stat().st_size]
    with atomic_write(notes) as file:
        file.write("".join(f"{line}\n" for line in lines[: len(whole)]))
    return whole


def _view(sample: Sample, encoder: Encoder, *, frozen: bool, seconds: float) -> NDArray[np.float32]:
    signal = speech_only(read_stretch(sample, sampling_rate=RATE))[: round(seconds * RATE)]
    signal = np.pad(signal, (0, max(0, SHORTEST - len(signal))))
    return states_of(encoder, signal) if frozen else signal


def states_of(encoder: Encoder, signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hidden states (t, l, d) of a signal (n,)."""
    device = next(encoder.parameters()).device
    with torch.no_grad():
        found: NDArray[np.float32] = encoder(torch.from_numpy(signal)[None].to(device))[0].cpu().numpy()
        return found


def weights_hash(encoder: Encoder) -> str:
    """SHA-256 of all weights: two checkpoints of one name may differ."""
    digest = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
