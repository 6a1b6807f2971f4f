"""Explanations: cues have known answers, words follow from numbers, maps show what a detector looks at."""

import importlib.util
import io
import json
import re
import tomllib
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.cli import main
from affekt.data.splits import fixed_speakers
from affekt.errors import InputError, LossWarning, UnknownName
from affekt.explain.occlusion import Map, deletion, label_score, occlusion_map, orders, score_variants, segment_map
from affekt.explain.words import Explanation, Recording, Reference, as_json, explain, reference_of
from affekt.models.card import KEY, Card
from affekt.models.onnx import softmax
from affekt.plot.maps import LEAST_SPAN, Maps, draw_maps
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import read
from affekt.speech.cues import CUES, OF_THE_RECORDING, measure_cues, norms, typical
from affekt.speech.masks import MapOptions, Masker
from affekt.types import Prediction

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "explain.md"
RATE = 16_000


def vowel(seconds=3.0, pitch=140.0, *, syllables=3.0, gain=0.1):
    """Harmonics that fall by 6 dB per octave, in so many syllables per second."""
    time = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, int(7000 / pitch)))
    shape = 0.03 + np.clip(np.sin(2 * np.pi * syllables * time), 0, 1)
    noise = 1e-4 * np.random.default_rng(0).standard_normal(len(time))
    return (gain * (wave * shape + noise)).astype(np.float32)


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer()


@pytest.fixture(scope="module")
def affekt():
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


class TestCues:
    def test_of_a_known_voice(self):
        cues = measure_cues(vowel(pitch=110, syllables=3))
        assert cues["pitch"] == pytest.approx(24, abs=0.1)
        assert cues["rate"] == pytest.approx(3, abs=0.4)
        assert cues["tilt"] == pytest.approx(-6, abs=0.7)
        assert cues["pitch_range"] < 0.2
        assert cues["jitter"] < 1
        assert cues["harmonicity"] > 15

    @pytest.mark.parametrize("syllables", [2.0, 4.0, 5.0])
    def test_syllables_are_counted(self, syllables):
        assert measure_cues(vowel(syllables=syllables))["rate"] == pytest.approx(syllables, abs=0.4)

    def test_an_octave_is_twelve_semitones(self):
        low, high = (measure_cues(vowel(pitch=hertz))["pitch"] for hertz in (110, 220))
        assert high - low == pytest.approx(12, abs=0.1)

    @given(st.floats(-30, 10))
    @settings(max_examples=8, deadline=None)
    def test_a_gain_changes_the_level_alone(self, decibels):
        signal = vowel(1.5)
        quiet, loud = measure_cues(signal), measure_cues(signal * np.float32(10 ** (decibels / 20)))
        assert loud["level"] - quiet["level"] == pytest.approx(decibels, abs=0.01)
        assert {k: v for k, v in loud.items() if k != "level"} == pytest.approx(
            {k: v for k, v in quiet.items() if k != "level"}, abs=0.05
        )

    def test_a_differentiator_brightens_by_six_decibels_per_octave(self):
        signal = vowel()
        brighter = np.diff(signal, prepend=signal[:1])
        assert measure_cues(brighter)["tilt"] - measure_cues(signal)["tilt"] == pytest.approx(6, abs=0.8)

    def test_what_cannot_be_measured_is_nan(self):
        noise = 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
        assert all(np.isnan(v) for v in measure_cues(np.zeros(RATE, np.float32)).values())
        assert all(np.isnan(v) for v in measure_cues(vowel(0.3)).values())
        assert np.isnan(measure_cues(noise)["pitch"]) and np.isfinite(measure_cues(noise)["level"])
        with pytest.raises(InputError, match="mono"):
            measure_cues(np.zeros((RATE, 2), np.float32))

    def test_the_weighted_median_is_that_of_repeated_rows(self):
        rng = np.random.default_rng(3)
        values, weights = rng.standard_normal(9), rng.integers(1, 6, 9)
        rows = [{"rate": float(v)} for v in values]
        repeated = np.sort(np.repeat(values, weights))
        assert typical(rows, weights.tolist())["rate"] == repeated[(len(repeated) - 1) // 2]
        assert np.isnan(typical(rows, weights.tolist())["pitch"])


class TestNorms:
    def test_are_in_order_and_say_how_many(self):
        table = norms()
        assert all(table.within[cue] > 0 for cue in CUES)
        for name in ("low", "high"):
            assert table.clips[name] >= table.speakers[name] >= 30
            assert all(a < b < c for a, b, c in table.ranges[name].values())
        assert table.ranges["low"]["pitch"][1] < 30 < table.ranges["high"]["pitch"][1]

    def test_the_table_is_of_medians_of_speakers(self):
        rows = [
            {"id": f"x/{s}{i}", "speaker": f"x/{s}", **dict.fromkeys(CUES, 20.0 + 14 * (s > 4) + i)}
            for s in range(10)
            for i in (0, 1, 5)
        ]
        found = tomllib.loads(script("norms").table(rows))
        assert (found["low"]["speakers"], found["low"]["clips"]) == (5, 15)
        assert found["low"]["rate"] == [21, 21, 21] and found["high"]["rate"] == [35, 35, 35]
        assert found["within"]["rate"] == 4

    @pytest.mark.corpora
    def test_know_no_speaker_of_test_or_dev(self, corpora_folder):
        samples = script("norms").neutral(corpora_folder, 1)
        assert len(samples) == sum(norms().speakers.values())
        for sample in samples:
            held = fixed_speakers()[sample.corpus]
            assert sample.speaker not in [*held["test"], *held["dev"]] and sample.label == "neutral"


def three(*signals):
    """A recording of stretches of speech, and its segments."""
    scores = {"happy": 0.75, "sad": 0.25}
    ends = np.cumsum([len(signal) for signal in signals]) / RATE
    starts = [0.0, *ends[:-1].tolist()]
    return np.concatenate(signals), [Prediction(a, b, scores) for a, b in zip(starts, ends.tolist(), strict=True)]


class TestWords:
    def test_louder_is_said_with_its_decibels(self):
        signal, segments = three(vowel(), vowel(gain=0.4), vowel())
        first, middle, _ = explain(signal, segments)
        assert middle.sentence == "beside the rest of this recording: louder by 12.0 dB"
        assert first.reference.kind == "recording"

    def test_higher_is_said_with_its_semitones(self):
        signal, segments = three(vowel(pitch=120), vowel(pitch=120 * 2 ** (5 / 12)), vowel(pitch=120))
        assert "pitch higher by 5.0 semitones" in explain(signal, segments)[1].sentence

    def test_the_same_is_no_difference(self):
        signal, segments = three(vowel(), vowel(), vowel())
        assert {e.sentence for e in explain(signal, segments)} == {"much like the rest of this recording"}

    def test_a_lonely_segment_is_compared_with_the_norms_but_not_in_pitch_or_level(self):
        signal, segments = three(vowel(gain=3.0, pitch=160, syllables=1))
        (found,) = explain(signal, segments)
        assert found.reference.kind == "norms" and f"{norms().speakers['low']} people" in found.sentence
        assert "slower" in found.sentence
        assert not set(found.differences) & set(OF_THE_RECORDING)

    def test_the_speakers_own_reference_comes_first(self):
        cues = measure_cues(vowel())
        own = Reference("speaker", "this speaker's reference", cues, cues, cues)
        signal, segments = three(vowel(gain=0.2), vowel(gain=0.2), vowel(gain=0.2))
        assert explain(signal, segments, reference=own)[0].sentence.startswith(
            "beside this speaker's reference: louder"
        )

    def test_at_most_four_differences_the_most_striking_first(self):
        zero, one = dict.fromkeys(CUES, 0.0), dict.fromkeys(CUES, 1.0)
        reference = Reference("speaker", "x", zero, dict.fromkeys(CUES, -1.0), one)
        found = Explanation(reference, {name: (-2.0) ** (i + 1) for i, name in enumerate(CUES)})
        assert list(found.differences) == list(CUES)[::-1]
        assert found.sentence.count(" by ") == 4

    def test_little_voice_is_not_described(self):
        signal, segments = three(vowel(0.8), np.zeros(RATE * 2, np.float32))
        assert {e.sentence for e in explain(signal, segments)} == {"too little voice to describe"}

    def test_json_holds_no_nan(self):
        signal, segments = three(np.zeros(RATE * 2, np.float32))
        table = as_json(explain(signal, segments)[0])
        assert json.loads(json.dumps(table, allow_nan=False)) == table
        assert set(table["cues"]) == set(CUES)

    def test_wrong_input_is_told(self, recognizer):
        with pytest.raises(InputError, match="whole recording"):
            explain(np.zeros(100, np.float32), [Prediction(0, 2, {})])
        with pytest.raises(InputError, match="the reference holds 0.00 s of speech"):
            reference_of((np.zeros(RATE), RATE), recognizer)

    def test_a_clip_resembles_itself(self, recognizer, clips):
        signal = read(clips[3]).signal
        (found,) = explain(signal, recognizer.predict((signal, RATE)), reference=reference_of(clips[3], recognizer))
        assert found.sentence == "much like this speaker's reference"

    def test_a_recording_is_kept_in_any_pieces(self):
        signal, trace = vowel(1.0), Recording()
        for start in range(0, len(signal), 999):
            trace.see(signal[start : start + 999])
        assert np.array_equal(trace.signal, signal)


FINE = MapOptions(patch=0.25, bands=4)


def detector(first, last, hertz):
    """Log of the power of one frequency in one stretch of time, in seconds: all that this model hears."""
    span = slice(int(first * RATE), int(last * RATE))
    probe = np.exp(-2j * np.pi * hertz * np.arange(2 * RATE)[span] / RATE)
    return lambda signals: np.log(np.abs(signals[:, span] @ probe) ** 2 / 1e6 + 1e-9)


def babble():
    """Two seconds of tones in four bands, off and on."""
    time = np.arange(2 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * hertz * time) for hertz in (300, 1000, 2200, 5000))
    return (0.1 * tones * (np.sin(2 * np.pi * 2 * time) > -0.3)).astype(np.float32)


class TestMasking:
    def test_nothing_masked_is_the_signal(self):
        masker = Masker(babble())
        assert np.array_equal(masker.masked(np.zeros(masker.shape, bool)), masker.signal)

    @given(st.integers(0, 2**32 - 1))
    @settings(max_examples=10, deadline=None)
    def test_patches_add_up(self, seed):
        masker = Masker(babble(), FINE)
        first = np.random.default_rng(seed).random(masker.shape) < 0.5
        parts = sum(masker.signal - masker.masked(p) for p in (first, ~first))
        assert parts == pytest.approx(masker.signal - masker.masked(np.ones(masker.shape, bool)), abs=1e-5)

    def test_everything_masked_is_the_background(self):
        masker = Masker(babble())
        assert np.abs(masker.masked(np.ones(masker.shape, bool))).max() < 0.02 * np.abs(masker.signal).max()

    def test_the_sound_elsewhere_is_untouched(self):
        masker = Masker(babble(), FINE)
        chosen = np.zeros(masker.shape, bool)
        chosen[4] = True
        left = masker.masked(chosen)
        changed = np.flatnonzero(left != masker.signal) / RATE
        assert masker.times[4] - 0.04 < changed.min() and changed.max() < masker.times[5] + 0.04

    def test_other_bands_keep_their_power(self):
        masker = Masker(babble(), FINE)
        low, high = (
            np.abs(np.fft.rfft(x))[[600, 10_000]] for x in (masker.signal, masker.masked(np.eye(4)[[0] * 8] > 0))
        )
        assert high[0] < 0.1 * low[0] and high[1] == pytest.approx(low[1], rel=0.01)

    def test_energy_is_where_the_sound_is(self):
        signal = babble()
        signal[RATE:] = 0
        energy = Masker(signal, FINE).energy
        assert energy.sum() == pytest.approx(1) and energy[:4].sum() > 0.95

    def test_a_signal_that_is_too_short_is_told(self):
        with pytest.raises(InputError, match="at least 400 samples"):
            Masker(np.zeros(10, np.float32))
        with pytest.raises(InputError, match="bands"):
            MapOptions(bands=0)


class TestMaps:
    def test_show_what_a_detector_looks_at(self):
        found = occlusion_map(babble(), detector(1.0, 1.25, 1000), label="beep", options=FINE)
        at = np.unravel_index(found.values.argmax(), found.values.shape)
        assert found.times[at[0]] == 1.0 and found.hertz[at[1]] <= 1000 < found.hertz[at[1] + 1]
        rest = np.delete(found.values.ravel(), found.values.argmax())
        assert found.values.max() > 1 > 3 * np.abs(rest).max()

    def test_variants_score_as_they_do_alone(self, recognizer):
        masker, score = Masker(babble()), label_score(recognizer, "angry")
        rows = np.random.default_rng(0).random((40, masker.shape[0] * masker.shape[1])) < 0.2
        alone = [score(masker.masked(row)[None])[0] for row in rows[::13]]
        assert score_variants(masker, rows, score)[::13] == pytest.approx(alone, abs=1e-4)

    def test_scores_are_the_models(self, clips):
        signals = np.stack([read(path).signal[:32_000] for path in clips[:3]])
        model = Recognizer().network
        p = softmax(model.run(signals)[0], model.card.temperature)
        happy, sad, angry = (p[:, model.card.labels.index(label)] for label in ("happy", "sad", "angry"))
        assert np.exp(label_score(Recognizer(), "happy")(signals)) == pytest.approx(happy, rel=1e-4)
        with pytest.warns(LossWarning):
            merged = Recognizer(labels={"bad": ["sad", "angry"], "good": ["happy"]})
        given = np.exp(label_score(merged, "bad")(signals))
        assert given == pytest.approx((sad + angry) / (sad + angry + happy), rel=1e-4)
        with pytest.raises(UnknownName, match="bad, good"):
            label_score(merged, "happy")

    def test_of_a_segment_have_the_recordings_time(self, recognizer, conversation):
        p = recognizer.predict((conversation, RATE))[1]
        found = segment_map(recognizer, conversation, p)
        assert (found.times[0], found.times[-1]) == pytest.approx((p.start, p.end), abs=1e-3)
        assert found.label == p.best and found.values.shape == (len(found.times) - 1, len(found.hertz) - 1)

    def test_of_a_model_of_features_are_drawn_as_well(self, tmp_path):
        onnx = pytest.importorskip("onnx")
        helper, kind = onnx.helper, onnx.TensorProto.FLOAT
        weights = np.zeros((20, 2), np.float32)
        weights[0] = 0.01, -0.01  # the first MFCC: how loud it is
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["features", "weights"], ["logits"])], "g",
            [helper.make_tensor_value_info("features", kind, ["b", 20])],
            [helper.make_tensor_value_info("logits", kind, ["b", 2])],
            initializer=[helper.make_tensor("weights", kind, [20, 2], weights.ravel())],
        )  # fmt: skip
        card = Card(
            "m", "speech", ("loud", "quiet"),
            input={"window": 16_000, "hop": 6_400, "features": {"kind": "mfcc-20-mean"}},
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, {KEY: card.to_json()})
        onnx.save(model, tmp_path / "m.onnx")
        signal = babble()
        signal[: 3 * RATE // 4] = 0
        p = Prediction(0, 2, {"loud": 0.6, "quiet": 0.4})
        found = segment_map(Recognizer(tmp_path / "m.onnx"), signal, p, options=MapOptions(patch=0.5, bands=2))
        assert found.label == "loud"
        assert found.values[2:].sum() > 5 * np.abs(found.values[0]).sum()

    def test_of_long_segments_show_the_middle(self, recognizer):
        p = Prediction(0, 8, {"angry": 1.0})
        found = segment_map(recognizer, np.tile(babble(), 4), p, options=MapOptions(longest=2, columns=2, bands=1))
        assert found.times.tolist() == [3, 4, 5]

    def test_no_label_no_map(self, recognizer):
        with pytest.raises(InputError, match="no label to map"):
            segment_map(recognizer, np.zeros(RATE, np.float32), Prediction(0, 1, {}))


class TestFaithfulness:
    def test_deletion_of_a_detectors_patch_loses_its_label_at_once(self):
        masker, rng = Masker(babble(), FINE), np.random.default_rng(0)
        tone = detector(1.0, 1.25, 1000)
        loudest = tone(masker.signal[None])[0]

        def score(signals):
            return np.minimum(tone(signals) - loudest, 0)

        values = occlusion_map(masker.signal, score, label="beep", options=FINE).values
        area = {name: deletion(masker, score, order).area for name, order in orders(values, masker.energy, rng)}
        assert area["most important first"] < 0.2 < area["random"] < area["least important first"]

    @pytest.mark.parametrize(("model", "share"), [("voice", 1.0), ("voice-small", 0.6)])
    def test_deletion_by_the_map_beats_the_other_orders_on_real_speech(self, model, share, clips):
        recognizer, rng, rows = Recognizer(model), np.random.default_rng(0), []
        for path in clips[::3]:
            signal = read(path).signal
            p = recognizer.predict((signal, RATE))[0]
            part, score = signal[round(p.start * RATE) : round(p.end * RATE)], label_score(recognizer, p.best)
            masker = Masker(part)
            found = occlusion_map(part, score, label=p.best)
            rows.append([deletion(masker, score, order).area for _, order in orders(found.values, masker.energy, rng)])
        best, worst, loudest, random = np.mean(rows, axis=0)
        assert best < share * min(random, loudest)
        assert worst > 1.5 * random

    def test_orders_name_each_patch_once(self):
        masker = Masker(babble(), FINE)
        with pytest.raises(InputError, match="each of the 32 patches once"):
            deletion(masker, detector(0, 1, 300), [0, 0, 1])

    def test_the_page_says_what_was_measured(self):
        bench = script("faithfulness")
        rows = json.loads((ROOT / "benchmarks" / "results" / "faithfulness-voice.json").read_text())["clips"]
        text, speakers = PAGE.read_text(encoding="utf-8"), [row["speaker"] for row in rows]
        assert not {s for s in speakers if s.split("/")[1] not in fixed_speakers()[s.split("/")[0]]["test"]}
        assert f"{len(rows)} clips of {len(set(speakers))} speakers" in text
        for name in (bench.MAP, *bench.OTHERS):
            found = bench.interval(np.array([row[name] for row in rows]), speakers)
            cell = f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
            assert re.search(rf"^\| {name} \| {re.escape(cell)} \|", text, re.M), (name, cell)
        assert all(f"`{cue}`" in text for cue in CUES)
        for name in ("low", "high"):
            assert f"{norms().speakers[name]} {name}" in text


def example_map(scale, label="happy"):
    values = scale * np.array([[1.0, -0.5], [0.0, 0.25]])
    return Map(np.array([1.0, 1.5, 2.0]), np.array([0.0, 1000, 8000]), values, label, np.zeros((30, 257), np.float32))


class TestPicture:
    def test_has_seconds_hertz_a_title_and_one_scale(self):
        figure = draw_maps(Maps("a.wav", [example_map(0.2), example_map(0.8, "sad")], [0.5, 0.9], "2 of 3"))
        panels = figure.axes
        assert figure.get_suptitle() == "a.wav: 2 of 3"
        assert panels[0].get_ylabel() == "frequency / Hz" and panels[2].get_xlabel() == "time / s"
        assert panels[3].get_title(loc="left") == "what speaks for sad (90 %)"
        assert [panels[i].collections[0].get_clim() for i in (1, 3)] == [(-0.8, 0.8)] * 2
        assert "nats" in panels[4].get_ylabel()
        assert panels[0].get_xlim() == (1.0, 2.0) and panels[0].get_ylim() == (0, 8000)
        figure.savefig(file := io.BytesIO(), format="png")
        assert file.getvalue().startswith(b"\x89PNG")

    def test_values_stand_where_they_belong(self):
        panel = draw_maps(Maps("a.wav", [example_map(1.0)], [0.5])).axes[1]
        # Rows of a mesh are bands, from low to high; columns are time.
        assert np.asarray(panel.collections[0].get_array()).reshape(2, 2).tolist() == [[1.0, 0.0], [-0.5, 0.25]]

    def test_a_map_of_nothing_looks_like_nothing(self):
        assert Maps("a.wav", [example_map(0.0)], [0.5]).span == LEAST_SPAN
        with pytest.raises(InputError, match="as many"):
            Maps("a.wav", [example_map(1.0)], [])


class TestCommand:
    def test_prints_a_sentence_under_each_segment(self, affekt, clips):
        done = affekt("predict", clips[1], "--explain")
        assert done.exit_code == 0
        lines = " ".join(done.stdout.split())
        assert "beside the neutral speech of" in lines or "much like the neutral speech of" in lines
        assert lines.endswith("they are not what the network used.")

    @pytest.mark.parametrize("form", ["json", "jsonl"])
    def test_json_gains_one_key_and_keeps_its_schema(self, affekt, clips, form):
        plain, explained = (
            [json.loads(text) for text in ([done.stdout] if form == "json" else done.stdout.splitlines())]
            for done in (affekt("predict", *clips[:2], "--format", form, *extra) for extra in ([], ["--explain"]))
        )
        schema = json.loads((ROOT / "docs" / "predictions-2.schema.json").read_text())
        for document in explained:
            jsonschema.validate(document, schema)
            for result in document.get("results", [document]):
                found = [segment.pop("explanation") for segment in result["segments"]]
                assert found and all(item["note"] and item["text"] for item in found)
        assert explained == plain

    def test_the_reason_of_a_weak_answer_stays(self, affekt, clips):
        plain, explained = (affekt("predict", clips[0], "--threshold", 1, *more).stdout for more in ((), ["--explain"]))
        (reason,) = re.findall(r"in all: .*; (.*)", plain)
        assert f"    weak because: {reason}" in explained
        assert explained.count(f"; {reason}") == 1

    def test_the_schema_knows_the_key(self):
        schema = json.loads((ROOT / "docs" / "predictions-2.schema.json").read_text())
        part = {"$ref": "#/$defs/explanation", "$defs": schema["$defs"]}
        signal, segments = three(vowel())
        table = as_json(explain(signal, segments)[0])
        jsonschema.validate(table, part)
        for wrong in ({**table, "reference": "nothing"}, {**table, "cues": {"pitch": {"value": 1}}}):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(wrong, part)

    def test_pictures_lie_side_by_side(self, affekt, clips, tmp_path):
        assert affekt("predict", clips[6], "--explain", "--plot", tmp_path / "a.png").exit_code == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a-maps.png", "a.png"]
        folder = tmp_path / "pictures"
        assert affekt("predict", clips[0], "--explain", "--plot", f"{folder}/").exit_code == 0
        assert {p.stem for p in folder.iterdir()} == {clips[0].stem, f"{clips[0].stem}-maps"}

    def test_the_python_of_the_page_runs(self, monkeypatch, capsys):
        monkeypatch.chdir(ROOT)
        code, *_ = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
        exec(compile(code, "explain.md", "exec"), {})
        assert capsys.readouterr().out.startswith("angry ")

    def test_a_reference_is_what_is_compared_with(self, affekt, clips):
        done = affekt("predict", clips[7], "--explain", "--reference", clips[3])
        assert done.exit_code == 0 and "beside this speaker's reference: louder" in " ".join(done.stdout.split())

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--explain", "--format", "csv"], "--explain has no place in csv"),
            (["--explain", "--one-speaker", "--reference", "x.wav"], "three ways to know a speaker; give one"),
        ],
    )
    def test_what_does_not_go_together_is_told(self, affekt, clips, words, sentence):
        done = affekt("predict", clips[0], *words)
        assert done.exit_code == 2 and sentence in done.stderr

    def test_silence_has_nothing_to_explain(self, affekt, tmp_path):
        import soundfile

        soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
        done = affekt("predict", tmp_path / "silence.wav", "--explain", "--plot", tmp_path / "s.png")
        assert done.exit_code == 0 and done.stdout.splitlines()[-1] == "in all: no speech"
        assert not (tmp_path / "s-maps.png").exists()
