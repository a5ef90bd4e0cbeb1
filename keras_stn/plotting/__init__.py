"""Figures with matplotlib, each a function on arrays."""

from keras_stn.plotting.image_rows import image_rows

__all__ = ["image_rows"]
