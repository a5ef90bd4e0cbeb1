import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_stn.backend import zeros_beside

# Devices must be made before JAX starts.
ON_TWO_DEVICES = {
    **os.environ,
    "KERAS_BACKEND": "jax",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
}
# Gradients of each sampler on each device's own part of a batch, and of the whole.
COMPARE_GRADIENTS = """
import itertools, jax, numpy as np
from jax.sharding import Mesh, PartitionSpec
from keras_stn import ops

mesh = Mesh(np.array(jax.devices()), ("batch",))
theta = np.float32([[[0.8, -0.6, 0.1], [0.6, 0.8, -0.2]]] * 4)
theta[2:] *= 0.3  # More blocks of the window on the second device than on the first.
grid = np.asarray(ops.affine_grid(theta, 6))
settings = [
    (ops.affine_sample, theta, fill_mode) for fill_mode in ("constant", "nearest")
]
settings += [(ops.affine_sample, theta, "mirror"), (ops.grid_sample, grid, "constant")]
for (sample, places, fill_mode), channels in itertools.product(settings, (2, 12)):
    images = np.random.default_rng(0).normal(size=(4, 6, 6, channels))
    images = images.astype("float32")

    def loss(images, places):
        return (sample(images, places, fill_mode=fill_mode) ** 2).sum()

    gradients = jax.grad(loss, (0, 1))
    spec = PartitionSpec("batch")
    apart = jax.shard_map(gradients, mesh=mesh, in_specs=spec, out_specs=spec)
    for found, expected in zip(
        jax.jit(apart)(images, places), jax.jit(gradients)(images, places)
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    print("compared")
"""


def test_zeros():
    zeros = zeros_beside(keras.ops.ones((2, 3), dtype="float32"), (3, 1, 4), "float64")
    zeros = keras.ops.convert_to_numpy(zeros)
    np.testing.assert_array_equal(zeros, np.zeros((3, 1, 4)))


@pytest.mark.slow
def test_gradients_on_each_device_of_jax():
    pytest.importorskip("jax")
    result = subprocess.run(
        [sys.executable, "-c", COMPARE_GRADIENTS],
        env=ON_TWO_DEVICES,
        capture_output=True,
        text=True,
    )
    assert result.stdout.split() == ["compared"] * 8, result.stdout + result.stderr
