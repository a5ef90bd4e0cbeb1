import numpy as np
import pytest
from keras import layers

from keras_stn.tuning import SpatialTransformerHyperModel


@pytest.fixture
def hypermodel():
    """Makes hypermodels of a tiny classifier with two blocks, 12x12 images."""
    return make_hypermodel


def make_hypermodel(**options):
    defaults = {
        "input_shape": (12, 12, 1),
        "blocks": lambda: [
            [layers.Conv2D(4, 3, activation="relu")],
            [layers.MaxPooling2D(2), layers.Conv2D(4, 2, activation="relu")],
        ],
        "head": lambda: [layers.GlobalAveragePooling2D(), layers.Dense(3)],
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "localization_width": [0.2, 0.1],
        # Most of a trial's time here would go into tracing and compiling.
        "compile_options": {"run_eagerly": True},
    }
    return SpatialTransformerHyperModel(**{**defaults, **options})


@pytest.fixture
def data():
    """Images and labels for `search`."""
    generator = np.random.default_rng(0)
    labels = np.arange(24) % 3
    images = generator.normal(size=(24, 12, 12, 1)) + labels[:, None, None, None]
    images = images.astype("float32")
    return {
        "x": images[:16],
        "y": labels[:16],
        "validation_data": (images[16:], labels[16:]),
    }
