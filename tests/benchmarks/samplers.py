"""The samplers that `tests.benchmarks.sampler` compares, each ready to be called."""

import functools
from typing import Any, NamedTuple

import keras
import numpy as np
import torch

from keras_stn import ops
from keras_stn.ops.coordinates import affine_coordinates
from keras_stn.ops.interpolation import interpolate

MODES = ("forward", "theta", "both")
_PADDING = {"constant": "zeros", "nearest": "border"}


class Case(NamedTuple):
    """What is warped, and how.

    Attributes:
        images: Array of shape `(batch, height, width, channels)`.
        theta: Array of shape `(batch, 2, 3)`.
        cotangent: Derivative of the samples.
        size: `(height, width)` of the output.
        zoom: Factor of theta's linear part; below 1 magnifies.
        fill: The fill mode.
    """

    images: Any
    theta: Any
    cotangent: Any
    size: tuple
    zoom: float
    fill: str

    @classmethod
    def draw(cls, shape, size, zoom, fill):
        """Draws rotations by up to 90 degrees either way, and small shifts."""
        generator = np.random.default_rng(0)
        angle = generator.uniform(-np.pi / 2, np.pi / 2, shape[0])
        theta = np.zeros((shape[0], 2, 3))
        theta[:, 0, 0] = theta[:, 1, 1] = zoom * np.cos(angle)
        theta[:, 1, 0] = zoom * np.sin(angle)
        theta[:, 0, 1] = -theta[:, 1, 0]
        theta[:, :, 2] = generator.uniform(-0.1, 0.1, (shape[0], 2))
        images, cotangent = (
            generator.standard_normal(one, "float32")
            for one in (shape, (shape[0], *size, shape[3]))
        )
        return cls(images, theta.astype("float32"), cotangent, size, zoom, fill)


class Side(NamedTuple):
    """One way of doing it.

    Attributes:
        run: Does it, and returns when the result is ready.
        arrays: Does it, and returns NumPy arrays: samples, and the gradients to theta
            and to the images if the mode has them.
    """

    run: Any
    arrays: Any


def sides(case, mode):
    """Returns a dictionary of all sides that can do what `mode` asks for."""
    result = {
        "keras_stn": ours(case, mode),
        "pytorch contiguous": pytorch(case, mode, torch.contiguous_format),
        "pytorch channels_last": pytorch(case, mode, torch.channels_last),
    }
    if case.zoom != 1:
        return result
    result["four gathers"] = _on_backend(_four_gathers(case), case, mode)
    if case.fill == "constant" and (found := _map_coordinates(case, mode)):
        result["map_coordinates"] = found
    is_same_size = case.size == case.images.shape[1:3]
    if mode == "forward" and is_same_size and case.fill == "constant":
        result["affine_transform"] = _affine_transform(case)
    return result


def ours(case, mode):
    """`keras_stn.ops.affine_sample` on the backend that Keras runs on."""

    size, fill = case.size, case.fill

    def sample(images, theta):
        return ops.affine_sample(
            images,
            theta,
            size,
            fill_mode=fill,
            data_format="channels_last",
        )

    return _on_backend(sample, case, mode)


def nothing(case):
    """What the call of a step costs on the backend that Keras runs on."""
    return _on_backend(lambda images, theta: theta, case, "forward")


def _four_gathers(case):
    """The same sampler in one XLA cluster, with its automatic derivatives."""

    def sample(images, theta):
        x, y = affine_coordinates(theta, images.shape[1:3], case.size, False)
        return interpolate(images, x, y, "bilinear", case.fill, 0.0)

    if keras.config.backend() != "tensorflow":
        return sample
    import tensorflow as tf

    return tf.function(sample, jit_compile=True, autograph=False)


def _on_backend(sample, case, mode):
    if keras.config.backend() == "tensorflow":
        return _on_tensorflow(sample, case, mode)
    return _on_jax(sample, case, mode)


def _on_tensorflow(sample, case, mode):
    import tensorflow as tf

    @tf.function(autograph=False)
    def step(images, theta, cotangent):
        if mode == "forward":
            return [sample(images, theta)]
        sources = [theta] if mode == "theta" else [theta, images]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            samples = sample(images, theta)
        return [samples, *tape.gradient(samples, sources, output_gradients=cotangent)]

    tensors = [tf.constant(array) for array in case[:3]]
    step = step.get_concrete_function(*tensors)
    # Eager calls return when the result is there.
    return Side(
        lambda: step(*tensors), lambda: [result.numpy() for result in step(*tensors)]
    )


def _on_jax(sample, case, mode):
    import jax

    @jax.jit
    def step(images, theta, cotangent):
        if mode == "forward":
            return (sample(images, theta),)
        if mode == "theta":
            samples, pull = jax.vjp(functools.partial(sample, images), theta)
        else:
            samples, pull = jax.vjp(
                lambda theta, images: sample(images, theta), theta, images
            )
        return (samples, *pull(cotangent))

    arrays = [jax.device_put(array) for array in case[:3]]
    return Side(
        lambda: jax.block_until_ready(step(*arrays)),
        lambda: [np.asarray(result) for result in step(*arrays)],
    )


def _map_coordinates(case, mode):
    """JAX's sampler, whose coordinates are rows before columns."""
    try:
        import jax
    except ImportError:
        return None
    from jax.scipy.ndimage import map_coordinates

    height, width = case.images.shape[1:3]

    def sample(images, theta):
        grid_y, grid_x = jax.numpy.meshgrid(
            *(jax.numpy.linspace(1 / n - 1, 1 - 1 / n, n) for n in case.size),
            indexing="ij",
        )

        def sample_one(image, matrix):
            x = matrix[0, 0] * grid_x + matrix[0, 1] * grid_y + matrix[0, 2]
            y = matrix[1, 0] * grid_x + matrix[1, 1] * grid_y + matrix[1, 2]
            places = [((y + 1) * height - 1) / 2, ((x + 1) * width - 1) / 2]
            return jax.vmap(
                lambda plane: map_coordinates(plane, places, order=1),
                in_axes=2,
                out_axes=2,
            )(image)

        return jax.vmap(sample_one)(images, theta)

    return _on_jax(sample, case, mode)


def _affine_transform(case):
    """Keras' sampler: no gradient to theta, and no XLA on TensorFlow."""
    matrix = ops.theta_to_pixels(case.theta, case.size)
    rows = keras.ops.convert_to_numpy(matrix).reshape(-1, 6)
    transform = np.concatenate([rows, np.zeros((len(rows), 2), "float32")], axis=1)
    images, transform = map(keras.ops.convert_to_tensor, (case.images, transform))

    def warp(images, transform):
        return keras.ops.image.affine_transform(
            images, transform, "bilinear", "constant", data_format="channels_last"
        )

    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(warp, autograph=False).get_concrete_function(
            images, transform
        )
        return Side(
            lambda: step(images, transform), lambda: [step(images, transform).numpy()]
        )
    import jax

    step = jax.jit(warp)
    return Side(
        lambda: step(images, transform).block_until_ready(),
        lambda: [np.asarray(step(images, transform))],
    )


def pytorch(case, mode, memory_format):
    """PyTorch's `affine_grid` and `grid_sample` in a memory format."""
    functional = torch.nn.functional
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, cotangent = (
        torch.from_numpy(array)
        .to(device)
        .permute(0, 3, 1, 2)
        .contiguous(memory_format=memory_format)
        for array in (case.images, case.cotangent)
    )
    theta = torch.from_numpy(case.theta).to(device)
    images.requires_grad_(mode == "both")
    theta.requires_grad_(mode != "forward")
    size, padding = (*images.shape[:2], *case.size), _PADDING[case.fill]

    def step():
        with torch.set_grad_enabled(mode != "forward"):
            grid = functional.affine_grid(theta, size, align_corners=False)
            samples = functional.grid_sample(
                images, grid, padding_mode=padding, align_corners=False
            )
        if mode == "forward":
            return [samples]
        sources = [theta] if mode == "theta" else [theta, images]
        return [samples, *torch.autograd.grad(samples, sources, cotangent)]

    def run():
        result = step()
        if device == "cuda":
            torch.cuda.synchronize()
        return result

    def arrays():
        return [
            result.permute(0, 2, 3, 1).detach().cpu().numpy()
            if result.ndim == 4
            else result.cpu().numpy()
            for result in step()
        ]

    return Side(run, arrays)
