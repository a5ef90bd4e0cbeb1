import copy
import os
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from keras_stn.datasets import RotationTask, TransformedMNIST, TranslationTask
from tests.waiting import PATIENCE


def make(digits, labels, task="translation", batch_size=8, **options):
    return TransformedMNIST(digits, labels, task, batch_size, **options)


def content(batch):
    return [part.tobytes() for part in batch]


def whole_pass(data):
    return [content(batch) for batch in data]


class Fingerprint(keras.callbacks.Callback):
    """Records one number for each batch the model sees, from its running loss."""

    def __init__(self):
        super().__init__()
        self.passes = []

    def start(self, *args):
        self.passes.append([])

    def record(self, batch, logs):
        self.passes[-1].append(float(logs["loss"]))

    on_epoch_begin = on_test_begin = start
    on_train_batch_end = on_test_batch_end = record

    def seen(self):
        means = np.array(self.passes)
        sums = means * np.arange(1, means.shape[1] + 1)
        return np.diff(sums, axis=1, prepend=0)


def fingerprint_model(built):
    """A model that does not learn and whose loss is a fingerprint of the batch."""
    layers = [keras.Input((60, 60, 1))] if built else []
    kernel = np.sin(np.arange(3600.0)[:, None]).astype("float32")
    layers += [
        keras.layers.Flatten(),
        keras.layers.Dense(1, kernel_initializer=lambda shape, dtype: kernel),
    ]
    model = keras.Sequential(layers)

    def loss(y_true, y_pred):
        y_true = keras.ops.cast(y_true, "float32")
        return keras.ops.mean(y_pred * (1 + keras.ops.reshape(y_true, (-1, 1))))

    model.compile(keras.optimizers.SGD(0.0), loss=loss)
    return model


def expected_fingerprints(data, passes):
    kernel = np.sin(np.arange(3600.0))
    data = copy.copy(data)
    result = []
    for data.pass_index in passes:
        result.append(
            [
                np.mean((images.reshape(len(images), -1) @ kernel) * (1 + labels))
                for images, labels in data
            ]
        )
    return np.array(result)


def assert_seen(callback, data, passes):
    expected = expected_fingerprints(data, passes)
    np.testing.assert_allclose(callback.seen(), expected, atol=2e-2)
    # The tolerance tells batches apart.
    apart = np.abs(expected.reshape(-1, 1) - expected.reshape(1, -1))
    assert apart[~np.eye(expected.size, dtype=bool)].min() > 5e-2


def test_batches(digits, labels):
    data = make(digits[:30], labels[:30])
    assert len(data) == 4
    batches = list(data)
    assert [len(images) for images, _ in batches] == [8, 8, 8, 6]
    for images, classes in batches:
        assert images.shape[1:] == (60, 60, 1)
        assert images.dtype == np.float32
        assert classes.dtype == np.int32
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), labels[:30])


def test_the_same_as_the_task_itself(digits, labels):
    data = make(digits, labels, "rotation", with_applied=True)
    images, classes, applied = data[2]
    np.testing.assert_array_equal(classes, labels[16:24])
    expected = RotationTask().render(digits[16:24], applied)
    np.testing.assert_array_equal(images, expected)


def test_drop_remainder(digits, labels):
    data = make(digits[:30], labels[:30], drop_remainder=True)
    assert [len(images) for images, _ in data] == [8, 8, 8]


def test_shuffle_is_a_new_order_in_each_pass(digits, labels):
    numbers = np.arange(40)
    data = make(digits, numbers, shuffle=True)
    orders = []
    for data.pass_index in (0, 1):
        orders.append(np.concatenate([y for _, y in data]))
        np.testing.assert_array_equal(np.sort(orders[-1]), numbers)
    assert (orders[0] != orders[1]).any()
    assert (orders[0] != numbers).any()
    # Images go with their labels.
    data = make(digits, numbers, "rotation", shuffle=True, with_applied=True)
    images, classes, applied = data[3]
    expected = RotationTask().render(digits[classes], applied)
    np.testing.assert_array_equal(images, expected)


def test_one_seed_one_result(digits, labels):
    first = whole_pass(make(digits, labels, shuffle=True, seed=5))
    assert whole_pass(make(digits, labels, shuffle=True, seed=5)) == first
    others = (
        make(digits, labels, shuffle=True, seed=6),
        make(digits, labels, shuffle=True, seed=5, split="test"),
        make(digits, labels, shuffle=True, seed=5, first_pass=1),
    )
    for other in others:
        assert not {batch[0] for batch in first} & {b[0] for b in whole_pass(other)}


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("task", ["rotation", "translation"])
def test_neither_order_nor_threads_matter(digits, labels, prefetch, task):
    data = make(digits, labels, task, prefetch=prefetch)
    expected = whole_pass(make(digits, labels, task, prefetch=0))
    assert whole_pass(data) == expected
    assert whole_pass(data) == expected
    assert content(data[3]) == expected[3]
    assert content(data[-1]) == expected[-1]
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda i: content(data[i]), [4, 1, 0, 3, 2, 1, 0]))
    assert read == [expected[i] for i in [4, 1, 0, 3, 2, 1, 0]]


def test_last_batch_does_not_depend_on_being_cut(digits, labels):
    images, classes = make(digits[:30], labels[:30])[3]
    assert len(images) == len(classes) == 6
    assert np.isfinite(images).all()


def test_fewer_images_than_a_batch(digits, labels):
    data = make(digits[:3], labels[:3], batch_size=256)
    assert len(data) == 1
    assert len(data[0][0]) == 3


def test_passes_are_counted_when_they_are_complete(digits, labels):
    data = make(digits, labels)
    data.on_epoch_end()
    assert data.pass_index == 0
    data[0], data[1]
    data.on_epoch_end()
    assert data.pass_index == 0
    first = whole_pass(data)
    data.on_epoch_end()
    assert data.pass_index == 1
    second = whole_pass(data)
    assert not {batch[0] for batch in first} & {batch[0] for batch in second}
    resumed = make(digits, labels, first_pass=1)
    assert whole_pass(resumed) == second


def test_pass_index_can_be_set(digits, labels):
    data = make(digits, labels)
    first = whole_pass(data)
    data.pass_index = 3
    assert whole_pass(data) == whole_pass(make(digits, labels, first_pass=3))
    data.pass_index = 0
    assert whole_pass(data) == first


def test_clutter_from_training_images(digits, labels):
    white = np.full((2, 28, 28), 255, np.uint8)
    black = np.zeros_like(digits)
    images, _ = make(black, labels, clutter_from=white)[0]
    task = TranslationTask()
    assert (images * task.std + task.mean).max() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("built", [False, True])
def test_fit_sees_new_draws_in_each_epoch(digits, labels, built):
    data = make(digits, labels, shuffle=True)
    callback = Fingerprint()
    model = fingerprint_model(built)
    model.fit(data, epochs=2, shuffle=False, verbose=0, callbacks=[callback])
    # And a second call goes on where the first has ended.
    model.fit(data, epochs=1, shuffle=False, verbose=0, callbacks=[callback])
    assert_seen(callback, data, [0, 1, 2])
    assert data.pass_index == 3


def test_resumed_fit_sees_what_an_uninterrupted_one_sees(digits, labels):
    data = make(digits, labels, shuffle=True, first_pass=1)
    callback = Fingerprint()
    fingerprint_model(built=True).fit(
        data,
        initial_epoch=1,
        epochs=3,
        shuffle=False,
        verbose=0,
        callbacks=[callback],
    )
    assert_seen(callback, data, [1, 2])


@pytest.mark.parametrize("built", [False, True])
def test_evaluate_sees_new_draws_in_each_call(digits, labels, built):
    data = make(digits, labels, split="test")
    callback = Fingerprint()
    model = fingerprint_model(built)
    for _ in range(3):
        model.evaluate(data, verbose=0, callbacks=[callback])
    assert_seen(callback, data, [0, 1, 2])


def test_validation_in_fit_sees_new_draws(digits, labels):
    train, test = make(digits, labels), make(digits, labels, split="test")
    callback = Fingerprint()
    model = fingerprint_model(built=False)
    model.fit(
        train,
        validation_data=test,
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[callback],
    )
    seen = callback.seen()
    for rows, data in ((seen[::2], train), (seen[1::2], test)):
        expected = expected_fingerprints(data, [0, 1])
        np.testing.assert_allclose(rows, expected, atol=2e-2)


def test_fit_that_shuffles_batches_still_sees_each_once(digits, labels):
    data = make(digits, labels)
    callback = Fingerprint()
    fingerprint_model(built=True).fit(
        data, epochs=2, shuffle=True, verbose=0, callbacks=[callback]
    )
    expected = expected_fingerprints(data, [0, 1])
    np.testing.assert_allclose(
        np.sort(callback.seen(), 1), np.sort(expected, 1), atol=2e-2
    )


def test_epochs_shorter_than_a_pass(digits, labels):
    data = make(digits, labels)
    callback = Fingerprint()
    # Five batches in a pass: 0 1 | 2 3 | 4 and so on would need a third epoch.
    with pytest.warns(UserWarning, match="ran out of data"):
        fingerprint_model(built=True).fit(
            data,
            epochs=3,
            steps_per_epoch=2,
            shuffle=False,
            verbose=0,
            callbacks=[callback],
        )
    callback.passes[-1] += [0.0] * (2 - len(callback.passes[-1]))
    seen = callback.seen().ravel()[:5]
    expected = expected_fingerprints(data, [0])[0]
    np.testing.assert_allclose(seen, expected, atol=2e-2)
    assert data.pass_index == 1


def test_predict_takes_the_images(digits, labels):
    data = make(digits, labels, with_applied=True)
    assert fingerprint_model(built=True).predict(data, verbose=0).shape == (40, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": np.zeros((4, 28, 28))}, "`images`.*Received: dtype=float64"),
        ({"images": np.zeros((0, 28, 28), np.uint8)}, "at least one image"),
        ({"labels": np.zeros(3, int)}, r"`labels`.*\(40,\).*shape=\(3,\)"),
        ({"labels": np.full(40, 0.9)}, "`labels` must be integers.*dtype=float64"),
        ({"labels": np.arange(40) - 3}, "from 0 on.*from -3 to 36"),
        ({"labels": np.arange(40) + 2**32}, "from 4294967296 to"),
        ({"labels": ["3"] * 40}, "`labels` must be integers.*dtype=<U1"),
        ({"task": "shear"}, "Received: 'shear'"),
        ({"batch_size": 0}, "`batch_size`.*Received: batch_size=0"),
        ({"batch_size": 2.5}, "`batch_size`.*Received: batch_size=2.5"),
        ({"seed": -1}, "`seed`.*Received: seed=-1"),
        ({"seed": None}, "`seed`.*Received: seed=None"),
        ({"split": "validation"}, "`split`.*Received: 'validation'"),
        ({"first_pass": -1}, "`pass_index`.*Received: pass_index=-1"),
        ({"prefetch": -1}, "`prefetch`.*Received: prefetch=-1"),
        ({"clutter_from": np.zeros((4, 28, 28))}, "`clutter_from`"),
        ({"batch_size": 41, "drop_remainder": True}, "leaves nothing of 40"),
    ],
)
def test_wrong_arguments(digits, labels, options, message):
    arguments = {"images": digits, "labels": labels, "task": "rotation", **options}
    with pytest.raises(ValueError, match=message):
        TransformedMNIST(**arguments)


def test_index_out_of_range(digits, labels):
    with pytest.raises(IndexError):
        make(digits, labels)[5]


def test_pickle(digits, labels):
    data = make(digits, labels, shuffle=True)
    expected = whole_pass(data)
    assert whole_pass(pickle.loads(pickle.dumps(data))) == expected


@pytest.mark.slow
def test_without_tensorflow(tmp_path, arrays):
    pytest.importorskip("jax")
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    program = """
        import sys, warnings

        class Blocker:
            def find_spec(self, name, path=None, target=None):
                blocked = ("tensorflow", "tensorflow_datasets", "torch")
                if name.split(".")[0] in blocked:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Blocker())
        warnings.simplefilter("ignore")
        import keras
        from keras_stn.datasets import TransformedMNIST, load_mnist

        mnist = load_mnist(sys.argv[1])
        for task in ("rotation", "translation", "scale"):
            data = TransformedMNIST(mnist.x_train, mnist.y_train, task, batch_size=8)
            shape = data[0][0].shape
            model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
            model.compile("sgd", "sparse_categorical_crossentropy")
            model.fit(data, epochs=2, shuffle=False, verbose=0)
            assert data.pass_index == 2
        assert keras.backend.backend() == "jax"
        assert "tensorflow" not in sys.modules
        print("done")
    """
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "done"
