"""The picture of one recording over time."""

from __future__ import annotations

import io
import itertools
import sys
import warnings

import numpy as np
import pytest

from affekt.errors import InputError, MissingExtra, UnknownName
from affekt.labels import VOICE
from affekt.plot.colours import FURTHER_COLOURS, LABEL_COLOURS, colours, ink
from affekt.plot.timeline import (
    COARSE,
    COLUMNS,
    CROWDED,
    FINE,
    Timeline,
    draw_timeline,
    in_lanes,
    predicted,
    probabilities,
    shares,
    truth,
    waveform,
)  # fmt: skip
from affekt.types import Prediction, Result

pytest.importorskip("matplotlib")

PANELS = (waveform, probabilities, predicted, truth)
STRANGE = ("_hidden", "$\\frac{", "a\nb", "a label that is longer than any legend", "غضب", "", "\udce9", "\x07")


def data(duration=10.0, count=4, labels=VOICE, **changes):
    """Speech in the first half of each of ``count`` equal stretches."""
    spans = [(duration * i / count, duration * (i + 0.5) / count) for i in range(count)]
    flat = dict.fromkeys(labels, 0.5 / len(labels))
    said = [{**flat, label: flat[label] + 0.5} for label, _ in zip(itertools.cycle(labels), spans, strict=False)]
    predictions = [Prediction(start, end, scores) for (start, end), scores in zip(spans, said, strict=True)]
    envelope = np.linspace([-0.1, 0.1], [-0.5, 0.4], 300)
    fields = {
        "title": "a.wav",
        "duration": duration,
        "envelope": envelope,
        "activity": spans,
        "windows": predictions,
        "segments": predictions,
        "labels": labels,
    }
    return Timeline(**{**fields, **changes})


def texts(ax):
    return [text.get_text() for text in ax.texts]


def tick_labels(ax):
    ax.figure.draw_without_rendering()
    return [tick.get_text() for tick in ax.get_xticklabels()]


def test_panels_share_the_time_axis_and_only_the_lowest_names_it():
    figure = draw_timeline(data(truth=[(0, 1, "sad")]))
    assert [ax.get_ylabel() for ax in figure.axes] == ["waveform", "probability", "emotion", "truth"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "", "time / s"]
    assert {ax.get_xlim() for ax in figure.axes} == {(0, 10.0)}


def test_without_truth_there_is_no_band_for_it():
    assert [ax.get_ylabel() for ax in draw_timeline(data()).axes][-1] == "emotion"


@pytest.mark.parametrize("panel", PANELS)
def test_each_panel_draws_on_its_own_and_on_given_axes(panel):
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert panel(data(), ax=ax) is ax
    assert panel(data()).get_xlabel() == "time / s"


def test_drawing_touches_no_global_state():
    import matplotlib

    before = dict(matplotlib.rcParams)
    had_pyplot = "matplotlib.pyplot" in sys.modules
    draw_timeline(data())
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == had_pyplot


def test_a_given_figure_is_used():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4))
    assert draw_timeline(data(), figure=figure) is figure


def test_stacked_probabilities_fill_speech_and_leave_gaps():
    ax = probabilities(data(count=2, duration=8.0))
    areas = ax.collections
    assert len(areas) == len(VOICE)
    # Two stretches of speech, [0, 2) and [4, 6): each label has one polygon for each.
    top = areas[-1].get_paths()
    assert len(top) == 2
    corners = np.vstack([path.vertices for path in top])
    assert corners[:, 1].max() == pytest.approx(1)
    assert not ((corners[:, 0] > 2.001) & (corners[:, 0] < 3.999)).any()
    assert areas[0].get_paths()[0].vertices[:, 1].min() == 0


def test_where_windows_overlap_the_later_takes_over():
    first, second = Prediction(0, 4, {"happy": 1.0}), Prediction(2, 6, {"sad": 1.0})
    ax = probabilities(data(labels=("happy", "sad"), windows=[second, first]))
    happy = np.vstack([path.vertices for path in ax.collections[0].get_paths()])
    assert happy[happy[:, 1] > 0.5, 0].max() == 2


def test_thousands_of_windows_become_means():
    windows = [Prediction(i * 0.1, (i + 1) * 0.1, {"happy": float(i % 2), "sad": 1.0 - i % 2}) for i in range(8000)]
    ax = probabilities(data(duration=800.0, labels=("happy", "sad"), windows=windows))
    happy = np.vstack([path.vertices for path in ax.collections[0].get_paths()])
    assert len(happy) < 5 * COLUMNS
    assert set(np.round(happy[:, 1], 6)) == {0.0, 0.5}


def test_segments_have_their_labels_colours():
    from matplotlib.colors import to_hex

    bars = predicted(data()).collections[0]
    found = [to_hex(colour).upper() for colour in bars.get_facecolors()]
    assert found == [LABEL_COLOURS[label] for label in VOICE[:4]]


def test_a_sliver_is_not_hidden_by_its_own_edge():
    bars = predicted(data(segments=[Prediction(0, 0.001, {"sad": 1.0}), Prediction(2, 5, {"sad": 1.0})])).collections[0]
    assert bars.get_edgecolors()[0] == pytest.approx(bars.get_facecolors()[0])
    assert bars.get_edgecolors()[1] == pytest.approx((1, 1, 1, 1))


def test_a_segment_that_abstains_is_left_blank():
    segments = [Prediction(0, 1, {}), Prediction(2, 4, {"sad": 1.0})]
    ax = predicted(data(segments=segments))
    assert len(ax.collections[0].get_paths()) == 1
    assert texts(ax) == ["sad\n100 %"]


def test_a_guess_is_marked_as_one_in_words_and_at_the_foot_of_its_bar():
    scores = {"happy": 0.4, "sad": 0.35, "angry": 0.25}
    segments = [
        Prediction(0, 1, scores, threshold=0.5),
        Prediction(2, 4, {"sad": 1.0}),
        Prediction(5, 5.02, scores, threshold=0.5),
    ]
    ax = predicted(data(segments=segments))
    assert texts(ax)[1] == "sad\n100 %" and texts(ax)[0].endswith("?")
    spans = [path.get_extents() for path in ax.collections[1].get_paths()]
    assert [(box.x0, box.x1) for box in spans] == [(0, 1), (5, pytest.approx(5.02))]
    legend = [text.get_text() for text in draw_timeline(data(segments=segments)).legends[0].get_texts()]
    assert " not sure" in legend
    assert " not sure" not in [text.get_text() for text in draw_timeline(data()).legends[0].get_texts()]


def test_label_and_confidence_stand_in_wide_segments_upright_in_narrow_ones_and_not_in_slivers():
    scores = {"happy": 0.76, "sad": 0.24}
    segments = [Prediction(0, 5, scores), Prediction(6, 6.25, scores), Prediction(8, 8.02, scores)]
    ax = draw_timeline(data(segments=segments, labels=("happy", "sad"))).axes[2]
    assert texts(ax) == ["happy\n76 %", "happy 76 %"]
    assert [text.get_rotation() for text in ax.texts] == [0, 90]


@pytest.mark.parametrize(("count", "duration"), [(1, 0.5), (6, 20.0), (18, 130.0), (25, 400.0)])
def test_names_never_leave_their_bars_nor_overlap(count, duration):
    drawn = data(duration, count)
    figure = draw_timeline(drawn)
    figure.draw_without_rendering()
    ax = figure.axes[2]
    box = ax.get_window_extent()
    for text in ax.texts:
        extent = text.get_window_extent()
        time = text.get_position()[0]
        start, end = next((p.start, p.end) for p in drawn.segments if p.start <= time < p.end)
        left, right = (box.x0 + box.width * t / duration for t in (start, end))
        assert left <= extent.x0 and extent.x1 <= right
        assert box.y0 <= extent.y0 and extent.y1 <= box.y1
    assert ax.texts


@pytest.mark.parametrize("labels", [VOICE, STRANGE, tuple(f"emotion {i}" for i in range(28))])
def test_legend_has_every_label_inside_the_figure_and_beside_the_panels(labels):
    figure = draw_timeline(data(labels=labels, truth=[(0, 1, "bored")]))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    extent = legend.get_window_extent()
    assert len(legend.get_texts()) == len(labels) + 2
    assert figure.bbox.x0 <= extent.x0 and extent.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= extent.y0 and extent.y1 <= figure.bbox.y1
    assert extent.x0 > max(ax.get_tightbbox().x1 for ax in figure.axes)


def test_strange_names_are_drawn_and_saved():
    figure = draw_timeline(data(labels=STRANGE, title="caf\udce9 $x$ \n" + "long " * 60))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(io.BytesIO(), format="png", dpi=50)
    assert figure.get_suptitle().startswith("caf\\udce9 $x$ long")
    assert len(figure.get_suptitle()) == 90


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_no_speech_says_so_and_is_saved(suffix):
    figure = draw_timeline(data(activity=[], windows=[], segments=[], envelope=np.zeros((0, 2))))
    assert texts(figure.axes[1]) == ["no speech"]
    assert len(figure.legends[0].get_texts()) == len(VOICE)
    figure.savefig(io.BytesIO(), format=suffix, dpi=50)


def test_a_window_that_abstains_is_no_prediction():
    assert texts(probabilities(data(windows=[Prediction(0, 1, {})]))) == ["no prediction"]


def test_quiet_noise_is_not_blown_up():
    assert waveform(data(envelope=np.tile([-0.001, 0.001], (9, 1)))).get_ylim() == (-0.05, 0.05)


@pytest.mark.parametrize(
    ("duration", "unit", "some"),
    [(0.5, "s", "0.1"), (120.0, "s", "20"), (121.0, "min:s", "1:30"), (3600.0, "h:min:s", "0:10:00")],
)
def test_time_is_written_for_people(duration, unit, some):
    ax = waveform(data(duration))
    assert ax.get_xlabel() == f"time / {unit}"
    assert some in tick_labels(ax)


@pytest.mark.parametrize("duration", [0.01, 119, 300, 1234, 5000, 10_800, 86_400, 600_000])
def test_tick_labels_of_any_duration_keep_apart(duration):
    figure = draw_timeline(data(float(duration), count=1))
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in figure.axes[-1].get_xticklabels() if t.get_text()]
    boxes = [
        box for box in boxes if figure.axes[-1].bbox.x0 - 1 <= (box.x0 + box.x1) / 2 <= figure.axes[-1].bbox.x1 + 1
    ]
    assert 2 <= len(boxes) <= 21
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize("duration", [0, -1, float("nan"), float("inf")])
def test_a_duration_that_is_none_is_refused(duration):
    with pytest.raises(InputError, match="duration is"):
        Timeline("a.wav", duration, np.zeros((0, 2)), [], [], [], VOICE)


@pytest.mark.parametrize("envelope", [np.zeros(5), np.zeros((2, 5)), np.full((3, 2), np.nan)])
def test_an_envelope_that_is_none_is_refused(envelope):
    with pytest.raises(InputError, match="envelope has shape"):
        data(envelope=envelope)


def test_a_label_that_is_not_the_models_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'happy'"):
        data(segments=[Prediction(0, 1, {"hapy": 1.0})])


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"'.\[plot\]"):
        draw_timeline(data())


# --- long recordings -------------------------------------------------------------------------------


def long(duration=1200.0, count=300, **changes):
    """First happy, then sad, half of it silent; the last tenth is not sure."""
    step = duration / count
    segments = [
        Prediction(
            i * step,
            (i + 0.5) * step,
            {"angry": 0.0, **({"happy": 0.75, "sad": 0.25} if i < count / 2 else {"happy": 0.25, "sad": 0.75})},
            threshold=0.9 if i >= 0.9 * count else 0.0,
        )
        for i in range(count)
    ]
    return data(duration, 1, ("angry", "happy", "sad"), **{"segments": segments, "windows": [], **changes})


def test_of_a_long_recording_shares_lead_and_probabilities_are_left_out():
    names = [ax.get_ylabel() for ax in draw_timeline(long()).axes]
    assert names == ["share of\neach 15 s", "waveform", "most often in\neach 30 s"]
    few = long(count=CROWDED)
    assert [ax.get_ylabel() for ax in draw_timeline(few).axes] == ["waveform", "emotion"]


@pytest.mark.parametrize("duration", [60.0, 1200.0, 10_800.0, 86_400.0])
def test_a_long_recording_has_no_more_bars_than_can_be_told_apart(duration):
    drawn = long(duration, 2000)
    assert len(shares(drawn).patches) <= FINE * 4  # three labels, and what is not sure
    assert sum(len(bars.get_paths()) for bars in predicted(drawn).collections) <= COARSE


def test_the_heights_of_a_bin_are_its_shares_of_time_and_silence_is_blank():
    ax = shares(long())
    happy = [bar for bar in ax.patches if bar.get_facecolor()[:3] == pytest.approx((0.941, 0.894, 0.259), abs=0.01)]
    assert happy[0].get_height() == pytest.approx(0.5, abs=0.15)
    assert max(bar.get_x() for bar in happy) < 600
    assert min(bar.get_height() for bar in ax.patches) > 0
    assert max(bar.get_y() + bar.get_height() for bar in ax.patches) < 0.7


def test_neighbours_with_the_same_label_make_one_bar_and_a_bin_that_is_mostly_not_sure_is_hatched():
    ax = predicted(long())
    assert texts(ax) == ["happy", "sad"]
    spans = [path.get_extents() for path in ax.collections[0].get_paths()]
    assert [(box.x0, box.x1) for box in spans] == [(0, 600), (600, 1080)]
    assert ax.collections[1].get_paths()[0].get_extents().x0 == 1080


def test_a_long_recording_says_its_shares_in_title_and_legend():
    figure = draw_timeline(long())
    (legend,) = figure.legends
    assert figure.get_suptitle() == "a.wav: most often happy"
    assert legend.get_title().get_text() == "share of speech"
    found = [text.get_text() for text in legend.get_texts()]
    assert found == [" silence", " not sure 10 %", " sad 40 %", " happy 50 %", " angry 0 %", " speech"]


def test_each_person_has_a_lane_of_shares():
    whole = long()
    left = [Prediction(p.start, p.end, p.scores, who="left") for p in whole.segments]
    right = [Prediction(p.start, p.end, p.scores, who="right") for p in whole.segments[:10]]
    ax = shares(long(segments=[*left, *right]))
    ax.figure.draw_without_rendering()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["left", "right"]
    assert min(bar.get_y() for bar in ax.patches if bar.get_height() > 0) == 0


def test_a_long_recording_without_any_sure_answer_is_drawn():
    segments = [Prediction(i, i + 0.5, {"angry": 0.4, "happy": 0.3, "sad": 0.3}, threshold=0.9) for i in range(100)]
    figure = draw_timeline(long(100.0, segments=segments))
    assert figure.get_suptitle() == "a.wav: most often not sure"
    figure.savefig(io.BytesIO(), format="png", dpi=50)


def result_of(drawn, **fields):
    whole = Prediction(0.0, drawn.duration, drawn.segments[0].scores, modality=drawn.segments[0].modality)
    return Result("call.wav", drawn.duration, tuple(drawn.segments), whole, "m", tuple(drawn.labels), **fields)


def test_a_result_plots_its_segments_and_a_long_one_its_shares():
    from matplotlib.figure import Figure

    given = Figure().add_subplot()
    assert result_of(data(count=2)).plot(ax=given) is given
    assert given.get_ylabel() == "emotion" and given.get_title(loc="left") == "call.wav"
    assert result_of(long()).plot().get_ylabel() == "share of\neach 15 s"


def test_a_plot_of_a_result_shows_all_of_its_legend():
    figure = result_of(long()).plot().figure
    figure.draw_without_rendering()
    box = figure.axes[0].get_legend().get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y0 >= figure.bbox.y0


def test_a_result_of_several_modalities_is_plotted_in_lanes():
    segments = [Prediction(0, 5, {"sad": 1.0}, modality=kind, who="A") for kind in ("speech", "face", "fusion")]
    drawn = result_of(data(segments=segments, labels=("sad",)))
    drawn = Result("a.mp4", 10.0, drawn.predictions, segments[-1], "m", ("sad",))
    assert [p.who for p in in_lanes(drawn)] == ["A: all", "A: voice", "A: face"]
    ax = drawn.plot()
    ax.figure.draw_without_rendering()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["A: all", "A: voice", "A: face"]


def test_a_picture_has_no_timeline_to_plot():
    p = Prediction(0, 0, {"sad": 1.0}, modality="face")
    with pytest.raises(InputError, match=r"a.jpg: a picture, or a text without times, has no timeline to plot"):
        Result("a.jpg", 0.0, (p,), p, "m", ("sad",)).plot()


# --- colours ---------------------------------------------------------------------------------------


def test_every_label_of_the_voice_has_its_own_colour():
    assert colours(VOICE) == LABEL_COLOURS


def test_a_hundred_labels_have_a_hundred_colours():
    given = [*VOICE, *(f"label {i}" for i in range(92))]
    found = colours(given)
    assert list(found) == given
    assert len(set(found.values())) == 100
    assert all(len(colour) == 7 and int(colour[1:], 16) >= 0 for colour in found.values())


def test_a_known_label_keeps_its_colour_whatever_stands_beside_it():
    assert colours(["bored", "sad"])["sad"] == LABEL_COLOURS["sad"]


@pytest.mark.parametrize("colour", [*LABEL_COLOURS.values(), *FURTHER_COLOURS])
def test_text_is_readable_on_every_colour(colour):
    from matplotlib.colors import to_rgb

    def luminance(c):
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in to_rgb(c)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    low, high = sorted([luminance(colour), luminance(ink(colour))])
    assert (high + 0.05) / (low + 0.05) >= 4.5
