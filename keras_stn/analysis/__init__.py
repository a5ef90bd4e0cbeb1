"""What a trained transformer has learnt, in numbers."""

from keras_stn.analysis.deming_fit import Line, deming_fit
from keras_stn.analysis.predicted_pose import (
    predicted_angle,
    predicted_scale,
    predicted_shift,
)
from keras_stn.analysis.spread import spread

__all__ = [
    "Line",
    "deming_fit",
    "predicted_angle",
    "predicted_scale",
    "predicted_shift",
    "spread",
]
