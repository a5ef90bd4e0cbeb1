import functools

import keras
import numpy as np
import pytest

import keras_stn
from keras_stn import ops
from keras_stn.analysis import predicted_angle, predicted_scale, predicted_shift
from keras_stn.datasets import RotationTask, ScaleTask, TranslationTask

GENERATOR = np.random.default_rng(0)


def similarity(degrees, scale=1.0):
    angle = np.deg2rad(degrees)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    zero = np.zeros_like(cosine)
    return np.stack([cosine, -sine, zero, sine, cosine, zero], -1).reshape(-1, 2, 3)


def blob():
    """A digit that is a soft spot beside the centre and one on it."""
    y, x = np.mgrid[:28, :28] - 13.5
    spots = np.exp(-(x**2 + y**2) / 8) + np.exp(-((x - 6) ** 2 + y**2) / 8)
    return (255 * spots.clip(0, 1)).astype("uint8")[None]


def undone(task, applied, theta):
    """Mean difference to the image that nothing was applied to, and without theta."""
    digits = blob().repeat(len(applied), axis=0)
    pixels = task.render(digits, applied, GENERATOR, np.zeros_like(digits))
    neutral = np.full_like(applied, 1 if task.name == "scale" else 0)
    target = task.render(digits, neutral, GENERATOR, np.zeros_like(digits))
    warped = ops.affine_sample(
        pixels,
        theta.astype("float32"),
        fill_mode="nearest",
        data_format="channels_last",
    )
    before = np.mean(np.abs(pixels - target))
    return np.mean(np.abs(np.array(warped) - target)) / before


def test_angle_is_what_rotation_task_applies():
    applied = np.linspace(-89, 89, 12).astype("float32")
    theta = similarity(applied)
    np.testing.assert_allclose(predicted_angle(theta), applied, atol=1e-5)
    assert undone(RotationTask(), applied, theta) < 0.1


def test_theta_from_a_model():
    # Which PyTorch keeps gradients for.
    theta = keras.Variable(similarity(np.array([30.0, -60.0]), scale=2.0)) * 1.0
    np.testing.assert_allclose(predicted_angle(theta), [30, -60], rtol=1e-5)
    np.testing.assert_allclose(predicted_scale(theta), [1, 1], rtol=1e-5)
    np.testing.assert_array_equal(predicted_shift(theta, 10), np.zeros((2, 2)))


def test_angle_is_that_of_the_nearest_rotation():
    theta = GENERATOR.normal(size=(50, 2, 3))
    linear = theta[:, :, :2]
    left, _, right = np.linalg.svd(linear)
    sign = np.sign(np.linalg.det(left @ right))
    left[:, :, 1] *= sign[:, None]
    nearest = left @ right
    expected = np.rad2deg(np.arctan2(nearest[:, 1, 0], nearest[:, 0, 0]))
    np.testing.assert_allclose(predicted_angle(theta), expected, atol=1e-9)
    np.testing.assert_array_equal(
        predicted_angle(theta.reshape(-1, 6)), predicted_angle(theta)
    )


def test_shift_is_what_translation_task_applies():
    applied = np.array([[5, -9], [-16, 3], [0, 11]], "float32")
    theta = similarity(np.zeros(3))
    theta[:, :, 2] = applied / 30
    np.testing.assert_allclose(predicted_shift(theta, 60), applied, atol=1e-5)
    np.testing.assert_allclose(predicted_shift(theta, (60, 60)), applied, atol=1e-5)
    assert undone(TranslationTask(), applied, theta) < 0.01


def test_shift_of_an_image_that_is_not_square():
    theta = similarity(np.zeros(1))
    theta[:, :, 2] = 0.5
    np.testing.assert_array_equal(predicted_shift(theta, (20, 80)), [[20, 5]])


def test_scale_is_what_scale_task_applies():
    applied = np.array([0.5, 0.8, 1.7, 2, 4], "float32")
    theta = similarity(np.zeros(5), applied)
    np.testing.assert_allclose(predicted_scale(theta), np.log2(applied), atol=1e-6)
    assert undone(ScaleTask(), applied, theta) < 0.1


def test_scale_of_warps_that_mirror_or_flatten():
    flat, mirror = np.zeros((2, 3)), [[-1, 0, 0], [0, 1, 0]]
    found = predicted_scale([flat, mirror])
    assert found[0] == -np.inf and np.isnan(found[1])


@pytest.mark.parametrize(
    "function",
    [predicted_angle, predicted_scale, functools.partial(predicted_shift, size=28)],
)
@pytest.mark.parametrize("shape", [(2, 3), (6,), (4, 3, 2), (4, 5), ()])
def test_says_which_shape_is_wrong(function, shape):
    with pytest.raises(ValueError, match="Received: shape="):
        function(np.zeros(shape))


@pytest.mark.parametrize("size", [(), 0, (28, -1), (1, 2, 3)])
def test_says_which_size_is_wrong(size):
    with pytest.raises(ValueError, match="Received: size="):
        predicted_shift(np.zeros((1, 2, 3)), size)


def test_angles_of_nothing_and_of_half_a_turn():
    angles = predicted_angle([[[1, 0, 0], [0, 1, 0]], [[-1, 0, 0], [0, -1, 0]]])
    np.testing.assert_array_equal(angles, [0, 180])
    assert not np.signbit(angles).any()


@pytest.mark.parametrize("aspect_ratio", [2.0, 0.3])
def test_angle_of_images_that_are_not_square(aspect_ratio):
    angles = np.array([30.0, -60.0, 170.0])
    family = keras_stn.transforms.Rotation(aspect_ratio)
    theta = family(np.deg2rad(angles)[:, None])
    np.testing.assert_allclose(predicted_angle(theta, aspect_ratio), angles, rtol=1e-5)
    with pytest.raises(ValueError, match="aspect_ratio=0"):
        predicted_angle(theta, 0)
