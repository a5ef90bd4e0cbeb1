import keras
import numpy as np
import pytest

from keras_stn import transforms
from keras_stn.analysis.nearest_parameters import nearest_parameters

GENERATOR = np.random.default_rng(0)
FAMILIES = {
    "affine": transforms.Affine(),
    "similarity": transforms.Similarity(1.5),
    "rigid": transforms.Rigid(),
    "rotation": transforms.Rotation(),
    "translation": transforms.Translation(),
    "attention": transforms.Attention(),
    "composed": transforms.Translation() @ transforms.Rotation(),
}


class BoundedRotation(transforms.Transform):
    num_parameters = 1
    identity_parameters = (0.0,)

    def compute_theta(self, parameters):
        angle = np.pi / 2 * keras.ops.tanh(parameters)
        return transforms.Rotation().compute_theta(angle)


def theta_of(family, parameters):
    parameters = np.asarray(parameters, "float32")
    return keras.ops.convert_to_numpy(family(parameters))


@pytest.mark.parametrize("name", FAMILIES)
def test_finds_members(name):
    family = FAMILIES[name]
    offsets = GENERATOR.uniform(-1, 1, (20, family.num_parameters))
    theta = theta_of(family, np.array(family.identity_parameters) + offsets)
    parameters, distance = nearest_parameters(family, theta)
    assert distance.max() < 1e-5
    np.testing.assert_allclose(theta_of(family, parameters), theta, atol=1e-5)


def test_half_a_turn_and_a_family_of_ones_own():
    half = [[[-1, 0, 0], [0, -1, 0]]]
    parameters, distance = nearest_parameters(transforms.Rotation(), half)
    assert abs(parameters[0, 0]) == pytest.approx(np.pi, abs=1e-4)
    assert distance[0] < 1e-5
    turn = theta_of(transforms.Rotation(), [[1.0]])
    parameters, distance = nearest_parameters(BoundedRotation(), turn)
    assert parameters[0, 0] == pytest.approx(np.arctanh(2 / np.pi), abs=1e-4)
    assert distance[0] < 1e-5


def test_nearest_of_no_member():
    theta = GENERATOR.normal(size=(5, 2, 3))
    parameters, distance = nearest_parameters(transforms.Translation(), theta)
    np.testing.assert_allclose(parameters, theta[:, :, 2], atol=1e-4)
    linear = theta[:, :, :2] - np.eye(2)
    np.testing.assert_allclose(distance, np.linalg.norm(linear, axis=(1, 2)), rtol=1e-4)
