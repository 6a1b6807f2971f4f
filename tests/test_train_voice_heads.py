"""Speaker-conditioned heads, trained on the embeddings of a finished encoder."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affekt.speech.network import SpeakerConditionedHead, VoiceNetwork, VoiceShape
from affekt.train.recipe import Recipe
from affekt.train.voice import heads
from affekt.train.voice.heads import Embedded, some_of, taught, teach_heads
from affekt.train.voice.loop import Material

from .test_train_voice_run import TINY, make_material

SIZE, NEUTRAL = 8, 2


def speakers_with_a_level(count, *, seed, confounded):
    """Embeddings whose first two values tell the label as a difference from a level of the speaker's own.

    Where confounded, the level tells the label, too: speakers whose level is high have mostly clips of one label.
    """
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(count), 12)
    labels = np.tile([0, 0, 1, 1, 2, 2], 2 * count)
    if confounded:
        labels = np.where((labels != NEUTRAL) & (rng.random(len(labels)) < 0.9), speakers % 2, labels)
    level = np.where(speakers % 2, 6.0, -6.0) if confounded else rng.uniform(-9, 9, count)[speakers]
    values = 0.3 * rng.standard_normal((len(labels), SIZE))
    values[:, 0] += level + np.array([2.0, -2.0, 0.0])[labels]
    allowed = np.ones((1, 3), bool)
    material = Material(None, labels, np.zeros(len(labels), np.int64), speakers, allowed, NEUTRAL)  # type: ignore[arg-type]
    return Embedded(torch.from_numpy(values).float()[None], material)


def share_right(head, embedded):
    values, labels = embedded.ways[0], embedded.material.labels
    others = embedded.others("neutral")
    rows = [row for row in range(len(labels)) if len(others[row])]
    means = torch.stack([values[others[row]].mean(0) for row in rows])
    with torch.no_grad():
        found = head.eval()(values[rows], values[rows] - means).argmax(1).numpy()
    return float((found == labels[rows]).mean())


@pytest.fixture
def shape():
    return VoiceShape(("angry", "happy", "neutral"), ("x",), embedding=SIZE, hidden=32, dropout=0.0)


def test_a_transplanted_difference_teaches_a_head_not_to_trust_levels(monkeypatch, shape):
    learned, unseen = (speakers_with_a_level(20, seed=seed, confounded=seed == 1) for seed in (1, 2))
    right = {}
    for share in (0.0, 0.5):
        monkeypatch.setattr(heads, "TRANSPLANTED", share)
        torch.manual_seed(0)
        baseline = ("neutral", learned.others("neutral"))
        head = heads._taught(SpeakerConditionedHead(SIZE, shape), learned, baseline, Recipe(labels=shape.labels))
        right[share] = share_right(head, unseen)
    assert right[0.5] > right[0.0] + 0.1


def test_a_clip_is_never_among_the_others_of_its_speaker():
    embedded = speakers_with_a_level(3, seed=0, confounded=False)
    material = embedded.material
    for kind in ("any", "neutral"):
        for clip, rows in enumerate(embedded.others(kind)):
            assert clip not in rows
            assert set(material.speakers[rows]) <= {material.speakers[clip]}
            assert kind == "any" or set(material.labels[rows]) <= {NEUTRAL}
    assert {len(rows) for rows in embedded.others("any")} == {11}


def test_of_many_clips_all_or_some_are_known_never_too_few():
    rng = np.random.default_rng(0)
    counts = [len(some_of(np.arange(40), 3, rng)) for _ in range(500)]
    assert min(counts) == 3
    assert set(counts) - {40} <= set(range(3, 13))
    assert 0.3 < counts.count(40) / 500 < 0.5
    assert len(some_of(np.arange(2), 3, rng)) == 2


def test_only_the_heads_that_know_the_speaker_change(monkeypatch, tmp_path):
    monkeypatch.setattr(heads, "STEPS", 3)
    material, sizes = make_material(seed=3), vars(TINY.network)
    network = VoiceNetwork(VoiceShape(TINY.labels, TINY.corpora, **sizes))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    teach_heads(network, material, TINY)
    changed = {
        name.split(".")[0] for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"known"}

    network.load_state_dict(before)
    first = taught(network, material, TINY, tmp_path).state_dict()
    # What was kept is opened, not made again.
    again = taught(VoiceNetwork(network.shape), material, TINY, tmp_path).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
