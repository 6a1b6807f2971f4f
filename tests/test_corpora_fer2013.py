"""FER2013 as it is published and as an archive: labels and votes in our order, honest refusals."""

from dataclasses import replace

import numpy as np
import pytest

from affekt.corpora import read_corpus
from affekt.corpora.fer2013 import read_fer2013
from affekt.corpora.pictures import read_pictures
from affekt.errors import CorpusError
from affekt.face.shape import LABELS, VOTES

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
PEOPLE = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


def made_images(count: int, seed: int = 0) -> np.ndarray:
    """Coarse noise, sharp at no edge: images (n, 48, 48) that no two of are alike."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 12, 12), np.uint8).repeat(4, axis=1).repeat(4, axis=2)


def archive(path, count: int = 60, **changes) -> str:
    """An archive as the real one, and its path; ``changes`` take the place of arrays, None leaves one out."""
    votes = np.zeros((count, 10), np.int8)
    votes[:, 1] = 10
    table = {
        "images": made_images(count),
        "emotion": np.arange(count, dtype=np.int8) % 7,
        "usage": (np.arange(count) >= count - 10).astype(np.int8),
        "ferplus": votes,
        "id": np.array([f"fer{i:07d}".encode() for i in range(count)]),
        "emotion_names": np.array(EMOTIONS),
        "ferplus_names": np.array(PEOPLE),
    } | changes
    np.savez(path / "fer.npz", **{name: array for name, array in table.items() if array is not None})
    return path / "fer.npz"


def votes_of(**counts: int) -> np.ndarray:
    return np.array([[counts.get(name, 0) for name in PEOPLE]], np.int8)


def test_labels_are_read_in_our_order(tmp_path):
    faces, usage = read_fer2013(archive(tmp_path))
    assert [LABELS[i] for i in faces.labels[:7]] == list(EMOTIONS)
    assert faces.ids[3] == "fer0000003" and usage.tolist() == [0] * 50 + [1] * 10


@pytest.mark.parametrize(
    ("counts", "shares", "majority"),
    [
        ({"happiness": 6, "anger": 2, "fear": 2}, {"happy": 0.6, "angry": 0.2, "fear": 0.2}, "happy"),
        ({"happiness": 9, "anger": 1}, {"happy": 1.0}, "happy"),  # a single vote is a slip
        ({"sadness": 5, "fear": 5}, {"sad": 0.5, "fear": 0.5}, None),
        ({"contempt": 10}, {"contempt": 1.0}, "contempt"),
        ({"NF": 8, "neutral": 2}, {}, None),  # no face
        ({"unknown": 4, "neutral": 6}, {"neutral": 1.0}, "neutral"),
        ({}, {}, None),
        (dict.fromkeys(PEOPLE, -1), {}, None),  # nobody was asked
    ],
)
def test_votes_become_shares_and_a_majority(tmp_path, counts, shares, majority):
    faces, _ = read_fer2013(archive(tmp_path, 60, ferplus=votes_of(**counts).repeat(60, axis=0)))
    found = {VOTES[i]: round(float(share), 6) for i, share in enumerate(faces.votes[0]) if share}
    assert found == pytest.approx(shares)
    assert faces.majority[0] == (-1 if majority is None else VOTES.index(majority))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ferplus": None}, "lacks ferplus; needed: images"),
        ({"images": np.zeros((60, 32, 32), np.uint8)}, r"allowed: uint8 of shape \(n, 48, 48\)"),
        ({"ferplus": np.zeros((59, 10), np.int8)}, "n rows of votes"),
    ],
)
def test_a_wrong_archive_is_refused(tmp_path, changes, sentence):
    with pytest.raises(CorpusError, match=sentence):
        read_fer2013(archive(tmp_path, **changes))


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "fer.npz").write_bytes(b"PK nothing")
    with pytest.raises(CorpusError, match="cannot be read as an archive"):
        read_fer2013(tmp_path / "fer.npz")


def published_table(folder, faces, *, votes=None):
    """``fer2013.csv``, and FER+ beside it, of (emotion, usage, image) rows."""
    lines = [f"{emotion},{' '.join(map(str, image.ravel()))},{usage}" for emotion, usage, image in faces]
    (folder / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n", encoding="utf-8")
    if votes is not None:
        head = ",".join(["Usage", "Image name", *PEOPLE])
        (folder / "fer2013new.csv").write_text("\n".join([head, *votes]) + "\n", encoding="utf-8")
    return folder / "fer2013.csv"


FACES = [
    (3, "Training", np.full((48, 48), 7, np.uint8)),
    (6, "PublicTest", np.full((48, 48), 8, np.uint8)),
    (0, "PrivateTest", np.full((48, 48), 9, np.uint8)),
]


def test_the_published_table_and_the_votes_beside_it_are_read(tmp_path):
    votes = ["Training,fer0000000.png,0,8,0,0,2,0,0,0,0,0", "PublicTest,,5,0,0,5,0,0,0,0,0,0"]
    table = published_table(tmp_path, FACES, votes=[*votes, "PrivateTest,fer0000001.png,0,0,0,0,10,0,0,0,0,0"])
    faces, usage = read_fer2013(table)
    assert faces.images[:, 5, 5].tolist() == [7, 8, 9] and usage.tolist() == [0, 1, 2]
    assert [LABELS[i] for i in faces.labels] == ["happy", "neutral", "angry"]
    assert faces.ids == ("fer0000000", "row00001", "fer0000001")
    assert [VOTES[i] if i >= 0 else None for i in faces.majority] == ["happy", None, "angry"]


def test_without_votes_nobody_was_asked(tmp_path):
    faces, _ = read_fer2013(published_table(tmp_path, FACES))
    assert faces.ids == ("row00000", "row00001", "row00002") and not faces.votes.any()


@pytest.mark.parametrize("give", ["file", "folder"])
def test_a_row_is_a_sample_whose_picture_can_be_read(tmp_path, give):
    file = published_table(tmp_path, FACES)
    samples = read_corpus("fer2013", file if give == "file" else tmp_path).samples
    assert [(s.id, s.label, s.speaker, s.meta["usage"]) for s in samples][2] == (
        "fer2013/row00002", "angry", None, "PrivateTest",
    )  # fmt: skip
    assert samples[2].path == f"{file}#2"
    pictures = [picture for _, picture in read_pictures(samples[::-1])]
    assert [picture.shape for picture in pictures] == [(48, 48, 3)] * 3
    assert [int(picture[0, 0, 0]) for picture in pictures] == [9, 8, 7]


def test_the_archive_and_the_table_give_the_same_faces(tmp_path):
    given = archive(tmp_path, 20, ferplus=np.full((20, 10), -1, np.int8))
    faces, usage = read_fer2013(given)
    order = [EMOTIONS.index(LABELS[label]) for label in faces.labels]
    parts = [("Training", "PublicTest")[part] for part in usage]
    again, _ = read_fer2013(published_table(tmp_path, list(zip(order, parts, faces.images, strict=True))))
    assert (again.images == faces.images).all() and (again.labels == faces.labels).all()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("7,1 2 3,Training", "line 2: emotion '7', 3 pixels, Usage 'Training'; allowed: 0 to 6, 2304 pixels"),
        (f"3,{'256 ' * 2304},Training", "allowed: 0 to 6, 2304 pixels of 0 to 255"),
        (f"3,{'1 ' * 2304},Secret", "Training, PublicTest, PrivateTest"),
        (f"3,{'1 ' * 2303},Training", "2303 pixels"),
        ("", "has no faces"),
    ],
)
def test_a_wrong_row_of_the_table_is_named(tmp_path, line, sentence):
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n{line}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=sentence):
        read_corpus("fer2013", tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("a,b\n1,2\n", "has no column emotion, pixels, Usage"), ("\xff\xfe", "has no column")],
)
def test_another_table_is_refused(tmp_path, text, sentence):
    (tmp_path / "fer2013.csv").write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=sentence):
        read_corpus("fer2013", tmp_path)


def test_votes_of_other_faces_are_refused(tmp_path):
    published_table(tmp_path, FACES, votes=["Training,fer0000000.png,0,8,0,0,2,0,0,0,0,0"])
    with pytest.raises(CorpusError, match="has 1 rows and fer2013.csv 3"):
        read_corpus("fer2013", tmp_path)


def test_a_folder_without_fer2013_says_what_to_give(tmp_path):
    with pytest.raises(CorpusError, match=r"holds no fer2013.csv and no fer2013\*.npz. Give fer2013.csv"):
        read_corpus("fer2013", tmp_path)
    with pytest.raises(CorpusError, match="does not exist"):
        read_corpus("fer2013", tmp_path / "nothing.csv")


def test_a_row_that_is_no_longer_there_is_refused(tmp_path):
    sample = replace(
        read_corpus("fer2013", published_table(tmp_path, FACES)).samples[0], path=f"{tmp_path}/fer2013.csv#9"
    )
    with pytest.raises(CorpusError, match="there are 3 rows"):
        list(read_pictures([sample]))
