"""Street numbers that are rendered, for where SVHN cannot be had."""

import numpy as np

from keras_stn.datasets.svhn_archives import BLANK, DIGITS, SIZE
from keras_stn.ops.arguments import standardize_whole

# How many of the 33,401 numbers in SVHN's training half have 1 to 5 digits, and how
# often each digit occurs there, 0 first: counted in its `digitStruct.mat`.
LENGTH_COUNTS = (5137, 18130, 8691, 1434, 9)
DIGIT_COUNTS = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
# One word of NumPy's `SeedSequence`: no two pairs of seed and index are then the same.
_SEEDS = 2**32


def render_numbers(count, seed):
    """Renders street numbers that look somewhat like SVHN's full numbers.

    Printed digits in several fonts on plates and walls, seen from an angle, badly lit,
    beside distracting edges and letters, blurred, noisy and compressed. Numbers of 1 to
    5 digits, and the digits 0 to 9, are as frequent as in SVHN's training half. As
    there, the box of all digits is enlarged by 30 % and squeezed to a square.

    Nothing but fonts is read: those that matplotlib ships. Image `i` depends on `seed`
    and `i` alone, not on `count`; it is the same bits every time with the same versions
    of Pillow, NumPy and matplotlib.

    Args:
        count: How many to render, at least 1.
        seed: An integer, at least 0 and below 2**32.

    Returns:
        images: uint8 array of shape `(count, 64, 64, 3)`.
        labels: uint8 array of shape `(count, 5)`: the digits 0 to 9 from left to right,
            then 10 for blank.

    Raises:
        ValueError: If `count` or `seed` is not as above.
        ImportError: If Pillow or matplotlib is not installed.
        FileNotFoundError: If matplotlib's fonts are not where it says.

    Example:

    >>> from keras_stn.datasets import render_numbers
    >>> images, labels = render_numbers(2, seed=0)
    >>> images.shape, labels.shape
    ((2, 64, 64, 3), (2, 5))
    """
    count = standardize_whole("count", count, 1)
    seed = standardize_whole("seed", seed, 0, _SEEDS)
    try:
        import matplotlib  # noqa: F401

        from keras_stn.datasets.street_scene import render_scene
    except ImportError as error:
        raise ImportError(
            "Street numbers are rendered by Pillow, in fonts that matplotlib ships; "
            f"one of them cannot be imported ({error}). "
            '`pip install "Pillow>=12" matplotlib`, or use SVHN itself.'
        ) from error

    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    labels = np.full((count, DIGITS), BLANK, np.uint8)
    for index in range(count):
        generator = np.random.default_rng([seed, index])
        digits = _draw_digits(generator)
        labels[index, : len(digits)] = digits
        images[index] = render_scene("".join(map(str, digits)), generator)
    return images, labels


def _draw_digits(generator):
    lengths = np.array(LENGTH_COUNTS)
    length = 1 + generator.choice(len(lengths), p=lengths / lengths.sum())
    digits = np.array(DIGIT_COUNTS)
    return generator.choice(len(digits), size=length, p=digits / digits.sum())
