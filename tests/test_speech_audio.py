"""Reading recordings: every format, rate, channel count and kind of source gives the truth, in bounded memory."""

import io
import os
import struct
import subprocess
import sys
import tracemalloc
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from affekt.errors import AudioError, AudioWarning, InputError
from affekt.speech.audio import EXTENSIONS, blocks, read

RATE = 16_000


def tones(rate: int = RATE, seconds: float = 1.5) -> np.ndarray:
    """Two sines that swell, so that a shift or a wrong gain shows; float64 (n,)."""
    time = np.arange(int(rate * seconds)) / rate
    swell = 0.5 + 0.4 * np.sin(2 * np.pi * 1.3 * time)
    return swell * (0.5 * np.sin(2 * np.pi * 310 * time) + 0.3 * np.sin(2 * np.pi * 877 * time))


def write_av(path, codec: str, signal: np.ndarray, *, rate: int = 48_000, video: bool = False, **options: str) -> None:
    """Write mono float (n,) with PyAV, as a phone or a browser would."""
    with av.open(str(path), "w", options=options) as container:
        if video:
            pictures = container.add_stream("mpeg4", rate=10)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=rate, layout="mono")
        if video:
            for i in range(int(10 * len(signal) / rate)):
                image = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * i % 255, np.uint8))
                image.pts, image.time_base = i, Fraction(1, 10)
                container.mux(pictures.encode(image))
            container.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray((signal * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def likeness(heard: np.ndarray, truth: np.ndarray, slack: int) -> float:
    """Correlation at the best shift of up to ``slack`` samples either way."""
    n = 1 << (len(heard) + len(truth)).bit_length()
    products = np.fft.irfft(np.fft.rfft(heard, n) * np.conj(np.fft.rfft(truth, n)))
    shift = max(range(-slack, slack + 1), key=lambda s: products[s])
    heard, truth = heard[max(0, shift) :], truth[max(0, -shift) :]
    n = min(len(heard), len(truth))
    return float(np.corrcoef(heard[:n], truth[:n])[0, 1])


SUBTYPES = {
    "PCM_U8": 1 / 100, "PCM_16": 1e-4, "PCM_24": 1e-6, "PCM_32": 1e-6, "FLOAT": 1e-6, "DOUBLE": 1e-6,
    "ULAW": 0.04, "ALAW": 0.04, "IMA_ADPCM": 0.1, "MS_ADPCM": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_wav_of_every_subtype_is_the_truth(tmp_path, subtype):
    truth = tones()
    soundfile.write(tmp_path / "a.wav", truth, RATE, subtype=subtype)
    audio = read(tmp_path / "a.wav")
    assert audio.signal.dtype == np.float32
    # Codecs with blocks fill up the last one.
    assert 0 <= len(audio.signal) - len(truth) < (1100 if "ADPCM" in subtype else 1)
    # ADPCM needs a moment to find its step.
    assert np.abs(audio.signal[: len(truth)] - truth)[200:].max() < SUBTYPES[subtype]


LOSSLESS = [
    ("WAVEX", "PCM_16"), ("WAVEX", "PCM_24"), ("WAVEX", "FLOAT"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"),
    ("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("AU", "PCM_16"), ("CAF", "PCM_24"), ("W64", "PCM_16"), ("RF64", "PCM_16"),
    ("CAF", "ALAC_16"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "subtype"), LOSSLESS)
def test_lossless_formats_are_the_truth(tmp_path, form, subtype):
    truth = tones()
    soundfile.write(tmp_path / "a", truth, RATE, format=form, subtype=subtype)
    signal = read(tmp_path / "a").signal
    assert len(signal) == len(truth)
    assert np.abs(signal - truth).max() < 1e-4


@pytest.mark.parametrize(("form", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")])
def test_lossy_formats_of_soundfile_sound_the_same(tmp_path, form, subtype):
    truth = tones()
    soundfile.write(tmp_path / "a", truth, RATE, format=form, subtype=subtype)
    signal = read(tmp_path / "a").signal
    # FFmpeg does not give the last block of Vorbis, 16 ms here.
    assert abs(len(signal) - len(truth)) <= (256 if subtype == "VORBIS" else 2)
    assert likeness(signal, truth, 2) > 0.99


CONTAINERS = [
    ("a.m4a", "aac", False), ("a.m4a", "alac", False), ("a.aac", "aac", False), ("a.webm", "libopus", False),
    ("a.mka", "libopus", False), ("a.mp4", "aac", True), ("a.mov", "pcm_s16le", True), ("a.mkv", "ac3", True),
    ("a.mkv", "flac", True), ("a.avi", "mp3", True), ("a.3gp", "aac", False), ("a.ts", "aac", True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "codec", "video"), CONTAINERS)
def test_what_phones_and_browsers_write(tmp_path, name, codec, video):
    truth = tones(48_000)
    write_av(tmp_path / name, codec, truth, video=video)
    signal = read(tmp_path / name, sampling_rate=48_000).signal
    # An encoder works in frames, and not every container says how much of the first and last one counts.
    assert -100 < len(signal) - len(truth) < 4500
    assert likeness(signal, truth, 4 if name.endswith(("m4a", "webm", "mp4", "mov")) else 2400) > 0.97


def test_the_names_a_folder_run_looks_for_are_those_we_can_read():
    assert {"wav", "flac", "ogg", "opus", "mp3", "m4a", "mp4", "mov", "mkv", "webm", "aiff"} <= EXTENSIONS


@pytest.mark.parametrize("rate", [4000, 8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000, 384_000])
def test_a_sine_stays_that_sine_at_every_rate(rate):
    seconds, frequency, amplitude = 2.0, 440.0, 0.6
    time = np.arange(int(rate * seconds)) / rate
    signal = read((amplitude * np.sin(2 * np.pi * frequency * time), rate)).signal
    assert abs(len(signal) - seconds * RATE) <= 2
    middle = signal[4000:-4000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    assert np.argmax(spectrum) * RATE / (1 << 18) == pytest.approx(frequency, abs=0.2)
    assert np.abs(middle).max() == pytest.approx(amplitude, rel=0.005)
    inside = np.arange(len(signal))[4000:-4000] / RATE
    assert np.abs(middle - amplitude * np.sin(2 * np.pi * frequency * inside)).max() < 0.005


def test_what_the_new_rate_cannot_hold_is_filtered_out_not_folded_back():
    time = np.arange(48_000) / 48_000
    assert np.abs(read((np.sin(2 * np.pi * 13_000 * time), 48_000)).signal[500:-500]).max() < 1e-3


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 8])
@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_channels_are_mixed_as_a_player_mixes_them(tmp_path, channels, form):
    """The centre counts as much as a side does in both ears, what is behind less, and the subwoofer nothing."""
    weights = {6: [1, 1, 1.414, 0, 0.708, 0.708], 8: [1, 1, 1.414, 0, 0.708, 0.708, 0.708, 0.708]}
    weight = np.array(weights.get(channels, [1] * channels), float)
    if channels == 4 and form == "FLAC":  # front and back, says its layout
        weight = np.array([1, 1, 0.708, 0.708])
    parts = np.stack([tones() * (i + 1) / channels for i in range(channels)], axis=1)
    soundfile.write(tmp_path / "a", parts, RATE, format=form, subtype="PCM_16")
    assert np.abs(read(tmp_path / "a").signal - parts @ (weight / weight.sum())).max() < 1e-3


class Pipe(io.RawIOBase):
    """A file that cannot seek and gives little at a time."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._rest.read(min(size, 1000) if size >= 0 else 1000)


@pytest.fixture(params=["wav", "m4a"])
def recording(request, tmp_path):
    """A recording for soundfile and one for PyAV."""
    path = tmp_path / f"a.{request.param}"
    if request.param == "wav":
        soundfile.write(path, tones(), RATE)
    else:
        write_av(path, "aac", tones(48_000))
    return path


def test_every_kind_of_source_gives_the_same(recording):
    truth = read(recording).signal
    content = recording.read_bytes()
    with recording.open("rb") as file:
        for source in (str(recording), content, bytearray(content), memoryview(content), io.BytesIO(content), file):
            assert np.array_equal(read(source).signal, truth)
        assert not file.closed
    assert np.array_equal(read(Pipe(content)).signal, truth)


def test_a_name_that_is_not_utf8(recording):
    other = Path(os.fsdecode(os.fsencode(recording.parent) + b"/\xff\xfe \xe9.bin"))
    other.write_bytes(recording.read_bytes())
    assert np.array_equal(read(other).signal, read(recording).signal)


@pytest.mark.parametrize("through", ["pipe", "file"])
def test_standard_input(recording, through):
    code = "from affekt.speech.audio import read; print(len(read('-').signal))"
    with recording.open("rb") as file:
        feed = {"input": recording.read_bytes()} if through == "pipe" else {"stdin": file}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, **feed)
    assert int(done.stdout) == len(read(recording).signal)


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "f2", "f4", "f8", ">i2", ">f4", "longdouble"]
)
def test_arrays_of_every_type(dtype):
    truth, dtype = tones(), np.dtype(dtype)
    if dtype.kind == "f":
        array = truth.astype(dtype)
    else:
        half = 2.0 ** (8 * dtype.itemsize - 1)
        array = (np.floor(truth * half) + (half if dtype.kind == "u" else 0)).astype(dtype)
    assert np.abs(read((array, RATE)).signal - truth).max() < (0.01 if dtype.itemsize == 1 else 5e-4)
    assert np.array_equal(read((np.stack([array, array], 1), RATE)).signal, read((array, RATE)).signal)


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_blocks_are_the_whole(tmp_path, rate):
    rng = np.random.default_rng(0)
    common = rng.uniform(-0.5, 0.5, 25 * rate)
    stereo = np.stack([common, common], 1) + rng.uniform(-0.1, 0.1, (25 * rate, 2))
    soundfile.write(tmp_path / "a.wav", stereo, rate)
    parts = list(blocks(tmp_path / "a.wav"))
    assert len(parts) > 2
    assert all(part.dtype == np.float32 and part.ndim == 1 for part in parts)
    assert np.array_equal(np.concatenate(parts), read(tmp_path / "a.wav").signal)
    array, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert np.abs(read((array, rate)).signal - np.concatenate(parts)).max() < 1e-6


def wav(data: bytes = b"", *, rate: int = RATE, channels: int = 1, promised: int | None = None) -> bytes:
    """A 16-bit wav file."""
    size = len(data) if promised is None else promised
    fmt = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    return (
        b"RIFF"
        + struct.pack("<I", min(36 + size, 0xFFFFFFFF))
        + b"WAVEfmt "
        + fmt
        + b"data"
        + struct.pack("<I", size)
        + data
    )


def test_three_hours_need_no_more_memory_than_three_minutes(tmp_path):
    sizes = {"short": 180 * RATE * 2, "long": 3 * 3600 * RATE * 2}
    for name, size in sizes.items():
        with (tmp_path / name).open("wb") as file:
            file.write(wav(promised=size))
            file.truncate(44 + size)
    peaks = []
    tracemalloc.start()
    for name, size in sizes.items():
        tracemalloc.reset_peak()
        assert sum(map(len, blocks(tmp_path / name))) == size // 2
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    # The long one alone would be 690 MB.
    assert peaks[1] < peaks[0] + 1e6
    assert peaks[1] < 30e6


def test_what_cannot_be_told_from_a_pipe_is_read_to_its_end():
    data = (tones() * 32767).astype("<i2").tobytes()
    for promised in (0, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFF000):
        assert len(read(wav(data, promised=promised)).signal) == len(tones())


def rest(path, share: float = 0.6) -> bytes:
    content = Path(path).read_bytes()
    return content[: int(len(content) * share)]


CUT = ["wav", "rf64", "w64", "aiff", "au", "caf", "flac", "ogg", "opus", "mp3"]


@pytest.mark.parametrize("form", CUT)
def test_a_truncated_recording_says_so(tmp_path, form):
    path, more = tmp_path / f"a.{form}", {"format": "OGG", "subtype": "OPUS"} if form == "opus" else {}
    soundfile.write(path, np.tile(tones(), 8), RATE, **more)
    read(path)  # whole: not a word (a warning would be an error here)
    path.write_bytes(rest(path))
    with pytest.warns(AudioWarning, match=r"a\.\w+: is truncated; only \d\.\d s .*can be read"):
        assert 2.5 < read(path).duration < 10


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.webm", {}), ("a.mka", {}), ("a.m4a", {"movflags": "faststart"}), ("a.aac", {}), ("a.avi", {})],
)
def test_a_truncated_recording_says_so_through_pyav(tmp_path, name, options):
    codec = "libopus" if name in ("a.webm", "a.mka") else "aac" if name != "a.avi" else "mp3"
    write_av(tmp_path / name, codec, np.tile(tones(48_000), 8), **options)
    read(tmp_path / name)
    (tmp_path / name).write_bytes(rest(tmp_path / name)[:-3])
    with pytest.warns(AudioWarning, match="is truncated; only"):
        assert 4 < read(tmp_path / name).duration < 10


def test_a_truncated_m4a_with_its_index_at_the_end_is_an_error(tmp_path):
    write_av(tmp_path / "a.m4a", "aac", tones(48_000))
    (tmp_path / "a.m4a").write_bytes(rest(tmp_path / "a.m4a"))
    with pytest.raises(AudioError, match=r"a\.m4a: is truncated, and what is left cannot be read"):
        read(tmp_path / "a.m4a")


def test_a_header_without_a_sample_left_is_an_error():
    with pytest.raises(AudioError, match=r"holds no samples|no sound is left"):
        read(wav(promised=32_000))


def test_every_start_of_a_recording_is_read_or_refused_in_words(recording):
    content = recording.read_bytes()
    for size in [*range(1, 64), *range(64, len(content), len(content) // 30)]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                assert len(read(content[:size]).signal)
                assert size < 60 or any("is truncated" in str(w.message) for w in caught)
            except AudioError as error:
                message = str(error)
            else:
                continue
            assert message.startswith(f"{size} bytes: ")


def test_damaged_recordings_never_crash(recording, recwarn):
    rng, content = np.random.default_rng(0), np.frombuffer(recording.read_bytes(), np.uint8)
    for _ in range(60):
        broken = content.copy()
        where = rng.integers(0, min(len(content), rng.choice([64, len(content)])), rng.integers(1, 30))
        broken[where] = rng.integers(0, 256, len(where))
        try:
            assert np.isfinite(read(broken.tobytes()).signal).all()
        except AudioError:  # in words; anything else is a crash
            continue


def test_floats_that_are_unscaled_integers_are_told():
    with pytest.warns(AudioWarning, match="its samples reach 20000, and full scale is 1; divide"):
        read((np.full(1000, 20_000.0), RATE))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, 3e38])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_that_are_no_numbers_are_refused_with_their_time(bad, dtype, recwarn):
    signal = np.zeros((RATE, 2), np.float64)
    signal[RATE // 2] = bad, -bad if np.isinf(bad) else bad
    with np.errstate(over="ignore"), pytest.raises(AudioError, match=r"NaN, infinite or absurd .* at 0\.500 s"):
        read((signal.astype(dtype), RATE))
    assert not recwarn.list


WRONG = {
    "shape": ((np.zeros((2, 2, 2)), RATE), r"shape \(2, 2, 2\).*allowed: \(n,\)"),
    "turned": ((np.zeros((2, 16_000)), RATE), "time goes first.*Transpose"),
    "complex": ((np.zeros(9, complex), RATE), "complex128.*real numbers"),
    "text": ((np.array(["a"]), RATE), "real numbers"),
    "swapped": ((RATE, np.zeros(9)), "samples first, then a number of hertz"),
    "alone": ((np.zeros(9),), "samples first"),
    "no rate": (np.zeros(9), r"a ndarray is not a recording: give .*\(array, rate\)"),
    "nothing": (None, "a NoneType is not a recording"),
    "text file": (io.StringIO("hello"), "open it in binary mode"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_source_is_refused_in_words(case):
    source, sentence = WRONG[case]
    with pytest.raises(InputError, match=sentence):
        read(source)


@pytest.mark.parametrize("rate", [0, -1, 3999, 768_001, float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(AudioError, match="allowed: 4000 to 768000 Hz"):
        read((np.zeros(100), rate))
    with pytest.raises(InputError, match=r"sampling_rate is .*allowed: 4000 to 768000 Hz"):
        read((np.zeros(100), RATE), sampling_rate=rate)


def test_nothing_to_hear_is_an_error():
    for source in ((np.zeros(0), RATE), (np.zeros((0, 2)), RATE), wav()):
        with pytest.raises(AudioError, match="holds no samples"):
            read(source)
    with pytest.raises(AudioError, match=r"is empty \(0 bytes\)"):
        read(b"")


def test_a_broadcast_that_changes_its_channels_is_read_on(tmp_path):
    parts = []
    for i, layout in enumerate(("mono", "stereo", "mono")):
        path = tmp_path / f"{i}.aac"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=48_000, layout=layout)
            channels = 1 if layout == "mono" else 2
            sound = np.tile((tones(48_000) * 32767).astype(np.int16), (channels, 1)).T.reshape(1, -1).copy()
            frame = av.AudioFrame.from_ndarray(sound, format="s16", layout=layout)
            frame.sample_rate, frame.pts = 48_000, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        parts.append(path.read_bytes())
    assert read(b"".join(parts)).duration == pytest.approx(4.5, abs=0.2)


def test_a_file_of_the_callers_stays_open_and_a_path_does_not(recording):
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(3):
        next(blocks(recording))
        read(recording)
    after = len(os.listdir("/proc/self/fd")) if before else 0
    assert after == before
