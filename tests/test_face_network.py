"""The face network: what it ignores, what its outputs mean, and that they do not depend on the batch."""

import pytest

torch = pytest.importorskip("torch")

from affekt.errors import InputError
from affekt.face.network import FaceEnsemble, FaceNetwork, normalised
from affekt.face.shape import LABELS, SIZE, VOTES, FaceShape

SMALL = FaceShape((8, 8, 8, 16), (1, 1, 1, 1))


def faces(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) * 200 + 20


def trained_a_little(shape: FaceShape = SMALL, seed: int = 0) -> FaceNetwork:
    """A network whose norms have seen something, so that they do more than pass values on."""
    torch.manual_seed(seed)
    network = FaceNetwork(shape)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    network.train()
    for seed in range(3):
        network(faces(8, seed))
    return network.eval()


def outputs(ensemble: FaceEnsemble, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    with torch.no_grad():
        return ensemble.eval()(x)


def test_the_outputs_are_labels_votes_and_maps():
    logits, votes, maps = outputs(FaceEnsemble([trained_a_little()]), faces(3))
    assert logits.shape == (3, len(LABELS)) and votes.shape == (3, len(VOTES)) and maps.shape == (3, len(LABELS), 3, 3)


def test_brightness_and_contrast_change_nothing():
    ensemble, x = FaceEnsemble([trained_a_little()]), faces(3)
    for one, other in zip(outputs(ensemble, x), outputs(ensemble, 0.5 * x + 60), strict=True):
        torch.testing.assert_close(one, other, atol=0.05, rtol=0)


def test_a_face_of_one_grey_gives_finite_numbers():
    assert torch.equal(normalised(torch.full((1, SIZE, SIZE), 7.0)), torch.zeros(1, 1, SIZE, SIZE))
    assert all(
        torch.isfinite(found).all() for found in outputs(FaceEnsemble([trained_a_little()]), torch.zeros(1, 48, 48))
    )


def test_a_mirrored_face_gives_the_same_logits_and_mirrored_maps():
    ensemble, x = FaceEnsemble([trained_a_little()]), faces(3)
    logits, votes, maps = outputs(ensemble, x)
    mirrored_logits, mirrored_votes, mirrored_maps = outputs(ensemble, x.flip(2))
    torch.testing.assert_close(logits, mirrored_logits)
    torch.testing.assert_close(votes, mirrored_votes)
    torch.testing.assert_close(maps, mirrored_maps.flip(3))


def test_a_face_gives_the_same_alone_and_in_a_batch():
    ensemble, x = FaceEnsemble([trained_a_little()]), faces(4)
    for together, alone in zip(outputs(ensemble, x), outputs(ensemble, x[2:3]), strict=True):
        torch.testing.assert_close(together[2:3], alone, atol=1e-4, rtol=1e-4)


def test_maps_add_up_to_the_logits_less_a_constant():
    ensemble = FaceEnsemble([trained_a_little(), trained_a_little(seed=1)])
    logits, _, maps = outputs(ensemble, faces(5))
    constant = logits - maps.mean(dim=(2, 3))
    torch.testing.assert_close(constant, constant[:1].expand(5, -1), atol=1e-4, rtol=1e-4)


def test_without_mirroring_one_network_gives_what_it_gives_alone():
    network, x = trained_a_little(), faces(3)
    with torch.no_grad():
        alone = network(x)
    found = outputs(FaceEnsemble([network], mirror=False), x)
    torch.testing.assert_close(found[0], alone[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[1], alone[1], atol=1e-4, rtol=1e-4)


def test_two_networks_give_the_mean_of_both_and_the_adjustment_is_added():
    one, two, x = trained_a_little(), trained_a_little(seed=1), faces(3)
    more = torch.arange(7.0)
    expected = (outputs(FaceEnsemble([one]), x)[0] + outputs(FaceEnsemble([two]), x)[0]) / 2 + more
    torch.testing.assert_close(outputs(FaceEnsemble([one, two], adjustment=more), x)[0], expected, atol=1e-4, rtol=1e-4)


def test_smaller_faces_can_be_trained_on():
    network = trained_a_little()
    with torch.no_grad():
        assert [network(faces(2)[:, :s, :s])[0].shape for s in (32, 40, 48)] == [(2, 7)] * 3


def test_blocks_left_out_in_training_are_all_there_in_use():
    network, x = trained_a_little(FaceShape((8, 8), (1, 2), depth_dropout=0.9, dropout=0.0)), faces(2)
    with torch.no_grad():
        assert torch.equal(network(x)[0], network(x)[0])


def test_stages_without_blocks_are_refused():
    with pytest.raises(InputError, match="one positive number of each for every stage"):
        FaceShape((8, 8), (1,))
    with pytest.raises(InputError, match="positive"):
        FaceShape((8, 8), (1, 0))
