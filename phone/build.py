"""Builds the offline page into a folder that any web server can serve: ``python phone/build.py [FOLDER]``.

It needs npm for one package, onnxruntime-web, in exactly one version; everything else lies in this repository.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import asdict
from pathlib import Path

import onnxruntime
from PIL import Image, ImageDraw

from affekt.models.onnx import read_card
from affekt.timeline.shares import FEW

HERE = Path(__file__).parent
SOURCE = HERE.parent / "src" / "affekt"
RUNTIME = "1.30.0"
#: Checksum of the npm package: what runs on people's phones is what was tested.
SHA512 = (
    "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"
)
#: Models that come with the page, the default first, and one that is fetched when it is chosen.
MODELS, LATER = ("voice-small", "activity"), ("voice",)
#: Non-module files shared with the server's page; modules are found by their imports.
SHARED = ("example.mp3", "example-licence.txt", "favicon.svg", "recorder-worklet.js", "style.css", "theme.js")
OWN = (
    "app.js", "engine.js", "index.html", "manifest.webmanifest", "phone.css", "phrases.js", "quality.js", "sound.js",
    "worker.js",
)  # fmt: skip
#: Comes from elsewhere, see :func:`_runtime`.
FOREIGN = "ort.js"
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
#: Fields of a card that the page needs, or shows.
CARD = ("name", "labels", "input", "temperature", "threshold", "baseline", "scores", "data", "licence", "limits")


def build(target: Path) -> None:
    """Write the page into ``target``, which is emptied first."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in OWN:
        shutil.copy(HERE / name, target)
    for name in SHARED:
        shutil.copy(SOURCE / "web" / name, target)
    _modules(target)
    _runtime(target)
    for name in (*MODELS, *LATER):
        shutil.copy(SOURCE / "models" / "weights" / f"{name}.onnx", target)
    (target / "models.json").write_text(json.dumps({name: _card(name) for name in (*MODELS, *LATER)}), encoding="utf-8")
    for size, margin, name in ((192, 0, "icon-192"), (512, 0, "icon-512"), (512, 0.14, "icon-maskable")):
        _icon(size, margin).save(target / f"{name}.png", optimize=True)
    page = (SOURCE / "web" / "index.html").read_text(encoding="utf-8")
    names = re.findall(r"{{(BLOCK ([\w-]+))}}", (target / "index.html").read_text(encoding="utf-8"))
    blocks = {place: _block(page, name) for place, name in names}
    _fill(
        target / "index.html",
        {**blocks, "POLICY": POLICY, "FEW": str(FEW), "SIZE": f"{_size(target, skip=LATER) / 1e6:.0f} MB"},
    )
    _service_worker(target)


def _modules(target: Path) -> None:
    """Copy the modules of the server's page that those in the folder import, and that these import."""
    while missing := {
        name
        for path in target.glob("*.js")
        for name in re.findall(r'^import .*"\./([\w-]+\.js)";', path.read_text(encoding="utf-8"), re.M)
        if name != FOREIGN and not (target / name).exists()
    }:
        for name in missing:
            shutil.copy(SOURCE / "web" / name, target)


def _block(page: str, name: str) -> str:
    """The element of the server's page with this id, so that shared parts are written once."""
    found = re.search(rf'^( *)<(\w+) id="{name}"(?:.*</\2>\n|(?s:.*?)\n\1</\2>\n)', page, re.M)
    if not found:
        sys.exit(f"the server's page has no element {name!r} any more; phone/index.html needs it.")
    return found[0].strip()


def _fill(path: Path, values: dict[str, str]) -> None:
    """Put values into the places of a file that are named in double braces."""
    text = path.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    path.write_text(text, encoding="utf-8")


def _size(target: Path, *, skip: tuple[str, ...] = ()) -> int:
    return sum(path.stat().st_size for path in target.iterdir() if path.stem not in skip)


def _runtime(target: Path) -> None:
    """onnxruntime-web for WebAssembly alone: one module, and the machine code zipped, which is a third of the size."""
    npm = shutil.which("npm")
    if not npm:
        sys.exit("npm is missing: install Node.js (https://nodejs.org), which brings it.")
    with tempfile.TemporaryDirectory() as folder:
        package = f"onnxruntime-web@{RUNTIME}"
        # Use npm's cache if possible; without a network, fail at once.
        command = [npm, "pack", "--prefer-offline", "--fetch-retries=1", "--loglevel=error", package]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if packed.returncode:
            sys.exit(f"npm could not fetch {package}: {packed.stderr.strip()[:300]}")
        file = Path(folder) / packed.stdout.split()[-1]
        if hashlib.sha512(file.read_bytes()).hexdigest() != SHA512:
            sys.exit(f"npm gave another {package} than the one that was tested; look at it before you change SHA512.")
        with tarfile.open(file) as archive:
            code = _member(archive, "package/dist/ort.wasm.bundle.min.mjs").decode()
            machine = _member(archive, "package/dist/ort-wasm-simd-threaded.wasm")
    # Named .js: not every server knows the type of .mjs. The source map stays behind.
    (target / "ort.js").write_text(re.sub(r"\n?//# sourceMappingURL=\S+", "", code), encoding="utf-8")
    (target / "ort.wasm.gz").write_bytes(gzip.compress(machine, 9, mtime=0))
    # The package for browsers comes without its licence; the one for Python has it.
    shutil.copy(Path(onnxruntime.__file__).parent / "LICENSE", target / "ort-licence.txt")


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def _card(name: str) -> dict[str, object]:
    card = asdict(read_card(SOURCE / "models" / "weights" / f"{name}.onnx"))
    return {field: card[field] for field in CARD}


def _icon(size: int, margin: float) -> Image.Image:
    """favicon.svg as pixels, drawn four times as large and made smaller; a margin is for masks that cut off the rim."""
    svg = (SOURCE / "web" / "favicon.svg").read_text(encoding="utf-8")
    big, ground = 4 * size, re.findall(r'fill="(#\w+)"', svg)[0]
    image = Image.new("RGBA", (big, big), ground if margin else "#00000000")
    draw = ImageDraw.Draw(image)
    scale, offset = big * (1 - 2 * margin) / 32, big * margin
    if not margin:
        draw.rounded_rectangle((0, 0, big - 1, big - 1), 8 * scale, fill=ground)
    half = float(re.findall(r'stroke-width="([\d.]+)"', svg)[0]) / 2
    for x, y, length, colour in re.findall(r'd="M([\d.]+) ([\d.]+)v([\d.]+)" stroke="(#\w+)"', svg):
        left, top, bottom = float(x) - half, float(y) - half, float(y) + float(length) + half
        corners = [offset + scale * value for value in (left, top, left + 2 * half, bottom)]
        draw.rounded_rectangle(corners, half * scale, fill=colour)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _service_worker(target: Path) -> None:
    """Written last: it names every file to cache, and a version that changes whenever one of them does."""
    shutil.copy(HERE / "sw.js", target)
    digest = hashlib.sha256()
    for path in sorted(target.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    names = sorted(path.name for path in target.iterdir() if path.stem not in LATER and path.name != "sw.js")
    _fill(target / "sw.js", {"VERSION": digest.hexdigest()[:16], "FILES": json.dumps(names), "POLICY": POLICY})


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dist"
    build(folder)
    first = _size(folder, skip=LATER)
    print(f"{folder}: {first / 1e6:.1f} MB, and {(_size(folder) - first) / 1e6:.1f} MB more with {', '.join(LATER)}.")
    print(f"Serve it: python -m http.server -d {folder} --bind 127.0.0.1 8080")
