"""Recordings of one's own, by every recipe that learns from recordings and their labels."""

import shutil

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from affekt.cli import main
from affekt.corpora.synthetic import write_synthetic
from affekt.errors import InputError, UnknownName
from affekt.models.onnx import read_card
from affekt.recognize.recognizer import Recognizer
from affekt.train.lab.dimensions import read_numbered
from affekt.train.lab.dimensions_recipe import DimensionRecipe
from affekt.train.lab.experiment import EncoderRecipe, Experiment, as_experiment
from affekt.train.lab.material import read_samples
from affekt.train.recipe import Recipe, WhisperRecipe, load_recipe, recipe_names
from affekt.train.sources import OWN, read_split, training_data, with_own
from affekt.train.voice.activity import ActivityRecipe
from affekt.train.voice.run import material_of


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Four speakers, three labels, two of them in no recipe."""
    folder = tmp_path_factory.mktemp("own") / "tones"
    write_synthetic(folder, speakers=4, clips_per_label=2, labels=["angry", "calm", "happy"], seed=1)
    table = (folder / "labels.csv").read_text()
    (folder / "labels.csv").write_text(table.replace(",angry,", ",cross,").replace(",calm,", ",at ease,"))
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    for label in ("happy", "sad"):
        for who in ("ann", "ben"):
            (folder / label / who).mkdir(parents=True)
            Image.new("L", (48, 48), 90 if who == "ann" else 160).save(folder / label / who / "1.png")
    return folder


def test_every_recipe_takes_own_data_or_says_why_not(tones, pictures, tmp_path):
    taken, refused = [], []
    for name in [*recipe_names(), "activity"]:
        recipe = ActivityRecipe() if name == "activity" else load_recipe(name)
        if isinstance(recipe, (Experiment, EncoderRecipe)):
            experiment = as_experiment(recipe) if isinstance(recipe, EncoderRecipe) else recipe
            samples, _ = read_samples(experiment, {OWN: pictures if experiment.modality == "face" else tones})
            assert len(samples) == (4 if experiment.modality == "face" else 8 * len({s.label for s in samples}))
            taken.append(name)
        elif isinstance(recipe, (Recipe, WhisperRecipe, ActivityRecipe)):
            own = with_own(recipe, {OWN: tones})
            assert own.corpora == (OWN,) and ("cross" in getattr(own, "labels", ["cross"]))
            taken.append(name)
        elif isinstance(recipe, DimensionRecipe):
            with pytest.raises(InputError, match="has a number for valence, arousal or dominance"):
                read_numbered({OWN: tones})
            taken.append(name)
        else:
            done = CliRunner().invoke(main, ["train", name, "--corpus", f"{OWN}={tones}", "-o", str(tmp_path / name)])
            assert done.exit_code == 2 and f"--corpus folder is not for {name}: it learns" in done.stderr
            refused.append(name)
    assert refused == ["detector", "face", "text", "yolo-emotion"] and len(taken) > 8


def test_own_recordings_are_split_by_speaker_and_keep_their_labels(tones):
    recipe = with_own(load_recipe("voice-small"), {OWN: tones})
    split = read_split(recipe.name, recipe.corpora, {OWN: tones}, labels=recipe.labels)
    sides = [{s.speaker for s in side} for side in (split.train, split.dev, split.test)]
    assert all(sides) and sum(map(len, sides)) == 4 and set(recipe.labels) == {s.label for s in split.train}
    assert training_data(split, recipe.corpora)[OWN] == {"licence": "yours", "clips": len(split.train), "speakers": 2}


def test_with_other_corpora_the_labels_of_the_recipe_stay(tones, tmp_path):
    for actor in range(1, 25):
        for code in ("01", "05"):
            (tmp_path / f"03-01-{code}-01-01-01-{actor:02d}.wav").touch()
    recipe, given = load_recipe("voice-small"), {"ravdess": tmp_path, OWN: tones}
    mixed = with_own(recipe, given)
    assert mixed.labels == recipe.labels and mixed.corpora == ("ravdess", OWN)
    split = read_split(mixed.name, mixed.corpora, given, labels=mixed.labels)
    assert {s.label for s in split.train} <= set(recipe.labels)
    assert {s.corpus for s in split.train} == {"ravdess", OWN}


def test_what_cannot_be_learned_from_is_refused(tones, pictures, tmp_path):
    with pytest.raises(UnknownName, match="corpus of this recipe"):
        with_own(load_recipe("voice-small"), {OWN: tones, "fer2013": tones})
    with pytest.raises(InputError, match="is a picture; this recipe learns from recordings"):
        with_own(load_recipe("voice-small"), {OWN: pictures})
    with pytest.raises(InputError, match="learns from recordings, and this is none"):
        read_samples(load_recipe("tess-conv1d"), {OWN: pictures})
    with pytest.raises(InputError, match="learns from pictures, and this is none"):
        read_samples(load_recipe("fer2013-cnn"), {OWN: tones})
    (tmp_path / "one" / "happy").mkdir(parents=True)
    shutil.copy(next(tones.rglob("*.wav")), tmp_path / "one" / "happy")
    with pytest.raises(InputError, match="at least two are needed"):
        with_own(load_recipe("voice-small"), {OWN: tmp_path / "one"})


def test_speakers_of_two_corpora_of_one_table_are_two(tones, tmp_path):
    wav = next(tones.rglob("*.wav"))
    rows = [f"{wav.name},{label},01,{corpus},{i}" for i, corpus in enumerate("ab") for label in ("sad",)]
    for i, row in enumerate(rows):
        shutil.copy(wav, tmp_path / f"{i}.wav")
        rows[i] = row.replace(wav.name, f"{i}.wav")
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,speaker,corpus,take", *rows]))
    from affekt.train.sources import own_samples

    assert {s.speaker for s in own_samples(tmp_path)} == {"a 01", "b 01"}


def test_a_lab_recipe_learns_from_own_recordings_and_its_file_predicts(tones, clips, tmp_path):
    (tmp_path / "mine.toml").write_text(
        'kind = "lab"\nname = "mine"\ncorpora = ["ravdess"]\nkeep = ["calm", "happy"]\nmodels = ["linear-svm"]\n'
        '[inputs]\nkind = "mfcc-20-mean"\n[honest]\nfolds = 2\nchoose = "last"\n'
    )
    call = ["train", str(tmp_path / "mine.toml"), "--corpus", f"folder={tones}", "-o", str(tmp_path / "run")]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    assert "keep, merge" in done.stdout
    card = read_card(tmp_path / "run" / "mine.onnx")
    assert "cross" in card.labels and card.data[OWN]["licence"] == "yours"
    assert Recognizer(tmp_path / "run" / "mine.onnx").predict(str(clips[0]))


def test_the_voice_network_may_answer_any_label_of_own_recordings(tones, tmp_path):
    recipe = with_own(load_recipe("voice-small"), {OWN: tones})
    split = read_split(recipe.name, recipe.corpora, {OWN: tones}, labels=recipe.labels)
    material = material_of(split.dev, recipe, tmp_path)
    assert material.allowed.tolist() == [[True] * 3] and len(material.labels) == len(split.dev)
