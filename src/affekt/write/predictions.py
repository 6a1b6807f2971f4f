"""Predictions -> files: json, jsonl, csv, srt, audacity, textgrid, elan, rttm, shares.

Every writer takes results and an open text file. Times are rounded to
milliseconds and scores to four decimals that still sum to 1. Names are the
user's and may hold anything a file system allows: each format stays
well-formed and can be encoded as UTF-8, with stray bytes shown as ``\\udce9``.
"""

from __future__ import annotations

import csv as csv_module
import json as json_module
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from typing import IO, Any

from affekt.errors import InputError
from affekt.timeline.shares import NOTHING, Shares, deciding
from affekt.types import Prediction, Result
from affekt.write.fields import rounded, table_of, thousandths, utf8, whole_table_of

SCHEMA = "affekt.predictions/2"

_CSV_COLUMNS = ("source", "start", "end", "who", "label", "best", "confidence", "quality", "reason")
_BOX_COLUMNS = ("left", "top", "width", "height")
#: Replaces the label where a format has no field for "not sure" and the best guess.
UNSURE = "unsure"
#: Control characters, without tabs and line ends, which quoting handles.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def json(results: Iterable[Result], file: IO[str]) -> None:
    """Write one JSON object that holds all results; ``docs/json-schema.md`` describes it.

    Examples
    --------
    >>> import io
    >>> p = Prediction(0.0, 2.5, {"happy": 0.75, "sad": 0.25})
    >>> file = io.StringIO()
    >>> json([Result("a.wav", 2.5, (p,), p, "voice-1", ("happy", "sad"))], file)
    >>> json_module.loads(file.getvalue())["results"][0]["summary"]["label"]
    'happy'
    """
    json_module.dump(document(results), file, ensure_ascii=False, allow_nan=False, indent=2)
    file.write("\n")


def jsonl(results: Iterable[Result], file: IO[str]) -> None:
    """Write one line of JSON per recording, each complete in itself.

    ``results`` may be a generator: each line is written and flushed as soon
    as its recording is done, so an interrupted run leaves complete lines.
    """
    for result in results:
        # ASCII here, because str.splitlines also breaks at U+2028, which JSON leaves as it is.
        line = json_module.dumps({"schema": SCHEMA, **record(result)}, ensure_ascii=True, allow_nan=False)
        file.write(line + "\n")
        file.flush()


def csv(results: Iterable[Result], file: IO[str]) -> None:
    """Write one row per segment, with one column per label after the fixed ones.

    Where there are boxes of faces, their four columns come before the labels; where there are several modalities,
    their column comes after ``who``; where there are words, their column ``text`` comes after ``reason``.

    A recording without segments gets one row with an empty label, so that no source is lost. Where the model is not
    sure the label is ``unsure``; ``best`` is what it would guess, ``reason`` why the answer is weak. Quoting follows
    RFC 4180; lines end in a bare newline. A name, label or text that a spreadsheet would run as a formula gets a
    leading ``'``; a label named like another column gets ``p_``.
    """
    results = list(results)
    labels = list(dict.fromkeys(label for result in results for label in result.labels))
    boxes = _BOX_COLUMNS if any(p.box for result in results for p in result.predictions) else ()
    lanes = any(_has_lanes(result) for result in results)
    texts = any(p.text for result in results for p in result.predictions)
    columns = [*_CSV_COLUMNS[:4], *(["modality"] if lanes else []), *_CSV_COLUMNS[4:], *(["text"] if texts else [])]
    # All text is quoted: the csv module of some Pythons leaves a lone carriage return bare.
    writer = csv_module.writer(file, lineterminator="\n", quoting=csv_module.QUOTE_NONNUMERIC)
    taken = {*columns, *boxes}
    writer.writerow([*columns, *boxes, *(_cell(f"p_{label}" if label in taken else label) for label in labels)])
    for result in results:
        nothing = Prediction(0.0, result.duration, {}, quality=result.summary.quality)
        for prediction in result.predictions or (nothing,):
            values = _csv_values(prediction, len(boxes), labels)
            lane = [prediction.modality] if lanes else []
            words = [_cell(prediction.text or "")] if texts else []
            writer.writerow([_cell(result.source), *values[:3], *lane, *values[3:8], *words, *values[8:]])


def srt(results: Iterable[Result], file: IO[str]) -> None:
    """Write SubRip subtitles of one recording: numbered cues such as ``happy 76 %``, or ``unsure: happy 41 %?``.

    Where a prediction says who it is, the name comes first: ``Ann: happy 76 %``. With several modalities, the fused
    answers are written.

    Raises
    ------
    InputError
        If there is not exactly one recording.
    """
    for number, p in enumerate(_spoken(_only(results, "srt")), start=1):
        # An arrow in the text would make a player take the line for a time code.
        guess = f"{p.best} {100 * p.confidence:.0f} %"
        text = _line(f"{_named(p)}{UNSURE}: {guess}?" if p.unsure else f"{_named(p)}{guess}").replace("-->", "->")
        file.write(f"{number}\n{_srt_time(p.start)} --> {_srt_time(p.end)}\n{text}\n\n")


def audacity(results: Iterable[Result], file: IO[str]) -> None:
    """Write an Audacity label track of one recording: start, end and label, tab-separated; with several modalities,
    the fused ones.

    Raises
    ------
    InputError
        If there is not exactly one recording.
    """
    for p in _spoken(_only(results, "audacity")):
        file.write(f"{thousandths(p.start):.6f}\t{thousandths(p.end):.6f}\t{_line(_named(p) + _word(p))}\n")


def textgrid(results: Iterable[Result], file: IO[str]) -> None:
    """Write a Praat TextGrid (long form) of one recording: tiers ``emotion`` and ``confidence`` of each person.

    For a named person the tiers are ``emotion (Ann)`` and ``confidence (Ann)``; with several modalities
    ``voice emotion (Ann)`` and so on, the fused ones first. All tiers cover the whole
    recording without a gap; silence is an interval with empty text. A tier cannot hold two things at once: where
    segments of one person overlap, the earlier one keeps the time.

    Raises
    ------
    InputError
        If there is not exactly one recording.
    """
    result = _only(results, "textgrid")
    # Praat refuses intervals of no length, an empty recording included.
    end = max(thousandths(result.duration), 0.001)
    lanes = _lanes(result) or {"": []}
    file.write('File type = "ooTextFile"\nObject class = "TextGrid"\n\n')
    file.write(f"xmin = 0\nxmax = {end:.3f}\ntiers? <exists>\nsize = {2 * len(lanes)}\nitem []:\n")
    for number, (lane, part) in enumerate(lanes.items()):
        intervals = _contiguous(part, end)
        words = [(a, b, _line(_word(p)) if p else "") for a, b, p in intervals]
        _tier(file, 2 * number + 1, _tier_name("emotion", lane), words)
        confidences = [(a, b, f"{p.confidence:.2f}" if p else "") for a, b, p in intervals]
        _tier(file, 2 * number + 2, _tier_name("confidence", lane), confidences)


def elan(results: Iterable[Result], file: IO[str]) -> None:
    """Write an ELAN annotation file (EAF 3.0) of one recording: a tier for each person and modality.

    Raises
    ------
    InputError
        If there is not exactly one recording.
    """
    result = _only(results, "elan")
    root = ElementTree.Element("ANNOTATION_DOCUMENT", AUTHOR="affekt", FORMAT="3.0", VERSION="3.0")
    # ELAN writes it, and readers such as pympi-ling insist on it.
    root.set("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
    root.set("xsi:noNamespaceSchemaLocation", "http://www.mpi.nl/tools/elan/EAFv3.0.xsd")
    root.set("DATE", "1970-01-01T00:00:00+00:00")  # ELAN requires one; a fixed one makes files reproducible
    header = ElementTree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    ElementTree.SubElement(header, "PROPERTY", NAME="source").text = _line(result.source)
    order = ElementTree.SubElement(root, "TIME_ORDER")
    lanes = _lanes(result)
    times = sorted({round(1000 * t) for part in lanes.values() for p in part for t in (p.start, p.end)})
    slots = {time: f"ts{number}" for number, time in enumerate(times, 1)}
    for time, slot in slots.items():
        ElementTree.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time))
    count = 0
    for lane, part in lanes.items():
        name = _tier_name("emotion", lane)
        tier = ElementTree.SubElement(root, "TIER", LINGUISTIC_TYPE_REF="emotion", TIER_ID=name)
        reached = 0
        for p in part:
            start, end = max(reached, round(1000 * p.start)), round(1000 * p.end)
            if start not in slots or end <= start:
                continue  # a tier holds one thing at a time
            reached, count = end, count + 1
            annotation = ElementTree.SubElement(
                ElementTree.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", ANNOTATION_ID=f"a{count}",
                TIME_SLOT_REF1=slots[start], TIME_SLOT_REF2=slots[end],
            )  # fmt: skip
            value = f"{_word(p)} {100 * p.confidence:.0f} %"
            ElementTree.SubElement(annotation, "ANNOTATION_VALUE").text = _xml(_line(value))
    ElementTree.SubElement(
        root, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID="emotion", TIME_ALIGNABLE="true"
    )
    ElementTree.indent(root)
    file.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    file.write(ElementTree.tostring(root, encoding="unicode") + "\n")


def rttm(results: Iterable[Result], file: IO[str]) -> None:
    """Write NIST RTTM: one ``SPEAKER`` line per segment, with the label as its orthography.

    The name of the speaker is ``who``; where nobody is named it is the label, so that a diarisation viewer shows
    emotions. The channel is 1, or the number of the channel that ``who`` names. Fields are separated by blanks, so
    each run of blanks in a source, label or name becomes ``_``; sources that become equal are numbered. Only
    predictions have lines: a recording without speech has none. With several modalities, the fused answers are
    written.
    """
    sources: dict[str, str] = {}
    for result in results:
        source, number = _token(result.source), 1
        while sources.setdefault(source, result.source) != result.source:
            number += 1
            source = f"{_token(result.source)}~{number}"
        for p in _spoken(result):
            start, end = thousandths(p.start), thousandths(p.end)
            label, channel = _token(_word(p)), CHANNELS.get(p.who or "", (p.who or "").removeprefix("channel "))
            channel = channel if channel.isdecimal() else "1"
            name = label if p.who is None else _token(p.who)
            file.write(
                f"SPEAKER {source} {channel} {start:.3f} {end - start:.3f} {label} <NA> "
                f"{name} {p.confidence:.4f} <NA>\n"
            )


def shares(results: Iterable[Result], file: IO[str]) -> None:
    """Write how the time is divided: a CSV row per label of each recording, and of each person where there are several.

    After the labels come ``not sure`` and ``silence`` (or ``no face``, ``no words``). ``share`` refers to the time
    with something to judge, so silence has none. ``who`` is empty for the recording as a whole.
    """
    writer = csv_module.writer(file, lineterminator="\n", quoting=csv_module.QUOTE_NONNUMERIC)
    writer.writerow(["source", "who", "label", "seconds", "share"])
    for result in results:
        for who, part in {"": result.shares, **result.shares.people}.items():
            rows = [(label, part.seconds[label], round(x, 4)) for label, x in part.share.items()]
            rows += [(NOT_SURE, part.unsure, round(part.unsure_share, 4))]
            for label, seconds, share in [*rows, (NOTHING[result.summary.modality], part.silence, "")]:
                writer.writerow([_cell(result.source), _cell(who), _cell(label), thousandths(seconds), share])


#: Name of unsure time in output for people.
NOT_SURE = "not sure"


#: Names of channels to their numbers.
CHANNELS = {"left": "1", "right": "2"}

Writer = Callable[[Iterable[Result], IO[str]], None]

WRITERS: dict[str, Writer] = {
    "json": json,
    "jsonl": jsonl,
    "csv": csv,
    "srt": srt,
    "audacity": audacity,
    "textgrid": textgrid,
    "elan": elan,
    "rttm": rttm,
    "shares": shares,
}

SUFFIXES: dict[str, str] = {
    "json": ".json",
    "jsonl": ".jsonl",
    "csv": ".csv",
    "srt": ".srt",
    "audacity": ".txt",
    "textgrid": ".TextGrid",
    "elan": ".eaf",
    "rttm": ".rttm",
    "shares": ".shares.csv",
}

ONE_RECORDING = ("srt", "audacity", "textgrid", "elan")
#: Name of a modality in a tier's name.
_TIERS = {"fusion": "all", "speech": "voice", "face": "face", "text": "words"}


def _only(results: Iterable[Result], name: str) -> Result:
    results = list(results)
    if len(results) == 1:
        return results[0]
    many = ", ".join(sorted(set(WRITERS) - set(ONE_RECORDING)))
    raise InputError(
        f"{name} holds exactly one recording, and there are {len(results)}. Use --output DIR to write "
        f"a file for each, or a format that holds many: {many}."
    )


def document(results: Iterable[Result]) -> dict[str, Any]:
    """All results as in the format ``json``, with the schema's name."""
    return {"schema": SCHEMA, "results": [record(result) for result in results]}


def record(result: Result, *, table: Callable[[Prediction], dict[str, Any]] = table_of) -> dict[str, Any]:
    """One recording as plain dicts, lists, texts and numbers for JSON, without the schema's name.

    ``table`` turns each prediction into a dict.

    Examples
    --------
    >>> p = Prediction(0.0, 2.5, {"happy": 0.75, "sad": 0.25})
    >>> record(Result("a.wav", 2.5, (p,), p, "voice-1", ("happy", "sad")))["summary"]["label"]
    'happy'
    """
    summary = table(result.summary)
    del summary["modality"]
    people = {utf8(who): table(p) for who, p in result.summaries.items()}
    return {
        "source": utf8(result.source),
        "model": utf8(result.model),
        "duration": thousandths(result.duration),
        "labels": [utf8(label) for label in result.labels],
        "summary": summary,
        **({"summaries": people} if people else {}),
        **({"shares": shares_table(result.shares)} if result.duration else {}),
        "segments": [table(p) for p in result.predictions],
        **({"boxes": boxes} if (boxes := _boxes(result)) else {}),
        "baseline": result.baseline,
        "warnings": [utf8(warning) for warning in result.warnings],
    }


def whole_record(result: Result) -> dict[str, Any]:
    """One recording as ``Result.to_dict`` has it: each prediction with ``best`` and ``unsure``."""
    return record(result, table=whole_table_of)


def shares_table(shares: Shares) -> dict[str, Any]:
    """Shares as plain values for JSON: seconds to the millisecond, shares in ten-thousandths.

    Examples
    --------
    >>> shares_table(Shares(0, 4, {"happy": 1.0}, unsure=2.0, silence=1.0))["unsure_share"]
    0.6667
    """
    most = shares.most_frequent
    return {
        "start": thousandths(shares.start),
        "end": thousandths(shares.end),
        "most_frequent": None if most is None else utf8(most),
        "seconds": {utf8(label): thousandths(x) for label, x in shares.seconds.items()},
        "share": {utf8(label): round(x, 4) for label, x in shares.share.items()},
        "unsure": thousandths(shares.unsure),
        "unsure_share": round(shares.unsure_share, 4),
        "silence": thousandths(shares.silence),
        **({"bins": [shares_table(part) for part in shares.bins]} if shares.bins else {}),
        **({"people": {utf8(w): shares_table(part) for w, part in shares.people.items()}} if shares.people else {}),
    }


def _boxes(result: Result) -> dict[str, list[list[float]]]:
    """Where each face was: [time, left, top, width, height], by name of the face."""
    return {utf8(who): [[round(x, 4) for x in place] for place in places] for who, places in result.boxes.items()}


def _csv_values(prediction: Prediction, box: int, labels: Iterable[str]) -> list[Any]:
    fields, scores = table_of(prediction), rounded(prediction.scores)
    return [
        fields["start"],
        fields["end"],
        _cell(prediction.who or ""),
        _cell(_word(prediction)),
        _cell(prediction.best or ""),
        fields["confidence"],
        fields["quality"],
        _cell(prediction.reason or ""),
        *fields.get("box", [""] * box),
        *(scores.get(label, "") for label in labels),
    ]


def _word(prediction: Prediction) -> str:
    """The label, ``unsure``, or nothing where there is no speech."""
    return UNSURE if prediction.unsure else prediction.label or ""


def _named(prediction: Prediction) -> str:
    """Who it is, in front of what is said of them."""
    return "" if prediction.who is None else f"{prediction.who}: "


def _has_lanes(result: Result) -> bool:
    """Whether it holds answers of several modalities."""
    return len({p.modality for p in result.predictions}) > 1


def _spoken(result: Result) -> list[Prediction]:
    """Predictions with scores that last a millisecond or more, in order of time; of several modalities, the fused."""
    return _lasting(deciding(result.predictions))


def _lasting(predictions: Iterable[Prediction]) -> list[Prediction]:
    lasting = [p for p in predictions if p.scores and thousandths(p.end) > thousandths(p.start)]
    return sorted(lasting, key=lambda p: (p.start, p.end))


def _lanes(result: Result) -> dict[str, list[Prediction]]:
    """Predictions by the name of their lane: the modality, where there are several, and who it is."""
    found: dict[str, list[Prediction]] = {}
    order = list(_TIERS)
    several = _has_lanes(result)
    for p in sorted(_lasting(result.predictions), key=lambda p: order.index(p.modality) if several else 0):
        lane = f"{_TIERS[p.modality]} {{}}" if several else "{}"
        found.setdefault(lane + ("" if p.who is None else f" ({_line(p.who)})"), []).append(p)
    return found


def _tier_name(what: str, lane: str) -> str:
    """The name of a tier, such as ``voice emotion (Ann)``."""
    before, _, after = lane.partition("{}")
    return f"{before}{what}{after}"


def _xml(text: str) -> str:
    """Text without the characters that XML does not allow."""
    return "".join(c for c in text if c.isprintable() or c == " ")


def _contiguous(predictions: Iterable[Prediction], end: float) -> list[tuple[float, float, Prediction | None]]:
    """Intervals (start, end, prediction or None for a gap) that cover [0, end) once."""
    intervals: list[tuple[float, float, Prediction | None]] = []
    reached = 0.0
    for p in predictions:
        a, b = max(thousandths(p.start), reached), min(thousandths(p.end), end)
        if b <= a:
            continue
        if a > reached:
            intervals.append((reached, a, None))
        intervals.append((a, b, p))
        reached = b
    if reached < end:
        intervals.append((reached, end, None))
    return intervals


def _quoted(text: str) -> str:
    """Text as it stands between the quotes of a TextGrid."""
    return text.replace('"', '""')


def _tier(file: IO[str], number: int, name: str, intervals: list[tuple[float, float, str]]) -> None:
    file.write(f'    item [{number}]:\n        class = "IntervalTier"\n        name = "{_quoted(name)}"\n')
    file.write(f"        xmin = 0\n        xmax = {intervals[-1][1]:.3f}\n        intervals: size = {len(intervals)}\n")
    for index, (start, end, text) in enumerate(intervals, start=1):
        file.write(f"        intervals [{index}]:\n            xmin = {start:.3f}\n")
        file.write(f'            xmax = {end:.3f}\n            text = "{_quoted(text)}"\n')


def _srt_time(seconds: float) -> str:
    minutes, milliseconds = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d},{milliseconds % 1000:03d}"


def _line(text: str) -> str:
    """Text on one line, without tabs and control characters."""
    return _BLANK.sub(" ", utf8(text)).strip()


def _token(text: str) -> str:
    """Text without blanks, and never empty: a field of a format that splits at blanks."""
    return _BLANK.sub("_", utf8(text).strip()) or "<NA>"


def _cell(text: str) -> str:
    """Text that a spreadsheet shows as it is.

    A file called ``=HYPERLINK(...)`` would otherwise be run as a formula on
    the machine of whoever opens the table; a leading ``'`` makes it text.
    """
    # Control characters are escaped: ESC would control the terminal of whoever looks at the table.
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", utf8(text))
    # Spreadsheets treat full-width CJK characters like the ordinary ones.
    first = unicodedata.normalize("NFKC", text.lstrip(" ")[:1])
    return f"'{text}" if first.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


#: For other tables that spreadsheets open.
spreadsheet_cell = _cell
