import numpy as np
import pytest

from keras_stn.datasets import TranslationTask

TASK = TranslationTask()


def shifted(digit, x, y):
    """Pixel by pixel, in float64."""
    image = np.zeros((60, 60))
    for row in range(28):
        for column in range(28):
            image[16 + y + row, 16 + x + column] = digit[row, column] / 255
    return image


def test_against_loops(digits):
    applied = TASK.draw(np.random.default_rng(0), len(digits))
    applied[:4] = [[-16, -16], [16, 16], [-16, 16], [0, 0]]
    images = TASK.render(digits, applied)
    assert images.shape == (len(digits), 60, 60, 1)
    assert images.dtype == np.float32
    for image, digit, (x, y) in zip(images, digits, applied, strict=True):
        expected = (shifted(digit, x, y) - 0.0363) / 0.1870
        np.testing.assert_allclose(image[..., 0], expected, atol=1e-5)


def test_clutter_against_loops(digits):
    applied = TASK.draw(np.random.default_rng(0), len(digits))
    source = digits[::-1].copy()
    images = TASK.render(digits, applied, np.random.default_rng(7), source)

    generator = np.random.default_rng(7)
    shape = (len(digits), 6)
    cut_from = generator.integers(len(source), size=shape)
    cut_row, cut_column = (generator.integers(23, size=shape) for _ in range(2))
    column, row = generator.integers(54, size=(2, *shape))
    overlaps = 0
    for i, digit in enumerate(digits):
        expected = shifted(digit, *applied[i])
        for k in range(6):
            for y in range(6):
                for x in range(6):
                    pixel = source[
                        cut_from[i, k], cut_row[i, k] + y, cut_column[i, k] + x
                    ]
                    expected[row[i, k] + y, column[i, k] + x] += pixel / 255
        overlaps += (expected > 1).sum()
        expected = (np.minimum(expected, 1) - 0.0363) / 0.1870
        np.testing.assert_allclose(images[i, ..., 0], expected, atol=1e-5)
    assert overlaps > 0


def test_clutter_comes_from_where_it_should(digits):
    white = np.full((3, 28, 28), 255, np.uint8)
    applied = np.zeros((len(digits), 2), int)
    args = (np.zeros_like(digits), applied)
    images = TASK.render(*args, np.random.default_rng(0), white)
    pixels = images[..., 0] * 0.1870 + 0.0363
    assert pixels.max() == pytest.approx(1, abs=1e-6)
    # Six crops of 36 pixels, which may overlap; the last row and column are free.
    lit = (pixels > 0.5).sum((1, 2))
    assert lit.max() <= 216
    assert 180 < lit.mean() < 216
    assert not (pixels > 0.5)[:, 59].any()
    assert not (pixels > 0.5)[:, :, 59].any()
    # By default from the digits themselves, which are black.
    pixels = TASK.render(*args, np.random.default_rng(0)) * 0.1870 + 0.0363
    np.testing.assert_allclose(pixels, 0, atol=1e-6)


def test_draws_are_whole_and_uniform():
    applied = TASK.draw(np.random.default_rng(0), 30_000)
    assert applied.shape == (30_000, 2)
    assert applied.dtype == np.int32
    shares = np.stack([np.bincount(axis + 16) for axis in applied.T]) / 30_000
    # round(U(-16, 16)): the two ends get half as much.
    expected = np.array([0.5] + [1] * 31 + [0.5]) / 32
    np.testing.assert_allclose(shares, np.stack([expected] * 2), atol=0.005)
    assert abs(np.corrcoef(applied.T)[0, 1]) < 0.02


def test_shift_that_leaves_the_image_is_refused(digits):
    with pytest.raises(ValueError, match=r"-16\.\.16.*Received: 17"):
        TASK.render(digits[:1], np.array([[0, -17]]))


@pytest.mark.parametrize("applied", [0.9, np.nan])
def test_shifts_are_whole(digits, applied):
    with pytest.raises(ValueError, match="whole pixels. Received: \\["):
        TranslationTask().render(digits[:1], [[applied, 0]])


@pytest.mark.parametrize("images", [np.zeros((3, 28, 28)), np.zeros((0, 28, 28), "u1")])
def test_images_that_give_no_clutter(digits, images):
    with pytest.raises(ValueError, match="at least one image. Received: dtype="):
        TranslationTask()(digits[:2], np.random.default_rng(0), images)
