"""Input of a classical model: a clip, cleaned, cut, and turned into features of a fixed shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, UnknownName
from affekt.speech.clean import CLEANING
from affekt.speech.feature_sets import KINDS
from affekt.speech.functionals import SEQUENCES, fixed_length

#: The kind of input that is not a feature: the samples themselves.
WAVEFORM = "waveform"


@dataclass(frozen=True)
class Inputs:
    """From a signal to an array of a fixed shape.

    Parameters
    ----------
    kind : str
        A key of ``affekt.speech.feature_sets.KINDS``; or ``waveform``, the samples themselves, of which ``seconds``
        are read: a shorter clip is padded with zeros.
    sampling_rate : int
        Hertz to which every recording is resampled first.
    skip, seconds : float
        How much is skipped at the beginning, and how much is read after that; 0: all.
    frames : int
        Length to which a sequence is cut or padded; required for sequences.
    flat : bool
        Whether a sequence is laid out as one long vector.
    clean : tuple of str
        Keys of ``affekt.speech.clean.CLEANING``, in order.

    Raises
    ------
    UnknownName
        If a kind or a cleaning step does not exist.
    InputError
        If a number is out of range, or a sequence has no number of frames.
    """

    kind: str = "usual-180"
    sampling_rate: int = 22_050
    skip: float = 0.0
    seconds: float = 0.0
    frames: int = 0
    flat: bool = False
    clean: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in (*KINDS, WAVEFORM):
            raise UnknownName("kind of feature", self.kind, [*KINDS, WAVEFORM])
        for name in self.clean:
            if name not in CLEANING:
                raise UnknownName("cleaning step", name, CLEANING)
        if self.skip < 0 or self.seconds < 0 or not 4_000 <= self.sampling_rate <= 192_000:
            raise InputError(
                f"skip {self.skip}, seconds {self.seconds}, sampling_rate {self.sampling_rate}; allowed: 0 or more "
                "seconds, and 4000 to 192000 Hz."
            )
        if self.kind == WAVEFORM and not self.seconds:
            raise InputError("a waveform is as long as seconds says: give it, such as seconds = 3.")
        if self.kind in SEQUENCES and self.frames < 1:
            raise InputError(f"{self.kind} is a sequence: say how many frames, such as frames = 128.")


def input_of(signal: NDArray[np.float32], inputs: Inputs) -> NDArray[np.float32]:
    """What a model sees of a signal.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono, at ``inputs.sampling_rate``.
    inputs : Inputs

    Returns
    -------
    float32 array
        (d,) for vectors and flat sequences, (t, d) for sequences.

    Examples
    --------
    >>> input_of(np.zeros(22050, np.float32), Inputs("log-mel-128", frames=20)).shape
    (20, 128)
    """
    rate = inputs.sampling_rate
    first = round(inputs.skip * rate)
    # A clip that ends within the skipped part is read from its start: an odd input is better than none.
    kept = signal[first:] if len(signal) > first else signal
    kept = kept[: round(inputs.seconds * rate)] if inputs.seconds else kept
    for name in inputs.clean:
        kept = CLEANING[name](kept, rate)
    if inputs.kind == WAVEFORM:
        return np.pad(kept, (0, round(inputs.seconds * rate) - len(kept))).astype(np.float32)
    found = KINDS[inputs.kind](kept, rate)
    if inputs.kind in SEQUENCES:
        found = fixed_length(found, inputs.frames)
        found = found.reshape(-1) if inputs.flat else found
    return np.ascontiguousarray(found, np.float32)
