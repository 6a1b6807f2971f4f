"""What others do with the same audio: each function is one peer, as its users write it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000


def librosa_features(path: str | Path) -> NDArray[np.float32]:
    """The 180 means of the usual student pipeline: 40 MFCC, 12 chroma, 128 mel bands, at the file's own rate."""
    import librosa

    signal, rate = librosa.load(path, sr=None)
    spectrum = np.abs(librosa.stft(signal))
    features = (
        librosa.feature.mfcc(y=signal, sr=rate, n_mfcc=40),
        librosa.feature.chroma_stft(S=spectrum, sr=rate),
        librosa.feature.melspectrogram(y=signal, sr=rate),
    )
    return np.concatenate([part.mean(axis=1) for part in features])


def session_of(path: Path, threads: int) -> Any:
    """An ONNX Runtime session with the options that affekt's own have."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def encode(session: Any, signal: NDArray[np.float32]) -> None:
    """Run the wav2vec2 encoder over a signal (n,), piece by piece of the length it was exported for."""
    size = session.get_inputs()[0].shape[1]
    for start in range(0, len(signal) - size + 1, size):
        session.run(None, {"signal": signal[None, start : start + size]})


def silero_session(threads: int) -> Any:
    """Silero VAD, the graph that its package opens by default; the package itself (torch) is not imported."""
    (folder,) = find_spec("silero_vad").submodule_search_locations
    return session_of(Path(folder) / "data" / "silero_vad.onnx", threads)


def silero(session: Any, signal: NDArray[np.float32]) -> list[float]:
    """Probability of speech per 32 ms: 512 samples with 64 before them, and a state handed on."""
    state, rate = np.zeros((2, 1, 128), np.float32), np.array(RATE, np.int64)
    signal, scores = np.concatenate([np.zeros(64, np.float32), signal]), []
    for start in range(0, len(signal) - 576 + 1, 512):
        score, state = session.run(None, {"input": signal[None, start : start + 576], "state": state, "sr": rate})
        scores.append(float(score[0, 0]))
    return scores


def webrtc(signal: NDArray[np.float32]) -> list[bool]:
    """The voice detector of WebRTC: yes or no per 30 ms."""
    import webrtcvad

    detector, size = webrtcvad.Vad(2), 2 * RATE * 30 // 1000
    data = (signal * 32767).astype("<i2").tobytes()
    return [detector.is_speech(data[i : i + size], RATE) for i in range(0, len(data) - size + 1, size)]
