"""Colours that distinguish labels, for colour-blind eyes too."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from itertools import count

# Okabe & Ito (2008), https://jfly.uni-koeln.de/color/, with grey for their black:
# the label without emotion has the colour without hue.
LABEL_COLOURS: dict[str, str] = {
    "angry": "#D55E00",
    "calm": "#56B4E9",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#F0E442",
    "neutral": "#A6A6A6",
    "sad": "#0072B2",
    "surprise": "#E69F00",
}

# Tol (2021), "muted" and "pale" schemes, those that are not near a colour above.
FURTHER_COLOURS = (
    "#332288",
    "#882255",
    "#999933",
    "#44AA99",
    "#663333",
    "#CCDDAA",
    "#FFCCCC",
    "#225522",
)


def colours(labels: Iterable[str]) -> dict[str, str]:
    """Give each label its colour, as ``#RRGGBB``; no two labels share one.

    Known labels always have the same colour. Others get the colours that the
    known ones leave, then further colours, in the order given.

    Examples
    --------
    >>> colours(["sad", "bored"])
    {'sad': '#0072B2', 'bored': '#D55E00'}
    """
    labels = list(dict.fromkeys(labels))
    left = [colour for label, colour in LABEL_COLOURS.items() if label not in labels]
    spare = iter([*left, *FURTHER_COLOURS])
    hues = (_hue(i) for i in count())
    return {label: LABEL_COLOURS.get(label) or next(spare, None) or next(hues) for label in labels}


def ink(colour: str) -> str:
    """Black or white, whichever is easier to read on ``#RRGGBB`` (WCAG 2 contrast).

    Examples
    --------
    >>> ink("#F0E442"), ink("#0072B2")
    ('#000000', '#FFFFFF')
    """
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#FFFFFF"


def _hue(index: int) -> str:
    """The i-th of any number of colours: steps of the golden angle never meet again."""
    lightness = (0.35, 0.55, 0.75)[index % 3]
    red, green, blue = colorsys.hls_to_rgb(0.05 + index * 0.618034 % 1, lightness, 0.6)
    return f"#{round(255 * red):02X}{round(255 * green):02X}{round(255 * blue):02X}"
