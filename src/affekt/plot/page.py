"""One self-contained HTML page of text, tables and pictures: opens from disk, asks nobody for anything."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; text-align: left; border-bottom: 1px solid #8884; vertical-align: top; }
figure { margin: 1.5rem 0; }
img { max-width: 100%; height: auto; background: #fff; }
figcaption { font-size: .9rem; opacity: .8; }
.scroll { overflow-x: auto; }
.severe { border-left: .4rem solid #D55E00; padding-left: .75rem; }
"""


@dataclass(frozen=True)
class Table:
    """Rows under a head; every cell is shown as text."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Picture:
    """A picture and what it shows.

    Parameters
    ----------
    caption : str
        In words; it is also the text for those who cannot see the picture.
    png : bytes
        The file; :func:`png` makes it of a matplotlib figure.
    """

    caption: str
    png: bytes


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, in this order: paragraphs, tables, pictures.

    ``severe`` marks what must not be overlooked.
    """

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    severe: bool = False


def page(title: str, sections: Sequence[Section]) -> str:
    """The page as HTML text; whatever is given is shown as text, never read as HTML.

    Examples
    --------
    >>> "&lt;b&gt;" in page("<b>", [Section("a", ["text"])])
    True
    """
    body = "\n".join(_section(section) for section in sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def png(figure: Figure) -> bytes:
    """A matplotlib figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
    parts += [_table(table) for table in section.tables]
    parts += [_picture(picture) for picture in section.pictures]
    kind = ' class="severe"' if section.severe else ""
    return f"<section{kind}>\n" + "\n".join(parts) + "\n</section>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(str(cell))}</th>" for cell in table.head)
    rows = "\n".join("<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in table.rows)
    return f'<div class="scroll"><table>\n<tr>{head}</tr>\n{rows}\n</table></div>'


def _picture(picture: Picture) -> str:
    caption = escape(picture.caption)
    data = b64encode(picture.png).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
    )
