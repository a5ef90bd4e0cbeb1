import keras
import pytest

from keras_stn.backend import needs_plain_operations


class Asks(keras.layers.Layer):
    """Notes at each call whether a model is being written."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.answers = []

    def call(self, inputs):
        self.answers.append(needs_plain_operations())
        return inputs


@pytest.mark.tensorflow
def test_true_only_while_a_model_is_written(tmp_path):
    import tensorflow as tf

    layer = Asks()
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.answers.clear()
    images = tf.zeros((2, 3))
    model(images)
    tf.function(model)(images)
    model.predict(images, verbose=0)
    assert layer.answers and not any(layer.answers)

    layer.answers.clear()
    model.export(tmp_path / "model", verbose=False)
    assert layer.answers and all(layer.answers)

    layer.answers.clear()
    tf.function(model)(tf.zeros((4, 3)))
    assert layer.answers == [False]


@pytest.mark.tensorflow
def test_true_where_a_function_is_vectorised():
    import tensorflow as tf

    layer = Asks()
    tf.vectorized_map(layer, tf.zeros((2, 3)))
    assert layer.answers and all(layer.answers)
