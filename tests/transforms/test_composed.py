import keras
import numpy as np
import pytest

from keras_stn.transforms import (
    Affine,
    Attention,
    Composed,
    Rotation,
    Similarity,
    Translation,
)
from tests.transforms.cases import check_family, rotation, theta_of


def shift_then_turn(parameters):
    theta = rotation(parameters[:, 2])
    theta[:, :, 2] = parameters[:, :2]
    return theta


def test_composed():
    transform = Translation() @ Rotation()
    assert transform.num_parameters == 3
    check_family(transform, shift_then_turn)


def test_the_second_stands_on_the_right():
    parameters = np.array([[0.5, -0.25, 1.0]])
    turn_then_shift = theta_of(Rotation() @ Translation(), parameters[:, [2, 0, 1]])
    expected = rotation(parameters[:, 2])
    expected[0, :, 2] = expected[0, :, :2] @ parameters[0, :2]
    np.testing.assert_allclose(turn_then_shift, expected, rtol=1e-5, atol=1e-6)


def test_of_three():
    left = (Translation() @ Rotation(1.5)) @ Attention()
    right = Translation() @ (Rotation(1.5) @ Attention())
    assert left.num_parameters == right.num_parameters == 6
    assert left.identity_parameters == right.identity_parameters == (0, 0, 0, 1, 0, 0)
    parameters = np.random.default_rng(0).uniform(-1, 1, (4, 6))
    np.testing.assert_allclose(
        theta_of(left, parameters), theta_of(right, parameters), rtol=1e-5, atol=1e-6
    )
    config = keras.saving.serialize_keras_object(left)
    assert keras.saving.deserialize_keras_object(config) == left
    assert left != right


def test_takes_names_and_configs():
    config = keras.saving.serialize_keras_object(Similarity(2.0))
    assert Composed("affine", config) == Affine() @ Similarity(2.0)


def test_with_something_else():
    with pytest.raises(TypeError, match="unsupported operand"):
        Affine() @ 3
    with pytest.raises(ValueError, match=r"Unknown family.*Received: transform=3"):
        Composed("affine", 3)


def test_repr_is_how_it_is_written():
    first = Translation() @ Rotation()
    assert repr(first) == "Translation() @ Rotation(aspect_ratio=1.0)"
    for family in (first @ Affine(), Affine() @ first):
        assert eval(repr(family)) == family
