"""The card page of `face`, from the figures kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affekt.write.tables import markdown_table

#: Published on FER2013's private test, 3,589 other faces of the same source; the first four were rerun for this.
PEERS = (
    ("mini-Xception of the package `fer`", "0.659"),
    ("the same, without faces that are also in the training part", "0.644"),
    ("`@vladmandic/human`", "0.668"),
    ("`@vladmandic/face-api`", "0.589"),
    ("TinyFER-Lite, 0.93 M parameters", "0.671"),
    ("MicroExpNet, 1.2 M parameters, distilled", "0.712"),
    ("VGG", "0.733"),
    ("ResMaskingNet", "0.741"),
)
#: Aims: words, path to the score, whether more is better, and the least (or most) that reaches it.
AIMS = (
    ("public test, WA", ("labels", "all", "WA"), True, 0.71),
    ("public test without leaked faces, WA", ("labels", "without leaked", "WA"), True, 0.69),
    ("public test, UAR", ("labels", "all", "UAR"), True, 0.68),
    ("public test, ECE", ("labels", "all", "ECE"), False, 0.03),
)


def page(table: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    card, test = table["card"], table["test"]
    data = card["data"]["fer2013"]
    lines = [
        f"# {card['name']}",
        "",
        "Written by `python benchmarks/face/run.py write` from `benchmarks/results/face/face.json`; not by hand.",
        "",
        f"{len(card['labels'])} labels: {', '.join(card['labels'])}; also the votes that ten people would give "
        f"({', '.join(card['input']['votes'])}). Takes grey faces of {card['input']['size']} x {card['input']['size']} "
        "pixels, square, centred on the face, as high as its box.",
        "",
        f"Licence of the weights: {card['licence']}.",
        "",
        *markdown_table(
            ("learned from", "faces", "licence"),
            [
                ("FER2013, training part (Goodfellow et al., 2013)", data["clips"], "none known; research"),
                ("FER+, votes on the same faces (Barsoum et al., 2016)", data["clips"], "MIT"),
            ],
        ),
        "",
        f"{table['dev_faces']} faces of the training part, none of which has a near-duplicate anywhere, chose the "
        f"adjustment for rare labels ({card['recipe']['strength']}) and the temperature ({card['temperature']:.3f}). "
        f"{table['left_out']} faces of the training part that are near-duplicates of public test faces were left out. "
        "The public test chose nothing and was scored once; FER2013's private test was never seen.",
        "",
        "In brackets: 95 % intervals over faces (bootstrap). Nobody knows how many people the faces show, so the "
        "intervals are a little too narrow. **UAR** is the mean of the recalls of the labels, "
        "**WA** the share of right answers.",
        "",
        "## In short",
        "",
        *markdown_table(("what", "aim", "reached", "n", ""), [aim_row(test, *aim) for aim in AIMS], escape=False),
        "",
        f"The file is {table['bytes'] / 1e6:.1f} MB. A face takes {table['speed']['1'][0]:.2f} ms on one core "
        f"({table['speed']['8'][0]:.2f} ms in batches of eight); lowest and highest of 200 runs: "
        f"{table['speed']['1'][1]:.2f} and {table['speed']['1'][2]:.2f} ms.",
        "",
        "## Scores",
        "",
        *score_table(table),
        "",
        f"{table['leaked']} faces of the public test are also, pixel for pixel, in FER2013's training part: a model "
        "trained on all of it gets them for free, which is why published figures are a little too high. This model "
        "was not trained on them. FER+'s majority is the label that more than half of the people chose, 8 classes; "
        "here the head trained on the votes answers.",
        "",
        "## Label by label",
        "",
        "FER2013's labels, public test, all faces.",
        "",
        *class_table(test["labels"]["all"]),
        "",
        "Rows are the truth, columns the answers:",
        "",
        *confusion_table(test["labels"]["all"]),
        "",
        "FER+ majority, public test:",
        "",
        *class_table(test["majority"]["all"]),
        "",
        *elsewhere(table),
        "## Smaller, turned and badly cropped faces",
        "",
        f"WA on the {table['dev_faces']} dev faces, which have no near-duplicates and are a little harder.",
        "",
        *markdown_table(("dev faces", "WA", "n"), [(name, f"{v:.3f}", n) for name, (v, n) in table["dev"].items()]),
        "",
        "## Beside others",
        "",
        "WA on FER2013's private test, which we do not have: the same source, other faces. The first four were run "
        "again for this table, the others are as published.",
        "",
        *markdown_table(("model", "WA"), PEERS, escape=False),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in card["limits"]),
        "- FER2013 has no open licence: its pictures were found by a search engine. Use the weights for research only.",
        "",
        "## Commands",
        "",
        "```sh",
        "affekt train face --corpus fer2013=FILE.npz --output RUN",
        "python benchmarks/face/run.py run --fer2013 FILE.npz --muxspace FOLDER --yunet FILE.onnx",
        "python benchmarks/face/run.py write",
        "```",
    ]
    return "\n".join(lines) + "\n"


def aim_row(
    test: Mapping[str, Any], words: str, path: tuple[str, str, str], is_more: bool, limit: float
) -> tuple[str, ...]:
    """An aim, what was reached, and whether that is enough."""
    kind, part, metric = path
    score = test[kind][part]["metrics"][metric]
    met = score[0] >= limit if is_more else score[0] <= limit
    sign = "at least" if is_more else "at most"
    return (words, f"{sign} {limit:.2f}", shown(score), str(score[3]), "met" if met else "**missed**")


def score_table(table: Mapping[str, Any]) -> list[str]:
    """All test sets and metrics."""
    test = table["test"]
    named = [
        ("FER2013's labels, public test", test["labels"]["all"]),
        ("FER2013's labels, without leaked faces", test["labels"]["without leaked"]),
        ("FER+ majority, public test", test["majority"]["all"]),
        ("FER+ majority, without leaked faces", test["majority"]["without leaked"]),
    ]
    if "muxspace" in table:
        named.append(("muxspace (not learned from)", table["muxspace"]))
    names = ("WA", "UAR", "macro F1", "ECE", "top-2 accuracy")
    return markdown_table(
        ("tested on", "n", *names),
        [
            (words, entry["metrics"]["WA"][3], *(shown(entry["metrics"][name]) for name in names))
            for words, entry in named
        ],
    )


def class_table(entry: Mapping[str, Any]) -> list[str]:
    """Recall, precision and F1 of each label."""
    rows = entry["per_class"].items()
    return markdown_table(
        ("label", "n", "recall", "precision", "F1"),
        [
            (label, row["recall"][3], *(shown(row[name]) for name in ("recall", "precision", "f1")))
            for label, row in rows
        ],
    )


def confusion_table(entry: Mapping[str, Any]) -> list[str]:
    """Counts; the last column, answers outside the labels, is left out where it is empty."""
    labels = entry["labels"]
    outside = any(row[-1] for row in entry["confusion"])
    columns = (*labels, "other") if outside else tuple(labels)
    rows = [(label, *row[: len(columns)]) for label, row in zip(labels, entry["confusion"], strict=True)]
    return markdown_table(("", *columns), rows)


def elsewhere(table: Mapping[str, Any]) -> list[str]:
    """The pictures from outside FER2013."""
    if "muxspace" not in table:
        return []
    entry = table["muxspace"]
    return [
        "## Outside FER2013",
        "",
        "Pictures of github.com/muxspace/facial_expressions (Apache-2.0; collected by students, many from LFW), up to "
        f"400 of each label; YuNet found no face in {entry['no face']}. Nothing was learned from them. Each label "
        "comes from one person: a low precision may be due to the labels.",
        "",
        *class_table(entry),
        "",
        *confusion_table(entry),
        "",
    ]


def shown(score: Sequence[float]) -> str:
    """A score with its interval."""
    return f"{score[0]:.3f} [{score[1]:.3f}, {score[2]:.3f}]"
