"""FER2013 and FER+: labels and votes in our order, parts without near-duplicates of one another, honest refusals."""

import numpy as np
import pytest

pytest.importorskip("torch")

from affekt.errors import InputError
from affekt.face.shape import LABELS, VOTES
from affekt.train.face.fer2013 import (
    NEAR,
    Faces,
    label_given_votes,
    nearest,
    read_fer2013,
    split_fer2013,
)

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
PEOPLE = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


def made_images(count: int, seed: int = 0) -> np.ndarray:
    """Coarse noise, sharp at no edge: images (n, 48, 48) that no two of are alike."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 12, 12), np.uint8).repeat(4, axis=1).repeat(4, axis=2)


def archive(path, count: int = 60, **changes) -> str:
    """An archive as the real one, and its path; ``changes`` take the place of arrays, None leaves one out."""
    votes = np.zeros((count, 10), np.int8)
    votes[:, 1] = 10
    table = {
        "images": made_images(count),
        "emotion": np.arange(count, dtype=np.int8) % 7,
        "usage": (np.arange(count) >= count - 10).astype(np.int8),
        "ferplus": votes,
        "id": np.array([f"fer{i:07d}".encode() for i in range(count)]),
        "emotion_names": np.array(EMOTIONS),
        "ferplus_names": np.array(PEOPLE),
    } | changes
    np.savez(path / "fer.npz", **{name: array for name, array in table.items() if array is not None})
    return path / "fer.npz"


def votes_of(**counts: int) -> np.ndarray:
    return np.array([[counts.get(name, 0) for name in PEOPLE]], np.int8)


def test_labels_are_read_in_our_order(tmp_path):
    faces, usage = read_fer2013(archive(tmp_path))
    assert [LABELS[i] for i in faces.labels[:7]] == list(EMOTIONS)
    assert faces.ids[3] == "fer0000003" and usage.tolist() == [0] * 50 + [1] * 10


@pytest.mark.parametrize(
    ("counts", "shares", "majority"),
    [
        ({"happiness": 6, "anger": 2, "fear": 2}, {"happy": 0.6, "angry": 0.2, "fear": 0.2}, "happy"),
        ({"happiness": 9, "anger": 1}, {"happy": 1.0}, "happy"),  # a single vote is a slip
        ({"sadness": 5, "fear": 5}, {"sad": 0.5, "fear": 0.5}, None),
        ({"contempt": 10}, {"contempt": 1.0}, "contempt"),
        ({"NF": 8, "neutral": 2}, {}, None),  # no face
        ({"unknown": 4, "neutral": 6}, {"neutral": 1.0}, "neutral"),
        ({}, {}, None),
        (dict.fromkeys(PEOPLE, -1), {}, None),  # nobody was asked
    ],
)
def test_votes_become_shares_and_a_majority(tmp_path, counts, shares, majority):
    faces, _ = read_fer2013(archive(tmp_path, 60, ferplus=votes_of(**counts).repeat(60, axis=0)))
    found = {VOTES[i]: round(float(share), 6) for i, share in enumerate(faces.votes[0]) if share}
    assert found == pytest.approx(shares)
    assert faces.majority[0] == (-1 if majority is None else VOTES.index(majority))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ferplus": None}, "lacks ferplus; needed: images"),
        ({"images": np.zeros((60, 32, 32), np.uint8)}, r"allowed: uint8 of shape \(n, 48, 48\)"),
        ({"ferplus": np.zeros((59, 10), np.int8)}, "n rows of votes"),
    ],
)
def test_a_wrong_archive_is_refused(tmp_path, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        read_fer2013(archive(tmp_path, **changes))


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "fer.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="cannot be read as an archive"):
        read_fer2013(tmp_path / "fer.npz")


def test_mirrored_and_brighter_copies_are_near_duplicates():
    images = made_images(4)
    others = np.stack([images[0][:, ::-1], (images[1] // 2 + 60).astype(np.uint8), made_images(1, seed=9)[0]])
    among, other = nearest(images, others)
    assert (other >= NEAR).tolist() == [True, True, False, False] and (among < NEAR).all()
    assert (nearest(np.concatenate([images, images[:1, :, ::-1]]), others)[0] >= NEAR).tolist() == [True] + [
        False
    ] * 3 + [True]


def test_no_part_holds_a_near_duplicate_of_another(tmp_path):
    images = made_images(60)
    images[52] = images[3]  # pixel for pixel in the public test
    images[53] = images[4][:, ::-1]  # and mirrored
    images[7] = images[8]  # twice in the training part
    split = split_fer2013(*read_fer2013(archive(tmp_path, images=images)), dev=14, seed=0)
    assert split.leaked.tolist() == [False, False, True] + [False] * 7 and split.left_out == 2
    assert len(split.dev) == 14 and len(split.test) == 10 and len(split.train) == 50 - 14 - 2
    assert not {"fer0000003", "fer0000004"} & {*split.train.ids, *split.dev.ids}
    assert not {"fer0000007", "fer0000008"} & set(split.dev.ids)
    for one, other in ((split.train, split.dev), (split.train, split.test), (split.dev, split.test)):
        assert (nearest(one.images, other.images)[1] < NEAR).all()


def test_dev_has_the_shares_of_the_labels_and_depends_on_the_seed_alone(tmp_path):
    given = read_fer2013(archive(tmp_path))
    split = split_fer2013(*given, dev=14, seed=0)
    assert np.bincount(split.dev.labels, minlength=7).min() >= 1
    assert split.dev.ids == split_fer2013(*given, dev=14, seed=0).dev.ids
    assert split.dev.ids != split_fer2013(*given, dev=14, seed=1).dev.ids
    assert split.digest == split_fer2013(*given, dev=14, seed=0).digest


def test_more_dev_faces_than_half_of_those_without_near_duplicate_are_refused(tmp_path):
    with pytest.raises(InputError, match="dev is 40 faces; 50 of 50 have no near-duplicate; allowed: 1 to half"):
        split_fer2013(*read_fer2013(archive(tmp_path)), dev=40, seed=0)


def test_labels_expected_of_votes_are_right_on_average():
    rng = np.random.default_rng(0)
    labels, voted = rng.integers(0, 7, 4000), rng.integers(0, 8, 4000)
    labels[voted == 3] = 2
    faces = Faces(np.zeros((4000, 48, 48), np.uint8), labels, np.eye(8, dtype=np.float32)[voted], voted, ("",) * 4000)
    expected = label_given_votes(faces)
    assert np.allclose(expected.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(expected.mean(axis=0), np.bincount(labels) / 4000, atol=0.005)
    assert expected[voted == 3][:, 2].min() > 0.95


def test_faces_without_votes_get_the_shares_of_the_labels():
    faces = Faces(
        np.zeros((4, 48, 48), np.uint8), np.array([0, 1, 1, 1]), np.zeros((4, 8), np.float32), np.full(4, -1), ("",) * 4
    )
    assert label_given_votes(faces)[0].tolist() == pytest.approx([0.25, 0.75, 0, 0, 0, 0, 0])
