import json
import os
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_stn.datasets import TransformedMNIST
from tests.waiting import PATIENCE, wait_for
from train import workers
from train.experiment import main
from train.mnist import make_experiment
from train.strategy import Strategy, make_strategy

# A plain recipe at a low rate: Adam divides by small numbers and makes rounding errors
# large, and at 0.01 they grow tenfold an epoch.
CONFIG = """
epochs = 5
sample_epochs = 5
batch_size = 48
optimizer = "sgd"
momentum = 0.9
weight_decay = 0.0
learning_rate = 0.003
schedule = "cosine"
warmup = 0.1
localization_lr_multiplier = 0.5
"""
# Devices must be made before TensorFlow starts.
ON_TWO_CPUS = """
import sys
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
one = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [one, one])
"""
TRAIN = """
from train.experiment import main
from train.mnist import make_experiment
sys.exit(main(make_experiment))
"""
TWO_WORKERS = {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}


def tf_config(cluster, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.fixture
def arguments(data_dir, tmp_path):
    """Arguments of a run with both optimisers, but for its folder."""
    config = tmp_path / "plain.toml"
    config.write_text(CONFIG)
    return [
        *("--data-dir", str(data_dir)),
        *("--variant", "stn_sl1"),
        # Without batch normalisation, which TensorFlow does on each device by itself.
        *("--localization", "fcn"),
        *("--config", str(config)),
        *("--test-passes", "1"),
    ]


def start(command, environment, log):
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, *command],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def run(command, environment, log):
    assert start(command, environment, log).wait(timeout=PATIENCE) == 0, log.read_text()


def curve(run_dir):
    history = json.loads((run_dir / "history.json").read_text())
    names = ("loss", "error %", "theta_shift")
    return np.array([[row[name] for name in names] for row in history])


def assert_same_curve(run_dir, expected_dir):
    actual, expected = curve(run_dir), curve(expected_dir)
    assert actual.shape == expected.shape == (5, 3)
    # It goes down by more than the tolerance.
    assert expected[0, 0] - expected[-1, 0] > 0.02
    np.testing.assert_allclose(actual, expected, atol=5e-5)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_mirrored_has_the_curve_of_one_device_and_resumes(arguments, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(make_experiment, [*arguments, "--run-dir", str(one)]) == 0
    command = ["-c", ON_TWO_CPUS + TRAIN, *arguments, "--run-dir", str(two)]
    killed = start(command, os.environ, tmp_path / "killed.log")
    wait_for((two / "checkpoint.keras").exists, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    again = [*command, "--resume", "--export", "onnx"]
    run(again, os.environ, tmp_path / "resumed.log")
    assert "Resumed after epoch" in (tmp_path / "resumed.log").read_text()
    assert_same_curve(two, one)
    exports = json.loads((two / "exports.json").read_text())
    assert exports["onnx"]["difference"] < 1e-5
    result = json.loads((two / "result.json").read_text())
    assert result["strategy"] == "MirroredStrategy on 2 devices"
    assert result["passes"] == json.loads((one / "result.json").read_text())["passes"]


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_sampler_stays_compiled_on_each_mirrored_device(tmp_path):
    script = """
import keras, numpy as np, keras_stn
from train.strategy import make_strategy
try:
    make_strategy("auto", 5)
except ValueError as error:
    assert "Use 4 or 6, or --strategy none" in str(error), error
else:
    raise AssertionError("2 devices do not divide 5")
strategy = make_strategy("auto", 4)
with strategy.scope():
    model = keras_stn.models.mnist("stn_c0")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=strategy.compiles_whole_step())
    mirrored = tf.distribute.get_strategy()
    model.optimizer.build(model.trainable_variables)

@tf.function
def step():
    batch = tf.zeros((2, 28, 28, 1)), tf.zeros(2, tf.int32)
    return mirrored.run(model.train_step, args=(batch,))

graph = step.get_concrete_function().graph.as_graph_def()
nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
compiled = [n for n in nodes if "_XlaMustCompile" in n.attr]
compiled = [n for n in compiled if n.attr["_XlaMustCompile"].b]
devices = {n.device[-5:] for n in compiled}
print(len(compiled), devices)
# Forwards and backwards, for each device.
assert len(compiled) >= 4 and devices == {"CPU:0", "CPU:1"}
"""
    run(["-c", ON_TWO_CPUS + script], os.environ, tmp_path / "log")


@pytest.mark.slow
@pytest.mark.tensorflow
def test_jax_has_the_curve_of_one_device_on_eight(arguments, tmp_path, jax_alone):
    """Eight virtual devices, on a machine without TensorFlow."""
    eight = {**jax_alone, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    for name, environment in {"one": jax_alone, "eight": eight}.items():
        command = ["-m", "train.mnist", *arguments, "--run-dir", str(tmp_path / name)]
        run(command, environment, tmp_path / "log")
    assert_same_curve(tmp_path / "eight", tmp_path / "one")
    result = json.loads((tmp_path / "eight" / "result.json").read_text())
    assert result["strategy"] == "DataParallel on 8 devices"
    script = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from keras_stn.ops import affine_sample
split = NamedSharding(Mesh(jax.devices(), "batch"), PartitionSpec("batch"))

def loss(images, theta):
    return affine_sample(images, theta).sum(axis=(1, 2, 3)).mean()

arrays = np.ones((16, 9, 9, 2), "float32"), np.ones((16, 6), "float32")
step = jax.jit(jax.value_and_grad(loss, (0, 1)), in_shardings=(split, split),
               out_shardings=(None, (split, split)))
text = step.lower(*arrays).compile().as_text()
# One program for all devices, that adds up the loss and sends no image anywhere.
assert "all-reduce" in text
assert not any(word in text for word in ("all-gather", "all-to-all", "collective-p"))
"""
    run(["-c", script], eight, tmp_path / "log")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


@pytest.mark.stress
@pytest.mark.tensorflow
def test_jax_workers_have_the_curve_of_one_and_resume(arguments, tmp_path, jax_alone):
    """Two processes; one is killed, the other ends, and both resume."""
    one, two = tmp_path / "one", tmp_path / "two"
    command = ["-m", "train.mnist", *arguments, "--run-dir"]
    run([*command, str(one)], jax_alone, tmp_path / "log")

    def start_both(*more):
        cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
        return [
            start(
                [*command, str(two), *more],
                {**jax_alone, "TF_CONFIG": tf_config(cluster, index=index)},
                tmp_path / f"worker{index}.log",
            )
            for index in (0, 1)
        ]

    chief, worker = start_both()
    try:
        wait_for((two / "checkpoint.keras").exists, chief, worker)
        worker.send_signal(signal.SIGKILL)
        assert chief.wait(timeout=PATIENCE) != 0
    finally:
        chief.kill()
        worker.kill()
    assert not (two / "result.json").exists()

    both = start_both("--resume")
    try:
        for process in both:
            assert process.wait(timeout=PATIENCE) == 0
    finally:
        for process in both:
            process.kill()
    assert "Resumed after epoch" in (tmp_path / "worker1.log").read_text()
    assert_same_curve(two, one)
    result = json.loads((two / "result.json").read_text())
    assert result["strategy"] == "DataParallel on 2 devices, worker 0 of 2"
    assert not list(two.glob("unfinished*"))


def test_read_cluster():
    assert workers.read_cluster(None) is None
    assert workers.read_cluster("") is None
    assert workers.read_cluster(tf_config({"worker": ["localhost:1"]})) is None
    both = TWO_WORKERS["worker"]
    assert workers.read_cluster(tf_config(TWO_WORKERS, index=1)) == (both, 1)
    cluster = {"chief": ["10.0.0.3:1"], **TWO_WORKERS}
    assert workers.read_cluster(tf_config(cluster)) == (["10.0.0.3:1", *both], 1)
    assert workers.read_cluster(tf_config(cluster, "chief")).index == 0


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"cluster": TWO_WORKERS}),
        tf_config(TWO_WORKERS, index=2),
        tf_config(TWO_WORKERS, index=-1),
        tf_config(TWO_WORKERS, "chief"),
        tf_config({**TWO_WORKERS, "ps": ["10.0.0.3:1"]}, "ps"),
        tf_config({"worker": ["one", "two"]}),
    ],
)
def test_rejects_a_malformed_tf_config(data_dir, monkeypatch, capsys, text):
    monkeypatch.setenv("TF_CONFIG", text)
    assert main(make_experiment, ["--data-dir", str(data_dir)]) == 2
    printed = capsys.readouterr().err
    assert "TF_CONFIG must be JSON" in printed and f"Received: {text}" in printed


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--strategy", "multi-worker"], "", "needs the environment variable"),
        (["--strategy", "mirrored"], "", "needs two devices or more. Found one"),
        ([], tf_config(TWO_WORKERS), "20585). Set KERAS_BACKEND=jax"),
    ],
)
def test_says_what_is_impossible(
    small_run, tmp_path, monkeypatch, capsys, arguments, environment, message
):
    monkeypatch.setenv("TF_CONFIG", environment)
    assert main(make_experiment, [*small_run, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


class CountsTraces(keras.Model):
    traces = 0

    def train_step(self, *arguments):
        self.traces += 1
        return super().train_step(*arguments)


@pytest.mark.tensorflow
def test_the_training_step_is_traced_once(data_dir):
    _, _, experiment = make_experiment(["--data-dir", str(data_dir)])
    inputs = keras.Input((28, 28, 1))
    outputs = keras.layers.Dense(10)(keras.layers.Flatten()(inputs))
    model = CountsTraces(inputs, outputs)
    model.compile("adam", experiment.loss, metrics=experiment.new_metrics())
    images = np.zeros((20, 28, 28), "uint8")
    data = TransformedMNIST(images, np.zeros(20, int), "rotation", batch_size=10)
    Strategy().fit(model, data, epochs=2, shuffle=False, verbose=0)
    assert model.traces == 1


def test_pytorch_has_one_device(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    monkeypatch.setenv("TF_CONFIG", tf_config(TWO_WORKERS))
    with pytest.raises(ValueError, match="several machines on torch"):
        workers.join([])
    with pytest.raises(ValueError, match="needs Keras' TensorFlow or JAX backend"):
        make_strategy("mirrored", 8)
    assert type(make_strategy("auto", 7)) is Strategy
