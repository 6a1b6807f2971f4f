"""Evaluation of models of faces on pictures: faces as they are, faces to be found, learned pictures counted."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from affekt.corpora import read_corpus
from affekt.errors import CorpusError, InputError, UnknownName
from affekt.evaluate.answers import answer_pictures
from affekt.evaluate.corpus import evaluate, select_test_set
from affekt.models.onnx import softmax
from affekt.recognize.recognizer import Recognizer
from affekt.types import Sample

from .test_corpora_fer2013 import archive, made_images

LABELS = ("anger", "fear", "happiness")


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer("face")


@pytest.fixture
def folders(tmp_path):
    """Class folders of 30 pictures of 48 x 48."""
    for i, image in enumerate(made_images(30)):
        folder = tmp_path / "faces" / LABELS[i % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:02d}.png")
    return tmp_path / "faces"


def test_faces_as_they_are_reach_the_network_unchanged(recognizer, folders):
    samples = read_corpus("folder", folders).samples
    found = answer_pictures(recognizer, samples)
    pixels = np.stack([np.asarray(Image.open(s.path), np.float32) for s in samples])
    wanted = softmax(recognizer.network.run(pixels)[0], recognizer.card.temperature)
    given = np.array([list(p.scores.values()) for p in found.summaries])
    # A step of int8 falls to one side or the other with the last digit, which batches differ in.
    assert np.abs(given - wanted).max() < 0.01
    assert found.note == "30 pictures taken as faces as they are (square, at most 100 pixels)"


@pytest.mark.parametrize(
    ("size", "crop", "note"),
    [
        ((100, 100), "auto", "1 pictures taken as faces as they are (square, at most 100 pixels)"),
        ((101, 101), "auto", "in 1 no face found, which counts as wrong"),
        ((48, 60), "auto", "in 1 no face found, which counts as wrong"),
        ((48, 60), "whole", "1 pictures taken as faces as they are (--crop whole)"),
        ((48, 48), "detect", "in 1 no face found, which counts as wrong"),
    ],
)
def test_what_a_picture_is_taken_for_is_said(recognizer, tmp_path, size, crop, note):
    Image.new("RGB", size, (90, 90, 90)).save(tmp_path / "a.png")
    found = answer_pictures(recognizer, [Sample("folder/a", str(tmp_path / "a.png"), "sad")], crop=crop)
    assert found.note == note and bool(found.summaries[0].scores) == ("as they are" in note)


def test_a_picture_that_cannot_be_read_is_left_out_and_named(recognizer, folders):
    (folders / "fear" / "broken.png").write_bytes(b"no picture")
    samples = read_corpus("folder", folders).samples
    found = evaluate(recognizer, select_test_set("folder", samples, recognizer.card))
    assert [failure.source for failure in found.failures] == [str(folders / "fear" / "broken.png")]
    report = found.reports["corpus labels"]
    assert report.metrics["WA"].n == 30 and "1 of 31 pictures could not be read" in report.warnings[-2]


def test_a_report_on_pictures_is_in_the_words_of_pictures(recognizer, folders):
    samples = read_corpus("folder", folders).samples
    found = evaluate(recognizer, select_test_set("folder", samples, recognizer.card)).reports["corpus labels"]
    assert found.labels == ("angry", "fear", "happy") and {"UAR", "WA", "macro F1", "ECE"} <= set(found.metrics)
    assert found.protocol.startswith("folder: people unknown; corpus labels")
    assert any("no person is known: the intervals are over pictures" in line for line in found.warnings)
    assert not any("speaker" in line or "clip" in line for line in (found.protocol, *found.warnings))


def test_where_people_are_known_the_intervals_are_over_them(recognizer, folders):
    samples = read_corpus("folder", folders).samples
    known = [replace(sample, speaker=str(i // 5)) for i, sample in enumerate(samples)]
    found = evaluate(recognizer, select_test_set("folder", known, recognizer.card)).reports["corpus labels"]
    assert found.speakers == 6 and "6 people" in found.protocol


def test_learned_pictures_are_counted_and_scored_apart(recognizer, folders):
    samples = read_corpus("folder", folders).samples
    test_set = replace(select_test_set("folder", samples, recognizer.card), trained_on=samples[:6])
    found = evaluate(recognizer, test_set).reports["corpus labels"]
    assert found.metrics["WA without them"].n == 24
    assert "6 of 30 pictures are near-duplicates of one of the 6" in found.warnings[-1]
    assert "6 of them to the last pixel" in found.warnings[-1]


def test_the_published_test_part_is_what_is_tested(recognizer, tmp_path):
    samples = read_corpus("fer2013", archive(tmp_path)).samples
    found = select_test_set("fer2013", samples, recognizer.card)
    assert {s.meta["usage"] for s in found.samples} == {"PublicTest"} and found.held_out
    everything = select_test_set("fer2013", samples, recognizer.card, side="all")
    assert everything.stamps == ("trained on these clips",) and not everything.held_out


def test_dev_faces_of_another_copy_of_fer2013_are_refused(recognizer, tmp_path):
    other = replace(recognizer.card, recipe={**recognizer.card.recipe, "dev": 14})
    samples = read_corpus("fer2013", archive(tmp_path)).samples
    with pytest.raises(InputError, match="cannot be found again in this copy of FER2013"):
        select_test_set("fer2013", samples, other, side="dev")


def test_models_and_corpora_of_two_modalities_are_refused(recognizer, folders, clips):
    with pytest.raises(InputError, match="face is a model of face, and folder holds recordings"):
        select_test_set("folder", [Sample("folder/a", str(clips[0]), "sad")], recognizer.card)
    with pytest.raises(InputError, match="voice is a model of speech, and folder holds pictures"):
        select_test_set("folder", read_corpus("folder", folders).samples, Recognizer("voice").card)


def test_what_is_for_one_modality_only_is_refused_for_the_other(recognizer, folders, clips):
    samples = read_corpus("folder", folders).samples
    test_set = select_test_set("folder", samples, recognizer.card)
    with pytest.raises(InputError, match="speaker baselines are for speech"):
        evaluate(recognizer, replace(test_set, baseline="any"))
    sounds = (Sample("folder/a", str(clips[0]), "sad", corpus="folder"),)
    with pytest.raises(InputError, match="near-duplicates are looked for among pictures"):
        evaluate(Recognizer("voice"), replace(test_set, samples=sounds, trained_on=samples))


def test_pictures_that_cannot_be_tested_are_refused(recognizer, tmp_path):
    with pytest.raises(UnknownName, match="unknown crop 'centre'"):
        answer_pictures(recognizer, [], crop="centre")
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(CorpusError, match="none of its 1 pictures can be read"):
        evaluate(recognizer, [Sample("folder/a", str(tmp_path / "a.png"), "sad", corpus="folder")])
