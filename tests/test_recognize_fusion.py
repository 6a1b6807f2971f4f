"""The pool of voice, face and words, by its laws; and that it is learned."""

import numpy as np
import pytest

from affekt.errors import InputError, ModelError
from affekt.labels import LABEL_SETS
from affekt.models.card import Card
from affekt.models.onnx import open_model
from affekt.models.zoo import load_model
from affekt.recognize.fusion import Pool, disagreement
from affekt.train.fusion import Moments, export_pool, fit_fusion, fit_pool, pair_by_label, pooled_logits
from affekt.types import Prediction

LABELS = tuple(LABEL_SETS["calm-is-neutral"])
MODALITIES = ("speech", "face", "text")
CARD = Card("pool", "fusion", LABELS, input={"modalities": list(MODALITIES)})


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    path = tmp_path_factory.mktemp("pool") / "pool.onnx"
    export_pool(np.array([1.4, 0.9, 0.7]), 0.6, CARD, path)
    return Pool(open_model(path))


def drawn(rng, count):
    return rng.dirichlet(np.ones(len(LABELS)), (count, 3)), rng.uniform(0.05, 1, (count, 3))


def prediction(modality, scores, *, quality=1.0, who=None, start=0.0, end=1.0, threshold=0.0):
    table = dict(zip(LABELS, np.asarray(scores, float).tolist(), strict=True))
    return Prediction(start, end, table, modality=modality, quality=quality, who=who, threshold=threshold)


def test_the_file_does_what_the_formula_says(pool):
    scores, qualities = drawn(np.random.default_rng(0), 50)
    logits = pooled_logits(np.array([1.4, 0.9, 0.7]), 0.6, Moments(np.zeros(50, np.int64), scores, qualities))
    wanted = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(pool.pool(scores, qualities), wanted / wanted.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_modality_of_quality_0_changes_nothing_whatever_it_says(pool):
    rng = np.random.default_rng(1)
    scores, qualities = drawn(rng, 40)
    qualities[:, 1] = 0
    other = scores.copy()
    other[:, 1] = rng.dirichlet(np.ones(len(LABELS)), 40)
    assert np.array_equal(pool.pool(scores, qualities), pool.pool(other, qualities))


def test_one_alone_is_believed_as_it_is_however_poor(pool):
    scores, qualities = drawn(np.random.default_rng(2), 40)
    qualities[:, 1:] = 0
    np.testing.assert_allclose(pool.pool(scores, qualities), scores[:, 0], atol=1e-5)


def test_two_that_agree_are_surer_and_the_better_one_weighs_more(pool):
    happy = np.full(7, 0.05)
    happy[LABELS.index("happy")] = 0.7
    angry = np.full(7, 0.05)
    angry[LABELS.index("angry")] = 0.7
    both = pool.fuse([prediction("speech", happy), prediction("face", happy)])
    assert both.label == "happy" and both.confidence > 0.75 and both.reason == ""
    one = pool.fuse([prediction("speech", angry, quality=0.1), prediction("face", happy)])
    assert one.label == "happy" and one.reason == "voice angry, face happy"
    assert pool.fuse([prediction("speech", angry), prediction("face", happy, quality=0.1)]).label == "angry"


def test_nothing_at_all_is_no_answer(pool):
    scores, _ = drawn(np.random.default_rng(3), 4)
    np.testing.assert_allclose(pool.pool(scores, np.zeros((4, 3))), 1 / 7, atol=1e-6)
    assert pool.pool(scores[:0], np.zeros((0, 3))).shape == (0, 7)


def test_predictions_are_fused_over_the_time_that_they_share(pool):
    even = np.full(7, 1 / 7)
    found = pool.fuse([prediction("speech", even, end=3.0), prediction("face", even, who="face 1", start=1.0, end=5.0)])
    assert (found.start, found.end, found.who, found.modality) == (1.0, 3.0, "face 1", "fusion")
    with pytest.raises(InputError, match="share no time"):
        pool.fuse([prediction("speech", even), prediction("face", even, start=2.0, end=3.0)])
    with pytest.raises(InputError, match="one each of speech, face, text"):
        pool.fuse([prediction("face", even), prediction("face", even)])
    with pytest.raises(InputError, match="predictions of nothing"):
        pool.fuse([])
    with pytest.raises(InputError, match="labels='calm-is-neutral'"):
        pool.fuse([Prediction(0, 1, {"angry": 0.5, "calm": 0.5})])
    with pytest.raises(ModelError, match="voice is a model of speech"):
        Pool(load_model("voice"))


def test_who_is_not_sure_contradicts_nobody():
    voice = prediction("speech", [0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], threshold=0.5)
    face = prediction("face", [0.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.0])
    assert disagreement({"speech": voice, "face": face}) == ""


def answers(rng, *, sharpness, count=700):
    """Held-out answers of a modality that is right the more often the sharper it is, and knows how often."""
    truth = np.arange(count) % 7
    logits = rng.normal(size=(count, 7)) + sharpness * np.eye(7)[truth]
    scores = np.exp(sharpness * logits)
    return scores / scores.sum(axis=1, keepdims=True), truth, rng.uniform(0.3, 1, count)


def test_what_is_learned_beats_every_modality_alone(tmp_path):
    rng = np.random.default_rng(4)
    given = {
        "speech": answers(rng, sharpness=1.2),
        "face": answers(rng, sharpness=1.8),
        "text": answers(rng, sharpness=0.8),
    }
    moments = pair_by_label(given, count=1400, missing=0.3, rng=rng)
    assert (moments.qualities > 0).any(axis=1).all() and 0.2 < (moments.qualities == 0).mean() < 0.4
    weights, gain = fit_fusion(moments, CARD, tmp_path / "a.onnx")
    assert weights.mean() == pytest.approx(1) and gain > 0
    again = {name: answers(rng, sharpness=s) for name, s in (("speech", 1.2), ("face", 1.8), ("text", 0.8))}
    fresh = pair_by_label(again, count=1400, missing=0.0, rng=rng)
    pooled = Pool(open_model(tmp_path / "a.onnx")).pool(fresh.scores, fresh.qualities)
    alone = [(fresh.scores[:, m].argmax(axis=1) == fresh.truth).mean() for m in range(3)]
    assert (pooled.argmax(axis=1) == fresh.truth).mean() > max(alone) + 0.03

    def loss(p):
        return -np.log(p[np.arange(len(p)), fresh.truth]).mean()

    assert loss(pooled) < min(loss(np.maximum(fresh.scores[:, m], 1e-9)) for m in range(3))


def test_labels_that_a_modality_lacks_are_refused():
    rng = np.random.default_rng(5)
    scores, truth, quality = answers(rng, sharpness=1)
    with pytest.raises(InputError, match="face has no sample of 1 of the labels"):
        pair_by_label({"speech": (scores, truth, quality), "face": (scores, truth % 6, quality)}, count=70, rng=rng)
    weights, _ = fit_pool(pair_by_label({"speech": (scores, truth, quality)}, count=70, missing=0.0, rng=rng))
    assert weights.tolist() == [1.0]
