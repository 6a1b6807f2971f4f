"""Whose face it is: strangers stay unknown, thresholds come from the gallery itself, rates have intervals."""

import numpy as np
import pytest
from scipy import stats

from affekt.attendance import gallery as module
from affekt.attendance.gallery import Gallery, wilson
from affekt.errors import InputError
from tests.attendance_people import face

NAMES = ("Ada", "Bo", "Cem", "Dea", "Eli", "Fay")


def gallery_of(names=NAMES, photos=3, **options):
    owners = [name for name in names for _ in range(photos)]
    vectors = np.stack([face(name, look) for name in names for look in range(photos)])
    return Gallery(owners, vectors, **{"usual": 0.6, "least": 0.2, **options})


def test_enrolled_people_are_named_and_strangers_are_not():
    gallery = gallery_of()
    assert [gallery.match(face(name, 9)[None])[0].name for name in NAMES] == list(NAMES)
    strangers = [gallery.match(face(f"stranger {i}", 1)[None])[0] for i in range(50)]
    assert not any(match.name for match in strangers)
    assert strangers[0].reason == "unlike everybody enrolled"


def test_the_order_of_photos_changes_nothing():
    owners = [name for name in NAMES for _ in range(3)]
    vectors = np.stack([face(name, look) for name in NAMES for look in range(3)])
    order = np.random.default_rng(0).permutation(len(owners))
    shuffled = Gallery([owners[i] for i in order], vectors[order], usual=0.6, least=0.2)
    plain = gallery_of()
    assert shuffled.people == plain.people
    assert shuffled.threshold.value == pytest.approx(plain.threshold.value)
    assert shuffled.match(face("Bo", 7)[None])[0].name == "Bo"


def test_scores_are_the_best_photo_of_each_person():
    gallery, seen = gallery_of(), face("Cem", 8)
    expected = [max(float(seen @ face(name, look)) for look in range(3)) for name in sorted(NAMES)]
    assert gallery.scores(seen[None])[0] == pytest.approx(expected, abs=1e-6)


def test_of_two_faces_in_one_picture_only_the_nearer_is_somebody():
    gallery = gallery_of()
    near, far = face("Ada", 0), face("Ada", 20, noise=0.6)
    first, second = gallery.match(np.stack([far, near]))
    assert (first.name, second.name) == (None, "Ada")
    assert "elsewhere in the same picture" in first.reason


def test_a_face_between_two_people_is_nobodys():
    gallery = Gallery(["Ada", "Bo"], np.float32([[1, 0], [0.995, 0.0998]]), usual=0.9, least=0.9)
    match = gallery.match(np.float32([[0.99875, 0.04998]]))[0]
    assert match.name is None
    assert "as much like" in match.reason


def test_similar_people_are_named():
    twins = np.stack([face("Ada", 0), face("Ada", 1), face("Bo", 0), face("Cem", 0), face("Dea", 0)])
    gallery = Gallery(["Ada", "Aga", "Bo", "Cem", "Dea"], twins, usual=0.6, least=0.2)
    pairs = gallery.similar()
    assert [pair[:2] for pair in pairs] == [("Ada", "Aga")]


def test_a_roster_of_one_or_two_gets_the_usual_threshold_and_says_that_it_is_not_fitted():
    for names in (("Ada",), ("Ada", "Bo")):
        threshold = gallery_of(names).threshold
        assert (threshold.value, threshold.fitted, threshold.false_accepts) == (0.6, False, None)
        assert threshold.false_rejects.n == 3 * len(names)


def test_one_photo_each_leaves_false_rejects_unknown():
    threshold = gallery_of(photos=1).threshold
    assert threshold.fitted
    assert threshold.false_rejects is None
    assert threshold.false_accepts.n == len(NAMES)


def test_an_empty_gallery_names_nobody():
    gallery = Gallery([], np.zeros((0, 4), np.float32), usual=0.6, least=0.2)
    assert gallery.match(np.eye(4, dtype=np.float32)[:1])[0] == (None, 0.0, None, "nobody is enrolled")
    assert gallery.similar() == []


def test_the_threshold_does_not_go_below_the_least():
    assert gallery_of(least=0.58).threshold.value >= 0.58


def test_two_who_look_alike_do_not_lock_everybody_out():
    """Five people of whom two were nearly the same got a threshold that nobody reached."""
    names = ("Ada", "Bo", "Cem", "Dea")
    owners = [name for name in (*names, "Aga") for _ in range(3)]
    vectors = np.stack([*(face(n, i) for n in names for i in range(3)), *(face("Ada", i) for i in range(5, 8))])
    gallery = Gallery(owners, vectors, usual=0.6, least=0.2)
    assert gallery.match(face("Cem", 9)[None])[0].name == "Cem"
    assert gallery.threshold.false_accepts.value > 0


def test_rates_of_strangers_hold_for_new_strangers():
    """The promise is about people who were not there when the threshold was fitted."""
    gallery = gallery_of([f"person {i}" for i in range(40)])
    taken = [gallery.match(face(f"other {i}", 0)[None])[0].name is not None for i in range(400)]
    assert np.mean(taken) <= gallery.threshold.false_accepts.high
    assert gallery.threshold.false_accepts.n == 120


def test_the_quantile_is_that_of_students_t():
    impostors, owners = np.random.default_rng(1).normal(0.3, 0.1, 40), np.arange(40)
    exact = impostors.mean() + stats.t.ppf(0.99, 39) * impostors.std() * np.sqrt(1 + 1 / 40)
    assert module._quantile(impostors, owners, 0.01) == pytest.approx(exact, abs=2e-4)


def test_wilson_is_that_of_scipy():
    for hits, n in ((0, 30), (1, 30), (15, 30), (30, 30)):
        expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
        found = wilson(hits / n, n, n)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(
    ("names", "target", "sentence"),
    [(["Ada"], 0.01, "1 names of 2 faces"), (["Ada", "Bo"], 0.9, "false accepts of 0.9")],
)
def test_what_makes_no_sense_is_refused(names, target, sentence):
    with pytest.raises(InputError, match=sentence):
        Gallery(names, np.eye(2, dtype=np.float32), usual=0.6, least=0.2, target=target)
