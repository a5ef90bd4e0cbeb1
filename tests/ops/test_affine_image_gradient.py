import keras
import numpy as np
import pytest

from keras_stn.ops import affine_image_gradient as module
from keras_stn.ops.affine_image_gradient import affine_image_gradient
from keras_stn.ops.coordinates import affine_coordinates
from keras_stn.ops.image_gradient import image_gradient as scattered
from tests import oracle
from tests.ops.cases import FILL_MODES, to_numpy

GENERATOR = np.random.default_rng(7)
COUNT = 6


def turns(zoom, angles=None):
    angles = GENERATOR.uniform(-4, 4, COUNT) if angles is None else angles
    cos, sin = zoom * np.cos(angles), zoom * np.sin(angles)
    zero = np.zeros(len(angles))
    return np.stack(
        [np.stack([cos, -sin, zero], 1), np.stack([sin, cos, zero], 1)], axis=1
    )


SHIFTS = GENERATOR.uniform(-0.4, 0.4, (COUNT, 2, 3)) * [0, 0, 1]
# Each a batch of its own, as the widest window in a batch decides how it is computed.
MAPS = {
    "turns": turns(1) + SHIFTS,
    "eighths of a turn": turns(1, np.arange(COUNT) * np.pi / 4),
    "quarters of a turn": turns(1, np.arange(COUNT) * np.pi / 2).round(9),
    "turns of the frame": turns(1),
    "within the image": turns(0.5),
    "shrunk by two": turns(2),
    "magnified": turns(0.6) + SHIFTS,
    "magnified by three": turns(1 / 3, np.arange(COUNT) / 2) + SHIFTS,
    "magnified much": turns(0.15) + SHIFTS,
    "shrunk": turns(2.2) + SHIFTS,
    "shrunk much": turns(7),
    "any": GENERATOR.uniform(-1.5, 1.5, (COUNT, 2, 3)),
    "mixed": np.concatenate([turns(1)[:3], turns(0.3)[:2], np.zeros((1, 2, 3))]),
    "sheared": turns(1) @ np.array([[1, 3, 0], [0, 1, 0], [0, 0, 1]]),
    "all from one place": SHIFTS,
    "from a line": np.array([[[1, 0.5, 0], [2, 1, 0.3]]] * COUNT),
    "from a column": np.array([[[0, 0, 0.1], [0.3, 1, 0.3]]] * COUNT),
    "far away": turns(1) + np.array([[0, 0, 50], [0, 0, 0]]),
    "huge": GENERATOR.uniform(-1e6, 1e6, (COUNT, 2, 3)),
}
SIZES = {
    "as it is": ((7, 9), (7, 9), 1),
    "halved": ((8, 6), (4, 3), 2),
    "enlarged": ((4, 3), (9, 8), 2),
    "a row to a pixel": ((1, 5), (1, 1), 1),
    "a column to two": ((5, 1), (2, 2), 2),
}


def transposed_oracle(theta, cotangent, size, fill_mode, align_corners):
    """The gradient from what the oracle makes of images with a single bright pixel."""
    gradient = np.zeros((len(theta), *size, cotangent.shape[-1]))
    for index in np.ndindex(*size):
        image = np.zeros((len(theta), *size, 1))
        image[(slice(None), *index)] = 1
        seen = oracle.affine_sample(
            image,
            theta,
            cotangent.shape[1:3],
            align_corners=align_corners,
            fill_mode=fill_mode,
        )
        gradient[(slice(None), *index)] = np.sum(seen * cotangent, axis=(1, 2))
    return gradient


def image_gradient(theta, cotangent, size, fill_mode, align_corners=False):
    theta, cotangent = map(keras.ops.convert_to_tensor, (theta, cotangent))
    images = keras.ops.zeros((theta.shape[0], *size, cotangent.shape[-1]))
    return affine_image_gradient(
        images,
        theta,
        cotangent,
        fill_mode=fill_mode,
        align_corners=align_corners,
        data_format="channels_last",
    )


@pytest.fixture
def on_device(monkeypatch):
    """A function that has the gradient computed as for a CPU or not."""

    def forget():
        if keras.config.backend() == "jax":
            affine_image_gradient.clear_cache()

    def choose(is_cpu):
        monkeypatch.setattr(module, "runs_on_cpu", lambda: is_cpu)
        forget()

    yield choose
    forget()


@pytest.fixture(
    params=["with a scatter", pytest.param("gather only", marks=pytest.mark.slow)]
)
def gradient(request, on_device):
    """The function as on a CPU, and as on an accelerator."""
    on_device(request.param == "with a scatter")
    return image_gradient


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
@pytest.mark.parametrize("sizes", SIZES)
def test_is_the_transposed_oracle(sizes, fill_mode, gradient):
    size, output_size, channels = SIZES[sizes]
    align_corners = sizes == "enlarged"
    cotangent = GENERATOR.normal(size=(COUNT, *output_size, channels)).astype("float32")
    for name, theta in MAPS.items():
        theta = theta.astype("float32")
        found = gradient(theta, cotangent, size, fill_mode, align_corners)
        expected = transposed_oracle(theta, cotangent, size, fill_mode, align_corners)
        np.testing.assert_allclose(
            to_numpy(found), expected, rtol=0, atol=2e-4, err_msg=name
        )


@pytest.mark.parametrize(
    ("fill_mode", "name", "channels", "way"),
    [
        ("constant", "turns", 1, 0),  # In one block.
        ("constant", "magnified", 16, 1),  # Block by block.
        ("constant", "magnified", 1, 2),  # By a scatter.
        ("constant", "magnified", 8, 2),
        ("constant", "magnified by three", 16, 2),
        ("constant", "magnified by three", 64, 1),
        ("constant", "magnified much", 64, 2),
        ("nearest", "within the image", 16, 0),  # Block by block, without margins.
        ("nearest", "turns of the frame", 8, 1),  # In one block, with small margins.
        ("nearest", "shrunk by two", 16, 2),  # In one block, with large margins.
        ("nearest", "magnified much", 16, 3),  # By a scatter.
        ("nearest", "turns of the frame", 1, 3),
        ("nearest", "turns of the frame", 4, 3),
        ("nearest", "within the image", 3, 3),
    ],
)
def test_chooses_the_least_work(fill_mode, name, channels, way, on_device, monkeypatch):
    on_device(True)
    monkeypatch.setattr(module, "_switch", lambda way, ways: way)
    theta = MAPS[name].astype("float32")
    cotangent = np.ones((COUNT, 20, 20, channels), "float32")
    assert int(image_gradient(theta, cotangent, (20, 20), fill_mode)) == way


@pytest.mark.parametrize("fill_mode", ["reflect", "mirror"])
def test_other_fill_modes(fill_mode):
    size = (5, 6)
    theta = MAPS["turns"].astype("float32")
    cotangent = GENERATOR.normal(size=(COUNT, 4, 3, 2)).astype("float32")
    found = image_gradient(theta, cotangent, size, fill_mode)
    expected = transposed_oracle(theta, cotangent, size, fill_mode, False)
    np.testing.assert_allclose(to_numpy(found), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_the_same_bits_every_time(fill_mode, gradient):
    theta = MAPS["turns"].astype("float32")
    cotangent = GENERATOR.normal(size=(COUNT, 20, 20, 3)).astype("float32")
    first = to_numpy(gradient(theta, cotangent, (20, 20), fill_mode))
    assert np.abs(first).max() > 1
    for _ in range(20):
        again = to_numpy(gradient(theta, cotangent, (20, 20), fill_mode))
        np.testing.assert_array_equal(again, first)


@pytest.mark.tensorflow
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_only_gathers_on_an_accelerator(fill_mode, on_device):
    import tensorflow as tf

    on_device(False)
    function = tf.function(
        lambda theta, cotangent: image_gradient(theta, cotangent, (6, 7), fill_mode),
        jit_compile=True,
        autograph=False,
    )
    theta = tf.constant(MAPS["turns"].astype("float32"))
    compiler_ir = function.experimental_get_compiler_ir(
        theta, tf.ones((COUNT, 6, 7, 2))
    )
    assert ("scatter(" in compiler_ir()) == (fill_mode in ("reflect", "mirror"))


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_theta_that_is_not_finite(fill_mode, gradient):
    theta = MAPS["turns"].astype("float32")
    theta[1, 0, 0], theta[2, 1, 2], theta[3] = np.nan, np.inf, -np.inf
    cotangent = GENERATOR.normal(size=(COUNT, 5, 4, 1)).astype("float32")
    found = to_numpy(gradient(theta, cotangent, (4, 5), fill_mode))
    assert np.isfinite(found).all()
    finite = np.array([0, 4, 5])
    expected = transposed_oracle(
        theta[finite], cotangent[finite], (4, 5), fill_mode, False
    )
    np.testing.assert_allclose(found[finite], expected, rtol=0, atol=1e-5)


@pytest.mark.tensorflow
def test_runs_only_the_way_that_is_chosen(on_device, monkeypatch):
    import tensorflow as tf

    on_device(True)
    taken = []

    def note(name):
        way = getattr(module, name)

        def noting(*tensors, **options):
            # Within the graph, so when it runs and not when it is traced.
            with tf.control_dependencies([tf.py_function(taken.append, [name], [])]):
                return tf.identity(way(*tensors, **options))

        return noting

    for name in ("_gather", "_scatter"):
        monkeypatch.setattr(module, name, note(name))
    function = tf.function(
        lambda theta: image_gradient(
            theta, tf.ones((COUNT, 20, 20, 1)), (20, 20), "constant"
        )
    )
    for name, expected in (("turns", "_gather"), ("magnified much", "_scatter")):
        taken.clear()
        function(tf.constant(MAPS[name].astype("float32")))
        assert [str(way.numpy(), "utf8") for way in taken] == [expected]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_no_pixel_of_many_is_read_a_pixel_off(fill_mode, channels):
    # So many that some places are rounded to a whole pixel in one loop of the compiled
    # function, and not in another.
    generator = np.random.default_rng(0)
    theta = turns(1, generator.uniform(-np.pi / 2, np.pi / 2, 256))
    theta[:, :, 2] = generator.uniform(-0.1, 0.1, (256, 2))
    cotangent = generator.standard_normal((256, 28, 28, channels), "float32")
    theta = keras.ops.convert_to_tensor(theta, dtype="float32")
    x, y = affine_coordinates(theta, (28, 28), (28, 28), False)
    expected = scattered(
        x, y, keras.ops.convert_to_tensor(cotangent), (28, 28), fill_mode
    )
    np.testing.assert_allclose(
        to_numpy(image_gradient(theta, cotangent, (28, 28), fill_mode)),
        to_numpy(expected),
        atol=1e-3,
    )
