"""The four networks of the paper, for any classifier, for MNIST and for SVHN."""

from keras_stn.models.localization import localization_network
from keras_stn.models.mnist import mnist
from keras_stn.models.pose import pose
from keras_stn.models.splice import splice
from keras_stn.models.svhn import svhn
from keras_stn.models.variant import Variant

__all__ = ["Variant", "localization_network", "mnist", "pose", "splice", "svhn"]
