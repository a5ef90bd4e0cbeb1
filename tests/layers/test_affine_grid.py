import numpy as np
import pytest
from keras import ops as keras_ops
from keras.src.testing import TestCase

import keras_stn
from keras_stn.layers import AffineGrid
from tests import oracle
from tests.compilation import compile_function
from tests.gradients import gradient_of, numeric_gradient, weighted_sum


class AffineGridTest(TestCase):
    def test_keras_layer_checks(self):
        self.run_layer_test(
            AffineGrid,
            init_kwargs={"size": (4, 6), "align_corners": True},
            input_shape=(2, 2, 3),
            expected_output_shape=(2, 4, 6, 2),
            expected_num_trainable_weights=0,
            expected_num_losses=0,
            # The grid is float32 under every policy: tested below.
            run_mixed_precision_check=False,
        )


@pytest.mark.parametrize("align_corners", [False, True])
def test_matches_oracle(align_corners):
    theta = np.random.default_rng(0).normal(size=(3, 2, 3)).astype("float32")
    grid = AffineGrid((5, 7), align_corners)(theta)
    expected = oracle.affine_grid(theta, (5, 7), align_corners=align_corners)
    np.testing.assert_allclose(keras_ops.convert_to_numpy(grid), expected, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_stays_single_precision_under_mixed_policies(policy):
    layer = AffineGrid(64, dtype=policy)
    grid = keras_ops.convert_to_numpy(layer(keras_stn.ops.identity_theta(1)))
    assert grid.dtype == np.float32
    assert len(np.unique(grid[0, 0, :, 0])) == 64


def test_rejects_bad_size():
    with pytest.raises(ValueError, match=r"Received: size=\(0, 3\)"):
        AffineGrid((0, 3))


def test_rejects_bad_theta():
    with pytest.raises(ValueError, match=r"theta.shape=\(2, 5\)"):
        AffineGrid(4)(np.zeros((2, 5), "float32"))


def test_gradient_and_jit():
    generator = np.random.default_rng(1)
    theta = generator.normal(size=(2, 2, 3)).astype("float32")
    weights = generator.normal(size=(2, 5, 7, 2))
    layer = AffineGrid((5, 7))
    expected = numeric_gradient(
        lambda theta: np.sum(weights * oracle.affine_grid(theta, (5, 7))), theta, 1e-3
    )

    def gradient(theta):
        return gradient_of(lambda theta: weighted_sum(weights, layer(theta)))(theta)[0]

    np.testing.assert_allclose(
        keras_ops.convert_to_numpy(gradient(keras_ops.convert_to_tensor(theta))),
        expected,
        atol=1e-4,
    )
    compiled = compile_function(gradient)(theta)
    np.testing.assert_allclose(
        keras_ops.convert_to_numpy(compiled), expected, atol=1e-4
    )


def test_rejects_a_flag_that_is_none():
    with pytest.raises(ValueError, match="Received: align_corners='no'"):
        AffineGrid(4, align_corners="no")
