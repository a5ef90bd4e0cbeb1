"""A street number on its wall, with what is around it, and a photograph of it.

What is random here is our choice throughout: the ranges were set by looking at the
pictures beside those of SVHN. Every number stays legible.
"""

import numpy as np
from PIL import Image, ImageDraw

from keras_stn.datasets.lettering import DIGIT_HEIGHT, print_text
from keras_stn.datasets.photograph import light_up, take_photograph
from keras_stn.datasets.svhn_archives import MARGIN
from keras_stn.datasets.viewpoint import (
    FAR,
    MOST_ASKEW,
    draw_viewpoint,
    project,
    see,
    shift,
)

# Nothing upright: a stroke at the edge must not read as a 1.
_NEIGHBOURS = "0235689ACGJOQSVX"
# How much of a digit beside the number shows at most, but for perspective, in digit
# heights: with more it would belong to it.
_PIECE = 0.1
# What grey is made of, ITU-R BT.601.
_GREY = (0.299, 0.587, 0.114)


def render_scene(digits, generator):
    """Paints a number and takes a photograph of it.

    Args:
        digits: A string of digits.
        generator: A `numpy.random.Generator`.

    Returns:
        uint8 array of shape `(64, 64, 3)`.
    """
    lettering = print_text(digits, generator)
    view = draw_viewpoint(lettering.boxes, generator)
    ground, ink = _draw_colours(generator)
    scene = _wall(view, ground, generator)
    if generator.random() < 0.4:
        _surround(scene, view, generator)
    for side in generator.permutation(4)[: generator.choice(3, p=(0.45, 0.4, 0.15))]:
        _neighbour(scene, view, side, ink, generator)
    _number(scene, lettering.mask, view, ink, generator)
    light_up(scene, generator)
    return take_photograph(scene, view.picture_size, generator)


def _draw_colours(generator):
    """Ground and ink: far enough apart in grey, with tints of their own."""
    # More often weak than strong.
    contrast = 50 + 140 * generator.random() ** 1.7
    dark = generator.uniform(10, 245 - contrast)
    greys = np.array([dark, dark + contrast])
    if generator.random() < 0.5:
        greys = greys[::-1]
    return greys[:, None] + _draw_tints(generator, 2)


def _draw_tints(generator, count):
    # Between the blue of shade and the yellow of bricks, rarely another colour.
    tints = generator.laplace(0, 14, (count, 1)) * np.array([0.8, 0.1, -1.0])
    tints = tints + generator.laplace(0, 4, (count, 3))
    return tints - tints @ np.array(_GREY)[:, None]


def _wall(view, colour, generator):
    """Plain or of boards, with stains and grain."""
    width, height = view.scene_size
    scene = np.full((height, width, 3), colour, np.float32)
    if generator.random() < 0.3:
        joints = Image.new("L", view.scene_size)
        draw = ImageDraw.Draw(joints)
        (left, top), (right, bottom) = _far(view.hull)
        space = DIGIT_HEIGHT * generator.uniform(0.3, 1.5)
        for y in np.arange(top + space * generator.random(), bottom, space):
            ends = project(view.matrix, np.array([(left, y), (right, y)]))
            draw.line(ends.ravel().tolist(), fill=255, width=2)
        scene += _opacity(joints) * generator.uniform(-30, 20)
    for cells, most in ((4, 16), (24, 12)):
        noise = generator.normal(size=(cells, cells)).astype(np.float32)
        noise = Image.fromarray(noise).resize(view.scene_size, Image.Resampling.BICUBIC)
        scene += np.asarray(noise)[..., None] * generator.uniform(0, most)
    return scene


def _surround(scene, view, generator):
    """The number is on a plate, whose edge shows: beyond it is another colour."""
    low, high = view.hull[:2], view.hull[2:]
    pad = generator.uniform(0.5, 1.3) * MARGIN * (high - low)
    pad = np.maximum(pad, 0.06 * DIGIT_HEIGHT)
    plate = Image.new("L", view.scene_size)
    if generator.random() < 0.25:
        # An ellipse through the corners of the number, and a little more.
        angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        half = (high - low) / 2 * np.sqrt(2) + pad / 2
        outline = (low + high) / 2 + half * circle
    else:
        outline = _rectangle(low - pad, high + pad)
    outline = [tuple(point) for point in project(view.matrix, outline).tolist()]
    ImageDraw.Draw(plate).polygon(outline, fill=255)
    beyond = generator.uniform(10, 245) + _draw_tints(generator, 1)[0]
    _paint(scene, 1 - _opacity(plate), beyond)
    if generator.random() < 0.4:
        edge = Image.new("L", view.scene_size)
        ImageDraw.Draw(edge).line(outline + outline[:1], fill=255, width=3)
        scene += _opacity(edge) * generator.uniform(-80, 80)


def _neighbour(scene, view, side, ink, generator):
    """A piece of a digit, word or post beside the number, within the margin."""
    low, high = view.hull[:2], view.hull[2:]
    axis, above = side % 2, side // 2
    margin = MARGIN * (high - low)[axis]
    away = generator.uniform(0.4, 1) * margin
    away = max(away, 0.08 * DIGIT_HEIGHT)
    if generator.random() < 0.4:
        start, end = _far(view.hull)
        if above:
            start[axis] = high[axis] + away
        else:
            end[axis] = low[axis] - away
        post = Image.new("L", view.scene_size)
        outline = project(view.matrix, _rectangle(start, end))
        ImageDraw.Draw(post).polygon(outline.ravel().tolist(), fill=255)
        colour = generator.uniform(10, 245) + _draw_tints(generator, 1)[0]
        _paint(scene, _opacity(post), colour)
        return
    # A digit at the left or right, a line of smaller letters above or below.
    if axis == 0:
        length, scale = 1, 1.0
        widest = (MARGIN + MOST_ASKEW) * (high - low)[axis]
        away = max(away, widest - _PIECE * DIGIT_HEIGHT)
    else:
        length, scale = generator.integers(3, 8), generator.uniform(0.3, 0.7)
    text = "".join(_NEIGHBOURS[i] for i in generator.choice(len(_NEIGHBOURS), length))
    lettering = print_text(text, generator)
    first = lettering.boxes[:, :2].min(axis=0)
    last = lettering.boxes[:, 2:].max(axis=0)
    # In the middle along the number's side, and `away` from it.
    place = (low + high) / 2 - scale * (first + last) / 2
    if above:
        place[axis] = high[axis] + away - scale * first[axis]
    else:
        place[axis] = low[axis] - away - scale * last[axis]
    matrix = view.matrix @ shift(place) @ np.diag([scale, scale, 1.0])
    colour = ink
    if generator.random() < 0.5:
        colour = generator.uniform(10, 245) + _draw_tints(generator, 1)[0]
    _paint(scene, see(lettering.mask, matrix, view.scene_size), colour)


def _number(scene, mask, view, ink, generator):
    """Flat or raised, so that it throws a shadow; fresh or a little faded."""
    if generator.random() < 0.35:
        by = DIGIT_HEIGHT * generator.uniform(-0.07, 0.07, 2)
        shadow = see(mask, view.matrix @ shift(by), view.scene_size)
        scene *= 1 - generator.uniform(0.2, 0.5) * shadow
    fresh = generator.uniform(0.85, 1)
    _paint(scene, fresh * see(mask, view.matrix, view.scene_size), ink)


def _far(hull):
    """Left and top, right and bottom of all that the picture can show."""
    middle, half = (hull[:2] + hull[2:]) / 2, (hull[2:] - hull[:2]).max() / 2
    return middle - FAR * half, middle + FAR * half


def _rectangle(start, end):
    (left, top), (right, bottom) = start, end
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _opacity(mask):
    return np.asarray(mask, np.float32)[..., None] / np.float32(255)


def _paint(scene, opacity, colour):
    scene += opacity * (np.asarray(colour, np.float32) - scene)
