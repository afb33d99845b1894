"""The scalar bodies of the element-wise kernels, shared by both devices.

An activation's slope is a function of its OUTPUT, so that one buffer serves both; gelu's alone
is a function of its input (`NEEDS_INPUT`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dask_horn.kernels.compile import scalar

__all__ = ["ACTIVATIONS", "NEEDS_INPUT"]

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_LEAK = np.float32(0.01)
_SQRT_HALF = np.float32(math.sqrt(0.5))
_NORMAL = np.float32(1 / math.sqrt(2 * math.pi))


@scalar
def _linear(z: Any) -> Any:
    return z


@scalar
def _linear_slope(a: Any) -> Any:
    return _ONE


@scalar
def _relu(z: Any) -> Any:
    return _ZERO if z < _ZERO else z  # so written, NaN stays NaN


@scalar
def _relu_slope(a: Any) -> Any:
    return _ONE if a > _ZERO else _ZERO


@scalar
def _leaky_relu(z: Any) -> Any:
    return _LEAK * z if z < _ZERO else z


@scalar
def _leaky_relu_slope(a: Any) -> Any:
    return _ONE if a > _ZERO else _LEAK


@scalar
def _tanh(z: Any) -> Any:
    return np.float32(math.tanh(z))


@scalar
def _tanh_slope(a: Any) -> Any:
    return _ONE - a * a


@scalar
def _sigmoid(z: Any) -> Any:
    return _ONE / (_ONE + np.float32(math.exp(-z)))


@scalar
def _sigmoid_slope(a: Any) -> Any:
    return a * (_ONE - a)


@scalar
def _gelu(z: Any) -> Any:
    return _HALF * z * (_ONE + np.float32(math.erf(z * _SQRT_HALF)))


@scalar
def _gelu_slope(z: Any) -> Any:
    cumulative = _HALF * (_ONE + np.float32(math.erf(z * _SQRT_HALF)))
    return cumulative + z * _NORMAL * np.float32(math.exp(-_HALF * z * z))


#: (function, slope) of each activation.
ACTIVATIONS = {
    "linear": (_linear, _linear_slope),
    "relu": (_relu, _relu_slope),
    "leaky_relu": (_leaky_relu, _leaky_relu_slope),
    "tanh": (_tanh, _tanh_slope),
    "sigmoid": (_sigmoid, _sigmoid_slope),
    "gelu": (_gelu, _gelu_slope),
}

#: Activations whose slope is a function of the input, which must be kept beside the output.
NEEDS_INPUT = frozenset({"gelu"})
