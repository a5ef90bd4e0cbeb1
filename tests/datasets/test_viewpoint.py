import numpy as np
import pytest
from PIL import Image

from keras_stn.datasets.lettering import print_text
from keras_stn.datasets.viewpoint import (
    FAR,
    OVERSAMPLING,
    draw_viewpoint,
    project,
    see,
    shift,
)


def test_number_fills_the_picture_as_in_svhn():
    found = []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        text = "12345"[: 1 + seed % 5]
        lettering = print_text(text, generator)
        view = draw_viewpoint(lettering.boxes, generator)
        assert view.scene_size == tuple(OVERSAMPLING * n for n in view.picture_size)
        corners = [
            (x, y)
            for left, top, right, bottom in lettering.boxes
            for x in (left, right)
            for y in (top, bottom)
        ]
        places = project(view.matrix, np.array(corners)) / view.scene_size
        found.append([places.min(axis=0), 1 - places.max(axis=0)])
        # The digits are in reading order.
        middles = (lettering.boxes[:, :2] + lettering.boxes[:, 2:]) / 2
        assert (np.diff(project(view.matrix, middles)[:, 0]) > 0).all()
    # A margin of 15 % of the box on each side, which is this part of the picture; on
    # the average somewhat more, as there is room between ink and box.
    assert 0.15 / 1.3 < np.mean(found) < 0.15 / 1.3 + 0.06
    # No digit is cut off.
    assert np.min(found) > 0.05


def test_all_of_the_picture_is_near_and_in_front_of_the_camera():
    for seed in range(200):
        generator = np.random.default_rng(seed)
        lettering = print_text("71804"[: 1 + seed % 5], generator)
        view = draw_viewpoint(lettering.boxes, generator)
        low, high = view.hull[:2], view.hull[2:]
        middle, reach = (low + high) / 2, FAR * (high - low).max() / 2
        width, height = view.scene_size
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
        seen = project(np.linalg.inv(view.matrix), corners)
        assert (np.abs(seen - middle) < reach).all()
        signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        far = middle + reach * signs
        assert (far @ view.matrix[2, :2] + view.matrix[2, 2] > 0).all()


def test_project():
    matrix = np.array([[2.0, 0, 1], [0, 3, 0], [0, 0.5, 1]])
    places = project(matrix, np.array([(1.0, 0), (1, 2)]))
    np.testing.assert_allclose(places, [(3, 0), (1.5, 3)])
    np.testing.assert_allclose(project(shift((5, -2)), places), places + (5, -2))


def test_see_agrees_with_project():
    pixels = np.zeros((40, 60), np.uint8)
    pixels[20:23, 30:33] = 255
    generator = np.random.default_rng(0)
    boxes = np.array([[10.0, 8, 28, 32], [32, 8, 50, 32]])
    view = draw_viewpoint(boxes, generator)
    seen = see(Image.fromarray(pixels), view.matrix, view.scene_size)[..., 0]
    width, height = view.scene_size
    assert seen.shape == (height, width)
    assert seen.dtype == np.float32
    assert 0 <= seen.min() and seen.max() <= 1
    # The centre of mass of the spot, in half-pixel centres.
    y, x = np.indices(seen.shape) + 0.5
    centre = np.array([(seen * x).sum(), (seen * y).sum()]) / seen.sum()
    (expected,) = project(view.matrix, np.array([(31.5, 21.5)]))
    assert centre == pytest.approx(expected, abs=0.3)


def test_lines_are_turned_by_seven_degrees_or_so_and_never_much():
    angles = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        view = draw_viewpoint(np.array([[10.0, 8, 28, 32], [32, 8, 50, 32]]), generator)
        middle = (view.hull[:2] + view.hull[2:]) / 2
        start, end = project(view.matrix, np.array([middle, middle + (0.01, 0)]))
        angles.append(np.rad2deg(np.arctan2(*(end - start)[::-1])))
    assert 6 < np.std(angles) < 8
    assert 15 < np.abs(angles).max() < 21
