"""Metrics."""

from keras_stn.metrics.whole_number_accuracy import WholeNumberAccuracy

__all__ = ["WholeNumberAccuracy"]
