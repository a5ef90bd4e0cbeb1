"""Times the sampler against PyTorch's kernels, and others, side by side.

    python -m tests.benchmarks.sampler [--shapes 64x64x3 ...] [--output sampler.json]

For each shape, fill mode and zoom, on random rotations, it times three things: the
warp; the warp and its gradient to theta; the warp and its gradients to theta and to the
images. It prints PyTorch's best time divided by ours, as the median over the turns that
both take, see `timing.py`: above 1 we are ahead. Each side runs as in training: ours
inside a graph-mode `tf.function` around a gradient tape, or in `jax.jit` with
`KERAS_BACKEND=jax`, which also finds a GPU; PyTorch's `affine_grid` and `grid_sample`
contiguous and channels_last, of which the better one counts. What a call of ours takes
that does nothing, of which a training step has one, is part of each and is said apart.
At zoom 1 there are others too: the same four-gather sampler without our derivatives,
JAX's `map_coordinates` and Keras' `affine_transform`, as far as they can.

`--repeats 100` checks instead that gradients are the same bits every time. Leave the
machine alone meanwhile: a busy core slows PyTorch's threads out of all proportion. On
two cores all of it takes a quarter to half an hour. `taskset -c 0 python -m ...` times
one core on Linux.
"""

import argparse
import time

import numpy as np
import torch

from tests.benchmarks import report, samplers
from tests.benchmarks.timing import compare_rounds, time_alternately
from train.platform import usable_cores

# (batch, height, width, channels) and the size of the output: those of the paper's
# networks, of an image net's input, and of feature maps in between.
SHAPES = {
    "28x28x1": ((256, 28, 28, 1), (28, 28)),
    "10x10x64": ((256, 10, 10, 64), (10, 10)),
    "60x60x1": ((128, 60, 60, 1), (30, 30)),
    "64x64x3": ((128, 64, 64, 3), (64, 64)),
    "16x16x128": ((128, 16, 16, 128), (16, 16)),
    "32x32x48": ((128, 32, 32, 48), (32, 32)),
    "224x224x3": ((16, 224, 224, 3), (224, 224)),
}
ZOOMS = (1.0, 0.5, 2.0)
FILLS = ("constant", "nearest")
# Of the largest value, for float32. A sample that rounding puts on the other side of a
# pixel has another gradient to theta: one in some ten thousand.
TOLERANCE = 1e-3
TOLERANCE_OF_THETA = 3e-2


def main(arguments=None):
    options = _parse(arguments)
    torch.set_num_threads(usable_cores())
    load = report.load()
    call = None if options.repeats else _time_of_a_call(options)
    rows = []
    for shape in options.shapes:
        for zoom in options.zooms:
            for fill in options.fills:
                case = samplers.Case.draw(*SHAPES[shape], zoom, fill)
                name = f"{shape}, zoom {zoom:g}, {fill}"
                if options.repeats:
                    print(f"{name}: {_count_different(case, options.repeats)}")
                    continue
                row = {"shape": shape, "zoom": zoom, "fill": fill, "modes": {}}
                for mode in samplers.MODES:
                    row["modes"][mode] = _time(case, mode, options.calls)
                rows.append(row)
                print(name, _describe(row), sep=": ", flush=True)
                if options.output:
                    results = {
                        "benchmark": "sampler",
                        "load": load,
                        "milliseconds_of_a_call": call,
                        "rows": rows,
                    }
                    report.write_json(options.output, results)


def _time_of_a_call(options):
    """Times a step of ours that does nothing."""
    case = samplers.Case.draw(*SHAPES[options.shapes[0]], 1.0, "constant")
    times = time_alternately({"nothing": samplers.nothing(case).run}, options.calls)
    median = times["nothing"]["median"]
    print(f"A call of ours that does nothing takes {median:.3f} ms.", flush=True)
    return median


def _time(case, mode, calls):
    """Times all sides that can do it; the best of PyTorch's is called pytorch."""
    sides = samplers.sides(case, mode)
    start = time.perf_counter()
    sides["keras_stn"].run()
    seconds = round(time.perf_counter() - start, 2)
    _compare(sides)
    times = time_alternately({name: side.run for name, side in sides.items()}, calls)
    best = min(
        (name for name in times if name.startswith("pytorch")),
        key=lambda name: times[name]["median"],
    )
    compared = {
        name: compare_rounds(times[name], times[best])
        for name in times
        if not name.startswith("pytorch")
    }
    return {
        "best_of_pytorch": best,
        "ratios": {name: round(ratio, 3) for name, (ratio, _) in compared.items()},
        "spreads": {name: round(spread, 3) for name, (_, spread) in compared.items()},
        "seconds_to_compile": seconds,
        "milliseconds": times,
    }


def _compare(sides):
    """Raises if our results are not PyTorch's, and leaves out who else has others."""
    expected = sides["pytorch contiguous"].arrays()
    for name, side in list(sides.items()):
        for what, found, reference in zip(
            ("samples", "gradient to theta", "gradient to the images"),
            side.arrays(),
            expected,
            strict=False,
        ):
            tolerance = TOLERANCE_OF_THETA if "theta" in what else TOLERANCE
            error = np.abs(found - reference).max() / max(1.0, np.abs(reference).max())
            if error < tolerance:
                continue
            message = (
                f"The {what} of {name!r} differ from PyTorch's by {error:.2g} of the "
                f"largest. Expected: less than {tolerance}."
            )
            if name == "keras_stn":
                raise AssertionError(message)
            print(message, "It is left out.", flush=True)
            sides.pop(name, None)


def _count_different(case, repeats):
    side = samplers.ours(case, "both")
    first = [array.tobytes() for array in side.arrays()]
    different = sum(
        [array.tobytes() for array in side.arrays()] != first for _ in range(repeats)
    )
    return f"{different} of {repeats} repeats differ in a bit"


def _describe(row):
    parts = []
    for mode, timing in row["modes"].items():
        others = "  ".join(
            f"{name} {ratio:.2f}"
            for name, ratio in timing["ratios"].items()
            if name != "keras_stn"
        )
        parts.append(
            f"{mode} {timing['ratios']['keras_stn']:.2f}"
            + (f" ({others})" if others else "")
        )
    return "; ".join(parts)


def _parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--zooms", nargs="+", type=float, default=ZOOMS)
    parser.add_argument("--fills", nargs="+", choices=FILLS, default=FILLS)
    parser.add_argument("--calls", type=int, default=70, help="timed calls of a side")
    parser.add_argument(
        "--repeats", type=int, default=0, help="compare the bits of so many gradients"
    )
    parser.add_argument("--output", help="a JSON file for the results")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
