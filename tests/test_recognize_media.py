"""One clock for voice and faces: who speaks, and what the lanes say together."""

import json
import subprocess
import sys
import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from affekt.errors import AffektError, AudioError, ImageWarning, InputError, TextError
from affekt.face.video import Frame
from affekt.models.zoo import load_model
from affekt.recognize.fusion import Pool
from affekt.recognize.media import OFF_CAMERA, MediaRecognizer, MouthMotion, SpeakerOptions, fused_lanes, who_speaks
from affekt.text.captions import Cue
from affekt.types import Prediction

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def said(label, start, end, *, modality="speech", who=None, quality=1.0):
    scores = {name: 0.7 if name == label else 0.05 for name in LABELS}
    return Prediction(start, end, scores, modality=modality, who=who, quality=quality)


def filmed(moves, *, seconds=4.0, rate=25, shake=False):
    """Mouths of two faces, measured: ``moves`` says of each at a time whether its mouth moves."""
    rng, mouths = np.random.default_rng(0), MouthMotion(0.2)
    still = rng.integers(60, 200, (120, 240, 3), dtype=np.uint8)
    faces = [Prediction(0, 0, {}, modality="face", who=f"face {i + 1}", box=(0.05 + 0.5 * i, 0.1, 0.4, 0.8))
             for i in range(2)]  # fmt: skip
    for number in range(round(seconds * rate)):
        time, pixels = number / rate, still.copy()
        for i, moving in enumerate(moves):
            if moving(time):
                left = 12 + 120 * i
                pixels[70:105, left + 20 : left + 76] = rng.integers(0, 255, (35, 56, 3))
        if shake:
            pixels = rng.integers(60, 200, pixels.shape, dtype=np.uint8)
        mouths.see(Frame(time, pixels), faces)
    return mouths


def test_the_voice_is_that_of_the_mouth_that_moves():
    mouths = filmed([lambda t: t < 2, lambda t: t >= 2])
    speech = [said("angry", 0.1, 1.9), said("sad", 2.1, 3.9)]
    assert who_speaks(speech, mouths, SpeakerOptions()) == ["face 1", "face 2"]


def test_a_voice_with_no_mouth_to_it_is_off_camera():
    mouths = filmed([lambda t: False, lambda t: False])
    assert who_speaks([said("angry", 0, 4)], mouths, SpeakerOptions()) == [OFF_CAMERA]
    # Chewing all the time: no more than when nobody speaks.
    mouths = filmed([lambda t: True, lambda t: False])
    assert who_speaks([said("angry", 0, 2)], mouths, SpeakerOptions()) == [OFF_CAMERA]
    shaken = filmed([lambda t: False, lambda t: False], shake=True)
    assert who_speaks([said("angry", 0, 4)], shaken, SpeakerOptions()) == [OFF_CAMERA]
    assert who_speaks([said("angry", 0, 4)], MouthMotion(0.2), SpeakerOptions()) == [None]


@pytest.fixture(scope="module")
def pool():
    return Pool(load_model("fusion"))


def test_lanes_are_cut_where_anything_changes_and_joined_where_nothing_does(pool):
    faces = [said("angry", 1, 3, who="face 1", modality="face"), said("sad", 0, 4, who="face 2", modality="face")]
    found = {"speech": [said("angry", 0.0, 2.0, who="face 1")], "face": faces}
    fused = fused_lanes(pool, found)
    assert [(p.who, p.start, p.end, p.best) for p in fused] == [
        ("face 1", 0.0, 3.0, "angry"),
        ("face 2", 0.0, 4.0, "sad"),
    ]
    assert fused[0].confidence > 0.7 and fused[1].confidence == pytest.approx(0.7, abs=1e-4)
    assert all(p.modality == "fusion" for p in fused)


def test_a_contradiction_is_said_and_not_averaged_away(pool):
    (fused,) = fused_lanes(pool, {"speech": [said("angry", 0, 2)], "face": [said("happy", 0, 2, modality="face")]})
    assert fused.reason == "voice angry, face happy"
    assert sorted(fused.scores, key=fused.scores.get)[-2:] in (["angry", "happy"], ["happy", "angry"])


def test_nothing_gives_nothing(pool):
    useless = said("happy", 0, 2, modality="face", quality=0.0)
    assert fused_lanes(pool, {"face": [useless]}) == []
    assert len(fused_lanes(pool, {"face": [useless], "speech": [said("sad", 0, 2)]})) == 1
    assert fused_lanes(pool, {"speech": [], "face": []}) == []


def film(path, *, sound, picture, words=()):
    """Two seconds of noise and of grey, with tracks of subtitles: (language, what is said from 0.2 to 1.5 s)."""
    with av.open(str(path), "w") as container:
        video = audio = None
        held = []
        tracks = [container.add_mux_stream("subrip") for _ in words]
        if picture:
            video = container.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        if sound:
            audio = container.add_stream("aac", rate=16_000, layout="mono")
        for track, (language, said) in zip(tracks, words, strict=True):
            track.metadata["language"] = language
            packet = av.Packet(said.encode())
            packet.stream, packet.time_base, packet.pts, packet.dts = track, Fraction(1, 1000), 200, 200
            packet.duration = 1300
            held.append(packet)
        for _ in range(20 if picture else 0):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 90, np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        if sound:
            noise = (0.01 * np.random.default_rng(0).normal(size=(1, 32_000))).astype(np.float32)
            for start in range(0, 32_000, 1024):
                frame = av.AudioFrame.from_ndarray(noise[:, start : start + 1024], format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 16_000, start
                container.mux(audio.encode(frame))
        for packet in held:
            container.mux(packet)
        for track in filter(None, (video, audio)):
            container.mux(track.encode())
    return path


def test_a_video_without_sound_or_without_a_picture_says_what_is_missing(tmp_path):
    recognizer = MediaRecognizer()
    for sound, picture, missing in ((True, False, "face"), (False, True, "voice"), (True, True, None)):
        path = film(tmp_path / f"{sound}{picture}.mp4", sound=sound, picture=picture)
        if missing:
            with pytest.warns(UserWarning, match=f"{missing}: the file has no (sound|pictures) that can be read"):
                result = recognizer.analyse(path)
        else:
            result = recognizer.analyse(path)
        assert result.duration == pytest.approx(2.0, abs=0.2)
        assert result.predictions == () and result.labels == LABELS and result.summary.modality == "fusion"
    (tmp_path / "no.mp4").write_bytes(b"no video at all" * 99)
    with pytest.raises(AffektError):
        recognizer.analyse(tmp_path / "no.mp4")
    with pytest.raises(InputError, match="face is a model of face, not of speech"):
        MediaRecognizer({"speech": "face"})


def run(*args):
    command = [sys.executable, "-m", "affekt", "predict", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_video_is_heard_and_seen_and_what_is_of_one_modality_asks_for_it(tmp_path):
    path = film(tmp_path / "a.mp4", sound=True, picture=True)
    done = run(path, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["model"] == "voice + face"
    assert "no speech" in run(path).stdout or "no face" in run(path).stdout
    assert json.loads(run(path, "--format", "json", "--modality", "speech").stdout)["results"][0]["model"] == "voice"
    assert json.loads(run(path, "--format", "json", "--modality", "face").stdout)["results"][0]["model"] == "face"
    assert json.loads(run(path, "--format", "json", "--one-speaker").stdout)["results"][0]["model"] == "voice"
    done = run(path, "--modality", "fusion", "--labels", "four")
    assert done.returncode == 2 and "--labels: is for one modality; name it" in done.stderr
    assert json.loads(run(path, "--format", "json", "--smoothing", "0").stdout)["results"][0]["model"] == "face"
    done = run(path, "--modality", "fusion", "--detector", "yunet")
    assert done.returncode == 2 and "--detector: is for one modality" in done.stderr
    done = run("webcam:0", "--explain", "--channel", "left")
    assert done.returncode == 2 and "--explain, --channel: is not for a camera" in done.stderr
    done = run(path, "--model", "voice", "--modality", "face")
    assert done.returncode == 2 and "voice is a model of speech, not of face" in done.stderr


def test_captions_beside_a_video_have_a_lane_and_go_into_the_pool(tmp_path):
    path = film(tmp_path / "a.mp4", sound=True, picture=True)
    (tmp_path / "a.srt").write_text("1\n00:00:00,200 --> 00:00:01,500\nI hate this, I am furious!\n")
    recognizer = MediaRecognizer()
    result = recognizer.analyse(path)
    lanes = {p.modality: p for p in result.predictions}
    assert set(lanes) == {"text", "fusion"} and result.model.endswith("+ text")
    assert (lanes["text"].start, lanes["text"].end, lanes["text"].best) == (0.2, 1.5, "angry")
    assert lanes["fusion"].scores == pytest.approx(lanes["text"].scores, abs=1e-4)  # one alone is believed as it is
    cues = [Cue(0.0, 1.0, "What a wonderful day!", "Ann"), Cue(0.0, 0.0, "Never said.")]
    with pytest.warns(UserWarning, match="captions without times are left out: 1 of 2"):
        given = recognizer.analyse(path, captions=cues)
    said = {(p.modality, p.who, p.best) for p in given.predictions}
    assert said == {("text", "Ann", "happy"), ("fusion", "Ann", "happy")}
    asked = recognizer.analyse(path, captions=lambda source: [Cue(0.5, 1.0, f"So sad. {source}"[:7])])
    assert next(p for p in asked.predictions if p.modality == "text").best == "sad"
    with pytest.raises(InputError, match="captions need a model of text"):
        MediaRecognizer({"speech": "voice"}).analyse(path, captions=cues)
    done = run(path, "--captions", tmp_path / "a.srt", "--modality", "speech")
    assert done.returncode == 2 and "--captions are of a video" in done.stderr


ANGRY, GLAD = "I hate this, I am furious!", "What a wonderful day!"


def words_of(result):
    return [(p.text, p.best) for p in result.predictions if p.modality == "text"]


def test_subtitles_inside_a_video_are_its_captions_unless_others_are_given(tmp_path):
    path = film(tmp_path / "a.mkv", sound=True, picture=True, words=[("deu", GLAD), ("eng", f"<i>{ANGRY}</i>")])
    recognizer = MediaRecognizer()
    result = recognizer.analyse(path)
    assert words_of(result) == [(ANGRY, "angry")] and result.model == "voice + face + text" and result.warnings == ()
    lanes = {p.modality: (p.start, p.end) for p in result.predictions}
    assert lanes == {"text": (0.2, 1.5), "fusion": (0.2, 1.5)}
    assert words_of(recognizer.analyse(path, captions="de")) == [(GLAD, "happy")]
    assert words_of(MediaRecognizer(captions="1").analyse(path)) == [(GLAD, "happy")]
    assert words_of(recognizer.analyse(path, captions=[Cue(0, 1, "So sad.")])) == [("So sad.", "sad")]
    assert words_of(recognizer.analyse(path, captions=())) == []
    assert words_of(MediaRecognizer({"speech": "voice"}).analyse(path)) == []
    with pytest.raises(TextError, match=r"has no subtitles 'fr'. There: 1 \(deu\); 2 \(eng\)"):
        recognizer.analyse(path, captions="fr")
    (tmp_path / "a.srt").write_text("1\n00:00:00,200 --> 00:00:01,500\nI am so sad and lonely.\n")
    assert words_of(recognizer.analyse(path))[0][1] == "sad"  # who puts a file beside a video means it


def test_a_video_with_nothing_but_subtitles_is_read(tmp_path):
    path = film(tmp_path / "a.mkv", sound=False, picture=False, words=[("eng", ANGRY)])
    with pytest.warns(UserWarning, match="that can be read"):
        result = MediaRecognizer().analyse(path)
    assert words_of(result) == [(ANGRY, "angry")] and result.duration == pytest.approx(1.5)
    with pytest.warns(UserWarning, match="that can be read"):
        result = MediaRecognizer().analyse(film(tmp_path / "b.mkv", sound=False, picture=True, words=[("eng", GLAD)]))
    assert words_of(result) == [(GLAD, "happy")]
    assert words_of(MediaRecognizer({"text": "text"}).analyse(path)) == [(ANGRY, "angry")]
    with pytest.raises(AudioError, match="it has no sound track"):  # a door slams, and that is all
        MediaRecognizer().analyse(film(tmp_path / "d.mkv", sound=False, picture=False, words=[("eng", "[door slams]")]))
    with pytest.raises(InputError, match="no modality is asked for"):
        MediaRecognizer({"text": "text"}).analyse(film(tmp_path / "c.mkv", sound=True, picture=True))


def test_captions_with_odd_times_and_of_an_old_encoding_are_put_right_and_said(tmp_path):
    path = film(tmp_path / "a.mp4", sound=True, picture=True)
    (tmp_path / "odd.srt").write_bytes(
        "1\n00:00:01,500 --> 00:00:00,200\nI hate this, I am furious!\n\n"
        "2\n00:00:01,000 --> 00:00:01,900\nWhat a wonderful day, señor!\n\n3\nnoon --> night\nNever.\n".encode("cp1252")
    )
    with pytest.warns(ImageWarning) as told:
        result = MediaRecognizer().analyse(path, captions=tmp_path / "odd.srt")
    assert [(p.start, p.end) for p in result.predictions if p.modality == "text"] == [(0.2, 1.5), (1.0, 1.9)]
    said = " ".join(result.warnings)
    for what in ("Windows-1252", "end before the start", "overlapping", "without a time", "left out: 1 of 3"):
        assert what in said, what
    assert len(told) == len(result.warnings)


def test_the_commands_captions_are_a_file_or_a_track_of_the_video(tmp_path):
    path = film(tmp_path / "a.mkv", sound=True, picture=True, words=[("deu", GLAD), ("eng", ANGRY)])
    (tmp_path / "b.vtt").write_text("WEBVTT\n\n00:00.200 --> 00:01.500\n<v Ann>So <i>sad</i>.\n")
    for given, said in (([], ANGRY), (["--captions", "de"], GLAD), (["--captions", tmp_path / "b.vtt"], "So sad.")):
        done = run(path, "--format", "json", *given)
        assert done.returncode == 0, done.stderr
        segments = json.loads(done.stdout)["results"][0]["segments"]
        assert [p["text"] for p in segments if p["modality"] == "text"] == [said]
    done = run(path, "--captions", tmp_path / "gone.srt")
    assert done.returncode == 2 and "gone.srt: no such file; allowed: a file (srt, vtt, csv)" in done.stderr


def test_a_video_is_stopped_between_two_pieces_and_both_readers_end(tmp_path):
    path, stop = film(tmp_path / "a.mp4", sound=True, picture=True), threading.Event()
    stop.set()
    before = threading.active_count()
    with pytest.raises(InterruptedError):
        MediaRecognizer().analyse(path, stop=stop)
    assert threading.active_count() <= before
