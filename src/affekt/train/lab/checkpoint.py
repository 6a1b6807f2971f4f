"""Checkpoints of the transformers library: finding, downloading and opening them.

Only :func:`download_checkpoint` uses the network. Weights are read from
``model.safetensors``, which holds only numbers and no code.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from affekt._optional import require
from affekt.errors import InputError, UnknownName
from affekt.train.lab.encoder import FRAME, RATE, Encoder, Waves, Whisper

#: ``model_type`` in a checkpoint's config.json to the class that reads it. XLS-R and MMS are wav2vec2, too.
ENCODERS = {"wav2vec2": "Wav2Vec2Model", "hubert": "HubertModel", "wavlm": "WavLMModel", "whisper": "WhisperModel"}
CONFIG, WEIGHTS = "config.json", "model.safetensors"
#: No layer dropout, no random masking: a dropped layer would leave a gap in the list of hidden states.
AS_IT_IS = {"layerdrop": 0.0, "apply_spec_augment": False}
WHISPER_AS_IT_IS = {"encoder_layerdrop": 0.0, "apply_spec_augment": False}
#: The weights that stand for masked frames. Nothing is masked here, so a checkpoint may lack them.
UNUSED = "masked_spec_embed"

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def needs_download(checkpoint: str) -> bool:
    """Whether a checkpoint is a name on the hub of which this machine has no copy.

    Examples
    --------
    >>> needs_download("./no/such/folder")
    False
    """
    is_name = _HUB_NAME.fullmatch(checkpoint) and not Path(checkpoint).exists() and checkpoint[0] not in ".~/"
    return bool(is_name) and _cached(checkpoint) is None


def download_checkpoint(name: str) -> Path:
    """Download a checkpoint from huggingface.co into the cache of the hub; tell the user first.

    Where the authors published only a pickle, the copy that the hub's own
    converter offers as a pull request is used.

    Parameters
    ----------
    name : str
        Such as ``facebook/wav2vec2-base``.

    Returns
    -------
    Path
        Its folder in the cache.

    Raises
    ------
    InputError
        If there is no such checkpoint, no connection, or no model.safetensors.
    """
    hub = require("huggingface_hub", extra="encoder")
    wanted = ["*.json", WEIGHTS]
    try:
        folder = Path(hub.snapshot_download(name, allow_patterns=wanted))
        if not (folder / WEIGHTS).exists():
            offers = hub.HfApi().get_repo_discussions(
                name, author="SFconvertbot", discussion_type="pull_request", discussion_status="open"
            )
            for offer in offers:
                folder = Path(hub.snapshot_download(name, allow_patterns=wanted, revision=f"refs/pr/{offer.num}"))
                if (folder / WEIGHTS).exists():
                    break
    except Exception as error:  # the hub lets those of the HTTP library under it through
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{name} cannot be downloaded from huggingface.co: {reason}") from None
    if not (folder / WEIGHTS).exists():
        raise InputError(_no_weights(name))
    return folder


def load_encoder(checkpoint: str) -> Encoder:
    """Open a checkpoint that is on this machine.

    Parameters
    ----------
    checkpoint : str
        A folder, or a name on the hub that was downloaded before.

    Returns
    -------
    Encoder
        Frozen, in evaluation mode.

    Raises
    ------
    MissingExtra
        If transformers is not installed.
    InputError
        If it is missing or incomplete, has no model.safetensors, or has a frame rate other than 50 Hz.
    UnknownName
        If its architecture is not one of ``ENCODERS``.
    """
    transformers = require("transformers", extra="encoder")
    damaged = require("safetensors", extra="encoder").SafetensorError
    folder = _folder(checkpoint)
    try:
        kind = str(json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("model_type", "none"))
        if kind not in ENCODERS:
            raise UnknownName(f"architecture of {checkpoint}", kind, ENCODERS)
        if not (folder / WEIGHTS).exists():
            raise InputError(_no_weights(checkpoint))
        model = _model(getattr(transformers, ENCODERS[kind]), folder)
        extractor = transformers.AutoFeatureExtractor.from_pretrained(str(folder), local_files_only=True)
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, damaged) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"the checkpoint {checkpoint} cannot be opened: {reason}") from None
    _check_rate(checkpoint, model, extractor)
    if kind == "whisper":
        return Whisper(model.encoder, extractor.mel_filters).requires_grad_(False).eval()
    return Waves(model, normalize=bool(extractor.do_normalize)).requires_grad_(False).eval()


def _folder(checkpoint: str) -> Path:
    if Path(checkpoint).is_dir():
        return Path(checkpoint)
    if found := _cached(checkpoint):
        return found
    raise InputError(
        f"there is no checkpoint {checkpoint}: it is no folder, and no name in the cache of the hub. Give a folder "
        f"with {CONFIG} and {WEIGHTS}, or download it first (affekt.train.lab.checkpoint.download_checkpoint)."
    )


def _cached(name: str) -> Path | None:
    """Folder of a checkpoint in the cache of the hub: the newest one that is whole."""
    if not _HUB_NAME.fullmatch(name):
        return None
    cache = Path(require("huggingface_hub.constants", extra="encoder").HF_HUB_CACHE)
    found = (cache / f"models--{name.replace('/', '--')}" / "snapshots").glob(f"*/{WEIGHTS}")
    folders = [path.parent for path in found if (path.parent / CONFIG).exists()]
    return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def _model(kind: Any, folder: Path) -> Any:
    with _quiet():
        model, facts = kind.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            attn_implementation="eager",
            **(WHISPER_AS_IT_IS if kind.__name__ == ENCODERS["whisper"] else AS_IT_IS),
        )
    missing = sorted(name for name in facts["missing_keys"] if UNUSED not in name)
    if missing:
        raise InputError(
            f"the checkpoint {folder} lacks {len(missing)} of its weights, such as {missing[0]}; they would be random. "
            "Get it again."
        )
    return model.float()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library's own messages and progress bars on standard error."""
    logging = require("transformers.utils.logging", extra="encoder")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _check_rate(checkpoint: str, model: Any, extractor: Any) -> None:
    hop = 2 * extractor.hop_length if model.config.model_type == "whisper" else math.prod(model.config.conv_stride)
    if (hop, extractor.sampling_rate) != (FRAME // 2, RATE):
        raise InputError(
            f"the checkpoint {checkpoint} makes a frame every {hop} samples at {extractor.sampling_rate} Hz; "
            f"allowed: every {FRAME // 2} at {RATE} Hz. Choose another."
        )


def _no_weights(checkpoint: str) -> str:
    return (
        f"the checkpoint {checkpoint} has no {WEIGHTS}, and no pickle is read here. Choose one that has it, or convert "
        "it where you trust it: transformers.AutoModel.from_pretrained(NAME).save_pretrained(FOLDER)."
    )
