"""The evaluation of `face`: what is kept of scores, the crop it takes of a picture, and the page written from it."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from affekt.face.shape import LABELS, VOTES

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def programs():
    """The programs of benchmarks/face, which import one another by name."""
    import sys

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks" / "face")
        names = ("run", "page", "muxspace", "perturb")
        before = {name: sys.modules.pop(name, None) for name in names}
        import muxspace
        import page
        import perturb
        import run

        yield {"run": run, "page": page, "muxspace": muxspace, "perturb": perturb}
        for name in names:
            sys.modules.pop(name, None)
            if before[name] is not None:
                sys.modules[name] = before[name]


def made_scores(labels: tuple[str, ...], count: int = 70) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(0)
    truth = np.arange(count) % len(labels)
    scores = rng.dirichlet(np.ones(len(labels)), count) + 0.5 * np.eye(len(labels))[truth]
    return [labels[i] for i in truth], scores / scores.sum(axis=1, keepdims=True)


def made_table(run) -> dict:
    labels, votes = run.scored(*made_scores(LABELS), LABELS, "t"), run.scored(*made_scores(VOTES), VOTES, "t")
    table = {
        "card": {
            "name": "face",
            "labels": list(LABELS),
            "input": {"size": 48, "channels": 1, "margin": 1.0, "votes": list(VOTES)},
            "data": {"fer2013": {"clips": 24_821}},
            "licence": "research only",
            "recipe": {"strength": 0.3},
            "temperature": 1.1,
            "limits": ["Not for decisions about people."],
        },
        "bytes": 7_900_000,
        "leaked": 280,
        "left_out": 888,
        "dev_faces": 3000,
        "speed": {"1": [1.5, 1.4, 2.0], "8": [1.2, 1.1, 1.5]},
        "dev": {"as it is": [0.7, 3000]},
        "test": {
            "labels": {"all": labels, "without leaked": labels},
            "majority": {"all": votes, "without leaked": votes},
        },
        "muxspace": {"no face": 3, **labels},
    }
    return json.loads(json.dumps(table))


def test_scores_have_intervals_and_counts(programs):
    found = programs["run"].scored(*made_scores(LABELS), LABELS, "t")
    for value, low, high, n in found["metrics"].values():
        assert low - 1e-9 <= value <= high + 1e-9 and n == 70
    assert sum(map(sum, found["confusion"])) == 70 and found["labels"] == list(LABELS)
    assert [row["recall"][3] for row in found["per_class"].values()] == [10] * 7


def test_the_page_says_what_was_kept(programs):
    table = made_table(programs["run"])
    text = programs["page"].page(table)
    value = table["test"]["labels"]["all"]["metrics"]["WA"][0]
    assert f"{value:.3f} [" in text and "280 faces of the public test are also, pixel for pixel" in text
    assert ("met |" if value >= 0.71 else "**missed** |") in text
    for heading in ("In short", "Scores", "Label by label", "Outside FER2013", "Beside others", "Limits", "Commands"):
        assert f"## {heading}" in text
    del table["muxspace"]
    assert "Outside FER2013" not in programs["page"].page(table)


def test_the_card_gets_the_scores_of_every_test(programs):
    scores = programs["run"].card_scores(made_table(programs["run"]))
    assert list(scores) == [
        "FER2013 public test",
        "FER2013 public test without leaked faces",
        "FER+ majority, public test",
        "muxspace",
    ]
    assert all(len(score) == 4 for entry in scores.values() for score in entry.values())


def test_the_crop_is_a_square_around_the_box_and_goes_on_beyond_the_edge(programs):
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[20:60, 80:120] = 255
    crop = programs["muxspace"].square(picture, (80, 20, 40, 40), 1.0)
    assert crop.shape == (48, 48) and crop.min() > 250
    wide = programs["muxspace"].square(picture, (80, 20, 40, 40), 2.0)
    assert wide[24, 24] > 250 and wide[2, 2] < 5
    picture[:] = 90
    assert programs["muxspace"].square(picture, (-30, -30, 60, 60), 1.0) == pytest.approx(90, abs=0.5)


def test_pictures_with_two_labels_are_left_out(programs, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "images").mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / "images" / name).write_bytes(b"")
    (tmp_path / "data" / "legend.csv").write_text(
        "user.id,image,emotion\n1,a.jpg,anger\n2,a.jpg,ANGER\n1,b.jpg,happiness\n2,b.jpg,neutral\n1,c.jpg,SADNESS\n"
        "1,gone.jpg,fear\n"
    )
    found = programs["muxspace"].labelled_pictures(tmp_path)
    assert [(label, path.name) for label, path in found] == [("angry", "a.jpg"), ("sad", "c.jpg")]


def test_faces_left_as_they_are_are_as_they_were(programs):
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)
    perturbed = programs["perturb"].perturbed
    assert np.array_equal(perturbed(images, "as it is"), images)
    for name in programs["perturb"].PERTURBED:
        assert perturbed(images, name).shape == (3, 48, 48)
