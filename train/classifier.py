"""The paper's classifiers in parts, for a search to put together anew."""

import re

from keras_stn.layers import SpatialTransformer

# What `keras_stn.models` calls the layers of block i.
_BLOCK = re.compile(r"block_(\d+)_")


class Classifier:
    """The blocks and the head of one of the paper's networks, as builders.

    Args:
        model: One of `keras_stn.models`, with a transformer that reads the image.

    Attributes:
        input_shape: Of one image.
        downsample: How many times fewer pixels a side the transformer returns.
    """

    def __init__(self, model):
        self.input_shape = tuple(model.input_shape[1:])
        transformer = model.get_layer("spatial_transformer")
        warped = tuple(transformer.output.shape[1:])
        # The side, in both data formats.
        self.downsample = self.input_shape[1] // warped[1]
        self._blocks, self._head = {}, []
        for layer in model.layers[1:]:
            if isinstance(layer, SpatialTransformer):
                continue
            match = _BLOCK.match(layer.name)
            block = self._blocks.setdefault(int(match[1]), []) if match else self._head
            block.append(layer)

    def blocks(self):
        """Returns new blocks."""
        return [
            [_fresh(layer) for layer in block]
            for _, block in sorted(self._blocks.items())
        ]

    def head(self):
        """Returns new layers that follow the last block."""
        return [_fresh(layer) for layer in self._head]


def _fresh(layer):
    return type(layer).from_config(layer.get_config())
