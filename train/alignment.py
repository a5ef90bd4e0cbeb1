"""What a trained transformer makes of the images."""

import keras

from keras_stn.analysis import image_theta
from keras_stn.models.transformers import find_transformer
from keras_stn.ops import affine_sample


def align(model, images):
    """Warps images by the theta that a model predicts for them.

    Also where a feature map is warped, its theta is applied to the image, in the
    image's coordinates, as in the paper's Figure 2. The image beyond its edges is what
    it is to the model's transformer.

    Args:
        model: A model with one `SpatialTransformer`.
        images: Array of shape `(batch, height, width, channels)`, in the transformer's
            data format.

    Returns:
        Array of the shape of `images`, and theta of shape `(batch, 2, 3)`.

    Raises:
        ValueError: If the model has no transformer, or several.
    """
    transformer = find_transformer(model)
    theta = image_theta(model, images)
    aligned = affine_sample(
        images,
        theta,
        fill_mode=transformer.fill_mode,
        fill_value=transformer.fill_value,
        data_format=transformer.data_format,
    )
    return keras.ops.convert_to_numpy(aligned), theta


def alignment_rows(model, images):
    """The images, and below, if the model has a transformer, what it makes of them.

    Args:
        model: One of the paper's networks.
        images: What `align` takes.

    Returns:
        A dict from the name of a row to its images, in the range of `images`.
    """
    rows = {"input": images}
    if model.name != "cnn":
        rows["aligned"], _ = align(model, images)
    return rows
