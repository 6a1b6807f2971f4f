"""What an archive consists of, and what is wrong with a manifest."""

import pytest

from affekt.archive.sources import Input, inputs
from affekt.archive.store import open_store
from affekt.errors import InputError, MissingExtra, StoreError, UnknownName


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.wav", "a.mp3", "deep/c.opus", "notes.txt", "._b.wav"):
        (tmp_path / name).write_bytes(b"12345678")
    return tmp_path


def names(*sources, **options):
    return [one.uri.rsplit("/", 1)[-1] for one in inputs([str(s) for s in sources], **options)]


def manifest(folder, text):
    path = folder / "calls.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_folders_patterns_and_files(folder):
    assert names(folder) == ["a.mp3", "b.wav", "c.opus"]
    assert sorted(names(folder / "*.wav")) == ["b.wav"]
    assert names(folder / "notes.txt") == ["notes.txt"]  # named by itself, whatever it is called
    assert next(inputs([str(folder)])).size == 8


def test_a_manifest_says_stretch_channel_and_speaker(folder):
    path = manifest(folder, "uri,start,end,channel,speaker\nb.wav,1.5,4,left,Ann\ns3://calls/x.wav,,9,,\n")
    assert list(inputs([str(path)])) == [
        Input(str(folder / "b.wav"), 1.5, 4.0, "left", "Ann", 8),
        Input("s3://calls/x.wav", end=9.0),
    ]


def test_a_manifest_may_be_parquet(folder):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"uri": ["b.wav", "a.mp3"], "end": [2.0, None]}), folder / "m.parquet")
    assert [(one.end, one.start) for one in inputs([str(folder / "m.parquet")])] == [(2.0, 0.0), (None, 0.0)]
    (folder / "bad.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match="is no Parquet file"):
        list(inputs([str(folder / "bad.parquet")]))


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("file\nb.wav\n", UnknownName, "unknown column of .*'file'"),
        ("uri,speakr\nb.wav,A\n", UnknownName, "did you mean 'speaker'"),
        ("start\n1\n", InputError, "has no column uri"),
        ("uri;speaker\nb.wav;A\n", InputError, "separates its columns by semicolons. Save it with commas: uri,start"),
        ("uri\n", InputError, "has no rows"),
        ("uri,start\nb.wav\n", InputError, "line 2: has another number of values"),
        ("uri,start\n,1\n", InputError, "line 2: uri is empty"),
        ("uri,start\nb.wav,soon\n", InputError, "line 2: start is 'soon'; give seconds"),
        ("uri,start,end\nb.wav,3,2\n", InputError, "line 2: start 3, end 2.0 is no interval"),
        ("uri,channel\nb.wav,up\n", InputError, "line 2: channel is 'up'; allowed: mix, left"),
        ("uri\nb.wav\na.mp3\n./b.wav\n", InputError, "1 row names what an earlier row named .line 4: .*b.wav"),
        (
            "uri\nx1.wav\nb.wav\nx2.wav\nx3.wav\nx4.wav\n",
            InputError,
            "4 rows .* not there .line 2: .*x1.wav.*x3.*, ...",
        ),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_lines(folder, text, error, words):
    with pytest.raises(error, match=words):
        list(inputs([str(manifest(folder, text))]))


def test_files_that_are_not_there_may_be_kept(folder):
    assert names(manifest(folder, "uri\nx.wav\nb.wav\n"), allow_missing=True) == ["x.wav", "b.wav"]


def test_one_recording_in_two_stretches_is_no_duplicate(folder):
    assert names(manifest(folder, "uri,start,end\nb.wav,0,1\nb.wav,1,2\n")) == ["b.wav", "b.wav"]


def test_what_names_nothing_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for source, words in {
        "nowhere": "no such file or folder",
        "nowhere.csv": "no such manifest",
        str(tmp_path / "empty"): "holds no recordings",
        str(tmp_path / "*.flac"): "holds no recordings",
    }.items():
        with pytest.raises(InputError, match=words):
            list(inputs([source]))


def test_addresses_are_listed_by_fsspec():
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for name in ("/archive/a.wav", "/archive/deep/b.mp3", "/archive/notes.txt"):
        memory.pipe_file(name, b"12345")
    assert [(one.uri, one.size) for one in inputs(["memory://archive"])] == [
        ("memory:///archive/a.wav", 5),
        ("memory:///archive/deep/b.mp3", 5),
    ]
    assert names("memory://archive/a.wav") == names("memory://archive/*.wav") == ["a.wav"]
    memory.pipe_file("/archive/m.csv", b"uri\na.wav\n")
    assert [one.uri for one in inputs(["memory://archive/m.csv"])] == ["memory://archive/a.wav"]
    with pytest.raises(InputError, match="no such bucket, folder or file"):
        list(inputs(["memory://nothing"]))
    memory.pipe_file("/texts/notes.txt", b"12345")
    with pytest.raises(InputError, match="holds no recordings"):
        list(inputs(["memory://texts"]))
    with pytest.raises(StoreError, match="cannot be opened"):
        list(inputs(["nonsense://calls"]))


def test_an_address_whose_package_is_not_installed_names_it():
    pytest.importorskip("fsspec")
    try:
        import gcsfs  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match="gcsfs"):
            list(inputs(["gs://calls"]))


@pytest.mark.parametrize("address", ["folder", "memory://out"])
def test_a_store_holds_whole_objects(address, tmp_path):
    if "://" in address:
        pytest.importorskip("fsspec")
    store = open_store(address if "://" in address else str(tmp_path / address))
    assert list(store.names("state")) == []
    store.write("state/00/a.json", b"1")
    store.write("state/00/a.json", b"22")
    with (tmp_path / "file").open("wb+") as file:
        file.write(b"333")
        store.put("state/b.json", file)
    assert sorted(store.names("state")) == ["state/00/a.json", "state/b.json"]
    assert store.read("state/00/a.json") == b"22" and store.open("state/b.json").read() == b"333"
    store.remove("state/b.json")
    store.remove("state/b.json")
    assert list(store.names("state")) == ["state/00/a.json"]
    with pytest.raises(FileNotFoundError):
        store.read("nothing")


def test_a_million_rows_are_never_a_list(tmp_path):
    import tracemalloc

    path = tmp_path / "m.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("uri,start,end\n")
        file.writelines(f"s3://calls/{i}.wav,0,60\n" for i in range(20_000))
    tracemalloc.start()
    count = sum(1 for _ in inputs([str(path)]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000 and peak < 2e6
