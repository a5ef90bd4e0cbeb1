from keras_stn.transforms import Affine
from tests.transforms.cases import check_family


def test_affine():
    assert Affine().num_parameters == 6
    check_family(Affine(), lambda parameters: parameters.reshape(-1, 2, 3))
