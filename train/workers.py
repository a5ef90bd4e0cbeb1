"""Which processes train together: TF_CONFIG, joining and leaving."""

import argparse
import contextlib
import json
import os
import sys
import traceback
from typing import NamedTuple

import keras

_NOT_ON_TENSORFLOW = (
    "Keras 3 cannot train on several machines on TensorFlow: `fit` fails under "
    "tf.distribute.MultiWorkerMirroredStrategy (keras-team/keras, issue 20585). Set "
    "KERAS_BACKEND=jax, which takes the same TF_CONFIG"
)
_EXAMPLE = (
    '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


class Cluster(NamedTuple):
    """Processes that train together.

    Attributes:
        addresses: `host:port` of each; the first is the chief's.
        index: Which of them this process is.
    """

    addresses: list
    index: int


def read_cluster(text):
    """Reads what `TF_CONFIG` says.

    Args:
        text: Its value, None or empty if it is not set.

    Returns:
        A `Cluster`, None if there is nothing to share the work with.

    Raises:
        ValueError: If it is not as TensorFlow documents it, or names processes that
            are neither chief nor workers.
    """
    if not text:
        return None
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        kind, index = task["type"], int(task["index"])
        addresses = [*cluster.get("chief", []), *cluster.get("worker", [])]
        is_valid = (
            set(cluster) <= {"chief", "worker"}
            and len(cluster.get("chief", [])) <= 1
            and all(":" in address for address in addresses)
            and 0 <= index < len(cluster[kind])
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        is_valid = False
    if not is_valid:
        raise ValueError(
            "TF_CONFIG must be JSON with 'cluster', lists of host:port for 'worker' "
            "and perhaps one 'chief', and 'task', one of them by 'type' and 'index'. "
            f"Expected something like {_EXAMPLE}. Received: {text}"
        )
    if kind == "worker":
        index += len(cluster.get("chief", []))
    return Cluster(addresses, index) if len(addresses) > 1 else None


def join(arguments=None):
    """Connects this process with the others that TF_CONFIG names, if they are wanted.

    JAX wants it before anything is computed, so before the command line is read in
    full.

    Args:
        arguments: The command line, of which only `--strategy` is looked at; None for
            that of the process.

    Raises:
        ValueError: If they cannot train together.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--strategy", default="auto")
    strategy = parser.parse_known_args(arguments)[0].strategy
    if strategy not in ("auto", "multi-worker"):
        return
    cluster = read_cluster(os.environ.get("TF_CONFIG"))
    if cluster is None:
        if strategy == "multi-worker":
            raise ValueError(
                "--strategy multi-worker needs the environment variable TF_CONFIG in "
                f"each process, with two workers or more, such as {_EXAMPLE}. For "
                "several devices of one machine use --strategy mirrored."
            )
        return
    backend = keras.config.backend()
    if backend != "jax":
        reason = (
            _NOT_ON_TENSORFLOW
            if backend == "tensorflow"
            else f"Keras cannot train on several machines on {backend}. Set "
            "KERAS_BACKEND=jax"
        )
        raise ValueError(
            f"TF_CONFIG names {len(cluster.addresses)} workers. {reason}; or unset "
            "TF_CONFIG to train on this machine alone."
        )
    # Else Keras agrees on a seed in a way of its own; the script sets its own later.
    keras.utils.set_random_seed(0)
    keras.distribution.initialize(
        cluster.addresses[0], len(cluster.addresses), cluster.index
    )


@contextlib.contextmanager
def failing_together():
    """Ends this process at once if it fails while it is connected with others.

    JAX would first wait minutes for the others, which wait for this one.

    Yields:
        A function that is given the exit status, and returns it if it returns.
    """

    def leave(status):
        if status and is_joined():
            _end_now(status)
        return status

    try:
        yield leave
    except Exception:
        if is_joined():
            traceback.print_exc()
            _end_now(1)
        raise


def is_joined():
    """Whether this process is connected with others."""
    if keras.config.backend() != "jax":
        return False
    import jax

    return jax.distributed.is_initialized()


def part():
    """Which of the connected processes this is, and how many there are."""
    if not is_joined():
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def part_ways():
    """Disconnects, once all are ready to; what each does after is for itself alone."""
    if is_joined():
        import jax

        jax.distributed.shutdown()


def _end_now(status):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
