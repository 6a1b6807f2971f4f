"""The one-stage detector of emotions: decoding in the graph, losses, a small run, and predicting with its file."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from click.testing import CliRunner

from affekt import Recognizer
from affekt.cli import main
from affekt.errors import InputError, ModelError
from affekt.face.detect import STRIDES, DetectOptions, Detector
from affekt.face.shape import LABELS
from affekt.face.yolo_network import YoloNetwork, decoded
from affekt.models.onnx import class_names, read_card
from affekt.train.face.detector_mosaics import Mosaic, cell_centres
from affekt.train.face.detector_recipe import DetectorSchedule, MosaicRecipe
from affekt.train.face.yolo_loop import YoloRun, emotion_losses, taught_faces
from affekt.train.face.yolo_recipe import YoloRecipe
from affekt.train.face.yolo_run import export_yolo, run_yolo
from affekt.train.recipe import load_recipe

TINY = YoloRecipe(
    stem=4, channels=(4, 8, 8, 8), blocks=(0, 0, 0, 0), neck=8, dev=8, held_out=5,
    mosaics=MosaicRecipe(sides=(96,), tile=(40.0, 96.0), face=(20.0, 0.9), away=0, faceless_corpora=("scenes",)),
    schedule=DetectorSchedule(steps=2, batch=1, bfloat16=False),
)  # fmt: skip


def test_the_graph_decodes_its_cells_as_a_slow_loop_does():
    rng = np.random.default_rng(0)
    maps = [rng.standard_normal((1, 3 + 4, 64 // s, 96 // s)).astype(np.float32) for s in STRIDES]
    found, expected = decoded([torch.from_numpy(part) for part in maps]).numpy()[0].T, []
    for stride, cells in zip(STRIDES, maps, strict=True):
        for row in range(cells.shape[2]):
            for column in range(cells.shape[3]):
                *logits, x, y, w, h = cells[0, :, row, column].tolist()
                box = [(column + 0.5 + x) * stride, (row + 0.5 + y) * stride]
                box += [4 * stride * math.exp(w), 4 * stride * math.exp(h)]
                expected.append(box + [1 / (1 + math.exp(-logit)) for logit in logits])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def one_face(label_row=0):
    box = np.float32([[61.0, 70.0, 30.0, 26.0]])
    nowhere = np.zeros((0, 4), np.float32)
    return Mosaic(torch.zeros(128, 128), box, np.zeros((1, 5, 2), np.float32), nowhere, np.array([label_row]))


def test_the_right_label_in_the_right_box_has_next_to_no_loss_and_another_label_has_some():
    from affekt.train.face.detector_mosaics import assigned

    mosaic, labels = one_face(1), np.array([0, 5])
    centres, strides = cell_centres(128)
    cells = torch.full((1, len(centres), len(LABELS) + 4), -20.0)
    for cell in np.flatnonzero(assigned(mosaic) == 0):
        at, stride = torch.from_numpy(centres[cell]), float(strides[cell])
        cells[0, cell, 5] = 20
        cells[0, cell, -4:-2] = (torch.tensor([61.0, 70.0]) - at) / stride
        cells[0, cell, -2:] = torch.log(torch.tensor([30.0, 26.0]) / (4 * stride))
    parts = emotion_losses(cells, [mosaic], labels)
    assert all(float(part) < 1e-3 for part in parts.values())
    assert float(emotion_losses(cells, [mosaic], np.array([0, 2]))["score"]) > 10


def faces_file(path, count=40):
    """FER2013 as affekt reads it: grey noise with a level for each label."""
    rng = np.random.default_rng(3)
    emotion = np.arange(count) % 7
    images = np.clip(rng.normal(30 + 30 * emotion[:, None, None], 40, (count, 48, 48)), 0, 255).astype(np.uint8)
    ferplus = np.full((count, 10), -1)
    names = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    votes = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
    np.savez(
        path, images=images, emotion=emotion, usage=(np.arange(count) >= 36).astype(int), ferplus=ferplus,
        id=np.array([f"f{i}" for i in range(count)]), emotion_names=np.array(names), ferplus_names=np.array(votes),
    )  # fmt: skip
    return path


def test_faces_lie_in_their_boxes_and_scenes_have_none(tmp_path):
    from affekt.corpora.fer2013 import read_fer2013

    faces, _ = read_fer2013(faces_file(tmp_path / "faces.npz"))
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "a.pgm").write_bytes(b"P5\n200 100\n255\n" + bytes(20000))
    taught = taught_faces(faces, tmp_path / "scenes", 1)
    assert len(taught.names) == len(faces) + 1
    assert taught.names[-1] == "scenes/a.pgm"
    assert taught.sizes[-1].tolist() == [64, 128]
    left, top, width, height = taught.boxes[0]
    assert width == height == pytest.approx(0.85 * 48)
    assert (left + width / 2, top + height / 2) == pytest.approx((24, 24 + 0.06 * 48))


def test_a_run_ends_in_a_file_that_predicts(tmp_path):
    lines = []
    path = run_yolo(TINY, {"fer2013": faces_file(tmp_path / "faces.npz")}, tmp_path / "run", report=lines.append)
    assert path == tmp_path / "run" / "yolo-emotion.onnx"
    assert "mean average precision" in lines[-1]
    metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert class_names(metadata) == LABELS
    card = read_card(path)
    assert (card.task, card.labels, set(card.scores["mosaics"])) == (
        "detection", LABELS, {"precision", "recall", "accuracy"},
    )  # fmt: skip
    assert Detector(path).threshold == card.input["least"]
    again = run_yolo(TINY, {"fer2013": tmp_path / "faces.npz"}, tmp_path / "run", report=lines.append)
    assert again == path


@pytest.fixture
def one_stage(tmp_path):
    """A detector that sees one happy face, of 64 pixels about the middle of a picture of 128, and nothing else."""
    run = YoloRun(TINY, np.zeros(1, np.int64))
    for parameter in run.network.parameters():
        torch.nn.init.zeros_(parameter)

    class Happy(torch.nn.Module):
        def forward(self, pictures):
            maps = []
            for stride in STRIDES:
                ones = torch.ones_like(torch.nn.functional.avg_pool2d(pictures, stride))
                place = ((ones.cumsum(2) == 64 // stride) & (ones.cumsum(3) == 64 // stride)).float()
                logits = [-9 + (12 if name == "happy" and stride == 16 else 1) * place for name in LABELS]
                maps.append(torch.cat([*logits, 0.5 * ones, 0.5 * ones, 0 * ones, 0 * ones], dim=1))
            return tuple(maps)

    from affekt.models.card import Card

    path = tmp_path / "yolo.onnx"
    card = Card(name="made", modality="face", task="detection", labels=LABELS, input={"least": 0.5})
    export_yolo(Happy(), card, path)
    assert YoloNetwork(Happy())(torch.zeros(1, 3, 128, 128)).shape == (1, 11, 256 + 64 + 16)
    return path


def test_one_stage_gives_faces_and_expressions(one_stage):
    recognizer = Recognizer(one_stage)
    (found,) = recognizer.predict(np.full((128, 128, 3), 90, np.uint8))
    assert found.label == "happy"
    assert found.box == pytest.approx((0.25, 0.25, 0.5, 0.5), abs=0.01)
    assert recognizer.labels == LABELS
    assert sum(found.scores.values()) == pytest.approx(1)
    with pytest.raises(InputError, match="finds faces itself; leave the detector out"):
        recognizer.with_options(detector="haar")


def test_the_command_takes_a_one_stage_model_and_another_detector(one_stage, tmp_path):
    from PIL import Image

    Image.new("RGB", (128, 128), (90, 90, 90)).save(tmp_path / "a.png")
    words = ["predict", str(tmp_path / "a.png"), "--model", str(one_stage), "--format", "json"]
    done = CliRunner().invoke(main, words)
    assert json.loads(done.stdout)["results"][0]["segments"][0]["label"] == "happy"
    refused = CliRunner().invoke(main, [*words, "--detector", "yunet"])
    assert refused.exit_code == 2
    assert "finds faces itself" in refused.stderr


def test_an_export_of_others_is_a_model_if_its_classes_are_emotions(one_stage, tmp_path):
    model = onnx.load(one_stage)
    names = "{0: 'anger', 1: 'disgust', 2: 'fear', 3: 'happiness', 4: 'neutral', 5: 'sadness', 6: 'surprise'}"

    def saved(names):
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, {"names": names})
        onnx.save(model, tmp_path / "other.onnx")
        return tmp_path / "other.onnx"

    path = saved(names)
    assert read_card(path).labels == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert Detector(path, DetectOptions(threshold=0.3)).names[3] == "happiness"
    Recognizer(path)
    with pytest.raises(ModelError, match="a model for detection .*not for emotions"):
        Recognizer(saved(names.replace("anger", "car")))
    with pytest.raises(ModelError, match="names no emotions; give it as detector"):
        Recognizer(saved("{0: 'face'}"))


def test_the_recipe_that_ships_is_complete_and_its_corpora_are_checked(tmp_path):
    assert load_recipe("yolo-emotion").schedule.steps == 3000
    done = CliRunner().invoke(
        main, ["train", "yolo-emotion", "--corpus", f"birds={tmp_path}", "-o", str(tmp_path / "o")]
    )
    assert done.exit_code == 2
    assert "give --corpus fer2013=FILE.npz" in done.stderr
    done = CliRunner().invoke(main, ["train", "yolo-emotion", "--teacher", "yunet", "-o", str(tmp_path / "o")])
    assert "--teacher is for detector" in done.stderr
    assert replace(TINY, seed=2) != TINY
