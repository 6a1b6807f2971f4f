"""The grid of a face: cells are masked alone and together, and fill as the options say."""

import numpy as np
import pytest

from affekt.errors import InputError
from affekt.explain.occlusion import deletion, losses
from affekt.face.masks import FILLS, Masker, MaskOptions, blurred
from affekt.recognize.modalities import MODALITIES

FACE = np.random.default_rng(0).uniform(0, 255, (48, 48)).astype(np.float32)


def corner(faces):
    """A score that sees the top left 6 x 6 pixels only, by how far they are from the mean of the face."""
    return np.abs(faces[:, :6, :6].astype(np.float64) - FACE.mean()).mean(axis=(1, 2)) / 100 - 1


def test_it_is_the_masks_of_the_modality():
    assert MODALITIES["face"].load("masks") is Masker


@pytest.mark.parametrize("fill", FILLS)
def test_masked_cells_and_no_others_change(fill):
    masker = Masker(FACE, MaskOptions(cells=8, fill=fill))
    chosen = np.zeros((8, 8), bool)
    chosen[2, 5] = True
    is_changed = masker.masked(chosen) != FACE
    assert is_changed[12:18, 30:36].mean() > 0.9
    is_changed[12:18, 30:36] = False
    assert not is_changed.any()
    assert masker.energy.sum() == pytest.approx(1) and masker.energy.shape == (8, 8)


def test_masking_nothing_and_everything():
    masker = Masker(FACE)
    assert np.array_equal(masker.masked(np.zeros(64, bool)), FACE)
    assert np.ptp(masker.masked(np.ones(64, bool))) == 0


def test_cells_need_not_divide_the_side():
    assert Masker(FACE, MaskOptions(cells=7)).masked(np.ones(49, bool)).std() == pytest.approx(0, abs=1e-3)


def test_a_blur_keeps_the_mean_of_what_is_flat_and_takes_what_is_fine():
    assert blurred(np.full((9, 7), 5, np.float32), 2.0) == pytest.approx(5)
    assert blurred(FACE, 8.0).std() < 0.1 * FACE.std()


def test_the_cell_that_the_score_sees_is_the_only_one_that_counts():
    found = losses(Masker(FACE), corner)
    assert found[0, 0] > 0.3 and np.delete(found.ravel(), 0) == pytest.approx(0, abs=1e-9)


def test_deletion_falls_at_the_first_cell_and_insertion_rises_there():
    masker, first = Masker(FACE), np.arange(64)
    gone, shown = (deletion(masker, corner, first, steps=64, insert=insert) for insert in (False, True))
    assert gone.probabilities[1] == pytest.approx(gone.probabilities[-1]) and gone.probabilities[0] > gone.area
    assert shown.probabilities[1] == pytest.approx(shown.probabilities[-1]) and shown.area > gone.area
    last = deletion(masker, corner, first[::-1], steps=64, insert=True)
    # To show in one order is to hide in the other, read from its end.
    assert last.probabilities[::-1] == pytest.approx(gone.probabilities)


@pytest.mark.parametrize("options", [{"cells": 0}, {"cells": 65}, {"fill": "black"}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InputError, match="allowed: 1 to 64, and mean, blur"):
        MaskOptions(**options)


def test_a_face_with_fewer_pixels_than_cells_is_refused():
    with pytest.raises(InputError, match="a pixel or more for each cell"):
        Masker(np.zeros((4, 4), np.float32))
