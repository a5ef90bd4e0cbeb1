"""What a trained transformer has learnt, in numbers."""

from keras_stn.analysis.alignment_gap import AlignmentGap, alignment_gap
from keras_stn.analysis.best_feature_warp import BestFeatureWarp, best_feature_warp
from keras_stn.analysis.deming_fit import Line, deming_fit
from keras_stn.analysis.predicted_pose import (
    predicted_angle,
    predicted_scale,
    predicted_shift,
)
from keras_stn.analysis.spread import spread

__all__ = [
    "AlignmentGap",
    "BestFeatureWarp",
    "Line",
    "alignment_gap",
    "best_feature_warp",
    "deming_fit",
    "predicted_angle",
    "predicted_scale",
    "predicted_shift",
    "spread",
]
