"""Figures and page of reports, and ``affekt evaluate`` as a user types it."""

import base64
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("matplotlib")

from affekt.cli import main
from affekt.errors import InputError
from affekt.metrics.across import cross_corpus
from affekt.metrics.report import report, stamped
from affekt.models.card import Card
from affekt.plot import scores as plots
from affekt.plot.scores import draw_cross_corpus, draw_history, report_page
from affekt.types import Sample
from affekt.write.card import to_markdown
from affekt.write.evaluation import with_scores

STAMP = "trained on these clips"
LONG = [f"a very long label that nobody can read {i}" for i in range(12)] + ["$x_1$", "_under"]
DRAWINGS = (plots.draw_confusion, plots.draw_recalls, plots.draw_reliability, plots.draw_slices)
HISTORY = [
    {"epoch": i + 1, "loss": 2.0 / (i + 1), "dev": 0.6 - 0.01 * (i - 5) ** 2, "lr": 0.01, "recalls": {"a": 1.0}}
    for i in range(9)
]


def make_report(labels, speakers=5, clips=28, seed=0):
    rng = np.random.default_rng(seed)
    samples, rows = [], []
    for i in range(speakers * clips):
        label = labels[i % len(labels)]
        speaker = f"{i // clips:02d}"
        samples.append(Sample(f"c/{i}", "x", label=label, speaker=speaker, sex=("male", "female")[i % 2], corpus="c"))
        row = rng.dirichlet(np.ones(len(labels)) / 3)
        rows.append(dict(zip(labels, row.tolist(), strict=True)))
    rows[0] = {}
    predicted = [max(row, key=row.__getitem__) if row else None for row in rows]
    return report(samples, predicted, rng=rng, scores=rows, protocol="c: made up")


@pytest.fixture(scope="module")
def plain():
    return make_report(["angry", "happy", "sad"])


@pytest.fixture(scope="module")
def crowded():
    return stamped(make_report(LONG, speakers=40), STAMP)


def figure(ax):
    return ax.get_figure(root=True)


@pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__)
def test_a_stamped_report_has_stamped_figures_and_a_plain_one_has_not(draw, plain, crowded):
    assert STAMP.upper() in draw(crowded).get_title()
    assert STAMP.upper() not in draw(plain).get_title()
    assert draw(plain).get_xlabel()
    assert draw(plain).get_ylabel()


@pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__)
def test_nothing_is_cut_off_with_many_labels_and_long_names(draw, crowded):
    ax = draw(crowded)
    figure(ax).draw_without_rendering()
    inside = figure(ax).bbox.padded(1)
    texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
    drawn = [text for text in texts if text.get_text() != "1.2"]  # a tick beyond the limits has a label, unseen
    for text in drawn:
        box = text.get_window_extent()
        assert inside.x0 <= box.x0, text.get_text()
        assert box.x1 <= inside.x1, text.get_text()
        assert inside.y0 <= box.y0, text.get_text()
        assert box.y1 <= inside.y1, text.get_text()


@pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__)
def test_drawing_on_given_axes_draws_there(draw, plain):
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert draw(plain, ax=ax) is ax


def test_confusion_shows_counts_and_the_share_of_the_row(plain):
    ax = plots.draw_confusion(plain)
    shown = {text.get_position(): text.get_text() for text in ax.texts}
    row = plain.confusion[1]
    assert shown[(0, 1)].split("\n") == [f"{100 * row[0] / sum(row):.0f} %", str(row[0])]
    assert np.asarray(ax.images[0].get_array()).sum(axis=1) == pytest.approx(1)
    assert ax.get_xticklabels()[-1].get_text() == "other or none"


def test_hundreds_of_labels_are_a_picture_of_a_size_that_can_be_opened():
    many = make_report([f"speaker {i % 20} emotion {i}" for i in range(150)], clips=60)
    for draw in (plots.draw_confusion, plots.draw_recalls):
        ax = draw(many)
        assert max(figure(ax).get_size_inches()) < 25
        assert len(ax.get_yticklabels()) == 150


def test_recalls_and_slices_are_drawn_where_they_are(plain):
    bars = plots.draw_recalls(plain).patches
    assert [bar.get_width() for bar in bars] == pytest.approx([e["recall"].value for e in plain.per_class.values()])
    ax = plots.draw_slices(plain)
    dots = [float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "o"]
    assert sorted(dots) == pytest.approx(sorted(e.value for e in plain.slices.values()))


def test_of_many_speakers_the_worst_are_drawn_and_the_rest_counted(crowded):
    ax = plots.draw_slices(crowded)
    assert "16 better speakers are not shown" in ax.get_xlabel()
    worst = plots.worst_speaker(crowded)[0]
    assert any(f"speaker={worst} " in label.get_text() for label in ax.get_yticklabels())


def test_reliability_draws_accuracy_over_confidence_and_the_share_of_clips(plain):
    ax = plots.draw_reliability(plain)
    assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)
    dots = np.asarray(ax.collections[0].get_offsets())
    assert dots == pytest.approx(np.array([(c, a) for c, a, n in plain.reliability if c]))


def test_history_draws_losses_and_scores_and_marks_the_best():
    left, right = draw_history(HISTORY, stamps=(STAMP,)).axes
    assert [line.get_label() for line in left.lines] == ["loss"]
    assert [line.get_label() for line in right.lines] == ["dev", "best: epoch 6"]
    assert STAMP.upper() in left.get_title()
    assert left.get_xlabel() == "epoch"
    with pytest.raises(InputError, match="the history is empty"):
        draw_history([])


def test_history_of_one_epoch_and_of_watched_clips_can_be_seen():
    line = {"epoch": 1, "loss": 1.0, "accuracy": 0.5, "watched loss": 1.2, "watched accuracy": 0.4}
    left, right = draw_history([line]).axes
    assert [curve.get_marker() for curve in left.lines] == [".", "."]
    assert [curve.get_label() for curve in right.lines] == ["accuracy", "watched accuracy", "best: epoch 1"]


def test_the_corpora_matrix_leaves_out_what_was_not_tested(plain):
    matrix = cross_corpus({("a", "a"): plain, ("b", "c"): stamped(plain, STAMP)})
    ax = draw_cross_corpus(matrix)
    assert np.isnan(np.asarray(ax.images[0].get_array(), float)).tolist() == [[False, True], [True, False]]
    assert STAMP.upper() in ax.get_title()


def test_the_page_holds_all_figures_and_nothing_from_elsewhere(plain, crowded):
    matrix = cross_corpus({("a", "a"): plain})
    html = report_page({"one": plain, "<two>": crowded}, history=HISTORY, matrix=matrix)
    pictures = re.findall(r'src="([^"]+)"', html)
    assert len(pictures) == 4 + 4 + 2
    for picture in pictures:
        assert base64.b64decode(picture.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert "<two>" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert html.index(STAMP.upper()) < html.index("<h2>one"), "the stamp stands above everything else"
    assert STAMP.upper() not in report_page([plain])


def test_the_card_keeps_the_stamp_with_the_scores(plain):
    card = Card("m", "speech", ("a", "b"), limits=("old",))
    found = with_scores(card, {"c": stamped(plain, STAMP)})
    assert found.limits == ("old", f"The scores on c are stamped: {STAMP}.")
    assert STAMP in to_markdown(found, "")
    assert with_scores(found, {"c": plain}).limits == ("old",)
    assert set(found.scores["c"]) == {"UAR", "WA", "macro F1"}


# the command


@pytest.fixture
def affekt():
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def ravdess(clips, tmp_path):
    folder = tmp_path / "ravdess"
    folder.mkdir()
    for path in clips:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_json_holds_both_reports_and_can_go_to_a_file(affekt, ravdess, tmp_path):
    done = affekt("evaluate", "voice", "--corpus", f"ravdess={ravdess}", "--format", "json", "-o", tmp_path / "e.json")
    assert (done.exit_code, done.stdout) == (0, "")
    table = json.loads((tmp_path / "e.json").read_text())
    assert (table["schema"], table["model"]) == ("affekt/evaluation-1", "voice")
    reports = table["corpora"]["ravdess"]
    assert reports["corpus labels"]["metrics"]["UAR"]["n"] == 12
    assert reports["all labels"]["schema"] == "affekt/report-1"
    assert "by its card's split the model was not trained on them" in reports["corpus labels"]["protocol"]


def test_everybody_is_stamped_in_every_format(affekt, ravdess, tmp_path):
    for form in ("text", "json", "markdown", "html"):
        out = tmp_path / f"e.{form}"
        done = affekt(
            "evaluate", "voice", "--corpus", f"ravdess={ravdess}", "--side", "all", "--format", form, "-o", out
        )
        assert done.exit_code == 0, done.stderr
        assert STAMP in out.read_text().lower(), form


def test_a_clip_that_cannot_be_read_is_left_out_and_the_status_says_so(affekt, ravdess):
    (ravdess / "03-01-05-01-01-01-24.wav").write_bytes(b"RIFF")
    done = affekt("evaluate", "voice", "--corpus", f"ravdess={ravdess}")
    assert done.exit_code == 1
    assert "n=12" in done.stdout
    assert "note: 1 of 13 clips could not be read and are left out" in done.stdout
    assert "03-01-05-01-01-01-24.wav: " in done.stderr


def test_no_clip_that_can_be_read_is_an_error(affekt, tmp_path):
    (tmp_path / "03-01-05-01-01-01-24.wav").write_bytes(b"RIFF")
    done = affekt("evaluate", "voice", "--corpus", f"ravdess={tmp_path}")
    assert done.exit_code == 2
    assert "none of its 1 clips can be read" in done.stderr


def test_a_model_is_no_better_than_itself(affekt, ravdess):
    done = affekt("evaluate", "voice", "--corpus", f"ravdess={ravdess}", "--compare", "voice", "--slices")
    assert (
        "voice minus voice: UAR 0.000 [0.000, 0.000] n=12, p = 1.000 by swapping answers over 2 speakers" in done.stdout
    )
    table = affekt("evaluate", "voice", "--corpus", f"ravdess={ravdess}", "--compare", "voice", "--format", "json")
    assert json.loads(table.stdout)["corpora"]["ravdess"]["comparison"]["p_value"] == 1


def test_what_is_wrong_is_said_before_the_work(affekt, ravdess, tmp_path):
    pair = f"ravdess={ravdess}"
    assert (
        "say where to write it: -o FILE.html"
        in affekt("evaluate", "voice", "--corpus", pair, "--format", "html").stderr
    )
    assert "is a folder" in affekt("evaluate", "voice", "--corpus", pair, "-o", tmp_path).stderr
    assert "there is no folder" in affekt("evaluate", "voice", "--corpus", pair, "-o", tmp_path / "no" / "x").stderr
    assert "give one, and no other --side" in affekt("evaluate", "voice", "--corpus", pair, "--write-card").stderr


def test_a_corpus_without_a_test_speaker_is_left_out(affekt, ravdess):
    done = affekt("evaluate", "voice", "--corpus", f"ravdess={ravdess}", "--side", "dev")
    assert done.exit_code == 0
    assert "ravdess: has no dev speakers; left out." in done.stderr


def test_your_own_recordings_are_tested_as_a_whole(affekt, clips, tmp_path):
    for i, path in enumerate(clips):
        place = tmp_path / ("happy" if i % 2 else "sad") / f"p{i % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / path.name).write_bytes(path.read_bytes())
    done = affekt("evaluate", "voice", "--corpus", f"folder={tmp_path}", "--format", "markdown")
    assert done.exit_code == 0, done.stderr
    assert "folder: 3 speakers; corpus labels; all speakers" in done.stdout
    assert "whether the model learned from these recordings or these voices is not known" in done.stdout
    assert "| macro F1 | " in done.stdout


def test_scores_are_written_into_the_card(affekt, ravdess, tmp_path):
    pytest.importorskip("onnx")
    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path

    model = tmp_path / "mine.onnx"
    model.write_bytes(model_path("voice").read_bytes())
    done = affekt("evaluate", model, "--corpus", f"ravdess={ravdess}", "--write-card")
    assert done.exit_code == 0, done.stderr
    card = read_card(model)
    assert list(card.scores["ravdess"]) == ["UAR", "WA", "macro F1", "UAR, all labels"]
    assert card.scores["ravdess"]["UAR"][3] == 12
    assert card.scores["savee"] == read_card(model_path("voice")).scores["savee"]


def test_the_curves_of_all_folds_are_drawn_with_their_mean():
    first = [{"epoch": i, "loss": 3.0 - i, "accuracy": 0.2 * i} for i in (1, 2)]
    second = [{"epoch": i, "loss": 2.0 - i / 2, "accuracy": 0.1 * i} for i in (1, 2, 3)]
    left, right = plots.draw_folds([first, second], stamps=(STAMP,)).axes
    *_, mean = left.lines
    assert mean.get_xydata().tolist() == [[1, 1.75], [2, 1.0], [3, 0.5]]
    assert len(left.lines) == 3
    assert STAMP.upper() in right.get_title()
    assert len(plots.draw_folds([first]).axes[0].lines) == 1
    with pytest.raises(InputError, match="the history is empty"):
        plots.draw_folds([])
