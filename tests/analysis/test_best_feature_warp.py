import keras
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from keras_stn import transforms
from keras_stn.analysis import (
    alignment_gap,
    best_feature_warp,
    letter,
    letter_network,
)

GENERATOR = np.random.default_rng(0)
# Smooth, so that the search has slopes to descend on and interpolation costs little.
IMAGES = gaussian_filter(GENERATOR.normal(size=(3, 16, 16, 2)), (0, 2, 2, 0))
# And nothing at the edges, which would enter or leave the frame.
WINDOW = np.exp(-np.square(np.linspace(-2, 2, 16)) / 2)
IMAGES = IMAGES * (WINDOW[:, None] * WINDOW)[:, :, None]
IMAGES = (IMAGES / IMAGES.std()).astype("float32")
IDENTITY = [[1, 0, 0], [0, 1, 0]]
QUARTER_TURN = [[0, 1, 0], [-1, 0, 0]]


def theta_of(family, *parameters):
    family = transforms.get(family)
    return keras.ops.convert_to_numpy(family(np.array(parameters, "float32")))


def network(kernel, **options):
    model = keras.Sequential(
        [
            keras.Input((16, 16, 2)),
            keras.layers.Conv2D(
                5, kernel, activation="tanh", name="features", **options
            ),
        ]
    )
    generator = np.random.default_rng(1)
    for weights in model.weights:
        weights.assign(generator.normal(size=weights.shape) / kernel)
    return model


def test_equivariant_features_are_aligned_by_the_inverse():
    """Features of single pixels: what the inverse does is the best."""
    theta = theta_of("rigid", (0.4, 0.1, 0.0), (np.pi / 2, 0, 0))
    best = best_feature_warp(network(1), "features", IMAGES, theta, steps=20)
    inverse = np.linalg.inv(theta[:, :, :2])
    np.testing.assert_allclose(best.theta[1][:, :, :2], [inverse[1]] * 3, atol=0.02)
    np.testing.assert_allclose(best.theta[0][:, :, :2], [inverse[0]] * 3, atol=0.05)
    assert best.gap[1] == pytest.approx(0, abs=1e-5)
    assert best.gap[0] < 0.1


def test_finds_a_warp_that_is_not_the_inverse():
    """The network shifts its features, so another warp aligns them than the inverse."""
    model = network(3, padding="same")
    kernel = np.zeros((3, 3, 2, 5), "float32")
    # Each place sees the pixel at its right.
    kernel[1, 2] = GENERATOR.normal(size=(2, 5)) / 2
    model.get_layer("features").set_weights([kernel, np.zeros(5)])
    half_turn = [[[-1, 0, 0], [0, -1, 0]]]
    best = best_feature_warp(model, "features", IMAGES, half_turn, "translation")
    # No translation undoes half a turn.
    np.testing.assert_array_equal(best.theta[0], np.array(half_turn * 3))
    best = best_feature_warp(model, "features", IMAGES, half_turn, "rigid", steps=80)
    assert best.inverse_gap[0] > 0.3
    assert best.gap[0] < 0.7 * best.inverse_gap[0]
    # One place of 16 to the right, there and back.
    np.testing.assert_allclose(best.theta[0][:, 0, 2], [-4 / 16] * 3, atol=0.03)


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect"])
def test_images_go_on_beyond_their_edges(fill_mode):
    """Both functions mean the same; what is beyond the edges makes a difference."""
    model, theta = network(5, padding="same"), theta_of("rotation", [0.3], [1.2])
    images = IMAGES + np.linspace(0, 5, 16, dtype="float32")[:, None]
    best, gap = (
        function(model, "features", images, theta, fill_mode=fill_mode, **options)
        for function, options in (
            (best_feature_warp, {"steps": 0}),
            (alignment_gap, {}),
        )
    )
    np.testing.assert_allclose(best.inverse_gap, gap.feature_warp, rtol=1e-4)
    other = alignment_gap(model, "features", images, theta)
    assert np.all(np.abs(other.feature_warp - gap.feature_warp) > 1e-3)


def test_is_the_same_in_both_data_formats(request):
    theta, images, found = theta_of("rigid", (0.4, 0.1, 0.0)), IMAGES[:, :14], []
    generator = np.random.default_rng(1)
    weights = [generator.normal(size=(3, 3, 2, 5)) / 3, generator.normal(size=5)]
    for data_format in ("channels_last", "channels_first"):
        request.getfixturevalue(data_format)
        if data_format == "channels_first":
            images = np.moveaxis(images, -1, 1)
        image = keras.Input(images.shape[1:])
        layer = keras.layers.Conv2D(5, 3, activation="tanh", name="features")
        model = keras.Model(image, layer(image))
        layer.set_weights(weights)
        found.append(best_feature_warp(model, "features", images, theta, steps=3))
    last, first = found
    assert last.gap[0] < last.inverse_gap[0]
    np.testing.assert_allclose(first.gap, last.gap, rtol=1e-3)
    np.testing.assert_allclose(first.inverse_gap, last.inverse_gap, rtol=1e-4)
    np.testing.assert_allclose(first.image_gap, last.image_gap, rtol=1e-3)


def test_never_worse_than_the_inverse_and_relative_to_each_image():
    model, theta = network(5), theta_of("rotation", [0.3], [1.2])
    best = best_feature_warp(model, "features", IMAGES, theta, steps=10)
    gap = alignment_gap(model, "features", IMAGES, theta)
    np.testing.assert_allclose(best.inverse_gap, gap.feature_warp, rtol=1e-4)
    assert np.all(best.gap < best.inverse_gap)
    assert best.image_gap.shape == (2, 3) and best.theta.shape == (2, 3, 2, 3)
    # The gap of all images lies between those of the images.
    assert np.all(best.image_gap.min(axis=1) <= best.gap)
    assert np.all(best.gap <= best.image_gap.max(axis=1))
    longer = best_feature_warp(model, "features", IMAGES, theta, steps=40)
    assert np.all(
        longer.gap < best_feature_warp(model, "features", IMAGES, theta, steps=0).gap
    )


@pytest.mark.parametrize("place", [(2, 2), (7, 6)])
def test_no_warp_moves_a_letter_to_the_other_channel(place):
    """Channels apart, at right angles: the root of two, wherever the letter is.

    A warp that moved the response out of the frame would have 1.
    """
    images = np.zeros((1, 21, 21, 1), "float32")
    row, column = place
    images[0, row : row + 7, column : column + 9, 0] = letter("W")
    half_turn = [[[-1, 0, 0], [0, -1, 0]]]
    best = best_feature_warp(letter_network((21, 21)), "letters", images, half_turn)
    assert best.inverse_gap[0] == pytest.approx(np.sqrt(2), abs=1e-4)
    # Of the response at least 0.9 must stay.
    assert best.gap[0] >= np.sqrt(1 + 0.9**2) - 1e-4


def test_control_on_the_image():
    theta = theta_of("similarity", (0.5, 0.9, 0.1, 0.0))
    best = best_feature_warp(network(3), None, IMAGES, theta, "similarity", steps=30)
    inverse = np.linalg.inv(np.vstack([theta[0], [0, 0, 1]]))[:2]
    np.testing.assert_allclose(best.theta[0], [inverse] * 3, atol=0.05)


def test_a_family_without_any_of_the_warps_that_are_tried_first():
    class HalfSize(transforms.Transform):
        num_parameters = 2
        identity_parameters = (0.0, 0.0)

        def compute_theta(self, parameters):
            x, y = parameters[:, 0], parameters[:, 1]
            zeros = keras.ops.zeros_like(x)
            rows = [zeros + 0.5, zeros, x, zeros, zeros + 0.5, y]
            return keras.ops.reshape(keras.ops.stack(rows, axis=1), (-1, 2, 3))

    double = theta_of(HalfSize(), (0.2, -0.1))
    double[:, :, :2] *= 4
    best = best_feature_warp(
        network(1), "features", IMAGES, double, HalfSize(), steps=20
    )
    assert best.theta.shape == (1, 3, 2, 3)
    halves = [[[0.5, 0], [0, 0.5]]] * 3
    np.testing.assert_allclose(best.theta[0, :, :, :2], halves, atol=1e-6)


def test_without_a_transform():
    best = best_feature_warp(network(3), "features", IMAGES, [IDENTITY], steps=2)
    assert best.gap[0] == 0
    np.testing.assert_array_equal(best.theta[0], [IDENTITY] * 3)


def test_an_image_without_features_has_no_gap_of_its_own():
    images = IMAGES.copy()
    images[1] = 0
    model = network(3)
    kernel, bias = model.get_layer("features").get_weights()
    model.get_layer("features").set_weights([kernel, np.zeros_like(bias)])
    best = best_feature_warp(model, "features", images, [QUARTER_TURN], steps=3)
    np.testing.assert_array_equal(np.isnan(best.image_gap), [[False, True, False]])
    assert 0 < best.gap[0] < best.inverse_gap[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "steps=-1"),
        ({"steps": True}, "steps=True"),
        ({"family": "nothing"}, "Unknown family"),
        ({"theta": IDENTITY}, r"theta.shape=\(2, 3\)"),
        ({"theta": [[[1, 0, 9.0], [0, 1, 0]]]}, "Take a smaller one"),
    ],
)
def test_says_what_is_wrong(options, message):
    options = {"theta": [QUARTER_TURN], **options}
    with pytest.raises(ValueError, match=message):
        best_feature_warp(network(3), "features", IMAGES, **options)
