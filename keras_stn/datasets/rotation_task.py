"""Rotated MNIST."""

import numpy as np

from keras_stn.datasets.digit_task import (
    DIGIT_SIZE,
    DigitTask,
    check_applied,
    unit_pixels,
    warp_on_cpu,
)


class RotationTask(DigitTask):
    """Digits turned about their centre by a uniform angle in -90..90 degrees.

    28x28 pixels, bilinear, black outside, as in the authors' code of the paper; mean
    0.1307 and deviation 0.3081 are those of MNIST, from the same code.

    The sign: an applied angle of `+a` turns the digit **clockwise** as it is seen on
    the screen (x to the right, y down). The `theta` of a transformer that undoes it is
    `[[cos a, -sin a, 0], [sin a, cos a, 0]]`, and the angle that is read from a theta
    in the authors' statistics, `-atan2(t01 - t10, t00 + t11)`, is then `+a`: predicted
    plotted against applied is a line of slope +1 for a perfect transformer.

    Example:

    >>> import numpy as np
    >>> from keras_stn.datasets import RotationTask
    >>> digits = np.zeros((2, 28, 28), "uint8")
    >>> images, degrees = RotationTask()(digits, np.random.default_rng(0))
    >>> images.shape, degrees.shape
    ((2, 28, 28, 1), (2,))

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), figures 2 and 3
    """

    name = "rotation"
    size = DIGIT_SIZE
    mean = 0.1307
    std = 0.3081
    largest_angle = 90.0

    def draw(self, generator, count):
        """Draws angles.

        Args:
            generator: A `numpy.random.Generator`.
            count: How many to draw.

        Returns:
            float32 array of shape `(count,)`, degrees, clockwise positive.
        """
        angles = generator.uniform(-self.largest_angle, self.largest_angle, count)
        return angles.astype(np.float32)

    def render(self, digits, applied, generator=None, clutter_from=None):
        """Turns digits.

        Args:
            digits: uint8 array of shape `(batch, 28, 28)`.
            applied: Angles in degrees, of shape `(batch,)`.
            generator: Not used: there is no clutter.
            clutter_from: Not used.

        Returns:
            float32 array of shape `(batch, 28, 28, 1)`, `(pixel - mean) / std`.

        Raises:
            ValueError: If digits or angles have another shape, or digits another dtype.
        """
        pixels = unit_pixels(digits)
        check_applied(applied, pixels.shape[:1])
        angle = np.deg2rad(np.asarray(applied, np.float64))
        theta = np.zeros((len(pixels), 2, 3), np.float32)
        # Output to input, therefore the turn by -angle.
        theta[:, 0, 0] = theta[:, 1, 1] = np.cos(angle)
        theta[:, 0, 1] = np.sin(angle)
        theta[:, 1, 0] = -np.sin(angle)
        return self.normalize(warp_on_cpu(pixels, theta, self.size))
