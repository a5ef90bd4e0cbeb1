import keras
import numpy as np

from keras_stn.backend import (
    automatic_derivative,
    value_and_derivative,
    with_derivatives,
)
from tests.gradients import gradients


def test_derivatives_of_its_own():
    # Ten times the true ones, to tell them apart; none for the second tensor.
    function = with_derivatives(
        lambda first, second: first * second,
        lambda first, second, cotangent: 10 * cotangent * second,
        None,
    )
    first, second = np.float32([2, 3]), np.float32([5, 7])
    found = gradients(lambda *tensors: keras.ops.sum(function(*tensors)), first, second)
    is_torch = keras.config.backend() == "torch"
    np.testing.assert_array_equal(found[0], second if is_torch else 10 * second)
    np.testing.assert_array_equal(found[1], first if is_torch else [0, 0])


def test_a_variable_has_derivatives_too():
    function = with_derivatives(
        lambda images, kernel: images * kernel,
        lambda images, kernel, cotangent: cotangent * kernel,
        lambda images, kernel, cotangent: cotangent * images,
    )

    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(1,), initializer="ones")

        def call(self, images):
            return function(images, self.kernel * keras.ops.ones_like(images))

    model = keras.Sequential([keras.Input((1,)), Scale()])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(np.ones((8, 1)), 3 * np.ones((8, 1)), epochs=40, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], [3], atol=1e-3)


def test_value_and_derivative():
    tensor = keras.ops.convert_to_tensor(np.float32([1, 2, 3]))
    cotangent = keras.ops.convert_to_tensor(np.float32([1, 0, 2]))
    found = value_and_derivative(lambda x: x**3, tensor, cotangent)
    value, derivative = map(keras.ops.convert_to_numpy, found)
    np.testing.assert_allclose(value, [1, 8, 27])
    np.testing.assert_allclose(derivative, [3, 0, 54])


def test_automatic_derivative():
    tensor = keras.ops.convert_to_tensor(np.float32([2, 3]))
    cotangent = keras.ops.convert_to_tensor(np.float32([5, 7]))
    derivative = automatic_derivative(lambda x: x**3, tensor, cotangent)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(derivative), [60, 189])
