"""Protocols of the voice: who is learned from, who is tested, and that nobody is both."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

from affekt.errors import InputError, UnknownName
from affekt.train.recipe import (
    Network,
    Recipe,
    Schedule,
    Teaching,
    WhisperRecipe,
    WhisperSizes,
    frozen,
    load_recipe,
    recipe_digest,
)
from affekt.train.sources import Sources
from affekt.train.voice import protocols
from affekt.train.voice.clips import load_clips
from affekt.train.voice.networks import network_of, shape_of
from affekt.train.voice.protocols import (
    LEFT_OUT,
    PLANS,
    SCRATCH,
    Budget,
    Job,
    Plan,
    _Fold,
    _learned,
    _way,
    fold_rows,
    run_protocol,
    without,
)  # fmt: skip
from affekt.train.voice.run import speech_only
from affekt.train.voice.teacher import load_teacher
from affekt.types import Sample

from .conftest import speech_like
from .test_train_voice_teacher import random_weights, safetensors

TINY = Recipe(
    corpora=("ravdess", "savee"),
    labels=("angry", "calm", "happy", "sad"),
    network=Network(planes=(4, 4), channels=8, dilations=(1,), hidden=4),
    schedule=Schedule(clips=16, batch=8, group=4, seconds=1.0),
)
ACTORS = [f"{i:02d}" for i in range(1, 25)]


def ravdess(actors=ACTORS, statements=("01", "02")):
    return [
        Sample(f"ravdess/{a}-{s}-{e}", "x.wav", label=e, speaker=a, corpus="ravdess", sentence=s)
        for a in actors
        for s in statements
        for e in ("angry", "sad")
    ]


def test_every_speaker_is_tested_once_by_who_never_met_them():
    samples = ravdess()
    folds = fold_rows(PLANS["ravdess"], samples)
    assert len(folds) == 6
    held = np.concatenate([test for _, test in folds.values()])
    assert sorted(held) == list(range(len(samples)))
    for learned, test in folds.values():
        assert not {samples[i].speaker for i in learned} & {samples[i].speaker for i in test}


def test_a_tested_sentence_was_never_learned_from_either():
    samples = ravdess()
    folds = fold_rows(PLANS["ravdess-sentences"], samples)
    assert len(folds) == 12
    for learned, test in folds.values():
        assert not {samples[i].speaker for i in learned} & {samples[i].speaker for i in test}
        assert not {samples[i].sentence for i in learned} & {samples[i].sentence for i in test}


def test_the_folds_of_other_corpora_do_not_enter():
    other = [Sample("savee/1", "x.wav", label="sad", speaker="DC", corpus="savee")]
    for learned, test in fold_rows(PLANS["ravdess"], other + ravdess()).values():
        assert 0 not in learned
        assert 0 not in test


def test_a_speaker_in_no_fold_is_an_error():
    with pytest.raises(InputError, match="speakers in no fold: 99"):
        fold_rows(Plan("ravdess"), ravdess(["01", "99"]))


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("corpora"), np.random.default_rng(0)
    for actor in ("01", "02", "04", "17", "19"):
        for emotion in ("02", "03", "04", "05"):
            folder = root / "ravdess" / f"Actor_{actor}"
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"03-01-{emotion}-01-01-01-{actor}.wav", speech_like(0.8, rng), 16_000)
    (root / "savee").mkdir()
    for speaker in ("DC", "JE", "JK", "KL"):
        for emotion in ("a01", "h01", "sa01"):
            soundfile.write(root / "savee" / f"{speaker}_{emotion}.wav", speech_like(0.8, rng), 16_000)
    sources = Sources({name: root / name for name in ("ravdess", "savee")})
    lines: list[str] = []
    return Job(TINY, sources, tmp_path_factory.mktemp("run"), Budget(others=1, folds=1, batch=8), lines.append)


def test_a_protocol_reports_all_ways_to_know_the_speaker(job):
    torch.set_num_threads(1)
    rows = run_protocol("savee", job)
    assert [row["baseline"] for row in rows] == ["none", "any", "neutral"]
    assert all(row["metrics"]["UAR"]["n"] == 12 and row["speakers"] == 4 for row in rows)
    assert json.loads((job.output / "savee.json").read_text()) == rows
    assert {row["recipe"] for row in rows} == {recipe_digest(job.recipe)}
    # The network that the folds start from never met SAVEE, and the folds' never the tested speaker.
    recipe = (job.output / LEFT_OUT / "without-savee" / "recipe.toml").read_text()
    assert "savee" not in recipe.replace("without-savee", "")


def test_figures_of_a_taught_voice_are_of_the_recipe_without_its_teacher(job, tmp_path):
    taught = dataclasses.replace(TINY, distillation=Teaching(steps=5))
    rows = run_protocol("savee", dataclasses.replace(job, recipe=taught, output=tmp_path))
    assert {row["recipe"] for row in rows} == {recipe_digest(TINY)}


TAUGHT = dataclasses.replace(
    TINY, distillation=Teaching(steps=2, batch=4, frames=6, ways=1, teacher=WhisperSizes(1, 1, 16, 2, heads=2))
)


def with_teacher(job, recipe, folder):
    """The job with weights of a teacher, and a recording that both hear."""
    elsewhere = folder / "speech" / "a.wav"
    elsewhere.parent.mkdir()
    soundfile.write(elsewhere, speech_like(2.0, np.random.default_rng(1)), 16_000)
    teacher = (safetensors(random_weights(), folder / "model.safetensors"),)
    sources = dataclasses.replace(job.sources, teacher=teacher, unlabelled=(str(elsewhere),))
    return dataclasses.replace(job, recipe=recipe, sources=sources, output=folder / "run")


def test_a_teacher_is_heard_with_recordings_of_no_corpus_tested(job, tmp_path):
    asked = with_teacher(job, TAUGHT, tmp_path)
    rows = run_protocol("savee", asked)
    assert {row["recipe"] for row in rows} == {recipe_digest(TAUGHT)}
    assert all(row["words"].endswith("on recordings of none of the tested corpora") for row in rows)
    assert all("2 steps of distillation" in row["words"] for row in rows)
    (kept,) = (tmp_path / "run").glob("distilled-*/distilled.pt")
    start = torch.load(kept, weights_only=True)
    assert all(torch.equal(start[name], value) for name, value in asked.distilled.items())
    assert not any(name.startswith("corpus_heads.savee") for name in start)

    def with_sources(**changes):
        return dataclasses.replace(asked, sources=dataclasses.replace(asked.sources, **changes))

    tested = str(next((job.sources.corpora["savee"]).glob("*.wav")))
    linked = tmp_path / "speech" / "linked.wav"
    linked.symlink_to(tested)
    for path in (tested, str(linked)):
        with pytest.raises(InputError, match="is of savee, which is tested; leave it out"):
            run_protocol("savee", with_sources(unlabelled=(path,)))
    with pytest.raises(InputError, match="add --teacher FILE"):
        run_protocol("savee", with_sources(teacher=()))
    # Other recordings are another start, never the one that is there.
    other = tmp_path / "speech" / "b.wav"
    soundfile.write(other, speech_like(2.0, np.random.default_rng(2)), 16_000)
    assert with_sources(unlabelled=(str(other),)).distilled and len(list((tmp_path / "run").glob("distilled-*"))) == 2


def test_of_a_taught_voice_the_heads_alone_may_learn(job, tmp_path):
    asked = with_teacher(job, frozen(TAUGHT), tmp_path)
    rows = run_protocol("savee", asked)
    assert all(row["words"].endswith("; heads only, the encoder as its teacher taught it") for row in rows)
    assert {row["recipe"] for row in rows} == {recipe_digest(frozen(TAUGHT))} != {recipe_digest(TAUGHT)}
    learned = torch.load(tmp_path / "run" / "savee" / "fold1-seed1" / "best.pt", weights_only=True)
    assert "frame_norm.weight" in learned and not any(name.startswith("stem.") for name in learned)
    # What they hear of a clip is what the taught network makes of its speech.
    taught = network_of(dataclasses.replace(TAUGHT, corpora=("unlabelled",))).eval()
    taught.load_state_dict(asked.distilled)
    (signal,) = (speech_only(load_clips([sample], tmp_path / "clips")[0]) for sample in asked.samples[:1])
    with torch.no_grad():
        frames = taught.encode(*taught.features(torch.from_numpy(signal)[None]))[0].T.numpy()
    np.testing.assert_allclose(asked.material.features.get(0), frames, atol=0.02)
    with pytest.raises(InputError, match="holds a run with another recipe"):
        run_protocol("savee", dataclasses.replace(asked, recipe=TAUGHT))
    with pytest.raises(InputError, match="voice has none"):
        frozen(TINY)


def test_how_far_to_go_is_chosen_by_training_speakers_of_each_fold(job):
    run_protocol("savee", job)
    told = [line for line in job.tell.__self__ if ", by UAR of 1 training speakers" in line]
    chosen = dict(line.split(", by UAR")[0].split(": ") for line in told)
    assert len(chosen) == 4
    assert all("0.25 of the way: 0." in line and "without the other corpora: " in line for line in told)
    for fold, words in chosen.items():
        folder = job.output / "savee" / fold
        for inner in ("inner", "inner-scratch"):
            log = (folder / inner / "recipe.toml").read_text()
            assert "clips = 6" in log, "three training speakers of three clips, one of whom judges"
        # From what the others left the rates are a share of the recipe's.
        rate = TINY.schedule.learning_rate * (1 if words == "without the other corpora" else job.budget.rate)
        assert load_recipe(folder / "recipe.toml").schedule.learning_rate == pytest.approx(rate)


def test_in_the_second_stage_the_encoder_learns_inside_of_each_fold(job, tmp_path):
    recipe = WhisperRecipe(
        corpora=TINY.corpora,
        labels=TINY.labels,
        network=WhisperSizes(layers=1, levels=1, channels=16, attention_heads=2, heads=2, embedding=12, hidden=8),
        schedule=dataclasses.replace(TINY.schedule, ways=0),
        tuning=dataclasses.replace(TINY.schedule, ways=1),
    )
    teacher = safetensors(random_weights(), tmp_path / "model.safetensors")
    sources = dataclasses.replace(job.sources, teacher=(teacher,))
    tuned = dataclasses.replace(
        job, recipe=recipe, sources=sources, output=tmp_path, budget=dataclasses.replace(job.budget, tuned=1)
    )
    rows = run_protocol("savee", tuned)
    assert all("then 1 epoch of the encoder, too" in row["words"] and row["tuned"] == 1 for row in rows)
    before = load_teacher([teacher], shape_of(recipe)).state_dict()
    after = torch.load(tmp_path / "savee" / "fold1-seed1" / "tuned" / "best.pt", weights_only=True)
    assert not torch.equal(before["first.weight"], after["encoder.first.weight"])
    # The heads of the second stage are those that the first one left, tuned.
    assert load_recipe(tmp_path / "savee" / "fold1-seed1" / "tuned" / "recipe.toml").frozen is False
    start = without("savee", tuned)[0]
    assert not hasattr(start, "encoder"), "folds start from the first stage of the other corpora"
    rows = run_protocol(LEFT_OUT, dataclasses.replace(tuned, only=("savee",)))
    assert all("then 1 epoch of the encoder, too" in row["words"] and row["tuned"] == 1 for row in rows)
    after, kept = without("savee", tuned, tuned=1)[0].state_dict(), tmp_path / LEFT_OUT / "without-savee" / "tuned"
    assert not torch.equal(before["first.weight"], after["encoder.first.weight"])
    assert torch.equal(torch.load(kept / "taught.pt", weights_only=True)["head.weight"], after["head.weight"])
    part = dataclasses.replace(recipe, share=0.25)
    rows = run_protocol(LEFT_OUT, dataclasses.replace(tuned, recipe=part, output=tmp_path / "part", only=("savee",)))
    assert {row["share"] for row in rows} == {0.25}
    with pytest.raises(InputError, match="holds savee with another --tuned"):
        run_protocol(LEFT_OUT, dataclasses.replace(tuned, only=("ravdess",), budget=job.budget))
    state = without("savee", dataclasses.replace(tuned, recipe=part, output=tmp_path / "part"), tuned=1)[0].state_dict()
    end, name = torch.load(tmp_path / "part" / LEFT_OUT / "without-savee" / "tuned" / "best.pt"), "first.weight"
    torch.testing.assert_close(state[f"encoder.{name}"], torch.lerp(before[name], end[f"encoder.{name}"], 0.25))
    rows = run_protocol(LEFT_OUT, dataclasses.replace(tuned, only=("savee",), budget=job.budget))
    assert all("heads only" in row["words"] and row["tuned"] == 0 for row in rows)


def test_none_of_the_way_is_none_of_it(job, tmp_path):
    start = {name: value.clone() for name, value in without("savee", job)[0].state_dict().items()}
    learned = np.flatnonzero([sample.corpus == "savee" for sample in job.samples])
    network, _ = _learned(_Fold(PLANS["savee"], 1, learned, tmp_path / "fold"), job, start, 0.0)
    kept = {name: value for name, value in network.state_dict().items() if value.is_floating_point() and name in start}
    assert all(torch.equal(kept[name], start[name]) for name in kept if not name.startswith("head."))
    assert not torch.equal(kept["head.weight"], start["head.weight"])


def test_with_one_training_speaker_it_is_all_of_the_way(job, tmp_path):
    one = np.flatnonzero(job.material.speakers == job.material.speakers[0])
    assert _way(_Fold(PLANS["tess"], 1, one, tmp_path / "foldOAF-seed1"), job, {}) == 1.0
    assert job.tell.__self__[-1].startswith("foldOAF-seed1: all of the way")


@pytest.mark.parametrize(
    ("name", "way", "facts"),
    [("savee", 0.0, {"chosen": 4, "alone": 2}), ("savee", 0.7, {}), ("ravdess-scratch", 0.0, {})],
)
def test_rows_say_how_often_training_speakers_preferred_to_start_alone(job, tmp_path, monkeypatch, name, way, facts):
    ways = iter((SCRATCH, 0.7, 0.0, SCRATCH))
    monkeypatch.setattr(protocols, "_chosen_way", lambda *_: next(ways))
    budget = dataclasses.replace(job.budget, way=way)
    asked = dataclasses.replace(job, output=tmp_path, budget=budget)
    rows = run_protocol(name, asked)
    assert all({key: row[key] for key in ("chosen", "alone", "tuned") if key in row} == facts for row in rows)
    folders = sorted((tmp_path / name).iterdir())
    learned_alone = [load_recipe(folder / "recipe.toml").schedule.averaging == 0.99 for folder in folders]
    if facts:
        assert learned_alone == [True, False, False, True]


def test_recipes_of_other_lengths_corpora_and_seeds_share_a_digest_and_others_do_not():
    longer = dataclasses.replace(TINY.schedule, epochs=9, clips=99, batch=4, learning_rate=1e-4)
    same = dataclasses.replace(TINY, schedule=longer, seed=5, corpora=("savee",), name="other")
    assert recipe_digest(same) == recipe_digest(TINY)
    other = dataclasses.replace(TINY, objective=dataclasses.replace(TINY.objective, pitch=0.5))
    assert recipe_digest(other) != recipe_digest(TINY)


def test_a_second_call_trains_nothing_and_says_the_same(job):
    first, lines = run_protocol("savee", job), []
    again = run_protocol("savee", Job(job.recipe, job.sources, job.output, job.budget, lines.append))
    assert again == first
    assert not [line for line in lines if line.startswith("{")]


def test_every_corpus_is_left_out_once(job):
    rows = run_protocol(LEFT_OUT, job)
    counts = {(row["corpus"], row["metrics"]["UAR"]["n"]) for row in rows if row["labels"] == "all"}
    assert counts == {("ravdess", 20), ("savee", 12)}
    four = next(row for row in rows if row["labels"] == "four")
    assert four["classes"] == ["angry", "happy", "sad"]  # of the four those that there are


def test_a_corpus_left_out_alone_leaves_the_rows_of_the_others(job):
    before = run_protocol(LEFT_OUT, job)
    again = run_protocol(LEFT_OUT, dataclasses.replace(job, only=("savee",)))
    assert sorted(map(str, again)) == sorted(map(str, before))
    with pytest.raises(UnknownName, match="savee"):
        run_protocol(LEFT_OUT, dataclasses.replace(job, only=("save",)))


def test_an_unknown_protocol_and_a_missing_corpus_are_named(job):
    with pytest.raises(InputError, match="allowed: ravdess, "):
        run_protocol("ravdes", job)
    alone = Job(TINY, Sources({"savee": job.sources.corpora["savee"]}), job.output, job.budget, str)
    with pytest.raises(InputError, match="needs ravdess"):
        run_protocol("savee", alone)
