"""Sessions -> files: CSV, XLSX, JSON, and a page to print. A name is text, never a formula or markup."""

from __future__ import annotations

import csv as csv_module
import html as html_module
import io
import json as json_module
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from affekt.attendance.roster import plain
from affekt.attendance.session import STATUSES, Row, sessions, table
from affekt.attendance.store import SESSIONS, Store
from affekt.attendance.window import Window, time_zone
from affekt.errors import InputError, UnknownName

SCHEMA = "affekt.attendance/1"
#: Characters that make a spreadsheet treat a cell as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: Colours of the rows, readable with any colour vision beside the word that says the same: fill, ink.
COLOURS = {
    "on time": ("DDEBF7", "1F3864"),
    "late": ("FFF2CC", "7F6000"),
    "left early": ("FFF2CC", "7F6000"),
    "late and left early": ("FFF2CC", "7F6000"),
    "absent": ("F8CBAD", "833C0B"),
    "excused": ("E7E6E6", "404040"),
    "not checked": ("FFFFFF", "595959"),
}
COLUMNS = ("name", "status", "first seen", "last seen", "times seen", "confidence", "similarity", "corrected")
#: What stands under every table.
CLOSING = (
    "Marked by a camera: a person may have been missed or mistaken for another. Whoever is marked wrongly can ask for "
    "a correction; somebody not enrolled is marked by hand."
)


@dataclass(frozen=True)
class Sheet:
    """One session, ready to be written.

    Parameters
    ----------
    roster : str
    window : Window
    rows : sequence of Row
    session : str
        Its id.
    running : bool
    ended : datetime or None
        When it was ended, if that was before the window closed.
    emotions : bool
        Whether it includes the emotions: only if asked for.
    """

    roster: str
    window: Window
    rows: Sequence[Row]
    session: str
    running: bool
    ended: datetime | None
    emotions: bool = False

    @property
    def title(self) -> str:
        """What is written above it."""
        return f"{self.roster}, {self.window.text()}"

    @property
    def remarks(self) -> list[str]:
        """Remarks to print with it."""
        found = ["the session is still running"] if self.running else []
        if self.ended:
            found.append(f"the session was ended at {self.clock(self.ended)}, before its end")
        return found

    def clock(self, moment: datetime | None) -> str:
        """Local time, with the UTC offset if the window has two."""
        if moment is None:
            return ""
        there = moment.astimezone(self.window.zone)
        offsets = {m.astimezone(self.window.zone).utcoffset() for m in (self.window.opens, self.window.closes)}
        return f"{there:%H:%M:%S%z}" if len(offsets) > 1 else f"{there:%H:%M:%S}"

    def cells(self, row: Row) -> list[Any]:
        """One row, in the order of :attr:`columns`."""
        last = row.corrections[-1] if row.corrections else None
        corrected = f"{last['before']} -> {last['after']}, {last['by']}: {last['reason']}" if last else ""
        cells: list[Any] = [
            row.name, row.status, self.clock(row.first), self.clock(row.last), row.times,
            None if row.confidence is None else round(row.confidence, 2),
            None if row.similarity is None else round(row.similarity, 3), corrected,
        ]  # fmt: skip
        if self.emotions:
            felt = row.emotion
            scores = sorted(felt["scores"].items(), key=lambda item: -item[1])[:3] if felt else ()
            cells += [
                ", ".join(f"{label} {value:.2f}" for label, value in scores),
                round(felt["unsure"], 2) if felt else None,
                felt["purpose"] if felt else "",
            ]
        return cells

    @property
    def columns(self) -> tuple[str, ...]:
        """The heads of the columns."""
        return (*COLUMNS, "emotion (mean)", "share unsure", "purpose") if self.emotions else COLUMNS


def sheets(
    store: Store, *, roster: str | None = None, session: str | None = None, emotions: bool = False
) -> list[Sheet]:
    """Sessions to write, the oldest first.

    Raises
    ------
    InputError
        If there are none, or emotions are asked for and none were inferred.
    """
    query = sa.select(SESSIONS).where(SESSIONS.c.id == session) if session else None
    chosen = store.rows(query) if query is not None else sessions(store, roster)
    if not chosen and session:
        raise UnknownName("session", session, [row["id"] for row in sessions(store)] or ["none yet"])
    if not chosen:
        raise InputError("there is no session yet; run one: affekt attendance run --roster CLASS --from 09:30 ...")
    found = []
    for row in chosen:
        span = Window(row["opens"], row["closes"], time_zone(row["zone"]))
        early = row["ended"] if row["ended"] and row["ended"] < row["closes"] else None
        rows = table(store, row["id"], emotions=emotions)
        found.append(Sheet(row["roster"], span, rows, row["id"], row["closed"] is None, early, emotions))
    if emotions and not any(row.emotion for sheet in found for row in sheet.rows):
        raise InputError("no emotions were inferred in these sessions; leave --with-emotion out.")
    return found


def csv(found: Sequence[Sheet]) -> bytes:
    """One row per person and session; opens in any spreadsheet, runs nothing there."""
    file = io.StringIO()
    writer = csv_module.writer(file, lineterminator="\r\n")
    writer.writerow(["roster", "day", "zone", "opens", "closes", *found[0].columns])
    for sheet in found:
        ends = (sheet.clock(moment) for moment in (sheet.window.opens, sheet.window.closes))
        head = [sheet.roster, sheet.window.day.isoformat(), sheet.window.zone.key, *ends]
        for row in sheet.rows:
            writer.writerow([neutral(cell) for cell in (*head, *sheet.cells(row))])
    return b"\xef\xbb\xbf" + file.getvalue().encode()  # else Excel takes it for Latin-1


def json(found: Sequence[Sheet]) -> bytes:
    """All sessions as one JSON object, instants in UTC."""
    document = {
        "schema": SCHEMA,
        "sessions": [
            {
                "id": sheet.session,
                "roster": sheet.roster,
                "opens": plain(sheet.window.opens),
                "closes": plain(sheet.window.closes),
                "zone": sheet.window.zone.key,
                "running": sheet.running,
                "ended": plain(sheet.ended),
                "rows": [_record(row, emotions=sheet.emotions) for row in sheet.rows],
            }
            for sheet in found
        ],
        "note": CLOSING,
    }
    return (json_module.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


def xlsx(found: Sequence[Sheet]) -> bytes:
    """A workbook: a summary, then a sheet per day."""
    from openpyxl import Workbook

    book = Workbook()
    summary = book.active
    summary.title = "Summary"
    _summarise(summary, found)
    for day in sorted({sheet.window.day for sheet in found}):
        page = book.create_sheet(day.isoformat())
        _lay_out(page, [sheet for sheet in found if sheet.window.day == day])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def html(found: Sequence[Sheet]) -> bytes:
    """A page to read and to print; it loads nothing."""
    parts = []
    for sheet in found:
        head = "".join(f"<th scope=col>{name}</th>" for name in sheet.columns)
        body = "".join(_line(sheet, row) for row in sheet.rows)
        counts = ", ".join(f"{count} {status}" for status, count in _counts(sheet).items())
        remarks = "".join(f"<p class=remark>{_text(remark[0].upper() + remark[1:])}.</p>" for remark in sheet.remarks)
        parts.append(
            f"<section><h2>{_text(sheet.title)}</h2><p>{counts or 'nobody is on the roster'}.</p>{remarks}"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></section>"
        )
    title = f"Attendance: {', '.join(dict.fromkeys(sheet.roster for sheet in found))}"
    return _PAGE.format(title=_text(title), body="".join(parts), closing=_text(CLOSING), style=_style()).encode()


#: Name of a format to its writer.
WRITERS: dict[str, Callable[[Sequence[Sheet]], bytes]] = {"csv": csv, "xlsx": xlsx, "json": json, "html": html}


def neutral(cell: Any) -> Any:
    """A cell of a CSV file that no spreadsheet takes for a formula: such a text gets a leading ``'``.

    Examples
    --------
    >>> neutral("=1+1"), neutral("Ada"), neutral(-1)
    ("'=1+1", 'Ada', -1)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA) else cell


def _record(row: Row, *, emotions: bool) -> dict[str, Any]:
    kept = {
        "name": row.name,
        "status": row.status,
        "first": plain(row.first),
        "last": plain(row.last),
        "times": row.times,
        "confidence": row.confidence,
        "similarity": row.similarity,
        "corrections": [{key: plain(value) for key, value in c.items()} for c in row.corrections],
    }
    return {**kept, "emotion": row.emotion} if emotions else kept


def _counts(sheet: Sheet) -> Mapping[str, int]:
    counts = Counter(row.status for row in sheet.rows)
    return {status: counts[status] for status in (*STATUSES, "not seen yet") if counts[status]}


def _put(page: Any, row: int, column: int, value: Any) -> Any:
    """A value into a cell; text stays text, whatever it begins with."""
    cell = page.cell(row, column)
    cell.value = value
    if isinstance(value, str):
        cell.data_type, cell.quotePrefix = "s", value.startswith(_FORMULA)
    return cell


def _summarise(page: Any, found: Sequence[Sheet]) -> None:
    """How often each person had each status, over all sessions."""
    from openpyxl.styles import Font

    statuses = [s for s in (*STATUSES, "not seen yet") if any(row.status == s for sheet in found for row in sheet.rows)]
    people: dict[tuple[str, str], Counter[str]] = {}
    for sheet in found:
        for row in sheet.rows:
            people.setdefault((sheet.roster, row.name), Counter())[row.status] += 1
    for column, head in enumerate(["roster", "name", "sessions", *statuses], start=1):
        _put(page, 1, column, head).font = Font(bold=True)
    for line, ((roster, name), counts) in enumerate(sorted(people.items()), start=2):
        values = [roster, name, sum(counts.values()), *(counts[status] for status in statuses)]
        for column, value in enumerate(values, start=1):
            _put(page, line, column, value)
    _put(page, len(people) + 3, 1, CLOSING)
    _finish(page, 1, [16, 28, 10, *(max(10, len(status) + 2) for status in statuses)])


def _lay_out(page: Any, found: Sequence[Sheet]) -> None:
    """The sessions of a day, one under the other."""
    from openpyxl.formatting.rule import FormulaRule
    from openpyxl.styles import Font, PatternFill

    line = 1
    for sheet in found:
        _put(page, line, 1, "; ".join([sheet.title, *sheet.remarks])).font = Font(bold=True, size=13)
        for column, head in enumerate(sheet.columns, start=1):
            _put(page, line + 1, column, head).font = Font(bold=True)
        first = line + 2
        for line, row in enumerate(sheet.rows, start=first):
            for column, value in enumerate(sheet.cells(row), start=1):
                _put(page, line, column, value)
        if sheet.rows:
            for status, (fill, ink) in COLOURS.items():
                page.conditional_formatting.add(
                    f"A{first}:B{line}",
                    FormulaRule(
                        formula=[f'$B{first}="{status}"'], fill=PatternFill("solid", bgColor=fill), font=Font(color=ink)
                    ),
                )
        line = first + len(sheet.rows) + 1
    _put(page, line, 1, CLOSING)
    _finish(page, 2, [28, 20, 12, 12, 11, 12, 11, 44, 34, 14, 24][: len(found[0].columns)])


def _finish(page: Any, head: int, widths: Sequence[int]) -> None:
    from openpyxl.utils import get_column_letter

    for column, width in enumerate(widths, start=1):
        page.column_dimensions[get_column_letter(column)].width = width
    page.freeze_panes = f"A{head + 1}"
    page.page_setup.orientation, page.page_setup.fitToHeight = "landscape", 0
    page.sheet_properties.pageSetUpPr.fitToPage = True


def _text(value: Any) -> str:
    return html_module.escape("" if value is None else str(value))


def _line(sheet: Sheet, row: Row) -> str:
    name, status, *rest = (_text(cell) for cell in sheet.cells(row))
    kind = f"s{STATUSES.index(row.status)}" if row.status in STATUSES else "s"
    cells = "".join(f"<td>{cell}</td>" for cell in rest)
    return f"<tr class={kind}><th scope=row><bdi>{name}</bdi></th><td class=status>{status}</td>{cells}</tr>"


def _style() -> str:
    return "".join(
        f".s{STATUSES.index(status)} .status{{background:#{fill};color:#{ink}}}"
        for status, (fill, ink) in COLOURS.items()
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>
body{{font:15px/1.45 system-ui,sans-serif;margin:2rem;color:#1a1a1a;background:#fff}}
h1{{font-size:1.5rem}} h2{{font-size:1.15rem;margin:1.6rem 0 .3rem}} p{{margin:.3rem 0}}
.remark{{font-weight:600}} footer{{margin-top:2rem;color:#444;max-width:46rem}}
table{{border-collapse:collapse;width:100%;margin-top:.6rem;font-variant-numeric:tabular-nums}}
th,td{{border:1px solid #bbb;padding:.3rem .55rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}}
thead th{{background:#f2f2f2;white-space:nowrap}} tbody th{{font-weight:600}}
.status{{font-weight:600;white-space:nowrap;-webkit-print-color-adjust:exact;print-color-adjust:exact}}
{style}
@media print{{body{{margin:0;font-size:11pt}} section{{break-inside:avoid}} thead{{display:table-header-group}}
tr{{break-inside:avoid}} @page{{margin:15mm}}}}
</style></head><body><h1>{title}</h1>{body}<footer>{closing}</footer></body></html>
"""
