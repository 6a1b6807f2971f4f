"""Pictures of github.com/muxspace/facial_expressions as faces of 48 x 48: a test from outside FER2013."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F

#: Its words to ours.
NAMES = {"anger": "angry", "happiness": "happy", "sadness": "sad"}
#: Pictures taken of each label; neutral and happy have thousands.
MOST = 400
#: Score from which on YuNet has found a face.
FOUND = 0.6
SIDE = 640


def labelled_pictures(folder: Path) -> list[tuple[str, Path]]:
    """Label and picture, of each label up to 400 drawn with seed 0; a picture with two labels is left out."""
    labels: dict[str, set[str]] = {}
    with (folder / "data" / "legend.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            word = row["emotion"].strip().lower()
            labels.setdefault(row["image"], set()).add(NAMES.get(word, word))
    single = sorted((next(iter(found)), image) for image, found in labels.items() if len(found) == 1)
    order = np.random.default_rng(0).permutation(len(single))
    taken: dict[str, list[Path]] = {}
    for i in order:
        label, image = single[i]
        if len(taken.setdefault(label, [])) < MOST and (folder / "images" / image).is_file():
            taken[label].append(folder / "images" / image)
    return [(label, path) for label in sorted(taken) for path in sorted(taken[label])]


def read_muxspace(folder: Path, yunet: Path, *, margin: float) -> tuple[list[str], np.ndarray, int]:
    """Labels, faces (n, 48, 48) in grey values, and in how many pictures no face was found.

    Of several faces in a picture the one with the best score is taken.
    """
    session = onnxruntime.InferenceSession(str(yunet), providers=["CPUExecutionProvider"])
    labels, faces, missed = [], [], 0
    for label, path in labelled_pictures(folder):
        picture = read_rgb(path)
        box = None if picture is None else best_box(session, picture)
        if picture is None or box is None:
            missed += 1
            continue
        labels.append(label)
        faces.append(square(picture, box, margin))
    return labels, np.stack(faces), missed


def read_rgb(path: Path) -> np.ndarray | None:
    """A picture (h, w, 3), RGB; None if it is damaged."""
    try:
        with av.open(str(path)) as container:
            return next(container.decode(video=0)).to_ndarray(format="rgb24")
    except (av.FFmpegError, StopIteration):
        return None


def best_box(session: onnxruntime.InferenceSession, picture: np.ndarray) -> tuple[float, float, float, float] | None:
    """Left, top, width and height in pixels of the face with the best score."""
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    x = torch.from_numpy(picture[..., ::-1].copy()).float().permute(2, 0, 1)[None]  # YuNet takes BGR
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    x = F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)
    x = F.pad(x, (0, SIDE - size[1], 0, SIDE - size[0]))
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, {session.get_inputs()[0].name: x.numpy()}), strict=True))
    best, box = FOUND, None
    for stride in (8, 16, 32):
        shares = (found[f"{name}_{stride}"][0, :, 0].clip(0, 1) for name in ("cls", "obj"))
        score = np.sqrt(np.prod(list(shares), axis=0))
        place = int(score.argmax())
        if score[place] > best:
            best, (dx, dy, w, h) = float(score[place]), found[f"bbox_{stride}"][0, place]
            row, column = divmod(place, SIDE // stride)
            w, h = np.exp(w) * stride, np.exp(h) * stride
            left, top = (column + dx) * stride - w / 2, (row + dy) * stride - h / 2
            box = tuple(float(value) / scale for value in (left, top, w, h))
    return box


def square(picture: np.ndarray, box: tuple[float, float, float, float], margin: float) -> np.ndarray:
    """The crop that the face network takes: a square as high as the box times the margin, grey, 48 x 48."""
    left, top, width, height = box
    side = max(2, round(margin * height))
    grey = picture @ np.array([0.299, 0.587, 0.114])
    rows = np.round(top + height / 2 - side / 2).astype(int) + np.arange(side)
    columns = np.round(left + width / 2 - side / 2).astype(int) + np.arange(side)
    crop = grey[rows.clip(0, len(grey) - 1)][:, columns.clip(0, grey.shape[1] - 1)]
    x = torch.from_numpy(crop).float()[None, None]
    found: np.ndarray = F.interpolate(x, size=(48, 48), mode="bilinear", antialias=True)[0, 0].clamp(0, 255).numpy()
    return found
