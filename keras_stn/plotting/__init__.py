"""Figures with matplotlib, each a function on arrays.

They are figures of their own, not pyplot's, so none stays open. In a notebook write
`%matplotlib inline` first, or Jupyter shows only what kind of object they are.
"""

from keras_stn.plotting.angle_heat_map import angle_heat_map, angle_heat_maps
from keras_stn.plotting.channel_shift import channel_shift
from keras_stn.plotting.gap_curves import gap_curves
from keras_stn.plotting.image_rows import image_rows
from keras_stn.plotting.sampling_grid import sampling_grid
from keras_stn.plotting.theta_curves import theta_curves

__all__ = [
    "angle_heat_map",
    "angle_heat_maps",
    "channel_shift",
    "gap_curves",
    "image_rows",
    "sampling_grid",
    "theta_curves",
]
