import json

import keras
import numpy as np
import pytest
from keras import layers
from keras.src.testing import TestCase

import keras_stn
from keras_stn import SpatialTransformer, transforms
from tests import oracle
from tests.gradients import gradients, numeric_gradient, weighted_sum
from tests.ops.cases import SMALL_IMAGES, SMALL_SIZE, WEIGHTS, off_lattice_thetas

CHANNELS_LAST = {"data_format": "channels_last"}


def images(count=2, height=8, width=10, channels=1):
    shape = (count, height, width, channels)
    return np.random.default_rng(0).random(shape, dtype="float32")


def small_network(**kwargs):
    return keras.Sequential(
        [layers.Flatten(), layers.Dense(4, activation="tanh")], **kwargs
    )


def trained(layer, inputs):
    """Gives the layer's last weights other values than zero."""
    layer(inputs)
    generator = np.random.default_rng(1)
    for weight in layer._regression.weights:
        weight.assign(0.3 * generator.normal(size=weight.shape))
    return layer


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


class SpatialTransformerTest(TestCase):
    def test_keras_layer_checks(self):
        self.run_layer_test(
            SpatialTransformer,
            init_kwargs={
                "localization": layers.Dense(4, activation="relu"),
                "transform": "similarity",
                "output_size": (4, 5),
                "fill_mode": "nearest",
                **CHANNELS_LAST,
            },
            input_shape=(2, 8, 10, 3),
            expected_output_shape=(2, 4, 5, 3),
            expected_num_trainable_weights=4,
            expected_num_losses=0,
        )

    def test_keras_layer_checks_with_theta_from_elsewhere(self):
        self.run_layer_test(
            SpatialTransformer,
            init_kwargs=CHANNELS_LAST,
            input_shape=[(2, 8, 10, 3), (2, 2, 3)],
            expected_output_shape=(2, 8, 10, 3),
            expected_num_trainable_weights=0,
            expected_num_losses=0,
            # Keras' check cannot feed a list to `fit`; there is nothing to train.
            run_training_check=False,
        )

    def test_keras_layer_checks_channels_first(self):
        self.run_layer_test(
            SpatialTransformer,
            init_kwargs={
                "localization": layers.Dense(4),
                "data_format": "channels_first",
            },
            input_shape=(2, 3, 8, 10),
            expected_output_shape=(2, 3, 8, 10),
            expected_num_trainable_weights=4,
            expected_num_losses=0,
        )


@pytest.mark.parametrize("transform", transforms.NAMES)
def test_starts_at_the_identity(transform):
    layer = SpatialTransformer(small_network(), transform, **CHANNELS_LAST)
    np.testing.assert_allclose(numpy(layer(images())), images(), atol=1e-6)


def test_a_family_of_a_user_says_where_it_starts():
    class FromHalfTheSize(transforms.Attention):
        identity_parameters = (0.5, 0.0, 0.0)

    layer = SpatialTransformer(small_network(), FromHalfTheSize(), **CHANNELS_LAST)
    half = np.tile(np.diag([0.5, 0.5, 1.0])[:2].astype("float32"), (2, 1, 1))
    np.testing.assert_array_equal(numpy(layer.localize(images())), half)


def test_return_theta_is_the_theta_it_warps_by():
    layer = SpatialTransformer(small_network(), return_theta=True, **CHANNELS_LAST)
    outputs, theta = trained(layer, images())(images())
    assert tuple(theta.shape) == (2, 2, 3)
    assert np.abs(numpy(theta) - np.eye(2, 3)).max() > 0.05
    expected = keras_stn.ops.affine_sample(images(), theta, **CHANNELS_LAST)
    np.testing.assert_allclose(numpy(outputs), numpy(expected), atol=1e-6)
    np.testing.assert_allclose(numpy(layer.localize(images())), numpy(theta), atol=1e-6)


def test_reads_features_and_warps_images():
    features = np.random.default_rng(2).normal(size=(2, 6)).astype("float32")
    layer = SpatialTransformer(layers.Dense(4), return_theta=True, **CHANNELS_LAST)
    outputs, theta = trained(layer, [images(), features])([images(), features])
    np.testing.assert_allclose(numpy(theta), numpy(layer.localize(features)), atol=1e-6)
    # Of each image another one, and none the identity.
    assert np.abs(numpy(theta) - np.eye(2, 3)).max(axis=(1, 2)).min() > 0.1
    assert np.abs(np.diff(numpy(theta), axis=0)).max() > 0.1
    expected = oracle.affine_sample(images(), numpy(theta))
    np.testing.assert_allclose(numpy(outputs), expected, atol=1e-5)


def test_theta_from_elsewhere_matches_the_op():
    theta = np.array([[[0, -1, 0.1], [1, 0, 0]]] * 2, "float32")
    layer = SpatialTransformer(None, fill_mode="reflect", **CHANNELS_LAST)
    expected = keras_stn.ops.affine_sample(
        images(), theta, fill_mode="reflect", **CHANNELS_LAST
    )
    np.testing.assert_array_equal(numpy(layer([images(), theta])), numpy(expected))


def test_flattens_a_localisation_network_that_ends_in_a_map():
    network = layers.Conv2D(3, 3, data_format="channels_last")
    layer = SpatialTransformer(network, **CHANNELS_LAST)
    layer(images())
    assert tuple(layer._regression.kernel.shape) == (6 * 8 * 3, 6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    layer = SpatialTransformer(
        layers.Dense(4, dtype=policy), return_theta=True, dtype=policy, **CHANNELS_LAST
    )
    outputs, theta = layer(images())
    assert keras.backend.standardize_dtype(outputs.dtype) == policy[len("mixed_") :]
    assert keras.backend.standardize_dtype(theta.dtype) == "float32"
    symbolic = layer(keras.Input((8, 10, 1)))
    assert [x.dtype for x in symbolic] == [policy[len("mixed_") :], "float32"]


def test_uint8_images():
    pixels = (images() * 255).astype("uint8")
    layer = SpatialTransformer(None, **CHANNELS_LAST)
    identity = np.tile(np.eye(2, 3, dtype="float32"), (2, 1, 1))
    np.testing.assert_array_equal(numpy(layer([pixels, identity])), pixels)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_a_network_that_begins_with_a_convolution_reads_whole_numbers(dtype):
    pixels = (5 * images(height=6, width=6)).astype(dtype)
    layer = trained(SpatialTransformer(layers.Conv2D(2, 3), **CHANNELS_LAST), pixels)
    symbolic = keras.Input((6, 6, 1), dtype=dtype)
    model = keras.Model(symbolic, layer(symbolic))
    expected = numpy(layer(pixels.astype("float32")))
    np.testing.assert_allclose(numpy(model(pixels)), expected, atol=1e-6)
    theta = numpy(keras_stn.models.pose(model)(pixels))
    assert np.abs(theta - np.eye(2, 3)).max() > 0.01


def test_features_stay_whole_numbers():
    """In half precision an index would lose its last digits."""
    table = np.zeros((4001, 6), "float32")
    table[4000] = 1.0
    embedding = layers.Embedding(4001, 6)
    layer = SpatialTransformer(embedding, dtype="mixed_float16", **CHANNELS_LAST)
    indices = np.array([[3999], [4000]])
    trained(layer, [images(), indices])
    embedding.set_weights([table])
    first, second = numpy(layer.localize(layer.features_of([images(), indices])))
    assert np.abs(first - second).max() > 0.01


def test_means_the_same_in_another_image_data_format(tmp_path, channels_first):
    """The order in which a map is flattened belongs to the layer."""
    image = keras.Input((2, 6, 6))
    layer = SpatialTransformer(layers.Cropping2D(1))
    inputs = np.random.default_rng(0).random((2, 2, 6, 6), dtype="float32")
    trained(layer, inputs)
    model = keras.Model(image, layer(image))
    expected = numpy(model(inputs))
    model.save(tmp_path / "model.keras")
    keras.config.set_image_data_format("channels_last")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy(loaded(inputs)), expected, atol=1e-6)
    assert np.abs(expected - inputs).max() > 0.05


@pytest.mark.parametrize(
    ("policy", "dtype"), [("mixed_float16", "float32"), ("float32", "float64")]
)
def test_features_keep_the_precision_of_theta(policy, dtype):
    """Whatever the policy of the session is."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        network = layers.Cropping2D(1, data_format="channels_last", dtype=dtype)
        layer = SpatialTransformer(
            network, "translation", dtype=dtype, name="exact", **CHANNELS_LAST
        )
        inputs = np.full((1, 3, 3, 1), 1 / 3, dtype)
        layer(inputs)
        for weight in layer._regression.weights:
            weight.assign(np.full(weight.shape, weight.shape[0] == 1))
        theta = numpy(layer.localize(keras.ops.convert_to_tensor(inputs)))
    finally:
        keras.config.set_dtype_policy(before)
    # On PyTorch a Dense layer of Keras 3.15 rounds float64 to single precision.
    is_torch = keras.backend.backend() == "torch"
    precision = np.finfo("float32" if is_torch else theta.dtype).eps
    np.testing.assert_allclose(theta[0, 0, 2], 1 / 3, rtol=precision)


@pytest.mark.parametrize("return_theta", [False, True])
def test_symbolic_shapes_equal_those_computed(return_theta):
    layer = SpatialTransformer(
        small_network(), output_size=(3, 4), return_theta=return_theta, **CHANNELS_LAST
    )
    symbolic = layer(keras.Input((8, 10, 2)))
    computed = layer.compute_output_shape((None, 8, 10, 2))
    if return_theta:
        assert computed == ((None, 3, 4, 2), (None, 2, 3))
        assert tuple(x.shape for x in symbolic) == computed
    else:
        assert computed == symbolic.shape == (None, 3, 4, 2)


def two_transformers_model():
    """Two transformers that share one localisation network."""
    network = small_network(name="shared")
    x = image = keras.Input((8, 10, 1))
    x = SpatialTransformer(network, name="first", **CHANNELS_LAST)(x)
    x = SpatialTransformer(network, "rigid", name="second", **CHANNELS_LAST)(x)
    x = layers.Dense(2)(layers.Flatten()(x))
    return keras.Model(image, x)


def train_briefly(model):
    model.compile(keras.optimizers.SGD(0.5), "mse")
    targets = np.random.default_rng(3).normal(size=(2, 2))
    model.fit(images(), targets, epochs=3, verbose=0)
    return model


def test_keras_file_round_trip_with_shared_network(tmp_path):
    model = train_briefly(two_transformers_model())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict(images(), verbose=0),
        model.predict(images(), verbose=0),
        atol=1e-6,
    )
    first, second = loaded.get_layer("first"), loaded.get_layer("second")
    assert first.localization is second.localization
    assert len(loaded.trainable_weights) == len(model.trainable_weights)


def test_weights_file_round_trip(tmp_path):
    model = train_briefly(two_transformers_model())
    model.save_weights(tmp_path / "model.weights.h5")
    other = two_transformers_model()
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(
        other.predict(images(), verbose=0),
        model.predict(images(), verbose=0),
        atol=1e-6,
    )


def test_clone_model_is_independent():
    image = keras.Input((8, 10, 1))
    x = SpatialTransformer(small_network(), **CHANNELS_LAST)(image)
    model = train_briefly(keras.Model(image, layers.Dense(2)(layers.Flatten()(x))))
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    expected = model.predict(images(), verbose=0)
    np.testing.assert_allclose(clone.predict(images(), verbose=0), expected, atol=1e-6)
    for weight in clone.trainable_weights:
        weight.assign(keras.ops.zeros(weight.shape))
    np.testing.assert_array_equal(model.predict(images(), verbose=0), expected)


def test_config_round_trip_with_a_custom_family():
    @keras.saving.register_keras_serializable(package="keras_stn_test")
    class HalfTurn(transforms.Transform):
        num_parameters = 1
        identity_parameters = (0.0,)

        def compute_theta(self, parameters):
            return transforms.Rotation().compute_theta(np.pi * parameters)

    layer = SpatialTransformer(small_network(), HalfTurn(), **CHANNELS_LAST)
    rebuilt = SpatialTransformer.from_config(layer.get_config())
    assert rebuilt.transform == layer.transform
    assert rebuilt.get_config().keys() == layer.get_config().keys()


def test_trains_in_a_model_of_ones_own():
    """It learns to undo a shift, which nothing behind it could."""
    generator = np.random.default_rng(0)
    blob = np.exp(-0.5 * (np.arange(16) - 7.5) ** 2 / 2**2)
    still = np.tile(
        (blob[:, None] * blob).astype("float32")[None, ..., None], (64, 1, 1, 1)
    )
    shift = generator.integers(-3, 4, size=(64, 2))
    moved = np.stack(
        [np.roll(image, s, (0, 1)) for image, s in zip(still, shift, strict=True)]
    )
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            SpatialTransformer(
                small_network(), "translation", fill_mode="nearest", **CHANNELS_LAST
            ),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    before = model.evaluate(moved, still, verbose=0)
    model.fit(moved, still, epochs=60, batch_size=64, verbose=0)
    assert model.evaluate(moved, still, verbose=0) < 0.1 * before


@pytest.mark.tensorflow
@pytest.mark.slow
def test_saved_model_export_takes_another_batch_size(tmp_path):
    import tensorflow as tf

    model = train_briefly(two_transformers_model())
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    many = images(count=5)
    np.testing.assert_allclose(
        served.serve(many).numpy(), model.predict(many, verbose=0), atol=1e-5
    )


@pytest.mark.tensorflow
def test_is_compiled_in_a_graph_and_takes_batches_of_any_size():
    import tensorflow as tf

    layer = SpatialTransformer(small_network(), **CHANNELS_LAST)
    layer = trained(layer, images())

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 10, 1))])
    def warp(batch):
        return layer(batch)

    functions = warp.get_concrete_function().graph.as_graph_def().library.function
    assert any(f.attr["_XlaMustCompile"].b for f in functions)
    for count in (1, 5):
        batch = images(count)
        expected = oracle.affine_sample(batch, numpy(layer.localize(batch)))
        assert np.abs(expected - batch).max() > 0.1
        np.testing.assert_allclose(warp(batch).numpy(), expected, atol=1e-5)


def test_summary_lists_the_layer(capsys):
    model = two_transformers_model()
    model.summary()
    printed = capsys.readouterr().out
    assert "SpatialTransform" in printed
    assert f"{model.count_params():,}" in printed


def test_rejects_localization_that_is_no_layer():
    with pytest.raises(ValueError, match="Received: localization='cnn'"):
        SpatialTransformer("cnn")


def test_rejects_unknown_transform():
    with pytest.raises(ValueError, match="Expected one of.*Received: transform='warp'"):
        SpatialTransformer(layers.Dense(2), "warp")


def test_rejects_one_input_without_localisation_network():
    with pytest.raises(ValueError, match=r"called on `\[images, theta\]`"):
        SpatialTransformer()(images())


@pytest.mark.parametrize(
    ("images_shape", "theta_shape", "message"),
    [
        ((None, 8, 8, 1), (None, 5), "Expected `.batch, 2, 3.`"),
        ((None, 8, 8, 1), (None, 3, 3), "Expected `.batch, 2, 3.`"),
        ((4, 8, 8, 1), (3, 2, 3), "must have the same batch size"),
    ],
)
def test_rejects_theta_of_another_shape_before_there_are_data(
    images_shape, theta_shape, message
):
    layer = SpatialTransformer(**CHANNELS_LAST)
    with pytest.raises(ValueError, match=message):
        layer([keras.Input(batch_shape=one) for one in (images_shape, theta_shape)])
    with pytest.raises(ValueError, match=message):
        layer.compute_output_shape([images_shape, theta_shape])


def test_rejects_inputs_by_name():
    layer = SpatialTransformer(small_network(), **CHANNELS_LAST)
    with pytest.raises(ValueError, match=r"called on `images` or on.*Received 2 inp"):
        layer({"images": images(), "features": images()})


@pytest.mark.parametrize("option", ["align_corners", "return_theta"])
def test_rejects_a_flag_that_is_none(option):
    with pytest.raises(ValueError, match=f"Received: {option}='no'"):
        SpatialTransformer(small_network(), **{option: "no"})


def test_every_option_is_in_the_config():
    options = {
        "output_size": (3, 4),
        "interpolation": "nearest",
        "fill_mode": "reflect",
        "fill_value": 0.5,
        "align_corners": True,
        "return_theta": True,
        "data_format": "channels_first",
    }
    config = SpatialTransformer(None, "rigid", **options).get_config()
    again = SpatialTransformer.from_config(config)
    assert {name: getattr(again, name) for name in options} == options
    assert again.transform == transforms.get("rigid")


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_every_option_reaches_the_sampler(interpolation):
    theta = np.array([[[0.9, 0.3, 0.41], [-0.2, 1.1, -0.37]]] * 2, "float32")
    options = {
        "interpolation": interpolation,
        "fill_value": 0.7,
        "align_corners": True,
    }
    layer = SpatialTransformer(output_size=(5, 7), **options, **CHANNELS_LAST)
    expected = oracle.affine_sample(images(), theta, size=(5, 7), **options)
    np.testing.assert_allclose(numpy(layer([images(), theta])), expected, atol=1e-5)


def test_a_config_may_leave_defaults_out():
    layer = SpatialTransformer.from_config({"name": "mine", "transform": "rigid"})
    assert layer.localization is None
    assert layer.transform.num_parameters == 3


def test_localize_needs_a_network():
    with pytest.raises(ValueError, match="has no localisation network"):
        SpatialTransformer().localize(images())


def test_rejects_more_than_two_inputs():
    layer = SpatialTransformer(small_network())
    for inputs in ([images()] * 3, [keras.Input((8, 10, 1))] * 3):
        with pytest.raises(
            ValueError, match=r"Received 3 inputs, of shapes \[\((2|None), 8"
        ):
            layer(inputs)
    with pytest.raises(ValueError, match=r"shapes \[\(2, 8, 10, 1\), \(2, 2, 3\), \(5"):
        SpatialTransformer()([images(), np.zeros((2, 2, 3)), np.zeros(5)])


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    """In the usual style: built by its first call, no `compute_output_shape`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(4, 3, data_format="channels_last")
        self.flatten = layers.Flatten()
        self.dense = layers.Dense(5, activation="tanh")

    def call(self, inputs):
        return self.dense(self.flatten(self.conv(inputs)))


def test_localisation_network_that_only_has_a_call(tmp_path):
    eager = SpatialTransformer(Subclassed(), **CHANNELS_LAST)
    np.testing.assert_allclose(numpy(eager(images())), images(), atol=1e-6)
    assert len(eager.trainable_weights) == 6

    image = keras.Input((8, 10, 1))
    layer = SpatialTransformer(Subclassed(), **CHANNELS_LAST)
    model = keras.Model(image, layer(image))
    trained(layer, images())
    expected = model.predict(images(), verbose=0)
    assert np.abs(expected - images()).max() > 0.01
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(images(), verbose=0), expected)


@pytest.mark.parametrize("kind", [dict, list])
def test_localisation_network_that_reads_several_features(kind, tmp_path):
    first, second = keras.Input((4,), name="first"), keras.Input((3,), name="second")
    both = [first, second] if kind is list else {"first": first, "second": second}
    joined = layers.Dense(5)(layers.Concatenate()([first, second]))
    layer = SpatialTransformer(keras.Model(both, joined), **CHANNELS_LAST)
    image = keras.Input((8, 10, 1), name="image")
    model = keras.Model([image, both], layer([image, both]))
    generator = np.random.default_rng(2)
    arrays = [generator.normal(size=(2, side)).astype("float32") for side in (4, 3)]
    features = arrays if kind is list else dict(zip(both, arrays, strict=True))
    trained(layer, [images(), features])
    warped = numpy(model([images(), features]))
    assert np.abs(warped - images()).max() > 0.01
    theta = numpy(keras_stn.models.pose(model)([images(), features]))
    np.testing.assert_allclose(theta, numpy(layer.localize(features)), atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numpy(loaded([images(), features])), warped)


def test_localizes_before_it_is_first_called():
    layer = SpatialTransformer(small_network(), "rotation", **CHANNELS_LAST)
    identity = np.tile(np.eye(2, 3, dtype="float32"), (2, 1, 1))
    np.testing.assert_array_equal(numpy(layer.localize(images())), identity)
    np.testing.assert_allclose(numpy(layer(images())), images(), atol=1e-6)


def test_rejects_images_of_unknown_size_with_a_flat_network():
    with pytest.raises(ValueError, match="global pooling"):
        SpatialTransformer(layers.Conv2D(2, 3), **CHANNELS_LAST)(
            keras.Input((None, None, 1))
        )


def test_unknown_size_with_global_pooling():
    network = keras.Sequential(
        [
            layers.Conv2D(4, 3, data_format="channels_last"),
            layers.GlobalAveragePooling2D(data_format="channels_last"),
        ]
    )
    image = keras.Input((None, None, 1))
    layer = SpatialTransformer(network, **CHANNELS_LAST)
    model = keras.Model(image, trained(layer, image)(image))
    for batch in (images(), images(height=12, width=9)):
        expected = oracle.affine_sample(batch, numpy(layer.localize(batch)))
        assert np.abs(expected - batch).max() > 0.1
        np.testing.assert_allclose(model.predict(batch, verbose=0), expected, atol=1e-5)


def test_frozen_stays_frozen(tmp_path):
    frozen = SpatialTransformer(small_network(), trainable=False, **CHANNELS_LAST)
    model = keras.Sequential([keras.Input((8, 10, 1)), frozen, layers.Flatten()])
    assert frozen.weights and not model.trainable_variables
    later = SpatialTransformer(small_network(), **CHANNELS_LAST)
    model = keras.Sequential([keras.Input((8, 10, 1)), later, layers.Flatten()])
    assert len(model.trainable_variables) == 4
    later.trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for again in (loaded, keras.models.clone_model(model)):
        assert again.weights and not again.trainable_variables


def test_a_frozen_network_alone_stays_frozen(tmp_path):
    network = small_network()
    layer = SpatialTransformer(network, **CHANNELS_LAST)
    model = keras.Sequential([keras.Input((8, 10, 1)), layer])
    network.trainable = False
    assert len(model.trainable_variables) == 2
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_variables) == 2


class SixNumbers(transforms.Transform):
    num_parameters = 6
    identity_parameters = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

    def compute_theta(self, parameters):
        return keras.ops.cast(parameters, "float16")


def test_theta_is_a_matrix_in_single_precision_whatever_the_family_returns():
    layer = SpatialTransformer(
        small_network(), SixNumbers(), return_theta=True, **CHANNELS_LAST
    )
    _, theta = layer(images())
    assert tuple(theta.shape) == (2, 2, 3)
    assert keras.backend.standardize_dtype(theta.dtype) == "float32"


@pytest.mark.parametrize(
    ("policy", "given", "returned"),
    [
        ("float32", "float16", "float32"),
        ("mixed_float16", "float32", "float32"),
        ("float64", "float32", "float64"),
        ("float32", "float64", "float64"),
    ],
)
def test_theta_from_elsewhere_is_returned_as_promised(policy, given, returned):
    layer = SpatialTransformer(return_theta=True, dtype=policy, **CHANNELS_LAST)
    theta = keras.ops.convert_to_tensor(np.tile([1, 0, 0, 0, 1, 0], (2, 1)), given)
    returned_by_jax = "float32" if keras.backend.backend() == "jax" else returned
    _, found = layer([images(), theta])
    symbolic = keras.KerasTensor((None, 6), given)
    _, spec = layer([keras.Input((8, 10, 1)), symbolic])
    assert tuple(found.shape) == (2, 2, 3) and spec.shape == (None, 2, 3)
    assert keras.backend.standardize_dtype(found.dtype) in (returned, returned_by_jax)
    assert spec.dtype == returned


def test_a_network_with_two_outputs():
    image = keras.Input((8, 10, 1))
    flat = layers.Flatten()(image)
    for outputs in ([flat, flat], {"a": flat, "b": flat}):
        layer = SpatialTransformer(
            keras.Model(image, outputs, name="two"), **CHANNELS_LAST
        )
        with pytest.raises(ValueError, match="must return one tensor.*'two', which"):
            layer(images())


def test_matches_the_oracle_with_its_gradient():
    """From the weights of its own layer to the warped images."""
    layer = SpatialTransformer(
        layers.Flatten(), output_size=SMALL_SIZE, data_format="channels_last"
    )
    layer.build(SMALL_IMAGES.shape)
    # Of the bias alone, as a new layer's kernel is zero; it is added to the identity.
    identity = np.eye(2, 3, dtype="float32")
    bias = (off_lattice_thetas()[0] - identity).reshape(6)
    names = [variable.path.split("/")[-1] for variable in layer.trainable_variables]
    assert names == ["kernel", "bias"]
    kernel = keras.ops.convert_to_numpy(layer.trainable_variables[0])
    assert not kernel.any()

    def expected_of(bias):
        theta = identity + np.reshape(bias, (1, 2, 3))
        theta = np.tile(theta, (len(SMALL_IMAGES), 1, 1))
        return oracle.affine_sample(SMALL_IMAGES, theta, size=SMALL_SIZE)

    def call(kernel, bias):
        return layer.stateless_call([kernel, bias], [], SMALL_IMAGES)[0]

    found = keras.ops.convert_to_numpy(
        call(*map(keras.ops.convert_to_tensor, (kernel, bias)))
    )
    np.testing.assert_allclose(found, expected_of(bias), atol=1e-5)
    to_kernel, to_bias = gradients(
        lambda kernel, bias: weighted_sum(WEIGHTS, call(kernel, bias)), kernel, bias
    )
    expected = numeric_gradient(
        lambda bias: np.sum(WEIGHTS * expected_of(bias)), bias, 1e-4
    )
    np.testing.assert_allclose(to_bias, expected, rtol=2e-3, atol=2e-3)
    # Each image's share of that, times what the layer is given.
    of_each = [
        numeric_gradient(
            lambda bias, i=i: np.sum(WEIGHTS[i] * expected_of(bias)[i]), bias, 1e-4
        )
        for i in range(len(SMALL_IMAGES))
    ]
    features = SMALL_IMAGES.reshape(len(SMALL_IMAGES), -1)
    np.testing.assert_allclose(
        to_kernel, features.T @ np.array(of_each), rtol=2e-3, atol=2e-3
    )


@pytest.mark.parametrize(
    "mode", ["float8", pytest.param("int8", marks=pytest.mark.slow)]
)
def test_quantised_models_keep_theta_in_float(mode, tmp_path):
    network = keras.Sequential([layers.Flatten(), layers.Dense(8, activation="relu")])
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            SpatialTransformer(network, name="transformer"),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    with pytest.warns(UserWarning, match="'transformer_theta'.*stays in float"):
        model.quantize(mode)
    # The rest is not.
    assert mode in network.layers[-1].dtype_policy.name
    transformer = model.get_layer("transformer")
    assert transformer._regression.dtype_policy.name == "float32"
    batch = images(2, 12, 12)
    expected = model.predict(batch, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(batch, verbose=0), expected, atol=1e-6)


def test_a_built_layer_reads_other_sizes():
    network = keras.Sequential(
        [
            layers.Conv2D(4, 3, data_format="channels_last"),
            layers.GlobalAveragePooling2D(data_format="channels_last"),
        ]
    )
    layer = SpatialTransformer(network, **CHANNELS_LAST)
    for side in (8, 10):
        image = keras.Input((side, side, 1))
        model = keras.Model(image, layer(image))
        batch = images(height=side, width=side)
        np.testing.assert_allclose(model.predict(batch, verbose=0), batch, atol=1e-6)


def test_a_fill_value_of_numpy_is_serialisable():
    layer = SpatialTransformer(fill_value=np.float32(0.5))
    assert json.dumps(layer.get_config()["fill_value"]) == "0.5"


def test_a_call_with_images_of_another_rank_leaves_the_layer_as_it_is():
    layer = SpatialTransformer(layers.Flatten(), data_format="channels_last")
    images = np.ones((3, 4, 4), "float32")
    with pytest.raises(ValueError, match=r"channel axis: `images\[..., None\]`"):
        layer(images)
    assert layer(images[..., None]).shape == (3, 4, 4, 1)


def test_a_localisation_network_without_a_batch():
    layer = SpatialTransformer(layers.Lambda(lambda images: keras.ops.mean(images)))
    with pytest.raises(ValueError, match=r"of shape `\(batch, ...\)`.*\(\)"):
        layer(np.ones((3, 4, 4, 1), "float32"))


class Glimpse(layers.Layer):
    """A recurrent cell that looks where its state says."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.state_size = 3
        self.transformer = SpatialTransformer(transform="translation")
        self.where = layers.Dense(2, name="where")
        self.next = layers.Dense(3, name="next")

    def build(self, shape):
        self.where.build((None, 3))
        self.next.build((None, 36 + 3))
        self.built = True

    def call(self, inputs, states):
        image = keras.ops.reshape(inputs, (-1, 6, 6, 1))
        theta = self.transformer.transform(self.where(states[0]) + 0.1)
        seen = keras.ops.reshape(self.transformer([image, theta]), (-1, 36))
        state = self.next(keras.ops.concatenate([seen, states[0]], axis=1))
        return state, [state]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_trains_within_a_recurrent_network(jit_compile):
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("PyTorch's own compiler would be asked.")
    sequences = np.random.default_rng(0).random((4, 3, 36), dtype="float32")
    weights = []
    for options in ({"run_eagerly": True}, {"jit_compile": jit_compile}):
        keras.utils.set_random_seed(0)
        # Of images that are themselves computed, so that they need a gradient too.
        model = keras.Sequential(
            [keras.Input((3, 36)), layers.Dense(36), layers.RNN(Glimpse())]
        )
        if keras.backend.backend() == "jax":
            options.pop("run_eagerly", None)
        model.compile("sgd", "mse", **options)
        model.fit(sequences, np.ones((4, 3)), epochs=2, verbose=0)
        weights.append(model.get_weights())
    for found, expected in zip(*weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
