"""How many numbers are read without a mistake."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_stn")
class WholeNumberAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of numbers all of whose digits are right, blanks included.

    One minus the error of the paper's Table 2.

    Args:
        name: Name of the metric.
        dtype: Dtype of the result.

    Call arguments:
        y_true: Integer tensor of shape `(batch, digits)`.
        y_pred: Float tensor of shape `(batch, digits, classes)`, logits or
            probabilities.

    Raises:
        ValueError: If the shapes are not as above, when the metric is updated.

    Example:

    >>> import numpy as np
    >>> from keras_stn.metrics import WholeNumberAccuracy
    >>> metric = WholeNumberAccuracy()
    >>> metric.update_state([[1, 0], [0, 0]], np.eye(2)[[[1, 0], [0, 1]]])
    >>> float(metric.result())
    0.5

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), Table 2
    """

    def __init__(self, name="whole_number_accuracy", dtype=None):
        super().__init__(_all_digits_right, name=name, dtype=dtype)
        self._direction = "up"

    def get_config(self):
        """Returns the configuration."""
        return {"name": self.name, "dtype": self.dtype}


def _all_digits_right(y_true, y_pred):
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    _check_shapes(tuple(y_true.shape), tuple(y_pred.shape))
    digits = ops.argmax(y_pred, axis=-1)
    is_right = ops.all(ops.cast(y_true, digits.dtype) == digits, axis=-1)
    # Of no numbers `argmax` makes zeros.
    is_read = ops.logical_not(ops.any(ops.isnan(y_pred), axis=(1, 2)))
    return ops.cast(ops.logical_and(is_right, is_read), keras.backend.floatx())


def _check_shapes(true_shape, predicted_shape):
    """Raises if labels and predictions do not belong together, where that is known."""
    differ = any(
        None not in sides and sides[0] != sides[1]
        for sides in zip(true_shape[:2], predicted_shape[:2], strict=False)
    )
    if len(true_shape) != 2 or len(predicted_shape) != 3 or differ:
        raise ValueError(
            "Expected labels of shape (batch, digits), integers, and predictions of "
            "shape (batch, digits, classes), as many. Received: "
            f"{true_shape} and {predicted_shape}. Turn one-hot labels into integers by "
            "`argmax`, and reshape predictions, or stack those of several heads, along "
            "axis 1."
        )
