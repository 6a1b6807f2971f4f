"""Damaged recordings, pictures, videos and models by the thousand: nothing but a refusal in words may come of them.

Usage: python -m tests.fuzz [--sounds 2000] [--pictures 2000] [--videos 1000] [--models 200] [--seed 0]     (make fuzz)

Seeds are made in every format that soundfile, Pillow and PyAV can write, then changed a little. Each is read in a
worker process with limits of time and memory, so that a hang or a crash is a finding, too. What fails is kept in
``tests/hostile``, which the test suite reads whenever it runs.
"""

from __future__ import annotations

import hashlib
import io
import resource
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import click
import numpy as np

KEPT = Path(__file__).parent / "hostile"
#: Of one input, in seconds, and of the address space of a worker, in bytes.
SECONDS, MEMORY = 20.0, 6 << 30
RATE = 16_000
#: Container, its codec and its ending, for PyAV.
ENCODED = (
    ("mp4", "aac", "mp4"), ("mov", "pcm_s16le", "mov"), ("ipod", "aac", "m4a"), ("matroska", "libopus", "mkv"),
    ("matroska", "flac", "mka"), ("webm", "libopus", "webm"), ("adts", "aac", "aac"), ("3gp", "aac", "3gp"),
    ("avi", "pcm_s16le", "avi"), ("asf", "wmav2", "wma"), ("mpegts", "aac", "ts"), ("mp3", "libmp3lame", "mp3"),
    ("ogg", "libopus", "opus"), ("ogg", "libvorbis", "ogg"), ("flac", "flac", "flac"), ("caf", "pcm_s16le", "caf"),
)  # fmt: skip
#: The same of videos; gif and apng are pictures that move.
FILMED = (
    ("mp4", "mpeg4", "mp4"), ("mp4", "libx264", "mp4"), ("mov", "mjpeg", "mov"), ("matroska", "libx264", "mkv"),
    ("webm", "libvpx", "webm"), ("webm", "libvpx-vp9", "webm"), ("avi", "mjpeg", "avi"), ("avi", "mpeg4", "avi"),
    ("mpegts", "mpeg2video", "ts"), ("asf", "wmv2", "wmv"), ("flv", "flv", "flv"), ("3gp", "h263", "3gp"),
    ("yuv4mpegpipe", "wrapped_avframe", "y4m"), ("gif", "gif", "gif"),
)  # fmt: skip
#: Numbers that headers of strangers hold: the ends of every type, and their neighbours.
EXTREME = [sign * (1 << bits) + more for bits in (7, 8, 15, 16, 31, 32, 62, 63) for sign in (1, -1) for more in (-1, 0)]


@cache
def sound_seeds() -> dict[str, bytes]:
    """A second of sound in every container that can be written here, by name."""
    import av
    import soundfile

    signal = (0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)
    found = {}
    for form in sorted(soundfile.available_formats().keys() - {"SD2"}):  # which writes a second file
        file = io.BytesIO()
        try:
            soundfile.write(file, signal, RATE, format=form, subtype=soundfile.default_subtype(form))
        except (soundfile.SoundFileError, ValueError, TypeError):
            continue  # raw, and what takes no mono at this rate
        found[f"sf.{form.lower()}"] = file.getvalue()
    for form, codec, ending in ENCODED:
        file = io.BytesIO()
        try:
            with av.open(file, "w", format=form) as container:
                stream = container.add_stream(codec, rate=48_000 if codec == "libopus" else RATE, layout="mono")
                frame = av.AudioFrame.from_ndarray(signal[None], "fltp", "mono")
                frame.sample_rate = stream.rate
                resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=stream.rate)
                for part in resampler.resample(frame):
                    container.mux(stream.encode(part))
                container.mux(stream.encode(None))
        except (av.FFmpegError, ValueError):
            continue  # no such encoder in this build
        found[f"{codec}.{ending}"] = file.getvalue()
    return found


def _scene(number: int = 0) -> np.ndarray:
    """A picture (144, 176, 3) with edges and noise, a little different for each number."""
    scene = np.random.default_rng(0).integers(60, 90, (144, 176, 3), dtype=np.uint8)
    scene[40:100, 50 + 2 * number : 110 + 2 * number] = (210, 160, 130)
    return scene


@cache
def picture_seeds() -> dict[str, bytes]:
    """A picture in every format and form that is read, by name."""
    from PIL import Image, features

    colour = Image.fromarray(_scene())
    forms: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
        "baseline.jpg": (colour, "JPEG", {}), "progressive.jpg": (colour, "JPEG", {"progressive": True}),
        "cmyk.jpg": (colour.convert("CMYK"), "JPEG", {}), "turned.jpg": (colour, "JPEG", {"exif": _turned()}),
        "rgb.png": (colour, "PNG", {}), "alpha.png": (colour.convert("RGBA"), "PNG", {}),
        "palette.png": (colour.convert("P"), "PNG", {}), "deep.png": (colour.convert("I;16"), "PNG", {}),
        "rgb.bmp": (colour, "BMP", {}), "rgb.tif": (colour, "TIFF", {}), "packed.tif": (
            colour, "TIFF", {"compression": "tiff_lzw"}),
        "moving.gif": (colour, "GIF", {"save_all": True, "append_images": [Image.fromarray(_scene(9))]}),
        "rgb.ppm": (colour, "PPM", {}),
    }  # fmt: skip
    if features.check("webp"):
        forms["rgb.webp"] = (colour, "WEBP", {})
    if features.check("avif"):
        forms["rgb.avif"] = (colour, "AVIF", {})
    found = {}
    for name, (picture, form, options) in forms.items():
        file = io.BytesIO()
        picture.save(file, form, **options)
        found[name] = file.getvalue()
    return found


def _turned() -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # held upright
    return exif.tobytes()


@cache
def video_seeds() -> dict[str, bytes]:
    """A second of video in every container that can be written here, by name."""
    import av

    found = {}
    for form, codec, ending in FILMED:
        file = io.BytesIO()
        try:
            with av.open(file, "w", format=form) as container:
                stream = container.add_stream(codec, rate=10)
                stream.width, stream.height = 176, 144
                if codec == "gif":
                    stream.pix_fmt = "rgb8"
                elif codec == "mjpeg":
                    stream.pix_fmt = "yuvj420p"
                for number in range(10):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(_scene(number), format="rgb24")))
                container.mux(stream.encode(None))
        except (av.FFmpegError, ValueError):
            continue  # no such encoder in this build
        found[f"{codec}.{ending}"] = file.getvalue()
    return found


@cache
def model_seeds() -> dict[str, bytes]:
    """The smaller of the models that ship."""
    from affekt.models.zoo import model_path

    return {"activity.onnx": model_path("activity").read_bytes()}


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The data with one to four changes, most of them near its start, where the header is."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        near = min(len(changed), 512) if rng.random() < 0.6 else len(changed)
        at, size = int(rng.integers(0, max(1, near))), int(rng.integers(1, 64))
        kind = int(rng.integers(0, 6))
        if kind == 0:
            changed[at : at + 1] = bytes([int(rng.integers(0, 256))])
        elif kind == 1:
            width = int(rng.choice([2, 4, 8]))
            number = int(rng.choice(EXTREME)) % (1 << 8 * width)
            changed[at : at + width] = number.to_bytes(width, "big" if rng.random() < 0.5 else "little")
        elif kind == 2:
            changed[at : at + size] = bytes([255 * int(rng.integers(0, 2))]) * size
        elif kind == 3:
            del changed[at : at + size]
        elif kind == 4:
            changed[at:at] = changed[at : at + size]
        else:
            del changed[int(rng.integers(1, len(changed) + 1)) :]
        if not changed:
            break
    return bytes(changed)


def case(kind: str, number: int, seed: int) -> tuple[str, bytes]:
    """The damaged file of a number: its ending and its bytes."""
    rng = np.random.default_rng([seed, number])
    seeds = SEEDS[kind]()
    name = list(seeds)[number % len(seeds)]
    return name.rpartition(".")[2], mutated(seeds[name], rng)


def check_sound(path: Path) -> None:
    """Read a recording as all of affekt does; raises unless what comes is sound or a refusal."""
    from affekt.errors import AffektError
    from affekt.speech.audio import blocks

    try:
        for block in blocks(path, warn=lambda sentence: None):
            assert np.isfinite(block).all(), "holds samples that are no numbers"
    except AffektError as error:
        assert str(error).startswith(str(path)), "the refusal does not say which file"


def check_frames(path: Path) -> None:
    """Read a picture or a video as all of affekt does; raises unless what comes is frames in order or a refusal."""
    from affekt.errors import AffektError
    from affekt.face.stream import frames_of

    last = -1.0
    try:
        for number, frame in enumerate(frames_of(path, rate=0)):
            assert frame.pixels.dtype == np.uint8, "is no picture"
            assert frame.pixels.ndim == 3 and frame.pixels.shape[2] == 3, "is no picture"
            assert np.isfinite(frame.time) and frame.time > last, "is not later than the frame before"
            last = frame.time
            if number > 100:
                return
    except AffektError as error:
        assert str(error).startswith(str(path)), "the refusal does not say which file"


def check_model(path: Path) -> None:
    """Open a model and run it; raises unless it is refused or answers."""
    from affekt.errors import AffektError
    from affekt.models.onnx import open_model, read_card

    try:
        read_card(path)
        model = open_model(path)
        model.run(
            *(np.zeros((1, 1600)[:axes] if axes < 3 else (1,) * axes, np.float32) for axes in model.inputs.values())
        )
    except AffektError:
        return


CHECKS: dict[str, Callable[[Path], None]] = {
    "sounds": check_sound,
    "pictures": check_frames,
    "videos": check_frames,
    "models": check_model,
}
SEEDS: dict[str, Callable[[], dict[str, bytes]]] = {
    "sounds": sound_seeds,
    "pictures": picture_seeds,
    "videos": video_seeds,
    "models": model_seeds,
}


def check(kind: str, ending: str, data: bytes, folder: Path) -> None:
    """Check one input."""
    path = folder / f"hostile.{ending}"
    path.write_bytes(data)
    CHECKS[kind](path)


def work(kind: str, first: int, last: int, seed: int) -> None:
    """What a worker does: a line for each number, before and after."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, last):
            ending, data = case(kind, number, seed)
            print("begin", number, flush=True)
            try:
                check(kind, ending, data, Path(folder))
            except Exception as error:  # any is a finding
                print("failed", number, type(error).__name__, str(error).replace("\n", " ")[:200], flush=True)
    print("end", last, flush=True)


def findings(kind: str, count: int, seed: int) -> dict[int, str]:
    """Have workers go through so many inputs; what failed, by number."""
    found: dict[int, str] = {}
    next_one = 0
    while next_one < count:
        command = [sys.executable, "-m", "tests.fuzz", "--work", kind, str(next_one), str(count), str(seed)]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert worker.stdout is not None
        what, before = "died", next_one
        while True:
            ready, _, _ = select.select([worker.stdout], [], [], SECONDS + 10)
            if not ready:
                what = f"took longer than {SECONDS:g} s"
                worker.kill()
                break
            words = worker.stdout.readline().split(maxsplit=2)
            if not words:
                break
            if words[0] == "begin":
                next_one = int(words[1]) + 1
            elif words[0] == "failed":
                found[int(words[1])] = words[2]
            elif words[0] == "end":
                next_one, what = count + 1, ""
                break
            else:
                found[next_one - 1] = f"printed {' '.join(words)!r}"
        worker.wait()
        if what:
            # One that does not even begin must not be begun for ever.
            next_one = max(next_one, before + 1)
            found[next_one - 1] = what
    return found


@click.command()
@click.option("--sounds", default=2000, show_default=True)
@click.option("--pictures", default=2000, show_default=True)
@click.option("--videos", default=1000, show_default=True)
@click.option("--models", default=200, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--work", "part", nargs=4, hidden=True)
def main(seed: int, part: tuple[str, str, str, str] | None, **counts: int) -> None:
    """Damage recordings, pictures, videos and model files, and see what happens."""
    if part:
        work(part[0], *map(int, part[1:]))
        return
    failed = 0
    for kind, count in counts.items():
        for number, what in findings(kind, count, seed).items():
            ending, data = case(kind, number, seed)
            name = f"{kind}-{hashlib.sha256(data).hexdigest()[:12]}.{ending}"
            KEPT.mkdir(exist_ok=True)
            (KEPT / name).write_bytes(data)
            click.echo(f"{kind} {number}: {what}; kept as {KEPT / name}")
            failed += 1
    tried = ", ".join(f"{count} {kind} of {len(SEEDS[kind]())} kinds" for kind, count in counts.items())
    click.echo(f"{tried}: {failed} findings")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
