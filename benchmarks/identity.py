"""Who is who on AT&T's faces (ORL): open-set identification, the best face alignment, and LBPH for comparison.

Usage: python benchmarks/identity.py ORL [--draws 200] [--output benchmarks/results/identity.json]

ORL has 40 people of 10 photos each, grey, 92 x 112. A draw enrols 30 people with 3 photos each; the probes are their
other 7 photos and all 10 of each of 10 strangers. What was *chosen* by looking at ORL (the alignment, the usual and the
least threshold, how a gallery's threshold is fitted) was chosen on people 1 to 20 alone: the same draws within people
21 to 40 (15 enrolled, 5 strangers) are therefore reported, too. Intervals are over people (bootstrap). LBPH needs
opencv-contrib-python-headless < 5. Affekt's face detector, not the embedder, has seen ORL in training.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from affekt.attendance.gallery import Gallery
from affekt.face.align import crops
from affekt.face.detect import DetectOptions, Detector, Faces
from affekt.face.identity import DlibEmbedder, IdentityInput, aligned, unit
from affekt.face.image import read_picture

#: Where our five points lie in dlib's chip of 150 pixels: the median over people 1 to 20.
OUR_POINTS = ((48.0, 46.1), (104.9, 45.6), (78.6, 78.2), (52.1, 103.8), (101.4, 103.0))
CHOSEN_ON, REST = range(1, 21), range(21, 41)
FALSE_ACCEPTS = (0.01, 0.001)


def read(folder: Path) -> list[tuple[int, np.ndarray, Faces]]:
    """Person, picture and the face in it."""
    usual, keen = Detector(), Detector(options=DetectOptions(threshold=0.2))
    found = []
    for person in range(1, 41):
        for number in range(1, 11):
            pixels = read_picture(folder / f"s{person}" / f"{number}.pgm")
            faces = usual.detect(pixels)
            faces = faces if len(faces) else keen.detect(pixels)
            found.append((person, pixels, faces.take(np.argsort(-faces.boxes[:, 3])[:1])))
    return found


def embedded(photos: list[tuple[int, np.ndarray, Faces]], alignment: str) -> tuple[np.ndarray, float]:
    """Unit vectors (n, 128), and milliseconds of one core a face."""
    import dlib
    import face_recognition_models as models

    embedder = DlibEmbedder()
    if alignment == "dlib's 5 points":
        embedder._points = dlib.shape_predictor(models.pose_predictor_five_point_model_location())
    began, rows = time.process_time(), []
    for _, pixels, faces in photos:
        if alignment == "our 5 points":
            wanted = IdentityInput(size=150, points=OUR_POINTS, mean=0, scale=1)
            chip = aligned(pixels, faces.points[0], wanted).transpose(1, 2, 0).astype(np.uint8)
            rows.append(
                unit(np.float32(embedder._network.compute_face_descriptor(np.ascontiguousarray(chip)))[None])[0]
            )
        else:
            rows.append(embedder.embed(pixels, faces)[0])
    return np.stack(rows), (time.process_time() - began) / len(photos) * 1000


def pairs(vectors: np.ndarray, who: np.ndarray, people: range) -> dict[str, float]:
    """True accepts of pairs of photos at given shares of false accepts."""
    own = np.isin(who, people)
    first, second = np.triu_indices(own.sum(), 1)
    cosines, same = (vectors[own] @ vectors[own].T)[first, second], who[own][first] == who[own][second]
    return {
        f"true accepts at {share:.1%} false": float(np.mean(cosines[same] > np.quantile(cosines[~same], 1 - share)))
        for share in (*FALSE_ACCEPTS, 0.0001)
    }


def drawn(who: np.ndarray, people: range, enrolled: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """Rows of a draw: enrolled, looked for, strangers."""
    order = rng.permutation(list(people))
    gallery, probes = [], []
    for person in order[:enrolled]:
        rows = rng.permutation(np.flatnonzero(who == person))
        gallery += rows[:3].tolist()
        probes += rows[3:].tolist()
    return np.array(gallery), np.array(probes), np.flatnonzero(np.isin(who, order[enrolled:]))


def open_set(vectors: np.ndarray, who: np.ndarray, people: range, draws: int) -> dict[str, Any]:
    """False accepts and rejects under the threshold that each gallery fits, with intervals over people."""
    rng, enrolled = np.random.default_rng(0), 3 * len(people) // 4
    events: dict[str, dict[int, list[float]]] = {"false accepts": {}, "false rejects": {}, "wrong name": {}}
    votes: dict[str, dict[int, list[float]]] = {"false accepts": {}, "false rejects": {}}
    thresholds, promised = [], []
    for _ in range(draws):
        rows, probes, strangers = drawn(who, people, enrolled, rng)
        gallery = Gallery([str(who[row]) for row in rows], vectors[rows], usual=DlibEmbedder.usual,
                          least=DlibEmbedder.least)  # fmt: skip
        thresholds.append(gallery.threshold.value)
        promised.append((gallery.threshold.false_accepts.value, gallery.threshold.false_accepts.high))
        names: dict[int, list[str | None]] = {}
        for row in (*probes, *strangers):
            names.setdefault(int(who[row]), []).append(gallery.match(vectors[row][None])[0].name)
        for person, said in names.items():
            own = str(person)
            if person in who[strangers]:
                events["false accepts"].setdefault(person, []).append(float(np.mean([n is not None for n in said])))
                votes["false accepts"].setdefault(person, []).append(float(_voted(said) is not None))
            else:
                events["false rejects"].setdefault(person, []).append(float(np.mean([n is None for n in said])))
                wrong = float(np.mean([n is not None and n != own for n in said]))
                events["wrong name"].setdefault(person, []).append(wrong)
                votes["false rejects"].setdefault(person, []).append(float(_voted(said) != own))
    return {
        "people": f"{min(people)} to {max(people)}", "enrolled": enrolled, "strangers": len(people) - enrolled,
        "draws": draws, "threshold": [min(thresholds), float(np.mean(thresholds)), max(thresholds)],
        "promised by the gallery": {"false accepts": float(np.mean([p[0] for p in promised])),
                                    "its upper end": float(np.mean([p[1] for p in promised]))},
        "one photo": {name: interval(table) for name, table in events.items()},
        "voted over all photos of a person": {name: interval(table) for name, table in votes.items()},
    }  # fmt: skip


def _voted(said: list[str | None]) -> str | None:
    """As a session votes: three or more, and two thirds of all."""
    best = max(set(said), key=said.count)
    return best if best is not None and said.count(best) >= max(3, 2 / 3 * len(said)) else None


def interval(table: dict[int, list[float]]) -> list[float]:
    """Mean over people, its 95 % interval over people, and how many."""
    means, rng = np.array([np.mean(values) for values in table.values()]), np.random.default_rng(1)
    spread = means[rng.integers(0, len(means), (2000, len(means)))].mean(axis=1)
    return [float(means.mean()), *map(float, np.quantile(spread, [0.025, 0.975])), len(means)]


def scored(scores: np.ndarray, who: np.ndarray, draws: int) -> dict[str, list[float]]:
    """False rejects, from any engine's similarities (n, n), at a threshold that accepts a given share of strangers.

    The threshold is set on the same strangers it is tested on: it compares engines and promises nothing.
    """
    rng, found = np.random.default_rng(0), {f"rejects at {share:.0%} false accepts": {} for share in (0.01, 0.05)}
    found["closed-set accuracy"] = {}
    for _ in range(draws):
        rows, probes, strangers = drawn(who, range(1, 41), 30, rng)
        owners = who[rows]
        people = np.unique(owners)

        def best(some: np.ndarray, rows: Any = rows, owners: Any = owners, people: Any = people) -> np.ndarray:
            return np.stack([scores[np.ix_(some, rows[owners == p])].max(axis=1) for p in people], axis=1)

        own, others = best(probes), best(strangers).max(axis=1)
        right = people[own.argmax(axis=1)] == who[probes]
        for person in people:
            mine = who[probes] == person
            found["closed-set accuracy"].setdefault(int(person), []).append(float(right[mine].mean()))
            for share in (0.01, 0.05):
                accepted = right[mine] & (own[mine].max(axis=1) > np.quantile(others, 1 - share))
                key = f"rejects at {share:.0%} false accepts"
                found[key].setdefault(int(person), []).append(float(1 - accepted.mean()))
    return {name: interval(table) for name, table in found.items()}


def lbph(photos: list[tuple[int, np.ndarray, Faces]]) -> tuple[np.ndarray, float]:
    """Similarity (n, n) by local binary patterns (Ahonen et al., 2006): minus the chi-square distance of histograms."""
    import cv2

    cut = [crops(pixels, faces.boxes, size=100, margin=1.0)[0].astype(np.uint8) for _, pixels, faces in photos]
    recogniser, began = cv2.face.LBPHFaceRecognizer_create(), time.process_time()
    recogniser.train(cut, np.arange(len(cut)))
    each = (time.process_time() - began) / len(cut) * 1000
    rows = np.concatenate(recogniser.getHistograms())
    likeness = np.stack([-(((rows - row) ** 2) / np.maximum(rows + row, 1e-12)).sum(axis=1) for row in rows])
    return likeness, each


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("orl", type=Path)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    photos = read(options.orl)
    who = np.array([person for person, _, _ in photos])
    found: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "machine": platform.processor() or "x86_64"}
    alignments = ("dlib's 68 points", "dlib's 5 points", "our 5 points")
    vectors = {name: embedded(photos, name) for name in alignments}
    found["alignment"] = {
        name: {"CPU ms a face": round(each, 1), "people 1 to 20": pairs(rows, who, CHOSEN_ON), "people 21 to 40":
               pairs(rows, who, REST)} for name, (rows, each) in vectors.items()
    }  # fmt: skip
    rows = vectors[alignments[0]][0]
    found["open set"] = {
        "all people": open_set(rows, who, range(1, 41), options.draws),
        "people nothing was chosen on": open_set(rows, who, REST, options.draws),
    }
    found["engines"] = {"dlib ResNet": scored(rows @ rows.T, who, options.draws)}
    try:
        likeness, each = lbph(photos)
        found["engines"]["LBPH"] = {**scored(likeness, who, options.draws), "CPU ms a face": round(each, 2)}
    except (ImportError, AttributeError):
        print("LBPH left out: pip install 'opencv-contrib-python-headless<5'")
    text = json.dumps(found, indent=1)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
