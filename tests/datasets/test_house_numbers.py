import numpy as np
import pytest

from keras_stn.datasets import HouseNumbers

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (10, 8, 6, 3), dtype=np.uint8)
LABELS = GENERATOR.integers(0, 11, (10, 5))


class OnDisk:
    """What is read only where it is indexed."""

    shape, dtype = IMAGES.shape, IMAGES.dtype

    def __init__(self):
        self.read = []

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, rows):
        self.read.append(len(rows))
        return IMAGES[rows]


def test_normalises():
    images, labels = HouseNumbers(IMAGES, LABELS, batch_size=10)[0]
    assert images.dtype == np.float32 and labels.dtype == np.int32
    np.testing.assert_allclose(images, IMAGES / 127.5 - 1.0, atol=1e-6)
    np.testing.assert_array_equal(labels, LABELS)
    assert images.min() >= -1 and images.max() <= 1


def test_images_and_labels_stay_together():
    data = HouseNumbers(IMAGES, LABELS, batch_size=3, shuffle=True, seed=5)
    seen = []
    for images, labels in data:
        for image, label in zip(images, labels, strict=True):
            errors = np.abs((image + 1) * 127.5 - IMAGES).max(axis=(1, 2, 3))
            row = int(np.argmin(errors))
            np.testing.assert_array_equal(label, LABELS[row])
            seen.append(row)
    assert sorted(seen) == list(range(10)) != seen


def test_reads_no_more_than_a_batch():
    images = OnDisk()
    data = HouseNumbers(images, LABELS, batch_size=4, prefetch=0)
    np.testing.assert_array_equal(data[1][0], HouseNumbers(IMAGES, LABELS, 4)[1][0])
    assert images.read == [4]


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (IMAGES.astype("float32"), LABELS, "`images` must be uint8.*dtype=float32"),
        (IMAGES[0], LABELS, r"`images` must be.*shape=\(8, 6, 3\)"),
        (IMAGES[:0], LABELS[:0], "at least one"),
        (IMAGES, LABELS[:4], r"`labels`.*\(10, digits\).*shape=\(4, 5\)"),
        (IMAGES, LABELS[:, 0], r"`labels` must be.*shape=\(10,\)"),
        (IMAGES, LABELS + 0.5, "integers from 0 to 9, or 10.*dtype=float64"),
        (IMAGES, LABELS + 11, "from 11 to 2"),
        (IMAGES, LABELS - 11, "from -"),
        ([[1]], LABELS, r"`images` must be.*shape=\(1, 1\)"),
    ],
)
def test_errors(images, labels, message):
    with pytest.raises(ValueError, match=message):
        HouseNumbers(images, labels)


@pytest.mark.parametrize("shuffle", [False, True])
def test_images_in_an_hdf5_file(tmp_path, shuffle):
    """They are read in their order and each once, or not at all."""
    h5py = pytest.importorskip("h5py")
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3)).astype("uint8")
    labels = np.arange(50).reshape(10, 5) % 10
    with h5py.File(tmp_path / "numbers.h5", "w") as file:
        file["images"] = images
        options = {"batch_size": 4, "prefetch": 0, "shuffle": shuffle}
        on_disk = HouseNumbers(file["images"], labels, **options)
        in_memory = HouseNumbers(images, labels, **options)
        for found, expected in zip(on_disk, in_memory, strict=True):
            for one, of in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, of)
