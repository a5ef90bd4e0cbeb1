"""The spatial transformer: predicts a transform and warps by it."""

import keras
import numpy as np

from keras_stn import ops, transforms
from keras_stn.ops.arguments import (
    check_fill,
    check_image_rank,
    coordinate_dtype,
    is_float,
    is_shape,
    shapes_of,
    standardize_data_format,
    standardize_flag,
    standardize_size,
    standardize_theta,
)


@keras.saving.register_keras_serializable(package="keras_stn")
class SpatialTransformer(keras.layers.Layer):
    """Warps images (or feature maps) by a transform that it predicts from them.

    The localisation network looks at its input; a Dense layer of this layer's own,
    whose weights start at zero, turns what it found into the offsets of the transform's
    parameters from the identity. So an untrained transformer changes nothing, and
    weight decay pulls it towards the identity. The warp convention is stated in
    `keras_stn.ops`.

    There are three ways to call it:

    - on `images`: the localisation network reads what is warped. On the input of a
      model this is the paper's STN-C0, on a feature map STN-CX, which cannot undo a
      rotation of the image.
    - on `[images, features]`: the localisation network reads `features`, and `images`
      are warped. With features that the classifier's own first layers make of the
      images, this is STN-SLX, which the paper advocates.
    - with `localization=None`, on `[images, theta]`: theta comes from elsewhere.

    Args:
        localization: A Keras layer or model; its output is flattened if it is not
            flat. None to be called on `[images, theta]`. A layer of it that the
            model also has by itself is saved, but Keras cannot load such a model: to
            share layers, call this one on `[images, features]`. One network for two
            transformers stays one when the model is saved, or copied by
            `copy.deepcopy`; `keras.models.clone_model` makes it two.
        transform: The family of transforms: `"affine"`, `"similarity"`, `"rigid"`,
            `"rotation"`, `"translation"`, `"attention"`, or an instance of
            `keras_stn.transforms.Transform`. Images that are not square are sheared by
            those that turn, unless these know the aspect ratio:
            `keras_stn.transforms.Rigid(aspect_ratio=width / height)`. Not used if
            `localization` is None.
        output_size: `(height, width)` of the output in pixels, one integer for both,
            or None for the size of the input.
        interpolation: `"bilinear"`, or `"nearest"`, which has no gradient to theta, so
            that theta is not learnt.
        fill_mode: The image beyond its edges: `"constant"` (PyTorch: `"zeros"`),
            `"nearest"` (PyTorch: `"border"`), `"reflect"` or `"mirror"`; see
            `keras_stn.ops.grid_sample`.
        fill_value: A number, used when `fill_mode="constant"`.
        align_corners: Whether -1 and 1 are the centres of the outer pixels. By
            default they are the outer edges of the image (half-pixel centres).
        return_theta: Whether to return `(outputs, theta)` instead of the outputs.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Call arguments:
        inputs: `images`, `[images, features]` or `[images, theta]`, as above.

    Input shape:
        - images: `(batch, height, width, channels)`, or `(batch, channels, height,
            width)` with `data_format="channels_first"`. Any float or integer dtype.
        - features: whatever the localisation network takes; lists and dicts too.
        - theta: `(batch, 2, 3)` or `(batch, 6)`.

    Output shape:
        - `(batch, output_height, output_width, channels)`, or `(batch, channels,
            output_height, output_width)`, in the layer's compute dtype.
        - theta: `(batch, 2, 3)`. Theta and all grid arithmetic are float32 (float64
            under a float64 policy, or if theta comes from elsewhere in float64), also
            with mixed precision.

    Raises:
        ValueError: If an option or a shape is not as above.

    Example:

    >>> import keras
    >>> import keras_stn
    >>> localization = keras.Sequential(
    ...     [
    ...         keras.layers.MaxPooling2D(2),
    ...         keras.layers.Conv2D(8, 5, activation="relu"),
    ...         keras.layers.Flatten(),
    ...         keras.layers.Dense(32, activation="relu"),
    ...     ]
    ... )
    >>> model = keras.Sequential(
    ...     [
    ...         keras.Input((28, 28, 1)),
    ...         keras_stn.SpatialTransformer(localization, transform="rigid"),
    ...         keras.layers.Flatten(),
    ...         keras.layers.Dense(10),
    ...     ]
    ... )
    >>> model.output_shape
    (None, 10)

    References:
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025), section 3
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), section 2
    """

    def __init__(
        self,
        localization=None,
        transform="affine",
        output_size=None,
        interpolation="bilinear",
        fill_mode="constant",
        fill_value=0.0,
        align_corners=False,
        return_theta=False,
        data_format=None,
        **kwargs,
    ):
        # Keras would cast theta to half precision before `call`.
        super().__init__(autocast=False, **kwargs)
        if localization is not None and not isinstance(
            localization, keras.layers.Layer
        ):
            raise ValueError(
                "Invalid value for `localization`. Expected a Keras layer or model, or "
                "None to call this layer on `[images, theta]`. "
                f"Received: localization={localization!r}"
            )
        check_fill(interpolation, fill_mode, fill_value)
        self.localization = localization
        self.transform = transforms.get(transform)
        self.output_size = (
            None
            if output_size is None
            else standardize_size(output_size, "output_size")
        )
        self.interpolation = interpolation
        self.fill_mode = fill_mode
        self.fill_value = float(fill_value)
        self.align_corners = standardize_flag("align_corners", align_corners)
        self.return_theta = standardize_flag("return_theta", return_theta)
        self.data_format = standardize_data_format(data_format)
        if localization is not None:
            # In half precision theta would move in steps of whole pixels.
            dtype = "float64" if self.compute_dtype == "float64" else "float32"
            self._flatten = keras.layers.Flatten(
                data_format=self.data_format, dtype=dtype, name=f"{self.name}_flatten"
            )
            self._regression = _Regression(
                int(self.transform.num_parameters),
                kernel_initializer="zeros",
                bias_initializer="zeros",
                dtype=dtype,
                name=f"{self.name}_theta",
            )

    def build(self, input_shape):
        """Builds the localisation network and the layer that regresses theta."""
        if self.localization is None:
            return
        images_shape, features_shape = self._split(input_shape)
        # Before there are variables, so that the layer can be called rightly next.
        if images_shape is not None:
            check_image_rank(images_shape)
        features = keras.tree.map_shape_structure(
            lambda shape: keras.KerasTensor(shape, dtype=self.compute_dtype),
            features_shape,
        )
        if not self.localization.built:
            # By a call, as a layer or model may have no `build`.
            self.localization(features)
        output = self.localization.compute_output_spec(features)
        if not isinstance(output, keras.KerasTensor) or not output.shape:
            raise ValueError(
                "The localisation network must return one tensor, of shape `(batch, "
                "...)`. Received: "
                f"'{self.localization.name}', which returns "
                f"{shapes_of(keras.tree.flatten(output))}. Concatenate them, or choose "
                "one, in the network."
            )
        if not self._flatten.built:
            self._flatten.build(output.shape)
        shape = self._flatten.compute_output_shape(output.shape)
        if shape[-1] is None:
            raise ValueError(
                "The localisation network must have an output of a known size, so that "
                "a Dense layer can read it. Received an input of shape "
                f"{features_shape}. Give the model an input of known size, or end "
                "the localisation network with a global pooling."
            )
        if not self._regression.built:  # `localize` may have been called before.
            self._regression.build(shape)
        if not self.trainable:
            # Frozen before there were variables, as by a loaded config. Keras tells
            # sublayers only when it changes.
            self.localization.trainable = self._regression.trainable = False

    def call(self, inputs):
        """Predicts theta, or takes it, and warps the images."""
        images, theta = self._split(inputs)
        if self.localization is not None:
            theta = self.localize(self.features_of(inputs))
        else:
            theta = standardize_theta(theta)
            theta = keras.ops.cast(theta, self.theta_dtype(theta))
        images = keras.ops.cast(images, self.compute_dtype)
        outputs = self._sample(images, theta)
        return (outputs, theta) if self.return_theta else outputs

    def features_of(self, inputs):
        """What the localisation network reads of this layer's inputs.

        Args:
            inputs: `images` or `[images, features]`; tensors or symbolic tensors.

        Returns:
            The features as they are, or the images, which are cast to the compute dtype
            if they are integers: a network may begin with a convolution.
        """
        images, features = self._split(inputs)
        if features is not images or is_float(images):
            return features
        return keras.ops.cast(images, self.compute_dtype)

    def localize(self, features):
        """Predicts theta without warping anything.

        Args:
            features: What the localisation network reads; a tensor or a symbolic
                tensor.

        Returns:
            Tensor of shape `(batch, 2, 3)`.

        Raises:
            ValueError: If the layer has no localisation network.
        """
        if self.localization is None:
            raise ValueError(
                f"The layer '{self.name}' has no localisation network: it takes theta "
                "as its second input. Expected `localization` to be a Keras layer."
            )
        offsets = self._regression(self._flatten(self.localization(features)))
        # An array, as a constant tensor of a functional model cannot be exported.
        identity = np.asarray(
            [self.transform.identity_parameters], self._regression.compute_dtype
        )
        return standardize_theta(self.transform(keras.ops.add(offsets, identity)))

    def theta_dtype(self, theta):
        """The dtype that a theta from elsewhere is cast to.

        Args:
            theta: A tensor or a symbolic tensor.

        Returns:
            `"float64"` if the layer computes in it or theta has it, else `"float32"`.
        """
        is_double = self.compute_dtype == "float64"
        return "float64" if is_double else coordinate_dtype(theta)

    def compute_output_shape(self, input_shape):
        """The shape of the outputs, or a pair of shapes if `return_theta`."""
        images_shape, theta_shape = self._split(input_shape)
        if self.localization is not None:
            theta_shape = (images_shape[0], 2, 3)
        images, theta = map(
            keras.KerasTensor, (tuple(images_shape), tuple(theta_shape))
        )
        shape = self._sample(images, theta).shape
        return (shape, (shape[0], 2, 3)) if self.return_theta else shape

    def compute_output_spec(self, inputs):
        """The outputs are in the compute dtype, theta in that of its arithmetic."""
        input_shape = keras.tree.map_structure(lambda tensor: tensor.shape, inputs)
        shapes = self.compute_output_shape(input_shape)
        if not self.return_theta:
            return keras.KerasTensor(shapes, dtype=self.compute_dtype)
        if self.localization is None:
            theta_dtype = self.theta_dtype(inputs[1])
        else:
            theta_dtype = self._regression.compute_dtype
        return (
            keras.KerasTensor(shapes[0], dtype=self.compute_dtype),
            keras.KerasTensor(shapes[1], dtype=theta_dtype),
        )

    def get_config(self):
        """The arguments that rebuild this layer."""
        config = {
            "localization": _serialize_shareable(self.localization),
            "transform": keras.saving.serialize_keras_object(self.transform),
            "output_size": self.output_size,
            "interpolation": self.interpolation,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "align_corners": self.align_corners,
            "return_theta": self.return_theta,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer that `get_config` described."""
        config = dict(config)
        config["localization"] = keras.saving.deserialize_keras_object(
            config.get("localization")
        )
        return cls(**config)

    def _sample(self, images, theta):
        return ops.affine_sample(
            images,
            theta,
            size=self.output_size,
            interpolation=self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            align_corners=self.align_corners,
            data_format=self.data_format,
        )

    def _split(self, inputs):
        """Splits inputs, or their shapes, into images and what comes with them."""
        if isinstance(inputs, list | tuple) and not is_shape(inputs):
            if len(inputs) == 2:
                return inputs
        elif self.localization is not None and not isinstance(inputs, dict):
            return inputs, inputs
        received = shapes_of(inputs)
        if self.localization is None:
            raise ValueError(
                "A `SpatialTransformer` without a localisation network is called on "
                f"`[images, theta]`. Received inputs of shapes {received}. To predict "
                "theta, give it a network: `SpatialTransformer(localization=...)`."
            )
        raise ValueError(
            "A `SpatialTransformer` is called on `images` or on `[images, features]`. "
            f"Received {len(inputs)} inputs, of shapes {received}. If the localisation "
            "network reads several, give them as one: `[images, [first, second]]`."
        )


# For models that `localize` makes, which have it as a layer of their own.
@keras.saving.register_keras_serializable(package="keras_stn")
class _Regression(keras.layers.Dense):
    """The layer that theta comes from; it stays in float when a model is quantised."""

    def quantize(self, *args, **kwargs):
        raise NotImplementedError(
            f"The layer '{self.name}', which theta comes from, stays in float: in "
            "eight bits theta would move in steps of whole pixels."
        )


def _serialize_shareable(layer):
    """Serialises a layer so that two transformers that share it still do when loaded.

    While Keras saves a model, it marks an object as shared when it meets it again, in
    the configs of both times. Of the first it has kept a copy by then, so that mark
    would be lost: here every object is met twice at once.
    """
    keras.saving.serialize_keras_object(layer)
    return keras.saving.serialize_keras_object(layer)
