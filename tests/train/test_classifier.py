import keras
import numpy as np
import pytest

import keras_stn
from train.classifier import Classifier


@pytest.mark.parametrize("task", ["rotation", "translation", "scale"])
@pytest.mark.parametrize("variant", ["cnn", "stn_c1", "stn_sl2"])
def test_is_the_papers_mnist_network(task, variant):
    original = keras_stn.models.mnist(variant, task=task, localization="fcn")
    classifier = Classifier(keras_stn.models.mnist("stn_c0", task=task))
    rebuilt = keras_stn.models.splice(
        classifier.input_shape,
        classifier.blocks(),
        classifier.head(),
        variant,
        lambda shape: keras_stn.models.localization_network("fcn", shape),
        downsample=classifier.downsample,
        fill_mode="nearest",
    )
    rebuilt.set_weights(original.get_weights())
    images = np.random.default_rng(0).normal(size=(2, *classifier.input_shape))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(rebuilt(images)),
        keras.ops.convert_to_numpy(original(images)),
        atol=1e-5,
    )


def test_svhn():
    classifier = Classifier(keras_stn.models.svhn("stn_c0", width=0.05))
    assert len(classifier.blocks()) == 8
    assert classifier.head()[-1].name == "logits"
    assert (classifier.input_shape, classifier.downsample) == ((64, 64, 3), 1)


def test_layers_are_new():
    classifier = Classifier(keras_stn.models.mnist("stn_c0"))
    assert classifier.blocks()[0][0] is not classifier.blocks()[0][0]
    assert not classifier.head()[-1].built
