"""The paper's figure 1: the network of "W" and "M"."""

import keras
import numpy as np

from keras_stn import ops
from keras_stn.analysis import (
    alignment_gap,
    best_feature_warp,
    letter,
    letter_network,
)
from keras_stn.plotting import channel_shift
from train.figures.picture import write_picture

# Our choice: an image with room around the letter, which is not in the middle.
_SIDE = 21
_TOP, _LEFT = 3, 2
_HALF_TURN = np.array([[[-1, 0, 0], [0, -1, 0]]], np.float32)


def figure1(path):
    """Draws what the inverse warp makes of the feature map of a turned "W".

    Args:
        path: Where the picture is written.

    Returns:
        A dict: the alignment gap of the exact inverse, of the best affine warp and of
        the image warped back, and for each row of the picture the strongest response
        of either channel with its place, column and row.
    """
    image = np.zeros((1, _SIDE, _SIDE, 1), np.float32)
    pixels = letter("W")
    height, width = pixels.shape
    image[0, _TOP : _TOP + height, _LEFT : _LEFT + width, 0] = pixels
    if keras.config.image_data_format() == "channels_first":
        image = np.moveaxis(image, -1, 1)
    network = letter_network((_SIDE, _SIDE))

    def warp(maps):
        # The half turn is its own inverse.
        return keras.ops.convert_to_numpy(ops.affine_sample(maps, _HALF_TURN))

    def encode(images):
        return network.predict(images, verbose=0)

    turned = warp(image)
    features = [encode(image), encode(turned), warp(encode(turned))]
    features.append(encode(warp(turned)))
    images = [image, turned, None, warp(turned)]
    if keras.config.image_data_format() == "channels_first":
        features = [np.moveaxis(one, 1, -1) for one in features]
    features = np.concatenate(features)
    labels = {
        "image": "image",
        "turned": "turned\nby 180°",
        "feature_map_warped_back": "feature map\nwarped back",
        "image_warped_back": "image\nwarped back",
    }
    figure = channel_shift(
        images, features, ["channel W", "channel M"], list(labels.values())
    )
    write_picture(figure, path)
    gap = alignment_gap(network, "letters", image, _HALF_TURN)
    best = best_feature_warp(network, "letters", image, _HALF_TURN)
    return {
        "feature_warp": float(gap.feature_warp[0]),
        "best_feature_warp": float(best.gap[0]),
        "input_warp": float(gap.input_warp[0]),
        "responses": {
            name: {
                channel: _strongest(maps[..., index])
                for index, channel in enumerate("WM")
            }
            for name, maps in zip(labels, features, strict=True)
        },
    }


def _strongest(channel):
    row, column = np.unravel_index(channel.argmax(), channel.shape)
    return {
        "value": round(float(channel.max()), 4),
        "place": [int(column), int(row)] if channel.max() > 0 else None,
    }
