import numpy as np
import pytest

from keras_stn.analysis import spread


def test_matches_a_sum_over_classes():
    generator = np.random.default_rng(0)
    labels = generator.integers(-3, 7, 200)
    final = generator.normal(size=200)
    squares = sum(
        np.sum((final[labels == one] - final[labels == one].mean()) ** 2)
        for one in np.unique(labels)
    )
    assert spread(final, labels) == pytest.approx(np.sqrt(squares / 200))


def test_a_pose_of_its_own_for_each_class_has_no_spread():
    assert spread([5, 5, -80, -80], [1, 1, 0, 0]) == 0


@pytest.mark.parametrize("final", [[], [1.0, 2.0], [[1.0]]])
def test_says_what_is_wrong(final):
    with pytest.raises(ValueError, match="same shape"):
        spread(final, np.zeros(1 if final else 0, int))


def test_angles_go_round():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 400)
    final = 5 * generator.normal(size=400)
    expected = spread(final, labels)
    # A pose of half a turn, in a way of writing that jumps there.
    turned = (final + 180 + 180) % 360 - 180
    assert spread(turned, labels) > 100
    assert spread(turned, labels, period=360) == pytest.approx(expected, rel=1e-3)
    in_radians = spread(np.deg2rad(turned), labels, period=2 * np.pi)
    assert np.rad2deg(in_radians) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0.5, 1.0]), "labels.dtype=float64"),
        (([1.0, np.nan], [0, 0]), "1 of 2 that are NaN or infinite"),
        (([1.0, 2.0], [0, 0], -1), "period=-1"),
    ],
)
def test_says_which_argument_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        spread(*arguments)
