"""What the tests of the samplers share: images, matrices, options, and checks.

The arrays are shared so that XLA compiles each combination of shapes and options once.
"""

import keras
import numpy as np

from tests import oracle
from tests.gradients import gradients, numeric_gradient, weighted_sum

INTERPOLATIONS = ("bilinear", "nearest")
FILL_MODES = ("constant", "nearest", "reflect", "mirror")
# Output size (as the input, larger, smaller), data format and `align_corners`. Each
# corner convention meets both data formats; all 24 combinations with all fill modes
# would be compiled for a minute.
OUTPUTS = (
    (None, "channels_last", False),
    (None, "channels_first", True),
    ((21, 19), "channels_first", False),
    ((5, 9), "channels_last", True),
)
FILL_VALUE = 0.7

_generator = np.random.default_rng(0)
IMAGES = _generator.uniform(size=(8, 12, 17, 2)).astype("float32")
# Turns, shears, reflections and zooms that look up to a side beyond the image.
THETAS = (
    np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    + _generator.uniform(-1, 1, size=(8, 2, 3)) * [1, 1, 0.6]
).astype("float32")
IDENTITY = np.array([[[1, 0, 0], [0, 1, 0]]], "float32")

# Small ones for finite differences, and weights that make a scalar of the output.
SMALL_IMAGES = _generator.uniform(size=(2, 5, 6, 2)).astype("float32")
SMALL_SIZE = (4, 7)
WEIGHTS = _generator.normal(size=(2, *SMALL_SIZE, 2)).astype("float32")


def off_lattice_thetas(align_corners=False):
    """Returns matrices that sample `SMALL_IMAGES` nowhere near a whole pixel."""
    generator = np.random.default_rng(1)
    thetas = []
    while len(thetas) < len(SMALL_IMAGES):
        theta = IDENTITY[0] + generator.uniform(-0.8, 0.8, size=(2, 3))
        grid = oracle.affine_grid(theta, SMALL_SIZE, align_corners)
        pixels = oracle.to_pixels(grid, SMALL_IMAGES.shape[1:3], align_corners)
        if oracle.lattice_distance(*pixels) > 5e-3:
            thetas.append(theta)
    return np.stack(thetas).astype("float32")


def rigid_motions():
    """Identity, flips, quarter turns and what they make of an image.

    Returns:
        A list of pairs: theta of shape (2, 3), a function of one image. The last two
        are for square images.
    """
    return [
        (np.array(theta, "float32"), function)
        for theta, function in (
            ([[1, 0, 0], [0, 1, 0]], lambda image: image),
            ([[-1, 0, 0], [0, 1, 0]], lambda image: image[:, ::-1]),
            ([[1, 0, 0], [0, -1, 0]], lambda image: image[::-1]),
            ([[-1, 0, 0], [0, -1, 0]], lambda image: image[::-1, ::-1]),
            # Counter-clockwise on the screen, as numpy turns, and clockwise.
            ([[0, -1, 0], [1, 0, 0]], lambda image: np.rot90(image)),
            ([[0, 1, 0], [-1, 0, 0]], lambda image: np.rot90(image, -1)),
        )
    ]


def whole_shifts(size, align_corners):
    """Shifts by whole pixels, some of them out of the image.

    Returns:
        A list of pairs as in `rigid_motions`.
    """
    height, width = size
    cases = []
    for right, down in ((1, 0), (0, 1), (-3, 2), (4, -1), (-2, -4), (0, height)):
        theta = np.array(IDENTITY[0])
        theta[0, 2] = 2 * right / (width - align_corners)
        theta[1, 2] = 2 * down / (height - align_corners)
        cases.append((theta, _shift_by(right, down)))
    return cases


def _shift_by(right, down):
    def shift(image):
        height, width, _ = image.shape
        wide = np.pad(image, ((height, height), (width, width), (0, 0)))
        top, left = height + down, width + right
        return wide[top : top + height, left : left + width]

    return shift


def apply(function, images, coordinates, data_format="channels_last", **options):
    """Calls a sampler and returns its result in NumPy, channels last."""
    if data_format == "channels_first":
        images = np.moveaxis(images, -1, 1)
    result = function(images, coordinates, data_format=data_format, **options)
    result = keras.ops.convert_to_numpy(result)
    return np.moveaxis(result, 1, -1) if data_format == "channels_first" else result


def check_gradients(
    function, reference, coordinates, data_format="channels_last", **options
):
    """Compares a sampler's gradients with finite differences of its oracle.

    Args:
        function: The sampler, of images and coordinates.
        reference: The same function of the oracle, which has the channels last.
        coordinates: Theta or a grid, which samples `SMALL_IMAGES` nowhere near a whole
            pixel, `SMALL_SIZE` times.
        data_format: That of the sampler.
        **options: Other arguments of both.
    """

    def move(array):
        return np.moveaxis(array, -1, 1) if data_format == "channels_first" else array

    def scalar(images, coordinates):
        return np.sum(WEIGHTS * reference(images, coordinates, **options))

    to_images, to_coordinates = gradients(
        lambda images, coordinates: weighted_sum(
            move(WEIGHTS),
            function(images, coordinates, data_format=data_format, **options),
        ),
        move(SMALL_IMAGES),
        coordinates,
    )
    # A sampler is linear in the images, so any step does there.
    np.testing.assert_allclose(
        to_images,
        move(numeric_gradient(lambda x: scalar(x, coordinates), SMALL_IMAGES, 0.5)),
        rtol=1e-4,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        to_coordinates,
        numeric_gradient(lambda x: scalar(SMALL_IMAGES, x), coordinates, 1e-5),
        rtol=1e-4,
        atol=1e-4,
    )


def to_numpy(tensor):
    """Returns a tensor of any dtype as a NumPy array; bfloat16 as float32."""
    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = keras.ops.cast(tensor, "float32")
    return keras.ops.convert_to_numpy(tensor)
