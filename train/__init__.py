"""The experiments: `python -m train.mnist`. Runs from a checkout, not installed."""

import os

# Must be set before TensorFlow is imported. It leaves oneDNN's convolutions off on
# processors without AVX-512, where they are faster too: a step of the MNIST CNN by 1.5
# times on two AVX2 cores. Set the variable to 0 yourself to go without.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
