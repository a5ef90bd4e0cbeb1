"""What no spatial warp of a feature map can align: equation (1) with a search."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_stn import transforms
from keras_stn.analysis.feature_map import (
    FeatureMap,
    norm_of_seen,
    warps_and_inverses,
)
from keras_stn.analysis.nearest_parameters import nearest_parameters
from keras_stn.analysis.places_in_image import map_size
from keras_stn.analysis.warp_score import Scores, WarpScore, scoring
from keras_stn.backend import compiled, value_and_derivative
from keras_stn.ops import affine_sample, compose_theta
from keras_stn.ops.arguments import standardize_whole

# All of this is our choice. The first step, in units of the family's parameters.
_LEARNING_RATE = 0.05
# Starts of an image that descend: the best ones.
_DESCENTS = 4
# How near a start must be to a member of the family to be taken for it.
_NEAR = 0.01


class BestFeatureWarp(NamedTuple):
    """What remains if each image has the warp that aligns its features best.

    Attributes:
        gap: float64 array of shape `(transforms,)`, relative to the features over all
            images, as `AlignmentGap` has it.
        inverse_gap: The same for the exact inverse: `AlignmentGap.feature_warp`.
        image_gap: float64 array of shape `(transforms, images)`, the gap of each image
            relative to its own features. NaN for one whose features are zero.
        theta: float32 array of shape `(transforms, images, 2, 3)`, the warps found, as
            warps of the image.
    """

    gap: Any
    inverse_gap: Any
    image_gap: Any
    theta: Any


def best_feature_warp(
    model,
    layer,
    images,
    theta,
    family="affine",
    stride=None,
    fill_mode="constant",
    steps=60,
    batch_size=256,
    margin=0,
):
    """Searches for each image the warp that best aligns its feature map.

    `alignment_gap` undoes a transform `T` of the image by its exact inverse. Could a
    better localisation network have found a better warp? Here each image has its own,
    found with the aligned features before its eyes:

    ```
    gap = min over W of || W F(T f) - F(f) || / || F(f) ||
    ```

    with the places and the norm of `alignment_gap`, which depend on `T` and not on `W`.
    What remains is an estimate, not a proof, of what no transformer of this family can
    undo, however it is trained: the search may miss the best warp. The exact inverse is
    always among the warps that are tried, so the gap is never larger than its.

    A distance can be made small without aligning anything: by moving the features out
    of the frame, or by enlarging a place where they are all the same. Such warps do not
    count. Our choice of what does: at least three quarters of the places are read from
    within the frame, and the features there vary, around their mean, at least 0.9 times
    as much as under the exact inverse.

    The search begins at the exact inverse, the identity, and the inverse followed by
    turns every 30 degrees, shifts, zooms and reflections, where the family has them, or
    else at what of the family is nearest to them. From the best four of each image Adam
    descends.

    Args:
        model: A functional or Sequential model from images to anything.
        layer: Its layer, or its name, whose output is the feature map; or the symbolic
            tensor itself. None is the image: a control, for which the search finds the
            inverse.
        images: Float array of shape `(batch, height, width, channels)`, in Keras' image
            data format; as the model wants them.
        theta: Array of shape `(transforms, 2, 3)`, the warps of the images; none may be
            singular.
        family: A family of transforms that is searched: its name or a
            `keras_stn.transforms.Transform`. Adam takes equal steps in all of its
            parameters, of 0.05 at first: they should be of the order of one.
        stride: As in `alignment_gap`: needed only where a layer is not known.
        fill_mode: The images, and the feature map, beyond their edges.
        steps: Steps of Adam from each start. 0 takes the best start.
        batch_size: Images that the model sees at once.
        margin: As in `alignment_gap`: pixels along the edges that do not count.

    Returns:
        A `BestFeatureWarp`.

    Raises:
        ValueError: As `alignment_gap`, and if the family is unknown or `steps` is not a
            whole number from 0.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_stn.analysis import best_feature_warp
    >>> model = keras.Sequential(
    ...     [keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, name="features")]
    ... )
    >>> images = np.random.default_rng(0).random((2, 8, 8, 1)).astype("float32")
    >>> turn = [[[0, 1, 0], [-1, 0, 0]]]
    >>> best = best_feature_warp(model, "features", images, turn, "rotation", steps=5)
    >>> bool(best.gap[0] <= best.inverse_gap[0]), best.theta.shape
    (True, (1, 2, 2, 3))

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), equation 1
    """
    family = transforms.get(family)
    steps = standardize_whole("steps", steps, 0)
    theta, inverses = warps_and_inverses(theta)
    images = np.asarray(images, np.float32)
    feature_map = FeatureMap(model, layer, images.shape, stride, batch_size, margin)
    features = feature_map.encode(images)
    score = scoring(feature_map, fill_mode)
    step = _step(family, score)
    found = []
    for matrix, inverse in zip(theta, inverses, strict=True):
        seen = feature_map.seen(matrix, inverse)
        norm = norm_of_seen(features, seen, feature_map.name)
        matrices = np.broadcast_to(matrix, (len(images), 2, 3))
        transformed = affine_sample(images, matrices, fill_mode=fill_mode)
        transformed = feature_map.encode(ops.convert_to_numpy(transformed))
        scores = WarpScore(score, transformed, features, seen, inverse)
        best = _Best(scores, inverse)
        parameters, index = _start(best, family, inverse, images.shape)
        if steps:
            for start in range(0, len(index), scores.warps_at_once):
                part = slice(start, start + scores.warps_at_once)
                _descend(best, step, parameters[part], index[part], steps)
        with np.errstate(invalid="ignore"):
            image_gap = np.sqrt(best.distance / scores.target_norm)
        totals = np.sum([best.distance, scores.inverse_distance], axis=1)
        found.append((*np.sqrt(totals) / norm, image_gap, best.theta))
    return BestFeatureWarp(*map(np.array, zip(*found, strict=True)))


class _Best:
    """The best warp of each image so far; the exact inverse to begin with."""

    def __init__(self, scores, inverse):
        self.scores = scores
        self.distance = scores.inverse_distance.copy()
        self.theta = np.tile(inverse, (len(self.distance), 1, 1))

    def offer(self, theta, scores, index):
        distance = scores.distance
        is_better = distance < self.distance[index]
        better = np.flatnonzero(is_better & self.scores.is_admissible(scores, index))
        # The nearest last, as it is the last that stays.
        better = better[np.argsort(-distance[better], kind="stable")]
        self.distance[index[better]] = distance[better]
        self.theta[index[better]] = theta[better]


def _start(best, family, inverse, shape):
    """Offers warps to begin with; returns the best of each image, and of which."""
    parameters, distance = nearest_parameters(family, _starts(inverse, shape))
    # The nearest of them at least: a family may have none of these warps.
    parameters = parameters[distance <= max(_NEAR, distance.min())]
    images = len(best.distance)
    index = np.tile(np.arange(images), len(parameters))
    theta = ops.convert_to_numpy(family(np.repeat(parameters, images, axis=0)))
    scores = best.scores.measure(theta, index)
    best.offer(theta, scores, index)
    loss = scores.loss.reshape(-1, images)
    order = np.argsort(loss, axis=0)[:_DESCENTS]
    return parameters[order.ravel()], np.tile(np.arange(images), len(order))


def _starts(inverse, shape):
    """Warps to begin with, an array `(starts, 2, 3)`."""
    height, width = map_size(shape)
    turn = transforms.Rotation(width / height)
    angles = np.deg2rad(np.arange(0, 360, 30, dtype="float32"))[:, None]
    quarters = angles[::3]
    mirror = np.array([[[-1, 0, 0], [0, 1, 0]]] * len(quarters), "float32")
    shifts = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], "float32") / 4
    zooms = np.array([[0.8, 0, 0], [1.25, 0, 0]], "float32")
    relative = [
        turn(angles),
        compose_theta(mirror, turn(quarters)),
        transforms.Translation()(shifts),
        transforms.Attention()(zooms),
    ]
    relative = np.concatenate([ops.convert_to_numpy(one) for one in relative])
    after = compose_theta(np.broadcast_to(inverse, relative.shape), relative)
    return np.concatenate([np.eye(2, 3)[None], ops.convert_to_numpy(after)])


def _step(family, score):
    """Makes a function that scores parameters, with thetas and derivatives."""
    of_loss = [[1.0 if name == "loss" else 0.0 for name in Scores._fields]]

    @compiled()
    def step(parameters, *inputs):
        cotangent = ops.convert_to_tensor(of_loss) * ops.ones_like(parameters[:, :1])
        values, derivative = value_and_derivative(
            lambda one: score(family(one), *inputs), parameters, cotangent
        )
        theta = ops.reshape(family(parameters), (-1, 6))
        # One tensor, as `compiled` asks for.
        return ops.concatenate([values, theta, derivative], axis=1)

    def unpacked(parameters, *inputs):
        found = step(parameters, *inputs)
        scores, theta, derivative = ops.split(
            found, [len(Scores._fields), len(Scores._fields) + 6], axis=1
        )
        scores = ops.convert_to_numpy(scores).astype(np.float64)
        theta = ops.convert_to_numpy(theta).astype(np.float64)
        return Scores(*scores.T), theta.reshape(-1, 2, 3), derivative

    return unpacked


def _descend(best, step, parameters, index, steps):
    """Descends from some starts and offers all that it comes through."""
    variable = keras.Variable(parameters)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
    )
    inputs = best.scores.inputs_for(index)
    for _ in range(steps):
        scores, theta, derivative = step(ops.convert_to_tensor(variable), *inputs)
        best.offer(theta, scores, index)
        optimizer.apply([derivative], [variable])
