"""Pictures of maps: what stands on them, and that what is odd is said on the picture."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from affekt.errors import InputError
from affekt.explain.attribution import REGIONS, Attribution
from affekt.plot.attributions import (
    Input,
    Seen,
    draw_exciting,
    draw_filters,
    draw_methods,
    estimate_rows,
    overlay,
    region_bars,
    strongest,
)
from affekt.types import Estimate

FACE = Input(np.random.default_rng(0).uniform(0, 255, (48, 48)), "a_$x^.jpg, the face: happy 60 %")
VOICE = Input(np.random.default_rng(0).uniform(-9, 0, (64, 120)), "a.wav, 1.0 to 2.2 s", 1.0, 2.2)


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in (ax.title, *ax.texts)]


def test_every_method_has_its_panel_and_what_is_odd_stands_on_it():
    maps = [
        Attribution(np.eye(3), "cam", "happy", "maps"),
        Attribution(np.eye(6), "grad-cam", "happy", "stages.2"),
        Attribution(np.zeros((3, 3)), "grad-cam++", "happy", "stages.3"),
    ]
    figure = draw_methods(Seen(FACE, maps))
    assert [text for text in texts(figure) if text][:3] == ["input", "cam", "grad-cam\nstages.2"]
    assert any("zero everywhere" in text for text in texts(figure))
    assert figure.get_suptitle() == "what speaks for happy: a_$x^.jpg, the face: happy 60 %"


def test_a_long_title_is_not_cut_off():
    found = Attribution(np.eye(3), "cam", "surprise", "maps")
    given = Input(FACE.values, "a_rather_$long^_name.jpeg, face 2 of 14: surprise 60 %, fear 20 %, happy 10 %")
    figure = draw_methods(Seen(given, [found]))
    figure.canvas.draw()  # a name is no formula
    assert figure._suptitle.get_window_extent().width < figure.bbox.width


def test_a_voice_has_seconds_and_hertz():
    ax = overlay(VOICE, found=Attribution(np.ones((1, 30)), "grad-cam", "sad", "blocks.3"))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time / s", "frequency / Hz")
    assert ax.get_xlim() == (1.0, 2.2) and [t.get_text() for t in ax.get_yticklabels()] == [
        "500",
        "1000",
        "2000",
        "4000",
    ]


def test_for_and_against_have_colours_of_their_own_and_nothing_is_clear():
    values = np.zeros((48, 48))
    values[:10], values[-10:] = 2, -1
    shown = overlay(FACE, found=Attribution(values, "occlusion", "sad")).images[1].get_array()
    assert shown[20, 20, 3] == 0 and shown[0, 0, 3] > shown[-1, 0, 3] > 0
    assert shown[0, 0, 0] > shown[0, 0, 2] and shown[-1, 0, 2] > shown[-1, 0, 1]


def test_one_strong_pixel_does_not_hide_the_others():
    values = np.ones((48, 48))
    values[0, 0] = 1e6
    assert strongest(values) == 1 and strongest(np.zeros((2, 2))) == 1 and strongest(np.eye(48) * 3) == 3


def test_nothing_to_draw_is_refused():
    with pytest.raises(InputError, match="no map to draw"):
        Seen(FACE, [])


def test_filters_have_number_and_range():
    pytest.importorskip("torch")
    from affekt.explain.activations import FilterMaps

    values = np.stack([i * np.ones((3, 3)) for i in range(3, 0, -1)]).astype(np.float32)
    figure = draw_filters(FilterMaps(values, np.array([7, 1, 4]), "stages.3"), most=2)
    assert [text for text in texts(figure) if text] == ["filter 7\n3 to 3", "filter 1\n2 to 2"]
    assert figure.get_suptitle() == "stages.3: the 2 strongest of 3 filters; 3 x 3 values each"


def test_exciting_faces_have_the_place_framed():
    pytest.importorskip("torch")
    from affekt.explain.activations import Exciting

    places = np.array([[[0.5, 0.0], [0.0, 0.5]]])
    found = Exciting(np.array([3]), np.array([[1, 0]]), np.array([[2.0, 1.0]]), places, (0.5, 0.5), "stages.3")
    figure = draw_exciting(found, np.zeros((2, 48, 48)))
    frame = figure.axes[0].patches[0]
    assert (frame.get_x(), frame.get_y(), frame.get_width()) == (-0.5, 23.5, 24)
    assert figure.axes[0].get_ylabel() == "filter 3" and figure.axes[1].get_title() == "1.00"


def test_bars_of_regions_fill_the_row():
    ax = region_bars({"happy": np.array([0.1, 0.2, 0.5, 0.15, 0.05]), "area": np.full(5, 0.2)})
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(REGIONS)
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert ends[-2:] == pytest.approx([1, 1]) and ax.texts[0].get_text() == "10"


def test_estimates_have_a_row_each_from_the_top():
    ax = estimate_rows({"cam": Estimate(0.2, 0.1, 0.3, 9), "random": Estimate(0.4, 0.3, 0.5, 9)}, marked=["random"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["cam", "random"] and ax.yaxis_inverted()
