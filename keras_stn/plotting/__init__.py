"""Figures with matplotlib, each a function on arrays."""

from keras_stn.plotting.angle_heat_map import angle_heat_map
from keras_stn.plotting.image_rows import image_rows

__all__ = ["angle_heat_map", "image_rows"]
