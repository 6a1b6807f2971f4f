"""``affekt explain``: pictures and a page of what a network looks at, and refusals that say what to do."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("matplotlib")

from affekt.cli import explain as command
from affekt.cli import main
from affekt.face.detect import Faces

BOX = np.array([[20, 20, 80, 80], [150, 40, 60, 60]], np.float32)


@pytest.fixture
def affekt():
    return lambda *words: CliRunner().invoke(main, ["explain", *(str(word) for word in words)])


@pytest.fixture
def photo(tmp_path):
    """A picture with something to see in it."""
    from PIL import Image

    coarse = np.random.default_rng(0).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(coarse).resize((240, 160), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def found(monkeypatch):
    """The faces that are in the photo, which no detector has to agree with."""

    def put(boxes):
        points, classes = np.zeros((len(boxes), 5, 2), np.float32), np.zeros((len(boxes), 0), np.float32)
        faces = Faces(boxes, points, np.ones(len(boxes), np.float32), classes)
        monkeypatch.setattr("affekt.face.detect.Detector.detect", lambda self, pixels: faces)

    return put


def test_each_face_has_its_maps_and_filters_and_the_page_holds_them(affekt, photo, found, tmp_path):
    pytest.importorskip("torch")
    found(BOX)
    done = affekt(
        photo,
        "-o",
        tmp_path / "out",
        "--method",
        "grad-cam",
        "--method",
        "filters",
        "--layer",
        "stages.1.0",
        "--filters",
        8,
    )
    assert done.exit_code == 0, done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"index.html", *(f"face-{i}-{what}.png" for i in (1, 2) for what in ("maps", "filters"))}
    text = (tmp_path / "out" / "index.html").read_text()
    assert text.count("<img") == 4 and "photo.png, face 2 of 2" in text and "stages.1.0" in text
    assert f"2 faces; see {tmp_path / 'out' / 'index.html'}" in done.stdout


def test_without_torch_there_are_cam_and_occlusion_and_it_says_so(affekt, photo, found, tmp_path, monkeypatch):
    found(BOX[:1])
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    done = affekt(photo, "-o", tmp_path / "out")
    assert done.exit_code == 0 and "note: torch and onnx are not installed" in done.stderr
    text = (tmp_path / "out" / "index.html").read_text()
    assert "What speaks for" in text and "by cam, occlusion" in text and "grad-cam" not in text


def test_a_recording_has_the_maps_of_its_segments(affekt, clips, tmp_path):
    pytest.importorskip("torch")
    done = affekt(clips[3], "-o", tmp_path, "--method", "grad-cam", "--label", "sad")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "segment-1-maps.png").exists() and "The maps are for sad" in (
        tmp_path / "index.html"
    ).read_text()


def test_the_faces_that_excite_filters_are_of_the_training_part(affekt, photo, found, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    found(BOX[:1])
    images = np.random.default_rng(0).integers(0, 255, (20, 48, 48), dtype=np.uint8)
    labels = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    names = [*labels[:1], "contempt", *labels[1:], "unknown", "NF"]
    np.savez(
        tmp_path / "fer.npz", images=images, emotion=np.arange(20) % 7, usage=np.arange(20) % 2,
        ferplus=np.full((20, 10), -1), id=np.array([f"f{i}" for i in range(20)]),
        emotion_names=np.array(labels), ferplus_names=np.array(names),
    )  # fmt: skip
    done = affekt(photo, "-o", tmp_path / "out", "--method", "cam", "--corpus", f"fer2013={tmp_path / 'fer.npz'}")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "out" / "exciting.png").exists()
    assert "those of 10 faces (drawn of the 10 of" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layer", "stage.3", "--method", "grad-cam"], r"unknown layer 'stage\.3': did you mean 'stages\.3'\?"),
        (["--layer", "stages.3", "--method", "cam"], "--layer stages.3: cam look into no layer; leave it out"),
        (["--label", "hapy"], "unknown label 'hapy': did you mean 'happy'"),
        (["--corpus", "lfw=x"], "give fer2013=FILE.npz"),
        (["--model", "voice", "--method", "cam"], "does not give its maps, which cam draws; use --method occlusion"),
        (["--model", "activity"], "activity is a model for activity"),
    ],
)
def test_what_makes_no_sense_is_refused(affekt, photo, tmp_path, words, said):
    pytest.importorskip("torch")
    done = affekt(photo, "-o", tmp_path / "out", *words)
    assert done.exit_code == 2 and re.search(said, done.stderr), done.stderr
    assert not (tmp_path / "out").exists()


def test_a_picture_without_a_face_says_so(affekt, photo, found, tmp_path):
    found(BOX[:0])
    done = affekt(photo, "-o", tmp_path / "out", "--method", "cam")
    assert done.exit_code == 1 and "no face was found in it" in done.stderr


def test_faces_are_not_explained_as_voices(photo, found):
    found(BOX)
    done = CliRunner().invoke(main, ["predict", str(photo), "--explain"])
    assert done.exit_code == 2
    assert "--explain puts voices into words" in done.stderr and "affekt explain PATH" in done.stderr


def test_of_a_video_the_first_frame_with_a_face_is_explained(affekt, found, tmp_path, monkeypatch):
    from affekt.face.video import Frame

    found(BOX[:1])
    frames = [Frame(t, np.full((160, 240, 3), 90, np.uint8)) for t in (1.5, 2.0)]
    monkeypatch.setattr("affekt.face.stream.frames_of", lambda path, rate: iter(frames))
    done = affekt("clip.mp4", "-o", tmp_path / "out", "--model", "face", "--method", "cam")
    assert done.exit_code == 0, done.stderr
    assert "the face at 1.5 s" in (tmp_path / "out" / "index.html").read_text()


def test_silence_has_nothing_to_explain(affekt, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "silence.wav", np.zeros(32_000), 16_000)
    done = affekt(tmp_path / "silence.wav", "-o", tmp_path / "out", "--method", "occlusion")
    assert done.exit_code == 2 and "nobody speaks in it" in done.stderr


def test_the_python_of_the_page_runs(photo, found, monkeypatch, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    page = Path(__file__).parent.parent / "docs" / "explain.md"
    _, *codes = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    found(BOX)
    monkeypatch.chdir(photo.parent)
    photo.rename("photo.jpg")
    for code in codes:
        exec(compile(code, "explain.md", "exec"), {})
    assert capsys.readouterr().out.count("[") > 6
