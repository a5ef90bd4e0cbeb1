import keras
import numpy as np
import pytest

from keras_stn import ops
from keras_stn.ops.warp import (
    differentiable_warp,
    from_channels_last,
    to_channels_last,
)
from tests.gradients import gradient_of, gradients, weighted_sum
from tests.ops.cases import IMAGES, THETAS

GENERATOR = np.random.default_rng(8)
THETA = np.float32([[[0.9, 0.2, 0.1], [-0.3, 0.8, -0.05]]])
OPTIONS = {"interpolation": "bilinear", "fill_value": 0.0}


def scaled(images, places, **options):
    """A stand-in for a sampler: linear in the images, with one place each."""
    return images * places


def make_warp(calls):
    def to_images(images, places, cotangent, **options):
        calls.append("images")
        return cotangent * places

    def to_places(images, places, cotangent, **options):
        calls.append("places")
        return cotangent * images

    return differentiable_warp(scaled, to_images, to_places)


def test_derivatives_are_those_given():
    calls = []
    warp = make_warp(calls)
    images, places = np.float32([2, 3]), np.float32([5, 7])
    weights = np.float32([11, 13])
    found = gradients(
        lambda *tensors: weighted_sum(weights, warp(*tensors, **OPTIONS)),
        images,
        places,
    )
    np.testing.assert_array_equal(found[0], weights * places)
    np.testing.assert_array_equal(found[1], weights * images)
    # PyTorch keeps its automatic ones, which are the same.
    is_torch = keras.config.backend() == "torch"
    assert set(calls) == (set() if is_torch else {"images", "places"})


def test_derivatives_of_derivatives():
    warp = make_warp([])
    images, places = np.float32([2, 3]), np.float32([5, 7])

    def cube(images, places):
        return keras.ops.sum(warp(images, places, **OPTIONS) ** 3)

    def slope(images, places):
        to_images, to_places = gradient_of(cube)(images, places)
        return keras.ops.sum(to_images) + 2 * keras.ops.sum(to_places)

    found = gradients(slope, images, places)
    # d/di and d/dp of 3 i^2 p^3 + 2 * 3 i^3 p^2.
    expected = (
        6 * images * places**3 + 18 * images**2 * places**2,
        9 * images**2 * places**2 + 12 * images**3 * places,
    )
    for gradient, reference in zip(found, expected, strict=True):
        np.testing.assert_allclose(gradient, reference, rtol=1e-6)


@pytest.mark.parametrize(
    "images, interpolation", [(np.int32([2]), "bilinear"), (np.float32([2]), "nearest")]
)
def test_left_alone_where_there_is_no_gradient(images, interpolation):
    calls = []
    warp = make_warp(calls)
    images = keras.ops.convert_to_tensor(images)
    places = keras.ops.cast([3], images.dtype)
    result = warp(images, places, interpolation=interpolation, fill_value=0.0)
    assert keras.ops.convert_to_numpy(result).item() == 6
    assert not calls


@pytest.mark.tensorflow
@pytest.mark.parametrize("wanted", ["images", "theta", "both"])
def test_a_gradient_that_nobody_needs_costs_nothing(wanted):
    import tensorflow as tf

    @tf.function(autograph=False)
    def step(images, theta):
        sources = {"images": [images], "theta": [theta], "both": [images, theta]}
        with tf.GradientTape() as tape:
            tape.watch([images, theta])
            warped = ops.affine_sample(images, theta)
        return tape.gradient(warped, sources[wanted])

    graph = step.get_concrete_function(IMAGES, THETAS).graph
    # What an executor runs: all that the results depend on.
    seen, todo = set(), [tensor.op for tensor in graph.outputs]
    while todo:
        operation = todo.pop()
        if operation.name not in seen:
            seen.add(operation.name)
            todo += [tensor.op for tensor in operation.inputs]
    clusters = [
        operation
        for operation in graph.get_operations()
        if operation.name in seen and "PartitionedCall" in operation.type
    ]
    # Neither derivative reads what the warp made; so that is not made either.
    assert len(clusters) == (2 if wanted == "both" else 1)


@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "mirror"])
def test_hessian_is_symmetric(fill_mode):
    images = GENERATOR.normal(size=(1, 5, 6, 2)).astype("float32")
    weights = GENERATOR.normal(size=(1, 5, 6, 2)).astype("float32")

    def scalar(images, theta):
        warped = ops.affine_sample(images, theta, fill_mode=fill_mode)
        return weighted_sum(weights, warped**2)

    def along(direction, k):
        """Half of a row of the Hessian: the derivative of a slope."""

        def slope(images, theta):
            return weighted_sum(direction, gradient_of(scalar)(images, theta)[k])

        return gradients(slope, images, THETA)

    to_images = GENERATOR.normal(size=images.shape)
    to_theta = GENERATOR.normal(size=THETA.shape)
    one = np.sum(along(to_images, 0)[1] * to_theta)
    other = np.sum(along(to_theta, 1)[0] * to_images)
    assert abs(one) > 1e-2
    np.testing.assert_allclose(one, other, rtol=1e-3)


def test_data_formats():
    images = keras.ops.convert_to_tensor(IMAGES)
    first = from_channels_last(images, "channels_first")
    assert tuple(first.shape) == (8, 2, 12, 17)
    back = to_channels_last(first, "channels_first")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(back), IMAGES)
    assert to_channels_last(images, "channels_last") is images
    assert from_channels_last(images, "channels_last") is images


@pytest.mark.slow
@pytest.mark.tensorflow
def test_batch_sizes_do_not_pile_up_memory():
    import resource

    import tensorflow as tf

    @tf.function(autograph=False, reduce_retracing=True)
    def step(images, theta):
        with tf.GradientTape() as tape:
            tape.watch([images, theta])
            warped = ops.affine_sample(images, theta, fill_mode="nearest")
        return tape.gradient(warped, [images, theta])

    def run():
        # As in `fit`: full batches, and the smaller last one of an epoch.
        for count in (64, 17):
            images = tf.ones((count, 48, 48, 3))
            step(images, tf.zeros((count, 2, 3)) + ops.identity_theta(1))

    for _ in range(20):
        run()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        run()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In KiB. A batch of images is 1.7 MiB, of which 200 steps would leave 350.
    assert after - before < 20 * 1024
