"""Measurements to reproduce; not tests, and not run by them."""

import os

import train  # noqa: F401  For its environment, before TensorFlow is imported.

# Of a GPU's memory JAX would take three quarters at once, and PyTorch needs its share.
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.5")
