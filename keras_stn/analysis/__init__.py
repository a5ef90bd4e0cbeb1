"""Equation (1) in numbers, and what a trained transformer has learnt."""

from keras_stn.analysis.alignment_gap import AlignmentGap, alignment_gap
from keras_stn.analysis.best_feature_warp import BestFeatureWarp, best_feature_warp
from keras_stn.analysis.deming_fit import Line, deming_fit
from keras_stn.analysis.gap_by_depth import GapByDepth, feature_layers, gap_by_depth
from keras_stn.analysis.image_theta import image_theta
from keras_stn.analysis.letter_network import letter, letter_network
from keras_stn.analysis.predicted_pose import (
    predicted_angle,
    predicted_scale,
    predicted_shift,
)
from keras_stn.analysis.spread import spread

__all__ = [
    "AlignmentGap",
    "BestFeatureWarp",
    "GapByDepth",
    "Line",
    "alignment_gap",
    "best_feature_warp",
    "deming_fit",
    "feature_layers",
    "gap_by_depth",
    "image_theta",
    "letter",
    "letter_network",
    "predicted_angle",
    "predicted_scale",
    "predicted_shift",
    "spread",
]
