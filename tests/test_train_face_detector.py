"""Training the face detector: mosaics of known truth, cells, losses, a run that goes on, the exported file."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from affekt.errors import CorpusError, InputError
from affekt.face.detect import STRIDES, DetectOptions, Detector, Faces, decode_affekt
from affekt.face.detector_network import DetectorNetwork, DetectorShape, PictureDetector
from affekt.models.onnx import read_card
from affekt.train.face.detector_evaluate import Matches, joined, match, match_pictures, wilson
from affekt.train.face.detector_loop import DetectorRun, mosaics_of_step, rate, train_detector
from affekt.train.face.detector_loss import fit, flattened, losses, truth_of
from affekt.train.face.detector_mosaics import Mosaic, MosaicMaker, assigned, cell_centres
from affekt.train.face.detector_recipe import DetectorRecipe, DetectorSchedule, MosaicRecipe
from affekt.train.face.detector_run import DetectorMaterial, held_out_scores, run_detector
from affekt.train.face.detector_teacher import SIDE, Taught, person, teach
from affekt.train.recipe import load_recipe

PLAIN = MosaicRecipe(
    sides=(96,), whole=0.5, tile=(40.0, 96.0), turn=0.0, far_turn=0.0, blur=0, noise=0, light=0, hidden=0, coarse=0,
    faceless=0, scenery=0, away=0, faceless_corpora=(),
)  # fmt: skip
TINY = DetectorRecipe(
    stem=4, channels=(4, 8, 8, 8), blocks=(0, 0, 0, 0), neck=8, mosaics=PLAIN,
    schedule=DetectorSchedule(steps=2, batch=1, bfloat16=False),
)  # fmt: skip


def disc(size=SIDE, at=(128, 128), radius=40):
    """A white disc whose right-eye point is a black spot upper left of its centre."""
    y, x = np.indices((size, size))
    picture = np.where((x - at[0]) ** 2 + (y - at[1]) ** 2 <= radius**2, 255, 60).astype(np.uint8)
    picture[at[1] - 18 : at[1] - 10, at[0] - 22 : at[0] - 14] = 0
    return picture


def taught(count=6):
    """Pictures of one disc each, with its box and its points."""
    points = np.float32([[-18, -14], [18, -14], [0, 0], [-12, 20], [12, 20]]) + np.float32([128, 128])
    return Taught(
        np.stack([disc()] * count),
        np.full((count, 2), SIDE),
        np.arange(count),
        np.float32([[88, 88, 80, 80]] * count),
        np.stack([points] * count),
        np.full(count, 0.9, np.float32),
        tuple(f"discs/{i}.png" for i in range(count)),
    )


@pytest.mark.parametrize("seed", range(8))
def test_boxes_and_points_lie_where_the_faces_are_drawn(seed):
    """Turned, scaled, mirrored or not: the box holds the white disc, and the eyes keep their sides."""
    recipe = replace(PLAIN, far_turn=40.0, turn=20.0, whole=1.0, face=(20.0, 0.6))
    mosaic = MosaicMaker(taught(), recipe).draw(np.random.default_rng(seed), 128)
    picture = mosaic.picture.numpy()
    assert len(mosaic.boxes) == 1
    x, y, width, height = mosaic.boxes[0]
    rows, columns = np.nonzero(picture > 254.5)
    assert columns.mean() == pytest.approx(x, abs=2.5)
    assert rows.mean() == pytest.approx(y, abs=2.5)
    assert columns.max() - columns.min() + 1 == pytest.approx(width, abs=4)
    assert rows.max() - rows.min() + 1 == pytest.approx(height, abs=4)
    right, left, *_ = mosaic.points[0]
    assert right[0] < left[0]
    dark = [picture[int(p[1]), int(p[0])] < 150 for p in (right, left)]
    assert sum(dark) == 1  # the spot is at the right eye, or, in a mirror, at the left


def test_a_face_drawn_very_small_has_a_picture_to_be_drawn_from():
    """Pictures halved down to 16 pixels were asked for one of 8."""
    recipe = replace(PLAIN, whole=1.0, face=(1.0, 0.02))
    for seed in range(5):
        assert MosaicMaker(taught(), recipe).draw(np.random.default_rng(seed), 64).picture.isfinite().all()


def test_the_same_step_draws_the_same_mosaics():
    maker = MosaicMaker(taught(), PLAIN)
    pair = replace(TINY, schedule=replace(TINY.schedule, batch=2))
    first, again = mosaics_of_step(maker, pair, 3), mosaics_of_step(maker, pair, 3)
    assert all(torch.equal(a.picture, b.picture) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].picture, first[1].picture)


def test_faces_cut_by_their_tile_are_not_learnt_as_background():
    recipe = replace(PLAIN, whole=1.0, away=1.0)
    for seed in range(20):
        mosaic = MosaicMaker(taught(), recipe).draw(np.random.default_rng(seed), 96)
        if len(mosaic.ignored):
            x, y, width, height = mosaic.ignored[0]
            cells, _ = cell_centres(96)
            inside = (np.abs(cells - np.float32([x, y])) <= np.float32([width, height]) / 2).all(axis=1)
            assert (assigned(mosaic)[inside] != -1).all()
            return
    pytest.fail("no mosaic with a face that is cut")


def test_what_a_teacher_sees_in_pictures_without_faces_is_background():
    recipe = replace(PLAIN, faceless_corpora=("pets",), faceless=1.0, scenery=1.0)
    table = taught(4)
    names = ("pets/a.jpg", "pets/b.jpg", *table.names[2:])
    maker = MosaicMaker(replace(table, names=names, scores=np.float32([0.7, 0.7, 0.9, 0.9])), recipe)
    for seed in range(5):
        mosaic = maker.draw(np.random.default_rng(seed), 96)
        assert len(mosaic.boxes) == len(mosaic.ignored) == 0


def one_face(side, box):
    points = np.float32(box[:2]) + np.float32([[-4, -4], [4, -4], [0, 0], [-3, 4], [3, 4]])
    return Mosaic(torch.zeros(side, side), np.float32([box]), points[None], np.zeros((0, 4), np.float32))


@pytest.mark.parametrize(("size", "strides"), [(12, {8}), (50, {8, 16}), (90, {16}), (120, {16, 32}), (200, {32})])
def test_a_face_is_found_by_the_maps_made_for_its_size(size, strides):
    rows = assigned(one_face(256, (130, 120, size, size)))
    _, stride = cell_centres(256)
    assert set(stride[rows == 0].astype(int)) == strides
    assert 1 <= np.count_nonzero(rows == 0) <= 40


def test_a_perfect_answer_has_next_to_no_loss_and_decodes_to_the_faces():
    mosaic = one_face(128, (61.0, 70.0, 30.0, 26.0))
    truth = truth_of([mosaic])
    centres, strides = cell_centres(128)
    cells = torch.zeros(1, len(centres), 15)
    cells[..., 0] = -20
    for _, cell in truth.cells:
        at, stride = torch.from_numpy(centres[cell]), float(strides[cell])
        cells[0, cell, 0] = 20
        cells[0, cell, 1:3] = (truth.boxes[0, :2] - at) / stride
        cells[0, cell, 3:5] = torch.log(truth.boxes[0, 2:] / (4 * stride))
        cells[0, cell, 5:] = ((truth.points[0] - at) / (4 * stride)).flatten()
    assert all(float(part) < 1e-3 for part in losses(cells, truth, 128).values())
    maps, start = [], 0
    for stride in STRIDES:
        n = 128 // stride
        maps.append(cells[:, start : start + n * n].transpose(1, 2).reshape(1, 15, n, n))
        start += n * n
    assert torch.equal(flattened(maps), cells)
    found = decode_affekt([part.numpy() for part in maps], 0.5)
    np.testing.assert_allclose(found.boxes, np.float32([[46, 57, 30, 26]] * len(found)), rtol=1e-4)
    np.testing.assert_allclose(found.points[0], mosaic.points[0], rtol=1e-4)


def test_fit_of_boxes_that_are_known():
    boxes = torch.tensor([[5.0, 5.0, 10.0, 10.0], [5.0, 5.0, 10.0, 10.0]])
    others = torch.tensor([[5.0, 5.0, 10.0, 10.0], [25.0, 5.0, 10.0, 10.0]])
    overlap, generalised = fit(boxes, others)
    assert overlap.tolist() == [1.0, 0.0]
    assert generalised.tolist() == pytest.approx([1.0, -1 / 3])


def test_a_batch_without_faces_can_be_learnt():
    nothing = Mosaic(
        torch.zeros(64, 64), np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros((0, 4), np.float32)
    )
    parts = losses(torch.zeros(1, 84, 15), truth_of([nothing]), 64)
    assert float(parts["box"]) == float(parts["point"]) == 0
    assert float(parts["score"]) > 0


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path):
    (tmp_path / "run").mkdir()
    maker = MosaicMaker(taught(), PLAIN)
    whole = DetectorRun(TINY)
    for step in range(2):
        whole.advance(mosaics_of_step(maker, TINY, step))
    stopped = DetectorRun(TINY)
    for step in range(1):
        stopped.advance(mosaics_of_step(maker, TINY, step))
    torch.save(stopped.state(), tmp_path / "run" / "checkpoint.pt")
    network = train_detector(taught(), TINY, tmp_path / "run", report=lambda line: None)
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name


def test_a_checkpoint_of_another_recipe_is_refused():
    state = DetectorRun(TINY).state()
    with pytest.raises(InputError, match="made by another recipe"):
        DetectorRun(replace(TINY, seed=2)).restore(state)


def test_a_run_may_be_made_longer_until_its_rate_falls():
    schedule = replace(TINY.schedule, steps=10, falling=0.4)
    state = {**DetectorRun(replace(TINY, schedule=schedule)).state(), "step": 6}
    DetectorRun(replace(TINY, schedule=replace(schedule, steps=20))).restore(state)
    with pytest.raises(InputError, match="made by another recipe"):
        DetectorRun(replace(TINY, schedule=replace(schedule, steps=9))).restore(state)
    with pytest.raises(InputError, match="made by another recipe"):
        DetectorRun(replace(TINY, schedule=replace(schedule, steps=20))).restore({**state, "step": 7})


def test_the_rate_rises_stays_and_falls():
    schedule = DetectorSchedule(steps=1000, warm_up=100, falling=0.4)
    rates = [rate(step, schedule) for step in (0, 50, 100, 600, 800, 1000)]
    assert rates == pytest.approx([0.02, 0.51, 1, 1, 0.505, 0.01])


def test_a_run_sets_out_from_the_weights_of_another(tmp_path):
    other = DetectorRun(replace(TINY, seed=5))
    torch.save(other.state(), tmp_path / "other.pt")
    none = replace(TINY, schedule=replace(TINY.schedule, steps=0))
    network = train_detector(taught(), none, tmp_path, report=print, start=tmp_path / "other.pt")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.average.parameters(), strict=True))


def test_scenes_where_the_teacher_saw_nothing_are_background_and_portraits_are_not():
    table = taught(4)
    names = ("scenes/a.jpg", "scenes/b.jpg", "people/c.jpg", "people/d.jpg")
    owners, scores = table.owners[[1, 3]], np.float32([0.4, 0.9])
    few = replace(table, names=names, owners=owners, scores=scores, boxes=table.boxes[:2], points=table.points[:2])
    maker = MosaicMaker(few, replace(PLAIN, scene_corpora=("scenes",)))
    assert maker._empty.tolist() == [0]


def test_the_network_is_whole_at_any_size_and_grey_is_as_good_as_colour():
    network = PictureDetector(DetectorNetwork(DetectorShape(stem=4, channels=(4, 8, 8, 8), neck=8))).eval()
    picture = 255 * torch.rand(1, 1, 64, 160)
    with torch.no_grad():
        grey, colour = network(picture), network(picture.expand(1, 3, 64, 160))
    assert [tuple(part.shape) for part in grey] == [(1, 15, 64 // s, 160 // s) for s in STRIDES]
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(grey, colour, strict=True))


def test_the_exported_file_answers_as_the_network_and_has_its_card(tmp_path):
    from affekt.train.face.detector_export import card_of, export_detector

    network = DetectorRun(TINY).average.eval()
    path = tmp_path / "tiny.onnx"
    assert export_detector(network, card_of(TINY, taught()), path) < 0.01
    card = read_card(path)
    assert (card.modality, card.task, card.labels) == ("face", "detection", ("background", "face"))
    assert card.data["discs"]["clips"] == 6
    assert len(Detector(path, DetectOptions(threshold=0.9)).detect(np.zeros((50, 70, 3), np.uint8))) == 0
    scores, threshold = held_out_scores(path, taught(), TINY, mosaics=5)
    assert 0.2 <= threshold < 0.9
    assert scores["mosaics"]["recall"][3] > 5
    assert scores["pictures"]["recall"][3] == 6


def test_people_stay_on_one_side_of_the_split():
    names = [f"lfw/Some_Body{i}_000{j}.jpg" for i in range(60) for j in (1, 2)]
    assert person(names[0]) == person(names[1]) == "Some_Body0"
    assert person("orl/s3/7.pgm") == person("orl/s3/8.pgm") == "orl/s3"
    assert person("pets/dog.1.jpg") == "pets/dog.1.jpg"
    assert person("stanford40/cooking_001.jpg") == "stanford40/cooking_001.jpg"  # the action, not a person
    table = replace(taught(120), names=tuple(names))
    held, kept = table.part(held_out=True), table.part(held_out=False)
    assert len(held.names) + len(kept.names) == 120
    assert 0 < len(held.names) < 30
    assert not {person(name) for name in held.names} & {person(name) for name in kept.names}
    assert held.owners.tolist() == list(range(len(held.names)))


class WhiteTeacher:
    """Says that every picture has one face."""

    def detect(self, image):
        box = np.float32([[0, 0, image.shape[1], image.shape[0]]])
        return Faces(box, np.zeros((1, 5, 2), np.float32), np.float32([0.9]), np.float32([[0.9]]))


def test_pictures_are_taught_and_broken_ones_passed_over(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    for name, shape in (("a", (40, 60)), ("b", (600, 300))):
        header = f"P5\n{shape[1]} {shape[0]}\n255\n".encode()
        (tmp_path / f"{name}.pgm").write_bytes(header + np.full(shape, 200, np.uint8).tobytes())
    lines = []
    found = teach({"made": (tmp_path, 10)}, WhiteTeacher(), seed=0, report=lines.append)
    assert found.names == ("made/a.pgm", "made/b.pgm")
    assert found.sizes.tolist() == [[40, 60], [256, 128]]
    assert np.abs(found.pictures[0, :40, :60].astype(int) - 200).max() <= 2
    assert "broken.jpg is passed over" in lines[0]
    found.save(tmp_path / "taught.npz")
    again = Taught.load(tmp_path / "taught.npz")
    assert again.names == found.names
    np.testing.assert_array_equal(again.boxes, found.boxes)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="no picture"):
        teach({"made": (tmp_path / "empty", 10)}, WhiteTeacher(), seed=0, report=lines.append)


def faces_at(boxes, scores):
    boxes = np.float32(boxes).reshape(-1, 4)
    return Faces(boxes, np.zeros((len(boxes), 5, 2), np.float32), np.float32(scores), np.float32(scores)[:, None])


def test_matching_counts_each_face_once_and_leaves_ignored_places_out():
    truth = np.float32([[0, 0, 10, 10], [50, 50, 10, 10]])
    found = faces_at([[0, 0, 10, 10], [1, 0, 10, 10], [80, 80, 10, 10]], [0.9, 0.8, 0.7])
    one = match(found, truth)
    assert one.hits.tolist() == [True, False, False]
    assert (one.recall()[0], one.precision()[0]) == (0.5, pytest.approx(1 / 3))
    assert one.precision(0.85) == wilson(1, 1)
    beside = match(found, truth, np.float32([[75, 75, 20, 20]]))
    assert beside.hits.tolist() == [True, False]
    both = joined([one, match(faces_at([], []), truth)])
    assert both.recall()[0] == 0.25


class SeesAll:
    """Sees one face of 80 pixels in the middle of every picture."""

    def detect(self, image):
        return faces_at([[88, 88, 80, 80]], [0.8])


def test_held_out_pictures_count_as_the_teacher_saw_them():
    """A face in a scene, none in a scene, an error in a faceless one, a place that is unsure, a portrait missed."""
    table = taught(5)
    names = ("scenes/a.jpg", "scenes/b.jpg", "pets/c.jpg", "scenes/d.jpg", "people/e.jpg")
    owners, scores = np.array([0, 2, 3]), np.float32([0.9, 0.7, 0.4])
    few = replace(table, names=names, owners=owners, scores=scores, boxes=table.boxes[:3], points=table.points[:3])
    recipe = replace(PLAIN, scene_corpora=("scenes",), faceless_corpora=("pets",))
    found = match_pictures(SeesAll(), few, recipe)
    assert (found.faces, found.hits.tolist()) == (1, [True, False, False])


def test_wilson_of_a_known_case():
    share, low, high, n = wilson(40, 43)
    assert (share, n) == (40 / 43, 43)
    assert (low, high) == (pytest.approx(0.8139, abs=1e-3), pytest.approx(0.9761, abs=1e-3))


def test_the_recipe_that_ships_is_complete_and_wrong_ones_are_refused(tmp_path):
    recipe = load_recipe("detector")
    assert recipe.name == "detector"
    assert {*recipe.mosaics.faceless_corpora, *recipe.mosaics.scene_corpora} < set(recipe.pictures)
    with pytest.raises(InputError, match=r"learns from pictures of lfw, .*given: birds"):
        run_detector(recipe, DetectorMaterial({"birds": tmp_path}), tmp_path, report=print)
    (tmp_path / "bad.toml").write_text("kind = 'detector'\n[mosaics]\nsides = [100]\n")
    with pytest.raises(InputError, match="multiple of 32"):
        load_recipe(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_text("kind = 'detector'\nsteps = 3\n")
    with pytest.raises(InputError, match="unknown recipe key 'steps'"):
        load_recipe(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_text("steps")
    with pytest.raises(InputError, match="is not TOML"):
        load_recipe(tmp_path / "bad.toml")


def test_the_threshold_is_the_least_of_enough_precision():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    hits = np.array([True, True, True, False, True, False])
    matches = Matches(scores, hits, 5)
    assert matches.threshold(0.75) == 0.41
    assert matches.threshold(0.9) == 0.61
    assert Matches(scores, ~hits, 5).threshold(0.99) == 0.2
