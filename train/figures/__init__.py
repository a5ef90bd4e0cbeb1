"""The paper's figures, and those of its theory, from trained models.

Each function writes a picture and returns the numbers behind it as a dict that JSON can
hold.
"""

from train.figures.figure1 import figure1
from train.figures.figure2 import figure2
from train.figures.figure3 import figure3
from train.figures.gap_by_depth import gap_by_depth
from train.figures.house_numbers import house_numbers
from train.figures.theta_over_training import theta_over_training

__all__ = [
    "figure1",
    "figure2",
    "figure3",
    "gap_by_depth",
    "house_numbers",
    "theta_over_training",
]
