"""Keras callbacks for models with a spatial transformer."""

from keras_stn.callbacks.theta_monitor import ThetaMonitor

__all__ = ["ThetaMonitor"]
