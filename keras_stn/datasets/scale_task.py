"""Scaled MNIST with clutter."""

import functools

import numpy as np

from keras_stn.datasets.clutter import CROP_SIZE, CROPS, draw_crops
from keras_stn.datasets.digit_task import (
    DIGIT_SIZE,
    DigitTask,
    check_applied,
    unit_pixels,
    warp_on_cpu,
)


class ScaleTask(DigitTask):
    """Digits scaled by `2 ** U(-1, 2)` about their centre, among clutter.

    As in the authors' code of the full paper: the digit is padded by 42 pixels to
    112x112 and scaled bilinearly; six 6x6 crops of random training images, each resized
    to `2s x 2s` pixels with s uniform in 1..9, are added with their centres uniform in
    2..109 per axis; the sum is clipped at 1; mean 0.0414 and deviation 0.1751 are from
    the same code. Our choice, where it is not known: crops are resized bilinearly with
    half-pixel centres and without anti-aliasing; a crop with centre c covers the
    pixels c - s to c + s - 1, and what leaves the image is cut off; the crop lies
    anywhere within its training image.

    The sign: an applied factor above 1 makes the digit larger. The `theta` of a
    transformer that undoes it is `[[f, 0, 0], [0, f, 0]]`.

    Example:

    >>> import numpy as np
    >>> from keras_stn.datasets import ScaleTask
    >>> digits = np.zeros((2, 28, 28), "uint8")
    >>> images, factors = ScaleTask()(digits, np.random.default_rng(0))
    >>> images.shape, factors.shape
    ((2, 112, 112, 1), (2,))

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2004.11678), scaled MNIST
    """

    name = "scale"
    size = DIGIT_SIZE + 2 * 42
    mean = 0.0414
    std = 0.1751
    smallest_octave = -1.0
    largest_octave = 2.0
    largest_half_side = 9
    clutter_centres = (2, 109)

    def draw(self, generator, count):
        """Draws factors.

        Args:
            generator: A `numpy.random.Generator`.
            count: How many to draw.

        Returns:
            float32 array of shape `(count,)`, factors from 1/2 to 4.
        """
        octaves = generator.uniform(self.smallest_octave, self.largest_octave, count)
        return np.exp2(octaves).astype(np.float32)

    def render(self, digits, applied, generator=None, clutter_from=None):
        """Scales digits and strews clutter over them.

        Args:
            digits: uint8 array of shape `(batch, 28, 28)`.
            applied: Factors above 0, of shape `(batch,)`.
            generator: A `numpy.random.Generator` for the clutter; None for none.
            clutter_from: uint8 array of shape `(images, 28, 28)`, the images that
                clutter is cut from; the digits themselves by default.

        Returns:
            float32 array of shape `(batch, 112, 112, 1)`, `(pixel - mean) / std`.

        Raises:
            ValueError: If a factor is not above 0, digits or factors have another
                shape, or digits another dtype.
        """
        pixels = unit_pixels(digits)
        check_applied(applied, pixels.shape[:1])
        applied = np.asarray(applied, np.float64)
        if not (applied > 0).all():
            raise ValueError(
                f"`applied` must be factors above 0. Received: {applied.min()}"
            )
        theta = np.zeros((len(pixels), 2, 3), np.float32)
        # Sampled from the digit itself: outside it there is the black of the padding.
        theta[:, 0, 0] = theta[:, 1, 1] = self.size / DIGIT_SIZE / applied
        scaled = warp_on_cpu(pixels, theta, self.size)
        if generator is not None:
            images = digits if clutter_from is None else clutter_from
            scaled = scaled + self._clutter(images, generator, len(pixels))
            np.minimum(scaled, 1, out=scaled)
        return self.normalize(scaled)

    def _clutter(self, images, generator, count):
        crops = draw_crops(images, generator, count)
        shape = (count, CROPS)
        half_side = generator.integers(1, self.largest_half_side + 1, size=shape)
        low, high = self.clutter_centres
        column, row = generator.integers(low, high + 1, size=(2, *shape))
        # Resizing and placing are linear, and the same along rows and columns: with
        # the matrices R and C of the two axes, the image of a crop is R @ crop @ C.T,
        # and the sum over an image's six crops is one product of wider matrices.
        stretch = _stretches(self.size, self.largest_half_side)
        rows, columns = stretch[half_side, row], stretch[half_side, column]
        wide = columns @ np.swapaxes(crops, -1, -2)
        rows = np.swapaxes(rows, 1, 2).reshape(count, self.size, CROPS * CROP_SIZE)
        wide = np.swapaxes(wide, 1, 2).reshape(count, self.size, CROPS * CROP_SIZE)
        return rows @ np.swapaxes(wide, 1, 2)


@functools.cache
def _stretches(size, largest_half_side):
    """Matrices that stretch six pixels to `2s` and place them in a row of pixels.

    Args:
        size: Length of the row of pixels.
        largest_half_side: Largest s.

    Returns:
        float32 array of shape `(largest_half_side + 1, size, size, 6)`: s, centre,
        pixel of the row, pixel of the crop.
    """
    half_side = np.arange(largest_half_side + 1)[:, None, None]
    centre = np.arange(size)[None, :, None]
    pixel = np.arange(size)[None, None, :]
    within = pixel - (centre - half_side)
    covered = (within >= 0) & (within < 2 * half_side)
    # Half-pixel centres; the crop's edge pixels go on to its edge.
    source = (within + 0.5) * CROP_SIZE / np.maximum(2 * half_side, 1) - 0.5
    source = np.clip(source, 0, CROP_SIZE - 1)[..., None]
    weights = np.maximum(1 - np.abs(source - np.arange(CROP_SIZE)), 0)
    return np.where(covered[..., None], weights, 0).astype(np.float32)
