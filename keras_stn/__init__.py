"""Spatial transformers for Keras."""

from keras_stn import (
    analysis,
    callbacks,
    datasets,
    layers,
    metrics,
    models,
    ops,
    transforms,
)
from keras_stn.layers import AffineGrid, BilinearSampler, SpatialTransformer
from keras_stn.version import __version__

# `keras_stn.plotting` needs matplotlib and `keras_stn.tuning` needs keras_tuner, so
# they are imported by themselves.

__all__ = [
    "AffineGrid",
    "BilinearSampler",
    "SpatialTransformer",
    "__version__",
    "analysis",
    "callbacks",
    "datasets",
    "layers",
    "metrics",
    "models",
    "ops",
    "transforms",
]
