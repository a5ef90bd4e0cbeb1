import numpy as np

from keras_stn.datasets import MNIST
from train.fingerprint import fingerprint


def test_fingerprint_tells_data_apart(tmp_path):
    def data(seed=0, order=slice(None), count=100):
        generator = np.random.default_rng(seed)
        images = generator.integers(0, 256, (count, 28, 28)).astype("uint8")[order]
        labels = generator.integers(0, 10, count).astype("uint8")[order]
        return MNIST(images, labels, images[:9], labels[:9], "made up", False)

    assert fingerprint(data()) == fingerprint(data()) != fingerprint(data(seed=1))
    assert len(fingerprint(data())) == 16
    assert fingerprint(data()) != fingerprint(data(order=slice(None, None, -1)))
    assert fingerprint(data()) != fingerprint(data(count=99))
    # Where it is from does not matter.
    assert fingerprint(data()) == fingerprint(data()._replace(source="elsewhere"))
