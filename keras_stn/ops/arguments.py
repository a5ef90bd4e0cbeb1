"""Checks of arguments that several functions share, with errors that say the cure."""

import operator

import keras
import numpy as np
from keras import ops

from keras_stn.backend import assert_same_batch

INTERPOLATIONS = ("bilinear", "nearest")
FILL_MODES = ("constant", "nearest", "reflect", "mirror")


def standardize_theta(theta):
    """Brings theta to shape `(batch, 2, 3)` and to the dtype of grid arithmetic.

    Args:
        theta: Tensor of shape `(batch, 2, 3)` or `(batch, 6)`.

    Returns:
        Tensor of shape `(batch, 2, 3)`, float64 if `theta` is, else float32.
    """
    theta = ops.convert_to_tensor(theta)
    check_theta_shape(known_shape(theta, "theta", "(batch, 2, 3)"))
    return ops.cast(ops.reshape(theta, (-1, 2, 3)), coordinate_dtype(theta))


def from_list(values):
    """Makes an array of nested lists of numbers, a tensor of those that hold tensors.

    An array, as a constant, can be saved with a functional model; a tensor has a
    gradient to what it was made of.
    """
    if not isinstance(values, list | tuple):
        return ops.convert_to_tensor(values)
    if any(map(_is_tensor, keras.tree.flatten(values))):
        return ops.stack([from_list(one) for one in values])
    return np.asarray(values, "float32")


def _is_tensor(value):
    return keras.ops.is_tensor(value) or isinstance(
        value, keras.KerasTensor | keras.Variable
    )


def check_theta_shape(shape):
    """Raises if `shape` is neither `(batch, 2, 3)` nor `(batch, 6)`."""
    shape = tuple(shape)
    if shape[1:] not in ((2, 3), (6,)) or len(shape) < 2:
        raise ValueError(
            "Invalid shape of `theta`. Expected `(batch, 2, 3)` or `(batch, 6)`, one "
            f"affine matrix for each image. Received: theta.shape={shape}. "
            + (
                "Make it known: `keras.Input((6,))`, or `theta.set_shape((None, 6))`."
                if None in shape[1:]
                else "For a single matrix add a batch axis: `theta[None]`."
            )
        )


def known_shape(tensor, name, expected):
    """The shape of a tensor as a tuple; raises if not even its rank is known."""
    if getattr(tensor.shape, "rank", 0) is None:
        raise ValueError(
            f"The rank of `{name}` is not known, as after `tf.py_function`. Expected "
            f"the shape {expected}; say what of it is known: "
            "`tensor.set_shape(...)`, with None for each other side."
        )
    return tuple(tensor.shape)


def coordinate_dtype(coordinates):
    """The dtype of grid arithmetic: float32, or float64 for float64 coordinates.

    Half precision cannot tell the pixels of a 64-pixel row apart near its ends, so
    grids are never computed in it, whatever the dtype policy.
    """
    dtype = keras.backend.standardize_dtype(coordinates.dtype)
    return "float64" if dtype == "float64" else "float32"


def standardize_size(size, name="size"):
    """Returns an output size as a tuple `(height, width)` of positive integers."""
    received = size
    if isinstance(size, int | np.integer):
        size = (size, size)
    try:
        height, width = (int(side) for side in size)
        exact = (height, width) == tuple(size) and not isinstance(received, bool)
    except (TypeError, ValueError):
        exact = False
    if not exact or height < 1 or width < 1:
        raise ValueError(
            f"Invalid value for `{name}`. Expected one or two positive integers, "
            f"`(height, width)`, in pixels. Received: {name}={received!r}"
        )
    return height, width


def check_choice(name, value, choices):
    """Raises if `value` is none of `choices`."""
    if value not in choices:
        raise ValueError(
            f"Invalid value for `{name}`. Expected one of {sorted(choices)}. "
            f"Received: {name}={value!r}"
        )


def standardize_flag(name, value):
    """Returns a truth value as a `bool`; raises if it is none: `"False"` is true."""
    is_flag = isinstance(value, bool | int | np.bool_ | np.integer) and value in (0, 1)
    if not is_flag:
        raise ValueError(
            f"Invalid value for `{name}`. Expected True or False. "
            f"Received: {name}={value!r}"
        )
    return bool(value)


def standardize_whole(name, value, least, bound=None):
    """Returns a whole number as an `int`; raises if it is none, or out of range.

    Args:
        name: What to call it in the error.
        value: Any integer type, but no truth value.
        least: The smallest number allowed.
        bound: The smallest number above those allowed; None if there is none.
    """
    try:
        whole = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = least - 1
    if whole < least or (bound is not None and whole >= bound):
        below = "" if bound is None else f" and below {bound:,}"
        raise ValueError(
            f"`{name}` must be a whole number, at least {least}{below}. "
            f"Received: {name}={value!r}"
        )
    return whole


def is_number(value):
    """Whether a value is a number of Python's or NumPy's, and no truth value."""
    is_real = isinstance(value, int | float | np.integer | np.floating)
    return is_real and not isinstance(value, bool)


def standardize_positive(name, value):
    """Returns a positive number as a `float`; raises if it is none, or infinite."""
    if not is_number(value) or not 0 < value < float("inf"):
        raise ValueError(
            f"Invalid value for `{name}`. Expected a positive, finite number. "
            f"Received: {name}={value!r}"
        )
    return float(value)


def check_width(width):
    """Raises if what multiplies a network's units is not a positive number."""
    if not is_number(width) or not 0 < width < float("inf"):
        raise ValueError(
            "Invalid value for `width`. Expected a positive number: 1 for the paper's "
            f"network, less for a narrower one. Received: width={width!r}"
        )


def check_images(images):
    """Raises if `images` is not a batch of numeric images."""
    shape = known_shape(images, "images", "(batch, height, width, channels)")
    check_image_rank(shape)
    if any(side == 0 for side in shape[1:]):
        raise ValueError(
            "Invalid shape of `images`. Expected at least one pixel and one channel. "
            f"Received: images.shape={shape}"
        )
    dtype = keras.backend.standardize_dtype(images.dtype)
    if dtype == "uint64":
        # `keras.ops.where` would make 32 bits of them without a word.
        raise ValueError(
            "Invalid dtype of `images`. Expected any other integer dtype, or floats. "
            "Received: images.dtype=uint64, which Keras does not keep. Cast the images "
            "to int64 first."
        )
    if not (keras.backend.is_float_dtype(dtype) or keras.backend.is_int_dtype(dtype)):
        raise ValueError(
            "Invalid dtype of `images`. Expected a float or an integer dtype. "
            f"Received: images.dtype={dtype}. Cast the images first, for example with "
            "`keras.ops.cast(images, 'float32')`."
        )


def check_image_rank(shape):
    """Raises if a shape is not that of a batch of images."""
    if len(shape) == 4:
        return
    cure = ""
    if len(shape) == 2:
        cure = " Give a single grey image both axes: `images[None, ..., None]`."
    if len(shape) == 3:
        cure = " Give grey images a channel axis: `images[..., None]`."
        if shape[0] is not None:
            cure += " For a single image add a batch axis: `images[None]`."
    raise ValueError(
        "Invalid rank of `images`. Expected 4, a batch of images of shape `(batch, "
        "height, width, channels)`, or `(batch, channels, height, width)` with "
        f"data_format='channels_first'. Received: images.shape={tuple(shape)}.{cure}"
    )


def is_shape(inputs):
    """Whether a list or tuple is the shape of a tensor, not several tensors."""
    return all(side is None or isinstance(side, int) for side in inputs)


def shapes_of(inputs):
    """The shapes of tensors, or shapes as they are, in the structure they come in."""
    if isinstance(inputs, dict):
        return {name: shapes_of(one) for name, one in inputs.items()}
    if isinstance(inputs, list | tuple) and not is_shape(inputs):
        return [shapes_of(one) for one in inputs]
    return tuple(getattr(inputs, "shape", inputs))


def is_float(tensor):
    """Whether a tensor has a float dtype."""
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))


def check_same_batch(images, other, name):
    """Raises if the batch sizes of `images` and `other` differ.

    Where they are not known yet, as in a graph for batches of any size, the error comes
    with the data: nothing after this would notice.
    """
    first, second = images.shape[0], other.shape[0]
    if first is not None and second is not None and first != second:
        cure = ""
        if first == 1:
            cure = (
                " To warp one image in several ways, repeat it: "
                f"`keras.ops.repeat(images, {second}, axis=0)`."
            )
        elif second == 1:
            cure = (
                " To warp all images in the same way, repeat it: "
                f"`keras.ops.repeat({name}, {first}, axis=0)`."
            )
        raise ValueError(
            f"`images` and `{name}` must have the same batch size, one {name} for each "
            f"image. Received: images.shape={tuple(images.shape)}, "
            f"{name}.shape={tuple(other.shape)}.{cure}"
        )
    is_symbolic = any(isinstance(one, keras.KerasTensor) for one in (images, other))
    if not is_symbolic and (first is None or second is None):
        assert_same_batch(
            images,
            other,
            f"`images` and `{name}` must have the same batch size, one {name} for each "
            "image. Received, in this order:",
        )


def check_fill(interpolation, fill_mode, fill_value):
    """Raises if how to interpolate and to fill is not one of the known ways."""
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    check_choice("fill_mode", fill_mode, FILL_MODES)
    if not is_number(fill_value) or not _is_single(fill_value):
        raise ValueError(
            "Invalid value for `fill_value`. Expected a finite number, also in single "
            f"precision. Received: fill_value={fill_value!r}"
        )


def _is_single(number):
    """Whether a number is finite in float32, in which sums are formed."""
    return abs(number) <= float(np.finfo(np.float32).max)


def standardize_data_format(data_format):
    """Returns `data_format`, or Keras' setting where it is None."""
    if data_format is None:
        return keras.config.image_data_format()
    check_choice("data_format", data_format, ("channels_first", "channels_last"))
    return data_format
