"""A drawn face, which belongs to nobody: what docs/explain.md shows maps of.

python benchmarks/face/drawn_face.py
affekt explain docs/drawn-face.png --output maps/
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

SIDE, SHOWN = 960, 320
SKIN, SHADE, HAIR, LIP = (224, 178, 148), (196, 148, 120), (50, 36, 28), (150, 66, 62)
WHITE, DARK = (250, 248, 245), (60, 42, 36)


def drawn_face() -> Image.Image:
    """A smiling face, 320 x 320, RGB."""
    picture = Image.new("RGB", (SIDE, SIDE), (120, 130, 140))
    pen, x, y = ImageDraw.Draw(picture), 480, 500
    pen.ellipse((x - 290, y - 380, x + 290, y + 200), fill=HAIR)
    pen.rectangle((x - 110, y + 230, x + 110, y + 460), fill=SHADE)
    pen.ellipse((x - 250, y - 300, x + 250, y + 340), fill=SKIN)
    pen.pieslice((x - 262, y - 330, x + 262, y + 60), 195, 345, fill=HAIR)
    for side in (-1, 1):
        _eye(pen, x + side * 105, y - 40)
        cheek = x + side * 170
        pen.ellipse((cheek - 60, y + 70, cheek + 60, y + 150), fill=(232, 160, 140))
        nostril = x + side * 23
        pen.ellipse((nostril - 11, y + 88, nostril + 11, y + 104), fill=(110, 70, 58))
    pen.polygon([(x - 14, y - 20), (x + 16, y - 20), (x + 44, y + 84), (x - 44, y + 84)], fill=(210, 162, 134))
    pen.chord((x - 130, y + 60, x + 130, y + 262), 10, 170, fill=(120, 40, 44))
    pen.chord((x - 112, y + 82, x + 112, y + 230), 12, 168, fill=WHITE)
    pen.arc((x - 134, y + 56, x + 134, y + 264), 8, 172, fill=LIP, width=14)
    pen.arc((x - 200, y + 20, x - 110, y + 200), 150, 250, fill=SHADE, width=8)
    pen.arc((x + 110, y + 20, x + 200, y + 200), -70, 30, fill=SHADE, width=8)
    return picture.filter(ImageFilter.GaussianBlur(5)).resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)


def _eye(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    pen.ellipse((x - 60, y - 45, x + 60, y + 40), fill=SHADE)
    pen.ellipse((x - 46, y - 24, x + 46, y + 24), fill=WHITE)
    pen.ellipse((x - 20, y - 22, x + 20, y + 20), fill=DARK)
    pen.arc((x - 50, y - 28, x + 50, y + 30), 190, 350, fill=DARK, width=9)
    pen.arc((x - 72, y - 104, x + 72, y + 40), 205, 335, fill=DARK, width=22)


if __name__ == "__main__":
    drawn_face().save(Path(__file__).parent.parent.parent / "docs" / "drawn-face.png")
