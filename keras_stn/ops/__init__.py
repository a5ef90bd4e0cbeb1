"""Tensor functions for spatial transformers, on every Keras backend.

The warp convention, to which everything in this package refers: **every warp maps
output to input: `theta` takes the normalised coordinates of an output pixel, in
[-1, 1] with x before y and half-pixel centres, to the normalised coordinates of the
place in the input that it is sampled from.** The image's outer edges lie at -1 and 1;
with `align_corners=True` the centres of its outer pixels do. A row of four pixels:

```
half-pixel centres        |  a  |  b  |  c  |  d  |
                         -1           0           1

align_corners=True        |  a  |  b  |  c  |  d  |
                            -1        0        1
```
"""

from keras_stn.ops.affine_grid import affine_grid
from keras_stn.ops.affine_sample import affine_sample
from keras_stn.ops.grid_sample import grid_sample
from keras_stn.ops.theta import compose_theta, identity_theta, invert_theta
from keras_stn.ops.theta_in_pixels import theta_from_pixels, theta_to_pixels
from keras_stn.ops.theta_parts import ThetaParts, decompose_theta, recompose_theta

__all__ = [
    "ThetaParts",
    "affine_grid",
    "affine_sample",
    "compose_theta",
    "decompose_theta",
    "grid_sample",
    "identity_theta",
    "invert_theta",
    "recompose_theta",
    "theta_from_pixels",
    "theta_to_pixels",
]
