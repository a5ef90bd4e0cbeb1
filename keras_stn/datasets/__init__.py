"""MNIST with the tasks of the paper and its full version, in fresh draws; SVHN."""

from keras_stn.datasets.digit_task import DigitTask
from keras_stn.datasets.house_numbers import HouseNumbers
from keras_stn.datasets.mnist import MNIST, load_mnist
from keras_stn.datasets.mnist_tasks import mnist_task
from keras_stn.datasets.pass_dataset import PassDataset
from keras_stn.datasets.rotation_task import RotationTask
from keras_stn.datasets.scale_task import ScaleTask
from keras_stn.datasets.svhn import SVHN, load_svhn
from keras_stn.datasets.svhn_rendered import render_numbers
from keras_stn.datasets.tf_data import as_tf_dataset
from keras_stn.datasets.transformed_mnist import TransformedMNIST
from keras_stn.datasets.translation_task import TranslationTask

__all__ = [
    "MNIST",
    "SVHN",
    "DigitTask",
    "HouseNumbers",
    "PassDataset",
    "RotationTask",
    "ScaleTask",
    "TransformedMNIST",
    "TranslationTask",
    "as_tf_dataset",
    "load_mnist",
    "load_svhn",
    "mnist_task",
    "render_numbers",
]
