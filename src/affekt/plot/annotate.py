"""Results for each face, drawn into the picture: box, label, a bar for each score, and why an answer is weak."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affekt.plot.colours import colours, ink
from affekt.types import Prediction

#: Least pixels of the longer side: smaller pictures are enlarged, in whole steps, so that text stays readable.
LEAST = 480
#: Height of the letters as a share of the picture's shorter side, and their bounds in pixels.
LETTERS, SMALLEST, LARGEST = 0.034, 13, 64
#: Colour and opacity of what lies behind bars and reasons.
SHADE = (20, 20, 20, 190)


class Area(NamedTuple):
    """A rectangle in pixels, half-open."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Area) -> bool:
        """Whether the two share a pixel."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def annotated(pixels: NDArray[np.uint8], predictions: Sequence[Prediction], labels: Sequence[str]) -> NDArray[np.uint8]:
    """A copy of a picture with its faces marked.

    A dashed box and a label with a question mark mean that the model is not
    sure. Where faces are too close for words, only the colour of the box shows
    the label.

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
        RGB.
    predictions : sequence of Prediction
        Those with a box are drawn; the first ones get the best places.
    labels : sequence of str
        All labels of the model, in order: the colours depend on them, not on this picture.

    Returns
    -------
    uint8 array, shape (s h, s w, 3)
        As large as the picture, or ``s`` times as large where it is too small for text.

    Examples
    --------
    >>> p = Prediction(0, 0, {"happy": 0.9, "sad": 0.1}, modality="face", box=(0.2, 0.2, 0.3, 0.5))
    >>> annotated(np.zeros((240, 320, 3), np.uint8), [p], ["happy", "sad"]).shape
    (480, 640, 3)
    """
    from PIL import Image, ImageDraw  # takes 40 ms, and speech never needs it

    scale = enlargement(pixels.shape[1], pixels.shape[0])
    picture = Image.fromarray(pixels)
    if scale > 1:
        picture = picture.resize((scale * picture.width, scale * picture.height), Image.Resampling.BICUBIC)
    page = _Page(ImageDraw.Draw(picture, "RGBA"), Area(0, 0, *picture.size), colours(labels))
    faces = [(p, _area(p, page.size)) for p in predictions if p.box is not None]
    page.taken = [area for _, area in faces]
    for prediction, area in faces:
        page.draw_box(prediction, area)
    for prediction, area in faces:
        page.write(prediction, area)
    return np.asarray(picture, np.uint8)


def enlargement(width: int, height: int) -> int:
    """How many times as large a picture of this size is drawn."""
    return max(1, math.ceil(LEAST / max(width, height)))


class _Page:
    """A picture being drawn on, and the areas already taken."""

    def __init__(self, draw: Any, size: Area, colour_of: dict[str, str]) -> None:
        self.draw, self.size, self.colour_of = draw, size, colour_of
        self.letters = round(min(max(LETTERS * min(size.right, size.bottom), SMALLEST), LARGEST))
        self.taken: list[Area] = []

    def colour(self, prediction: Prediction) -> str:
        return self.colour_of.get(str(prediction.best), "#FFFFFF")

    def draw_box(self, prediction: Prediction, area: Area) -> None:
        """Its colour between two dark lines, visible on any background; dashed where the model is not sure."""
        width = max(2, self.letters // 6)
        for inset, colour, line in ((0, "#000000", width + 2), (1, self.colour(prediction), width)):
            corners = (area.left + inset, area.top + inset, area.right - inset, area.bottom - inset)
            if corners[2] <= corners[0] or corners[3] <= corners[1]:
                continue
            if not prediction.unsure:
                self.draw.rectangle(corners, outline=colour, width=line)
                continue
            step = 3 * width
            left, top, right, bottom = corners
            for x in np.arange(left, right, 2 * step):
                for y in (top, bottom - line):
                    self.draw.rectangle((x, y, min(x + step, right), y + line), fill=colour)
            for y in np.arange(top, bottom, 2 * step):
                for x in (left, right - line):
                    self.draw.rectangle((x, y, x + line, min(y + step, bottom)), fill=colour)

    def write(self, prediction: Prediction, area: Area) -> None:
        """The label, then the bars, then why the answer is weak: each only where there is room."""
        self._write_label(prediction, area)
        self._draw_bars(prediction, area)

    def _write_label(self, prediction: Prediction, area: Area) -> None:
        font, colour = _font(self.letters), self.colour(prediction)
        who = f"{prediction.who}: " if prediction.who else ""
        answer = f"{prediction.best}{'?' * prediction.unsure}" if prediction.best else "no answer"
        sure = f" {100 * prediction.confidence:.0f} %"
        pad = max(2, self.letters // 5)
        for text in (f"{who}{answer}{sure}", f"{answer}{sure}", answer):
            lines = [(text, font)]
            if prediction.reason and text != answer:
                lines.append((prediction.reason, _font(max(SMALLEST, round(0.75 * self.letters)))))
            for given in (lines, lines[:1]):
                width = max(f.getlength(t) for t, f in given) + 2 * pad
                height = sum(1.3 * f.size for _, f in given) + pad
                place = self._place(area, width, height, beside=False)
                if place:
                    self._write_lines(given, place, colour, pad)
                    return

    def _write_lines(self, lines: Sequence[tuple[str, Any]], place: Area, colour: str, pad: int) -> None:
        self.taken.append(place)
        title = 1.3 * lines[0][1].size + pad / 2
        self.draw.rectangle((place.left, place.top, place.right - 1, place.top + title), fill=colour)
        if len(lines) > 1:
            self.draw.rectangle((place.left, place.top + title, place.right - 1, place.bottom - 1), fill=SHADE)
        y = place.top + pad / 2
        for number, (text, font) in enumerate(lines):
            self.draw.text((place.left + pad, y), text, font=font, fill="#FFFFFF" if number else ink(colour))
            y += 1.3 * font.size + (pad / 2 if not number else 0)

    def _draw_bars(self, prediction: Prediction, area: Area) -> None:
        """A bar from 0 to 1 for each label, beside the face."""
        if not prediction.scores or area.bottom - area.top < 4 * self.letters:
            return
        font = _font(max(SMALLEST, round(0.75 * self.letters)))
        row, pad = 1.35 * font.size, max(3, self.letters // 4)
        names = max(font.getlength(label) for label in prediction.scores)
        bar = 5 * font.size
        width, height = names + bar + 3 * pad, row * len(prediction.scores) + 2 * pad
        place = self._place(area, width, height, beside=True)
        if place is None:
            return
        self.taken.append(place)
        self.draw.rectangle((place.left, place.top, place.right - 1, place.bottom - 1), fill=SHADE)
        for number, (label, score) in enumerate(prediction.scores.items()):
            y, x = place.top + pad + number * row, place.left + 2 * pad + names
            self.draw.text((place.left + pad, y), label, font=font, fill="#FFFFFF")
            high = y + 0.15 * row, y + 0.8 * row
            self.draw.rectangle((x, high[0], x + bar, high[1]), fill=(255, 255, 255, 45))
            if score * bar >= 1:
                self.draw.rectangle((x, high[0], x + score * bar, high[1]), fill=self.colour_of.get(label, "#FFFFFF"))

    def _place(self, area: Area, width: float, height: float, *, beside: bool) -> Area | None:
        """The first place around a face that is inside the picture and free; None if there is none."""
        left = min(max(area.left, 0), self.size.right - width)
        top = min(max(area.top, 0), self.size.bottom - height)
        around = [(left, area.top - height), (left, area.bottom)]
        aside = [(area.right, top), (area.left - width, top)]
        for x, y in [*aside, *around] if beside else [*around, *aside]:
            place = Area(x, y, x + width, y + height)
            inside = x >= 0 and y >= 0 and place.right <= self.size.right and place.bottom <= self.size.bottom
            if inside and not any(place.meets(other) for other in self.taken):
                return place
        return None


def _area(prediction: Prediction, size: Area) -> Area:
    assert prediction.box is not None
    left, top, width, height = prediction.box
    return Area(
        round(left * size.right),
        round(top * size.bottom),
        round((left + width) * size.right),
        round((top + height) * size.bottom),
    )


@lru_cache(maxsize=16)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
