"""Keras layers for spatial transformers.

The warp convention is stated in `keras_stn.ops`.
"""

from keras_stn.layers.affine_grid import AffineGrid
from keras_stn.layers.bilinear_sampler import BilinearSampler
from keras_stn.layers.conv2d import Conv2D
from keras_stn.layers.max_pooling2d import MaxPooling2D
from keras_stn.layers.spatial_transformer import SpatialTransformer

__all__ = [
    "AffineGrid",
    "BilinearSampler",
    "Conv2D",
    "MaxPooling2D",
    "SpatialTransformer",
]
