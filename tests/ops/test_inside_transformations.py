"""A warp inside what users build around it: loops, branches, maps, shards, compilers.

Each is compared with the same warp outside.
"""

import keras
import numpy as np
import pytest

from keras_stn.ops import affine_sample
from tests.ops.cases import to_numpy

JAX = pytest.mark.skipif(keras.config.backend() != "jax", reason="What JAX transforms.")
TORCH = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="What PyTorch transforms."
)


@pytest.fixture
def images():
    images = np.random.default_rng(0).random((4, 7, 6, 2), "float32")
    return keras.ops.convert_to_tensor(images)


@pytest.fixture
def theta():
    theta = np.array([[0.83, -0.31, 0.12], [0.27, 0.71, 0.05]], "float32")
    turns = np.random.default_rng(1).uniform(0, 0.1, (4, 2, 3)).astype("float32")
    return keras.ops.convert_to_tensor(theta + turns)


def check(found, expected):
    """Compares gradients, which must be large enough to be compared."""
    for one, other in zip(found, expected, strict=True):
        one, other = to_numpy(one), to_numpy(other)
        assert np.abs(other).max() > 1
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def loss_of(warped):
    return keras.ops.sum(keras.ops.sin(3 * warped))


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("within", "fill_mode"),
    [
        ("loop", "constant"),
        pytest.param("loop", "nearest", marks=pytest.mark.slow),
        ("branch", "constant"),
        ("branch", "nearest"),
    ],
)
def test_control_flow_of_tensorflow(within, fill_mode, images, theta):
    """As in a recurrent network, or where only some batches are warped.

    With `ops.switch` TensorFlow ended the process where XLA compiled the loop, and
    without `identity` the branches of the derivative did not find their tensors.
    """
    import tensorflow as tf

    def gradient(images, theta):
        with tf.GradientTape() as tape:
            tape.watch([images, theta])
            warped = images
            if within == "loop":
                for _ in tf.range(2):
                    warped = affine_sample(warped, theta, fill_mode=fill_mode)
            elif tf.reduce_sum(theta) > 0:
                warped = affine_sample(warped, theta, fill_mode=fill_mode)
            loss = loss_of(warped)
        return tape.gradient(loss, [images, theta])

    expected = gradient(images, theta)
    for jit_compile in (False, True):
        check(tf.function(gradient, jit_compile=jit_compile)(images, theta), expected)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_second_derivatives_in_a_loop_of_tensorflow(images, theta):
    import tensorflow as tf

    def in_loop(images, theta):
        for _ in tf.range(2):
            images = affine_sample(images, theta)
        return images

    def twice(images, theta):
        return affine_sample(affine_sample(images, theta), theta)

    def gradients(function):
        @tf.function
        def compute(images, theta):
            tensors = [images, theta]
            with tf.GradientTape() as outer:
                outer.watch(tensors)
                with tf.GradientTape() as inner:
                    inner.watch(tensors)
                    loss = tf.reduce_sum(function(images, theta) ** 3)
                one, other = inner.gradient(loss, tensors)
                size = tf.reduce_sum(one**2) + tf.reduce_sum(other**2)
            return outer.gradient(size, tensors)

        return compute(images, theta)

    check(gradients(in_loop), gradients(twice))


@pytest.mark.tensorflow
@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "reflect"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_vectorized_map(fill_mode, jit_compile, images, theta):
    """It drops derivatives of a function's own without a word."""
    import tensorflow as tf

    def warp(images, theta):
        return affine_sample(images, theta, fill_mode=fill_mode)

    def one_by_one(images, theta):
        return tf.vectorized_map(
            lambda one: warp(one[0][None], one[1][None])[0], (images, theta)
        )

    def gradient(function):
        def compute(images, theta):
            with tf.GradientTape() as tape:
                tape.watch([images, theta])
                loss = loss_of(function(images, theta))
            return tape.gradient(loss, [images, theta])

        return tf.function(compute, jit_compile=jit_compile)(images, theta)

    check(gradient(one_by_one), gradient(warp))


@pytest.mark.tensorflow
def test_batch_jacobian(images, theta):
    import tensorflow as tf

    images, theta = images[:2, :4, :5, :1], theta[:2]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(theta)
        pixels = tf.reshape(affine_sample(images, theta), (2, 20))
        sums = [tf.reduce_sum(pixels[:, pixel]) for pixel in range(20)]
    expected = np.stack([tape.gradient(one, theta) for one in sums], axis=1)
    check([tape.batch_jacobian(pixels, theta)], [expected])


@pytest.mark.tensorflow
def test_a_data_set_of_tensorflow_that_warps(images, theta):
    import tensorflow as tf

    pairs = tf.data.Dataset.from_tensor_slices((images, theta))
    single = pairs.map(lambda image, one: affine_sample(image[None], one[None])[0])
    batched = pairs.batch(4).map(affine_sample, num_parallel_calls=2)
    expected = affine_sample(images, theta)
    np.testing.assert_allclose(np.stack(list(single)), expected, atol=1e-6)
    np.testing.assert_allclose(next(iter(batched)), expected, atol=1e-6)


def jax_loop(images, theta):
    import jax

    def warp(warped, _):
        return affine_sample(warped, theta), None

    return jax.lax.scan(warp, images, None, length=2)[0]


def jax_branch(images, theta):
    import jax

    return jax.lax.cond(
        theta.sum() > 0, affine_sample, lambda images, _: images, images, theta
    )


def jax_shards(images, theta):
    import jax

    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("batch",))
    batch = jax.sharding.PartitionSpec("batch")
    sharded = jax.shard_map(
        affine_sample, mesh=mesh, in_specs=(batch, batch), out_specs=batch
    )
    return sharded(images, theta)


def jax_one_by_one(images, theta):
    import jax

    return jax.vmap(lambda image, one: affine_sample(image[None], one[None])[0])(
        images, theta
    )


def jax_recomputed(images, theta):
    import jax

    return jax.checkpoint(affine_sample)(images, theta)


FUNCTIONS_OF_JAX = [jax_loop, jax_branch, jax_shards, jax_one_by_one, jax_recomputed]


@JAX
@pytest.mark.parametrize("function", FUNCTIONS_OF_JAX, ids=lambda one: one.__name__)
@pytest.mark.parametrize("jit", [False, True])
def test_transformations_of_jax(function, jit, images, theta):
    import jax

    def twice(images, theta):
        return affine_sample(affine_sample(images, theta), theta)

    def gradients(function):
        return jax.grad(
            lambda images, theta: loss_of(function(images, theta)), argnums=(0, 1)
        )

    outside = twice if function is jax_loop else affine_sample
    inside = jax.jit(gradients(function)) if jit else gradients(function)
    check(inside(images, theta), gradients(outside)(images, theta))


@JAX
@pytest.mark.parametrize("function", FUNCTIONS_OF_JAX, ids=lambda one: one.__name__)
def test_second_derivatives_in_transformations_of_jax(function, images, theta):
    import jax

    def twice(images, theta):
        return affine_sample(affine_sample(images, theta), theta)

    def gradients(function):
        def size_of_gradients(images, theta):
            one, other = jax.grad(
                lambda *tensors: (function(*tensors) ** 3).sum(), argnums=(0, 1)
            )(images, theta)
            return (one**2).sum() + (other**2).sum()

        return jax.jit(jax.grad(size_of_gradients, argnums=(0, 1)))

    outside = twice if function is jax_loop else affine_sample
    check(gradients(function)(images, theta), gradients(outside)(images, theta))


def torch_compiled(images, theta):
    import torch

    # Its own code generator wants a C++ compiler; this takes all steps before that.
    return torch.compile(affine_sample, backend="aot_eager", fullgraph=True)(
        images, theta
    )


def torch_one_by_one(images, theta):
    import torch

    return torch.vmap(lambda image, one: affine_sample(image[None], one[None])[0])(
        images, theta
    )


def torch_recomputed(images, theta):
    from torch.utils.checkpoint import checkpoint

    return checkpoint(affine_sample, images, theta, use_reentrant=False)


@TORCH
@pytest.mark.parametrize(
    "function",
    [torch_compiled, torch_one_by_one, torch_recomputed],
    ids=lambda function: function.__name__,
)
def test_transformations_of_pytorch(function, images, theta):
    import torch

    def gradients(function):
        tensors = [tensor.detach().requires_grad_() for tensor in (images, theta)]
        return torch.autograd.grad(loss_of(function(*tensors)), tensors)

    check(gradients(function), gradients(affine_sample))
