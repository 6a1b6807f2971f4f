"""Predictions, results and reports for notebooks: small, self-contained pieces of HTML and SVG.

Text and lines take the colour of the page, so that they are readable on a dark one, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from zlib import crc32

from affekt.plot.colours import colours
from affekt.plot.timeline import CROWDED
from affekt.timeline.shares import JUDGED, NOTHING, Shares, bin_width, deciding, shares_of
from affekt.types import Prediction, Report, Result

#: Pixels: of a picture, and of a lane in it.
WIDTH, LANE, FOOT = 720, 40, 16
#: Most lanes, and most rows and warnings.
MOST_LANES, MOST_ROWS = 6, 10
#: Unsure time is hatched and silence nearly empty, on any page. The pattern's name depends on the picture's
#: content: a page can hold many pictures, and a hidden one takes its pattern with it.
UNSURE = 'fill="url(#unsure)"'
HATCHING = (
    '<defs><pattern id="unsure" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line x1="1" y1="0" x2="1" y2="5" stroke="currentColor" stroke-width="1.5"/></pattern></defs>'
)
EMPTY = 'fill="currentColor" fill-opacity="0.07"'
#: Of a cell that holds all clips of its row; black and white words can still be read on it.
DARKEST = 0.55


def prediction_html(prediction: Prediction) -> str:
    """The answer of a Prediction, and a bar divided by its scores.

    Examples
    --------
    >>> "<b>happy</b>" in prediction_html(Prediction(0.0, 2.5, {"happy": 0.75, "sad": 0.25}))
    True
    """
    p = prediction
    who = "" if p.who is None else f"{_text(p.who)}, "
    sure = f" ({_percent(p.confidence)})" if p.scores else ""
    reason = f"; {_text(p.reason)}" if p.reason else ""
    head = f"<div>{who}{p.start:.2f}-{p.end:.2f} s: <b>{_text(p.answer)}</b>{sure}{reason}</div>"
    colour_of, left, bars = colours(p.scores), 0.0, []
    for label, share in p.scores.items():
        bars.append(_bar((left, 0, share, 1), f'fill="{colour_of[label]}"', f"{label} {_percent(share)}"))
        left += share
    shown = sorted(p.scores.items(), key=lambda item: -item[1])
    chips = [(label, _percent(share), f"color:{colour_of[label]}") for label, share in shown if share > 0.005]
    return f"<div>{head}{_svg(bars, LANE // 2) if bars else ''}{_chips(chips)}</div>"


def result_html(result: Result) -> str:
    """A small timeline, and how the time is divided; for a picture or plain text, a table of the answers.

    Examples
    --------
    >>> p = Prediction(0.0, 2.5, {"happy": 0.75, "sad": 0.25})
    >>> "50 %" in result_html(Result("a.wav", 5.0, (p, Prediction(2.5, 5.0, p.scores, threshold=0.9)), p, "m", ("happy",
    ...     "sad")))
    True
    """
    count = len(result.predictions)
    length = f", {result.duration:.1f} s" if result.duration else ""
    segments = f"{count} segment{'s' * (count != 1)}"
    head = f"<div><b>{_text(result.source)}</b>{length}, {segments}, {_text(result.model)}</div>"
    warnings = "".join(f"<div>warning: {_text(words)}</div>" for words in result.warnings[:MOST_ROWS])
    if not result.duration:
        rows = [(p.who or "", p.text or "", p.answer, _percent(p.confidence)) for p in result.predictions[:MOST_ROWS]]
        more = f"<div>... and {count - MOST_ROWS} more</div>" if count > MOST_ROWS else ""
        return f"<div>{head}{_table(('who', 'text', 'answer', 'confidence'), rows)}{more}{warnings}</div>"
    colour_of, found, modality = colours(result.labels), result.shares, result.summary.modality
    ranked = sorted((label for label, x in found.seconds.items() if x), key=lambda label: -found.seconds[label])
    chips = [(label, _percent(found.share[label]), f"color:{colour_of[label]}") for label in ranked]
    chips += [("not sure", _percent(found.unsure_share), "")] if found.unsure else []
    of = f"of {JUDGED[modality]}; {NOTHING[modality]} {_clock(found.silence, result.duration)}"
    if len(found.people) > MOST_LANES:
        of += f"; {MOST_LANES} of {len(found.people)} are drawn"
    return f"<div>{head}{_timeline(result, colour_of)}{_chips(chips, of)}{warnings}</div>"


def report_html(report: Report) -> str:
    """The metrics with interval and count, and the confusion matrix, shaded by shares of each row.

    Examples
    --------
    >>> from affekt.types import Estimate
    >>> "0.500" in report_html(Report({"UAR": Estimate(0.5, 0.4, 0.6, 10)}, ("a",), ((9, 1),)))
    True
    """
    stamps = "".join(f"<div><b>{_text(stamp)}</b></div>" for stamp in report.stamps)
    chance = "" if report.chance is None else f"<div>chance {report.chance:.3f}</div>"
    rows = [(name, f"{e.value:.3f}", f"{e.low:.3f} to {e.high:.3f}", e.n) for name, e in report.metrics.items()]
    metrics = _table(("metric", "value", "95 % interval", "n"), rows)
    warnings = "".join(f"<div>warning: {_text(words)}</div>" for words in report.warnings)
    body = "".join(_confusion_row(*row) for row in zip(report.labels, report.confusion, strict=True))
    head = "".join(f"<th>{_text(name)}</th>" for name in ("truth \\ predicted", *report.labels, "other"))
    confusion = f'<table style="text-align:right"><tr>{head}</tr>{body}</table>' if report.labels else ""
    protocol = f"<div>{_text(report.protocol)}</div>" if report.protocol else ""
    return f"<div>{stamps}{protocol}{metrics}{chance}{confusion}{warnings}</div>"


def _confusion_row(label: str, counts: Sequence[int]) -> str:
    total = sum(counts) or 1
    cells = "".join(
        f'<td style="text-align:right;background:rgba(0,114,178,{DARKEST * n / total:.2f})">{n}</td>' for n in counts
    )
    return f"<tr><th>{_text(label)}</th>{cells}</tr>"


def _timeline(result: Result, colour_of: Mapping[str, str]) -> str:
    """A lane for each person: its segments or, if there are too many, their shares in bins of equal time."""
    counted = [p for p in deciding(result.predictions) if p.scores]
    lanes = list(dict.fromkeys(p.who for p in counted))[:MOST_LANES]
    bars = []
    for number, who in enumerate(lanes or [None]):
        segments = [p for p in counted if p.who == who]
        bars.append(_bar((0, number, 1, 1), EMPTY))
        if len(segments) > CROWDED:
            every = bin_width(result.duration, most=WIDTH // 8, widths=(5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600))
            found = shares_of(segments, result.duration, labels=result.labels, every=every)
            bars += [bar for part in found.bins for bar in _stack(part, number, result.duration, colour_of)]
            continue
        for p in segments:
            look = UNSURE if p.unsure else f'fill="{colour_of[p.best or ""]}"'
            words = f"{p.who or ''} {p.start:.1f}-{p.end:.1f} s: {p.answer} ({_percent(p.confidence)})".strip()
            bars.append(_bar((p.start / result.duration, number, p.duration / result.duration, 1), look, words))
    names = [
        f'<text x="4" y="{LANE * n + 11}" font-size="10" fill="currentColor">{_text(who)}</text>'
        for n, who in enumerate(lanes)
        if who is not None
    ]
    height = LANE * max(1, len(lanes))
    times = [
        f'<text x="{WIDTH * i / 4:.0f}" y="{height + FOOT - 4}" font-size="11" fill="currentColor" '
        f'text-anchor="{anchor}">{_clock(result.duration * i / 4, result.duration)}</text>'
        for i, anchor in enumerate(("start", "middle", "middle", "middle", "end"))
    ]
    return _svg([*bars, *names, *times], height + FOOT)


def _stack(part: Shares, lane: int, duration: float, colour_of: Mapping[str, str]) -> list[str]:
    """The bars of one bin, from the bottom up."""
    pieces = [(label, x, f'fill="{colour_of[label]}"') for label, x in part.seconds.items()]
    pieces.append(("not sure", part.unsure, UNSURE))
    bars, level = [], 1.0
    for name, seconds, look in pieces:
        height = seconds / part.duration
        level -= height
        words = f"{_clock(part.start)} to {_clock(part.end)}: {name} {seconds:.0f} s"
        if height > 0:
            bars.append(_bar((part.start / duration, lane + level, part.duration / duration, height), look, words))
    return bars


def _bar(place: tuple[float, float, float, float], look: str, words: str = "") -> str:
    """A rectangle: left and width in shares of the picture, top and height in lanes."""
    left, top, width, height = place
    title = f"<title>{_text(words)}</title>" if words else ""
    return (
        f'<rect x="{WIDTH * left:.1f}" y="{LANE * top:.1f}" width="{max(0.5, WIDTH * width):.1f}" '
        f'height="{LANE * height:.1f}" {look}>{title}</rect>'
    )


def _svg(parts: Iterable[str], height: int) -> str:
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" style="display:block;max-width:100%"'
    drawn = "".join(parts)
    if UNSURE in drawn:
        name = f"unsure-{crc32(drawn.encode()):x}"
        drawn = HATCHING.replace('id="unsure"', f'id="{name}"') + drawn.replace(UNSURE, f'fill="url(#{name})"')
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{drawn}</svg>'


def _chips(chips: Iterable[tuple[str, str, str]], after: str = "") -> str:
    """Names with a square in their colour, or hatched where they have none."""
    shown = [
        f'<span style="{style}">{"■" if style else "▨"}</span> {_text(name)} {share}' for name, share, style in chips
    ]
    return f"<div>{' &nbsp; '.join([*shown, *([_text(after)] if after else [])])}</div>"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{_text(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _text(text: str) -> str:
    """Text as HTML shows it, whatever it holds."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def _percent(share: float) -> str:
    return "< 1 %" if 0 < share <= 0.005 else f"{100 * share:.0f} %"


def _clock(seconds: float, longest: float = 60.0) -> str:
    """Minutes and hours, or seconds where even the ``longest`` time beside it is short."""
    if longest < 20:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours = f"{minutes // 60}:{minutes % 60:02d}" if minutes >= 60 else f"{minutes}"
    return f"{hours}:{rest:02d}"
