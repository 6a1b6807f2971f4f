"""Training faces: targets, a loop that learns and resumes, choices on dev faces alone, a file that agrees."""

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affekt.corpora.fer2013 import Faces
from affekt.errors import InputError
from affekt.face.network import FaceEnsemble, FaceNetwork
from affekt.face.shape import LABELS, VOTES, FaceShape
from affekt.models.onnx import open_model
from affekt.train.face.fer2013 import FaceSplit
from affekt.train.face.loop import FaceTargets, FaceTrainer, face_logits, face_loss, targets_of
from affekt.train.face.recipe import FaceChanges, FaceObjective, FaceRecipe, FaceSchedule, FaceTuning
from affekt.train.face.run import adjustment, best_strength, finish_faces, run_faces, run_networks
from affekt.train.recipe import load_recipe

TINY = FaceRecipe(
    dev=14,
    networks=(1,),
    network=FaceShape((8, 8, 8, 8), (1, 1, 1, 1), dropout=0.1),
    schedule=FaceSchedule(sizes=(32, 48), epochs=(1, 1), batch=16, bfloat16=False),
)


def make_faces(count: int = 56, seed: int = 0) -> Faces:
    """Faces whose label is how fine their stripes are, mirrored or not, so that something can be learned."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 7
    stripes = 80 + 60 * np.sin(np.arange(48) * (1 + labels)[:, None] / 5)
    images = (stripes[:, :, None] + rng.uniform(0, 60, (count, 48, 48))).astype(np.uint8)
    order = np.array([VOTES.index(label) for label in LABELS])[labels]
    return Faces(images, labels, np.eye(8, dtype=np.float32)[order], order, tuple(f"fer{i}" for i in range(count)))


def make_split() -> FaceSplit:
    return FaceSplit(make_faces(), make_faces(14, 1), make_faces(7, 2), np.zeros(7, bool), 0)


def test_targets_are_probabilities_and_a_teacher_has_its_share():
    faces = make_faces()
    objective = FaceObjective(smoothing=0.2, distillation=0.5)
    plain = targets_of(faces, objective, [])
    teacher = FaceNetwork(TINY.network).eval()
    taught = targets_of(faces, objective, [teacher])
    said = torch.from_numpy(face_logits(FaceEnsemble([teacher]), faces)[0]).softmax(dim=1)
    torch.testing.assert_close(taught.labels, 0.5 * plain.labels + 0.5 * said)
    for rows in (plain.labels, plain.votes, taught.labels, taught.votes):
        torch.testing.assert_close(rows.sum(dim=1), torch.ones(len(faces)))
    assert plain.labels[0, 0] >= 0.8


def test_faces_that_nobody_voted_on_teach_the_votes_head_nothing():
    faces = dataclasses.replace(make_faces(), votes=np.zeros((56, 8), np.float32))
    targets = targets_of(faces, FaceObjective(distillation=0.4), [FaceNetwork(TINY.network).eval()])
    assert not targets.votes.any() and not targets.voted.any()
    logits, votes = torch.zeros(56, 7), torch.randn(56, 8)
    assert float(face_loss((logits, votes), targets, 1.0)) == pytest.approx(np.log(7), abs=1e-4)


def test_mixed_targets_weigh_the_votes_by_who_was_voted_on():
    targets = FaceTargets(torch.eye(7)[:2], torch.cat([torch.eye(8)[:1], torch.zeros(1, 8)]), torch.tensor([1.0, 0.0]))
    mixed = targets.mixed(torch.tensor([1, 0]), torch.tensor([[0.75], [0.75]]))
    assert mixed.labels[0, :2].tolist() == [0.75, 0.25] and mixed.voted.tolist() == [0.75, 0.25]
    assert mixed.votes[:, 0].tolist() == [1.0, 1.0]


def test_the_loop_learns_what_is_easy():
    gentle = FaceChanges(turn=0, scale=0, shift=0, shear=0, gamma=0, coarse=0, noise=0, hidden=0, mixup=0)
    schedule = FaceSchedule((32,), (6,), 16, learning_rate=1e-2, convolution_rate=0.05, averaging=0.8, bfloat16=False)
    shape = FaceShape((8, 16), (1, 1), dropout=0.0, depth_dropout=0.0)
    trainer = FaceTrainer(dataclasses.replace(TINY, network=shape, schedule=schedule, augment=gentle), make_faces(112))
    losses = [trainer.run_epoch() for _ in range(6)]
    assert losses[-1] < 0.75 * losses[0]


def test_sizes_follow_the_epochs():
    trainer = FaceTrainer(dataclasses.replace(TINY, schedule=FaceSchedule((32, 40, 48), (2, 1, 3), 16)), make_faces())
    sizes = []
    for trainer.epoch in range(6):
        sizes.append(trainer.size)
    assert sizes == [32, 32, 40, 48, 48, 48]


def test_a_resumed_run_is_the_same_run(tmp_path):
    whole = FaceTrainer(TINY, make_faces())
    whole.run_epoch()
    whole.save(tmp_path / "checkpoint.pt")
    whole.run_epoch()
    resumed = FaceTrainer(TINY, make_faces())
    resumed.load(tmp_path / "checkpoint.pt")
    resumed.run_epoch()
    for one, other in zip(whole.averaged.state_dict().values(), resumed.averaged.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_finished_network_is_not_trained_again(tmp_path):
    split, lines = make_split(), []
    first = run_networks(TINY, split, tmp_path, report=lines.append)
    again = run_networks(TINY, split, tmp_path, report=lines.append)
    assert torch.equal(first[0].head.weight, again[0].head.weight)
    assert [json.loads(line)["size"] for line in lines if line.startswith("{")] == [32, 48]
    assert len((tmp_path / "network-1" / "log.jsonl").read_text().splitlines()) == 2


def test_a_second_network_goes_on_from_the_first(tmp_path):
    schedule = dataclasses.replace(TINY.schedule, sizes=(32,), epochs=(1,))
    still = dataclasses.replace(schedule, convolution_rate=1e-9, learning_rate=1e-9)
    recipe = dataclasses.replace(TINY, networks=(2,), schedule=schedule, tuning=FaceTuning(schedule=still))
    (two,) = run_networks(recipe, make_split(), tmp_path, report=str)
    one = FaceNetwork(recipe.network)
    one.load_state_dict(torch.load(tmp_path / "network-1" / "averaged.pt", weights_only=True))
    torch.testing.assert_close(one.head.weight, two.head.weight)
    assert not torch.equal(one.stem[2].running_mean, two.stem[2].running_mean)


def test_a_chain_begins_anew_and_all_that_came_before_teach_it(tmp_path):
    schedule = dataclasses.replace(TINY.schedule, sizes=(32,), epochs=(1,))
    still = dataclasses.replace(schedule, convolution_rate=1e-9, learning_rate=1e-9)
    recipe = dataclasses.replace(TINY, networks=(2, 1), schedule=schedule, tuning=FaceTuning(schedule=still))
    assert [recipe.place(number) for number in range(3)] == [(0, 0), (0, 1), (1, 0)]
    last = run_networks(recipe, make_split(), tmp_path, report=str)
    assert len(last) == 2 and not torch.allclose(last[0].head.weight, last[1].head.weight, atol=1e-3)
    split = make_split()
    taught = targets_of(split.train, FaceObjective(smoothing=0.0, distillation=0.3), last[:1])
    alone = targets_of(split.train, FaceObjective(smoothing=0.0, distillation=0.3), [])
    assert torch.allclose(taught.labels.sum(1), torch.ones(len(split.train))) and alone.labels.max() == 1
    assert 0.69 < float(taught.labels.max()) < 1


def test_the_file_agrees_with_the_networks_and_is_half_as_large(tmp_path):
    torch.manual_seed(0)
    networks = [FaceNetwork(FaceShape((16, 32), (1, 1))).eval() for _ in range(2)]
    split = make_split()
    path = finish_faces(dataclasses.replace(TINY, network=FaceShape((16, 32), (1, 1))), split, networks, tmp_path,
                        report=str)  # fmt: skip
    model = open_model(path)
    assert model.card.modality == "face" and model.card.labels == LABELS and model.card.split == split.digest
    assert model.card.input == {"size": 48, "channels": 1, "margin": 1.0, "votes": list(VOTES)}
    assert model.inputs == {"faces": 3} and model.outputs == ("logits", "votes", "maps")
    weights = model.card.recipe["members"] * sum(p.numel() for p in networks[0].parameters())
    assert path.stat().st_size < 3 * weights + 20_000
    prior = np.bincount(split.train.labels, minlength=7) / len(split.train)
    added = adjustment(model.card.recipe["strength"], prior)
    found = model.run(split.dev.images.astype(np.float32))[0]
    choices = [networks] if model.card.recipe["members"] == 2 else [[network] for network in networks]
    wanted = [face_logits(FaceEnsemble(members), split.dev)[0] + added for members in choices]
    # Eight bits of activations and seven of weights.
    assert min(np.linalg.norm(found - logits) / np.linalg.norm(logits - logits.mean()) for logits in wanted) < 0.1
    assert min(np.abs(found - logits).max() for logits in wanted) > 1e-6


def test_in_int8_a_face_is_answered_alike_alone_and_among_others(tmp_path):
    from affekt.explain.network import rebuild

    torch.manual_seed(0)
    recipe = dataclasses.replace(TINY, network=FaceShape((16, 32), (1, 1)))
    networks = [FaceNetwork(recipe.network).eval()]
    path, faces = finish_faces(recipe, make_split(), networks, tmp_path, report=str), make_faces(5, 3)
    model, given = open_model(path), faces.images.astype(np.float32)
    given[1] *= 0.1
    together = model.run(given)
    for row in range(5):
        for one, other in zip(together, model.run(given[row : row + 1]), strict=True):
            np.testing.assert_array_equal(one[row], other[0])
    # What maps are made of is the network of the file, but for the rounding of activations.
    with torch.no_grad():
        found = rebuild(path).module(torch.from_numpy(given))[0].numpy()
    assert np.linalg.norm(found - together[0]) < 0.1 * np.linalg.norm(together[0] - together[0].mean())


def test_rare_labels_are_helped_as_far_as_the_dev_faces_gain():
    prior = np.array([0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    dev = make_faces(28)
    logits = np.zeros((28, 7), np.float32)
    logits[np.arange(28), dev.labels] = 0.8
    assert best_strength(logits, dev, prior) == (0.0, 2.0)  # right already: nothing is changed
    logits[:, 0] += 1.2
    chosen, worth = best_strength(logits, dev, prior)
    assert worth == 2.0
    assert 0.1 <= chosen <= 1.0
    assert ((logits + adjustment(chosen, prior)).argmax(axis=1) == dev.labels).all()
    with pytest.raises(InputError, match="strength is 2; allowed: 0 to 1"):
        adjustment(2, prior)


def test_a_run_with_another_recipe_is_refused(tmp_path):
    from .test_corpora_fer2013 import archive

    path = archive(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.toml").write_text('name = "other"\n')
    with pytest.raises(InputError, match="holds a run with another recipe"):
        run_faces(TINY, path, tmp_path / "run", report=str)


def test_a_whole_run_writes_a_model(tmp_path):
    from .test_corpora_fer2013 import archive

    recipe = dataclasses.replace(TINY, schedule=dataclasses.replace(TINY.schedule, epochs=(1, 0)))
    lines = []
    path = run_faces(recipe, archive(tmp_path), tmp_path / "run", report=lines.append)
    assert path.name == "face.onnx" and open_model(path).card.data["fer2013"]["clips"] == 36
    assert lines[0] == "36 faces to learn from, 14 to choose by; 0 left out"


def test_the_command_says_which_corpus_it_needs(tmp_path):
    from click.testing import CliRunner

    from affekt.cli import main

    def fails(*words):
        return CliRunner().invoke(main, ["train", "face", "-o", str(tmp_path), *words]).output

    assert "give --corpus fer2013=FILE.npz and no other" in fails()
    assert "cannot be read as an archive" in fails("--corpus", f"fer2013={tmp_path}")
    assert "are for voice; face takes none" in fails("--sounds", str(tmp_path))


def test_the_recipe_of_the_model_is_complete():
    assert load_recipe("face") == FaceRecipe()
