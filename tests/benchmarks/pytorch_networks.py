"""The paper's networks as one would write them in PyTorch, to compare speeds with.

Layers have the names that they have in `keras_stn.models`, so that weights can be taken
over by name. The sizes of what a layer reads are found at the first call.
"""

import itertools
from collections import OrderedDict

import keras
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from keras_stn.models import Variant


class SpatialTransformerNetwork(nn.Module):
    """A classifier with a transformer at layer X.

    Args:
        blocks: The classifier's body, a list of modules.
        head: What follows the last block.
        variant: `"cnn"`, `"stn_c<X>"` or `"stn_sl<X>"`.
        localization: The localisation network without its last layer.
        padding_mode: The image beyond its edges, as `grid_sample` calls it.
        downsample: By how much the transformer reduces the side of what it warps.
    """

    def __init__(self, blocks, head, variant, localization, padding_mode, downsample=1):
        super().__init__()
        self.kind, depth = Variant.parse(variant, max_depth=len(blocks))
        if self.kind == "dl":
            raise ValueError(
                "Expected one of the paper's variants 'cnn', 'stn_c<X>', 'stn_sl<X>'. "
                f"Received: variant={variant!r}"
            )
        self.first = nn.Sequential(*blocks[:depth])
        self.rest = nn.Sequential(*blocks[depth:])
        self.head = head
        self.padding_mode = padding_mode
        self.downsample = downsample
        if self.kind != "cnn":
            self.localization = localization
            self.spatial_transformer_theta = nn.LazyLinear(6)
            self.register_buffer("identity", torch.eye(2, 3).flatten())

    def forward(self, images):
        x = self.first(images)
        if self.kind == "c":
            x = self.warp(x, x)
        elif self.kind == "sl":
            x = self.first(self.warp(images, x))
        return self.head(self.rest(x))

    def warp(self, images, features):
        theta = self.spatial_transformer_theta(self.localization(features))
        theta = (theta + self.identity).view(-1, 2, 3)
        batch, channels, *size = images.shape
        size = [side // self.downsample for side in size]
        shape = (batch, channels, *size)
        grid = functional.affine_grid(theta, shape, align_corners=False)
        return functional.grid_sample(
            images, grid, padding_mode=self.padding_mode, align_corners=False
        )


def mnist(variant, task="rotation"):
    """Makes the counterpart of `keras_stn.models.mnist(variant, task)`.

    For rotation and translation, with the localisation networks that those have.
    """
    is_translation = task == "translation"
    depth = Variant.parse(variant, max_depth=2).depth
    if depth == 2:
        localization = _localization_fcn()
    elif is_translation:
        localization = _localization_cnn_t(depth)
    else:
        localization = _localization_cnn_m(depth)
    network = SpatialTransformerNetwork(
        blocks=[
            _block("block_1_conv", nn.LazyConv2d(64, 9), pool=True),
            _block("block_2_conv", nn.LazyConv2d(64, 7), pool=True),
        ],
        head=_named(flatten=nn.Flatten(), logits=nn.LazyLinear(10)),
        variant=variant,
        localization=localization,
        padding_mode="border",
        downsample=2 if is_translation else 1,
    )
    side = 60 if is_translation else 28
    network(torch.zeros(2, 1, side, side))  # Of one, none could be normalised.
    return network


def svhn(variant, width=1.0):
    """Makes the counterpart of `keras_stn.models.svhn(variant, width)`."""
    blocks = []
    for index, filters in enumerate((48, 64, 128, 160, 192, 192, 192, 192), start=1):
        convolution = nn.LazyConv2d(max(1, round(filters * width)), 5, padding=2)
        dropout = 0.5 if index > 1 else None
        blocks.append(
            _block(f"block_{index}_conv", convolution, index % 2 == 1, dropout)
        )
    units = max(1, round(3072 * width))
    network = SpatialTransformerNetwork(
        blocks=blocks,
        head=nn.Sequential(
            nn.Flatten(),
            *(_dense(f"dense_{index}", units, dropout=0.5) for index in (1, 2, 3)),
            _named(heads=nn.LazyLinear(55), logits=nn.Unflatten(1, (5, 11))),
        ),
        variant=variant,
        localization=_localization_svhn(),
        padding_mode="zeros",
    )
    network(torch.zeros(1, 3, 64, 64))
    return network


def copy_weights(model, network):
    """Gives a network of this file the weights of its Keras counterpart.

    Raises:
        ValueError: If their weights do not match one to one.
    """
    modules = {path.split(".")[-1]: x for path, x in network.named_modules()}
    channels = _channels_of_flattened_maps(model)
    parameters = {}
    for weight in model.trainable_weights:
        layer, kind = weight.path.split("/")[-2:]
        value = keras.ops.convert_to_numpy(weight.value)
        if layer in channels and kind == "kernel":
            # Keras flattens (height, width, channels), PyTorch channels first.
            value = value.reshape(-1, channels[layer], value.shape[-1])
            value = value.swapaxes(0, 1).reshape(-1, value.shape[-1])
        order = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}[value.ndim]
        module = modules[layer]
        is_weight = kind in ("kernel", "gamma")
        parameter = module.weight if is_weight else module.bias
        parameters[parameter] = np.ascontiguousarray(value.transpose(order))
    if set(parameters) != set(network.parameters()):
        raise ValueError(
            f"Expected networks with the same layers. Received: model '{model.name}' "
            f"with {len(parameters)} weights and a PyTorch network with "
            f"{len(list(network.parameters()))}."
        )
    with torch.no_grad():
        for parameter, value in parameters.items():
            if parameter.shape != value.shape:
                raise ValueError(
                    "Expected networks with weights of the same shapes. Received: "
                    f"{value.shape} from Keras, {tuple(parameter.shape)} in PyTorch."
                )
            parameter.copy_(torch.from_numpy(value))


def _channels_of_flattened_maps(model):
    """Channels of the map that a dense layer reads flattened, by the layer's name."""
    transformers = [layer for layer in model.layers if hasattr(layer, "localization")]
    return {
        dense.name: flatten.input.shape[-1]
        for network in (model, *(layer.localization for layer in transformers))
        for flatten, dense in itertools.pairwise(network.layers)
        if isinstance(flatten, keras.layers.Flatten)
    }


def _named(**modules):
    return nn.Sequential(OrderedDict(modules))


def _block(name, convolution, pool=False, dropout=None):
    modules = {name: convolution}
    if pool:
        modules["pool"] = nn.MaxPool2d(2)
    modules["relu"] = nn.ReLU(inplace=True)
    if dropout:
        modules["dropout"] = nn.Dropout(dropout)
    return _named(**modules)


def _dense(name, units, dropout=None):
    modules = {name: nn.LazyLinear(units), "relu": nn.ReLU(inplace=True)}
    if dropout:
        modules["dropout"] = nn.Dropout(dropout)
    return _named(**modules)


def _localization_fcn():
    names = [f"localization_dense_{index}" for index in (1, 2, 3)]
    return nn.Sequential(nn.Flatten(), *(_dense(name, 32) for name in names))


def _localization_cnn_m(depth):
    halve = {"halve": nn.AvgPool2d(2)} if depth == 0 else {}
    convolution = _named(
        localization_conv_1=nn.LazyConv2d(24, 5),
        relu=nn.ReLU(inplace=True),
        localization_norm_1=_normalization(nn.LazyBatchNorm2d),
        pool=nn.MaxPool2d(2),
    )
    dense = [
        _named(
            **{
                f"localization_dense_{index}": nn.LazyLinear(48),
                "relu": nn.ReLU(inplace=True),
                f"localization_norm_{index + 1}": _normalization(nn.LazyBatchNorm1d),
            }
        )
        for index in (1, 2)
    ]
    return nn.Sequential(_named(**halve), convolution, nn.Flatten(), *dense)


def _normalization(kind):
    return kind(eps=1e-3, momentum=0.01)  # Keras' defaults.


def _localization_cnn_t(depth):
    return nn.Sequential(
        _block("localization_conv_1", nn.LazyConv2d(20, 5), pool=True),
        # The map after the first block is small enough by then.
        _block("localization_conv_2", nn.LazyConv2d(20, 5), pool=depth == 0),
        nn.Flatten(),
        _dense("localization_dense_1", 20),
    )


def _localization_svhn():
    return nn.Sequential(
        _block("localization_conv_1", nn.LazyConv2d(32, 5, padding=2), pool=True),
        _block("localization_conv_2", nn.LazyConv2d(32, 5, padding=2)),
        nn.Flatten(),
        _dense("localization_dense_1", 32),
        _dense("localization_dense_2", 32),
    )
