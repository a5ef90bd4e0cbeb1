"""What the samplers have in common: the derivatives of a warp."""

import functools

from keras import ops

from keras_stn.backend import with_derivatives
from keras_stn.ops.arguments import is_float


def differentiable_warp(sample, image_gradient, place_gradient):
    """Gives a sampler derivatives of its own, where it has any.

    Each keeps the images and where they are sampled, nothing of the size of the
    samples. In a graph those that are not used cost nothing.

    Args:
        sample: Takes images, places (theta or a grid) and options by keyword, among
            them `interpolation` and `fill_value`; returns samples.
        image_gradient: Takes images, of which it needs the shape, places, the
            derivative of the samples and the options; returns the derivative of the
            images.
        place_gradient: The same for the places.

    Returns:
        A function with the arguments of `sample`, to be differentiated any number of
        times.
    """

    def warp(images, places, **options):
        if options["interpolation"] == "nearest" or not is_float(images):
            return sample(images, places, **options)
        return with_derivatives(
            functools.partial(sample, **options),
            functools.partial(to_images, **options),
            functools.partial(place_gradient, **options),
        )(images, places)

    def to_images(images, places, cotangent, **options):
        # A warp is linear in the images. So the gradient to them, contracted with
        # images, is the cotangent contracted with a warp of those images.
        options = {**options, "fill_value": 0.0}

        def to_places(images, places, cotangent, direction):
            return place_gradient(direction, places, cotangent, **options)

        def to_cotangent(images, places, cotangent, direction):
            return warp(direction, places, **options)

        return with_derivatives(
            functools.partial(image_gradient, **options), None, to_places, to_cotangent
        )(images, places, cotangent)

    return warp


def to_channels_last(images, data_format):
    """Brings images to `(batch, height, width, channels)`."""
    if data_format == "channels_first":
        return ops.transpose(images, (0, 2, 3, 1))
    return images


def from_channels_last(images, data_format):
    """Brings images back to `data_format`."""
    if data_format == "channels_first":
        return ops.transpose(images, (0, 3, 1, 2))
    return images
