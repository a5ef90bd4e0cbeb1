import keras
import numpy as np
import pytest

import keras_stn
from keras_stn.transforms import Affine, Rigid, Rotation, Transform, get
from keras_stn.transforms.transform import stack_theta
from tests.transforms.cases import IDENTITY, theta_of


@keras.saving.register_keras_serializable(package="tests")
class BoundedZoom(Transform):
    """A family as a user writes it, with an argument."""

    num_parameters = 1
    identity_parameters = (0.0,)

    def __init__(self, limit):
        self.limit = limit

    def compute_theta(self, parameters):
        scale = keras.ops.exp(self.limit * keras.ops.tanh(parameters[:, 0]))
        zero = keras.ops.zeros_like(scale)
        return stack_theta([[scale, zero, zero], [zero, scale, zero]])

    def get_config(self):
        return {"limit": self.limit}


def test_family_of_a_user():
    zoom = BoundedZoom(limit=np.log(2.0))
    np.testing.assert_array_equal(
        theta_of(zoom, [zoom.identity_parameters])[0], IDENTITY
    )
    most = theta_of(zoom, [[100.0]])[0]
    np.testing.assert_allclose(most, 2 * IDENTITY, rtol=1e-6)
    turned = (Rotation() @ zoom)(np.array([[0.0, 100.0]], "float32"))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(turned)[0], 2 * IDENTITY, rtol=1e-6
    )


def test_family_of_a_user_is_serialisable():
    transform = Rotation() @ BoundedZoom(limit=0.5)
    config = keras.saving.serialize_keras_object(transform)
    restored = keras.saving.deserialize_keras_object(config)
    assert restored == transform
    assert restored.second.limit == 0.5


def test_equality():
    assert Rigid(2) == Rigid(2.0) and hash(Rigid(2)) == hash(Rigid(2.0))
    assert Rigid(2) != Rigid(3)
    assert Rotation(2) != Rigid(2)
    assert Affine() != "affine"


def test_repr_shows_the_arguments():
    assert repr(Affine()) == "Affine()"
    assert repr(BoundedZoom(0.5)) == "BoundedZoom(limit=0.5)"


@pytest.mark.parametrize("shape", [(6,), (2, 5), (2, 2, 3), (0,)])
def test_wrong_shape_of_parameters(shape):
    message = r"Affine takes parameters of shape `\(batch, 6\)`. Received: .*shape=\("
    with pytest.raises(ValueError, match=message):
        Affine()(np.zeros(shape))


def test_family_without_a_map():
    class Unfinished(Transform):
        num_parameters = 1
        identity_parameters = (0.0,)

    message = r"Unfinished must implement `compute_theta\(parameters\)`"
    with pytest.raises(NotImplementedError, match=message):
        Unfinished()([[0.0]])


def test_whole_numbers_as_parameters():
    theta = keras.ops.convert_to_numpy(Rotation()(np.zeros((2, 1), int)))
    np.testing.assert_array_equal(theta, np.tile(np.eye(2, 3), (2, 1, 1)))


class Returning(Transform):
    """Returns what its function makes of the parameters."""

    num_parameters = 6
    identity_parameters = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

    def __init__(self, function):
        self.function = function

    def compute_theta(self, parameters):
        return self.function(parameters)


def test_six_numbers_are_a_theta():
    theta = Returning(lambda parameters: parameters)([[1, 2, 3, 4, 5, 6]])
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(theta), [[[1, 2, 3], [4, 5, 6]]]
    )


def test_names_the_family_that_returns_something_else():
    short = Returning(lambda parameters: parameters[:, :2])
    with pytest.raises(ValueError, match=r"of Returning must.*Received: \(1, 2\)"):
        short([[1, 2, 3, 4, 5, 6]])
    nothing = Returning(lambda parameters: None)
    with pytest.raises(ValueError, match=r"of Returning must.*None. Its `return`"):
        nothing([[1, 2, 3, 4, 5, 6]])


def test_a_number_of_parameters_of_numpy():
    class Counted(Rotation):
        num_parameters = np.int64(1)

    layer = keras_stn.SpatialTransformer(keras.layers.Flatten(), Counted())
    assert tuple(layer(np.zeros((2, 5, 5, 1), "float32")).shape) == (2, 5, 5, 1)


def test_identity_parameters_as_an_array():
    class Array(Rotation):
        identity_parameters = np.zeros(1)

    assert get(family := Array()) is family


def test_a_family_with_arguments_says_which():
    """Else a saved transformer would come back with another family."""
    family = Returning(lambda parameters: parameters)
    with pytest.raises(NotImplementedError, match="Returning takes arguments, so"):
        family.get_config()
    with pytest.raises(NotImplementedError, match="Returning takes arguments, so"):
        assert family != Returning(None)
    # What needs no config works.
    assert family == family and family != Rotation()
    assert repr(family) == "Returning(...)" and family in {family}
