"""FER2013 for training: parts without near-duplicates of one another, labels expected of votes."""

import numpy as np
import pytest

from affekt.corpora.fer2013 import Faces, read_fer2013
from affekt.data.pictures import NEAR, nearest
from affekt.errors import InputError
from affekt.train.face.fer2013 import label_given_votes, split_fer2013

from .test_corpora_fer2013 import archive, made_images


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
