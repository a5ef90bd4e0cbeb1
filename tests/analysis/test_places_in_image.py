import keras
import numpy as np
import pytest
from keras import layers

from keras_stn import SpatialTransformer
from keras_stn.analysis.places_in_image import places_in_image

SIZE = (22, 17)


def mean_places(model):
    """The mean of the pixels that each place sees, in a network of positive weights.

    Found from the responses to single pixels.
    """
    for weights in model.weights:
        # Kernels, not biases.
        weights.assign(np.full(weights.shape, len(weights.shape) > 1, "float32"))
    height, width = SIZE
    impulses = np.eye(height * width).reshape(-1, height, width, 1)
    responses = model.predict(impulses.astype("float32"), verbose=0)[..., 0]
    y, x = np.mgrid[:height, :width].reshape(2, -1)
    total = responses.sum(axis=0)
    return np.stack(
        [np.tensordot(axis, responses, axes=1) / total for axis in (x, y)], axis=-1
    )


CASES = {
    "valid": [layers.Conv2D(1, (3, 5)), layers.AveragePooling2D(2)],
    "strides": [
        layers.Conv2D(1, (5, 3), strides=(2, 1)),
        layers.Conv2D(1, 3, strides=(1, 2)),
    ],
    "same": [
        layers.Conv2D(1, 3, strides=2, padding="same"),
        layers.AveragePooling2D(2, padding="same"),
    ],
    "dilation": [layers.Conv2D(1, 3, dilation_rate=2), layers.ReLU()],
    "depthwise": [layers.DepthwiseConv2D(3, strides=2), layers.Dropout(0.5)],
    "padding": [
        layers.ZeroPadding2D(((0, 1), (2, 1))),
        layers.Conv2D(1, 3, strides=2),
        layers.Cropping2D(((1, 0), (0, 0))),
    ],
    "nested": [
        keras.Sequential(
            [keras.Input((*SIZE, 1)), layers.Conv2D(1, 4), layers.AveragePooling2D(2)]
        ),
        layers.Conv2D(1, 2),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_matches_the_responses_to_single_pixels(name):
    model = keras.Sequential([keras.Input((*SIZE, 1)), *CASES[name]])
    places = places_in_image(model.inputs, model.outputs[0])
    expected = mean_places(model)
    # The edges may see less of the image.
    rows, columns = (range(2, side - 2) for side in expected.shape[:2])
    assert len(rows) and len(columns)
    for row in rows:
        for column in columns:
            np.testing.assert_allclose(
                places.first + places.step * [column, row],
                expected[row, column],
                atol=1e-3,
            )


def test_goes_by_the_map_where_several_are_joined():
    image = keras.Input((*SIZE, 1))
    x = layers.Conv2D(4, 3, strides=2)(image)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([layers.Conv2D(4, 1)(gate), x])
    x = layers.Add()([x, layers.Conv2D(4, 3, padding="same")(x)])
    places = places_in_image([image], x)
    np.testing.assert_array_equal(places, [[1, 1], [2, 2]])


def test_resampling_goes_from_frame_to_frame():
    image = keras.Input((20, 20, 1))
    transformer = SpatialTransformer(layers.Flatten(), output_size=(10, 10))
    doubled = layers.UpSampling2D(2)(transformer(image))
    np.testing.assert_array_equal(places_in_image([image], doubled), [[0, 0], [1, 1]])
    resized = layers.Resizing(5, 10)(image)
    np.testing.assert_array_equal(
        places_in_image([image], resized), [[0.5, 1.5], [2, 4]]
    )


def test_says_which_layer_it_does_not_know():
    image = keras.Input((20, 20, 1))
    larger = layers.Conv2DTranspose(1, 3, strides=2, name="larger")(image)
    with pytest.raises(ValueError, match="'larger', a Conv2DTranspose.*Give `stride`"):
        places_in_image([image], larger)
    with pytest.raises(ValueError, match="computed from the model's inputs"):
        places_in_image([image], keras.Input((20, 20, 1)))


def test_align_corners_goes_from_the_first_pixel_to_the_last():
    image = keras.Input((16, 11, 1))
    smaller = SpatialTransformer(
        layers.Flatten(), output_size=(8, 6), align_corners=True
    )(image)
    np.testing.assert_allclose(places_in_image([image], smaller), [[0, 0], [2, 15 / 7]])


class TwoConvolutions(layers.Layer):
    """Has the attributes of a convolution and is two."""

    def __init__(self, kernel_size=(3, 3), padding="valid", **kwargs):
        super().__init__(**kwargs)
        self.kernel_size, self.strides, self.padding = kernel_size, (1, 1), padding
        self.convs = [layers.Conv2D(1, kernel_size, padding=padding) for _ in range(2)]

    def call(self, images):
        return self.convs[1](self.convs[0](images))


@pytest.mark.parametrize(
    "layer",
    [
        TwoConvolutions(name="odd"),
        TwoConvolutions(3, name="odd"),
        layers.Resizing(10, 10, crop_to_aspect_ratio=True, name="odd"),
        layers.Resizing(10, 10, pad_to_aspect_ratio=True, name="odd"),
        layers.Permute((2, 1, 3), name="odd"),
    ],
)
def test_asks_rather_than_guesses(layer):
    image = keras.Input((20, 16, 1))
    with pytest.raises(ValueError, match="'odd'.*Give `stride`"):
        places_in_image([image], layer(image))


@pytest.mark.parametrize("move", [keras.ops.flip, lambda x: keras.ops.roll(x, 1, 1)])
def test_operations_that_move_places(move):
    image = keras.Input((20, 20, 1))
    with pytest.raises(ValueError, match="Give `stride`"):
        places_in_image([image], move(image))


def test_a_layer_that_keeps_the_size_keeps_the_places():
    image = keras.Input((20, 20, 1))
    blocks = TwoConvolutions(padding="same")(image)
    np.testing.assert_array_equal(places_in_image([image], blocks), [[0, 0], [1, 1]])


@pytest.mark.parametrize("order", [1, -1])
def test_a_model_within_whose_image_is_any_input(order):
    image, numbers = keras.Input((12, 12, 2)), keras.Input((4,))
    maps = layers.Conv2D(4, 3, strides=2)(image)
    scaled = layers.Multiply()([maps, layers.Reshape((1, 1, 4))(numbers)])
    inner = keras.Model([image, numbers][::order], scaled)
    outer = keras.Input((12, 12, 2))
    means = layers.Dense(4)(layers.GlobalAveragePooling2D()(outer))
    output = inner([outer, means][::order])
    np.testing.assert_array_equal(places_in_image([outer], output), [[1, 1], [2, 2]])
