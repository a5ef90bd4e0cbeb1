"""An independent reference for grids and sampling, in float64 NumPy.

Written from the definitions, not from the package: an image is continued over all whole
pixels as its fill mode says, and what lies between four pixels is interpolated from
them. (The package folds coordinates instead.) Images are channels last.
"""

import numpy as np


def affine_grid(theta, size, align_corners=False):
    """Returns the grid of `theta`, shape (batch, height, width, 2)."""
    height, width = size
    theta = np.asarray(theta, "float64").reshape(-1, 2, 3)
    y, x = np.meshgrid(
        pixel_centres(height, align_corners),
        pixel_centres(width, align_corners),
        indexing="ij",
    )
    points = np.stack([x, y, np.ones_like(x)], axis=-1)
    return np.einsum("bij,hwj->bhwi", theta, points)


def pixel_centres(side, align_corners=False):
    """Returns the normalised coordinates of the pixels along one axis."""
    if not align_corners:
        return (2 * np.arange(side) + 1) / side - 1
    return np.linspace(-1, 1, side) if side > 1 else np.zeros(1)


def to_pixels(grid, size, align_corners=False):
    """Returns the pixel coordinates x and y of a grid; pixel centres are whole."""
    grid = np.asarray(grid, "float64")
    height, width = size
    if align_corners:
        return (grid[..., 0] + 1) / 2 * (width - 1), (grid[..., 1] + 1) / 2 * (
            height - 1
        )
    return (
        ((grid[..., 0] + 1) * width - 1) / 2,
        ((grid[..., 1] + 1) * height - 1) / 2,
    )


def from_pixels(x, y, size, align_corners=False):
    """Returns the float64 grid whose pixel coordinates are x and y."""
    height, width = size
    offset, extents = (0, (width - 1, height - 1)) if align_corners else (1, size[::-1])
    return np.stack(
        [
            (2 * np.asarray(pixels, "float64") + offset) / extent - 1
            for pixels, extent in zip((x, y), extents, strict=True)
        ],
        axis=-1,
    )


def grid_sample(
    images,
    grid,
    interpolation="bilinear",
    fill_mode="constant",
    fill_value=0.0,
    align_corners=False,
):
    """Samples `images` at `grid`; the result is float64."""
    images = np.asarray(images, "float64")
    x, y = to_pixels(grid, images.shape[1:3], align_corners)
    return sample_pixels(images, x, y, interpolation, fill_mode, fill_value)


def affine_sample(images, theta, size=None, align_corners=False, **options):
    """Warps `images` by `theta`; the result is float64."""
    grid = affine_grid(theta, size or np.shape(images)[1:3], align_corners)
    return grid_sample(images, grid, align_corners=align_corners, **options)


def sample_pixels(
    images, x, y, interpolation="bilinear", fill_mode="constant", fill_value=0.0
):
    """Samples `images` at pixel coordinates x, y of shape (batch, height, width)."""
    images = np.asarray(images, "float64")
    read = _nearest if interpolation == "nearest" else _bilinear
    return np.stack(
        [
            read(image, columns, rows, fill_mode, fill_value)
            for image, columns, rows in zip(images, x, y, strict=True)
        ]
    )


def lattice_distance(*pixels):
    """Returns the distance of pixel coordinates from the nearest whole number."""
    return min(np.abs(array - np.round(array)).min() for array in pixels)


def half_distance(*pixels):
    """Returns for each sample how far its coordinates are from half pixels."""
    return np.min([np.abs(array - np.floor(array) - 0.5) for array in pixels], axis=0)


def _bilinear(image, x, y, fill_mode, fill_value):
    left, top = np.floor(x).astype("int64"), np.floor(y).astype("int64")
    total = 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row))
            pixels = _continued(image, column, row, fill_mode, fill_value)
            total = total + weight[..., None] * pixels
    return total


def _nearest(image, x, y, fill_mode, fill_value):
    column, row = np.round(x).astype("int64"), np.round(y).astype("int64")
    return _continued(image, column, row, fill_mode, fill_value)


def _continued(image, column, row, fill_mode, fill_value):
    """Reads whole pixels of the image continued beyond its edges."""
    height, width, _ = image.shape
    values = image[_source(row, height, fill_mode), _source(column, width, fill_mode)]
    if fill_mode == "constant":
        outside = (row < 0) | (row >= height) | (column < 0) | (column >= width)
        values[outside] = fill_value
    return values


def _source(index, side, fill_mode):
    """Returns which pixel is repeated at each whole index along one axis."""
    forth = np.arange(side)
    if fill_mode == "reflect":
        sequence = np.concatenate([forth, forth[::-1]])
    elif fill_mode == "mirror":
        sequence = np.concatenate([forth, forth[-2:0:-1]])
    else:
        return np.clip(index, 0, side - 1)
    return sequence[index % len(sequence)]
