import keras
import numpy as np
import pytest

from keras_stn.analysis.feature_map import FeatureMap
from keras_stn.analysis.warp_score import WarpScore, scoring
from tests import oracle
from tests.gradients import gradients, numeric_gradient

GENERATOR = np.random.default_rng(0)
SOURCE = GENERATOR.random((3, 8, 10, 2), dtype="float32")
TARGET = GENERATOR.random((3, 8, 10, 2), dtype="float32")
IDENTITY = np.eye(2, 3, dtype="float32")
SEEN = np.ones((1, 8, 10, 1), "float32")
SEEN[:, :, 0] = 0


@pytest.fixture
def feature_map(channels_last):
    image = keras.Input((8, 10, 2))
    model = keras.Model(image, keras.layers.ReLU()(image))
    return FeatureMap(model, None, (3, 8, 10, 2))


def thetas(count):
    noise = GENERATOR.uniform(-0.3, 0.3, (count, 2, 3))
    return (IDENTITY + noise).astype("float32")


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_matches_numpy(feature_map, fill_mode):
    score = WarpScore(scoring(feature_map, fill_mode), SOURCE, TARGET, SEEN, IDENTITY)
    index = np.array([2, 0, 1, 1])
    theta = thetas(4)
    found = score.measure(theta, index)
    warped = oracle.affine_sample(SOURCE[index], theta, fill_mode=fill_mode) * SEEN
    distance = np.sum((warped - TARGET[index] * SEEN) ** 2, axis=(1, 2, 3))
    mean = warped.sum(axis=(1, 2), keepdims=True) / SEEN.sum()
    contrast = np.sum(((warped - mean) * SEEN) ** 2, axis=(1, 2, 3))
    inside = (np.abs(oracle.affine_grid(theta, (8, 10))) <= 1).all(axis=-1)
    within = np.sum(inside * SEEN[..., 0], axis=(1, 2)) / SEEN.sum()
    np.testing.assert_allclose(found.distance, distance, rtol=1e-4)
    np.testing.assert_allclose(found.contrast, contrast, rtol=1e-4)
    np.testing.assert_allclose(found.within, within, atol=1e-6)
    np.testing.assert_allclose(
        score.target_norm, np.sum((TARGET * SEEN) ** 2, axis=(1, 2, 3)), rtol=1e-6
    )
    # Nearness counts relative to the target; what lacks contrast is worse than that.
    relative = distance / score.target_norm[index]
    assert np.all(found.loss > relative - 1e-6)
    lacks = found.contrast < 0.8 * score.measure(IDENTITY[None], [0]).contrast
    assert np.all(found.loss[lacks] > relative[lacks] + 1e-3)


def test_the_exact_inverse_is_admissible(feature_map):
    score = WarpScore(scoring(feature_map, "constant"), SOURCE, TARGET, SEEN, IDENTITY)
    every = np.arange(3)
    inverse = score.measure(np.tile(IDENTITY, (3, 1, 1)), every)
    np.testing.assert_allclose(inverse.distance, score.inverse_distance)
    assert score.is_admissible(inverse, every).all()
    away = np.tile(IDENTITY, (3, 1, 1))
    away[:, 0, 2] = 1.9
    assert not score.is_admissible(score.measure(away, every), every).any()
    flat = inverse._replace(contrast=0.5 * inverse.contrast)
    assert not score.is_admissible(flat, every).any()


def test_can_be_descended_on(feature_map):
    score = scoring(feature_map, "constant")
    scores = WarpScore(score, SOURCE, TARGET, SEEN, IDENTITY)
    # Of the first contrast is lacking, of the second it is not.
    noise = (thetas(2) - IDENTITY) / 20
    theta, index = np.stack([IDENTITY / 3, IDENTITY]) + noise, [0, 1]
    inputs = scores.inputs_for(np.array(index))
    (found,) = gradients(
        lambda theta: keras.ops.sum(score(theta, *inputs)[:, 0]), theta
    )

    def loss(theta):
        warped = oracle.affine_sample(SOURCE[index], theta) * SEEN
        distance = np.sum((warped - TARGET[index] * SEEN) ** 2, axis=(1, 2, 3))
        mean = warped.sum(axis=(1, 2), keepdims=True) / SEEN.sum()
        contrast = np.sum(((warped - mean) * SEEN) ** 2, axis=(1, 2, 3))
        lack = np.maximum(1 - contrast / least, 0)
        assert (lack > 0).tolist() == [True, False]
        return np.sum(distance / scores.target_norm[index] + 2 * lack)

    least = 0.9**2 * scores.measure(np.stack([IDENTITY] * 2), np.array(index)).contrast
    expected = numeric_gradient(loss, theta, 1e-6)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
