"""Where a printed number is seen from, and what of it is in the picture."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_stn.datasets.lettering import DIGIT_HEIGHT
from keras_stn.datasets.svhn_archives import MARGIN

# Scenes are painted with more pixels than the camera has, each way.
OVERSAMPLING = 2
# Pixels of the camera in the height of a digit. SVHN's training half has a median of
# 30, and 17 and 57 at the tenth and ninetieth per cent: a log-normal distribution with
# a deviation of a half. The limits are our choice: smaller ones cannot be read, and
# larger ones show nothing more in 64 pixels.
_MEDIAN_RESOLUTION, _RESOLUTION_DEVIATION = 30, 0.5
_RESOLUTIONS = (18, 48)
# Of the box, on each side: our choice.
MOST_ASKEW = 0.06
# Beyond this many times half the number's longer side nothing is in the picture.
FAR = 4


class Viewpoint(NamedTuple):
    """A camera and its picture of a number.

    Attributes:
        matrix: float64 array of shape `(3, 3)`, from homogeneous coordinates in the
            number's mask to pixels of the painted scene.
        picture_size: Width and height of the picture, in pixels of the camera.
        scene_size: The same of the painted scene.
        hull: Left, top, right and bottom of the box of all digits in the mask.
    """

    matrix: np.ndarray
    picture_size: tuple
    scene_size: tuple
    hull: np.ndarray


def draw_viewpoint(boxes, generator):
    """Draws a camera, and cuts the picture out as SVHN's numbers are cut out.

    Args:
        boxes: float64 array of shape `(digits, 4)`, as `Lettering` has them.
        generator: A `numpy.random.Generator`.

    Returns:
        A `Viewpoint`.
    """
    # SVHN's boxes were drawn by people, who left some room around a digit: our choice.
    room = DIGIT_HEIGHT * generator.uniform(0, 0.12, 4)
    boxes = boxes + room * np.array([-1, -1, 1, 1])
    hull = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    matrix = _draw_matrix(hull, generator)
    left, top, right, bottom = boxes.T
    corners = np.stack([left, left, right, right, top, bottom, top, bottom])
    corners = project(matrix, corners.reshape(2, -1).T)
    low, high = corners.min(axis=0), corners.max(axis=0)
    # And they drew a little askew.
    askew = np.clip(generator.normal(0, 0.025, (2, 2)), -MOST_ASKEW, MOST_ASKEW)
    low, high = (
        low - (MARGIN + askew[0]) * (high - low),
        high + (MARGIN + askew[1]) * (high - low),
    )
    resolution = _MEDIAN_RESOLUTION * np.exp(generator.normal(0, _RESOLUTION_DEVIATION))
    resolution = np.clip(resolution, *_RESOLUTIONS)
    picture = np.ceil((high - low) * resolution / DIGIT_HEIGHT)
    scene = OVERSAMPLING * picture
    scale = scene / (high - low)
    to_scene = np.diag([*scale, 1.0])
    to_scene[:2, 2] = -scale * low
    return Viewpoint(
        to_scene @ matrix,
        tuple(picture.astype(int).tolist()),
        tuple(scene.astype(int).tolist()),
        hull,
    )


def _draw_matrix(hull, generator):
    """From the mask to a picture as large, with the number's centre at the origin."""
    # The distributions are our choice: most of SVHN's numbers are nearly upright, and
    # their digits half as wide as high.
    angle = np.deg2rad(np.clip(generator.normal(0, 7), -20, 20))
    shear = np.clip(generator.normal(0, 0.12), -0.35, 0.35)
    width = np.exp(np.log(0.85) + 0.15 * np.clip(generator.normal(), -2, 2))
    half = (hull[2:] - hull[:2]).max() / 2
    # Nothing within `FAR` is behind the camera: 2 * 0.1 * FAR < 1.
    depth = generator.uniform(-0.1, 0.1, 2) / half
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    tilt = np.array([[width, shear, 0], [0, 1, 0], [*depth, 1]])
    return turn @ tilt @ shift(-(hull[:2] + hull[2:]) / 2)


def shift(by):
    """Makes the matrix of a translation.

    Args:
        by: x and y.

    Returns:
        float64 array of shape `(3, 3)`.
    """
    matrix = np.eye(3)
    matrix[:2, 2] = by
    return matrix


def project(matrix, points):
    """Maps points.

    Args:
        matrix: float64 array of shape `(3, 3)`.
        points: float64 array of shape `(points, 2)`.

    Returns:
        float64 array of shape `(points, 2)`.
    """
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return mapped[:, :2] / mapped[:, 2:]


def see(mask, matrix, size):
    """Shows a mask as it looks in the scene.

    Args:
        mask: A grey `PIL.Image.Image`.
        matrix: float64 array of shape `(3, 3)`, from the mask to the scene.
        size: Width and height of the scene.

    Returns:
        float32 array of shape `(height, width, 1)`, 1 where the mask is white.
    """
    inverse = np.linalg.inv(matrix)
    inverse = (inverse / inverse[2, 2]).ravel()[:8].tolist()
    seen = mask.transform(
        size, Image.Transform.PERSPECTIVE, inverse, Image.Resampling.BICUBIC
    )
    return np.asarray(seen, np.float32)[..., None] / np.float32(255)
