"""The experiments: `python -m train.mnist`. Runs from a checkout, not installed."""

import os

# Both must be set before TensorFlow is imported; what the user has set stays.

# TensorFlow leaves oneDNN's convolutions off on processors without AVX-512, where they
# are faster too: a step of the MNIST CNN by 1.5 times on two AVX2 cores.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Its log of a healthy start is a screenful. The scripts print the device that they use;
# to see why it is not another, set this to 0.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
