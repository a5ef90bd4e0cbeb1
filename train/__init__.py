"""The experiments: `python -m train.mnist`. Runs from a checkout, not installed."""
