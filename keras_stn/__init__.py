"""Spatial transformers for Keras."""

from keras_stn import layers, models, ops, transforms
from keras_stn.layers import AffineGrid, BilinearSampler, SpatialTransformer
from keras_stn.version import __version__

__all__ = [
    "AffineGrid",
    "BilinearSampler",
    "SpatialTransformer",
    "__version__",
    "layers",
    "models",
    "ops",
    "transforms",
]
