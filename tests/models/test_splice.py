import keras
import numpy as np
import pytest
from keras import layers

from keras_stn import SpatialTransformer
from keras_stn.models import pose, splice
from tests import oracle

SHAPE = (16, 16, 1)
THETA = np.array([[0.8, -0.5, 0.2], [0.3, 0.9, -0.1]])


def images(count=3):
    return np.random.default_rng(0).random((count, *SHAPE), dtype="float32")


def classifier(variant, initializer="glorot_uniform", **options):
    def conv(filters):
        return layers.Conv2D(
            filters,
            3,
            activation="relu",
            kernel_initializer=initializer,
            name=f"conv_{filters}",
        )

    return splice(
        SHAPE,
        blocks=[[conv(4), layers.MaxPooling2D(2)], conv(5)],
        head=[layers.Flatten(), layers.Dense(3)],
        variant=variant,
        localization=options.pop("localization", lambda shape: layers.Dense(2)),
        **options,
    )


def plain_of(model):
    """The classifier without a transformer, with the weights of `model`."""
    plain = classifier("cnn")
    for name in ("conv_4", "conv_5"):
        plain.get_layer(name).set_weights(model.get_layer(name).get_weights())
    plain.layers[-1].set_weights(model.layers[-1].get_weights())
    return plain


def fix_theta(model, theta):
    """Makes the transformer predict the same theta for all images."""
    regression = model.get_layer("spatial_transformer")._regression
    # What is predicted is added to the identity.
    bias = np.ravel(theta) - np.ravel(np.eye(2, 3))
    regression.set_weights([np.zeros(regression.kernel.shape), bias])


def randomize_theta(model, size=0.02):
    (transformer,) = [x for x in model.layers if isinstance(x, SpatialTransformer)]
    generator = np.random.default_rng(1)
    for weight in transformer._regression.weights:
        weight.assign(size * generator.normal(size=weight.shape))


@pytest.mark.parametrize(
    "variant",
    [
        "stn_c0",
        "stn_c1",
        "stn_c2",
        "stn_sl0",
        "stn_sl1",
        "stn_sl2",
        "stn_dl1",
        "stn_dl2",
    ],
)
def test_an_untrained_transformer_changes_nothing(variant):
    keras.utils.set_random_seed(0)
    model = classifier(variant)
    np.testing.assert_allclose(
        model.predict(images(), verbose=0),
        plain_of(model).predict(images(), verbose=0),
        atol=1e-5,
    )


@pytest.mark.parametrize("variant", ["stn_c0", "stn_sl1", "stn_sl2", "stn_dl1"])
def test_what_warps_the_image_classifies_the_warped_image(variant):
    model = classifier(variant, fill_mode="nearest")
    fix_theta(model, THETA)
    warped = oracle.affine_sample(images(), np.stack([THETA] * 3), fill_mode="nearest")
    found = model.predict(images(), verbose=0)
    plain = plain_of(model)
    np.testing.assert_allclose(
        found, plain.predict(warped.astype("float32"), verbose=0), atol=1e-5
    )
    assert np.abs(found - plain.predict(images(), verbose=0)).max() > 1e-2


def test_what_warps_the_map_classifies_the_warped_map():
    model = classifier("stn_c1", fill_mode="nearest")
    fix_theta(model, THETA)
    plain = plain_of(model)
    *_, pool, conv, flatten, dense = plain.layers
    features = keras.Model(plain.input, pool.output).predict(images(), verbose=0)
    warped = oracle.affine_sample(features, np.stack([THETA] * 3), fill_mode="nearest")
    expected = dense(flatten(conv(warped.astype("float32"))))
    np.testing.assert_allclose(
        model.predict(images(), verbose=0),
        keras.ops.convert_to_numpy(expected),
        atol=1e-5,
    )


def test_sl_holds_the_shared_weights_once():
    shared = classifier("stn_sl1")
    own = classifier("stn_dl1")
    first_block = classifier("cnn").get_layer("conv_4").count_params()
    assert own.count_params() - shared.count_params() == first_block
    assert len({weight.path for weight in shared.weights}) == len(shared.weights)


def test_sl_runs_the_shared_block_on_both_images():
    model = classifier("stn_sl1")
    randomize_theta(model)
    convolution = model.get_layer("conv_4")
    assert len(convolution._inbound_nodes) == 2
    before = model.predict(images(), verbose=0)
    theta_before = pose(model).predict(images(), verbose=0)
    convolution.bias.assign(convolution.bias + 1)
    assert np.abs(pose(model).predict(images(), verbose=0) - theta_before).max() > 1e-3
    assert np.abs(model.predict(images(), verbose=0) - before).max() > 1e-3


def gradient_norm(outputs, weight, inputs, targets):
    """How far one step of plain SGD on a model moves a weight."""
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(1.0), "mse")
    saved = [keras.ops.convert_to_numpy(w) for w in model.weights]
    before = keras.ops.convert_to_numpy(weight)
    model.train_on_batch(images(), targets)
    step = keras.ops.convert_to_numpy(weight) - before
    model.set_weights(saved)
    return np.linalg.norm(step)


def test_gradients_reach_shared_layers_by_both_paths():
    model = classifier("stn_sl1")
    randomize_theta(model)
    kernel = model.get_layer("conv_4").kernel
    image = model.inputs[0]
    transformer = model.get_layer("spatial_transformer")
    # By the localisation: theta depends on the kernel.
    theta = pose(model).outputs[0]
    assert gradient_norm(theta, kernel, image, np.zeros((3, 2, 3))) > 1e-6
    # By theta into the warped image, before any layer is applied to it.
    warped = transformer.output
    assert gradient_norm(warped, kernel, image, np.zeros((3, *SHAPE))) > 1e-6
    # By the classifier: with a theta that does not depend on the features.
    regression = transformer._regression.kernel
    regression.assign(keras.ops.zeros(regression.shape))
    assert gradient_norm(model.output, kernel, image, np.zeros((3, 3))) > 1e-6


def test_sl_and_dl_warp_the_untransformed_image():
    for variant in ("stn_sl2", "stn_dl2"):
        model = classifier(variant)
        warped = model.get_layer("spatial_transformer").output
        assert warped.shape[1:] == SHAPE
        assert model.get_layer("spatial_transformer").input[0] is model.inputs[0]


def test_c_warps_the_map():
    transformer = classifier("stn_c1").get_layer("spatial_transformer")
    assert transformer.input.shape[1:] == (7, 7, 4)
    assert transformer.output.shape[1:] == (7, 7, 4)


def test_dl_copies_are_initialised_separately():
    fixed = keras.initializers.RandomNormal(seed=1)
    for initializer in ("glorot_uniform", fixed):
        model = classifier("stn_dl1", initializer=initializer)
        original = keras.ops.convert_to_numpy(model.get_layer("conv_4").kernel)
        copy = keras.ops.convert_to_numpy(model.get_layer("localization_conv_4").kernel)
        assert copy.shape == original.shape
        assert np.abs(copy - original).max() > 1e-3


def test_dl_with_a_lambda():
    """Keras would not make another of its config, as it is Python code."""
    blocks = [[layers.Conv2D(4, 3, name="conv"), layers.Lambda(lambda x: 2 * x)]]
    head = [layers.Flatten(), layers.Dense(2)]
    model = splice(SHAPE, blocks, head, "stn_dl1", localization=layers.Dense(3))
    assert "conv" in [layer.name for layer in model.layers]
    features = model.get_layer("spatial_transformer").input[1]
    copied = model.get_layer("localization_conv").output
    both = keras.Model(model.inputs, [features, copied])
    seen, once = both.predict(np.random.rand(2, *SHAPE), verbose=0)
    np.testing.assert_allclose(seen, 2 * once, rtol=1e-6)


def test_downsample():
    transformer = classifier("stn_sl1", downsample=2).get_layer("spatial_transformer")
    assert transformer.output.shape[1:] == (8, 8, 1)
    transformer = classifier("stn_c1", downsample=2).get_layer("spatial_transformer")
    assert transformer.output.shape[1:] == (3, 3, 4)


def test_options_reach_the_transformer():
    model = classifier("stn_c0", transform="rigid", fill_mode="reflect")
    transformer = model.get_layer("spatial_transformer")
    assert transformer.transform.num_parameters == 3
    assert transformer.fill_mode == "reflect"


def test_blocks_may_be_models():
    block = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(4, 3)], name="body")
    head = [layers.GlobalAveragePooling2D(), layers.Dense(2)]
    for variant in ("stn_c1", "stn_sl1", "stn_dl1"):
        model = splice(SHAPE, [block], head, variant, layers.Dense(2))
        assert model.predict(images(), verbose=0).shape == (3, 2)


@pytest.mark.parametrize(
    "variant",
    [
        "stn_sl1",
        pytest.param("stn_c1", marks=pytest.mark.slow),
        pytest.param("stn_dl1", marks=pytest.mark.slow),
    ],
)
def test_trains_saves_and_loads(variant, tmp_path):
    model = classifier(variant)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(images(), np.ones((3, 3)), epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == len(model.weights)
    for networks in ((model, loaded), (pose(model), pose(loaded))):
        first, second = (network.predict(images(), verbose=0) for network in networks)
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_x_beyond_the_blocks():
    with pytest.raises(ValueError, match="2 blocks, so X must be from 0 to 2"):
        classifier("stn_c3")


def test_missing_localisation_network():
    with pytest.raises(ValueError, match=r"'stn_c1' needs a localisation.*\(7, 7, 4\)"):
        classifier("stn_c1", localization=None)


def test_block_that_is_no_layer():
    with pytest.raises(ValueError, match=r"`blocks\[0\]` must be a Keras layer"):
        splice(SHAPE, [len], layers.Dense(1), "cnn")


def test_downsample_excludes_output_size():
    with pytest.raises(ValueError, match="exclude each other"):
        classifier("stn_c0", downsample=2, output_size=(4, 4))


@pytest.mark.parametrize("downsample", [0, -1, 1.5, True])
def test_downsample_is_a_positive_integer(downsample):
    with pytest.raises(ValueError, match=f"Received: downsample={downsample}"):
        classifier("cnn", downsample=downsample)


def test_downsample_needs_enough_pixels():
    with pytest.raises(ValueError, match=r"downsample=32 for images .* \(16, 16\)"):
        classifier("stn_c0", downsample=32)
    with pytest.raises(ValueError, match=r"downsample=2 for .* \(None, None\)"):
        splice(
            (None, None, 1),
            [layers.Conv2D(2, 3)],
            layers.GlobalAveragePooling2D(),
            "stn_c0",
            localization=layers.GlobalAveragePooling2D(),
            downsample=2,
        )


def test_name_of_a_localisation_network_is_none():
    with pytest.raises(ValueError, match="needs a localisation.*Received.*='fcn'"):
        classifier("stn_c1", localization="fcn")


def test_no_theta_beside_what_is_warped():
    with pytest.raises(ValueError, match="`return_theta=True`.*pose"):
        classifier("stn_c1", return_theta=True)


def test_dl_copy_of_a_layer_that_occurs_twice():
    twice = layers.Conv2D(1, 3, padding="same", name="twice")
    blocks, head = [[twice, twice]], [layers.Flatten(), layers.Dense(2)]
    model = splice((8, 8, 1), blocks, head, "stn_dl1", layers.Dense(4))
    convs = [x for x in model.layers if isinstance(x, layers.Conv2D)]
    assert {x.name for x in convs} == {"twice", "localization_twice"}


def test_says_what_is_wrong_with_the_blocks():
    options = {"input_shape": (6, 6, 1), "head": layers.Flatten(), "variant": "cnn"}
    for blocks in (layers.Conv2D(2, 3), None, keras.Sequential([layers.Dense(2)])):
        with pytest.raises(ValueError, match="`blocks` must be a list.*`\\[block\\]`"):
            splice(blocks=blocks, **options)
    two = SpatialTransformer(layers.Flatten(), return_theta=True, name="two")
    with pytest.raises(ValueError, match="must return one tensor.*'two', which"):
        splice(blocks=[two], **options)


def test_options_are_checked_for_the_plain_classifier_too():
    arguments = ((6, 6, 1), [layers.Flatten()], layers.Dense(2), "cnn")
    with pytest.raises(ValueError, match="`fill_mode`.*'bogus'"):
        splice(*arguments, fill_mode="bogus")
    with pytest.raises(ValueError, match="fill_modus"):
        splice(*arguments, fill_modus="nearest")
    assert splice(*arguments, downsample=np.int64(2)).name == "cnn"


def test_dl_copy_of_a_frozen_block_learns():
    block = layers.Conv2D(2, 3, trainable=False, name="first")
    model = splice(
        (8, 8, 1),
        blocks=[block],
        head=[layers.Flatten(), layers.Dense(3)],
        variant="stn_dl1",
        localization=layers.Flatten(),
    )
    paths = [weight.path for weight in model.trainable_weights]
    assert any("localization_first" in path for path in paths)
    assert not any(path.startswith("first/") for path in paths)
