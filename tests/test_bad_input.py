"""Whatever a user hands over: a sentence on stderr, no traceback, and the exit status that was promised."""

import contextlib
import csv
import io
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from affekt.cli import main

RATE = 16_000
AFFEKT = [sys.executable, "-m", "affekt", "predict"]


def affekt(*arguments, status: int, stdin: bytes | None = None):
    """Run ``affekt predict`` and check what holds for every run."""
    done = CliRunner().invoke(main, ["predict", *map(str, arguments)], input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code == status, done.stderr
    assert "Traceback" not in done.stderr
    if status:
        assert done.stderr.strip()
    return done


def process(*arguments, **options) -> subprocess.CompletedProcess:
    """The same in a process of its own, for descriptors, limits and signals."""
    done = subprocess.run([*AFFEKT, *arguments], stderr=subprocess.PIPE, timeout=60, check=False, **options)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    return done


@pytest.fixture
def good(clips, tmp_path):
    """One recording with speech in it."""
    return Path(shutil.copy(clips[4], tmp_path / "good.wav"))


def save(path: Path, signal=None, rate: int = RATE, **options) -> Path:
    soundfile.write(path, np.zeros(rate) if signal is None else signal, rate, **options)
    return path


def wav(*, data: bytes = bytes(RATE * 2), chunk: int = 16, **fields: int) -> bytes:
    """A second of silence in 16-bit wav, with any field of the header replaced."""
    field = {"tag": 1, "channels": 1, "rate": RATE, "bytes": 2 * RATE, "align": 2, "bits": 16} | fields
    size = field.pop("data_size", len(data))
    outer = field.pop("riff_size", 36 + len(data))
    body = struct.pack("<IHHIIHH", chunk, *field.values())
    return b"RIFF" + struct.pack("<I", outer) + b"WAVEfmt " + body + b"data" + struct.pack("<I", size) + data


# ---- What is no recording

NOT_RECORDINGS = {
    "empty.wav": (b"", r"is empty (0 bytes). Copy or export it again."),
    "text.wav": (b"Dear diary,\n" * 200, "is not a recording that can be read"),
    "picture.mp3": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 50, "is not a recording that can be read"),
    "zeros.flac": (bytes(100_000), "is not a recording that can be read"),
    "zip.m4a": (b"PK\x03\x04" + bytes(range(256)) * 50, "is not a recording that can be read"),
    "none.wav": (wav(data=b""), "holds no samples"),
    "head.wav": (wav()[:30], "is not a recording that can be read"),
    "rate-0.wav": (wav(rate=0), "is not a recording that can be read"),
    "rate-4e9.wav": (wav(rate=4_000_000_000), "is not a recording that can be read"),
    "rate-1k.wav": (wav(rate=1000), "sampling rate 1000 Hz; allowed: 4000 to 768000 Hz. Export it"),
    "rate-1M.wav": (wav(rate=1_000_000), "sampling rate 1000000 Hz; allowed: 4000 to 768000 Hz"),
    "no-channel.wav": (wav(channels=0), "is not a recording"),
    "65535-channels.wav": (wav(channels=65535), "is not a recording"),
    "no-bits.wav": (wav(bits=0), "is not a recording that can be read"),
    "65535-bits.wav": (wav(bits=65535), "is not a recording that can be read"),
    "strange-codec.wav": (wav(tag=0x9999), "is not a recording that can be read"),
    "huge-chunk.wav": (wav(chunk=0x7FFFFFFF), "is not a recording that can be read"),
    "hugest-chunk.wav": (wav(chunk=0xFFFFFFFF), "is not a recording that can be read"),
    "chunks.wav": (b"RIFF\xff\xff\xff\xffWAVE" + bytes(2_000_000), "is not a recording that can be read"),
}


@pytest.mark.parametrize("name", NOT_RECORDINGS)
def test_what_is_no_recording(tmp_path, name):
    content, sentence = NOT_RECORDINGS[name]
    (tmp_path / name).write_bytes(content)
    done = affekt(tmp_path / name, status=1)
    assert f"error: {tmp_path / name}: {sentence}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "PyAV: [" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("name", ["text.wav", "picture.mp3", "rate-0.wav"])
def test_the_sentence_says_what_is_allowed_and_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(NOT_RECORDINGS[name][0])
    assert "Readable are wav, flac, ogg, opus, mp3" in affekt(tmp_path / name, status=1).stderr
    assert "convert it to one." in affekt(tmp_path / name, status=1).stderr


WRONG_SIZES = [
    {"riff_size": 0}, {"riff_size": 0xFFFFFFFF}, {"data_size": 0}, {"data_size": 0xFFFFFFFF}, {"align": 0},
    {"riff_size": 0, "data_size": 0}, {"riff_size": 0xFFFFFFFF, "data_size": 0xFFFFFFFF}, {"bytes": 0},
]  # fmt: skip


@pytest.mark.parametrize("fields", WRONG_SIZES, ids=str)
def test_sizes_that_the_writer_did_not_fill_in_do_not_matter(tmp_path, fields):
    (tmp_path / "a.wav").write_bytes(wav(**fields))
    done = affekt(tmp_path / "a.wav", status=0)
    assert "a.wav: 0:01.0 long" in done.stdout
    assert not done.stderr


def test_a_missing_file(tmp_path):
    assert affekt(tmp_path / "gone.wav", status=1).stderr == f"error: {tmp_path}/gone.wav: no such file.\n"


def test_an_address_is_not_fetched(tmp_path):
    done = affekt("http://localhost:1/a.wav", status=1)
    assert "no such file. affekt opens local files only; download it first." in done.stderr


def test_an_empty_name():
    assert "a recording without a name: give a path, or - for standard input" in affekt("", status=1).stderr


def test_a_name_that_is_too_long(tmp_path):
    assert "cannot be opened (File name too long)" in affekt(tmp_path / ("x" * 300 + ".wav"), status=1).stderr


def test_a_folder_without_recordings(tmp_path):
    (tmp_path / "notes.txt").touch()
    assert f"error: {tmp_path}: holds no recordings (" in affekt(tmp_path, status=1).stderr
    assert "1 of 1 inputs failed.\n" in affekt(tmp_path, status=1).stderr


# ---- Recordings that are odd, but recordings


def test_truncated_recordings_are_read_with_a_warning_or_refused(tmp_path, good):
    signal, rate = soundfile.read(good)
    for form in ("wav", "flac", "mp3", "ogg"):
        path = save(tmp_path / f"cut.{form}", np.tile(signal, 3), rate)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        done = affekt(path, status=0)
        assert f"warning: {path}: is truncated; only " in done.stderr
        assert done.stdout.startswith(f"{path}: 0:0")


def test_a_truncated_m4a_is_refused(tmp_path):
    path = tmp_path / "cut.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[:-200])
    assert "cut.m4a: is truncated, and what is left cannot be read" in affekt(path, status=1).stderr


QUIET = {
    "silence": np.zeros(RATE),
    "ten milliseconds": np.zeros(160),
    "one sample": np.zeros(1),
    "a constant": np.full(RATE, 0.5),
    "eight channels": np.zeros((RATE, 8)),
}


@pytest.mark.parametrize("case", QUIET)
def test_recordings_without_speech_say_so(tmp_path, case):
    done = affekt(save(tmp_path / "a.wav", QUIET[case]), status=0)
    assert "no speech" in done.stdout
    assert not done.stderr
    document = json.loads(affekt(tmp_path / "a.wav", "--format", "json", status=0).stdout)
    assert document["results"][0]["segments"] == []


def test_clipping_is_told_and_fails_nothing(tmp_path, good):
    signal, rate = soundfile.read(good)
    path = save(tmp_path / "clipped.wav", np.clip(signal * 40 / np.abs(signal).max(), -1, 1), rate)
    done = affekt(path, status=0)
    assert f"warning: {path}: is clipped; " in done.stderr
    assert "% of its samples are at full scale. Record it less loud." in done.stderr
    assert "in all: " in done.stdout
    normalised = save(tmp_path / "loud.wav", signal / np.abs(signal).max(), rate)
    assert not affekt(normalised, status=0).stderr


@pytest.mark.parametrize("rate", [4000, 384_000])
def test_the_lowest_and_the_highest_rates(tmp_path, rate):
    assert ": 0:01.0 long" in affekt(save(tmp_path / "a.wav", rate=rate), status=0).stdout


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_samples_that_are_no_numbers(tmp_path, bad, channels, rate):
    signal = np.zeros((rate, channels), np.float32)
    signal[rate // 2] = bad if channels == 1 else [bad, -bad if np.isinf(bad) else bad]
    done = affekt(save(tmp_path / "a.wav", signal, rate, subtype="FLOAT"), status=1)
    assert done.stderr == (
        f"error: {tmp_path}/a.wav: holds NaN, infinite or absurd samples, the first at 0.500 s. Export it again.\n"
    )


def long_silence(path: Path, hours: int) -> Path:
    """A wav of many hours that takes no room on the disk."""
    size = hours * 3600 * RATE * 2
    path.write_bytes(wav(data=b"", data_size=size, riff_size=36 + size))
    os.truncate(path, 44 + size)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for its memory")
def test_three_hours_in_little_memory(tmp_path):
    path = long_silence(tmp_path / "a.wav", 3)
    code = (
        "import sys; from click.testing import CliRunner; from affekt.cli import main\n"
        "print(CliRunner().invoke(main, ['predict', sys.argv[1]]).stdout)\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120, check=True)
    assert "a.wav: 3:00:00.0 long, 0:00.0 of speech" in done.stdout
    # kB of this process alone (ru_maxrss begins at its parent's); the samples are 346 MB as they lie in the file.
    assert int(done.stdout.split()[-1]) < 200_000


def test_a_duration_that_is_a_lie(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, RATE), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = bytearray(path.read_bytes())
    length = content.index(b"mdhd") + 20
    content[length : length + 4] = (0x7FFFFFFF).to_bytes(4, "big")
    path.write_bytes(content)
    started = time.perf_counter()
    done = affekt(path, status=0)
    assert time.perf_counter() - started < 5
    assert "a.m4a: 0:01." in done.stdout


# ---- Names

NAMES = [
    "with spaces.wav",
    "two\nlines.wav",
    "-r.wav",
    "--help",
    "ünïcödé 🎤.wav",
    b"\xff\xfe.wav",
    "a\x1b[31mred.wav",
    "[x]*?.wav",
]


@pytest.mark.parametrize("name", NAMES, ids=repr)
@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "rttm", "srt"])
def test_names_of_any_kind(tmp_path, monkeypatch, name, form):
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(name)
    Path(name).write_bytes(wav(data=bytes(3200)))
    done = affekt("--format", form, "--", name, status=0)
    if form != "csv":  # whose fields are as they are
        assert "\x1b" not in done.stdout
    if form in ("json", "jsonl"):
        assert ("help" if "help" in name else ".wav") in str(json.loads(done.stdout))
    Path("out").mkdir()
    if form != "table":
        affekt("--format", form, "--output", "out", "--", name, status=0)
        assert len(os.listdir("out")) == 1
    assert "no such file" in affekt("--", f"no{name}", status=1).stderr.replace("matches this pattern", "no such file")


def test_a_leading_dash_without_the_two_dashes_is_an_unknown_option():
    assert "No such option '-x'" in affekt("-x.wav", status=2).stderr


# ---- Places


def test_a_device_and_a_named_pipe_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", "/dev/null", tmp_path / "pipe"):
        assert "is not a plain file. Send what it gives to standard input" in affekt(path, status=1).stderr
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert "is not a plain file" in affekt(tmp_path / "s", status=1).stderr


def test_standard_input_of_every_kind(good):
    with open("/dev/zero", "rb") as zeros:
        assert b"standard input: is not a recording" in process("-", stdin=zeros, stdout=subprocess.PIPE).stderr
    assert b"is empty (0 bytes)" in process("-", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stderr
    done = process("-", input=good.read_bytes(), stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert done.stdout.startswith(b"standard input: 0:0")
    closed = process("-", stdout=subprocess.PIPE, preexec_fn=lambda: os.close(0))
    assert closed.returncode == 2
    assert b"standard input brings no recording; use it as in: affekt predict - <" in closed.stderr


AS_NOBODY = """
import os, sys
from click.testing import CliRunner
from affekt.cli import main
arguments = ["predict", sys.argv[1], "-r", "--format", "jsonl"]
CliRunner().invoke(main, arguments)  # loads all there is to load, which nobody may not be allowed to
if os.geteuid() == 0:
    os.setuid(65534)
main(arguments)
"""


def test_a_file_and_a_folder_that_may_not_be_read(good):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        for name in "ab":
            shutil.copy(good, folder / f"{name}.wav")
        (folder / "closed").mkdir()
        (folder / "a.wav").chmod(0)
        (folder / "closed").chmod(0)
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, place], capture_output=True, text=True, check=False)
        (folder / "closed").chmod(0o755)
    assert done.returncode == 1
    assert f"error: {place}/a.wav: cannot be opened (Permission denied)." in done.stderr
    assert f"error: {place}/closed: Permission denied." in done.stderr
    assert "2 of 3 inputs failed; the others were written." in done.stderr
    assert [json.loads(line)["source"] for line in done.stdout.splitlines()] == [f"{place}/b.wav"]


def test_links_that_lead_in_circles(tmp_path, good):
    (tmp_path / "round").mkdir()
    (tmp_path / "round" / "again").symlink_to("..")
    (tmp_path / "self.wav").symlink_to("self.wav")
    done = affekt(tmp_path, "-r", "--format", "jsonl", status=1)
    assert len(done.stdout.splitlines()) == 1
    assert "self.wav: cannot be opened (Too many levels of symbolic links)" in done.stderr


# ---- Playlists: no other file and no address may be opened

PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:1.0,\n{}\n#EXT-X-ENDLIST\n",
    "m3u": "#EXTM3U\n{}\n",
    "ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "pls": "[playlist]\nFile1={}\nNumberOfEntries=1\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("name", ["list.m3u8", "list.wav", "list.mp4", "list.ffconcat", "list"])
def test_playlists_are_not_followed(tmp_path, kind, name):
    secret = save(tmp_path / "secret.wav")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for target in (secret, "secret.wav", f"file:{secret}", f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"):
            (tmp_path / name).write_text(PLAYLISTS[kind].format(target))
            done = affekt(tmp_path / name, status=1)
            assert f"{name}: is a playlist, and affekt does not follow it; name the recordings it lists" in done.stderr
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_playlist_behind_other_words_is_no_recording_either(tmp_path):
    text = f"\ufeff\n\n#EXTM3U\n#EXTINF:1,\n{save(tmp_path / 'secret.wav')}\n"
    (tmp_path / "a.wav").write_text(text, encoding="utf-8")
    affekt(tmp_path / "a.wav", status=1)
    (tmp_path / "a.sdp").write_text("v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n")
    assert "is not a recording" in affekt(tmp_path / "a.sdp", status=1).stderr


# ---- Many recordings, some of them broken


#: Bytes on which a parser raised what nobody had thought of: numbers of a header that went into a seek.
HEADERS = {
    "size.mkv": bytes.fromhex("1a45dfa300") + b"\xff" * 8 + bytes(64),
    "box.mp4": struct.pack(">I4s", 16, b"ftyp") + b"isommp42" + struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1) + bytes(64),
    "chunk.caf": b"caff\0\1\0\0" + b"desc" + struct.pack(">q", 2**62) + bytes(64),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_file_on_which_a_parser_breaks_costs_the_others_nothing(tmp_path, good, name):
    (tmp_path / "sound").mkdir()
    shutil.copy(good, tmp_path / "sound" / "good.wav")
    (tmp_path / "sound" / name).write_bytes(HEADERS[name])
    done = affekt("--format", "csv", tmp_path / "sound", status=1)
    assert "good.wav" in done.stdout and name in done.stderr


def test_whatever_reading_raises_is_the_failure_of_that_file():
    class Strange(io.BytesIO):
        name = "strange.wav"

        def seek(self, *_):
            raise OverflowError("Python int too large to convert to C long")

    from affekt.errors import AudioError
    from affekt.speech.audio import read

    with pytest.raises(AudioError, match="strange.wav: cannot be read .*OverflowError"):
        read(Strange(b"RIFF"))


@pytest.fixture
def folder(tmp_path, good):
    """Two good recordings around a broken one."""
    place = tmp_path / "folder"
    place.mkdir()
    shutil.copy(good, place / "a.wav")
    (place / "b.wav").write_text("no sound " * 100)
    shutil.copy(good, place / "c.wav")
    return place


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "rttm"])
@pytest.mark.parametrize("jobs", [1, 3])
def test_one_broken_recording_among_good_ones(folder, form, jobs):
    done = affekt(folder, "--format", form, "--jobs", jobs, status=1)
    assert f"error: {folder}/b.wav: is not a recording that can be read" in done.stderr
    assert done.stderr.endswith("1 of 3 inputs failed; the others were written.\n")
    if form == "json":
        names = [result["source"] for result in json.loads(done.stdout)["results"]]
    elif form == "jsonl":
        names = [json.loads(line)["source"] for line in done.stdout.splitlines()]
    elif form == "csv":
        names = list(dict.fromkeys(row["source"] for row in csv.DictReader(io.StringIO(done.stdout))))
    else:
        names = [f"{folder}/{c}.wav" for c in "abc" if f"{folder}/{c}.wav" in done.stdout]
    assert names == [f"{folder}/a.wav", f"{folder}/c.wav"]


@pytest.mark.parametrize("form", ["srt", "audacity", "textgrid", "json", "csv"])
def test_one_file_each_for_the_good_ones(folder, tmp_path, form):
    (tmp_path / "out").mkdir()
    affekt(folder, "--format", form, "-o", tmp_path / "out", status=1)
    assert sorted(p.stem for p in (tmp_path / "out").iterdir()) == ["a", "c"]


def test_the_same_recording_twice_is_worked_on_once(good, monkeypatch):
    monkeypatch.chdir(good.parent)
    done = affekt(good, "good.wav", "./good.wav", "--format", "jsonl", status=0)
    assert len(done.stdout.splitlines()) == 1


def test_recordings_of_one_name_do_not_overwrite_each_other(tmp_path, good):
    (tmp_path / "other").mkdir()
    shutil.copy(good, tmp_path / "other" / "good.wav")
    (tmp_path / "out").mkdir()
    affekt(good, tmp_path / "other", "--format", "srt", "-o", tmp_path / "out", status=0)
    assert sorted(os.listdir(tmp_path / "out")) == ["good-2.srt", "good.srt"]


# ---- Output


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "srt"])
def test_a_full_disk_behind_standard_output(good, form):
    with open("/dev/full", "wb") as full:
        done = process(str(good), "--format", form, stdout=full)
    assert done.returncode == 1
    assert done.stderr == b"error: output: No space left on device.\n"


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_output_to_a_device_is_written_not_replaced(tmp_path, good, form):
    # A link: were it replaced after all, the machine would keep its /dev/full.
    (tmp_path / "full").symlink_to("/dev/full")
    assert "No space left on device" in affekt(good, "--format", form, "-o", tmp_path / "full", status=1).stderr
    assert (tmp_path / "full").is_symlink()
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    affekt(good, "--format", form, "-o", tmp_path / "link", status=0)
    assert (tmp_path / "link").is_symlink()
    assert "good.wav" in (tmp_path / "real").read_text()


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "rttm"])
def test_a_disk_that_fills_up_leaves_nothing_half_written(tmp_path, good, form):
    for i in range(12):
        (tmp_path / f"{i:02} {'long name ' * 15}.wav").hardlink_to(good)
    output = tmp_path / "out.txt"
    output.write_text("old\n")
    limit = 2500 if form != "jsonl" else 9000

    def shrink() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = process(str(tmp_path), "--format", form, "-o", str(output), stdout=subprocess.PIPE, preexec_fn=shrink)
    assert done.returncode == 1
    assert b"error: output: File too large.\n" in done.stderr
    if form == "jsonl":
        assert output.read_text().endswith("}\n")
        assert 1 <= len([json.loads(line) for line in output.read_text().splitlines()]) < 13
    else:
        assert output.read_text() == "old\n"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_a_reader_that_has_seen_enough_is_no_error(folder):
    with subprocess.Popen([*AFFEKT, str(folder / "a.wav"), str(folder / "c.wav"), "--format", "jsonl"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:  # fmt: skip
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(30) == 0


def test_a_recording_is_never_overwritten_by_its_result(good):
    before = good.read_bytes()
    done = affekt(good, "--format", "json", "-o", good, status=2)
    assert "is one of the recordings and would be overwritten; give another file." in done.stderr
    assert good.read_bytes() == before


# ---- Wrong usage

USAGE = {
    "nothing": ([], "Missing argument 'PATH...'"),
    "format": (["a.wav", "--format", "jsn"], "'jsn' is not one of 'table', 'json', 'jsonl'"),
    "option": (["a.wav", "--fromat", "json"], "No such option '--fromat'"),
    "jobs": (["a.wav", "--jobs", "0"], "0 is not in the range 1<=x<=64"),
    "label": (["a.wav", "--labels", "angri,sad"], "unknown label 'angri': did you mean 'angry'? Allowed: angry, calm"),
    "one label": (["a.wav", "--labels", "angry"], "at least two labels are needed"),
    "twice": (["a.wav", "--labels", "x=sad,y=sad"], "stands in two groups"),
    "model": (["a.wav", "--model", "voise"], "unknown model 'voise': did you mean 'voice'? Allowed:"),
    "table": (["a.wav", "-o", "x.txt"], "--output x.txt: its ending says no format; give --format, or a name in"),
    "no folder": (["a.wav", "--format", "csv", "-o", "no/x.csv"], "there is no folder no; make it first."),
    "no plot folder": (["a.wav", "--plot", "no/x.png"], "there is no folder no; make it first."),
    "srt": (["a.wav", "b.wav", "--format", "srt"], "srt holds one recording, and there are 2: give --output"),
    "srt file": (["a.wav", "b.wav", "--format", "srt", "-o", "x.srt"], "give --output FOLDER/."),
    "plot": (["a.wav", "b.wav", "--plot", "x.png"], "for 2 recordings give a folder: --plot FOLDER/."),
    "plot form": (["a.wav", "--plot", "x.doc"], "--plot x.doc: allowed are .png, .svg and .pdf, or a FOLDER/."),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_is_2_and_says_what_is_allowed(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "b.wav"):
        save(Path(name), np.zeros(1600))
    arguments, sentence = USAGE[case]
    assert sentence in " ".join(affekt(*arguments, status=2).stderr.split())
    assert sorted(os.listdir()) == ["a.wav", "b.wav"]


def test_a_model_that_is_no_model(tmp_path, good):
    (tmp_path / "x.onnx").write_bytes(b"hello")
    done = affekt(good, "--model", tmp_path / "x.onnx", status=2)
    assert "x.onnx: is not an ONNX file" in done.stderr
    assert "no such" in affekt(good, "--model", "no.onnx", status=2).stderr


# ---- Ctrl-C


def started(*arguments, **options) -> subprocess.Popen:
    return subprocess.Popen([*AFFEKT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_complete_records(tmp_path, good, jobs):
    place, output = tmp_path / "many", tmp_path / "out.jsonl"
    place.mkdir()
    for i in range(3):
        (place / f"a{i}.wav").hardlink_to(good)
    for i in range(4):
        long_silence(place / f"b{i}.wav", 12)
    with started(str(place), "--format", "jsonl", "-o", str(output), "--jobs", jobs) as child:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and (not output.exists() or output.read_bytes().count(b"\n") < 2):
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, errors = child.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert child.returncode == 130
    assert errors == b"error: interrupted.\n"
    assert output.read_text().endswith("}\n")
    assert 2 <= len([json.loads(line) for line in output.read_text().splitlines()]) <= 3


def test_ctrl_c_while_reading_standard_input(good):
    with started("-", stdin=subprocess.PIPE) as child:
        # More than a pipe holds: when this returns, somebody reads at the other end.
        child.stdin.write(good.read_bytes() * 20)
        child.stdin.flush()
        time.sleep(0.3)  # until it waits for more
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
        assert child.stderr.read() == b"error: interrupted.\n"
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
