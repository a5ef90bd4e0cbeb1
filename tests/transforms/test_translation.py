import numpy as np

from keras_stn import ops
from keras_stn.transforms import Translation
from tests.ops.cases import IMAGES, to_numpy
from tests.transforms.cases import check_family


def test_translation():
    def numeric_theta(parameters):
        linear = np.tile(np.eye(2), (len(parameters), 1, 1))
        return np.concatenate([linear, parameters[..., None]], axis=2)

    assert Translation().num_parameters == 2
    check_family(Translation(), numeric_theta)


def test_a_positive_shift_moves_the_image_to_the_left_and_up():
    theta = Translation()(np.array([[2 * 2 / 17, 2 * 1 / 12]] * 8, "float32"))
    moved = to_numpy(ops.affine_sample(IMAGES, theta))
    np.testing.assert_allclose(moved[:, :-1, :-2], IMAGES[:, 1:, 2:], atol=1e-6)
