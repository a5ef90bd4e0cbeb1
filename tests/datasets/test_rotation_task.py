import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from keras_stn import ops
from keras_stn.datasets import RotationTask

TASK = RotationTask()


def turned(digit, degrees):
    """Turned clockwise about the centre, by SciPy in float64."""
    angle = np.deg2rad(float(degrees))
    # Row before column: output to input is the turn back.
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.full(2, 13.5)
    return scipy.ndimage.affine_transform(
        digit / 255.0,
        matrix,
        centre - matrix @ centre,
        order=1,
        mode="grid-constant",
    )


def undoing(degrees):
    """The theta of a transformer that undoes an applied rotation."""
    angle = np.deg2rad(degrees)
    theta = np.zeros((len(angle), 2, 3), np.float32)
    theta[:, 0, 0] = theta[:, 1, 1] = np.cos(angle)
    theta[:, 0, 1] = -np.sin(angle)
    theta[:, 1, 0] = np.sin(angle)
    return theta


def test_against_scipy(digits):
    applied = np.linspace(-90, 90, len(digits)).astype(np.float32)
    images = TASK.render(digits, applied)
    assert images.shape == (len(digits), 28, 28, 1)
    assert images.dtype == np.float32
    expected = np.stack([turned(*pair) for pair in zip(digits, applied, strict=True)])
    expected = (expected - 0.1307) / 0.3081
    np.testing.assert_allclose(images[..., 0], expected, atol=5e-5)


def test_quarter_turn_is_clockwise(digits):
    images = TASK.render(digits, np.full(len(digits), 90.0))
    # np.rot90 turns counter-clockwise.
    expected = (np.rot90(digits, -1, axes=(1, 2)) / 255 - 0.1307) / 0.3081
    np.testing.assert_allclose(images[..., 0], expected, atol=5e-5)


def test_predicted_against_applied_has_slope_one():
    # A smooth image, which survives being sampled twice.
    row, column = np.mgrid[:28, :28] - 13.5
    blob = np.exp(-((column - 4) ** 2 + (row + 1) ** 2) / 18)
    digit = np.rint(255 * blob).astype(np.uint8)
    applied = np.array([-80.0, -30.0, 10.0, 65.0])
    images = TASK.render(np.stack([digit] * 4), applied)

    theta = undoing(applied)
    aligned = np.array(ops.affine_sample(images, theta, data_format="channels_last"))
    # The black that comes in from outside is 0 here and not -mean / std.
    middle = slice(6, 22)
    np.testing.assert_allclose(
        aligned[:, middle, middle, 0],
        np.stack([(digit / 255 - 0.1307) / 0.3081] * 4)[:, middle, middle],
        # Against 1 or more with the sign turned round.
        atol=0.2,
    )
    predicted = -np.rad2deg(
        np.arctan2(theta[:, 0, 1] - theta[:, 1, 0], theta[:, 0, 0] + theta[:, 1, 1])
    )
    np.testing.assert_allclose(predicted, applied, atol=1e-3)


def test_draws_are_uniform():
    applied = TASK.draw(np.random.default_rng(0), 20_000)
    assert applied.shape == (20_000,)
    assert applied.dtype == np.float32
    assert scipy.stats.kstest((applied + 90) / 180, "uniform").pvalue > 0.01
    assert TASK.draw(np.random.default_rng(0), 3).tolist() == applied[:3].tolist()


@pytest.mark.parametrize(
    "digits",
    [
        np.zeros((2, 28, 28), np.float32),
        np.zeros((2, 28, 28, 1), np.uint8),
        np.zeros((28, 28), np.uint8),
    ],
)
def test_other_digits_are_refused(digits):
    with pytest.raises(ValueError, match=r"uint8 array of shape.*Received"):
        TASK.render(digits, np.zeros(2))
