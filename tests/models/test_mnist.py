import keras
import numpy as np
import pytest

from keras_stn.models import mnist, pose
from tests.compilation import compile_function


@pytest.mark.parametrize(
    ("variant", "task", "localization", "parameters"),
    [
        # The paper's classifier and localisation networks.
        ("cnn", "rotation", None, 208_586),
        ("cnn", "translation", None, 270_026),
        ("stn_c0", "rotation", "cnn", 208_586 + 11_086),
        ("stn_c0", "rotation", "fcn", 208_586 + 27_430),
        ("stn_c1", "rotation", "fcn", 208_586 + 207_142),
        ("stn_sl1", "rotation", "fcn", 208_586 + 207_142),
        # The default: conv 5x5 24, dense 48 twice, and four numbers for each unit's
        # normalisation; on the halved image and on the first map.
        ("stn_c0", "rotation", None, 208_586 + 32_598),
        ("stn_sl1", "rotation", None, 208_586 + 51_966),
        # The own copy of the first block: 9 * 9 * 64 + 64.
        ("stn_dl1", "rotation", "fcn", 208_586 + 207_142 + 5_248),
    ],
)
def test_parameter_counts(variant, task, localization, parameters):
    assert mnist(variant, task, localization).count_params() == parameters


@pytest.mark.parametrize("task", ["rotation", "translation", "scale"])
@pytest.mark.parametrize("variant", ["cnn", "stn_c0", "stn_c1", "stn_c2", "stn_sl1"])
def test_every_default_fits(variant, task):
    model = mnist(variant, task)
    side = {"rotation": 28, "translation": 60, "scale": 112}[task]
    assert model.input_shape == (None, side, side, 1)
    assert model.output_shape == (None, 10)


def test_translation_halves_what_is_warped():
    def output_of(variant):
        return mnist(variant, "translation").get_layer("spatial_transformer").output

    assert output_of("stn_c0").shape[1:] == (30, 30, 1)
    assert output_of("stn_c1").shape[1:] == (13, 13, 64)
    assert output_of("stn_sl1").shape[1:] == (30, 30, 1)
    assert output_of("stn_sl1")._keras_history.operation.input[1].shape[1] == 26


@pytest.mark.parametrize("variant", ["stn_c0", "stn_c1", "stn_sl1"])
def test_channels_first(variant, channels_first):
    model = mnist(variant, "translation")
    assert model.input_shape == (None, 1, 60, 60)
    warped = model.get_layer("spatial_transformer").output
    expected = (64, 13, 13) if variant == "stn_c1" else (1, 30, 30)
    assert warped.shape[1:] == expected
    image = np.random.default_rng(0).normal(size=(2, 1, 60, 60)).astype("float32")
    assert np.isfinite(model.predict(image, verbose=0)).all()
    identity = np.tile(np.eye(2, 3), (2, 1, 1))
    np.testing.assert_array_equal(pose(model).predict(image, verbose=0), identity)


@pytest.mark.parametrize("variant", ["cnn", "stn_c0", "stn_c1", "stn_sl1"])
def test_each_channel_is_normalised_in_both_data_formats(variant, request):
    shapes = []
    for data_format in ("channels_last", "channels_first"):
        request.getfixturevalue(data_format)
        model = mnist(variant, batch_norm=True)
        shapes.append([tuple(weight.shape) for weight in model.weights])
    assert shapes[0] == shapes[1]
    assert (64,) in shapes[0]


def test_scale_does_not_halve():
    output = mnist("stn_c0", "scale").get_layer("spatial_transformer").output
    assert output.shape[1:] == (112, 112, 1)


def test_batch_norm_adds_a_layer_after_each_block():
    model = mnist("cnn", batch_norm=True)
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(norms) == 2
    assert model.count_params() == 208_586 + 2 * 4 * 64


def test_paper_defaults_of_the_transformer():
    transformer = mnist("stn_c1").get_layer("spatial_transformer")
    assert transformer.transform.num_parameters == 6
    assert transformer.fill_mode == "nearest"
    assert transformer.align_corners is False


@pytest.mark.slow
def test_learns_a_small_batch():
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    images = generator.normal(size=(16, 28, 28, 1)).astype("float32")
    labels = np.arange(16) % 10
    model = mnist("stn_sl1")
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    before = model.evaluate(images, labels, verbose=0)
    model.fit(images, labels, epochs=12, batch_size=16, verbose=0)
    assert model.evaluate(images, labels, verbose=0) < 0.5 * before


def test_rejects_unknown_task():
    with pytest.raises(ValueError, match="Received: task='shear'"):
        mnist("cnn", "shear")


@pytest.mark.parametrize("variant", ["stn_c0", "cnn"])
def test_rejects_unknown_localisation(variant):
    with pytest.raises(ValueError, match="Received: localization='vgg'"):
        mnist(variant, localization="vgg")


def test_rejects_a_localisation_network_that_does_not_fit():
    with pytest.raises(ValueError, match="'cnn' does not fit.*'fcn' reads anything"):
        mnist("stn_c1", localization="cnn")


@pytest.mark.parametrize("variant", ["cnn", "stn_c1", "stn_sl1"])
def test_compiles_as_a_whole(variant):
    """One XLA program, as on an accelerator; the part that predicts theta too."""
    model = mnist(variant, localization="fcn") if variant != "cnn" else mnist(variant)
    images = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype("float32")
    functions = [model]
    if variant != "cnn":
        bias = model.get_layer("spatial_transformer").trainable_variables[-1]
        bias.assign([-0.1, 0.3, 0.1, -0.2, 0.1, -0.1])
        functions.append(pose(model))
    for function in functions:
        found = compile_function(lambda images, of=function: of(images))(images)
        expected = function(images)
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(found),
            keras.ops.convert_to_numpy(expected),
            rtol=1e-3,
            atol=1e-4,
        )


def test_logits_are_in_single_precision_under_mixed_precision(half_precision):
    model = mnist("stn_c0")
    assert model.get_layer("block_1_conv").compute_dtype == "bfloat16"
    logits = model(np.zeros((1, 28, 28, 1), "float32"))
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
