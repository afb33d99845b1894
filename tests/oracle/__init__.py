"""What the library computes, in plain NumPy and float64, for the tests to judge the kernels by.

It takes parameters as a dictionary of arrays, names as in the parameter table, and reads from the
network which layers there are but never how large: so the arrays may as well be a sub-model's.
Nothing here is fast, and nothing changes its arguments. A file for each family of layers; which
one is whose is told in `networks.py`.
"""

from tests.oracle.activations import activation, activation_slope
from tests.oracle.losses import loss, loss_gradient
from tests.oracle.networks import batch_statistics, forward, gradients
from tests.oracle.optimizers import (
    OPTIMIZERS,
    AdamState,
    adamw_step,
    clip_by_norm,
    sgd_step,
    zeros_like,
)
from tests.oracle.passes import Options
from tests.oracle.randomness import philox4x32

__all__ = [
    "OPTIMIZERS",
    "AdamState",
    "Options",
    "activation",
    "activation_slope",
    "adamw_step",
    "batch_statistics",
    "clip_by_norm",
    "forward",
    "gradients",
    "loss",
    "loss_gradient",
    "philox4x32",
    "sgd_step",
    "zeros_like",
]
