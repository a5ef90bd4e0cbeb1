import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from keras_stn.datasets import ScaleTask

TASK = ScaleTask()


def scaled(digit, factor):
    """Padded and scaled about the centre, by SciPy in float64."""
    padded = np.pad(digit / 255.0, 42)
    centre = np.full(2, 55.5)
    return scipy.ndimage.affine_transform(
        padded,
        np.full(2, 1 / float(factor)),
        centre - centre / float(factor),
        order=1,
        mode="grid-constant",
    )


def resized(crop, side):
    """Bilinear, half-pixel centres, edges repeated: one axis after the other."""
    places = (np.arange(side) + 0.5) * 6 / side - 0.5
    rows = np.stack([np.interp(places, np.arange(6), column) for column in crop.T], 1)
    return np.stack([np.interp(places, np.arange(6), row) for row in rows])


def test_against_scipy(digits):
    applied = np.exp2(np.linspace(-1, 2, len(digits))).astype(np.float32)
    images = TASK.render(digits, applied)
    assert images.shape == (len(digits), 112, 112, 1)
    assert images.dtype == np.float32
    for image, digit, factor in zip(images, digits, applied, strict=True):
        expected = (scaled(digit, factor) - 0.0414) / 0.1751
        np.testing.assert_allclose(image[..., 0], expected, atol=2e-4)


def test_clutter_against_loops(digits):
    source = digits[::-1].copy()
    applied = np.ones(len(digits))
    images = TASK.render(digits, applied, np.random.default_rng(7), source)

    generator = np.random.default_rng(7)
    shape = (len(digits), 6)
    cut_from = generator.integers(len(source), size=shape)
    cut_row, cut_column = (generator.integers(23, size=shape) for _ in range(2))
    half_side = generator.integers(1, 10, size=shape)
    column, row = generator.integers(2, 110, size=(2, *shape))
    beyond = 0
    for i, digit in enumerate(digits):
        # Room for what hangs over the edge.
        expected = np.pad(digit / 255.0, 42 + 20)
        for k in range(6):
            y, x = cut_row[i, k], cut_column[i, k]
            crop = source[cut_from[i, k], y : y + 6, x : x + 6] / 255
            s = half_side[i, k]
            top, left = 20 + row[i, k] - s, 20 + column[i, k] - s
            expected[top : top + 2 * s, left : left + 2 * s] += resized(crop, 2 * s)
        beyond += expected[:20].any() + expected[-20:].any()
        expected = np.minimum(expected[20:-20, 20:-20], 1)
        expected = (expected - 0.0414) / 0.1751
        np.testing.assert_allclose(images[i, ..., 0], expected, atol=2e-5)
    assert beyond > 0


def test_draws_are_uniform_in_octaves():
    applied = TASK.draw(np.random.default_rng(0), 20_000)
    assert applied.shape == (20_000,)
    assert applied.dtype == np.float32
    octaves = np.log2(applied)
    assert scipy.stats.kstest((octaves + 1) / 3, "uniform").pvalue > 0.01


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan])
def test_factor_that_means_nothing_is_refused(digits, factor):
    with pytest.raises(ValueError, match=r"factors above 0\. Received"):
        TASK.render(digits[:1], np.array([factor]))
