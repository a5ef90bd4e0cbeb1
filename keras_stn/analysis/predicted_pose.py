"""The pose that a theta says an image has, in the units in which it was applied."""

import keras
import numpy as np

from keras_stn.ops.arguments import standardize_positive, standardize_size


def predicted_angle(theta, aspect_ratio=1.0):
    """The angle by which a theta takes an image to be turned.

    That of the rotation nearest to the linear part, with the sign of the paper's
    figure 3: a transformer that undoes the turns of `RotationTask` exactly predicts
    what was applied.

    ```
    -atan2(t01 * aspect_ratio - t10 / aspect_ratio, t00 + t11)
    ```

    Args:
        theta: Array of shape `(batch, 2, 3)` or `(batch, 6)`.
        aspect_ratio: Width over height of the images, as the families of
            `keras_stn.transforms` take it: normalised coordinates stretch the shorter
            side of an image that is not square.

    Returns:
        float64 array of shape `(batch,)`, degrees in [-180, 180]. A transformer that
        brings images to a pose about half a turn away has some predictions near 180
        and some near -180: for differences from the applied angle give `spread` a
        period of 360, and note that a line through them (`deming_fit`) means nothing.

    Raises:
        ValueError: If the shape is not as above, or the ratio is not a positive number.

    Example:

    >>> from keras_stn.analysis import predicted_angle
    >>> predicted_angle([[[0, -1, 0], [1, 0, 0]]])
    array([90.])

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), figure 3
    """
    theta = _as_matrices(theta)
    ratio = standardize_positive("aspect_ratio", aspect_ratio)
    # t10 - t01, as the negative of a zero would turn half a turn into -180 degrees.
    sine = theta[:, 1, 0] / ratio - theta[:, 0, 1] * ratio
    return np.rad2deg(np.arctan2(sine, theta[:, 0, 0] + theta[:, 1, 1]))


def predicted_shift(theta, size):
    """The place where a theta takes the object of an image to be.

    ```
    (t02, t12) * side / 2
    ```

    Args:
        theta: Array of shape `(batch, 2, 3)` or `(batch, 6)`.
        size: `(height, width)` of the images in pixels, one integer for both.

    Returns:
        float64 array of shape `(batch, 2)`: pixels to the right of the centre of the
        image and downwards, as `TranslationTask` applies them. The authors' code has
        the other sign for the first.

    Raises:
        ValueError: If the shape or the size is not as above.

    Example:

    >>> from keras_stn.analysis import predicted_shift
    >>> predicted_shift([[[1, 0, -0.5], [0, 1, 0.25]]], 60)
    array([[-15. ,   7.5]])
    """
    theta = _as_matrices(theta)
    height, width = standardize_size(size)
    return np.stack([width / 2 * theta[:, 0, 2], height / 2 * theta[:, 1, 2]], axis=-1)


def predicted_scale(theta):
    """How much larger a theta takes the object of an image to be, in octaves.

    ```
    log2(t00 t11 - t01 t10) / 2
    ```

    Half the logarithm of how much smaller the warp makes areas; twice that is what the
    authors' code has for the inverse, with the other sign. A transformer that undoes
    an applied scale `s` predicts `log2(s)`.

    Args:
        theta: Array of shape `(batch, 2, 3)` or `(batch, 6)`.

    Returns:
        float64 array of shape `(batch,)`; NaN for a warp that mirrors, and minus
        infinity for one that reads a line or a point.

    Raises:
        ValueError: If the shape is not as above.

    Example:

    >>> from keras_stn.analysis import predicted_scale
    >>> predicted_scale([[[2, 0, 0], [0, 2, 0]]])
    array([1.])
    """
    theta = _as_matrices(theta)
    area = theta[:, 0, 0] * theta[:, 1, 1] - theta[:, 0, 1] * theta[:, 1, 0]
    with np.errstate(divide="ignore"):
        return np.log2(np.where(area < 0, np.nan, area)) / 2


def _as_matrices(theta):
    # Also of a tensor on an accelerator, or one that PyTorch keeps gradients for.
    theta = np.asarray(keras.ops.convert_to_numpy(theta), np.float64)
    if theta.ndim not in (2, 3) or theta.shape[1:] not in ((6,), (2, 3)):
        raise ValueError(
            "`theta` must have the shape (batch, 2, 3) or (batch, 6). "
            f"Received: shape={theta.shape}"
        )
    return theta.reshape(-1, 2, 3)
