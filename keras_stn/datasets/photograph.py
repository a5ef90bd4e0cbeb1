"""Daylight on a scene, and a photograph of it by a poor camera.

What is random here is our choice throughout, as in `street_scene`.
"""

import io

import numpy as np
from PIL import Image, ImageFilter

from keras_stn.datasets.svhn_archives import SIZE
from keras_stn.datasets.viewpoint import OVERSAMPLING


def light_up(scene, generator):
    """Lights a scene unevenly, and throws a shadow over part of it.

    Args:
        scene: float32 array of shape `(height, width, 3)`, from black 0 to white 255;
            changed in place.
        generator: A `numpy.random.Generator`.
    """
    height, width, _ = scene.shape
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    turn, shadow_turn = generator.uniform(0, 2 * np.pi, 2)
    slope = generator.uniform(0, 0.25)
    scene *= 1 + np.float32(slope * np.cos(turn)) * x
    scene *= 1 + np.float32(slope * np.sin(turn)) * y
    if generator.random() < 0.25:
        across = np.float32(np.cos(shadow_turn)) * x
        across = across + np.float32(np.sin(shadow_turn)) * y
        softness, place = generator.uniform(0.02, 0.3), generator.uniform(-0.7, 0.7)
        # Beyond 80 the shade is none to the last bit, and soon no longer a number.
        depth = np.minimum((np.float32(place) - across) / np.float32(softness), 80)
        shade = 1 / (1 + np.exp(depth))
        scene *= 1 - np.float32(generator.uniform(0.2, 0.5)) * shade


def take_photograph(scene, size, generator):
    """Blurs a scene, reduces it, adds noise, compresses it and makes it a square.

    Args:
        scene: float32 array of shape `(height, width, 3)`, from black 0 to white 255.
        size: Width and height of the picture before it is made a square.
        generator: A `numpy.random.Generator`.

    Returns:
        uint8 array of shape `(64, 64, 3)`.
    """
    picture = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    # Out of focus, in proportion, so that small digits can be read as well as large
    # ones; a long number that is askew makes the picture higher, but not its digits.
    blur = OVERSAMPLING * min(generator.uniform(0, 0.045) * size[1], 1.5)
    picture = picture.filter(ImageFilter.GaussianBlur(blur))
    picture = picture.resize(size, Image.Resampling.BOX)
    pixels = np.asarray(picture, np.float32)
    noise = min(generator.exponential(3.5), 9)
    pixels = pixels + noise * generator.standard_normal(pixels.shape, np.float32)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(generator.integers(40, 96)))
    picture = Image.open(file).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(picture)
