"""Teachers: networks of earlier runs whose answers another network learns from."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affekt.errors import InputError  # noqa: E402
from affekt.evaluate.calibration import softmax  # noqa: E402
from affekt.train import loop  # noqa: E402
from affekt.train.loop import EpochBatches, Trainer, clip_logits, train  # noqa: E402
from affekt.train.losses import smooth_targets  # noqa: E402
from affekt.train.teachers import teacher_targets  # noqa: E402

from .test_train import TINY, make_material  # noqa: E402


@pytest.fixture(scope="module")
def material():
    return make_material()


@pytest.fixture(scope="module")
def networks(material):
    found = [Trainer(TINY, material).averaged for _ in range(2)]
    with torch.no_grad():
        for network in found:
            network.head.weight.normal_()
    return found


def test_the_targets_are_the_mean_of_what_the_teachers_say(material, networks, tmp_path, monkeypatch):
    monkeypatch.setattr(type(material.features), "ways", 1)
    found = teacher_targets([n.state_dict() for n in networks], TINY, material, tmp_path / "targets.pt")
    allowed = material.allowed[material.corpora]
    expected = [softmax(np.where(allowed, clip_logits(network, material), -np.inf)) for network in networks]
    np.testing.assert_allclose(found.numpy(), np.mean(expected, axis=0), atol=1e-5)
    assert (found.numpy()[~allowed] == 0).all()


def test_all_ways_of_hearing_a_clip_count_and_a_run_that_goes_on_asks_nobody_again(material, networks, tmp_path):
    kept = tmp_path / "targets.pt"
    found = teacher_targets([networks[0].state_dict()], TINY, material, kept)
    recorded = softmax(np.where(material.allowed[material.corpora], clip_logits(networks[0], material), -np.inf))
    assert np.abs(found.numpy() - recorded).max() > 1e-3
    torch.testing.assert_close(found.sum(1), torch.ones(len(found)))
    assert torch.equal(teacher_targets([], TINY, material, kept), found)


def test_a_teacher_of_another_size_is_refused(material, tmp_path):
    with pytest.raises(InputError, match="a teacher's weights are of a network of other sizes"):
        teacher_targets([{"head.weight": torch.zeros(2, 2)}], TINY, material, tmp_path / "targets.pt")
    assert not list(tmp_path.iterdir())


def test_a_teacher_who_repeats_the_labels_changes_nothing(material):
    allowed = torch.from_numpy(material.allowed[material.corpora])
    same = smooth_targets(torch.from_numpy(material.labels), allowed, TINY.objective.smoothing)
    batch = EpochBatches(material, TINY, 0)[0]
    values = []
    for targets in (None, same, same.roll(1, 0)):
        trainer = Trainer(TINY, material, targets=targets)
        trainer.network.eval()
        values.append(trainer.loss(batch, np.random.default_rng(0)).item())
    assert values[1] == pytest.approx(values[0], abs=1e-6)
    assert abs(values[2] - values[0]) > 1e-3


def test_a_student_learns_what_its_teachers_say_rather_than_the_labels(material, tmp_path, monkeypatch):
    """All clips are angry, says the teacher; with nothing but that to go by, so says the student."""
    monkeypatch.setattr(loop, "TAUGHT", 1.0)
    targets = torch.zeros(len(material.labels), 4)
    targets[:, 0] = 1.0
    longer = dataclasses.replace(TINY, schedule=dataclasses.replace(TINY.schedule, epochs=12, averaging=0.5))
    trainer = Trainer(longer, material, targets=targets)
    train(trainer, None, tmp_path, report=str)
    assert (clip_logits(trainer.network, material).argmax(1) == 0).all()
