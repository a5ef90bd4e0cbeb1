"""The networks of the paper and of its full version, also for any classifier."""

from keras_stn.models.localization import localization_network
from keras_stn.models.localization_rate import with_localization_rate
from keras_stn.models.mnist import mnist
from keras_stn.models.pose import pose
from keras_stn.models.splice import splice
from keras_stn.models.svhn import svhn
from keras_stn.models.variant import Variant

__all__ = [
    "Variant",
    "localization_network",
    "mnist",
    "pose",
    "splice",
    "svhn",
    "with_localization_rate",
]
