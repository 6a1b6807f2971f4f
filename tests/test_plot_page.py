"""The page that all reports share, and the tables of a report as text, LaTeX and rows."""

import re

import numpy as np
import pytest

from affekt.data.findings import Finding
from affekt.metrics.report import report, stamped
from affekt.plot.page import LONG, Folded, Section, Sound, Table, folded, page, sound
from affekt.types import Sample
from affekt.write.report import FindingRow, class_rows, finding_rows
from affekt.write.tables import latex_escaped, latex_table


def made(truth, predicted, findings=()):
    samples = [Sample(f"c/{i}", "x", label=label, speaker=str(i % 3)) for i, label in enumerate(truth)]
    return report(samples, predicted, rng=np.random.default_rng(0), findings=findings)


def test_the_totals_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    truth = rng.choice(["angry", "happy", "sad"], 60, p=[0.6, 0.3, 0.1]).tolist()
    predicted = rng.choice(["angry", "happy", "sad"], 60).tolist()
    expected = metrics.classification_report(truth, predicted, output_dict=True)
    _, *rows = class_rows(made(truth, predicted))
    found = {row[0]: row for row in rows}
    assert [row[0] for row in rows] == ["angry", "happy", "sad", "accuracy", "macro avg", "weighted avg"]
    for name in ("angry", "macro avg", "weighted avg"):
        label, precision, recall, _, f1, support = found[name]
        entry = expected[label]
        assert (precision, recall, f1, support) == (
            f"{entry['precision']:.3f}",
            f"{entry['recall']:.3f}",
            f"{entry['f1-score']:.3f}",
            entry["support"],
        )
    assert found["accuracy"][4] == f"{expected['accuracy']:.3f}"
    assert " to " in found["macro avg"][3]


def test_findings_are_rows_the_severe_ones_first_and_the_long_text_is_folded():
    note = Finding("odd thing", "note", "3 of 4 clips.", (), "nothing", "know it")
    severe = Finding("shared speakers", "severe", "x " * LONG, ("c/1",), "every score", "split by speaker", "stamp")
    found = made(["a", "b"] * 6, ["a", "b"] * 6, (note, severe))
    rows = finding_rows(found)
    assert [row.severity for row in rows[:2]] == ["severe", "note"]
    assert rows[0].more == "It inflates every score. For example: c/1."
    html = page("t", [Section("one", ["result"], findings=rows, stamps=found.stamps)])
    assert html.index("STAMP</div>") < html.index("result") < html.index(">severe</span>")
    folds = re.findall(r"<details>.*?</details>", html)
    assert any("It inflates every score" in fold for fold in folds)
    assert not any("STAMP" in fold for fold in folds), "a stamp is never folded away"


def test_cells_are_text_and_players_have_addresses():
    table = Table(("a", "b"), [("<i>", Folded("<u>", "<s>")), (sound('x"/é #1.wav'), Sound("data:,"))], cards=True)
    html = page("t", [Section("s", tables=[table])])
    assert not re.search(r"<(i|u|s)>", html)
    assert 'src="x%22/%C3%A9%20%231.wav"' in html
    assert 'data-head="b"' in html


def test_only_long_sentences_are_folded():
    assert folded("x" * LONG) == "x" * LONG
    assert isinstance(folded("x " * LONG), Folded)


def test_a_page_can_be_printed_and_links_to_its_sections():
    sections = [Section(f"part {i}") for i in range(4)]
    html = page("t", sections)
    assert "@media print" in html
    assert re.findall(r'href="#(s\d)"', html) == re.findall(r'<section id="(s\d)"', html) == ["s1", "s2", "s3", "s4"]
    assert "<nav>" not in page("t", sections[:2])


def test_latex_shows_text_as_it_is():
    assert latex_escaped("100 % of $x_1$ & {y}~\\z#^") == (
        r"100 \% of \$x\_1\$ \& \{y\}\textasciitilde{}\textbackslash{}z\#\textasciicircum{}"
    )
    text = latex_table(("a", "b"), [("x_1", 2), ("all", 2)], caption="50 %", label="a b/ü", totals=1)
    assert text.count(r"\midrule") == 2
    assert r"\label{tab:a-b}" in text
    assert r"\caption{50 \%}" in text


def test_a_stamp_stands_in_the_row_of_findings_as_well():
    assert stamped(made(["a", "b"] * 5, ["a"] * 10), "seen", "why").warnings[0] == "why"
    assert FindingRow("note", "x").remedy == ""


def test_a_column_that_no_finding_fills_is_left_out():
    html = page("t", [Section("s", findings=[FindingRow("note", "x")])])
    assert "<th>what</th>" in html
    assert "remedy" not in html


def test_numbers_stand_to_the_right_and_words_do_not():
    table = Table(("label", "UAR"), [("03-01", "0.51 [0.46, 0.57]"), ("x", "-")])
    html = page("t", [Section("s", tables=[table])])
    assert "<td class=n>0.51 [0.46, 0.57]</td>" in html
    assert "<td>03-01</td>" in html


def test_a_table_can_be_folded_as_a_whole():
    html = page("t", [Section("s", tables=[Table(("a",), [("b",)], fold="1 more")])])
    assert "<details><summary>1 more</summary>" in html
