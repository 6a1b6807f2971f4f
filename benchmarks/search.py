"""How long it takes to look a face up among many, exactly and with an index; how many frames a second are processed.

Usage: python benchmarks/search.py [--people 10000 1000000] [--photo FACE.png] [--hnsw-most 100000] [--output PATH.json]

Vectors are random on the sphere (128 numbers, as dlib's), each probe near one of them. Exact search is one matrix
product; hnswlib and faiss-cpu (IVF) are optional. Recall is the share of probes whose nearest vector is found. Times
are CPU times on one thread, so other load does not count. Frames are made of one photo of a face,
put side by side.
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

SIZE, PROBES = 128, 200


def sphere(count: int, seed: int) -> np.ndarray:
    """Unit vectors (count, 128), float32."""
    rows = np.random.default_rng(seed).standard_normal((count, SIZE), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def timed(action: Any, probes: np.ndarray) -> tuple[float, np.ndarray]:
    """Milliseconds a probe, one by one, and what was found."""
    action(probes[0])
    began = time.process_time()
    found = np.array([action(probe) for probe in probes])
    return (time.process_time() - began) / len(probes) * 1000, found


def searches(count: int, hnsw_most: int) -> dict[str, Any]:
    """Exact search and indexes over so many identities."""
    vectors, rng = sphere(count, 0), np.random.default_rng(1)
    truth = rng.integers(0, count, PROBES)
    probes = vectors[truth] + 0.35 * sphere(PROBES, 2)
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    each, found = timed(lambda probe: int(np.argmax(vectors @ probe)), probes[: 50 if count > 100_000 else PROBES])
    nearest = np.concatenate([np.argmax(probes[i : i + 50] @ vectors.T, axis=1) for i in range(0, PROBES, 50)])
    table: dict[str, Any] = {
        "numpy": {"ms": each, "recall": float(np.mean(found == nearest[: len(found)])), "MB": vectors.nbytes / 1e6}
    }
    began = time.process_time()
    for start in range(0, PROBES, 50):
        np.argmax(probes[start : start + 50] @ vectors.T, axis=1)
    table["numpy, 50 faces at once"] = {"ms": (time.process_time() - began) / PROBES * 1000}
    for name, build in (("hnswlib", hnsw), ("faiss-cpu IVF", faiss_index)):
        if name == "hnswlib" and count > hnsw_most:
            continue
        try:
            began = time.process_time()
            search, megabytes = build(vectors)
            built = time.process_time() - began
        except ImportError:
            print(f"{name} is not installed")
            continue
        each, found = timed(search, probes)
        table[name] = {"ms": each, "recall": float(np.mean(found == nearest)), "MB": megabytes, "build s": built}
        print(count, name, table[name], flush=True)
    return table


def hnsw(vectors: np.ndarray) -> tuple[Any, float]:
    """A graph of near neighbours (Malkov & Yashunin, 2016)."""
    import hnswlib

    index = hnswlib.Index(space="ip", dim=SIZE)
    index.init_index(len(vectors), M=16, ef_construction=100)
    index.set_num_threads(1)
    index.add_items(vectors)
    index.set_ef(100)
    return lambda probe: int(index.knn_query(probe[None], k=1)[0][0, 0]), index.index_file_size() / 1e6


def faiss_index(vectors: np.ndarray) -> tuple[Any, float]:
    """Cells of an inverted file, of which some are searched (Jegou et al., 2011)."""
    import faiss

    faiss.omp_set_num_threads(1)
    cells = max(16, int(np.sqrt(len(vectors))))
    quantizer = faiss.IndexFlatIP(SIZE)
    index = faiss.IndexIVFFlat(quantizer, SIZE, cells, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[:: max(1, len(vectors) // (40 * cells))])
    index.add(vectors)
    index.nprobe = max(8, cells // 20)
    return lambda probe: int(index.search(probe[None], 1)[1][0, 0]), vectors.nbytes / 1e6


def frames(photo: Path) -> dict[str, Any]:
    """Frames a second of one core with 1, 10 and 40 faces: found, followed, looked up among 40 people."""
    from PIL import Image

    from affekt.attendance.gallery import Gallery
    from affekt.face.detect import Detector
    from affekt.face.identity import open_embedder
    from affekt.face.image import read_picture
    from affekt.face.sightings import Watch, Watcher

    one = np.asarray(Image.fromarray(read_picture(photo)).resize((120, 120)))
    embedder, table = open_embedder(), {}
    gallery = Gallery([f"p{i}" for i in range(40) for _ in range(3)], sphere(120, 3), usual=0.94, least=0.93)
    for count, columns in ((1, 1), (10, 5), (40, 8)):
        rows = -(-count // columns)
        frame = np.full((max(360, 120 * rows), max(640, 120 * columns), 3), 90, np.uint8)
        for place in range(count):
            y, x = 120 * (place // columns), 120 * (place % columns)
            frame[y : y + 120, x : x + 120] = one
        for most, what in ((0, "found and followed"), (1, "and one looked up"), (4, "and up to 4 looked up")):
            watcher = Watcher(Detector(), embedder, Watch(most=most))
            seen = [watcher.look(frame, 0.0)]
            began, done = time.process_time(), 0
            while time.process_time() - began < 3:
                found = watcher.look(frame, 0.1 * (done + 1))
                vectors = [s.vector for s in found if s.vector is not None]
                if vectors:
                    gallery.match(np.stack(vectors))
                seen.append(found)
                done += 1
            rate = done / (time.process_time() - began)
            table[f"{count} faces, {what}"] = {"frames/s": round(rate, 1), "faces found": len(seen[-1])}
            print(count, what, table[f"{count} faces, {what}"], flush=True)
    return table


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, nargs="*", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--photo", type=Path, help="of one face, to the edge")
    parser.add_argument("--hnsw-most", type=int, default=100_000, help="more take its graph many minutes to build")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "machine": platform.platform()}
    if options.photo:
        found["frames"] = frames(options.photo)
    for count in options.people:
        found[f"{count:,} identities"] = searches(count, options.hnsw_most)
    text = json.dumps(found, indent=1)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
