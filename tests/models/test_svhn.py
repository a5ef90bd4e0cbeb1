import keras
import numpy as np
import pytest

from keras_stn.models import Variant, svhn

# Some 15 filters and 307 units. With much fewer, all logits may come out as zero.
NARROW = 0.1


def images(count=2):
    return np.random.default_rng(0).random((count, 64, 64, 3), dtype="float32")


def dense(inputs, outputs):
    return inputs * outputs + outputs


def conv(inputs, outputs):
    return 25 * inputs * outputs + outputs


def randomize_theta(model, size=0.02):
    generator = np.random.default_rng(1)
    for weight in model.get_layer("spatial_transformer")._regression.weights:
        weight.assign(size * generator.normal(size=weight.shape))


def test_the_classifier_has_the_papers_parameters():
    model = svhn("cnn")
    assert model.count_params() == 32_820_951
    # One Dense layer instead of five heads.
    assert model.get_layer("heads").count_params() == 5 * dense(3072, 11)


@pytest.mark.parametrize(
    ("variant", "localization", "added"),
    [
        # Of the narrow classifier, block 3 has 13 filters and block 8 has 19.
        (
            "stn_c0",
            None,
            conv(3, 32) + conv(32, 32) + dense(32**3, 32) + dense(32, 32),
        ),
        (
            "stn_sl3",
            None,
            conv(13, 32) + conv(32, 32) + dense(8 * 8 * 32, 32) + dense(32, 32),
        ),
        ("stn_c8", "svhn-small", dense(4 * 4 * 19, 32) + dense(32, 32)),
        (
            "stn_dl1",
            "svhn-small",
            dense(32 * 32 * 5, 32) + dense(32, 32) + conv(3, 5),
        ),
    ],
)
def test_parameters_that_a_transformer_adds(variant, localization, added):
    plain = svhn("cnn", width=NARROW).count_params()
    model = svhn(variant, width=NARROW, localization=localization)
    assert model.count_params() == plain + added + dense(32, 6)


@pytest.mark.parametrize(
    ("depth", "shape"),
    [(0, (64, 64, 3)), (3, (16, 16, 128)), (6, (8, 8, 192)), (8, (4, 4, 192))],
)
def test_the_map_has_the_papers_size(depth, shape):
    model = svhn(f"stn_c{depth}")
    transformer = model.get_layer("spatial_transformer")
    assert transformer.input.shape[1:] == shape
    assert transformer.output.shape[1:] == shape


@pytest.mark.parametrize(
    "variant", ["cnn", "stn_c0", "stn_c8", "stn_sl0", "stn_sl3", "stn_sl8", "stn_dl6"]
)
def test_shapes(variant):
    model = svhn(variant, width=NARROW)
    assert model.name == variant
    assert model.input_shape == (None, 64, 64, 3)
    assert model.output_shape == (None, 5, 11)
    if Variant.parse(variant, max_depth=8).kind in ("sl", "dl"):
        warped = model.get_layer("spatial_transformer").output
        assert warped.shape[1:] == (64, 64, 3)


def test_channels_first(channels_first):
    model = svhn("stn_c3", width=NARROW)
    assert model.input_shape == (None, 3, 64, 64)
    assert model.get_layer("spatial_transformer").output.shape[1:] == (13, 16, 16)
    assert model.output_shape == (None, 5, 11)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_dropout(rate):
    model = svhn("cnn", width=NARROW, dropout=rate)
    layers = [
        layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)
    ]
    assert [layer.rate for layer in layers] == [rate] * 10


@pytest.mark.parametrize("rate", [-0.1, 1, "half", None])
def test_dropout_that_is_no_rate(rate):
    with pytest.raises(ValueError, match="Expected a rate from 0 to below 1"):
        svhn("cnn", width=NARROW, dropout=rate)


def test_signal_does_not_fade():
    """What training starts from: the logits vary with the image."""
    keras.utils.set_random_seed(0)
    model = svhn("cnn", width=0.25)
    images = np.random.default_rng(0).normal(size=(8, 64, 64, 3)).astype("float32")
    features = keras.Model(model.inputs, model.get_layer("dense_3").output)
    values = keras.ops.convert_to_numpy(features(images, training=False))
    assert 0.1 < np.sqrt(np.mean(values**2)) < 10


def test_width_scales_the_classifier_only():
    model = svhn("stn_c0", width=0.25)
    filters = [model.get_layer(f"block_{index}_conv").filters for index in range(1, 9)]
    assert filters == [12, 16, 32, 40, 48, 48, 48, 48]
    assert [model.get_layer(f"dense_{index}").units for index in (1, 2, 3)] == [768] * 3
    localization = model.get_layer("spatial_transformer").localization
    assert localization.get_layer("localization_conv_1").filters == 32
    assert svhn("cnn", width=1e-9).get_layer("dense_3").units == 1


def test_dropout_after_all_blocks_but_the_first():
    model = svhn("cnn", width=NARROW)
    dropouts = [x for x in model.layers if isinstance(x, keras.layers.Dropout)]
    assert [layer.name for layer in dropouts] == [
        *(f"block_{index}_dropout" for index in range(2, 9)),
        *(f"dense_{index}_dropout" for index in (1, 2, 3)),
    ]
    assert {layer.rate for layer in dropouts} == {0.5}


def test_paper_defaults_of_the_transformer():
    transformer = svhn("stn_sl3", width=NARROW).get_layer("spatial_transformer")
    assert transformer.transform.num_parameters == 6
    assert transformer.fill_mode == "constant"
    assert transformer.fill_value == 0
    assert transformer.align_corners is False


def test_options_reach_the_transformer():
    model = svhn(
        "stn_c3",
        width=NARROW,
        localization=lambda shape: keras.layers.Dense(2),
        transform="rigid",
        fill_mode="nearest",
        align_corners=True,
        name="mine",
    )
    transformer = model.get_layer("spatial_transformer")
    assert model.name == "mine"
    assert isinstance(transformer.localization, keras.layers.Dense)
    assert transformer.transform.num_parameters == 3
    assert transformer.fill_mode == "nearest"
    assert transformer.align_corners is True


@pytest.mark.parametrize("variant", ["stn_c3", "stn_sl3"])
def test_an_untrained_transformer_changes_nothing(variant):
    keras.utils.set_random_seed(0)
    model = svhn(variant, width=NARROW)
    plain = svhn("cnn", width=NARROW)
    for layer in plain.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    expected = plain.predict(images(), verbose=0)
    result = model.predict(images(), verbose=0)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    # That is seen: another theta gives other logits.
    randomize_theta(model)
    assert np.abs(model.predict(images(), verbose=0) - expected).max() > 1e-4


def test_the_papers_loss_is_five_times_the_mean():
    model = svhn("cnn", width=NARROW)
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        loss_weights=5.0,
    )
    labels = np.random.default_rng(1).integers(0, 11, (4, 5))
    logits = model.predict(images(4), verbose=0).astype("float64")
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    of_each_head = -np.take_along_axis(logits, labels[..., None], axis=-1).mean((0, 2))
    result = model.evaluate(images(4), labels, verbose=0)
    assert result == pytest.approx(of_each_head.sum(), rel=1e-5)


@pytest.mark.slow
def test_trains_saves_and_loads(tmp_path):
    keras.utils.set_random_seed(0)
    model = svhn("stn_sl3", width=NARROW)
    randomize_theta(model)
    model.compile(
        keras.optimizers.SGD(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    before = model.get_layer("heads").get_weights()[1]
    model.fit(images(), np.zeros((2, 5), "int32"), verbose=0)
    after = model.get_layer("heads").get_weights()[1]
    assert np.abs(after - before).max() > 1e-4
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == len(model.weights)
    np.testing.assert_allclose(
        loaded.predict(images(), verbose=0),
        model.predict(images(), verbose=0),
        atol=1e-6,
    )


def test_x_beyond_the_blocks():
    with pytest.raises(ValueError, match="8 blocks, so X must be from 0 to 8"):
        svhn("stn_c9", width=NARROW)


def test_rejects_unknown_variant():
    with pytest.raises(ValueError, match="Unknown variant.*Received: variant='stn'"):
        svhn("stn", width=NARROW)


def test_rejects_unknown_localisation():
    with pytest.raises(ValueError, match="Received: localization='vgg'"):
        svhn("stn_c0", width=NARROW, localization="vgg")


@pytest.mark.parametrize("width", [0, -1, float("nan"), float("inf"), "1", None, True])
def test_rejects_a_width_that_is_no_positive_number(width):
    with pytest.raises(ValueError, match="`width`.*positive number.*Received: width="):
        svhn("cnn", width=width)


def test_logits_are_in_single_precision_under_mixed_precision(half_precision):
    model = svhn("cnn", width=0.05)
    assert model.get_layer("dense_1").compute_dtype == "bfloat16"
    logits = model(np.zeros((1, 64, 64, 3), "float32"))
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
