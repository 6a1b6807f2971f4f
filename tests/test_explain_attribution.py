"""Maps as numbers: sizes, regions of the face, what needs no torch."""

import numpy as np
import pytest

from affekt.errors import InputError, UnknownName
from affekt.explain.attribution import (
    REGIONS,
    Attribution,
    centre_map,
    class_activation,
    face_occlusion,
    region_shares,
    regions,
    resized,
    voice_occlusion,
)
from affekt.face.masks import MaskOptions
from affekt.models.zoo import load_model

#: Right eye, left eye, nose, corners of the mouth, as they lie in a crop of FER2013.
POINTS = np.array([[15.0, 19], [33, 19], [24, 29], [17, 37], [31, 37]])


class TestSize:
    def test_to_the_same_size_nothing_changes(self):
        values = np.random.default_rng(0).normal(size=(5, 7))
        assert resized(values, (5, 7)) == pytest.approx(values)

    def test_means_are_kept_when_it_shrinks(self):
        values = np.random.default_rng(0).normal(size=(48, 48))
        assert resized(values, (7, 8)).mean() == pytest.approx(values.mean())

    def test_it_enlarges_as_torch_does(self):
        torch = pytest.importorskip("torch")
        values = np.random.default_rng(0).normal(size=(3, 4))
        wanted = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], size=(48, 31), mode="bilinear")
        assert resized(values, (48, 31)) == pytest.approx(wanted[0, 0].numpy())

    def test_the_centre_is_highest_in_the_middle_and_even_on_all_sides(self):
        found = centre_map((8, 8))
        assert found.max() == found[3, 3] == found[4, 4] and found == pytest.approx(found.T)
        assert np.array_equal(found, found[::-1, ::-1])


class TestRegions:
    def test_each_point_lies_in_its_part(self):
        parts = regions(POINTS, 48)
        names = [REGIONS[parts[int(y), int(x)]] for x, y in POINTS]
        assert names == ["eyes", "eyes", "nose", "mouth", "mouth"]
        assert REGIONS[parts[12, 15]] == "brows" and REGIONS[parts[2, 24]] == "rest"

    def test_parts_turn_with_the_face(self):
        quarter = np.stack([48 - POINTS[:, 1], POINTS[:, 0]], axis=1)  # x, y -> -y, x
        assert np.mean(np.rot90(regions(quarter, 48)) == regions(POINTS, 48)) > 0.98

    def test_shares_sum_to_one_and_count_what_speaks_for_only(self):
        parts = regions(POINTS, 48)
        values = np.where(parts == REGIONS.index("mouth"), 2.0, -1.0)
        assert region_shares(values, parts).tolist() == [0, 0, 1, 0, 0]
        even = region_shares(np.ones((48, 48)), parts)
        assert even.sum() == pytest.approx(1) and even == pytest.approx(np.bincount(parts.ravel()) / 48**2)
        assert not region_shares(-np.ones((48, 48)), parts).any()


class TestWithoutTorch:
    def test_a_model_without_maps_is_refused_and_says_what_to_do(self):
        with pytest.raises(InputError, match="and no 'maps', which cam draws; use --method occlusion"):
            class_activation(load_model("voice"), np.zeros((48, 48), np.float32), "happy")

    def test_an_unknown_label_is_refused(self):
        with pytest.raises(UnknownName, match="did you mean 'happy'"):
            class_activation(load_model("face"), np.zeros((48, 48), np.float32), "hapy")

    def test_a_face_of_one_grey_has_a_map_that_says_so(self):
        found = face_occlusion(np.full((48, 48), 9, np.float32), lambda faces: np.zeros(len(faces)), "sad")
        assert found.trouble == "zero everywhere: by occlusion nothing speaks for sad"

    def test_the_masked_cell_that_matters_is_found(self):
        face = np.random.default_rng(0).uniform(0, 255, (48, 48)).astype(np.float32)

        def eye(faces):
            return -np.abs(faces[:, 12:18, 12:18] - face[12:18, 12:18]).mean(axis=(1, 2)).astype(np.float64)

        found = face_occlusion(face, eye, "awake", options=MaskOptions(fill="blur"))
        assert np.unravel_index(found.values.argmax(), (8, 8)) == (2, 2) and (found.values > 0).sum() == 1

    def test_the_map_of_a_voice_has_the_rows_of_its_bands(self):
        time = np.arange(16_000) / 16_000
        beep = (np.sin(2 * np.pi * 3000 * time) * (time > 0.5)).astype(np.float32)
        beep += 1e-3 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)

        def loudness(signals):
            return np.log((signals.astype(float) ** 2).mean(axis=1) + 1e-9)

        found = voice_occlusion(beep, loudness, "loud")
        row, column = np.unravel_index(found.values.argmax(), found.values.shape)
        assert found.values.shape == (64, 5) and column >= 2
        assert 2000 < 700 * (10 ** (row / 64 * np.log10(1 + 7600 / 700)) - 1) < 4500

    def test_a_map_with_no_numbers_in_it_is_drawn_as_zero(self):
        found = Attribution(np.array([[np.nan, 1.0]]), "cam", "sad")
        assert found.trouble.startswith("1 of 2 values are not finite") and found.resized((1, 2)).tolist() == [[0, 1]]
