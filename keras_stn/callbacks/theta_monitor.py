"""Watches what a spatial transformer does while it is trained."""

import warnings

import keras
import numpy as np

from keras_stn import ops
from keras_stn.models import pose
from keras_stn.models.transformers import find_transformer, what_is_warped
from keras_stn.ops.arguments import is_number, standardize_theta
from keras_stn.ops.coordinates import extent

# Points along each side of the grid that stands for the output when counting how much
# of it lies outside the input.
_GRID_SIDE = 16
# As many as Keras' `predict` takes by default.
_BATCH_SIZE = 32


class ThetaMonitor(keras.callbacks.Callback):
    """Watches theta and warns when the transformer leaves the image.

    A transformer whose grid has left the image sees a constant, gets no gradient and
    never comes back: the loss sticks at chance. At the end of each epoch this callback
    computes theta for some fixed images and adds to the logs, and so to the history,
    the progress bar, and the callbacks that stand behind it in the list, such as
    `CSVLogger`, `TensorBoard` or `EarlyStopping`:

    - `theta_outside`: the fraction of the output that is sampled from outside the
        input. A rotation by 45 degrees has 0.16. The edges are those
        of half-pixel centres.
    - `theta_scale`: the mean of `sqrt(abs(det))`, the side of the region that is read
        relative to the image's.
    - `theta_shift`: the mean length of the shift; 1 is half a side.
    - `theta_angle`: the mean direction of the predicted angles, in degrees; where the
        size of what is warped is unknown it is taken to be square.
    - `theta_angle_spread`, `theta_scale_spread`, `theta_shift_spread`: the root of the
        mean squared distance from the mean. A transformer that does the same to every
        image has none, however far it turns.

    Args:
        images: A batch of images as the model takes them.
        threshold: Warn when `theta_outside` exceeds this, a number from 0 to 1. The
            default of 0.5 is our choice: then most of what the classifier sees is not
            of the image.
        layer: The transformer or its name, if the model has several. If the model calls
            it several times, its first call is watched.
        within: The model within the model that has the transformer, and takes the same
            images: `model.get_layer("inner")`.
        prefix: What the names of the entries begin with. Give each of several monitors
            its own.

    Raises:
        ValueError: If the threshold is not as above; when training starts, if the model
            has no transformer or does not take the images.

    Example:

    >>> import numpy as np
    >>> import keras_stn
    >>> images = np.zeros((8, 28, 28, 1), "float32")
    >>> labels = np.zeros(8, "int32")
    >>> model = keras_stn.models.mnist("stn_c0")
    >>> model.compile("sgd", "mse")
    >>> monitor = keras_stn.callbacks.ThetaMonitor(images)
    >>> targets = np.zeros((8, 10), "float32")
    >>> history = model.fit(images, targets, callbacks=[monitor], verbose=0)
    >>> round(history.history["theta_scale"][0], 3)
    1.0
    """

    def __init__(self, images, threshold=0.5, layer=None, within=None, prefix="theta"):
        super().__init__()
        if not is_number(threshold) or not 0 <= threshold <= 1:
            raise ValueError(
                "`threshold` must be a part of the output, a number from 0 to 1. "
                f"Received: threshold={threshold!r}"
            )
        self.images = images
        self.threshold = threshold
        self.layer = layer
        self.within = within
        self.prefix = prefix
        self._has_warned = False
        self._pose = None
        self._aspect_ratio = 1.0

    def on_train_begin(self, logs=None):
        """Finds the transformer."""
        model = self.within or self.model
        if isinstance(model, keras.Sequential) and not model.built:
            # Keras does so with the first batch, which is later.
            model.build((None, *np.shape(self.images)[1:]))
        self._pose = pose(model, self.layer)
        self._aspect_ratio = _aspect_ratio(model, self.layer)
        if not all(map(len, keras.tree.flatten(self.images))):
            raise ValueError(
                "`ThetaMonitor` needs at least one of its `images`. Received images "
                f"of shape {keras.tree.map_structure(np.shape, self.images)}"
            )
        # What is wrong with the images shall not be said after the first epoch only.
        try:
            # Not by `predict`: where that fails on JAX, the variables of the model are
            # lost. As many as its first batch has, so nothing is compiled twice.
            self._pose.predict_on_batch(
                keras.tree.map_structure(lambda one: one[:_BATCH_SIZE], self.images)
            )
        except ValueError as error:
            # Keras does not say of which images it speaks, nor on JAX of what shape.
            shapes = keras.tree.map_structure(np.shape, self.images)
            raise ValueError(
                "`ThetaMonitor` cannot predict theta for its `images`, which must be a "
                f"batch as the model takes them: {error}\nReceived: images of shape "
                f"{shapes}, for a model of input shape {self._pose.input_shape}"
            ) from error

    def _predict(self):
        return self._pose.predict(self.images, batch_size=_BATCH_SIZE, verbose=0)

    def on_epoch_end(self, epoch, logs=None):
        """Computes the statistics and warns."""
        theta = self._predict()
        statistics = theta_statistics(theta, self._aspect_ratio)
        if logs is not None:
            self._add(statistics, logs)
        outside = statistics["theta_outside"]
        is_finite = np.isfinite(theta).all(axis=(1, 2))
        if not is_finite.all():
            warnings.warn(
                f"After epoch {epoch + 1} the spatial transformer predicts a theta "
                f"that is not a number, or infinite, for {1 - is_finite.mean():.0%} of "
                "the images. Lower the learning rate, clip the gradients "
                "(`clipnorm=1.0` of the optimizer), or look for such values in the "
                "data.",
                stacklevel=2,
            )
        elif outside > self.threshold:
            warnings.warn(
                f"After epoch {epoch + 1} the spatial transformer samples "
                f"{outside:.0%} of its output from outside the image, so the network "
                "sees little of it and may not recover. Lower the learning rate of the "
                "localisation network, or use a smaller family of transforms such as "
                "'similarity' or 'rotation'.",
                stacklevel=2,
            )

    def _add(self, statistics, logs):
        entries = {
            f"{self.prefix}{name.removeprefix('theta')}": value
            for name, value in statistics.items()
        }
        taken = sorted(entries.keys() & logs.keys())
        if taken and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"`ThetaMonitor` replaces {', '.join(taken)} in the logs, which "
                "another callback or metric has written. Give each of several monitors "
                f"a `prefix` of its own. Received: prefix={self.prefix!r}",
                stacklevel=2,
            )
        logs.update(entries)


def theta_statistics(theta, aspect_ratio=1.0):
    """Says how far some transforms reach out of the image.

    Args:
        theta: Array of shape `(batch, 2, 3)` or `(batch, 6)`.
        aspect_ratio: Width over height of what is warped.

    Returns:
        A dict of floats, as in `ThetaMonitor`. Coordinates that are not finite count as
        outside.
    """
    grid = keras.ops.convert_to_numpy(ops.affine_grid(theta, _GRID_SIDE))
    theta = keras.ops.convert_to_numpy(standardize_theta(theta))
    inside = (np.abs(grid) <= 1).all(axis=-1)
    determinant = theta[:, 0, 0] * theta[:, 1, 1] - theta[:, 0, 1] * theta[:, 1, 0]
    scale = np.sqrt(np.abs(determinant))
    shift = theta[:, :, 2]
    # As `keras_stn.analysis.predicted_angle` has it.
    sine = theta[:, 1, 0] / aspect_ratio - theta[:, 0, 1] * aspect_ratio
    angle = np.arctan2(sine, theta[:, 0, 0] + theta[:, 1, 1])
    mean_angle = np.arctan2(np.sin(angle).mean(), np.cos(angle).mean())
    # The shorter way round.
    turned = np.angle(np.exp(1j * (angle - mean_angle)), deg=True)
    statistics = {
        "theta_outside": 1 - inside.mean(),
        "theta_scale": scale.mean(),
        "theta_shift": np.linalg.norm(shift, axis=1).mean(),
        "theta_angle": np.rad2deg(mean_angle),
        "theta_angle_spread": np.sqrt(np.mean(turned**2)),
        "theta_scale_spread": scale.std(),
        "theta_shift_spread": np.sqrt(np.sum(shift.var(axis=0))),
    }
    return {name: float(value) for name, value in statistics.items()}


def _aspect_ratio(model, layer):
    """Width over height of what a model's transformer warps."""
    transformer = find_transformer(model, layer)
    shape = what_is_warped(model, transformer).shape
    is_last = transformer.data_format == "channels_last"
    sides = shape[1:3] if is_last else shape[2:4]
    if None in sides:
        return 1.0
    height, width = (extent(side, transformer.align_corners) for side in sides)
    return width / height if height and width else 1.0
