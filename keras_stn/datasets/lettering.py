"""Numbers and words in print: fonts, weights and spacing."""

import functools
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Of those that matplotlib ships, ones with digits that all stand on one line, and
# without the dot that makes a blurred 0 an 8. Bold and sans serif ones are named more
# often, as house numbers mostly are: our choice.
FONTS = (
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans.ttf",
    "DejaVuSans.ttf",
    "DejaVuSans-BoldOblique.ttf",
    "DejaVuSerif-Bold.ttf",
    "DejaVuSerif.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
    "STIXGeneralBolIta.ttf",
    "cmb10.ttf",
    "cmr10.ttf",
    "cmss10.ttf",
    "cmss10.ttf",
    "cmtt10.ttf",
)
# Of a digit in the mask, in pixels: as many as the images have, so that enlarging it
# shows no steps.
DIGIT_HEIGHT = 64
# Black around the mask, so that whatever is sampled beyond its edge is black too.
_PAD = 4


class Lettering(NamedTuple):
    """A printed text.

    Attributes:
        mask: A grey `PIL.Image.Image`, white where there is ink.
        boxes: float64 array of shape `(characters, 4)`: left, top, right and bottom of
            the ink of each character, in pixels of the mask.
    """

    mask: Image.Image
    boxes: np.ndarray


def print_text(text, generator):
    """Prints text in a random font, weight and spacing.

    Args:
        text: A string of digits or Latin letters, without blanks.
        generator: A `numpy.random.Generator`.

    Returns:
        A `Lettering`.

    Raises:
        FileNotFoundError: If a font is not where matplotlib says.
    """
    font = _font(FONTS[generator.integers(len(FONTS))])
    # Our choices, as fractions of a digit's height: digits hardly ever touch, and stand
    # a little uneven. The stroke makes thin fonts survive the lens.
    stroke = DIGIT_HEIGHT * generator.uniform(0.01, 0.035)
    gap = DIGIT_HEIGHT * generator.uniform(0.05, 0.25)
    gaps = gap + DIGIT_HEIGHT * generator.normal(0, 0.03, len(text))
    falls = DIGIT_HEIGHT * generator.normal(0, 0.02, len(text))
    if generator.random() < 0.08:
        # Numbers beside stairs go down or up.
        falls += DIGIT_HEIGHT * generator.uniform(-0.25, 0.25) * np.arange(len(text))

    pens, boxes, x = [], [], 0.0
    for character, space, y in zip(text, gaps, falls, strict=True):
        left, top, right, bottom = _ink_box(font, character, stroke)
        pens.append((x - left, y))
        boxes.append((x, y + top, x + right - left, y + bottom))
        x += right - left + max(space, 0.04 * DIGIT_HEIGHT)
    boxes = np.array(boxes)
    corner = np.floor(boxes[:, :2].min(axis=0)) - _PAD
    width, height = np.ceil(boxes[:, 2:].max(axis=0) - corner).astype(int) + _PAD
    mask = Image.new("L", (int(width), int(height)))
    draw = ImageDraw.Draw(mask)
    for character, pen in zip(text, pens, strict=True):
        place = tuple((pen - corner).tolist())
        draw.text(place, character, 255, font, "ls", stroke_width=stroke)
    return Lettering(mask, boxes - np.tile(corner, 2))


def _ink_box(font, character, stroke):
    """Left, top, right, bottom from the pen; `getbbox` counts the bearings as well."""
    ink, (x, y) = font.getmask2(character, "L", anchor="ls", stroke_width=stroke)
    left, top, right, bottom = ink.getbbox()
    return x + left, y + top, x + right, y + bottom


@functools.cache
def _font(name):
    import matplotlib

    path = pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf", name)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} must be a font that matplotlib ships, and there is no such file. "
            "Install matplotlib with `pip install matplotlib`: some distributions' own "
            "packages leave the fonts out."
        )
    # The layout of Pillow itself: the other depends on what else is installed.
    load = functools.partial(
        ImageFont.truetype, str(path), layout_engine=ImageFont.Layout.BASIC
    )
    trial = 100
    _, top, _, bottom = load(trial).getbbox("8", anchor="ls")
    return load(trial * DIGIT_HEIGHT / (bottom - top))
