"""What the three tasks have in common."""

import abc

import keras
import numpy as np

from keras_stn import ops
from keras_stn.backend import on_cpu

DIGIT_SIZE = 28


class DigitTask(abc.ABC):
    """A random transformation of MNIST digits, batch by batch.

    Subclasses set the attributes and write `draw()` and `render()`. A task holds no
    state: everything random comes from the generator that is passed in.

    Attributes:
        name: The task's name, as `mnist_task()` takes it.
        size: Side of the rendered images in pixels.
        mean: Mean pixel of the rendered images, with black 0 and white 1.
        std: Standard deviation of the same pixels.

    Example:

    A task of one's own, to be given to `TransformedMNIST` as `task`:

    >>> import numpy as np
    >>> from keras_stn.datasets import DigitTask
    >>> class Mirrored(DigitTask):
    ...     name, size, mean, std = "mirrored", 28, 0.1307, 0.3081
    ...
    ...     def draw(self, generator, count):
    ...         return generator.integers(2, size=count)
    ...
    ...     def render(self, digits, applied, generator=None, clutter_from=None):
    ...         flipped = np.where(applied[:, None, None], digits[:, :, ::-1], digits)
    ...         return self.normalize(np.float32(flipped / 255))
    >>> digits = np.zeros((2, 28, 28), "uint8")
    >>> images, mirrored = Mirrored()(digits, np.random.default_rng(0))
    >>> images.shape
    (2, 28, 28, 1)
    """

    name: str
    size: int
    mean: float
    std: float

    @abc.abstractmethod
    def draw(self, generator, count):
        """Draws the transformations of `count` digits.

        Args:
            generator: A `numpy.random.Generator`.
            count: How many to draw.

        Returns:
            NumPy array whose first axis is `count`.
        """

    @abc.abstractmethod
    def render(self, digits, applied, generator=None, clutter_from=None):
        """Applies drawn transformations to digits.

        Args:
            digits: uint8 array of shape `(batch, 28, 28)`.
            applied: What `draw()` returned, or chosen values of that shape.
            generator: A `numpy.random.Generator` for the clutter.
            clutter_from: uint8 array of shape `(images, 28, 28)`, the images that
                clutter is cut from; the digits themselves by default.

        Returns:
            float32 array of shape `(batch, size, size, 1)`, `(pixel - mean) / std`.
        """

    def __call__(self, digits, generator, clutter_from=None):
        """Draws and renders in one.

        Args:
            digits: uint8 array of shape `(batch, 28, 28)`.
            generator: A `numpy.random.Generator`.
            clutter_from: As in `render()`.

        Returns:
            The images, float32 of shape `(batch, size, size, 1)`, and what was
            applied to them.
        """
        applied = self.draw(generator, len(digits))
        return self.render(digits, applied, generator, clutter_from), applied

    def normalize(self, pixels):
        """Gives pixels in [0, 1] the mean 0 and the deviation 1 of the task's data.

        Args:
            pixels: float32 array of shape `(batch, size, size)`.

        Returns:
            float32 array of shape `(batch, size, size, 1)`.
        """
        normalized = pixels - np.float32(self.mean)
        normalized /= np.float32(self.std)
        return normalized[..., None]

    def __repr__(self):
        return f"{type(self).__name__}()"


def unit_pixels(digits):
    """Converts digits to float32 with black 0 and white 1.

    Args:
        digits: uint8 array of shape `(batch, 28, 28)`.

    Returns:
        float32 array of the same shape.

    Raises:
        ValueError: If dtype or shape is another.
    """
    digits = np.asarray(digits)
    if digits.dtype != np.uint8 or digits.shape[1:] != (DIGIT_SIZE, DIGIT_SIZE):
        raise ValueError(
            "`digits` must be a uint8 array of shape (batch, 28, 28), as "
            "`load_mnist()` gives them. "
            f"Received: dtype={digits.dtype}, shape={digits.shape}"
        )
    return digits.astype(np.float32) / np.float32(255)


def check_applied(applied, shape):
    """Raises if what is to be applied to digits has another shape."""
    if np.shape(applied) != shape:
        raise ValueError(
            f"`applied` must be of the shape {shape}, one for each digit, as `draw()` "
            f"returns it. Received: applied.shape={np.shape(applied)}"
        )


def warp_on_cpu(pixels, theta, size):
    """Warps grey images bilinearly, black outside, whatever the backend.

    On the CPU device, so that an accelerator goes on with its training step. The
    warp convention is stated in `keras_stn.ops`.

    Args:
        pixels: float32 array of shape `(batch, height, width)`.
        theta: float32 array of shape `(batch, 2, 3)`.
        size: Side of the output in pixels.

    Returns:
        float32 NumPy array of shape `(batch, size, size)`.
    """
    with on_cpu():
        warped = ops.affine_sample(
            pixels[..., None], theta, size=size, data_format="channels_last"
        )
        return keras.ops.convert_to_numpy(warped)[..., 0]
