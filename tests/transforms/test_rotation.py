import numpy as np
import pytest

from keras_stn import ops
from keras_stn.transforms import Rotation
from tests.ops.cases import IMAGES, to_numpy
from tests.transforms.cases import check_family, pixel_distances, rotation, theta_of


@pytest.mark.parametrize("aspect_ratio", [1.0, 1.5])
def test_rotation(aspect_ratio):
    def numeric_theta(parameters):
        theta = rotation(parameters[:, 0])
        theta[:, 0, 1] /= aspect_ratio
        theta[:, 1, 0] *= aspect_ratio
        return theta

    assert Rotation().num_parameters == 1
    check_family(Rotation(aspect_ratio), numeric_theta)


def test_a_positive_angle_turns_the_image_counter_clockwise():
    square = IMAGES[:, :, :12]
    theta = Rotation()(np.full((8, 1), np.pi / 2, "float32"))
    turned = to_numpy(ops.affine_sample(square, theta))
    expected = np.rot90(square, axes=(1, 2))
    np.testing.assert_allclose(turned, expected, rtol=0, atol=2e-6)


def test_aspect_ratio_keeps_distances_and_angles():
    theta = theta_of(Rotation(aspect_ratio=17 / 12), [[0.7], [-2.0]])
    along_x, along_y = pixel_distances(theta, (12, 17))
    for angle, x, y in zip((0.7, -2.0), along_x, along_y, strict=True):
        cos, sin = np.cos(angle), np.sin(angle)
        np.testing.assert_allclose(x, [cos, sin], atol=1e-6)
        np.testing.assert_allclose(y, [-sin, cos], atol=1e-6)


@pytest.mark.parametrize("aspect_ratio", [0, -1, "wide", None, True, float("nan")])
def test_wrong_aspect_ratio(aspect_ratio):
    message = (
        "`aspect_ratio`. Expected a positive, finite number. Received: aspect_ratio="
    )
    with pytest.raises(ValueError, match=message):
        Rotation(aspect_ratio)
