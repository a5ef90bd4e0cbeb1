import numpy as np
import pytest

from keras_stn import ops
from keras_stn.plotting import sampling_grid

IMAGES = np.random.default_rng(0).random((2, 20, 30))
THETA = np.array(
    [[[0.5, 0, 0.25], [0, 0.5, 0]], [[0, -1, 0], [1, 0, 0]]], dtype="float32"
)


def test_lines_are_where_the_grid_samples():
    figure = sampling_grid(IMAGES, THETA, lines=3)
    # With align_corners the grid's outer pixels lie on the frame, as the lines do.
    grid = np.array(ops.affine_grid(THETA, 3, align_corners=True))
    pixels = (grid + 1) * [30, 20] / 2 - 0.5
    for axis, image, points in zip(figure.axes, IMAGES, pixels, strict=True):
        np.testing.assert_allclose(axis.get_images()[0].get_array(), image, rtol=1e-6)
        drawn = [np.transpose(line.get_data()) for line in axis.get_lines()]
        assert len(drawn) == 8
        for index in range(3):
            np.testing.assert_allclose(drawn[index], points[index, [0, 2]], atol=1e-4)
            np.testing.assert_allclose(
                drawn[3 + index], points[[0, 2], index], atol=1e-4
            )
        # The upper side of the output, and its middle.
        np.testing.assert_allclose(drawn[6], points[0, [0, 2]], atol=1e-4)
        np.testing.assert_allclose(drawn[7], points[1, 1][None], atol=1e-4)


def test_what_leaves_the_image_is_drawn_up_to_a_margin():
    away = THETA.copy()
    away[0, 0, 2] = 50
    axis = sampling_grid(IMAGES, away).axes[0]
    assert axis.get_xlim()[1] == pytest.approx(29.5 + 15)
    assert axis.get_ylim()[0] > axis.get_ylim()[1]
    axis = sampling_grid(IMAGES[:1], THETA[:1]).axes[0]
    assert axis.get_xlim() == pytest.approx((-0.5, 29.5))


def test_warped_images_below():
    warped = np.zeros((2, 8, 8, 3))
    figure = sampling_grid(IMAGES, THETA.reshape(2, 6), warped, titles=["a", "b"])
    assert len(figure.axes) == 4
    assert figure.axes[2].get_images()[0].get_array().shape == (8, 8, 3)
    assert [axis.get_title() for axis in figure.axes[:2]] == ["a", "b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"theta": THETA[:1]}, "2 images, 1 thetas"),
        ({"warped": IMAGES[:1]}, "1 warped images"),
        ({"titles": ["a"]}, "1 titles"),
        ({"lines": 1}, "lines=1"),
        ({"images": IMAGES[0]}, r"'images' must have shape"),
        ({"theta": np.zeros((2, 3))}, r"theta.shape=\(2, 3\)"),
    ],
)
def test_says_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        sampling_grid(**{"images": IMAGES, "theta": THETA, **options})


def test_titles_as_an_array():
    figure = sampling_grid(
        IMAGES, THETA, lines=np.int64(2), titles=np.array(["a", "b"])
    )
    assert [axis.get_title() for axis in figure.axes] == ["a", "b"]
