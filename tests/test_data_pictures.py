"""Pictures that are the same or nearly so: copies, brighter ones, mirror images, series."""

import numpy as np

from affekt.data.pictures import NEAR, nearest

from .test_corpora_fer2013 import made_images


def test_mirrored_and_brighter_copies_are_near_duplicates():
    images = made_images(4)
    others = np.stack([images[0][:, ::-1], (images[1] // 2 + 60).astype(np.uint8), made_images(1, seed=9)[0]])
    among, other = nearest(images, others)
    assert (other >= NEAR).tolist() == [True, True, False, False] and (among < NEAR).all()
    assert (nearest(np.concatenate([images, images[:1, :, ::-1]]), others)[0] >= NEAR).tolist() == [True] + [
        False
    ] * 3 + [True]
