import keras
import numpy as np
import pytest

import keras_stn
from keras_stn import SpatialTransformer
from keras_stn.analysis import alignment_gap, gap_by_depth
from keras_stn.analysis.feature_map import norm
from tests import oracle

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.normal(size=(3, 12, 12, 2)).astype("float32")
IDENTITY = [[1, 0, 0], [0, 1, 0]]
QUARTER_TURN = [[0, 1, 0], [-1, 0, 0]]


def network(*layers, size=(12, 12)):
    model = keras.Sequential([keras.Input((*size, 2)), *layers])
    for weights in model.trainable_variables:
        weights.assign(GENERATOR.normal(size=weights.shape))
    return model


def convolution(kernel=3, **options):
    return keras.layers.Conv2D(4, kernel, activation="relu", name="features", **options)


def test_without_a_transform_there_is_no_gap():
    gap = alignment_gap(network(convolution()), "features", IMAGES, [IDENTITY] * 2)
    np.testing.assert_allclose(gap, np.zeros((2, 2)), atol=1e-6)


def test_features_of_single_pixels_align():
    gap = alignment_gap(network(convolution(1)), "features", IMAGES, [QUARTER_TURN])
    np.testing.assert_allclose(gap, [[0], [0]], atol=1e-6)


def test_matches_turned_arrays():
    model = network(convolution(padding="same"), keras.layers.MaxPooling2D(2))
    layer = model.layers[-1]
    gap = alignment_gap(model, layer, IMAGES, [QUARTER_TURN], batch_size=2)

    # Output to input: what is at the top left comes to the top right.
    turned = np.rot90(IMAGES, -1, axes=(1, 2))
    features, of_turned = (model.predict(x, verbose=0) for x in (IMAGES, turned))
    difference = np.rot90(of_turned, axes=(1, 2)) - features
    expected = np.linalg.norm(difference) / np.linalg.norm(features)
    assert expected > 0.3
    np.testing.assert_allclose(gap.feature_warp, [expected], rtol=1e-4)
    np.testing.assert_allclose(gap.input_warp, [0], atol=1e-5)


@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "reflect"])
def test_matches_numpy(fill_mode):
    """Any warp, by the definition; the map has the frame of the image."""
    model = network(convolution(padding="same"))
    theta = np.array([[0.9, -0.3, 0.2], [0.2, 1.1, -0.1]])
    inverse = np.linalg.inv([*theta, [0, 0, 1]])[:2]

    def warp(inputs, theta, fill_mode=fill_mode):
        thetas = np.stack([theta] * len(inputs))
        return oracle.affine_sample(inputs, thetas, fill_mode=fill_mode)

    def encode(images):
        return model.predict(images.astype("float32"), verbose=0)

    seen = np.ones((1, 12, 12, 1))
    for one in (theta, inverse):
        seen = (warp(seen, one, "constant") > 0.999).astype(float)
    assert 0.2 < seen.mean() < 0.9
    features, transformed = encode(IMAGES), warp(IMAGES, theta)
    undone = warp(encode(transformed), inverse), encode(warp(transformed, inverse))
    whole = np.linalg.norm(features * seen)
    expected = [np.linalg.norm((one - features) * seen) / whole for one in undone]
    gap = alignment_gap(model, "features", IMAGES, [theta], fill_mode=fill_mode)
    np.testing.assert_allclose(np.ravel(gap), expected, rtol=1e-4)


def test_is_the_same_in_both_data_formats(request):
    theta = [[[0.8, -0.4, 0.1], [0.5, 0.7, -0.2]]]
    weights = [GENERATOR.normal(size=(3, 3, 2, 4)), GENERATOR.normal(size=4)]
    images = IMAGES[:, :10]
    gaps = []
    for data_format in ("channels_last", "channels_first"):
        request.getfixturevalue(data_format)
        if data_format == "channels_first":
            images = np.moveaxis(images, -1, 1)
        image = keras.Input(images.shape[1:])
        model = keras.Model(image, convolution(padding="same", strides=2)(image))
        model.get_layer("features").set_weights(weights)
        gaps.append(alignment_gap(model, "features", images, theta))
    assert gaps[0].feature_warp[0] > 0.1
    np.testing.assert_allclose(gaps[1], gaps[0], rtol=1e-4)


def test_shifts_align_with_the_right_stride():
    """Convolutions go with shifts: the paper's problem begins with rotations."""
    model = network(convolution(5, strides=2), size=(21, 21))
    images = GENERATOR.normal(size=(2, 21, 21, 2)).astype("float32")
    # By four pixels, so two places of the map.
    shift = [[[1, 0, 4 / 10.5], [0, 1, 0]], [[1, 0, 0], [0, 1, -4 / 10.5]]]
    for stride in (2, None):
        gap = alignment_gap(model, "features", images, shift, stride=stride)
        np.testing.assert_allclose(gap.feature_warp, [0, 0], atol=1e-4)
    wrong = alignment_gap(model, "features", images, shift, stride=3)
    assert np.all(wrong.feature_warp > 0.3)


def test_map_with_other_sides_than_the_image():
    model = network(convolution(1, strides=(1, 1)), size=(8, 12))
    images = GENERATOR.normal(size=(2, 8, 12, 2)).astype("float32")
    # A quarter turn in pixels is not one in normalised coordinates.
    turn = [[[0, 8 / 12, 0], [-12 / 8, 0, 0]]]
    gap = alignment_gap(model, "features", images, turn)
    np.testing.assert_allclose(gap, [[0], [0]], atol=1e-5)


def test_padding_on_one_side_moves_the_map():
    """Even sides, a stride of 2 and "same" padding: what MobileNet and others have."""
    model = network(convolution(3, strides=2, padding="same"))
    images = np.zeros((2, 12, 12, 2), "float32")
    images[:, 4:8, 4:8] = GENERATOR.normal(size=(2, 4, 4, 2))
    # A flip by the centres of the places, at 1, 3 ... 11, as 0 is padded at the end.
    flip_of_map = [[[-1, 0, 1 / 6], [0, 1, 0]]]
    found = [
        alignment_gap(model, "features", images, flip, stride=stride).input_warp[0]
        for flip, stride in ((flip_of_map, None), (flip_of_map, 2))
    ]
    assert found[0] == pytest.approx(0, abs=1e-5)
    # The same kernels, mirrored, so that the features of a flip are flipped.
    kernel, bias = model.get_layer("features").get_weights()
    model.get_layer("features").set_weights([kernel + kernel[:, ::-1], bias])
    gap = alignment_gap(model, "features", images, flip_of_map)
    assert gap.feature_warp[0] == pytest.approx(0, abs=1e-5)
    wrong = alignment_gap(model, "features", images, flip_of_map, stride=2)
    assert wrong.feature_warp[0] > 0.1


def test_the_image_itself_and_a_symbolic_tensor():
    model = network(convolution())
    gap = alignment_gap(model, None, IMAGES, [QUARTER_TURN])
    np.testing.assert_allclose(gap, [[0], [0]], atol=1e-6)
    tensor = model.get_layer("features").output
    np.testing.assert_allclose(
        alignment_gap(model, tensor, IMAGES, [QUARTER_TURN]),
        alignment_gap(model, "features", IMAGES, [QUARTER_TURN]),
    )


def test_a_shared_layer_is_meant_where_it_is_called_first():
    model = keras_stn.models.mnist("stn_sl1")
    images = np.random.default_rng(0).random((1, 28, 28, 1)).astype("float32")
    shared = model.get_layer("spatial_transformer").input[1]
    np.testing.assert_allclose(
        alignment_gap(model, "block_1_relu", images, [QUARTER_TURN]),
        alignment_gap(model, shared, images, [QUARTER_TURN]),
    )


def test_network_of_the_paper():
    model = keras_stn.models.mnist("cnn")
    y, x = np.mgrid[:28, :28] - 13.5
    image = np.exp(-((x - 4) ** 2 + 3 * y**2) / 40)[None, :, :, None]
    gap = alignment_gap(model, "block_1_relu", image.astype("float32"), [QUARTER_TURN])
    assert gap.feature_warp[0] > 0.1
    assert gap.input_warp[0] < 1e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"theta": IDENTITY}, r"theta.shape=\(2, 3\)"),
        ({"theta": np.zeros((1, 2, 3))}, "singular"),
        ({"theta": np.full((1, 2, 3), np.nan)}, "singular"),
        ({"layer": "odd"}, "layer 'odd', a Lambda.*Give `stride`"),
        ({"layer": "dead"}, "features of 'dead' are all zero"),
        ({"theta": [[[1, 0, 9.0], [0, 1, 0]]], "stride": 1}, "Take a smaller one"),
        ({"layer": "flat"}, r"'flat' has the shape \(None, 400\)"),
        ({"layer": "nothing"}, "nothing"),
    ],
)
def test_says_what_is_wrong(options, message):
    image = keras.Input((12, 12, 2))
    features = convolution()(image)
    outputs = [
        keras.layers.Flatten(name="flat")(features),
        keras.layers.Lambda(lambda x: x[:, ::2, ::2], name="odd")(features),
        keras.layers.Conv2D(1, 1, name="dead", kernel_initializer="zeros")(image),
    ]
    model = keras.Model(image, outputs)
    options = {"layer": "features", "theta": [QUARTER_TURN], **options}
    with pytest.raises(ValueError, match=message):
        alignment_gap(model, images=IMAGES, **options)


def test_the_input_that_the_map_needs_is_enough():
    image, extra = keras.Input((12, 12, 2)), keras.Input((3,))
    features = convolution()(image)
    head = keras.layers.Concatenate()([keras.layers.Flatten()(features), extra])
    model = keras.Model([extra, image], [keras.layers.Dense(2)(head), features])
    alone = keras.Model(image, features)
    for layer in ("features", None):
        np.testing.assert_array_equal(
            alignment_gap(model, layer, IMAGES, [QUARTER_TURN]),
            alignment_gap(alone, layer, IMAGES, [QUARTER_TURN]),
        )
    both = keras.layers.Add(name="both")([features, keras.layers.Dense(4)(extra)])
    model = keras.Model([extra, image], both)
    with pytest.raises(ValueError, match="the image alone.*needs 2 inputs"):
        alignment_gap(model, "both", IMAGES, [QUARTER_TURN])


def test_a_stride_for_each_axis():
    model = network(convolution(1, strides=(2, 1)), size=(11, 12))
    images = GENERATOR.normal(size=(2, 11, 12, 2)).astype("float32")
    shift = [[[1, 0, 1 / 6], [0, 1, 4 / 11]]]
    found = alignment_gap(model, "features", images, shift)
    given = alignment_gap(model, "features", images, shift, stride=(2, 1))
    np.testing.assert_allclose(given, found, atol=1e-6)
    np.testing.assert_allclose(found, [[0], [0]], atol=1e-5)
    swapped = alignment_gap(model, "features", images, shift, stride=(1, 2))
    assert swapped.feature_warp[0] > 0.1


def test_millions_of_numbers_are_added_up_exactly():
    ones = np.full((40, 512, 512, 1), 0.1, "float32")
    seen = np.ones((1, 512, 512, 1), "float32")
    expected = np.float64(np.float32(0.1)) * np.sqrt(ones.size)
    assert norm(ones, seen) == pytest.approx(expected, rel=1e-6)


def test_a_warp_may_be_small():
    """It is singular by its shape, not by its size."""
    model = network(convolution(1))
    gap = alignment_gap(model, None, IMAGES, [[[0.9, 0, 0], [0, 0.9, 0]]])
    assert np.isfinite(gap.feature_warp[0])
    tiny = [[[1e-7, 0, 0], [0, 1e-7, 0]]]
    with pytest.raises(ValueError, match="no place of the feature map"):
        alignment_gap(model, "features", IMAGES, tiny)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 0}, "its name, a symbolic tensor.*Received: 0"),
        ({"layer": "two"}, "'two', which has 2.*output"),
        ({"images": IMAGES[0]}, r"images.shape=\(12, 12, 2\).*`images\[None\]`"),
        ({"images": IMAGES[:, :9]}, r"shape \(None, 12, 12, 2\).*\(3, 9, 12, 2\)"),
        ({"images": IMAGES[:0]}, "at least one image"),
        ({"images": IMAGES[:, :9], "layer": None}, r"images.shape=\(3, 9, 12, 2\)"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": "many"}, "batch_size='many'"),
        ({"stride": 0}, "stride=0"),
        ({"stride": "1"}, "stride='1'"),
        ({"stride": (1, 2, 3)}, "stride="),
        ({"stride": np.nan}, "stride=nan"),
        ({"theta": [[[1, 1, 0], [1, 1 + 1e-7, 0]]]}, "singular, to within rounding"),
        ({"layer": keras.layers.Dense(2)}, "does not call"),
    ],
)
def test_says_what_is_wrong_with_its_arguments(options, message):
    image = keras.Input((12, 12, 2))
    features = convolution()(image)
    two = SpatialTransformer(keras.layers.Flatten(), return_theta=True, name="two")(
        features
    )
    model = keras.Model(image, two)
    arguments = {"layer": "features", "images": IMAGES, "theta": [QUARTER_TURN]}
    with pytest.raises(ValueError, match=message):
        alignment_gap(model, **{**arguments, **options})


def test_a_tensor_within_another_model():
    inner = keras.Sequential([keras.Input((12, 12, 2)), convolution()], name="inner")
    image = keras.Input((12, 12, 2))
    model = keras.Model(image, inner(image))
    with pytest.raises(ValueError, match="belongs to the inner one"):
        alignment_gap(model, inner.layers[0].output, IMAGES, [QUARTER_TURN])
    with pytest.raises(ValueError, match="functional or Sequential model that has"):
        alignment_gap(keras.Sequential([convolution()]), None, IMAGES, [QUARTER_TURN])


def test_a_margin_leaves_out_what_borders_do():
    """A shift by whole pixels: all that remains is what padding and fill put in."""
    model = network(
        convolution(padding="same"), keras.layers.Conv2D(3, 3, padding="same")
    )
    theta = [[[1, 0, 1 / 3], [0, 1, -1 / 6]]]
    without, with_margin = (
        alignment_gap(model, model.layers[-1], IMAGES, theta, margin=margin)
        for margin in (0, 2.5)
    )
    assert min(*without.feature_warp, *without.input_warp) > 0.1
    np.testing.assert_allclose(with_margin, np.zeros((2, 1)), atol=1e-6)
    gaps = gap_by_depth(model, IMAGES, theta, "features", steps=1, margin=2.5)
    np.testing.assert_allclose(gaps.best_feature_warp, [[0]], atol=1e-6)


@pytest.mark.parametrize("margin", [-1, float("inf"), "1", None, True])
def test_a_margin_is_a_number_of_pixels(margin):
    with pytest.raises(ValueError, match="`margin` must be a number of pixels"):
        alignment_gap(network(convolution()), None, IMAGES, [IDENTITY], margin=margin)


def test_a_margin_that_leaves_nothing():
    with pytest.raises(ValueError, match="or a smaller margin"):
        alignment_gap(network(convolution()), None, IMAGES, [IDENTITY], margin=7)
