"""Every format is read back, by a small parser where Python has none."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import InputError, UnknownName
from affekt.timeline.summary import summaries, summarise
from affekt.types import Prediction
from affekt.write.predictions import ONE_RECORDING, SUFFIXES, WRITERS, Result

DOCS = Path(__file__).parents[1] / "docs"
SCHEMA = json.loads((DOCS / "predictions-2.schema.json").read_text(encoding="utf-8"))
LABELS = ("angry", "happy", "sad")

VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

NASTY = "=+-@\t\r\n\"',;\\ \x00\x1c\x85\u2028\udce9<>"
TEXT = st.text(st.sampled_from(NASTY) | st.characters(), max_size=20)  # surrogates included
TIMES = st.lists(st.floats(0, 20_000), min_size=0, max_size=12).map(sorted)


def result(source="a.wav", predictions=None, duration=4.0, labels=LABELS, warnings=()):
    if predictions is None:
        predictions = (
            Prediction(0.5, 1.5, {"angry": 0.1, "happy": 0.76, "sad": 0.14}, quality=0.8),
            Prediction(2.0, 3.25, {"angry": 0.2, "happy": 0.2, "sad": 0.6}),
        )
    scores = predictions[0].scores if predictions else {}
    return Result(source, duration, tuple(predictions), Prediction(0.0, duration, scores), "voice-1", labels, warnings)


def silent(source="quiet.wav"):
    return result(source, predictions=())


def written(name, *results):
    file = io.StringIO()
    WRITERS[name](results, file)
    file.getvalue().encode("utf-8")
    return file.getvalue()


@st.composite
def strange_results(draw):
    unique = st.lists(TEXT, min_size=1, max_size=30, unique_by=lambda t: t.encode("utf-8", "backslashreplace"))
    labels = tuple(draw(unique))
    times = draw(TIMES)
    predictions = []
    for start, end in pairwise(times):
        weights = draw(st.lists(st.floats(0.001, 1), min_size=len(labels), max_size=len(labels)))
        scores = {label: w / sum(weights) for label, w in zip(labels, weights, strict=True)}
        predictions.append(Prediction(start, end, scores if draw(st.booleans()) else {}))
    duration = max([*times, draw(st.floats(0, 20_000))])
    return result(draw(TEXT), predictions, duration, labels, (draw(TEXT),))


def lasting(results):
    """Labelled segments of at least a millisecond, as (start, end) in milliseconds."""
    times = [(round(1000 * p.start), round(1000 * p.end)) for p in results.predictions if p.label is not None]
    return [(start, end) for start, end in times if end > start]


# --- parsers ---------------------------------------------------------------------------------------


def milliseconds(text):
    assert re.fullmatch(r"\d+\.\d{3}(000)?", text), text
    return round(1000 * float(text))


def parse_srt(text):
    if not text:
        return []
    assert text.endswith("\n\n")
    cues = []
    for number, block in enumerate(text[:-2].split("\n\n"), start=1):
        index, times, words = block.split("\n")
        assert index == str(number)
        stamps = re.fullmatch(r"(\d\d+):(\d\d):(\d\d),(\d{3}) --> (\d\d+):(\d\d):(\d\d),(\d{3})", times).groups()
        h, m, s, ms, h2, m2, s2, ms2 = map(int, stamps)
        assert max(m, s, m2, s2) < 60
        cues.append((((h * 60 + m) * 60 + s) * 1000 + ms, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2, words))
    return cues


def parse_textgrid(text):
    """Tier name to (xmin, xmax, text) triples; read as Praat does: free-standing numbers and quoted strings."""
    tokens = re.findall(r'"(?:[^"]|"")*"|(?<![\w\[])\d+(?:\.\d+)?(?!\])\b', text)
    values = iter([t[1:-1].replace('""', '"') if t[0] == '"' else float(t) for t in tokens])
    assert next(values) == "ooTextFile" and next(values) == "TextGrid"
    assert next(values) == 0 and next(values) > 0
    tiers = {}
    for _ in range(int(next(values))):
        assert next(values) == "IntervalTier"
        name, low, high, size = next(values), next(values), next(values), int(next(values))
        intervals = [(round(1000 * next(values)), round(1000 * next(values)), next(values)) for _ in range(size)]
        assert intervals[0][0] == low and intervals[-1][1] == round(1000 * high)
        assert all(a < b for a, b, _ in intervals)
        assert all(x[1] == y[0] for x, y in pairwise(intervals))
        tiers[name] = intervals
    assert next(values, None) is None
    return tiers


def parse_rttm(text):
    rows = [line.split(" ") for line in text.split("\n")[:-1]]
    for row in rows:
        assert len(row) == 10 and row[0] == "SPEAKER" and row[2] == "1"
        assert (row[5], row[6], row[9]) == (row[7], "<NA>", "<NA>")
        assert row == " ".join(row).split()
    return [(row[1], milliseconds(row[3]), milliseconds(row[4]), row[7], float(row[8])) for row in rows]


# --- known answers ---------------------------------------------------------------------------------


def test_json_holds_every_field():
    document = json.loads(written("json", result(warnings=("clipped",)), silent()))
    VALIDATOR.validate(document)
    first, second = document["results"]
    assert document["schema"] == "affekt.predictions/2"
    keys = ["source", "model", "duration", "labels", "summary", "shares", "segments", "baseline", "warnings"]
    assert list(first) == keys
    assert first["segments"][0] == {
        "start": 0.5,
        "end": 1.5,
        "label": "happy",
        "confidence": 0.76,
        "quality": 0.8,
        "modality": "speech",
        "scores": {"angry": 0.1, "happy": 0.76, "sad": 0.14},
        "dimensions": {"valence": 0.476, "arousal": 0.409, "dominance": 0.328},
    }
    assert first["warnings"] == ["clipped"]
    assert second["segments"] == []
    abstains = {"start": 0, "end": 4, "label": None, "confidence": 0, "quality": 1, "scores": {}}
    assert second["summary"] == abstains


def test_the_example_in_the_documentation_is_what_is_written():
    text = (DOCS / "json-schema.md").read_text(encoding="utf-8")
    example = json.loads(re.search(r"```json\n(.*?)```", text, re.S).group(1))
    scores = {"happy": 0.75, "sad": 0.25}
    segment, summary = Prediction(0.5, 3.1, scores, quality=0.9), Prediction(0.0, 4.2, scores, quality=0.9)
    ours = Result("call.wav", 4.2, (segment,), summary, "voice-1", ("happy", "sad"))
    assert json.loads(written("json", ours)) == example
    VALIDATOR.validate(example)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.pop("summary"),
        lambda r: r["summary"].update(label=None),
        lambda r: r["summary"].update(scores={}),
        lambda r: r["segments"][0].pop("modality"),
        lambda r: r["segments"][0].update(confidence=1.5),
        lambda r: r.update(duration=-1),
    ],
)
def test_the_schema_refuses_what_is_wrong(change):
    document = json.loads(written("json", result()))
    change(document["results"][0])
    assert not VALIDATOR.is_valid(document)
    assert not VALIDATOR.is_valid({"schema": "affekt.predictions/1", "results": []})


def test_no_results_are_valid_json():
    VALIDATOR.validate(json.loads(written("json")))
    assert written("jsonl") == ""


def test_an_interrupted_jsonl_holds_only_complete_records():
    class Interrupted(Exception):
        pass

    def recordings():
        yield result("a.wav")
        yield silent("b.wav")
        raise Interrupted

    file = io.StringIO()
    with pytest.raises(Interrupted):
        WRITERS["jsonl"](recordings(), file)
    records = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [record["source"] for record in records] == ["a.wav", "b.wav"]
    for record in records:
        VALIDATOR.validate(record)
        assert "results" not in record


def test_csv_rows_and_columns():
    rows = list(csv.DictReader(io.StringIO(written("csv", result(), silent()))))
    fixed = ["source", "start", "end", "who", "label", "best", "confidence", "quality", "reason"]
    assert list(rows[0]) == [*fixed, *LABELS]
    assert list(rows[1].values()) == ["a.wav", "2.0", "3.25", "", "sad", "sad", "0.6", "1.0", "", "0.2", "0.2", "0.6"]
    assert list(rows[2].values()) == ["quiet.wav", "0.0", "4.0", "", "", "", "0.0", "1.0", "", "", "", ""]


def test_csv_names_no_two_columns_alike():
    p = Prediction(0.0, 1.0, {"text": 0.75, "start": 0.25}, text="So be it.")
    (row,) = csv.DictReader(io.StringIO(written("csv", result("a.txt", [p], labels=("text", "start")))))
    assert (row["text"], row["p_text"], row["start"], row["p_start"]) == ("So be it.", "0.75", "0.0", "0.25")


def test_csv_says_what_a_model_that_is_not_sure_would_guess_and_why():
    weak = Prediction(0, 1, {"angry": 0.4, "happy": 0.3, "sad": 0.3}, threshold=0.5, reason="noisy")
    (row,) = csv.DictReader(io.StringIO(written("csv", result("b.wav", [weak]))))
    assert (row["label"], row["best"], row["confidence"], row["reason"]) == ("unsure", "angry", "0.4", "noisy")


def test_csv_of_two_models_has_the_labels_of_both():
    other = result("b.wav", [Prediction(0, 1, {"calm": 1.0})], labels=("calm", "sad"))
    rows = list(csv.DictReader(io.StringIO(written("csv", result(), other))))
    assert list(rows[0])[9:] == ["angry", "happy", "sad", "calm"]
    assert rows[-1]["calm"] == "1.0" and rows[-1]["angry"] == ""


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20", " ="])
def test_csv_runs_no_formula(sign):
    evil = sign + 'HYPERLINK("http://example.org";"a")'
    rows = list(csv.reader(io.StringIO(written("csv", result(evil)), newline="")))
    assert rows[1][0] == "'" + evil


def test_csv_passes_no_escape_sequence_to_a_terminal():
    assert "\\x1b[31mred\\x07" in written("csv", result("\x1b[31mred\x07.wav"))


def test_srt_known_answer():
    assert written("srt", result()) == (
        "1\n00:00:00,500 --> 00:00:01,500\nhappy 76 %\n\n2\n00:00:02,000 --> 00:00:03,250\nsad 60 %\n\n"
    )
    assert written("srt", silent()) == ""


def test_srt_text_cannot_look_like_a_time_code():
    odd = result(predictions=[Prediction(0, 1, {"a --> b": 1.0})], labels=("a --> b",))
    assert parse_srt(written("srt", odd)) == [(0, 1000, "a -> b 100 %")]


def test_srt_beyond_an_hour_and_up_to_the_next_second():
    late = result(predictions=[Prediction(3599.9996, 7325.5, {"sad": 1.0})], duration=8000.0)
    assert "01:00:00,000 --> 02:02:05,500" in written("srt", late)


def test_audacity_known_answer():
    assert written("audacity", result()) == "0.500000\t1.500000\thappy\n2.000000\t3.250000\tsad\n"


def test_textgrid_fills_the_gaps():
    tiers = parse_textgrid(written("textgrid", result()))
    assert tiers["emotion"] == [
        (0, 500, ""),
        (500, 1500, "happy"),
        (1500, 2000, ""),
        (2000, 3250, "sad"),
        (3250, 4000, ""),
    ]
    assert [text for _, _, text in tiers["confidence"]] == ["", "0.76", "", "0.60", ""]
    assert parse_textgrid(written("textgrid", silent()))["emotion"] == [(0, 4000, "")]


def test_textgrid_of_overlapping_segments_stays_contiguous_and_inside():
    over = [Prediction(0, 2, {"sad": 1.0}), Prediction(1, 1.5, {"happy": 1.0}), Prediction(1, 5, {"angry": 1.0})]
    tiers = parse_textgrid(written("textgrid", result(predictions=over)))
    assert tiers["emotion"] == [(0, 2000, "sad"), (2000, 4000, "angry")]


def test_textgrid_doubles_quotes():
    odd = result(predictions=[Prediction(0, 4, {'so "sad"': 1.0})], labels=('so "sad"',))
    assert '"so ""sad"""' in written("textgrid", odd)


def test_rttm_known_answer_of_many_recordings():
    assert parse_rttm(written("rttm", result("my file.wav"), silent(), result("b"))) == [
        ("my_file.wav", 500, 1000, "happy", 0.76),
        ("my_file.wav", 2000, 1250, "sad", 0.6),
        ("b", 500, 1000, "happy", 0.76),
        ("b", 2000, 1250, "sad", 0.6),
    ]


@pytest.mark.parametrize("name", ONE_RECORDING)
@pytest.mark.parametrize("count", [0, 2])
def test_formats_of_one_recording_say_what_to_do_with_more(name, count):
    with pytest.raises(InputError, match=f"{name} holds exactly one recording, .* {count}. Use --output DIR"):
        written(name, *[result()] * count)


def test_tables_name_the_same_formats():
    assert list(WRITERS) == list(SUFFIXES)
    assert set(ONE_RECORDING) < set(WRITERS)
    assert len(set(SUFFIXES.values())) == len(SUFFIXES)


@pytest.mark.parametrize("duration", [-1.0, float("nan"), float("inf")])
def test_a_result_refuses_a_duration_that_is_none(duration):
    with pytest.raises(InputError, match="duration is"):
        Result("a.wav", duration, (), Prediction(0, 1, {}), "voice-1", LABELS)


def test_a_result_refuses_scores_of_labels_that_are_not_the_models():
    with pytest.raises(UnknownName, match="did you mean 'happy'"):
        result(predictions=[Prediction(0, 1, {"hapy": 1.0})])


def test_rounded_scores_of_many_labels_still_sum_to_one():
    labels = tuple(f"label{i}" for i in range(60))
    weights = [1 + i % 7 / 10 for i in range(60)]
    scores = {label: w / sum(weights) for label, w in zip(labels, weights, strict=True)}
    document = json.loads(written("json", result(predictions=[Prediction(0, 1, scores)], labels=labels)))
    assert sum(document["results"][0]["segments"][0]["scores"].values()) == pytest.approx(1, abs=1e-9)


def test_stray_bytes_of_a_file_name_are_shown():
    for name in WRITERS:
        text = written(name, result("caf\udce9.wav"))
        assert (name in ONE_RECORDING) or "udce9" in text


# --- laws ------------------------------------------------------------------------------------------


# The schema looks at each label of each bin: a second of checking, however quick the writing is.
@settings(deadline=None, max_examples=40)
@given(st.lists(strange_results(), max_size=3))
def test_json_and_jsonl_are_valid_and_say_the_same(results):
    document = json.loads(written("json", *results))
    VALIDATOR.validate(document)
    lines = written("jsonl", *results).splitlines()
    assert [json.loads(line) for line in lines] == [{"schema": document["schema"], **r} for r in document["results"]]
    for record, given_ in zip(document["results"], results, strict=True):
        assert record["source"].encode() == given_.source.encode("utf-8", "backslashreplace")
        for segment, p in zip(record["segments"], given_.predictions, strict=True):
            assert abs(segment["start"] - p.start) <= 0.0005 + 1e-9
            assert not p.scores or sum(segment["scores"].values()) == pytest.approx(1, abs=1e-9)
            assert all(abs(x - y) < 2e-4 for x, y in zip(segment["scores"].values(), p.scores.values(), strict=True))
            Prediction(segment["start"], segment["end"], segment["scores"])


def plain(name):
    """A name with what is no UTF-8, or would speak to a terminal, spelt out."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" and c not in "\t\r\n" else c for c in text)


@given(st.lists(strange_results(), max_size=3))
def test_csv_reads_back(results):
    text = written("csv", *results)
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len(rows) == 1 + sum(max(1, len(r.predictions)) for r in results)
    assert len({len(row) for row in rows}) == 1
    sources = list(dict.fromkeys(plain(r.source) for r in results))
    read = list(dict.fromkeys(row[0] for row in rows[1:]))
    assert all(x == y or x == "'" + y for x, y in zip(read, sources, strict=True))
    assert not any(cell[:1] in tuple("=+-@\t\r\n") for row in rows for cell in row if cell)


@given(strange_results())
def test_srt_and_audacity_keep_the_times(given_):
    cues = parse_srt(written("srt", given_))
    assert [(start, end) for start, end, _ in cues] == lasting(given_)
    lines = written("audacity", given_).split("\n")[:-1]
    rows = [line.split("\t") for line in lines]
    assert [(milliseconds(start), milliseconds(end)) for start, end, _ in rows] == lasting(given_)


@given(strange_results())
def test_textgrid_keeps_the_times_and_covers_the_recording(given_):
    tiers = parse_textgrid(written("textgrid", given_))
    assert list(tiers) == ["emotion", "confidence"]
    assert tiers["emotion"][0][0] == 0
    assert tiers["emotion"][-1][1] == max(1, round(1000 * given_.duration))
    assert [(a, b) for a, b, text in tiers["confidence"] if text] == lasting(given_)


@given(st.lists(strange_results(), max_size=3))
def test_rttm_keeps_the_times(results):
    rows = parse_rttm(written("rttm", *results))
    assert [(start, start + length) for _, start, length, _, _ in rows] == [x for r in results for x in lasting(r)]


class TestPeople:
    """Two people who overlap: nothing of either is lost in any format."""

    PARTS = (
        Prediction(0.0, 4.0, {"happy": 0.75, "sad": 0.25}, who="Ann"),
        Prediction(2.0, 6.0, {"happy": 0.25, "sad": 0.75}, who="2", box=(0.25, 0.5, 0.125, 0.25)),
    )
    CALL = Result("call.wav", 6.0, PARTS, summarise(PARTS), "m", ("happy", "sad"), summaries=summaries(PARTS))

    def text(self, form):
        file = io.StringIO()
        WRITERS[form]([self.CALL], file)
        return file.getvalue()

    def test_json_names_them_and_sums_each_up(self):
        document = json.loads(self.text("json"))
        VALIDATOR.validate(document)
        (record,) = document["results"]
        assert [s.get("who") for s in record["segments"]] == ["Ann", "2"]
        assert [s.get("box") for s in record["segments"]] == [None, [0.25, 0.5, 0.125, 0.25]]
        assert {who: s["label"] for who, s in record["summaries"].items()} == {"Ann": "happy", "2": "sad"}
        assert "who" not in record["summary"] and "box" not in record["summary"]
        from affekt.client import results_of

        (back,) = results_of(document)
        assert [(p.who, p.box) for p in back.predictions] == [(p.who, p.box) for p in self.PARTS]
        assert list(back.summaries) == ["Ann", "2"]

    def test_csv_has_columns_for_them(self):
        rows = list(csv.DictReader(io.StringIO(self.text("csv"))))
        assert [row["who"] for row in rows] == ["Ann", "2"]
        assert [row["left"] for row in rows] == ["", "0.25"]
        assert [row["height"] for row in rows] == ["", "0.25"]

    def test_a_textgrid_has_tiers_for_each(self):
        text = self.text("textgrid")
        names = re.findall(r'name = "(.*)"', text)
        assert names == ["emotion (Ann)", "confidence (Ann)", "emotion (2)", "confidence (2)"]
        second = text.split("item [3]:")[1].split("item [4]:")[0]
        assert re.findall(r'xmin = (\S+)\n +xmax = (\S+)\n +text = "(.*)"', second) == [
            ("0.000", "2.000", ""), ("2.000", "6.000", "sad"),
        ]  # fmt: skip

    def test_rttm_has_them_in_the_place_of_the_speaker_and_a_channel_in_its_own(self):
        assert self.text("rttm").splitlines() == [
            "SPEAKER call.wav 1 0.000 4.000 happy <NA> Ann 0.7500 <NA>",
            "SPEAKER call.wav 2 2.000 4.000 sad <NA> 2 0.7500 <NA>",
        ]

    def test_subtitles_and_labels_say_who(self):
        assert "Ann: happy 75 %" in self.text("srt") and "2: sad 75 %" in self.text("srt")
        assert self.text("audacity") == "0.000000\t4.000000\tAnn: happy\n2.000000\t6.000000\t2: sad\n"

    @pytest.mark.parametrize("box", [(0, 0, 0, 1), (0.5, 0, 0.6, 1), (-0.1, 0, 0.5, 0.5), (0, 0, 1), (0, 0.9, 1, 0.2)])
    def test_a_box_outside_the_picture_is_refused(self, box):
        with pytest.raises(InputError, match="box is .*inside the picture"):
            Prediction(0, 1, {}, box=box)

    def test_nobody_is_not_an_empty_name(self):
        with pytest.raises(InputError, match="who is an empty text"):
            Prediction(0, 1, {}, who="")


def lanes():
    """A video: a voice, a face and what the two say together, one of them unsure."""

    def said(modality, label, start, end, who, *, threshold=0.0):
        scores = {name: 0.6 if name == label else 0.4 for name in ("happy", "sad")}
        return Prediction(start, end, scores, modality=modality, who=who, threshold=threshold)

    parts = (
        said("speech", "happy", 0.0, 1.0, "face 1"),
        said("face", "sad", 0.5, 2.0, "face 1", threshold=0.9),
        said("fusion", "happy", 0.0, 2.0, "face 1"),
        said("fusion", "sad", 0.0, 1.5, 'voice <&"> \x1b'),
    )
    return Result("a.mp4", 2.0, parts, parts[2], "voice + face", ("happy", "sad"))


def test_of_several_modalities_each_has_its_lane_or_the_fused_answer_is_written():
    file = io.StringIO()
    WRITERS["textgrid"]([lanes()], file)
    names = re.findall(r'name = "(.*)"$', file.getvalue(), re.M)
    assert "all emotion (face 1)" in names[:4] and 'all emotion (voice <&"">)' in names[:4]
    assert names[4:] == [
        "voice emotion (face 1)", "voice confidence (face 1)", "face emotion (face 1)", "face confidence (face 1)",
    ]  # fmt: skip
    for form in ("srt", "audacity", "rttm"):
        file = io.StringIO()
        WRITERS[form]([lanes()], file)
        assert file.getvalue().count("face 1") + file.getvalue().count("face_1") == 1, form
    file = io.StringIO()
    WRITERS["csv"]([lanes()], file)
    header, *rows = csv.reader(io.StringIO(file.getvalue()))
    assert header[:6] == ["source", "start", "end", "who", "modality", "label"]
    assert [row[4:6] for row in rows][:2] == [["speech", "happy"], ["face", "unsure"]]


def test_elan_reads_back_what_was_written():
    file = io.StringIO()
    WRITERS["elan"]([lanes()], file)
    root = ElementTree.fromstring(file.getvalue().encode())
    times = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    assert sorted(times.values()) == [0, 500, 1000, 1500, 2000]
    found = {
        tier.get("TIER_ID"): [
            (times[a.get("TIME_SLOT_REF1")], times[a.get("TIME_SLOT_REF2")], a.findtext("ANNOTATION_VALUE"))
            for a in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        for tier in root.iter("TIER")
    }
    assert found["face emotion (face 1)"] == [(500, 2000, "unsure 60 %")]
    assert found["all emotion (face 1)"] == [(0, 2000, "happy 60 %")]
    assert len(found) == 4
    with pytest.raises(InputError, match="elan holds exactly one"):
        WRITERS["elan"]([lanes(), lanes()], io.StringIO())


def call():
    """Two channels of two minutes: the left is happy and not sure, the right is sad, and they overlap."""
    predictions = (
        Prediction(0.0, 60.0, {"angry": 0.0, "happy": 0.75, "sad": 0.25}, who="left"),
        Prediction(60.0, 90.0, {"angry": 0.0, "happy": 0.5, "sad": 0.5}, threshold=0.6, who="left"),
        Prediction(30.0, 90.0, {"angry": 0.0, "happy": 0.25, "sad": 0.75}, who="right"),
    )
    return Result("call.wav", 120.0, predictions, summarise(predictions), "voice-1", LABELS)


def test_json_says_how_the_time_is_divided():
    document = json.loads(written("json", call()))
    VALIDATOR.validate(document)
    found = document["results"][0]["shares"]
    assert found["seconds"] == {"angry": 0.0, "happy": 45.0, "sad": 30.0}
    assert (found["unsure"], found["silence"], found["most_frequent"]) == (15.0, 30.0, "happy")
    assert found["share"] == {"angry": 0.0, "happy": 0.5, "sad": 0.3333} and found["unsure_share"] == 0.1667
    assert [(part["start"], part["most_frequent"]) for part in found["bins"]] == [(0.0, "happy"), (60.0, "sad")]
    assert found["people"]["right"]["silence"] == 60.0


def test_shares_is_a_table_of_labels_and_people():
    rows = list(csv.DictReader(io.StringIO(written("shares", call(), silent("=quiet.wav")))))
    assert [row["label"] for row in rows[:5]] == [*LABELS, "not sure", "silence"]
    assert [float(row["seconds"]) for row in rows[:5]] == [0, 45, 30, 15, 30]
    assert [row["share"] for row in rows[:5]] == ["0.0", "0.5", "0.3333", "0.1667", ""]
    assert [row["who"] for row in rows[::5]] == ["", "left", "right", ""]
    assert rows[-1]["source"] == "'=quiet.wav" and float(rows[-1]["seconds"]) == 4.0


def test_a_picture_has_no_shares_in_json_and_rows_without_time():
    face = Prediction(0.0, 0.0, {"angry": 0.1, "happy": 0.76, "sad": 0.14}, modality="face")
    picture = Result("a.jpg", 0.0, (face,), face, "face", LABELS)
    assert "shares" not in json.loads(written("json", picture))["results"][0]
    rows = list(csv.DictReader(io.StringIO(written("shares", picture))))
    assert {float(row["seconds"]) for row in rows} == {0.0} and rows[-1]["label"] == "no face"
