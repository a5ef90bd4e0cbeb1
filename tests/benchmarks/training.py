"""Compares whole training steps with those of the same networks in PyTorch.

    python -m tests.benchmarks.training [--networks mnist] [--output FILE]

A step is the forward pass, the loss, the gradients and an update by SGD with momentum,
on one batch that is on the device already. Ours is what `fit` runs, compiled as the
training scripts have it. PyTorch runs eagerly and compiled, with maps contiguous and
channels last; the fastest of these counts. The sides take turns, see `timing.py`, and
the ratio is the median of those of the turns, with half the distance of its quartiles.

Before a network is timed, both sides make a few steps from the same weights, without
dropout; a network whose losses then differ by more than a thousandth is not timed.

With `KERAS_BACKEND=jax` and a GPU, both sides run on that. Fewer `--calls`, a smaller
`--svhn-width` and `--skip-compiled` make it shorter.

Run it on an idle machine: next to one busy process on two cores PyTorch became up to
ten times slower and TensorFlow two times, as PyTorch's threads wait for each other at
every operation. A row takes one to five minutes there.
"""

import argparse
import copy
import itertools
import math
import sys
from typing import NamedTuple

import keras
import numpy as np
import torch
from torch.nn import functional

import keras_stn
from keras_stn.models import Variant
from tests.benchmarks import pytorch_networks, report
from tests.benchmarks.timing import compare_rounds, time_alternately
from train.options import positive_float, positive_int
from train.platform import accelerators, compiles_whole_step, usable_cores


class Network(NamedTuple):
    """What the paper's experiments have in common on a data set.

    Attributes:
        builder: Name of the function that makes it, here and in PyTorch.
        options: What that takes.
        depth: Number of blocks.
        image_shape: `(height, width, channels)`.
        labels_shape: Shape of the labels of an image.
        classes: Number of classes.
        variants: The paper's; X is where its tables have it.
        batch_size: Jaderberg et al.'s.
    """

    builder: str
    options: dict
    depth: int
    image_shape: tuple
    labels_shape: tuple
    classes: int
    variants: tuple
    batch_size: int


ON_ROTATED_DIGITS = Network(
    builder="mnist",
    options={},
    depth=2,
    image_shape=(28, 28, 1),
    labels_shape=(),
    classes=10,
    variants=("cnn", "stn_c0", "stn_c1", "stn_sl1"),
    batch_size=256,
)
NETWORKS = {
    "mnist": ON_ROTATED_DIGITS,
    "mnist-translation": ON_ROTATED_DIGITS._replace(
        options={"task": "translation"}, image_shape=(60, 60, 1)
    ),
    "svhn": Network(
        builder="svhn",
        options={},
        depth=8,
        image_shape=(64, 64, 3),
        labels_shape=(5,),
        classes=11,
        variants=("cnn", "stn_c0", "stn_c3", "stn_sl3"),
        batch_size=128,
    ),
}

# Our choice: so small that training on random labels stays stable.
LEARNING_RATE = 1e-3
MOMENTUM = 0.9

# Our choice. The second loss sees the gradients; later ones also how rounding decides
# between the two sides of a kink. With these weights of the layer that regresses theta
# a wrong fill mode, corner convention or gradient differs by more than the tolerance,
# while what is right agrees to some 1e-5, or 1e-7 without such a decision.
COMPARED_STEPS = 2
TOLERANCE = 1e-3
THETA_WEIGHTS = 0.02

# Timed and untimed steps in a turn. Steps are long, and a turn is short, so that all
# sides of a round meet the same machine.
BLOCK = (5, 2)

LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
# Modes of `torch.compile`.
MODES = {"eager": None, "compiled": "default"}
MODES_ON_GPU = {**MODES, "compiled with CUDA graphs": "reduce-overhead"}


def networks(name, variant, width):
    """Returns our network and PyTorch's, with the same weights."""
    keras.utils.set_random_seed(0)
    builder, options = NETWORKS[name].builder, NETWORKS[name].options
    if name == "svhn":
        options = {"width": width}
    model = getattr(keras_stn.models, builder)(variant, **options)
    generator = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if weight.path.endswith("kernel"):
            # Of a size (He et al.'s) by which the loss sees all of the network.
            size = math.sqrt(2 / math.prod(weight.shape[:-1]))
            if "spatial_transformer_theta" in weight.path:
                size = THETA_WEIGHTS
            weight.assign(generator.normal(0, size, weight.shape))
    network = getattr(pytorch_networks, builder)(variant, **options)
    pytorch_networks.copy_weights(model, network)
    return model, network


def random_batch(name, batch_size):
    side, _, channels = NETWORKS[name].image_shape
    generator = np.random.default_rng(0)
    # Smooth, as in noise the smallest step of theta changes everything.
    coarse_shape = (batch_size, side // 4, side // 4, channels)
    coarse = generator.standard_normal(coarse_shape, dtype="float32")
    images = keras.ops.image.resize(coarse, (side, side), interpolation="bicubic")
    images = np.array(keras.ops.convert_to_numpy(images))  # Writable, as PyTorch asks.
    labels = generator.integers(
        0, NETWORKS[name].classes, (batch_size, *NETWORKS[name].labels_shape)
    )
    return images, labels.astype("int32")


def keras_step(model, batch):
    """Returns a function that makes one step of `fit`.

    It returns, when it is done, the mean loss of its steps so far, as Keras counts it.
    """
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=compiles_whole_step(),
    )
    model.make_train_function()
    batches = itertools.repeat(tuple(map(keras.ops.convert_to_tensor, batch)))
    if keras.config.backend() == "jax":
        return _jax_step(model, batches)
    return lambda: float(model.train_function(batches)["loss"])


def _jax_step(model, batches):
    import jax

    model.optimizer.build(model.trainable_variables)
    # Copies, as a step gives away the memory of the state that it takes.
    state = tuple(
        [jax.numpy.copy(variable.value) for variable in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
    )

    def step():
        nonlocal state
        logs, state = model.train_function(state, batches)
        jax.block_until_ready(state)
        return float(logs["loss"])

    return step


def pytorch_step(network, batch, device, layout="contiguous", mode=None):
    """Returns a function that makes one step with a copy of a network.

    It returns the loss of that step when it is done.
    """
    network = copy.deepcopy(network).to(device, memory_format=LAYOUTS[layout])
    images, labels = (torch.from_numpy(array).to(device) for array in batch)
    images = images.movedim(-1, 1).contiguous(memory_format=LAYOUTS[layout])
    labels = labels.long().flatten()
    optimizer = torch.optim.SGD(
        network.parameters(), LEARNING_RATE, MOMENTUM, fused=True
    )

    def loss_of(images, labels):
        return functional.cross_entropy(network(images).flatten(0, -2), labels)

    if mode is not None:
        loss_of = torch.compile(loss_of, mode=mode)

    def step():
        optimizer.zero_grad()
        loss = loss_of(images, labels)
        loss.backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        return loss.item()

    return step


def pytorch_steps(network, batch, device, compiled):
    """Returns a step for each of PyTorch's settings that works here, by its name."""
    torch.compiler.reset()  # Or it gives up compiling after some networks.
    modes = MODES if device == "cpu" else MODES_ON_GPU
    steps = {}
    for (mode_name, mode), layout in itertools.product(modes.items(), LAYOUTS):
        if mode is not None and not compiled:
            continue
        step = pytorch_step(network, batch, device, layout, mode)
        try:
            for _ in range(3):  # CUDA graphs are recorded in the second.
                step()
        except Exception as error:
            if mode is None:
                raise
            reason = str(error).strip().partition("\n")[0]
            print(f"PyTorch {mode_name}, {layout}, is left out: {reason}")
            continue
        steps[f"{mode_name}, {layout}"] = step
    return steps


def loss_difference(model, network, batch, device):
    """Relative difference of the losses of a few steps without dropout, the largest."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    our_step = keras_step(model, batch)
    their_step = pytorch_step(network, batch, device)
    ours = [our_step() for _ in range(COMPARED_STEPS)]
    theirs = np.cumsum([their_step() for _ in range(COMPARED_STEPS)])
    theirs /= np.arange(COMPARED_STEPS) + 1
    return float(np.max(np.abs(ours / theirs - 1)))


def compare(name, variant, width, batch_size, device, options):
    """Compares one network; returns what is known of it as a dictionary."""
    batch = random_batch(name, batch_size)
    result = {"network": name, "variant": variant, "batch_size": batch_size}
    if name == "svhn":
        result["width"] = width
    difference = loss_difference(*networks(name, variant, width), batch, device)
    result["loss_difference"] = difference
    # Not the other way round, as it may be NaN.
    if not difference <= TOLERANCE:
        return result
    model, network = networks(name, variant, width)
    sides = {"keras_stn": keras_step(model, batch)}
    sides |= pytorch_steps(network, batch, device, not options.skip_compiled)
    times = time_alternately(sides, options.calls, *BLOCK)
    ours, *theirs = times
    best = min(theirs, key=lambda setting: times[setting]["median"])
    ratio, spread = compare_rounds(times[ours], times[best])
    return {
        **result,
        "keras_stn": round(batch_size / times[ours]["median"] * 1e3, 1),
        "pytorch": round(batch_size / times[best]["median"] * 1e3, 1),
        "pytorch_best": best,
        "ratio": round(ratio, 3),
        "ratio_spread": round(spread, 3),
        "milliseconds": times,
    }


def print_row(result):
    cells = f"{result['network']:<17} {result['variant']:<8} "
    if "ratio" in result:
        cells += f"{result['keras_stn']:>11,.0f} {result['pytorch']:>11,.0f} "
        cells += f"{result['ratio']:>6.2f} {result['ratio_spread']:>6.2f} "
        cells += f"{result['loss_difference']:>13.0e}  "
        cells += result["pytorch_best"]
    else:
        cells += f"not timed: the losses differ by {result['loss_difference']:.1e}"
    print(cells, flush=True)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    add("--variants", nargs="+", help="by default those of the paper's tables")
    add("--batch", type=positive_int, help="by default 256, of house numbers 128")
    add("--svhn-width", type=positive_float, help="by default 0.25, on a GPU 1")
    add("--calls", type=positive_int, default=70, help="timed steps of each side")
    add("--skip-compiled", action="store_true", help="no torch.compile")
    add("--output", help="JSON file for the results")
    options = parser.parse_args(arguments)
    if keras.config.backend() not in ("tensorflow", "jax"):
        parser.error(
            "set KERAS_BACKEND to tensorflow or jax; PyTorch is the other side"
        )
    for name, variant in itertools.product(options.networks, options.variants or ()):
        try:
            if Variant.parse(variant, NETWORKS[name].depth).kind == "dl":
                parser.error(f"'{variant}' is not among the networks in PyTorch")
        except ValueError as error:
            parser.error(f"{name}: {error}")
    return options


def main(arguments=None):
    options = parse(arguments)
    load = report.load()  # Before this program adds to it.
    torch.set_num_threads(usable_cores())
    device = "cuda" if accelerators() and torch.cuda.is_available() else "cpu"
    if device == "cuda":
        # What XLA does by itself: tries several algorithms, multiplies in TF32.
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    # On a CPU a step of the whole network takes many seconds.
    width = options.svhn_width or (0.25 if device == "cpu" else 1.0)
    for name, value in report.machine().items():
        print(f"{name}: {value}")
    print(f"load at the start: {load}; PyTorch's device: {device}; {width=:g} of SVHN")
    print(
        f"{'images/s':<26} {'keras_stn':>11} {'PyTorch':>11} {'ratio':>6} {'+-':>6} "
        f"{'loss differs':>13}  PyTorch's best",
        flush=True,
    )
    results = []
    for name in options.networks:
        batch_size = options.batch or NETWORKS[name].batch_size
        for variant in options.variants or NETWORKS[name].variants:
            results.append(compare(name, variant, width, batch_size, device, options))
            print_row(results[-1])
            if options.output:  # What there is so far.
                contents = {"benchmark": "training", "load": load, "networks": results}
                report.write_json(options.output, contents)
    return int(any("ratio" not in result for result in results))


if __name__ == "__main__":
    sys.exit(main())
