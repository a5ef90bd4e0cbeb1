import numpy as np
import pytest

from keras_stn.datasets import street_scene
from keras_stn.datasets.street_scene import render_scene
from keras_stn.datasets.viewpoint import project, see


@pytest.mark.parametrize("digits", ["1", "40", "777", "2018", "59036"])
def test_render(digits):
    for seed in range(4):
        image = render_scene(digits, np.random.default_rng([5, seed]))
        assert image.shape == (64, 64, 3)
        assert image.dtype == np.uint8
        again = render_scene(digits, np.random.default_rng([5, seed]))
        np.testing.assert_array_equal(again, image)


@pytest.fixture
def painted(monkeypatch):
    """Where the digits are, and the scene once they are painted."""
    caught = {}
    original = street_scene._number

    def number(scene, mask, view, ink, generator):
        original(scene, mask, view, ink, generator)
        caught["digits"] = see(mask, view.matrix, view.scene_size)[..., 0]
        caught["scene"] = scene.copy()

    monkeypatch.setattr(street_scene, "_number", number)
    return caught


def test_digits_stand_out(painted):
    for seed in range(80):
        render_scene("38", np.random.default_rng(seed))
        grey = painted["scene"] @ np.array([0.299, 0.587, 0.114])
        inside = painted["digits"] > 0.9
        rows, columns = np.nonzero(inside)
        beside = np.zeros_like(inside)
        beside[rows.min() : rows.max(), columns.min() : columns.max()] = True
        beside &= painted["digits"] < 0.1
        assert abs(np.median(grey[inside]) - np.median(grey[beside])) > 25


def test_neighbours_stay_outside(monkeypatch):
    """Nothing but stains, boards and shadows lies on the number itself."""
    covered = []
    original = street_scene._neighbour

    def neighbour(scene, view, side, ink, generator):
        before = scene.copy()
        original(scene, view, side, ink, generator)
        changed = (scene != before).any(axis=2)
        y, x = (np.indices(changed.shape) + 0.5).reshape(2, -1)
        places = project(np.linalg.inv(view.matrix), np.stack([x, y], axis=1))
        inside = (places > view.hull[:2]).all(axis=1)
        inside &= (places < view.hull[2:]).all(axis=1)
        covered.append((changed.ravel() & inside).mean())

    monkeypatch.setattr(street_scene, "_neighbour", neighbour)
    for seed in range(80):
        render_scene("6402"[: 1 + seed % 4], np.random.default_rng(seed))
    assert len(covered) > 20
    # But for the soft edge of a piece.
    assert max(covered) < 0.02
