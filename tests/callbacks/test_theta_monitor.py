import warnings

import keras
import numpy as np
import pytest
from keras import layers

from keras_stn import SpatialTransformer, transforms
from keras_stn.analysis import predicted_angle
from keras_stn.callbacks import ThetaMonitor
from keras_stn.callbacks.theta_monitor import theta_statistics


def test_statistics_of_known_transforms():
    half = np.array([[[0.5, 0, 0], [0, 0.5, 0]]])
    assert theta_statistics(half) == {
        "theta_outside": 0.0,
        "theta_scale": 0.5,
        "theta_shift": 0.0,
        "theta_angle": 0.0,
        "theta_angle_spread": 0.0,
        "theta_scale_spread": 0.0,
        "theta_shift_spread": 0.0,
    }
    shifted = theta_statistics(np.array([[1, 0, 1.0, 0, 1, 0]]))
    assert shifted["theta_outside"] == 0.5
    assert shifted["theta_shift"] == 1.0
    away = theta_statistics(np.array([[1, 0, 5.0, 0, 1, 0], [np.nan] * 6]))
    assert away["theta_outside"] == 1.0


def test_spreads_are_about_the_mean():
    # 170 and -170 degrees are 20 apart.
    degrees = np.array([170.0, -170.0])
    angle, scale = np.deg2rad(degrees), np.array([0.5, 1.5])
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    shift = np.array([0.25, -0.25])
    theta = np.stack([cos, -sin, shift, sin, cos, shift], axis=1)
    np.testing.assert_allclose(predicted_angle(theta), degrees, atol=1e-4)
    found = theta_statistics(theta)
    assert abs(found["theta_angle"]) == pytest.approx(180, abs=1e-3)
    assert found["theta_angle_spread"] == pytest.approx(10, abs=1e-3)
    assert found["theta_scale_spread"] == pytest.approx(0.5, abs=1e-6)
    assert found["theta_shift_spread"] == pytest.approx(0.25 * np.sqrt(2), abs=1e-6)


def test_sign_of_the_angle():
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    found = theta_statistics(np.array([[cos, -sin, 0, sin, cos, 0]]))
    assert found["theta_angle"] == pytest.approx(30, abs=1e-3)


def test_turn_by_45_degrees():
    cos = np.sqrt(0.5)
    theta = np.array([[[cos, -cos, 0], [cos, cos, 0]]])
    # The corners of the unit square that leave it: 3 - 2 sqrt(2) of its area.
    assert theta_statistics(theta)["theta_outside"] == pytest.approx(0.1716, abs=0.02)


def make_model(shift):
    """A model whose transformer starts with a shift."""
    transformer = SpatialTransformer(
        layers.Flatten(), "translation", data_format="channels_last"
    )
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), transformer, layers.Flatten(), layers.Dense(1)]
    )
    transformer._regression.bias.assign([shift, 0.0])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


IMAGES = np.ones((3, 4, 4, 1), "float32")


def fit(model, **options):
    monitor = ThetaMonitor(IMAGES, **options)
    return model.fit(
        IMAGES, np.zeros((3, 1)), epochs=2, verbose=0, callbacks=[monitor]
    ).history


def test_adds_to_the_history():
    history = fit(make_model(0.5))
    assert history["theta_outside"] == [0.25, 0.25]
    assert history["theta_shift"] == [0.5, 0.5]


def test_warns_when_the_transformer_leaves_the_image():
    with pytest.warns(UserWarning, match="samples 100% of its output from outside"):
        fit(make_model(2.5))


def test_keeps_quiet_below_the_threshold():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(make_model(0.5))
    with pytest.warns(UserWarning, match="samples 25%"):
        fit(make_model(0.5), threshold=0.2)


def test_needs_a_transformer():
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten()])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="with one SpatialTransformer"):
        model.fit(
            IMAGES, np.zeros((3, 16)), verbose=0, callbacks=[ThetaMonitor(IMAGES)]
        )


@pytest.mark.parametrize("threshold", ["0.5", None, 2, -0.1, np.nan, True])
def test_a_threshold_that_is_none(threshold):
    with pytest.raises(ValueError, match="number from 0 to 1. Received: threshold="):
        ThetaMonitor(IMAGES, threshold=threshold)


def test_a_model_that_is_built_by_its_first_batch():
    transformer = SpatialTransformer(layers.Flatten(), data_format="channels_last")
    model = keras.Sequential([transformer, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert np.isfinite(fit(model, threshold=1.0)["theta_scale"]).all()


def test_says_before_training_that_the_images_do_not_fit():
    model = make_model(0.0)
    with pytest.raises(ValueError, match=r"\(3, 5, 5, 2\), .*4, 4, 1\)$"):
        model.fit(
            IMAGES,
            np.zeros((3, 1)),
            verbose=0,
            callbacks=[ThetaMonitor(np.ones((3, 5, 5, 2), "float32"))],
        )
    assert model.optimizer.iterations == 0


def test_a_theta_that_is_not_a_number():
    with pytest.warns(UserWarning, match="not a number, or infinite, for 100% of"):
        fit(make_model(np.nan))


def test_callbacks_behind_it_see_the_statistics(tmp_path):
    model = make_model(0.5)
    logger = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    model.fit(
        IMAGES,
        np.zeros((3, 1)),
        verbose=0,
        callbacks=[ThetaMonitor(IMAGES), logger],
    )
    assert "theta_shift" in (tmp_path / "log.csv").read_text().splitlines()[0]


def test_a_transformer_of_a_model_within():
    inner = keras.Sequential(
        [keras.Input((8, 8, 1)), SpatialTransformer(layers.Flatten())], name="inner"
    )
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), inner, layers.Flatten(), layers.Dense(2)]
    )
    model.compile("sgd", "mse")
    images, targets = np.zeros((4, 8, 8, 1), "float32"), np.zeros((4, 2), "float32")
    with pytest.raises(ValueError, match="within 'inner'.*`ThetaMonitor` takes it as"):
        model.fit(images, targets, callbacks=[ThetaMonitor(images)], verbose=0)
    monitor = ThetaMonitor(images, within=model.get_layer("inner"))
    history = model.fit(images, targets, callbacks=[monitor], verbose=0).history
    assert history["theta_scale"] == pytest.approx([1.0])


def test_one_of_several_transformers():
    image = keras.Input((4, 4, 1))
    x = image
    for name, shift in (("first", 0.5), ("second", 0.25)):
        transformer = SpatialTransformer(
            layers.Flatten(), "translation", data_format="channels_last", name=name
        )
        x = transformer(x)
        transformer._regression.bias.assign([shift, 0.0])
    model = keras.Model(image, layers.Dense(1)(layers.Flatten()(x)))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    with pytest.raises(ValueError, match="first.*second"):
        fit(model)
    assert fit(model, layer="second")["theta_shift"] == [0.25, 0.25]
    assert fit(model, layer="first")["theta_shift"] == [0.5, 0.5]


def test_no_images():
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), SpatialTransformer(layers.Flatten())]
    )
    model.compile("sgd", "mse")
    images = np.zeros((4, 8, 8, 1), "float32")
    monitor = ThetaMonitor(images[:0])
    with pytest.raises(ValueError, match=r"at least one.*\(0, 8, 8, 1\)"):
        model.fit(images, images, callbacks=[monitor], verbose=0)


@pytest.mark.parametrize("size", [(4, 8), (None, None)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_angles_of_images_that_are_not_square(align_corners, size):
    ratio = 7 / 3 if align_corners else 8 / 4
    family = transforms.Rotation(aspect_ratio=1.0 if None in size else ratio)
    transformer = SpatialTransformer(
        keras.Sequential([layers.GlobalAveragePooling2D()]),
        family,
        align_corners=align_corners,
        data_format="channels_last",
    )
    model = keras.Sequential(
        [keras.Input((*size, 1)), transformer, layers.GlobalAveragePooling2D()]
    )
    transformer._regression.bias.assign([np.deg2rad(30)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    images = np.ones((3, 4, 8, 1), "float32")
    logs = {}
    monitor = ThetaMonitor(images)
    monitor.set_model(model)
    monitor.on_train_begin()
    monitor.on_epoch_end(0, logs)
    assert logs["theta_angle"] == pytest.approx(30, abs=1e-3)


def two_transformers():
    image = x = keras.Input((4, 4, 1))
    for name, shift in (("first", 0.5), ("second", 0.25)):
        transformer = SpatialTransformer(layers.Flatten(), "translation", name=name)
        x = transformer(x)
        transformer._regression.bias.assign([shift, 0.0])
    model = keras.Model(image, layers.Dense(1)(layers.Flatten()(x)))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def test_two_monitors_of_one_training():
    model = two_transformers()
    monitors = [
        ThetaMonitor(IMAGES, layer=name, prefix=name) for name in ("first", "second")
    ]
    arguments = {"verbose": 0, "callbacks": monitors}
    history = model.fit(IMAGES, np.zeros((3, 1)), **arguments).history
    assert (history["first_shift"], history["second_shift"]) == ([0.5], [0.25])
    for monitor in monitors:
        monitor.prefix = "theta"
    with pytest.warns(UserWarning, match="replaces theta_angle, .*prefix='theta'"):
        model.fit(IMAGES, np.zeros((3, 1)), **arguments)


@pytest.mark.parametrize("wrong", [IMAGES[:, :3], [IMAGES[0], IMAGES[1]]])
def test_wrong_images_leave_the_model_as_it_was(wrong):
    """Where `predict` fails on JAX, Keras has given the variables away."""
    model = make_model(0.5)
    targets = np.zeros((3, 1))
    model.fit(IMAGES, targets, verbose=0)
    before = model.get_weights()
    with pytest.raises(ValueError, match="must be a batch as the model takes them"):
        model.fit(IMAGES, targets, verbose=0, callbacks=[ThetaMonitor(wrong)])
    for weight, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, other)
    model.fit(IMAGES, targets, verbose=0)
