"""Families of affine transforms: from the numbers a network predicts to theta.

The warp convention is stated in `keras_stn.ops`.
"""

from keras_stn.transforms.affine import Affine
from keras_stn.transforms.attention import Attention
from keras_stn.transforms.composed import Composed
from keras_stn.transforms.registry import NAMES, get
from keras_stn.transforms.rigid import Rigid
from keras_stn.transforms.rotation import Rotation
from keras_stn.transforms.similarity import Similarity
from keras_stn.transforms.transform import Transform
from keras_stn.transforms.translation import Translation

__all__ = [
    "NAMES",
    "Affine",
    "Attention",
    "Composed",
    "Rigid",
    "Rotation",
    "Similarity",
    "Transform",
    "Translation",
    "get",
]
