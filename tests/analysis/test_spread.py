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
