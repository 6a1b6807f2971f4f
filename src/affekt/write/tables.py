"""Tables in text, Markdown and LaTeX, and their cells: intervals, and escaped text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from affekt.types import Estimate


def markdown_table(head: Sequence[object], rows: Iterable[Sequence[object]], *, escape: bool = True) -> list[str]:
    """Lines of a Markdown table.

    Parameters
    ----------
    head : sequence, shape (c,)
    rows : iterable of sequences, shape (c,)
    escape : bool
        Show cells as plain text; False where cells are Markdown themselves.

    Examples
    --------
    >>> markdown_table(("label", "clips"), [("a|b", 3)])
    ['| label | clips |', '| --- | --- |', '| a\\\\|b | 3 |']
    """
    lines = [[escaped(str(cell)) if escape else str(cell) for cell in line] for line in (head, *rows)]
    lines.insert(1, ["---"] * len(head))
    return [f"| {' | '.join(line)} |" for line in lines]


def text_table(rows: Sequence[Sequence[object]], *, numbers: bool = True) -> list[str]:
    """Lines of a table for a terminal, columns two spaces apart.

    Parameters
    ----------
    rows : sequence of sequences, shape (r, c)
        The header first; at least one.
    numbers : bool
        Align all columns but the first to the right.

    Examples
    --------
    >>> text_table([("label", "n"), ("angry", 10)])
    ['label   n', 'angry  10']
    """
    text = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*text, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if numbers and i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in text
    ]


def interval(e: Estimate, *, sign: bool = False, places: int = 2) -> str:
    """A value with its interval; ``sign`` is for differences.

    Examples
    --------
    >>> interval(Estimate(0.586, 0.52, 0.66, 40))
    '0.59 [0.52, 0.66]'
    """
    # Adding 0 turns minus zero into plain zero.
    value, low, high = (f"{round(x, places) + 0.0:{'+' if sign else ''}.{places}f}" for x in (e.value, e.low, e.high))
    return f"{value} [{low}, {high}]".replace("-", "\N{MINUS SIGN}")


def escaped(text: str) -> str:
    """Text as Markdown shows it, on one line: nothing in it is markup.

    Examples
    --------
    >>> print(escaped("a_b"))
    a\\_b
    """
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|" else c for c in " ".join(text.split()))


#: LaTeX markup characters and their escapes.
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\N{MINUS SIGN}": "$-$",
}


def latex_escaped(text: str) -> str:
    """Text as LaTeX shows it, on one line: nothing in it is a command.

    Examples
    --------
    >>> print(latex_escaped("95 % of a_b"))
    95 \\% of a\\_b
    """
    return "".join(_LATEX.get(c, c if c.isprintable() else "?") for c in " ".join(text.split()))


def latex_table(
    head: Sequence[object], rows: Sequence[Sequence[object]], *, caption: str, label: str, totals: int = 0
) -> str:
    """A floating table with the rules of the package booktabs; numbers are aligned to the right.

    Parameters
    ----------
    head : sequence, shape (c,)
    rows : sequence of sequences, shape (r, c)
    caption, label : str
        The label becomes ``tab:label``, of letters, digits and dashes.
    totals : int
        Number of rows at the end that get a rule above them.

    Examples
    --------
    >>> print(latex_table(("label", "clips"), [("a_b", 3)], caption="Clips.", label="clips"))
    \\begin{table}
      \\centering
      \\caption{Clips.}
      \\label{tab:clips}
      \\begin{tabular}{lr}
        \\toprule
        label & clips \\\\
        \\midrule
        a\\_b & 3 \\\\
        \\bottomrule
      \\end{tabular}
    \\end{table}
    """
    lines = [" & ".join(latex_escaped(str(cell)) for cell in row) + r" \\" for row in (head, *rows)]
    body = lines[1:]
    if totals and len(body) > totals:
        body.insert(len(body) - totals, r"\midrule")
    name = "-".join("".join(c if c.isalnum() and c.isascii() else " " for c in label).split())
    inside = [r"\toprule", lines[0], r"\midrule", *body, r"\bottomrule"]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{latex_escaped(caption)}}}",
            f"  \\label{{tab:{name}}}",
            f"  \\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            *(f"    {line}" for line in inside),
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )


def latex_document(tables: Sequence[str]) -> str:
    """Tables one after the other, to be read by ``\\input`` in a document that loads booktabs."""
    return "% Needs \\usepackage{booktabs} in the preamble.\n" + "\n\n".join(tables) + "\n"
