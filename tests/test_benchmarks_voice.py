"""The card pages of the voices: what the program writes from the figures kept, and that these say what was measured."""

import json
import re
import shlex
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from click import Context
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from affekt.cli import main
from affekt.metrics.calibration import LabelledLogits, RecordingLogits
from affekt.metrics.paired import Curve, Stress, compared
from affekt.models.onnx import read_card
from affekt.models.zoo import model_path
from affekt.plot.card import draw_reference, draw_speakers, draw_ways
from affekt.train import recipe as recipes
from affekt.types import Estimate, Sample
from affekt.write.stress import record

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def programs():
    """The programs of benchmarks/, which import one another by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks" / "voice")
        import figures
        import page
        import run

        yield {"voice": run, "page": page, "figures": figures}


@pytest.fixture(scope="module")
def voice(programs):
    return programs["voice"]


@pytest.fixture(scope="module")
def page(programs):
    return programs["page"]


MODELS = ("voice", "voice-small")


@pytest.fixture(scope="module")
def kept(voice, page):
    return page.read_kept(voice.KEPT / "voice-small")


@pytest.fixture(scope="module")
def bare(voice):
    """Of `voice` the card alone: as before anything was measured."""
    return {"card": {"of": "", **voice.step_card(voice.Job("voice", *[None] * 5, 1, DOCS))["card"]}}


def pictures(model):
    """The figures of a model's page."""
    others = tuple(f"{other}-" for other in MODELS if other.startswith(f"{model}-"))
    return [path for path in sorted(DOCS.glob(f"{model}-*.png")) if not path.name.startswith(others or "/")]


@pytest.mark.parametrize("model", [model for model in MODELS if (DOCS / "model-cards" / f"{model}.md").exists()])
class TestAPageThatIsKept:
    def test_is_what_the_program_writes_from_the_figures_kept(self, voice, page, model):
        kept, old = page.read_kept(voice.KEPT / model), page.kept_before(model, voice.KEPT)
        assert (DOCS / "model-cards" / f"{model}.md").read_text(encoding="utf-8") == page.text(kept, old)

    def test_is_about_the_model_that_ships(self, voice, page, model):
        kept, card = page.read_kept(voice.KEPT / model), json.loads(read_card(model_path(model)).to_json())
        assert {key: kept["card"][key] for key in voice.CARD} == {key: card[key] for key in voice.CARD}
        assert kept["card"]["of"] == voice.graph_hash(model)

    def test_has_every_figure_and_no_other(self, voice, page, model):
        shown = set(re.findall(r"\.\./([\w-]+\.png)", page.text(page.read_kept(voice.KEPT / model))))
        assert shown == {path.name for path in pictures(model)}

    def test_figures_and_kept_files_are_small(self, voice, model):
        assert all(path.stat().st_size < 250_000 for path in pictures(model))
        assert all(path.stat().st_size < 60_000 for path in (voice.KEPT / model).glob("*.json"))


class TestThePage:
    def test_of_voice_small_has_figures_of_its_file_and_marks_those_of_another_recipe(self, page, kept):
        text = page.text(kept)
        assert "of another model file" not in text and "| not run |" not in text
        assert text.count("†") > 1

    def test_says_how_folds_were_run(self, page, kept):
        rows = [{**row, "chosen": 4, "alone": 1, "tuned": 10} for row in kept["protocol-savee"]]
        words = page.words_of({**kept, "protocol-savee": rows}, "savee")
        assert words.startswith(
            page.PLANS["savee"][1] + "; they did 3 of 4 times, as training speakers chose; both stages, 10"
        )
        plain = [{k: v for k, v in row.items() if k not in ("chosen", "alone", "tuned")} for row in rows]
        assert page.words_of({**kept, "protocol-savee": plain}, "savee") == page.PLANS["savee"][1]
        command = page.command({"card": kept["card"], "protocol-savee": rows}, "protocol-savee")
        assert "--tuned 10" in command

    def test_of_voice_names_whisper_and_what_it_may_have_heard(self, page, bare, kept):
        text = " ".join(page.text(bare, kept).split())
        assert "first 3 layers of OpenAI's Whisper (base; [MIT licence]" in text
        assert text.count(page.DOUBT) >= 4 and page.DOUBT not in " ".join(page.text(kept).split())

    def test_of_voice_shows_what_the_model_before_reaches(self, page, bare, kept):
        e = page.protocol_uar(kept, "ravdess", "none")
        row = next(line for line in page.text(bare, kept).splitlines() if line.startswith(f"| {page.RAVDESS}"))
        assert row.endswith(f"| not run | {page.shown(e, places=3)} |")
        assert "| not run |  |" not in page.text(bare)

    def test_is_written_before_anything_was_measured(self, programs, tmp_path):
        words = ["write", "--model", "voice", "--keep", str(tmp_path / "kept"), "--docs", str(tmp_path)]
        done = CliRunner().invoke(programs["voice"].main, words)
        assert done.exit_code == 0, done.output
        assert "0 of 11 aims are met" in (tmp_path / "model-cards" / "voice.md").read_text(encoding="utf-8")
        assert not list(tmp_path.glob("*.png"))

    def test_is_not_written_from_figures_of_the_other_model(self, programs, tmp_path):
        keep = str(programs["voice"].KEPT / "voice-small")
        done = CliRunner().invoke(
            programs["voice"].main, ["write", "--model", "voice", "--keep", keep, "--docs", str(tmp_path)]
        )
        assert done.exit_code == 1 and "figures of voice-small, not of voice" in done.output
        assert not list(tmp_path.iterdir())

    def test_says_what_it_must_not_be_used_for(self, page, kept):
        limits = page.text(kept).partition("## Limits")[2]
        assert "Article 5(1)(f)" in limits and "cultures" in limits and "acted" in limits

    def test_names_every_file_that_is_kept(self, page, kept):
        assert set(kept) <= set(page.commands("voice-small"))

    def test_shows_the_figures_as_they_are(self, page, kept):
        text = page.text(kept)
        for name, entry in kept["evaluate-none"]["corpora"].items():
            value, low, high, n = entry["metrics"]["UAR"]
            row = next(
                line for line in text.splitlines() if line.startswith(f"| {page.title(name)} | {entry['speakers']}")
            )
            assert f"{value:.2f} [{low:.2f}, {high:.2f}]" in row and f"| {n} |" in row

    def test_says_what_was_not_run(self, page, programs, bare):
        text = page.text(bare)
        assert f"0 of {len(page.AIMS['voice'])} aims are met" in text
        assert text.count("| not run |") >= len(page.commands("voice")) - 1
        assert "png" not in re.sub(r"voice[a-z-]*\*\.png", "", text) and programs["figures"].figures(bare) == {}

    def test_marks_figures_of_another_network(self, page, kept):
        changed = {**kept, "evaluate-none": {**kept["evaluate-none"], "of": "another"}}
        assert "of another model file" not in page.text({name: kept[name] for name in ("card", "evaluate-none")})
        assert page.text(changed).count("of another model file") >= 2

    def test_marks_protocols_of_another_recipe_and_says_how_often_folds_were_repeated(self, page, kept):
        rows = [{**row, "seeds": 3, "recipe": "another"} for row in kept["protocol-savee"]]
        text = page.text({**kept, "protocol-savee": rows})
        assert "| `savee` †:" in text and page.EARLIER[:40] in text
        assert "- † gives other figures today: `affekt protocol savee" in text
        command = page.command({"card": kept["card"], "protocol-savee": rows}, "protocol-savee")
        assert command.startswith("affekt protocol savee") and command.endswith(" --seeds 3")

    @pytest.mark.parametrize(
        ("learned", "remark", "options"),
        [
            (lambda recipe: recipe, "", "--teacher WHISPER --unlabelled SPEECH"),
            (recipes.frozen, "† heads only, ", "--teacher WHISPER --unlabelled SPEECH --frozen"),
            (lambda recipe: replace(recipe, distillation=recipes.Teaching()), "† without the teacher: ", ""),
        ],
    )
    def test_names_the_command_of_the_recipe_that_figures_are_of(self, page, kept, learned, remark, options):
        digest = recipes.recipe_digest(learned(recipes.load_recipe("voice-small")))
        rows = [{**row, "recipe": digest, "seeds": 1, "others": 10, "epochs": 20} for row in kept["protocol-savee"]]
        changed = {**kept, "protocol-savee": rows}
        assert page.command(changed, "protocol-savee").endswith(
            f"--responses ROOMS {options} --epochs 20 -o RUN".replace("  ", " ")
        )
        (line,) = page.made(changed, "protocol-savee")
        assert line.startswith(f"- {remark}") and line[2] == (remark or "`")[0]

    @pytest.mark.parametrize("model", MODELS)
    def test_names_commands_with_options_that_exist(self, page, model):
        for line in page.commands(model).values():
            words = shlex.split(line)
            if words[0] != "affekt":
                assert (ROOT / words[1]).exists()
                continue
            options = {name for param in main.get_command(Context(main), words[1]).params for name in param.opts}
            assert {word for word in words if word.startswith("-")} <= options, line


class TestAims:
    def test_are_set_for_every_model_that_has_a_page(self, voice, page):
        tables = (page.AIMS, page.BEFORE, voice.MODELS)
        assert all(set(table) == set(MODELS) for table in tables)

    @pytest.mark.parametrize(
        ("e", "said"),
        [
            (Estimate(0.04, 0.03, 0.045, 9), "met"),
            (Estimate(0.05, 0.03, 0.06, 9), "met; the interval reaches beyond it"),
            (Estimate(0.06, 0.04, 0.08, 9), "**missed by 0.010**; the interval includes it"),
            (Estimate(0.15, 0.14, 0.16, 9), "**missed by 0.100**"),
        ],
    )
    def test_of_what_is_to_stay_small(self, page, e, said):
        assert page.outcome(e, 0.05, at_most=True) == said

    def test_what_noise_costs_and_the_calibration_are_read_off_what_was_kept(self, page, kept):
        ece, lost = (page.reached(kept, aim) for aim in page.AIMS["voice"][-2:])
        assert ece.value == kept["calibrate"]["test"]["all"]["ece"][0]
        noise = next(c for c in kept["stress"]["conditions"] if c["title"] == "white noise")
        point = next(row["corpora"] for row in noise["levels"] if row["level"] == 10)
        assert lost.value == -next(iter(point.values()))["difference"][0] and lost.low <= lost.value <= lost.high

    @pytest.mark.parametrize(
        ("e", "said"),
        [
            (None, "not run"),
            (Estimate(0.72, 0.71, 0.73, 9), "met"),
            (Estimate(0.72, 0.69, 0.75, 9), "met; the interval reaches beyond it"),
            (Estimate(0.69, 0.65, 0.73, 9), "**missed by 0.010**; the interval includes it"),
            (Estimate(0.60, 0.55, 0.65, 9), "**missed by 0.100**"),
        ],
    )
    def test_known_answers(self, page, e, said):
        assert page.outcome(e, 0.70) == said

    def test_left_out_is_the_mean_of_the_corpora_with_all_four_labels(self, page):
        row = {"baseline": "none", "labels": "four", "seeds": 1, "speakers": 3}
        rows = [
            {**row, "corpus": corpus, "classes": list("abcd")[:count], "metrics": {"UAR": [value, 0, 1, 5]}}
            for corpus, count, value in (("ravdess", 4, 0.5), ("tess", 4, 0.7), ("turev_db", 3, 0.9))
        ]
        assert page.protocol_uar({"protocol-left-out": rows}, "left-out", "none").value == pytest.approx(0.6)


class TestMeans:
    def test_of_two_alike_is_surer_by_the_root_of_two(self, page):
        e = page.mean_of([Estimate(0.5, 0.4, 0.7, 10)] * 2)
        assert (e.value, e.low, e.high, e.n) == pytest.approx((0.5, 0.5 - 0.1 / 2**0.5, 0.5 + 0.2 / 2**0.5, 20))

    @given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=9))
    def test_lie_within_and_hold_their_value(self, page, rows):
        parts = [Estimate(b, a, c, 1) for a, b, c in map(sorted, rows)]
        e = page.mean_of(parts)
        assert min(p.value for p in parts) - 1e-9 <= e.value <= max(p.value for p in parts) + 1e-9
        assert e.low <= e.value <= e.high


class TestKeeping:
    @pytest.mark.parametrize("name", ["out_of_domain", "reference", "faithfulness"])
    def test_programs_that_a_step_runs_are_where_it_looks(self, voice, name):
        assert voice.program_path(name).is_file()

    def test_faithfulness_is_summed_up_by_the_program_that_measured_it(self, voice):
        rows = [
            {
                "speaker": str(i),
                "most important first": 0.1,
                "random": 0.3,
                "loudest first": 0.2,
                "least important first": 0.5,
            }
            for i in range(4)
        ]
        found = voice.faithfulness({"clips": rows})
        assert found["speakers"] == 4 and found["orders"]["random"]["more"][0] == pytest.approx(0.2)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
            max_leaves=12,
        )
    )
    def test_json_reads_back_as_it_was(self, voice, value):
        assert json.loads(voice.dense(value)) == value

    def test_stress_is_drawn_as_it_was_measured(self, voice, page):
        samples = [
            Sample(f"{c}/{i}", "", label="ab"[i % 2], speaker=str(i // 4), corpus=c) for c in "xy" for i in range(16)
        ]
        rng = np.random.default_rng(0)
        clean, noisy = ([("ab"[k], 0.8) for k in rng.integers(2, size=32)] for _ in range(2))
        points = {
            name: compared(samples, clean, given, rng=rng) for name, given in (("clean", clean), ("noisy", noisy))
        }
        curve = Curve("noise", "white noise", "SNR / dB", {10: points["noisy"]})
        stress = Stress("m", "p", points["clean"], (curve,), {"x": 0.5, "y": 0.5})
        again = page.stress_of(voice.stressed(record(stress)))
        for name, point in points["noisy"].items():
            found = again.curves[0].points[10][name]
            assert asdict(found.recall) == pytest.approx(asdict(point.recall), abs=1e-4)
        first = next(iter(points["noisy"]))
        assert again.curves[0].points[10][first].difference.value == pytest.approx(
            points["noisy"][first].difference.value, abs=1e-4
        )

    def test_protocols_are_copied_rounded(self, voice, tmp_path):
        uar = {"value": 0.123456, "low": 0.1, "high": 0.2, "n": 7}
        row = {"metrics": {"UAR": uar}, "worst_speaker": {"speaker": "1", "UAR": 0.98765}}
        (tmp_path / "savee.json").write_text(json.dumps([row]))
        assert voice.keep_protocols(tmp_path, tmp_path / "kept") == ["savee"]
        kept = json.loads((tmp_path / "kept" / "protocol-savee.json").read_text())
        assert kept == [{"metrics": {"UAR": [0.1235, 0.1, 0.2, 7]}, "worst_speaker": {"speaker": "1", "UAR": 0.9877}}]


def clips_of(rows):
    """Clips of TESS and SAVEE of one window each, with all the probability on what was answered."""
    labels = ("angry", "calm", "sad")
    recordings = tuple(
        RecordingLogits(np.log(np.eye(3) + 1e-6)[[labels.index(answer)]], np.ones(1)) for *_, answer in rows
    )
    corpora, speakers, truth = (tuple(row[i] for row in rows) for i in range(3))
    return LabelledLogits(
        truth, tuple(f"{c}/{s}" for c, s in zip(corpora, speakers, strict=True)), corpora, recordings, labels
    )


class TestFairness:
    ROWS = tuple(
        ("tess", f"{sex}{i % 3}", ("angry", "sad")[i // 3 % 2], ("angry", "sad")[i // 3 % 2] if sex == "f" else "angry")
        for sex in "fm"
        for i in range(24)
    )

    def people(self, rows):
        sexes = {"f": "female", "m": "male"}
        return {
            f"{corpus}/{speaker}": Sample(speaker, "", speaker=speaker, corpus=corpus, sex=sexes.get(speaker[0]))
            for corpus, speaker, *_ in rows
        }

    def test_women_who_are_always_understood_and_men_who_are_half_the_time(self, voice):
        found = voice.fairness(clips_of(self.ROWS), self.people(self.ROWS), 1.0)
        assert found["mean"]["female"] == [1.0, 1.0, 1.0, 24]
        assert found["mean"]["male"][0] == 0.5 and found["mean"]["difference"][0] == 0.5
        assert found["both"] == ["tess"] and found["corpora"]["tess"]["sex"]["speakers"] == [3, 3]
        assert all(row[3] == 8 and row[4] is None for row in found["corpora"]["tess"]["speakers"])

    def test_too_few_speakers_of_one_sex_do_not_count_in_the_mean(self, voice):
        rows = [("tess", row[1][0] + "0", *row[2:]) for row in self.ROWS]
        found = voice.fairness(clips_of(rows), self.people(rows), 1.0)
        assert found["both"] == [] and found["mean"] == {}
        assert {row[0]: row[4][0] for row in found["corpora"]["tess"]["speakers"]} == {"f0": 1.0, "m0": 0.5}

    def test_answers_are_among_the_labels_of_the_corpus(self, voice):
        clips = clips_of([("tess", "f0", "sad", "calm")])
        assert voice.answers(clips, "tess", 1.0)[0] in ("angry", "sad")

    def test_a_speaker_filed_under_both_sexes_counts_with_the_more_frequent(self, voice):
        samples = [
            Sample(str(i), "", speaker="1", corpus="c", sex=sex) for i, sex in enumerate(("male", "female", "male"))
        ]
        assert voice.speakers_of(samples)["c/1"].sex == "male"


class TestFigures:
    def test_ways_have_their_colours_and_marks_stand_above(self):
        rows = {"a": {"now": Estimate(0.5, 0.4, 0.6, 9), "before": Estimate(0.3, 0.2, 0.4, 9)}, "b": {}}
        ax = draw_ways(rows, marks={"aim": {"a": 0.7}}, chance={"a": 0.25, "b": 0.2}, grey="before")
        drawn = {line.get_label(): line for line in ax.lines}
        assert drawn["now"].get_xdata().tolist() == [0.5] and drawn["aim"].get_xdata().tolist() == [0.7]
        assert drawn["aim"].get_ydata()[0] < drawn["now"].get_ydata()[0] < drawn["before"].get_ydata()[0] < 0.5
        assert drawn["before"].get_color() != drawn["now"].get_color()
        assert "chance" in [text.get_text() for text in ax.get_legend().get_texts()]

    def test_speakers_are_all_there(self):
        ax = draw_speakers({"a": [("female", 0.5), ("male", 0.7), (None, 0.2)], "b": []})
        dots = sorted(
            float(x) for line in ax.lines if line.get_marker() not in ("None", None) for x in line.get_xdata()
        )
        assert dots == [0.2, 0.5, 0.7]

    def test_reference_stands_at_equal_distances(self):
        curve = {seconds: Estimate(0.5, 0.4, 0.6, 9) for seconds in (0, 1, 30)}
        ax = draw_reference({"a": curve}, curve)
        assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "1", "30"]
        assert ax.get_xticks().tolist() == [0, 1, 2]
