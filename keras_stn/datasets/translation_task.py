"""Translated MNIST with clutter."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from keras_stn.datasets.clutter import CROP_SIZE, CROPS, draw_crops
from keras_stn.datasets.digit_task import (
    DIGIT_SIZE,
    DigitTask,
    check_applied,
    unit_pixels,
)


class TranslationTask(DigitTask):
    """Digits shifted by up to 16 whole pixels per axis, among clutter.

    As in the authors' code of the paper: the digit is padded by 16 pixels to 60x60 and
    shifted by `round(U(-16, 16))` pixels per axis; six 6x6 crops of random training
    images are added at uniform whole places in 0..53 per axis; the sum is clipped at 1;
    mean 0.0363 and deviation 0.1870 are from the same code. Our choice, where it is not
    known: the place is that of the crop's top left corner, and the crop lies anywhere
    within its training image.

    The sign: applied `(x, y)` moves the digit right and down. The `theta` of a
    transformer that undoes it has the shift `(x / 30, y / 30)`.

    Example:

    >>> import numpy as np
    >>> from keras_stn.datasets import TranslationTask
    >>> digits = np.zeros((2, 28, 28), "uint8")
    >>> images, pixels = TranslationTask()(digits, np.random.default_rng(0))
    >>> images.shape, pixels.shape
    ((2, 60, 60, 1), (2, 2))

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), table 1
    """

    name = "translation"
    largest_shift = 16
    size = DIGIT_SIZE + 2 * largest_shift
    mean = 0.0363
    std = 0.1870
    # Clutter places are 0..53, so that the last row and column stay free of it.
    clutter_places = 54

    def draw(self, generator, count):
        """Draws shifts.

        Args:
            generator: A `numpy.random.Generator`.
            count: How many to draw.

        Returns:
            int32 array of shape `(count, 2)`, pixels, x before y, right and down
            positive.
        """
        shifts = generator.uniform(-self.largest_shift, self.largest_shift, (count, 2))
        return np.rint(shifts).astype(np.int32)

    def render(self, digits, applied, generator=None, clutter_from=None):
        """Shifts digits and strews clutter over them.

        Args:
            digits: uint8 array of shape `(batch, 28, 28)`.
            applied: Shifts in whole pixels, of shape `(batch, 2)`, x before y, within
                -16..16.
            generator: A `numpy.random.Generator` for the clutter; None for none.
            clutter_from: uint8 array of shape `(images, 28, 28)`, the images that
                clutter is cut from; the digits themselves by default.

        Returns:
            float32 array of shape `(batch, 60, 60, 1)`, `(pixel - mean) / std`.

        Raises:
            ValueError: If a shift is not whole or beyond 16 pixels, digits or shifts
                have another shape, or digits another dtype.
        """
        pixels = unit_pixels(digits)
        check_applied(applied, (len(pixels), 2))
        applied = np.asarray(applied)
        if not np.array_equal(applied, np.rint(applied)):  # Nor is NaN itself.
            raise ValueError(
                "`applied` must be whole pixels. Received: "
                f"{applied[applied != np.rint(applied)][:5].tolist()}"
            )
        if np.abs(applied).max(initial=0) > self.largest_shift:
            raise ValueError(
                f"`applied` must lie within -{self.largest_shift}.."
                f"{self.largest_shift} pixels, beyond which the digit leaves the "
                f"image. Received: {np.abs(applied).max()} pixels"
            )
        canvas = np.zeros((len(pixels), self.size, self.size), np.float32)
        column, row = (self.largest_shift + applied.astype(np.intp)).T
        every = np.arange(len(pixels))
        _windows(canvas, DIGIT_SIZE)[every, row, column] = pixels
        if generator is not None:
            self._add_clutter(
                canvas, digits if clutter_from is None else clutter_from, generator
            )
        return self.normalize(canvas)

    def _add_clutter(self, canvas, images, generator):
        count = len(canvas)
        crops = draw_crops(images, generator, count)
        column, row = generator.integers(self.clutter_places, size=(2, count, CROPS))
        windows = _windows(canvas, CROP_SIZE)
        every = np.arange(count)
        # One crop of every image at a time: crops of one image may overlap.
        for k in range(CROPS):
            windows[every, row[:, k], column[:, k]] += crops[:, k]
        np.minimum(canvas, 1, out=canvas)


def _windows(canvas, side):
    """A view of every square of this side: `(batch, row, column, side, side)`."""
    return sliding_window_view(canvas, (side, side), axis=(1, 2), writeable=True)
