import re

import keras
import numpy as np
import pytest

from keras_stn import ops
from keras_stn.ops.arguments import (
    check_choice,
    check_fill,
    check_image_rank,
    check_images,
    check_same_batch,
    check_theta_shape,
    coordinate_dtype,
    from_list,
    is_shape,
    shapes_of,
    standardize_data_format,
    standardize_flag,
    standardize_positive,
    standardize_size,
    standardize_theta,
    standardize_whole,
)
from tests.gradients import gradients
from tests.ops.cases import IMAGES, to_numpy


@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 6)])
def test_theta_is_brought_to_one_shape(shape):
    theta = np.arange(24.0, dtype="float32").reshape(shape)
    standard = standardize_theta(theta)
    np.testing.assert_array_equal(to_numpy(standard), theta.reshape(4, 2, 3))


def test_theta_may_be_a_list():
    standard = standardize_theta([[1, 0, 0, 0, 1, 0]])
    assert keras.backend.standardize_dtype(standard.dtype) == "float32"
    np.testing.assert_array_equal(to_numpy(standard), [[[1, 0, 0], [0, 1, 0]]])


@pytest.mark.parametrize("shape", [(2, 3), (6,), (4, 5), (4, 3, 2), (1, 4, 2, 3), ()])
def test_wrong_shape_of_theta(shape):
    with pytest.raises(
        ValueError, match=r"Expected `\(batch, 2, 3\)`.*`theta\[None\]`"
    ):
        check_theta_shape(shape)


@pytest.mark.parametrize("shape", [(None, None), (None, None, 3)])
def test_unknown_shape_of_theta(shape):
    with pytest.raises(ValueError, match=r"theta\.shape=\(None, .*`theta\.set_shape"):
        check_theta_shape(shape)


@pytest.mark.parametrize("shape", [(None, 2, 3), (None, 6), (0, 6)])
def test_right_shape_of_theta(shape):
    check_theta_shape(shape)


@pytest.mark.parametrize(
    "dtype, expected",
    [
        ("float64", "float64"),
        ("float32", "float32"),
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("int32", "float32"),
    ],
)
def test_coordinates_are_at_least_float32(dtype, expected):
    assert coordinate_dtype(keras.KerasTensor((1, 6), dtype=dtype)) == expected


@pytest.mark.parametrize(
    "size, expected",
    [
        (4, (4, 4)),
        (np.int64(4), (4, 4)),
        ([4, 5], (4, 5)),
        ((4.0, 5), (4, 5)),
        (np.array([4, 5]), (4, 5)),
    ],
)
def test_sizes(size, expected):
    standard = standardize_size(size)
    assert standard == expected
    assert all(type(side) is int for side in standard)


@pytest.mark.parametrize(
    "size", [0, (0, 4), (4, 4.5), (4, None), (1, 2, 3), "44x4", 4.5]
)
def test_wrong_sizes(size):
    with pytest.raises(ValueError) as error:
        standardize_size(size, name="output_size")
    assert "positive integers" in str(error.value)
    assert f"Received: output_size={size!r}" in str(error.value)


def test_choices():
    check_choice("colour", "red", ("red", "blue"))
    message = r"`colour`. Expected one of \['blue', 'red'\]. Received: colour='green'"
    with pytest.raises(ValueError, match=message):
        check_choice("colour", "green", ("red", "blue"))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "bfloat16", "float64"])
def test_images(dtype):
    check_images(keras.KerasTensor((None, None, 4, 1), dtype=dtype))


@pytest.mark.parametrize(
    "shape, dtype, message",
    [
        ((4, 4), "float32", r"images.shape=\(4, 4\).*`images\[None, ..., None\]`"),
        ((1, 4, 4, 1, 1), "float32", "Invalid rank"),
        ((1, 4, 0, 1), "float32", r"at least one pixel.*images.shape=\(1, 4, 0, 1\)"),
        ((1, 4, 4, 1), "uint64", "any other integer dtype.*=uint64.*to int64"),
        ((1, 4, 4, 1), "bool", "float or an integer dtype. Received: .*=bool. Cast"),
        (
            (1, 4, 4, 1),
            "complex64",
            "float or an integer dtype. Received: .*=complex64",
        ),
    ],
)
def test_wrong_images(shape, dtype, message):
    with pytest.raises(ValueError, match=message):
        check_images(keras.KerasTensor(shape, dtype=dtype))


@pytest.mark.parametrize("value", [2, np.int64(2), np.array(2, np.uint8)])
def test_whole_numbers(value):
    number = standardize_whole("count", value, 2, 3)
    assert number == 2 and type(number) is int


@pytest.mark.parametrize("value", [1, 3, -2, True, 2.0, np.float32(2), "2", None, [2]])
def test_no_whole_numbers_of_the_range(value):
    message = "`count` must be a whole number, at least 2 and below 3. Received: count="
    with pytest.raises(ValueError, match=f"{message}{re.escape(repr(value))}"):
        standardize_whole("count", value, 2, 3)


@pytest.mark.parametrize("value", [2, 1.5, np.float32(1.5), np.int64(2)])
def test_positive_numbers(value):
    number = standardize_positive("ratio", value)
    assert number == value and type(number) is float


@pytest.mark.parametrize(
    "value", [0, -1.5, float("inf"), float("nan"), True, "1", None]
)
def test_no_positive_numbers(value):
    message = "`ratio`. Expected a positive, finite number. Received: ratio="
    with pytest.raises(ValueError, match=f"{message}{re.escape(repr(value))}"):
        standardize_positive("ratio", value)


def test_batch_sizes():
    for first, second in ((4, 4), (None, 4), (4, None), (None, None)):
        check_same_batch(np.empty((first or 4, 1)), np.empty((second or 4, 1)), "theta")
        check_same_batch(
            keras.KerasTensor((first, 1)), keras.KerasTensor((second, 1)), "theta"
        )
    message = r"`images` and `grid`.*grid.shape=\(3, 1\).*repeat\(images, 3, axis=0\)"
    with pytest.raises(ValueError, match=message):
        check_same_batch(keras.KerasTensor((1, 1)), keras.KerasTensor((3, 1)), "grid")


@pytest.mark.parametrize("fill_value", [0, -1.5, np.float32(0.5), np.int8(3)])
def test_fill(fill_value):
    check_fill("bilinear", "constant", fill_value)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("bicubic", "nearest", 0), "`interpolation`.*'bicubic'"),
        (("nearest", "border", 0), r"`fill_mode`.*\['constant', 'mirror', .*'border'"),
        (("nearest", "nearest", "0"), "`fill_value`. Expected a finite number.*'0'"),
        (("bilinear", "constant", float("nan")), "finite number.*fill_value=nan"),
        (("bilinear", "constant", float("-inf")), "finite number.*fill_value=-inf"),
        (("bilinear", "constant", 1e39), "finite number.*fill_value=1e.39"),
        (("nearest", "nearest", True), "`fill_value`.*Received: fill_value=True"),
        (("nearest", "nearest", [0]), r"`fill_value`.*Received: fill_value=\[0\]"),
    ],
)
def test_wrong_fill(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_fill(*arguments)


def test_data_format(channels_first):
    assert standardize_data_format(None) == "channels_first"
    assert standardize_data_format("channels_last") == "channels_last"
    with pytest.raises(
        ValueError, match=r"`data_format`.*Received: data_format='NCHW'"
    ):
        standardize_data_format("NCHW")


@pytest.mark.parametrize("value", [True, np.True_, 1])
def test_flags(value):
    assert standardize_flag("flag", value) is True
    assert standardize_flag("flag", not value) is False


@pytest.mark.parametrize("value", ["False", None, 2, 1.0, [True]])
def test_flags_that_are_none(value):
    message = re.escape(f"Expected True or False. Received: flag={value!r}")
    with pytest.raises(ValueError, match=message):
        standardize_flag("flag", value)


def test_lists_of_numbers_become_arrays():
    found = from_list([[1, 2.5], np.array([3, 4])])
    assert isinstance(found, np.ndarray) and found.dtype == "float32"
    np.testing.assert_array_equal(found, [[1, 2.5], [3, 4]])


def test_lists_of_tensors_become_tensors():
    found = from_list([[keras.ops.ones(()), 2.5], (3, keras.Variable(4.0))])
    assert keras.ops.is_tensor(found)
    np.testing.assert_array_equal(to_numpy(found), [[1, 2.5], [3, 4]])
    symbolic = from_list([[keras.KerasTensor((5,)), keras.KerasTensor((5,))]])
    assert symbolic.shape == (1, 2, 5)


@pytest.mark.parametrize("name", ["affine_sample", "grid_sample"])
def test_places_in_a_list_of_tensors_have_gradients(name):
    sample = getattr(ops, name)

    def total(stack, angle):
        cos, sin = keras.ops.cos(angle), keras.ops.sin(angle)
        zero = keras.ops.zeros_like(angle)
        if name == "affine_sample":
            rows = [stack([cos, -sin, zero]), stack([sin, cos, zero])]
        else:
            rows = [stack([stack([cos, sin])])]
        places = stack([stack(rows)])
        sampled = sample(IMAGES[:1], places, data_format="channels_last")
        return keras.ops.sum(sampled**2)

    found, expected = (
        gradients(lambda angle, stack=stack: total(stack, angle), np.float32(0.3))[0]
        for stack in (list, keras.ops.stack)
    )
    assert abs(expected) > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "has_batch_cure"), [((28, 28, 1), True), ((None, 28, 28), False)]
)
def test_cures_of_images_of_three_axes(shape, has_batch_cure):
    with pytest.raises(ValueError, match=r"`images\[..., None\]`") as error:
        check_image_rank(shape)
    assert ("images[None]" in str(error.value)) == has_batch_cure
    check_image_rank((2, *shape))


def test_shapes_are_told_from_several_tensors():
    assert is_shape((None, 28, 28, 1))
    assert is_shape([2, 6])
    assert not is_shape([np.zeros((2, 4, 4, 1)), np.zeros((2, 6))])
    assert not is_shape([(None, 4, 4, 1), (None, 6)])


def test_shapes_of_tensors_and_of_shapes():
    tensors = {"image": np.zeros((2, 4, 4, 1)), "rest": [np.zeros(3), (None, 6)]}
    assert shapes_of(tensors) == {"image": (2, 4, 4, 1), "rest": [(3,), (None, 6)]}
