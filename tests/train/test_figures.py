import json

import numpy as np
import pytest

import keras_stn
from keras_stn.datasets import load_mnist
from train import figures
from train.figures.figure3 import pose_statistics


@pytest.fixture
def digits(data_dir):
    with pytest.warns(UserWarning, match="NOT the full MNIST"):
        return load_mnist(data_dir)


@pytest.fixture(scope="module")
def models():
    return {
        (task, variant): keras_stn.models.mnist(variant, task=task)
        for task, variant in (
            ("rotation", "cnn"),
            ("rotation", "stn_c1"),
            ("translation", "stn_c0"),
        )
    }


def check_picture(path, numbers):
    assert path.read_bytes()[:4] == b"\x89PNG"
    # Nothing unfinished is left.
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert json.loads(json.dumps(numbers)) == numbers


def test_figure1(tmp_path):
    path = tmp_path / "new" / "figure1.png"
    numbers = figures.figure1(path)
    check_picture(path, numbers)
    assert numbers["feature_warp"] == pytest.approx(np.sqrt(2), abs=1e-4)
    assert numbers["best_feature_warp"] > 1.34
    assert numbers["input_warp"] == pytest.approx(0, abs=1e-4)
    responses = numbers["responses"]
    # The right place in the wrong channel.
    assert responses["image"]["W"] == responses["feature_map_warped_back"]["M"]
    assert responses["feature_map_warped_back"]["W"]["value"] == 0
    assert responses["image_warped_back"] == responses["image"]


def test_figure2(models, digits, tmp_path):
    path = tmp_path / "figure2.png"
    numbers = figures.figure2(models, digits, path)
    check_picture(path, numbers)
    assert list(numbers) == ["rotation", "translation"]
    assert list(numbers["rotation"]["theta"]) == ["stn_c1"]
    # As they were built: the identity.
    np.testing.assert_allclose(
        numbers["rotation"]["theta"]["stn_c1"], [np.eye(2, 3)] * 12, atol=1e-6
    )


def test_figure3(models, digits, tmp_path):
    path = tmp_path / "figure3.png"
    numbers = figures.figure3(models, digits, path, passes=2)
    check_picture(path, numbers)
    angle = numbers["rotation"]["stn_c1"]["angle_degrees"]
    assert angle["images"] == 2 * 50 and angle["left_out"] == 0
    assert angle["slope"] == pytest.approx(0, abs=1e-4)
    # What turns nothing leaves the spread that was applied: uniform in -90..90.
    assert angle["spread"] == pytest.approx(angle["applied_spread"])
    assert angle["spread"] == pytest.approx(180 / np.sqrt(12), rel=0.15)
    assert set(numbers["translation"]["stn_c0"]) == {"shift_x_pixels", "shift_y_pixels"}


def test_statistics_of_transformers_that_undo_what_was_applied():
    labels = np.arange(40) % 10
    offset = 10.0 * labels
    applied = np.linspace(-60, 60, 40)
    angle = np.deg2rad(applied - offset)
    zero = np.zeros_like(angle)
    rows = [np.cos(angle), -np.sin(angle), zero, np.sin(angle), np.cos(angle), zero]
    theta = np.stack(rows, axis=1)
    found = pose_statistics(applied, theta, labels, "rotation")["angle_degrees"]
    # Each class has its own pose, and all of its images the same.
    assert found["spread"] == pytest.approx(0, abs=1e-4)
    assert found["applied_spread"] > 30
    shift = np.stack([applied, -applied], axis=1) / 4
    theta = np.tile(np.eye(2, 3), (40, 1, 1))
    theta[:, :, 2] = shift / 30
    found = pose_statistics(shift, theta, labels, "translation")
    assert found["shift_x_pixels"]["slope"] == pytest.approx(1)
    assert found["shift_y_pixels"]["spread"] == pytest.approx(0, abs=1e-4)
    scale = 2 ** (applied / 60)
    theta = np.tile(np.eye(2, 3), (40, 1, 1)) * scale[:, None, None]
    theta[0, 0, 0] *= -1
    found = pose_statistics(scale, theta, labels, "scale")["scale_octaves"]
    assert found["slope"] == pytest.approx(1) and found["left_out"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("transform", ["rotation", "translation", "scale"])
def test_gap_by_depth(models, digits, tmp_path, transform):
    path = tmp_path / "gap.png"
    numbers = figures.gap_by_depth(
        models, digits, path, transform, images=2, layers=["block_1_relu"], search=False
    )
    check_picture(path, numbers)
    gaps = numbers["gaps"]["block_1_relu"]
    assert len(gaps["feature_warp"]) == len(numbers["amounts"])
    assert "best_feature_warp" not in gaps
    assert np.all(np.isfinite(gaps["feature_warp"] + gaps["input_warp"]))
    if transform == "rotation":
        # A quarter turn costs no interpolation, so there is no floor.
        assert gaps["feature_warp"][-1] > 0.1
        assert gaps["input_warp"][-1] == pytest.approx(0, abs=1e-4)


def test_theta_over_training(tmp_path):
    path = tmp_path / "theta.png"
    rows = [{"epoch": 1, "loss": 1.0, "theta_scale": 1.25}]
    histories = {("rotation", "stn_c1"): rows, ("rotation", "cnn"): [{"loss": 1.0}]}
    numbers = figures.theta_over_training(histories, path)
    check_picture(path, numbers)
    assert numbers == {"rotation": {"stn_c1": {"theta_scale": 1.25}}}


def test_says_what_is_wrong(models, digits, tmp_path):
    path = tmp_path / "none.png"
    plain = {("rotation", "cnn"): models["rotation", "cnn"]}
    moved = {("translation", "stn_c0"): models["translation", "stn_c0"]}
    with pytest.raises(ValueError, match="with a spatial transformer"):
        figures.figure2(plain, digits, path)
    with pytest.raises(ValueError, match="rotation task.*translation"):
        figures.figure3(moved, digits, path)
    with pytest.raises(ValueError, match="passes=0"):
        figures.figure3(models, digits, path, passes=0)
    with pytest.raises(ValueError, match="transform.*'shear'"):
        figures.gap_by_depth(models, digits, path, "shear")
    with pytest.raises(ValueError, match=r"the model \('scale', 'cnn'\)"):
        figures.gap_by_depth(models, digits, path, key=("scale", "cnn"))
    assert not path.exists()


@pytest.mark.slow
def test_numbers_do_not_depend_on_the_order_of_the_models(models, digits, tmp_path):
    backwards = dict(reversed(models.items()))
    assert figures.figure2(backwards, digits, tmp_path / "a.png") == figures.figure2(
        models, digits, tmp_path / "b.png"
    )


@pytest.mark.slow
def test_house_numbers(tmp_path):
    models = {
        ("svhn", variant): keras_stn.models.svhn(variant, width=0.05)
        for variant in ("stn_sl3", "cnn", "stn_c3")
    }
    path = tmp_path / "numbers.png"
    numbers = figures.house_numbers(models, path)
    check_picture(path, numbers)
    assert list(numbers) == ["stn_c3", "stn_sl3"]
    # As they were built: the identity.
    np.testing.assert_allclose(
        numbers["stn_c3"], [np.eye(2, 3)] * len(numbers["stn_c3"]), atol=1e-6
    )
