import numpy as np
import pytest

from keras_stn.datasets.photograph import light_up, take_photograph


def test_photograph_shows_the_scene():
    scene = np.empty((80, 120, 3), np.float32)
    scene[:, :60] = 40, 90, 140
    scene[:, 60:] = 200, 150, 100
    for seed in range(5):
        image = take_photograph(scene, (60, 40), np.random.default_rng(seed))
        assert image.shape == (64, 64, 3)
        assert image.dtype == np.uint8
        for columns, colour in (
            (slice(4, 26), scene[0, 0]),
            (slice(38, 60), scene[0, -1]),
        ):
            assert image[4:-4, columns].mean(axis=(0, 1)) == pytest.approx(
                colour, abs=6
            )


def test_out_of_range_is_clipped():
    scene = np.full((40, 40, 3), 300, np.float32)
    scene[:, :20] = -50
    image = take_photograph(scene, (20, 20), np.random.default_rng(0))
    assert image[:, :20].mean() < 15
    assert image[:, -20:].mean() > 240


def test_light_is_uneven_but_never_gone():
    lit = []
    for seed in range(40):
        scene = np.full((30, 50, 3), 100, np.float32)
        assert light_up(scene, np.random.default_rng(seed)) is None
        assert scene.dtype == np.float32
        # A half from the shadow, and a quarter from the slope of each axis.
        assert scene.min() > 100 * 0.5 * 0.75**2
        assert scene.max() < 100 * 1.25**2
        # Grey light.
        assert np.ptp(scene, axis=2).max() < 1e-3
        lit.append(scene.tobytes())
    assert len(set(lit)) == 40
