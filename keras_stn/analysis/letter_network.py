"""The network of the paper's figure 1: one channel for "W", one for "M"."""

import keras
import numpy as np

from keras_stn.ops.arguments import standardize_size

_W = """
#...#...#
#...#...#
#..#.#..#
.#.#.#.#.
.#.#.#.#.
..#...#..
..#...#..
"""
# Our choice: of the response to a letter itself, what the response to the other one, or
# to a part, must exceed. W and M overlap by about a half.
_THRESHOLD = 0.7


def letter(name):
    """A "W", or the "M" that it becomes upside down, in pixels.

    Args:
        name: `"W"` or `"M"`.

    Returns:
        float32 array of shape `(7, 9)`: 1 on the strokes, else 0.

    Raises:
        ValueError: If it is another letter.

    Example:

    >>> from keras_stn.analysis import letter
    >>> for row in letter("W"):
    ...     print("".join("#" if pixel else "." for pixel in row))
    #...#...#
    #...#...#
    #..#.#..#
    .#.#.#.#.
    .#.#.#.#.
    ..#...#..
    ..#...#..
    """
    if name not in ("W", "M"):
        raise ValueError(f'`name` must be "W" or "M". Received: name={name!r}')
    rows = [[mark == "#" for mark in row] for row in _W.split()]
    pixels = np.array(rows, np.float32)
    return pixels if name == "W" else pixels[::-1, ::-1].copy()


def letter_network(size):
    """Builds the network of figure 1, with weights set by hand.

    One convolution, padded, whose two kernels are the letters "W" and "M", and a ReLU
    that passes what is like a letter and nothing else. A letter has the response 1 at
    its centre, in its own channel, and the other channel stays zero there.

    Turn an image by 180 degrees, and the response moves to another place *and* to the
    other channel. Warping the feature map moves it back to the place. No warp moves it
    back to the channel: that is equation (1).

    Args:
        size: `(height, width)` of the images in pixels, one integer for both.

    Returns:
        A `keras.Sequential` from images of shape `(batch, height, width, 1)`, strokes 1
        on 0, to features of shape `(batch, height, width, 2)`; or with the channels
        first, if that is Keras' image data format. Features have the dtype of Keras'
        dtype policy.

    Raises:
        ValueError: If the size is not one or two positive integers.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_stn.analysis import letter, letter_network
    >>> image = np.pad(letter("M"), 2)
    >>> image = keras.ops.expand_dims(image[None], 1)
    >>> if keras.config.image_data_format() == "channels_last":
    ...     image = keras.ops.transpose(image, (0, 2, 3, 1))
    >>> features = letter_network((11, 13))(image)
    >>> round(float(keras.ops.max(features)), 5)
    1.0

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), figure 1
    """
    size = standardize_size(size)
    is_last = keras.config.image_data_format() == "channels_last"
    kernel = np.stack([letter("W"), letter("M")], axis=-1)[:, :, None]
    # Without a mean, so that bright surroundings have no response.
    kernel = kernel - kernel.mean(axis=(0, 1))
    kernel /= np.sum(
        kernel * np.stack([letter("W"), letter("M")], -1)[:, :, None], (0, 1)
    )
    model = keras.Sequential(
        [
            keras.Input((*size, 1) if is_last else (1, *size)),
            keras.layers.Conv2D(
                2, kernel.shape[:2], padding="same", activation="relu", name="letters"
            ),
        ],
        name="letter_network",
    )
    scale = 1 / (1 - _THRESHOLD)
    model.get_layer("letters").set_weights(
        [kernel * scale, np.full(2, -_THRESHOLD * scale)]
    )
    return model
