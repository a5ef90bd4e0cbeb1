import numpy as np

from keras_stn.transforms import Attention
from tests.transforms.cases import check_family


def test_attention():
    def numeric_theta(parameters):
        scale, shift = parameters[:, 0, None, None], parameters[:, 1:, None]
        return np.concatenate([scale * np.eye(2), shift], axis=2)

    assert Attention().num_parameters == 3
    check_family(Attention(), numeric_theta)
