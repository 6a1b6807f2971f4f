"""Pictures that are the same or nearly so: copies, brighter ones, mirror images, series."""

import numpy as np
import pytest
from PIL import Image

from affekt.corpora import read_corpus
from affekt.data.audit import audit, stamps
from affekt.data.pictures import (
    NEAR,
    evidence_of_pictures,
    near_duplicate_pictures,
    nearest,
    thumbnail,
    thumbnails,
    with_series,
)
from affekt.data.splits import Split, published_split, split_by_series
from affekt.errors import InputError
from affekt.types import Sample

from .test_corpora_fer2013 import made_images


def test_mirrored_and_brighter_copies_are_near_duplicates():
    images = made_images(4)
    others = np.stack([images[0][:, ::-1], (images[1] // 2 + 60).astype(np.uint8), made_images(1, seed=9)[0]])
    among, other = nearest(images, others)
    assert (other >= NEAR).tolist() == [True, True, False, False] and (among < NEAR).all()
    assert (nearest(np.concatenate([images, images[:1, :, ::-1]]), others)[0] >= NEAR).tolist() == [True] + [
        False
    ] * 3 + [True]


def saved(folder, values, name):
    """A picture in a file, its folders made; its path as a sample has it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return Sample(f"folder/{name}", str(path), name.split("/")[-2])


def test_the_same_pixels_have_one_hash_in_grey_and_in_colour(tmp_path):
    values = made_images(2)
    samples = [
        saved(tmp_path, values[0], "sad/a.png"),
        saved(tmp_path, np.repeat(values[0][:, :, None], 3, axis=2), "sad/b.bmp"),
        saved(tmp_path, values[1], "sad/c.png"),
    ]
    first, again, other = evidence_of_pictures(samples).hashes.values()
    assert first == again != other


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path):
    good = saved(tmp_path, made_images(1)[0], "sad/a.png")
    (tmp_path / "sad" / "b.png").write_bytes(b"nothing")
    found = evidence_of_pictures([good, Sample("folder/sad/b", str(tmp_path / "sad" / "b.png"))])
    assert list(found.thumbnails) == list(found.traits) == ["folder/sad/a.png"]


def test_thumbnails_of_any_size_are_alike(tmp_path):
    large = Image.fromarray(made_images(1)[0]).resize((250, 190), Image.Resampling.BILINEAR)
    small = thumbnail(np.asarray(large, np.float32)) @ thumbnail(np.asarray(large.resize((48, 48)), np.float32))
    assert small > 0.98


def test_pictures_of_one_colour_are_like_nothing():
    flat = thumbnails(np.full((2, 48, 48), 90, np.uint8))
    assert near_duplicate_pictures({"a": flat[0], "b": flat[1]}, ["a"], ["b"]) == []


def test_a_series_goes_over_any_number_of_steps():
    rng = np.random.default_rng(0)
    one, step = rng.standard_normal((2, 144)).astype(np.float32)
    chain = np.stack([one + k * 0.25 * step for k in range(5)] + [rng.standard_normal(144).astype(np.float32)])
    chain -= chain.mean(axis=1, keepdims=True)
    chain /= np.linalg.norm(chain, axis=1, keepdims=True)
    assert chain[0] @ chain[4] < NEAR < chain[0] @ chain[1]
    samples = [Sample(f"x/{i}", f"{i}.png") for i in range(6)]
    found = with_series(samples, {s.id: row for s, row in zip(samples, chain, strict=True)})
    assert [s.meta["series"] for s in found] == ["x/0"] * 5 + ["x/5"]


def class_folders(folder, images, sides):
    """Pictures in ``SIDE/LABEL/``, two labels by turns."""
    for i, (image, side) in enumerate(zip(images, sides, strict=True)):
        saved(folder, image, f"{side}/{('happy', 'sad')[i % 2]}/{i:03d}.png")
    return read_corpus("folder", folder).samples


def test_the_audit_finds_copies_and_near_duplicates_across_a_published_split_unaided(tmp_path):
    images = made_images(60)
    images[40], images[43] = images[0], images[5]
    images[41], images[42] = images[1][:, ::-1], (images[2] // 2 + 60).astype(np.uint8)
    samples = class_folders(tmp_path, images, ["train"] * 40 + ["test"] * 20)
    split = published_split(samples)
    found = {f.name: f for f in audit(split, evidence_of_pictures(samples))}
    assert "train: 2 of 20" in found["same picture on both sides"].what
    assert "train: 2 of 20" in found["pictures that look the same on both sides"].what
    assert found["same picture on both sides"].examples[0] == (
        "folder/test/happy/040 (test) and folder/train/happy/000 (train)"
    )
    assert stamps(found.values()) == ("people unknown", "same pictures in test", "near-duplicates in test")


def test_a_copy_under_another_label_is_a_conflict(tmp_path):
    images = made_images(40)
    images[31] = images[0]
    samples = class_folders(tmp_path, images, ["train"] * 30 + ["test"] * 10)
    found = {f.name: f for f in audit(published_split(samples), evidence_of_pictures(samples))}
    assert found["one picture, two labels"].examples == (
        "folder/train/happy/000 (happy) and folder/test/sad/031 (sad)",
    )


def test_nobody_is_known_and_the_audit_says_so_in_the_words_of_pictures(tmp_path):
    samples = class_folders(tmp_path, made_images(40), ["train"] * 30 + ["test"] * 10)
    found = {f.name: f for f in audit(published_split(samples), evidence_of_pictures(samples))}
    assert "What is asked of people" in found["unknown people"].what
    words = " ".join(getattr(f, field) for f in found.values() for field in ("name", "what", "inflates", "remedy"))
    assert not {"clip", "clips", "speaker", "speakers", "voices", "recording", "sound"} & set(words.lower().split())


def test_labels_that_most_people_do_not_give_are_counted():
    def face(i, majority):
        return Sample(f"x/{i}", f"x.npz#{i}", ("happy", "sad")[i % 2], meta={"majority": majority} if majority else {})

    people = ["happy", "happy", "happy", "sad", None, "sad"]
    split = Split((), (), tuple(face(i, majority) for i, majority in enumerate(people)), by="clip")
    found = {f.name: f for f in audit(split)}["labels that most people do not give"]
    assert found.severity == "warning" and "1 of 5 that most agreed on (20.0 %)" in found.what
    assert found.examples == ("x/1: sad, most people say happy",)


def test_a_public_test_is_dev_only_where_there_is_a_private_one():
    def face(i, usage):
        return Sample(f"x/{i}", f"x.npz#{i}", "sad", meta={"usage": usage})

    both = published_split([face(i, usage) for i, usage in enumerate(("Training", "PublicTest", "PrivateTest"))])
    assert [len(side) for side in (both.train, both.dev, both.test)] == [1, 1, 1]
    one = published_split([face(i, usage) for i, usage in enumerate(("Training", "PublicTest"))])
    assert [len(side) for side in (one.train, one.dev, one.test)] == [1, 0, 1]
    with pytest.raises(InputError, match="does not say which part of a published split"):
        published_split([face(0, "Training"), Sample("x/1", "b.png", "sad")])


def test_a_split_by_series_keeps_near_duplicates_together():
    samples = [Sample(f"x/{i}", f"{i}.png", "ab"[i // 30], meta={"series": f"x/{i // 3}"}) for i in range(60)]
    split = split_by_series(samples, np.random.default_rng(0), dev=0.2, test=0.2)
    sides = [{s.meta["series"] for s in side} for side in (split.train, split.dev, split.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert [len(side) for side in sides] == [12, 4, 4]
    with pytest.raises(InputError, match="the series is unknown"):
        split_by_series([Sample("x/1", "b.png", "sad")], np.random.default_rng(0), dev=0.2, test=0.2)
