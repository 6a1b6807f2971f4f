"""One self-contained HTML page of text, tables and pictures: opens from disk and loads nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import quote

from affekt.write.report import FindingRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Three sizes of type on every page (small, plain, headings), one colour for what must not be overlooked.
STYLE = """
:root { color-scheme: light dark; --small: .875rem; --line: #8884; --severe: #D55E00; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.25; overflow-wrap: anywhere; margin: 2rem 0 .75rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.25rem; }
p { max-width: 46rem; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-size: var(--small); }
nav a { white-space: nowrap; }
table { border-collapse: collapse; margin: 1rem 0; font-size: var(--small); font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
.n { text-align: right; white-space: nowrap; }
tr.total > td { border-bottom: 0; font-weight: 600; }
figure { margin: 1.5rem 0; }
img { max-width: 100%; height: auto; background: #fff; border-radius: .25rem; }
figcaption, summary, .small { font-size: var(--small); }
figcaption { opacity: .8; }
.scroll { overflow-x: auto; }
.severe { border-left: .4rem solid var(--severe); padding-left: .75rem; }
.stamp { display: inline-block; margin: 0 .5rem .5rem 0; padding: .25rem .75rem; border: 2px solid var(--severe);
  font-weight: 700; }
details > summary { cursor: pointer; }
details > p { margin: .25rem 0 .5rem; }
td audio { width: 15rem; max-width: 100%; height: 2rem; vertical-align: middle; }
.word { font-weight: 600; white-space: nowrap; }
.word.severe { border: 0; padding: 0; color: var(--severe); }
@media (max-width: 40rem) {
  .cards thead { position: absolute; left: -9999px; }
  .cards tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .cards td { display: block; border: 0; padding: .1rem 0; text-align: left; }
  .cards details { display: inline; }
  .cards details:not([open]) > summary { display: inline; }
  .cards details:not([open]) > summary::before { content: "\N{BLACK RIGHT-POINTING SMALL TRIANGLE} "; }
  .cards td[data-head]:not(:empty)::before { content: attr(data-head) ": "; opacity: .7; }
}
@media print {
  :root { color-scheme: light; }
  body { max-width: none; margin: 0; padding: 0; font-size: 10pt; }
  nav, audio { display: none; }
  .scroll { overflow: visible; }
  thead { display: table-header-group; }
  tr, figure { break-inside: avoid; }
  h1, h2 { break-after: avoid; }
  figure img { max-height: 18cm; }
  details > summary { list-style: none; }
  details.cut > summary { display: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
#: A number, perhaps with its interval or unit; or nothing.
NUMBER = re.compile(r"-?|[+\N{MINUS SIGN}-]?[\d.,]+(?: ?%)?(?: (?:\[.*\]|to [\d.,]+)(?: n=\d+)?)?")
#: Least number of sections for links to them at the top of the page.
MANY = 4
#: Longest sentence in a table, in characters; the rest is folded away.
LONG = 110


@dataclass(frozen=True)
class Folded:
    """A cell or a paragraph that shows ``more`` when opened."""

    text: str
    more: str


@dataclass(frozen=True)
class Sound:
    """A cell with a player; ``address`` is a path relative to the page, or ``data:``."""

    address: str


@dataclass(frozen=True)
class Table:
    """Rows below a header; every cell is shown as text, except Folded and Sound.

    Parameters
    ----------
    head : sequence of str
    rows : sequence of sequences
    cards : bool
        Whether a phone shows each row as a stack of lines: for rows with long texts.
    totals : int
        Number of rows at the end that sum up those above.
    fold : str
        What is shown until the table is opened; if empty, the whole table is shown.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    cards: bool = False
    totals: int = 0
    fold: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture and what it shows.

    Parameters
    ----------
    caption : str
        In words; also used as the alternative text of the picture.
    png : bytes
        The file; :func:`png` makes it from a matplotlib figure.
    """

    caption: str
    png: bytes


@dataclass(frozen=True)
class Section:
    """A heading and its contents, in this order: stamps, paragraphs, tables, pictures, findings, the rest.

    Parameters
    ----------
    title : str
    paragraphs : sequence of str
    tables : sequence of Table
    pictures : sequence of Picture
    severe : bool
        Marks what must not be overlooked.
    stamps : sequence of str
        Reasons why the numbers are too good to be true; shown above them, and never folded away.
    findings : sequence of FindingRow
        Caveats, as a table after the results.
    last : sequence of Table
        Long tables, at the end.
    """

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    severe: bool = False
    stamps: Sequence[str] = ()
    findings: Sequence[FindingRow] = ()
    last: Sequence[Table] = ()


def page(title: str, sections: Sequence[Section]) -> str:
    """The page as HTML text; all content is escaped and shown as text.

    Examples
    --------
    >>> "&lt;b&gt;" in page("<b>", [Section("a", ["text"])])
    True
    """
    links = "".join(f'<a href="#s{i}">{escape(section.title)}</a>' for i, section in enumerate(sections, 1))
    contents = f"<nav>{links}</nav>\n" if len(sections) >= MANY else ""
    body = "\n".join(_section(section, number) for number, section in enumerate(sections, 1))
    return document(title, f"<h1>{escape(title)}</h1>\n{contents}{body}")


def document(title: str, body: str, style: str = "") -> str:
    """A complete HTML file around an HTML body, with the common style of all pages and optional further style."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def png(figure: Figure) -> bytes:
    """A matplotlib figure as the bytes of a PNG file."""
    return drawn(figure, "png")


def drawn(figure: Figure, form: str) -> bytes:
    """A matplotlib figure as the bytes of a file: ``png``, ``svg`` or ``pdf``; the same figure is the same file."""
    buffer = BytesIO()
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(buffer, format=form, metadata=dates.get(form))
    return buffer.getvalue()


def sound(path: str) -> Sound:
    """A player for a file next to the page, whatever characters are in its name."""
    return Sound(quote(path))


def folded(text: str, longest: int = LONG) -> str | Folded:
    """A sentence as a cell; a long one shows its beginning, and all of it when opened.

    Examples
    --------
    >>> folded("short")
    'short'
    >>> folded("one two three", 7).text
    'one two ...'
    """
    if len(text) <= longest:
        return text
    # At the end of a clause, where there is one that says something.
    clause = max(text.rfind(mark, longest // 3, longest) for mark in (". ", ": ", "; "))
    first = text[:clause] if clause > 0 else text[: longest + 1].rpartition(" ")[0] or text[:longest]
    return Folded(f"{first} ...", text)


def findings_table(findings: Sequence[FindingRow]) -> Table:
    """Findings as a table; long texts are folded away, and a column that no finding fills is left out."""
    rows: list[tuple[object, ...]] = [
        (
            Word(row.severity, severe=row.severity == "severe"),
            Folded(row.what, row.more) if row.more else folded(row.what),
            folded(row.how_much),
            folded(row.remedy),
        )
        for row in findings
    ]
    filled = [i for i in range(4) if any(row[i] for row in rows)]
    head = ("severity", "what", "how much", "remedy")
    return Table([head[i] for i in filled], [[row[i] for i in filled] for row in rows], cards=True)


@dataclass(frozen=True)
class Word:
    """A cell of one word that stands out."""

    text: str
    severe: bool = False


def _section(section: Section, number: int) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    if section.stamps:
        parts.append("".join(f'<div class="stamp">{escape(stamp.upper())}</div>' for stamp in section.stamps))
    parts += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
    parts += [_table(table) for table in section.tables]
    parts += [_picture(picture) for picture in section.pictures]
    parts += [_table(findings_table(section.findings))] if section.findings else []
    parts += [_table(table) for table in section.last]
    kind = ' class="severe"' if section.severe else ""
    return f'<section id="s{number}"{kind}>\n' + "\n".join(parts) + "\n</section>"


def _table(table: Table) -> str:
    # Columns of numbers are right-aligned, and so are their headers.
    columns = [[row[i] for row in table.rows if i < len(row)] for i in range(len(table.head))]
    numbers = {i for i, cells in enumerate(columns) if not table.cards and cells and all(map(_is_number, cells))}
    names = (f"<th{' class=n' if i in numbers else ''}>{escape(str(cell))}</th>" for i, cell in enumerate(table.head))
    head = "".join(names)
    lines = []
    first_total = len(table.rows) - table.totals
    for number, row in enumerate(table.rows):
        heads = [*table.head, *[""] * max(0, len(row) - len(table.head))]
        named = [f' data-head="{escape(str(name))}"' if table.cards and name else "" for name in heads]
        named = [" class=n" if i in numbers else name for i, name in enumerate(named)]
        cells = "".join(f"<td{name}>{_cell(cell)}</td>" for name, cell in zip(named, row, strict=False))
        of_row = ' class="total"' if number >= first_total else ""
        lines.append(f"<tr{of_row}>{cells}</tr>")
    kind = ' class="cards"' if table.cards else ""
    body = "\n".join(lines)
    whole = (
        f'<div class="scroll"><table{kind}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
    )
    return f"<details><summary>{escape(table.fold)}</summary>{whole}</details>" if table.fold else whole


def _is_number(cell: object) -> bool:
    """Whether a cell is a number, an interval, or empty."""
    return not isinstance(cell, (Folded, Sound, Word)) and NUMBER.fullmatch(str(cell)) is not None


def _cell(cell: object) -> str:
    if isinstance(cell, Sound):
        return f'<audio controls preload="none" src="{escape(cell.address)}"></audio>'
    if isinstance(cell, Folded):
        # On paper, where all is unfolded, the beginning of what follows would stand there twice.
        cut = ' class="cut"' if cell.more.startswith(cell.text.removesuffix("…").removesuffix("...").rstrip()) else ""
        return f"<details{cut}><summary>{escape(cell.text)}</summary><p>{escape(cell.more)}</p></details>"
    if isinstance(cell, Word):
        return f'<span class="word{" severe" if cell.severe else ""}">{escape(cell.text)}</span>'
    return escape(str(cell))


def _picture(picture: Picture) -> str:
    caption = escape(picture.caption)
    data = b64encode(picture.png).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
    )
