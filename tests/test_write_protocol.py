"""The table of a protocol, as text, Markdown and LaTeX."""

from affekt.write.protocol import HEAD, protocol_rows, to_latex, to_markdown, to_text


def row(baseline, value):
    estimate = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 60}
    return {
        "protocol": "savee", "corpus": "savee", "baseline": baseline, "labels": "all", "classes": ["a", "b"],
        "words": "EmoBox's four speaker folds", "speakers": 4, "worst_speaker": {"speaker": "DC", "UAR": 0.4},
        "metrics": dict.fromkeys(("UAR", "WA", "macro F1", "ECE"), estimate),
    }  # fmt: skip


ROWS = [row("none", 0.5), row("neutral", 0.6)]


def test_every_number_has_its_interval_and_the_clips():
    head, first, second = protocol_rows(ROWS)
    assert head == HEAD
    assert first == ("savee", "none", "all (2)", 60, 4, *["0.50 [0.40, 0.60]"] * 3, "DC (0.40)")
    assert second[1] == "neutral"


def test_the_formats_hold_the_same_table():
    assert "0.60 [0.50, 0.70]" in to_text(ROWS)
    assert to_markdown(ROWS).count("\n| ") == 4
    assert r"\label{tab:savee}" in to_latex(ROWS)
    assert to_latex(ROWS).count(r" \\") == 3
