import keras
import pytest

from keras_stn import transforms

NAMES = {
    "affine": (transforms.Affine, 6),
    "similarity": (transforms.Similarity, 4),
    "rigid": (transforms.Rigid, 3),
    "rotation": (transforms.Rotation, 1),
    "translation": (transforms.Translation, 2),
    "attention": (transforms.Attention, 3),
}


def test_all_names_are_listed():
    assert set(transforms.NAMES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    family, num_parameters = NAMES[name]
    transform = transforms.get(name)
    assert type(transform) is family
    assert transform.num_parameters == num_parameters


def test_instances_are_returned_as_they_are():
    transform = transforms.Rigid(1.5)
    assert transforms.get(transform) is transform


def test_configs():
    transform = transforms.Rotation(2.0) @ transforms.Translation()
    config = keras.saving.serialize_keras_object(transform)
    assert transforms.get(config) == transform


@pytest.mark.parametrize(
    "identifier", ["Affine", "projective", None, 6, transforms.Affine]
)
def test_unknown(identifier):
    message = r"Expected one of \['affine', 'attention'.*Received: transform="
    with pytest.raises(ValueError, match=message):
        transforms.get(identifier)


def test_config_of_something_else():
    config = keras.saving.serialize_keras_object(keras.layers.Dense(6))
    with pytest.raises(ValueError, match="Unknown family of transforms"):
        transforms.get(config)


@pytest.mark.parametrize(
    "count, identity", [(None, None), (0, ()), (2, (0.0,)), (2, None)]
)
def test_incomplete_family(count, identity):
    class Incomplete(transforms.Transform):
        num_parameters = count
        identity_parameters = identity

    message = f"Incomplete must have a positive.*num_parameters={count}"
    with pytest.raises(ValueError, match=message):
        transforms.get(Incomplete())
