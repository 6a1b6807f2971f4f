"""What the server says of answers, models and sessions, in the languages of the page: each sentence is in its table."""

import ast
import contextlib
import io
import itertools
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

import affekt
from affekt.attendance import LAW
from affekt.attendance.liveness import Liveness
from affekt.attendance.session import STATUSES
from affekt.errors import AudioError, ImageError
from affekt.explain.attribution import Attribution
from affekt.face.image import read_picture
from affekt.face.quality import RATING as FACES
from affekt.face.sightings import ENROLMENT, LOOK, gate_problems
from affekt.face.video import Video
from affekt.models.onnx import read_card
from affekt.plot.colours import LABEL_COLOURS
from affekt.recognize.fusion import disagreement
from affekt.server.predict import ProgressTrace
from affekt.server.refusals import Refusal
from affekt.server.settings import STORED
from affekt.server.slots import Slots
from affekt.server.uploads import Upload
from affekt.speech.audio import read
from affekt.speech.quality import RATING as VOICES
from affekt.text.stream import RATING as WORDS
from affekt.timeline.quality import Rating
from affekt.types import Prediction
from tests.test_web_page import CHROMIUM, PATIENCE, QUIET, sync_api

SOURCE = Path(affekt.__file__).parent
LANGUAGES = ("de", "fr", "es")
#: Sentences of which the code has the parts in another order, or which are the page's own.
SAID_IN_PARTS = (
    "refused.cancelled",
    *(f"refused.busy.{what}{whose}" for what in ("requests", "jobs", "streams") for whose in ("", ".yours")),
    "warning.cut.promised",
    "warning.cut",
    "warning.silent",
    "warning.blind",
)
#: Where models get what they are not for; found in the source, as training needs torch.
CARDS = {
    "recognize/adopt.py": ("ADOPTED",),
    "train/face/run.py": ("LIMITS",),
    "train/face/yolo_run.py": ("LIMITS",),
    "train/lab/encoder_learner.py": ("LIMITS",),
    "train/lab/model.py": ("LIMITS",),
    "train/text/run.py": ("LIMITS", "NOTICE"),
    "train/voice/run.py": ("LIMITS", "WHISPER", "UNCALIBRATED"),
}


def reasons():
    """Why an answer is weak, for values of all sizes."""
    for rating in (VOICES, FACES, WORDS):
        for measure, value in itertools.product(rating.measures.values(), (0.0, 0.004, 0.3, 1.0, 2.4, 38.0, 3400.0)):
            yield measure.words(value)
        yield rating.ambiguous
    yield Rating({}).ambiguous


def contradictions():
    for labels in itertools.permutations(sorted(LABEL_COLOURS), 3):
        given = zip(("speech", "face", "text"), labels, strict=True)
        yield disagreement({name: Prediction(0, 1, {label: 1.0}, modality=name) for name, label in given})


def limits():
    """What the shipped models say they are not for, and what models that are trained or adopted here will say."""
    for path in sorted((SOURCE / "models" / "weights").glob("*.onnx")):
        card = read_card(path)
        if card.task == "emotion":
            yield from card.limits
    for name, wanted in CARDS.items():
        tree = ast.parse((SOURCE / name).read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in wanted:
                yield from flat(ast.literal_eval(node.value))


def flat(found):
    if isinstance(found, str):
        return [found]
    return [words for part in (found.values() if isinstance(found, dict) else found) for words in flat(part)]


def maps():
    for values in (np.zeros((2, 2)), np.array([[np.nan, 1.0]])):
        yield f"no map: {Attribution(values, 'occlusion', 'happy').trouble}"


def attendance():
    yield from (*STATUSES, "not seen yet", LAW, "not sure yet", "the session is still running")
    yield "the session was ended at 09:39, before its end"
    yield "the window is 2026-03-29 09:30 to 10:00 Europe/Berlin; nothing is looked at before."
    yield from (f"waits for a sign of life: {Liveness(sign).ask}" for sign in ("blink", "turn", "any"))
    poor = {"size": 9, "sharpness": 0.0, "turn": 0.95, "tilt": 60, "light": 0.0, "visible": 0.1}
    for gate in (ENROLMENT, LOOK):
        problems = gate_problems(poor, gate)
        assert len(problems) == len(gate)
        yield from (*problems, "; ".join(problems))


def failures():
    """Why a file cannot be read, as the page gets it: without the name, which stands before it."""
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(16_000, np.float32), 16_000, "PCM_16", format="WAV")
    whole = sound.getvalue()
    contents = {
        "empty": b"", "garbage": b"garbage" * 99, "playlist": b"#EXTM3U\nx.wav\n", "head": whole[:30],
        "none": whole[:44], "heic": b"\0\0\0\x18ftypheic" + bytes(40), "sound": whole,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for (name, content), reader in itertools.product(contents.items(), (read, read_picture, list_frames)):
            path = Path(folder) / name
            path.write_bytes(content)
            try:
                reader(path)
            except (AudioError, ImageError) as error:
                yield str(error).removeprefix(f"{path}: ")


def list_frames(path):
    with contextlib.ExitStack() as stack:
        return list(Video(path, stack).frames())


def refusals():
    """What a server says that has no room, and in which a request is too long."""
    for share, client in ((0.5, "me"), (1.0, "you")):
        slots = Slots(2, "requests", share=share)
        with slots.one("me"), contextlib.ExitStack() as stack:
            if share == 1.0:
                stack.enter_context(slots.one("me"))
            with pytest.raises(Refusal) as found:
                slots.check(client)
            yield found.value.reason
    for instead in ("", "; POST /v1/jobs takes up to 21600 s"):
        with pytest.raises(Refusal) as found:
            ProgressTrace(Upload("a.wav", io.BytesIO(), 0), 60.0, lambda share: None, instead=instead).check(61.0)
        yield found.value.reason.removeprefix("a.wav: ")


SENTENCES = {
    "reasons": reasons, "contradictions": contradictions, "limits": limits, "maps": maps, "attendance": attendance,
    "notice": lambda: [STORED], "failures": failures, "refusals": refusals,
}  # fmt: skip


@pytest.fixture(scope="module")
def page():
    """The modules of the page, without a server."""
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        made = chromium.new_page()
        made.route("http://page.test/**", lambda route: route.fulfill(**answered(route.request.url)))
        made.goto("http://page.test/")
        yield made
        chromium.close()


def answered(url):
    path = SOURCE / "web" / url.rpartition("/")[2]
    return {"path": str(path)} if path.is_file() else {"body": "<!doctype html>", "content_type": "text/html"}


TRANSLATED = """async ([language, sentences]) => {
  const [{ setLanguage }, { isForeign, translated }] = await Promise.all(
    ["strings", "said"].map((name) => import(`http://page.test/${name}.js`)));
  setLanguage(language);
  return sentences.map((words) => [translated(words), isForeign(words)]);
}"""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", SENTENCES)
def test_whatever_the_server_says_is_said_in_the_language_of_the_page(page, kind, language):
    sentences = list(dict.fromkeys(filter(None, SENTENCES[kind]())))
    assert sentences
    told = page.evaluate(TRANSLATED, [language, sentences])
    assert [words for words, (_, foreign) in zip(sentences, told, strict=True) if foreign] == []
    assert not [words for words, _ in told if "{" in words or "undefined" in words]


def test_failures_refusals_and_warnings_of_the_table_are_those_of_the_code():
    table = (SOURCE / "web" / "strings.js").read_text(encoding="utf-8")
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py")))
    source = re.sub(r'"\s+f?"', "", source)  # one sentence, over several lines
    for key, words in re.findall(r'"said\.((?:file|refused|warning)\.[\w.]+)": \{ en: "(.+?)", de:', table):
        if key in SAID_IN_PARTS:
            continue
        parts = [part.rstrip(" (.") for part in re.split(r"\{\w+\}|\. |[:;] ", words)]
        assert all(part in source for part in parts), key


def test_what_is_filled_in_is_kept_and_labels_are_translated(page):
    sentences = [
        "noise or echo: the speech is 7 dB above it",
        "voice angry, face happy",
        'happy rests on "glad" (+1.2); against it: "not" (-0.3).',
        "nobody knows this sentence",
    ]
    told = [words for words, _ in page.evaluate(TRANSLATED, ["de", sentences])]
    assert told == [
        "Rauschen oder Hall: die Sprache liegt 7 dB darüber",
        "Stimme wütend, Gesicht fröhlich",
        'fröhlich beruht auf "glad" (+1.2); dagegen: "not" (-0.3).',
        "nobody knows this sentence",
    ]
    assert [foreign for _, foreign in page.evaluate(TRANSLATED, ["de", sentences])] == [False, False, False, True]
    assert [words for words, _ in page.evaluate(TRANSLATED, ["en", sentences])] == sentences
