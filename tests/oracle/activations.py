"""Activations and their slopes."""

from __future__ import annotations

import numpy as np
from scipy.special import erf, expit

from dask_horn.kernels.scalars import LEAKY_SLOPE
from tests.oracle.arrays import Array


def activation(name: str, z: Array) -> Array:
    """The activation of that name, element by element."""
    match name:
        case "linear":
            return z
        case "relu":
            return np.maximum(z, 0)
        case "leaky_relu":
            return np.where(z > 0, z, LEAKY_SLOPE * z)
        case "tanh":
            return np.tanh(z)
        case "sigmoid":
            return np.asarray(expit(z))
        case "gelu":
            return np.asarray(z * (1 + erf(z / np.sqrt(2))) / 2)
    raise ValueError(name)


def activation_slope(name: str, z: Array) -> Array:
    """The derivative of the activation at z."""
    match name:
        case "linear":
            return np.ones_like(z)
        case "relu":
            return np.where(z > 0, 1.0, 0.0)
        case "leaky_relu":
            return np.where(z > 0, 1.0, LEAKY_SLOPE)
        case "tanh":
            return 1 - np.tanh(z) ** 2
        case "sigmoid":
            return np.asarray(expit(z) * expit(-z))
        case "gelu":
            density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
            return np.asarray((1 + erf(z / np.sqrt(2))) / 2 + z * density)
    raise ValueError(name)
