"""Searches for the transformer that suits a classifier, with KerasTuner."""

from keras_stn.tuning.dimension import Range
from keras_stn.tuning.hypermodel import SpatialTransformerHyperModel

__all__ = ["Range", "SpatialTransformerHyperModel"]
