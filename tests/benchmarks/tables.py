"""Prints the documents' tables of speed from the stored results.

    python -m tests.benchmarks.tables

A test compares them with `README.md` and `tests/benchmarks/README.md`.
"""

import json
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
MODES = ("forward", "theta", "both")


def sampler_table(path=RESULTS / "sampler.json"):
    """Markdown of PyTorch's time divided by ours for each shape, zoom and fill mode."""
    rows = json.loads(Path(path).read_text(encoding="utf-8"))["rows"]
    fills = list(dict.fromkeys(row["fill"] for row in rows))
    lines = [
        "| images, zoom | "
        + " | ".join(f"`{fill}`: warp | + theta | + images" for fill in fills)
        + " |",
        "|---|" + "---|" * (len(MODES) * len(fills)),
    ]
    found = {
        (f"{row['shape']}, {row['zoom']:g}", row["fill"]): row["modes"] for row in rows
    }
    for name in dict.fromkeys(name for name, _ in found):
        cells = [
            f"{found[name, fill][mode]['ratios']['keras_stn']:.2f}"
            if (name, fill) in found
            else "not run"
            for fill in fills
            for mode in MODES
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def one_core_table():
    """The same from one core."""
    return sampler_table(RESULTS / "sampler_one_core.json")


def jax_table():
    """The same on the JAX backend."""
    return sampler_table(RESULTS / "sampler_jax.json")


def kept_table():
    """The same where the C library keeps memory for the next call."""
    return sampler_table(RESULTS / "sampler_kept.json")


def jax_kept_table():
    """The same on the JAX backend."""
    return sampler_table(RESULTS / "sampler_jax_kept.json")


def avx2_table():
    """The same from a processor with AVX2, by an earlier version."""
    return sampler_table(RESULTS / "sampler_avx2.json")


def training_table(
    paths=(
        RESULTS / "training_mnist.json",
        RESULTS / "training_mnist_translation.json",
        RESULTS / "training_svhn.json",
    ),
):
    """Markdown of training steps: images per second and how much more than PyTorch."""
    networks = [
        row
        for path in paths
        for row in json.loads(Path(path).read_text(encoding="utf-8"))["networks"]
    ]
    lines = [
        "| network | images/s | PyTorch's best | ratio | which that was |",
        "|---|---|---|---|---|",
    ]
    for row in networks:
        ratio = f"{row['ratio']:.2f} ± {row['ratio_spread']:.2f}"
        lines.append(
            f"| {row['network']} `{row['variant']}` | {row['keras_stn']:,.0f} | "
            f"{row['pytorch']:,.0f} | {ratio} | {row['pytorch_best']} |"
        )
    return "\n".join(lines)


def memory_table(path=RESULTS / "memory.json"):
    """Markdown of peak memory for a batch, beside PyTorch's better one."""
    rows = json.loads(Path(path).read_text(encoding="utf-8"))["rows"]
    lines = ["| images | ours, MiB | PyTorch's least |", "|---|---|---|"]
    for row in rows:
        ours, *others = row["mebibytes"].values()
        lines.append(f"| {row['shape']} | {ours:.0f} | {min(others):.0f} |")
    return "\n".join(lines)


def main():
    for table in (
        sampler_table,
        one_core_table,
        jax_table,
        kept_table,
        jax_kept_table,
        avx2_table,
        training_table,
        memory_table,
    ):
        print(table(), end="\n\n")


if __name__ == "__main__":
    main()
