"""Pieces of other digits, strewn over an image to distract."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# The authors' code: six crops of 6x6 pixels in each image.
CROPS = 6
CROP_SIZE = 6


def draw_crops(images, generator, count):
    """Cuts the clutter of `count` images out of random digits.

    The crop lies anywhere within its digit, all places equally likely: our choice, the
    paper leaves it open.

    Args:
        images: uint8 array of shape `(images, 28, 28)`.
        generator: A `numpy.random.Generator`.
        count: How many images need clutter.

    Returns:
        float32 array of shape `(count, 6, 6, 6)`: image, crop, row, column; black 0
        and white 1.

    Raises:
        ValueError: If the images are not as above, or there is none.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3 or not images.size:
        raise ValueError(
            "Clutter is cut from a uint8 array of shape (images, 28, 28), of at least "
            f"one image. Received: dtype={images.dtype}, shape={images.shape}"
        )
    windows = sliding_window_view(images, (CROP_SIZE, CROP_SIZE), axis=(1, 2))
    shape = (count, CROPS)
    image = generator.integers(windows.shape[0], size=shape)
    row = generator.integers(windows.shape[1], size=shape)
    column = generator.integers(windows.shape[2], size=shape)
    return windows[image, row, column].astype(np.float32) / np.float32(255)
