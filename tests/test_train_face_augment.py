"""Changes of faces: nothing where nothing is asked, repeatable, and inside the picture."""

import pytest

torch = pytest.importorskip("torch")

from affekt.train.face.augment import changed
from affekt.train.face.recipe import FaceChanges

NONE = FaceChanges(turn=0, scale=0, shift=0, shear=0, gamma=0, coarse=0, noise=0, hidden=0)


def faces(count: int = 6) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 1, 6, 6, generator=rng) * 255
    return torch.nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear")[:, 0]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_changes_faces_are_only_mirrored():
    x = faces()
    found = changed(x, 48, NONE, seeded())
    is_same = [torch.allclose(a, b, atol=0.01) for a, b in zip(found, x, strict=True)]
    is_mirrored = [torch.allclose(a, b.flip(1), atol=0.01) for a, b in zip(found, x, strict=True)]
    assert all(a != b for a, b in zip(is_same, is_mirrored, strict=True)) and any(is_same) and any(is_mirrored)


@pytest.mark.parametrize("size", [32, 40, 48])
def test_the_same_seed_gives_the_same_faces_of_the_size_asked_for(size):
    one, two = (changed(faces(), size, FaceChanges(), seeded(3)) for _ in range(2))
    assert one.shape == (6, size, size) and torch.equal(one, two) and torch.isfinite(one).all()
    assert not torch.equal(one, changed(faces(), size, FaceChanges(), seeded(4)))


def test_hidden_patches_take_the_grey_of_the_face():
    x = faces()
    found = changed(x, 48, FaceChanges(**{**vars(NONE), "hidden": 1.0}), seeded())
    for face, before in zip(found, x, strict=True):
        patch = (face - before.mean()).abs() < 0.02
        assert 0.01 < patch.float().mean() < 0.3


@pytest.mark.parametrize("name", ["turn", "scale", "shift", "shear", "gamma", "noise", "coarse"])
def test_each_change_alone_changes_faces_and_keeps_most_of_them(name):
    x = faces()
    only = FaceChanges(**{**vars(NONE), name: 1.0 if name == "coarse" else getattr(FaceChanges(), name)})
    found = changed(x, 48, only, seeded())
    unchanged = changed(x, 48, NONE, seeded())
    both = torch.stack([found.flatten(), x.flatten()]), torch.stack([found.flip(2).flatten(), x.flatten()])
    assert not torch.allclose(found, unchanged, atol=0.5)
    assert max(float(torch.corrcoef(pair)[0, 1]) for pair in both) > 0.3
