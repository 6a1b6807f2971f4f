"""Highlighted words as one self-contained HTML page: opens from disk and loads nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from affekt.explain.sentence import NOTE, Highlights
from affekt.plot.page import document
from affekt.types import Prediction, Result

#: Blue speaks for the label, orange against it, for colour-blind eyes too; each has its own kind of underline.
FOR, AGAINST = (0, 114, 178), (230, 159, 0)
#: Sentences on a page.
MOST = 2000
_STYLE = """
.row { display: grid; grid-template-columns: 11rem 1fr; gap: 1rem; padding: .4rem 0; border-top: 1px solid var(--line);
  break-inside: avoid; }
.answer { font-size: var(--small); }
.answer b { display: block; font-size: 1rem; }
.answer span { display: block; opacity: .75; }
.words { line-height: 1.7; overflow-wrap: anywhere; }
mark { color: inherit; border-radius: .2em; padding: .05em .1em; print-color-adjust: exact; }
.for { text-decoration: underline 2px #0072B2; }
.against { text-decoration: underline wavy 1px #E69F00; }
p.note { opacity: .8; font-size: var(--small); }
@media (max-width: 40rem) { .row { grid-template-columns: 1fr; gap: 0; } }
"""


def highlight_page(result: Result, highlights: Sequence[Highlights | None]) -> str:
    """A page about a text: each sentence with its answer, its words coloured by their weights.

    Parameters
    ----------
    result : Result
        The result for a text.
    highlights : sequence of Highlights or None
        One for each prediction; None where there is nothing to highlight.
    """
    pairs = list(zip(result.predictions, highlights, strict=True))
    rows = "\n".join(_row(p, found) for p, found in pairs[:MOST])
    left_out = f"<p class=note>{len(pairs) - MOST} more sentences are left out.</p>" if len(pairs) > MOST else ""
    title = escape(result.source)
    body = (
        f'<h1>{title}</h1>\n<p class=note><mark class="for" style="{_ground(1.0)}">blue</mark> words speak for the '
        f'label, <mark class="against" style="{_ground(-1.0)}">orange</mark> ones against it. {escape(NOTE)} '
        f"Model: {escape(result.model)}.</p>\n{rows}\n{left_out}"
    )
    return document(result.source, body, _STYLE)


def _row(p: Prediction, found: Highlights | None) -> str:
    label = p.label or (f"not sure, perhaps {p.best}" if p.best else "no words")
    lines = [f"{p.confidence:.0%}"]
    if p.end > 0:
        lines.append(f"{p.start:.1f} to {p.end:.1f} s")
    lines += [text for text in (p.who, p.reason) if text]
    said = "".join(f"<span>{escape(line)}</span>" for line in lines)
    words = escape(p.text or "") if found is None else coloured(found)
    return (
        f'<div class="row"><div class="answer"><b>{escape(label)}</b>{said}</div><div class="words">{words}</div></div>'
    )


def coloured(found: Highlights) -> str:
    """A text as HTML, its words coloured by their weights; weights below a tenth of the largest stay plain."""
    pieces, reached = [], 0
    for (start, end), share, value in zip(found.places, found.shares, found.values, strict=True):
        pieces.append(escape(found.text[reached:start]))
        word = escape(found.text[start:end])
        kind = "for" if share > 0 else "against"
        marked = f'<mark class="{kind}" style="{_ground(share)}" title="{value:+.2f}">{word}</mark>'
        pieces.append(marked if abs(share) >= 0.1 else word)
        reached = end
    return "".join(pieces) + escape(found.text[reached:])


def _ground(share: float) -> str:
    """The colour behind a word."""
    red, green, blue = FOR if share > 0 else AGAINST
    return f"background: rgb({red} {green} {blue} / {np.clip(abs(share) * 0.45, 0.05, 0.45):.2f})"
