import keras
import numpy as np
import pytest

from keras_stn.backend import compiled
from keras_stn.ops import affine_image_gradient as module
from keras_stn.ops.affine_image_gradient import affine_image_gradient
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


def make_compiled():
    @compiled("size", "fill_mode", "align_corners")
    def gradient(theta, cotangent, *, size, fill_mode, align_corners):
        return affine_image_gradient(theta, cotangent, size, fill_mode, align_corners)

    return gradient


@pytest.fixture(params=["with a scatter", "gather only"])
def gradient(request, monkeypatch):
    """The function as on a CPU, and as on an accelerator: compiled once for a test."""
    if request.param == "gather only":
        monkeypatch.setattr(module, "runs_on_cpu", lambda: False)
    return make_compiled()


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
@pytest.mark.parametrize("sizes", SIZES)
def test_is_the_transposed_oracle(sizes, fill_mode, gradient):
    size, output_size, channels = SIZES[sizes]
    align_corners = sizes == "enlarged"
    cotangent = GENERATOR.normal(size=(COUNT, *output_size, channels)).astype("float32")
    for name, theta in MAPS.items():
        theta = theta.astype("float32")
        found = gradient(
            keras.ops.convert_to_tensor(theta),
            keras.ops.convert_to_tensor(cotangent),
            size=size,
            fill_mode=fill_mode,
            align_corners=align_corners,
        )
        expected = transposed_oracle(theta, cotangent, size, fill_mode, align_corners)
        np.testing.assert_allclose(
            to_numpy(found), expected, rtol=0, atol=2e-4, err_msg=name
        )


@pytest.mark.parametrize(
    ("fill_mode", "name", "way"),
    [
        ("constant", "turns", 0),  # In one block.
        ("constant", "magnified", 1),  # Block by block.
        ("constant", "magnified much", 2),  # By a scatter.
        ("nearest", "within the image", 0),  # Block by block, without margins.
        ("nearest", "turns of the frame", 1),  # In one block, with small margins.
        ("nearest", "shrunk by two", 2),  # In one block, with large margins.
        ("nearest", "magnified much", 3),  # By a scatter.
    ],
)
def test_chooses_the_least_work(fill_mode, name, way, monkeypatch):
    monkeypatch.setattr(module, "runs_on_cpu", lambda: True)
    monkeypatch.setattr(module.ops, "switch", lambda index, ways: index)
    theta = keras.ops.convert_to_tensor(MAPS[name].astype("float32"))
    cotangent = keras.ops.ones((COUNT, 20, 20, 1))
    chosen = affine_image_gradient(theta, cotangent, (20, 20), fill_mode, False)
    assert int(chosen) == way


@pytest.mark.parametrize("fill_mode", ["reflect", "mirror"])
def test_other_fill_modes(fill_mode):
    size = (5, 6)
    theta = MAPS["turns"].astype("float32")
    cotangent = GENERATOR.normal(size=(COUNT, 4, 3, 2)).astype("float32")
    found = make_compiled()(
        keras.ops.convert_to_tensor(theta),
        keras.ops.convert_to_tensor(cotangent),
        size=size,
        fill_mode=fill_mode,
        align_corners=False,
    )
    expected = transposed_oracle(theta, cotangent, size, fill_mode, False)
    np.testing.assert_allclose(to_numpy(found), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_the_same_bits_every_time(fill_mode, gradient):
    theta = keras.ops.convert_to_tensor(MAPS["turns"].astype("float32"))
    cotangent = GENERATOR.normal(size=(COUNT, 20, 20, 3)).astype("float32")
    cotangent = keras.ops.convert_to_tensor(cotangent)
    options = {"size": (20, 20), "fill_mode": fill_mode, "align_corners": False}
    first = to_numpy(gradient(theta, cotangent, **options))
    assert np.abs(first).max() > 1
    for _ in range(20):
        again = to_numpy(gradient(theta, cotangent, **options))
        np.testing.assert_array_equal(again, first)


@pytest.mark.tensorflow
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_only_gathers_on_an_accelerator(fill_mode, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(module, "runs_on_cpu", lambda: False)
    function = tf.function(
        lambda theta, cotangent: affine_image_gradient(
            theta, cotangent, (6, 7), fill_mode, False
        ),
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
    found = to_numpy(
        gradient(
            keras.ops.convert_to_tensor(theta),
            keras.ops.convert_to_tensor(cotangent),
            size=(4, 5),
            fill_mode=fill_mode,
            align_corners=False,
        )
    )
    assert np.isfinite(found).all()
    finite = np.array([0, 4, 5])
    expected = transposed_oracle(
        theta[finite], cotangent[finite], (4, 5), fill_mode, False
    )
    np.testing.assert_allclose(found[finite], expected, rtol=0, atol=1e-5)
