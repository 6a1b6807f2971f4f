"""A whole run on sentences made here: what is learned, fitted and reported, and the file that comes out."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from affekt.errors import CorpusError, InputError, UnknownName
from affekt.labels import GOEMOTIONS
from affekt.models.onnx import open_model
from affekt.recognize.recognizer import Recognizer
from affekt.text.captions import Text
from affekt.text.network import SIZES, BlendedTextNetwork, NarrowTextNetwork, TextNetwork
from affekt.text.shape import TextShape
from affekt.text.stream import TextModel
from affekt.text.tokens import Vocabulary
from affekt.train.recipe import build, load_recipe
from affekt.train.text.linear import Features, fit_blend, fit_linear
from affekt.train.text.loop import GROUPED, Encoded, answers, common_of, targets_of
from affekt.train.text.recipe import TextRecipe
from affekt.train.text.run import TextSources, run_text, sources_of
from affekt.train.text.scores import (
    best_is_given,
    fit_confidence,
    fit_threshold,
    fit_thresholds,
    interval,
    macro_of,
    micro_of,
    several_tallies,
)
from affekt.train.text.texts import Texts, read_dair, read_goemotions, read_vectors, split_texts

WORDS = {17: "glad", 25: "tears", 2: "furious", 27: "table"}
DAIR_WORDS = {"joy": "glad", "sadness": "tears", "anger": "furious"}


def sentence(word, rng):
    return " ".join(["the", word, *rng.choice(["one", "two", "three", "four", "five"], 3)]) + "."


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Two folders as the authors publish them, in which one word says it all."""
    root, rng = tmp_path_factory.mktemp("corpora"), np.random.default_rng(0)
    go, dair = root / "go", root / "dair"
    go.mkdir()
    dair.mkdir()
    (go / "labels.txt").write_text("\n".join(GOEMOTIONS) + "\n")
    for part, count in (("train", 400), ("dev", 80)):
        lines = [
            f"{sentence(WORDS[key], rng)} {i}\t{key}\tid{i}" for i, key in enumerate(rng.choice(list(WORDS), count))
        ]
        (go / f"{part}.tsv").write_text("\n".join(lines) + "\n")
    for part, count in (("train", 200), ("val", 60)):
        lines = [f"{sentence(DAIR_WORDS[label], rng)} {i};{label}" for i, label in
                 enumerate(rng.choice(list(DAIR_WORDS), count))]  # fmt: skip
        (dair / f"{part}.txt").write_text("\n".join(["text;label_name", *lines]) + "\n")
    return TextSources(go, dair)


TINY = {
    "kind": "text", "name": "tiny", "networks": 2, "vectors": False, "buckets": 16, "least": 1, "tuned": 4,
    "network": {"embedding": 8, "channels": 8, "blocks": 1, "hidden": 16, "pairs": 64, "dropout": 0.0},
    "schedule": {"bfloat16": False, "epochs": 3, "batch": 16,
                 "learning_rate": 0.02, "table_rate": 0.02, "averaging": 0.9},
}  # fmt: skip


@pytest.fixture(scope="module")
def run(corpora, tmp_path_factory):
    output, lines = tmp_path_factory.mktemp("run"), []
    return run_text(build(TextRecipe, TINY), corpora, output, report=lines.append), lines


def test_a_run_learns_and_its_card_says_how_well(run):
    path, lines = run
    card = open_model(path).card
    assert card.labels == GOEMOTIONS
    assert card.scores["goemotions"]["micro F1 of 28"][0] > 0.9
    assert card.scores["dair"]["accuracy of 6"][0] > 0.9
    assert all(low <= value <= high for entry in card.scores.values() for value, low, high, _ in entry.values())
    assert json.loads(lines[-1])["parity"] < 1e-3
    assert len(card.input["thresholds"]) == len(GOEMOTIONS)


def test_the_file_answers_in_words_of_affekt(run):
    recognizer = Recognizer(run[0], threshold=0)
    result = recognizer.analyse(Text("The glad one two three. The tears one two three. The furious five."))
    assert [p.label for p in result.predictions] == ["happy", "sad", "angry"]
    assert result.duration == 0
    assert result.summary.text is None
    assert Recognizer(run[0], labels="goemotions").predict(Text("The glad one two three."))[0].best == "joy"


def test_a_finished_run_is_not_run_again_and_another_recipe_is_refused(run, corpora):
    path, lines = run[0], []
    before = path.read_bytes()
    assert run_text(build(TextRecipe, TINY), corpora, path.parent, report=lines.append) == path
    assert not any('"epoch"' in line for line in lines)
    assert path.read_bytes() == before
    with pytest.raises(InputError, match="another recipe"):
        run_text(build(TextRecipe, {**TINY, "seed": 2}), corpora, path.parent, report=lines.append)


def test_nothing_that_is_reported_is_learned_or_fitted_on(corpora):
    train, dev = read_goemotions(corpora.goemotions, "train"), read_goemotions(corpora.goemotions, "dev")
    leaked = Texts((*train.texts, dev.texts[0].upper()), np.concatenate([train.labels, dev.labels[:1]]))
    split = split_texts(leaked, dev, share=4)
    normal = [{" ".join(text.lower().split()) for text in part.texts} for part in (split.learned, split.tuned, dev)]
    assert not normal[0] & normal[1]
    assert not (normal[0] | normal[1]) & normal[2]
    assert len(split.learned) + len(split.tuned) == sum(text.lower() not in normal[2] for text in train.texts)
    assert 0.15 < len(split.tuned) / len(train) < 0.35


def test_readers_say_what_is_wrong(corpora, tmp_path):
    with pytest.raises(CorpusError, match=r"labels.txt: cannot be read \(No such file"):
        read_goemotions(tmp_path, "train")
    (tmp_path / "labels.txt").write_text("joy\n")
    with pytest.raises(CorpusError, match="not the 28 labels"):
        read_goemotions(tmp_path, "train")
    (tmp_path / "labels.txt").write_text("\n".join(GOEMOTIONS))
    (tmp_path / "train.tsv").write_text("hello\t99\tid\n")
    with pytest.raises(CorpusError, match="line 1 has no numbers of labels"):
        read_goemotions(tmp_path, "train")
    (tmp_path / "train.txt").write_text("hello;hapy\n")
    with pytest.raises(CorpusError, match="line 1 ends in 'hapy'; allowed: anger"):
        read_dair(tmp_path, "train")
    (tmp_path / "v.json").write_text("{}")
    with pytest.raises(CorpusError, match="holds no word vectors"):
        read_vectors(tmp_path / "v.json")


def test_vectors_of_both_forms(tmp_path):
    (tmp_path / "v.json").write_text(
        '{"dimensions": 2, "words": ["a", "b"], "vectors": {"a": [1, 2, 9], "b": [3, 4, 9]}}'
    )
    (tmp_path / "v.txt").write_text("a 1 2\nb 3 4\n")
    for name in ("v.json", "v.txt"):
        words, values = read_vectors(tmp_path / name)
        assert words == ["a", "b"]
        assert values.tolist() == [[1, 2], [3, 4]]


def test_sources_are_named_as_the_recipe_wants_them(tmp_path):
    recipe = load_recipe("text")
    with pytest.raises(
        InputError, match="--corpus goemotions=DIR --corpus dair=DIR --corpus vectors=FILE and no other"
    ):
        sources_of({"goemotions": tmp_path}, recipe)
    found = sources_of(dict.fromkeys(("goemotions", "dair", "vectors"), tmp_path), recipe)
    assert found.vectors == tmp_path


def test_recipes_refuse_what_they_do_not_know():
    with pytest.raises(UnknownName, match="did you mean 'channels'"):
        build(TextRecipe, {"network": {"chanels": 3}})
    with pytest.raises(InputError, match="the channels are divided"):
        build(TextRecipe, {"network": {"channels": 7}})
    with pytest.raises(InputError, match="networks 0"):
        build(TextRecipe, {"networks": 0})


def network():
    torch.manual_seed(0)
    shape = TextShape(embedding=8, channels=8, blocks=2, hidden=8, pairs=32)
    found = TextNetwork(shape, words=3, buckets=16)
    return found.eval(), Vocabulary(("a", "b", "c"), 16)


def test_padding_changes_nothing():
    net, vocabulary = network()
    with torch.no_grad():
        alone = net(torch.from_numpy(vocabulary.encode(["a b xyz"])))
        beside = net(torch.from_numpy(vocabulary.encode(["a b xyz", "c " * 40 + "incomprehensibilities"])))
    for one, two, size in zip(alone, beside, SIZES, strict=True):
        assert one.shape == (1, size)
        assert torch.allclose(one[0], two[0], atol=1e-5)


def test_a_byte_a_value_costs_little():
    net, vocabulary = network()
    tokens = torch.from_numpy(vocabulary.encode(["a b c xyz", "what else"]))
    with torch.no_grad():
        for one, two in zip(net(tokens), NarrowTextNetwork(net)(tokens), strict=True):
            assert (one - two).abs().max() < 0.05


def test_the_linear_model_in_the_file_is_the_one_that_was_fitted(corpora):
    recipe = build(TextRecipe, TINY)
    go, dair = read_goemotions(corpora.goemotions, "train"), read_dair(corpora.dair, "train")
    net, vocabulary = network()
    vocabulary = Vocabulary(("the", "glad", "tears"), 16)
    tables = fit_linear(recipe, vocabulary, go, dair)
    assert tables.weights.shape == (3 + 64, sum(SIZES[1:]))
    texts = ["the glad one", "tears the glad glad", "one two", ""]
    counts = Features(vocabulary, 64).matrix(texts)
    length = np.sqrt(np.maximum(counts @ tables.rarity**2, 1e-6))
    expected = (counts @ tables.weights) / length[:, None] + tables.biases
    with torch.no_grad():
        parts = BlendedTextNetwork(net, tables).parts(torch.from_numpy(vocabulary.encode(texts)))
    for (_, linear), size in zip(parts[1:], SIZES[1:], strict=True):
        assert np.abs(linear.numpy() - expected[:, :size]).max() < 0.1
        expected = expected[:, size:]


def test_a_blend_finds_the_part_that_knows():
    rng = np.random.default_rng(0)
    labels = np.eye(3, dtype=bool)[rng.integers(3, size=500)]
    knowing, noise = labels * 2.0 + rng.normal(0, 1, (500, 3)), rng.normal(0, 1, (500, 3))
    first, second = fit_blend((noise, knowing), labels, one_of=True)
    assert abs(first) < 0.2 < second
    first, second = fit_blend((knowing - 1, noise), labels, one_of=False)
    assert abs(second) < 0.2 < first


def test_learning_sees_what_the_file_sees():
    net, vocabulary = network()
    texts = ["a b c", "xyz a", ""]
    with torch.no_grad():
        learned = answers(net, Encoded(texts, vocabulary).batch([0, 1, 2]))
        filed = net(torch.from_numpy(vocabulary.encode(texts)))
    for one, two in zip(learned, filed, strict=True):
        assert torch.allclose(one, two, atol=1e-5)


def test_targets_are_labels_and_what_others_say():
    labels = np.zeros((2, 28), bool)
    labels[0, [2, 3]] = labels[1, 27] = True
    targets = targets_of(Texts(("a", "b"), labels))
    assert targets.one[0, 2] == 0.5
    assert targets.present[0, 2] == 1
    assert targets.common.tolist() == [[1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0]]
    taught = (torch.full((2, 28), 0.1), torch.full((2, 28), 0.2), torch.full((2, 7), 0.3))
    mixed = targets_of(Texts(("a", "b"), labels), taught=taught, share=0.5)
    assert mixed.present[0, 2] == pytest.approx(0.6)
    assert common_of(labels).sum() == 2
    assert set(GROUPED["joy"]) & set(GROUPED["love"]) == set()


def test_f1_of_several_labels_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels, present = rng.random((50, 4)) < 0.3, rng.random((50, 4)) < 0.3
    sums = several_tallies(present, labels).sum(axis=0)
    assert macro_of(sums) == pytest.approx(metrics.f1_score(labels, present, average="macro"))
    assert micro_of(sums) == pytest.approx(metrics.f1_score(labels, present, average="micro"))
    value, low, high, n = interval(several_tallies(present, labels), micro_of)
    assert low < value < high
    assert n == 50


def test_confidence_is_fitted_to_how_often_the_best_is_right():
    rng = np.random.default_rng(0)
    sure = rng.normal(0, 1, (4000, 3))
    chances = np.exp(sure) / np.exp(sure).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=row) for row in chances])
    labels = np.eye(3, dtype=bool)[truth]
    assert fit_confidence(3 * sure, [[0], [1], [2]], labels) == pytest.approx(3, rel=0.15)
    right = best_is_given(chances, labels)
    threshold = fit_threshold(chances, right, precision=0.75)
    assert right[chances.max(axis=1) >= threshold].mean() == pytest.approx(0.75, abs=0.01)
    assert fit_threshold(chances, np.zeros(4000, bool), precision=0.5) == 1.0


def test_thresholds_of_labels_that_are_told_apart():
    scores = np.linspace(0, 1, 101)[:, None]
    assert 0.3 < fit_thresholds(scores, scores >= 0.5)[0] < 0.6


def test_a_text_model_runs_texts_of_any_length(run):
    model = TextModel(open_model(run[0]))
    outputs = model.run(["", "glad " * 500, "x"])
    assert [one.shape for one in outputs] == [(3, size) for size in SIZES]
    assert all(np.isfinite(one).all() for one in outputs)
