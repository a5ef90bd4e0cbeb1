import numpy as np
import pytest

from keras_stn import ops
from keras_stn.transforms import Similarity
from tests.transforms.cases import check_family, pixel_distances, rotation, theta_of


@pytest.mark.parametrize("aspect_ratio", [1.0, 2.0])
def test_similarity(aspect_ratio):
    def numeric_theta(parameters):
        theta = rotation(parameters[:, 0]) * parameters[:, 1, None, None]
        theta[:, 0, 1] /= aspect_ratio
        theta[:, 1, 0] *= aspect_ratio
        theta[:, :, 2] = parameters[:, 2:]
        return theta

    assert Similarity().num_parameters == 4
    check_family(Similarity(aspect_ratio), numeric_theta)


def test_parts_are_the_parameters():
    theta = theta_of(Similarity(), [[0.5, 1.5, 0.25, -0.75]])
    angle, scale, shear, shift = map(np.array, ops.decompose_theta(theta))
    np.testing.assert_allclose(angle, [0.5], rtol=1e-6)
    np.testing.assert_allclose(scale, [[1.5, 1.5]], rtol=1e-6)
    np.testing.assert_allclose(shear, [0], atol=1e-6)
    np.testing.assert_allclose(shift, [[0.25, -0.75]])


def test_aspect_ratio_keeps_shapes():
    theta = theta_of(Similarity(aspect_ratio=17 / 12), [[0.7, 2.0, 0.1, 0.2]])
    along_x, along_y = pixel_distances(theta, (12, 17))
    cos, sin = 2 * np.cos(0.7), 2 * np.sin(0.7)
    np.testing.assert_allclose(along_x, [[cos, sin]], atol=1e-6)
    np.testing.assert_allclose(along_y, [[-sin, cos]], atol=1e-6)


@pytest.mark.parametrize("aspect_ratio", [0, -2.0, False])
def test_wrong_aspect_ratio(aspect_ratio):
    with pytest.raises(ValueError, match=f"Received: aspect_ratio={aspect_ratio}"):
        Similarity(aspect_ratio)
