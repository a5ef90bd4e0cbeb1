import numpy as np
import pytest

from keras_stn.plotting import channel_shift

FEATURES = np.zeros((3, 6, 5, 2))
FEATURES[0, 1, 2, 1] = 1.0
FEATURES[1, 4, 3, 0] = 0.5
IMAGES = [np.eye(6), np.ones((6, 6, 1)), None]


def test_shows_the_maps_and_where_the_response_should_be():
    figure = channel_shift(IMAGES, FEATURES, ["W", "M"], ["a", "b", "c"])
    grid = np.reshape(figure.axes, (3, 3))
    for row in range(3):
        for channel in range(2):
            (drawn,) = grid[row, channel + 1].get_images()
            np.testing.assert_array_equal(
                drawn.get_array(), FEATURES[row, :, :, channel]
            )
            # The same scale for all.
            assert drawn.get_clim() == (0, 1)
        assert not grid[row, 1].get_lines()
        (ring,) = grid[row, 2].get_lines()
        np.testing.assert_array_equal(np.ravel(ring.get_data()), [2, 1])
    assert [len(axis.get_images()) for axis in grid[:, 0]] == [1, 1, 0]
    assert [axis.get_title() for axis in grid[0]] == ["image", "W", "M"]
    assert [axis.get_ylabel() for axis in grid[:, 0]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGES, FEATURES, ["W"]), "a name for each channel"),
        ((IMAGES, FEATURES[0], ["W", "M"]), r"features.shape=\(6, 5, 2\)"),
        ((IMAGES[:2], FEATURES, ["W", "M"]), "Received 2 images and 3 labels"),
        ((IMAGES, FEATURES, ["W", "M"], ["a"]), "Received 3 images and 1 labels"),
    ],
)
def test_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        channel_shift(*arguments)


@pytest.mark.parametrize("value", [-1.0, 0.0, np.nan])
def test_features_that_would_draw_nothing(value):
    features = np.full(FEATURES.shape, value)
    with pytest.raises(ValueError, match="finite and somewhere positive"):
        channel_shift(IMAGES, features, ["W", "M"])


def test_a_first_row_without_a_response():
    with pytest.raises(ValueError, match="no strongest response to mark"):
        channel_shift(IMAGES[1:], FEATURES[::-1][:2], ["W", "M"])


def test_images_with_channels():
    with pytest.raises(ValueError, match=r"each, or be None.*\(6, 6, 3\)"):
        channel_shift([np.ones((6, 6, 3)), *IMAGES[1:]], FEATURES, ["W", "M"])


@pytest.mark.parametrize("size", [(6, 18), (18, 6)])
def test_maps_that_are_not_square_fill_the_paper(size):
    figure = channel_shift([None] * 3, np.ones((3, *size, 2)), ["W", "M"])
    figure.draw_without_rendering()
    boxes = [axis.get_window_extent() for axis in figure.axes]
    filled = sum(box.width * box.height for box in boxes)
    assert filled > 0.45 * figure.bbox.width * figure.bbox.height
