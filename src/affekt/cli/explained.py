"""``affekt predict --explain``: the words under each segment, in JSON, and the maps as a picture."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from affekt._files import atomic_write
from affekt.cli.terminal import clock, console, in_all, shown
from affekt.errors import InputError
from affekt.types import Prediction, Result
from affekt.write.predictions import SCHEMA, Writer, record

if TYPE_CHECKING:
    from affekt.explain.words import Explanation, Recording
    from affekt.recognize.recognizer import Recognizer

#: Formats that have a place for an explanation.
FORMS = ("table", "json", "jsonl")
#: Maps in one picture at most: those of the most confident segments.
MOST_MAPS = 6

#: A result to the ``explanation`` of each of its segments, as JSON has it.
Explain = Callable[[Result], Sequence[dict[str, Any]]]


def check_form(form: str) -> None:
    """Raise InputError for a format that an explanation does not fit in."""
    if form not in FORMS:
        raise InputError(f"--explain has no place in {form}; give --format {', '.join(FORMS[1:])}, or none.")


def explaining_writer(form: str, explain: Explain) -> Writer:
    """The writer of json or jsonl that gives each segment its ``explanation``."""

    def explained(result: Result) -> dict[str, Any]:
        table = record(result)
        for segment, explanation in zip(table["segments"], explain(result), strict=True):
            segment["explanation"] = explanation
        return table

    def json(results: Iterable[Result], file: IO[str]) -> None:
        table = {"schema": SCHEMA, "results": [explained(result) for result in results]}
        json_module.dump(table, file, ensure_ascii=False, allow_nan=False, indent=2)
        file.write("\n")

    def jsonl(results: Iterable[Result], file: IO[str]) -> None:
        for result in results:
            line = json_module.dumps({"schema": SCHEMA, **explained(result)}, ensure_ascii=True, allow_nan=False)
            file.write(f"{line}\n")
            file.flush()

    return {"json": json, "jsonl": jsonl}[form]


def print_explained(
    explained: Sequence[tuple[Result, Sequence[Explanation]]], answer: Callable[[Prediction], str]
) -> None:
    """Each segment with its answer, and its sentence below it; recording after recording."""
    from rich.text import Text

    from affekt.explain.words import NOTE

    screen = console()
    for result, explanations in explained:
        screen.print(Text(f"{shown(result.source)}: {clock(result.duration)} long"))
        for p, explanation in zip(result.predictions, explanations, strict=True):
            screen.print(Text(f"{clock(p.start)} to {clock(p.end)}  {answer(p)}"))
            if p.reason:
                screen.print(Text(f"    weak because: {p.reason}"))
            screen.print(Text(f"    {explanation.sentence}"))
        screen.print(Text(in_all(result.summary, answer(result.summary))))
    if any(explanations for _, explanations in explained):
        screen.print(Text(NOTE))


def beside(path: Path) -> Path:
    """The file of the maps, beside the one of the timeline: ``call.png`` and ``call-maps.png``."""
    return path.with_name(f"{path.stem}-maps{path.suffix}")


def save_maps(recognizer: Recognizer, result: Result, recording: Recording, path: Path) -> None:
    """Map the most confident segments of a recording, and draw them; without speech there is no picture."""
    from affekt.explain.occlusion import segment_map
    from affekt.plot.maps import Maps, draw_maps

    spoken = [p for p in result.predictions if p.scores and p.duration >= 0.1]
    if not spoken:
        return
    surest = sorted(sorted(spoken, key=lambda p: -p.confidence)[:MOST_MAPS], key=lambda p: p.start)
    maps = [segment_map(recognizer, recording.signal, p) for p in surest]
    note = f"the {len(surest)} most confident of {len(spoken)} segments" if len(surest) < len(spoken) else ""
    figure = draw_maps(Maps(shown(Path(result.source).name), maps, [p.confidence for p in surest], note))
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format=path.suffix.lstrip(".").lower())
