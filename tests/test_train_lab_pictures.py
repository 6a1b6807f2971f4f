"""The recipe of FER2013: as published and honest, with copies flagged by the audit; its file is a model of faces."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affekt.corpora import read_corpus
from affekt.errors import InputError, UnknownName
from affekt.evaluate.answers import answer_pictures
from affekt.models.onnx import read_card
from affekt.recognize.recognizer import Recognizer
from affekt.train.lab.architectures import ARCHITECTURES, parameter_count
from affekt.train.lab.experiment import Experiment, Fit, ladder
from affekt.train.lab.model import write_model
from affekt.train.lab.pictures import chosen_pictures, load_pictures
from affekt.train.lab.reproduce import Progress, Selection, reproduce, rows
from affekt.train.recipe import load_recipe

from .test_corpora_fer2013 import archive, made_images

QUIET = Progress(lambda total: lambda: None, lambda text: None)


def nothing() -> None:
    """Called after each picture."""


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Of 140 faces 112 are of the training part: 56 and a copy of each, every other one mirrored."""
    images = made_images(140)
    images[56:112] = images[:56]
    images[56:112:2] = images[56:112:2, :, ::-1]
    emotion = np.r_[np.arange(56) % 7, np.arange(56) % 7, np.arange(28) % 7].astype(np.int8)
    return archive(
        tmp_path_factory.mktemp("faces"),
        140,
        images=images,
        emotion=emotion,
        usage=(np.arange(140) >= 112).astype(np.int8),
    )


@pytest.fixture(scope="module")
def experiment():
    return dataclasses.replace(load_recipe("fer2013-cnn"), fit=Fit(epochs=1, batch=64))


@pytest.fixture(scope="module")
def done(faces, experiment, tmp_path_factory):
    """Both protocols, run once, and the folder of the run."""
    output = tmp_path_factory.mktemp("run")
    return reproduce(experiment, {"fer2013": faces}, output, selection=Selection(), progress=QUIET), output


def test_the_network_is_the_one_that_goes_around():
    network = ARCHITECTURES["fer2013-cnn"]((48, 48), 7)
    # 3 x 3 kernels: 32, 64, 128, 128; 4 x 4 x 128 numbers to 1024 and 7
    sizes = [9 * 32 + 32, 9 * 32 * 64 + 64, 9 * 64 * 128 + 128, 9 * 128 * 128 + 128, 2048 * 1024 + 1024, 1024 * 7 + 7]
    assert parameter_count(network) == sum(sizes) == 2_345_607
    assert [m.p for m in network.modules() if isinstance(m, torch.nn.Dropout)] == [0.25, 0.25, 0.5]


def test_copies_are_flagged_in_the_published_protocol_and_gone_in_the_honest_one(done):
    published, honest = rows(done[0])
    assert published.stamps == (
        "people unknown", "same pictures in test", "near-duplicates in test", "chosen on test",
    )  # fmt: skip
    assert honest.stamps == ("people unknown",)
    assert published.recall.n == 21 and honest.recall.n >= 14
    findings = {f.name: f.what for f in done[0].outcomes["as published"]["fer2013-cnn"].report.findings}
    assert "Pictures in test that are the same picture as one in train:" in findings["same picture on both sides"]
    assert "speaker" not in " ".join(findings.values()) and "clip" not in " ".join(findings.values())


def test_the_tests_of_fer2013_stay_untouched(faces, experiment):
    samples, evidence = chosen_pictures(experiment, read_corpus("fer2013", faces).samples, tick=nothing)
    assert len(samples) == 112 and {sample.meta["usage"] for sample in samples} == {"Training"}
    assert set(evidence.thumbnails) == {sample.id for sample in samples}


def test_of_some_faces_whole_series_take_part(faces, experiment):
    some = dataclasses.replace(experiment, most=21)
    samples, evidence = chosen_pictures(some, read_corpus("fer2013", faces).samples, tick=nothing)
    assert len(samples) == 20 and len({sample.meta["series"] for sample in samples}) == 10
    assert len(evidence.hashes) == 20


def test_faces_are_grey_values_from_0_to_1(faces, experiment):
    samples = read_corpus("fer2013", faces).samples
    inputs = load_pictures(samples).inputs
    with np.load(faces) as table:
        assert np.allclose(inputs[0] * 255, table["images"])


def test_each_step_of_the_ladder_takes_one_thing_away(experiment):
    assert list(ladder(experiment)) == [
        "as published", "the test set no longer chooses the epoch", "no near-duplicates on both sides",
    ]  # fmt: skip


def test_its_file_is_a_model_of_faces(done, faces, experiment, tmp_path):
    outcome, folder = done[0].outcomes["honest"]["fer2013-cnn"], done[1] / "honest" / "fer2013-cnn"
    path, difference = write_model(experiment, outcome, done[0].clips, folder=folder, path=tmp_path / "cnn.onnx")
    card = read_card(path)
    assert difference < 1e-4 and card.modality == "face" and card.input["size"] == 48
    assert card.data["fer2013"]["speakers"] == 0
    found = answer_pictures(Recognizer(path), read_corpus("fer2013", faces).samples[:3])
    assert len(found.summaries) == 3 and sum(found.summaries[0].scores.values()) == pytest.approx(1)


def test_a_recipe_of_faces_refuses_what_it_cannot_do(faces, experiment, clips):
    samples = read_corpus("fer2013", faces).samples
    with pytest.raises(InputError, match="is no picture; the recipe fer2013-cnn learns from pictures"):
        chosen_pictures(experiment, [dataclasses.replace(samples[0], path=str(clips[0]))], tick=nothing)
    with pytest.raises(InputError, match="copies are made of recordings"):
        chosen_pictures(dataclasses.replace(experiment, copies=({"pitch": {}},)), samples, tick=nothing)
    with pytest.raises(UnknownName, match="part"):
        Experiment(part="training")
    with pytest.raises(UnknownName, match="modality of a recipe"):
        Experiment(modality="faces")
    with pytest.raises(InputError, match="most is -1"):
        Experiment(most=-1)
