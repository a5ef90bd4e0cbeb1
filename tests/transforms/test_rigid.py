import numpy as np
import pytest

from keras_stn.transforms import Rigid
from tests.transforms.cases import check_family, rotation


@pytest.mark.parametrize("aspect_ratio", [1.0, 0.75])
def test_rigid(aspect_ratio):
    def numeric_theta(parameters):
        theta = rotation(parameters[:, 0])
        theta[:, 0, 1] /= aspect_ratio
        theta[:, 1, 0] *= aspect_ratio
        theta[:, :, 2] = parameters[:, 1:]
        return theta

    assert Rigid().num_parameters == 3
    check_family(Rigid(aspect_ratio), numeric_theta)


@pytest.mark.parametrize("aspect_ratio", [0, np.array([1.0]), "1"])
def test_wrong_aspect_ratio(aspect_ratio):
    with pytest.raises(ValueError, match="Expected a positive, finite"):
        Rigid(aspect_ratio)
