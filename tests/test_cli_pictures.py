"""The commands on pictures: audit, evaluate, corpora check, explore."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from affekt.cli import main

from .test_corpora_fer2013 import archive, made_images


def affekt(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def folders(tmp_path):
    """``train`` and ``test`` with class folders; two pictures of the test are copies."""
    images = made_images(45)
    images[40], images[41] = images[0], images[1][:, ::-1]
    for i, image in enumerate(images):
        folder = tmp_path / "faces" / ("train" if i < 30 else "test") / ("happy", "sad", "angry")[i % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:02d}.png")
    return tmp_path / "faces"


def test_audit_finds_copies_in_a_folder_unaided(folders):
    done = affekt("audit", "folder", folders, "--strict")
    assert done.exit_code == 1, done.output
    assert "split by picture: train 30, dev 0, test 15 pictures" in done.output
    assert "Pictures in test that are the same picture as one in train: 1 of 15." in done.output
    assert "Pictures in test that are almost identical to one in train: 1 of 15." in done.output


def test_audit_takes_the_parts_of_fer2013(tmp_path):
    images = made_images(60)
    images[55] = images[3]
    done = affekt("audit", "--corpus", f"fer2013={archive(tmp_path, images=images)}", "--format", "json")
    found = json.loads(done.output[done.output.index("{") :])
    assert found["split"] == {"by": "clip", "train": 50, "dev": 0, "test": 10}
    assert "same pictures in test" in found["stamps"]


def test_audit_takes_what_most_people_say_for_the_label(tmp_path):
    done = affekt("audit", "fer2013", archive(tmp_path), "--label", "majority")
    assert done.exit_code == 0 and "train 50, dev 0, test 10" in done.output and "one class" in done.output


def test_audit_wants_a_name_and_a_path():
    assert "give one corpus as NAME PATH" in affekt("audit", "fer2013").output
    assert "give one corpus as NAME PATH" in affekt("audit").output


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_evaluate_scores_the_test_part_of_class_folders(folders, form):
    learned = ("--trained-on", f"folder={folders}")
    done = affekt("evaluate", "face", "--corpus", f"folder={folders}", *learned, "--format", form)
    assert done.exit_code == 0, done.output
    assert "15 pictures taken as faces as they are (square, at most 100 pixels)" in done.output
    assert "2 of 15 pictures are near-duplicates of one of the 30" in done.output
    assert "UAR without them" in done.output and "ECE" in done.output


def test_evaluate_says_which_model_fits(folders):
    assert (
        "is a model of speech, and folder holds pictures"
        in affekt("evaluate", "voice", "--corpus", f"folder={folders}").output
    )


def test_corpora_check_counts_pictures(folders, tmp_path):
    (folders / "train" / "sad" / "broken.png").write_bytes(b"nothing")
    done = affekt("corpora", "check", "folder", folders)
    assert done.exit_code == 1
    assert "folder: 46 pictures of 0 people" in done.output
    assert "cannot be read: 1" in done.output and "the same picture under two labels: 1" in done.output
    assert "48 x 48 (45)" in done.output


def test_explore_is_for_recordings(folders, tmp_path):
    done = affekt("explore", folders, "--corpus", "folder", "-o", tmp_path / "page")
    assert done.exit_code == 2 and "holds pictures; explore looks at recordings. Use affekt audit" in done.output


def test_the_list_of_corpora_says_the_modality():
    table = {row["name"]: row["modality"] for row in json.loads(affekt("corpora", "--format", "json").output)}
    assert (table["fer2013"], table["tess"], table["folder"]) == ("face", "speech", "any")
