"""The scalar bodies of the element-wise kernels, shared by both devices.

An activation's slope is a function of its OUTPUT, so that one buffer serves both; gelu's alone
is a function of its input (`NEEDS_INPUT`). All are plain arithmetic, without branches or calls
into a mathematics library: loops over them vectorize, which makes tanh some twenty times faster.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dask_horn.kernels.compile import inlined

#: Slope of leaky_relu below zero.
LEAKY_SLOPE = 0.01

_ZERO, _ONE, _TWO, _HALF = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)
_LEAK = np.float32(LEAKY_SLOPE)

# e^x = 2^n e^r, where n is the integer next to x / ln 2, so |r| <= ln 2 / 2.
_LOG2_E = np.float32(1 / math.log(2))
_LN2_HIGH = np.float32(355 / 512)  # few digits: its product with n is exact
_LN2_LOW = np.float32(math.log(2) - 355 / 512)
_ROUNDS = np.float32(1.5 * 2**23)  # added to a float32, it leaves an integer in the last bits
_BIAS, _MANTISSA = np.int32(127), np.int32(23)
_UNDERFLOW = np.float32(-80.0)
_T2, _T3, _T4, _T5, _T6, _T7 = (np.float32(1 / math.factorial(k)) for k in range(2, 8))

# The normal distribution's tail is about e^(-x²/2) (a₁ t + … + a₅ t⁵) / 2, t = 1 / (1 + p x / √2).
_P = np.float32(0.3275911 * math.sqrt(0.5))
_A1, _A2, _A3, _A4, _A5 = (
    np.float32(a / 2) for a in (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
)
_DENSITY = np.float32(1 / math.sqrt(2 * math.pi))


@inlined
def _power_and_rest(x: Any) -> Any:
    """2^n and e^r - 1 of ``e^x = 2^n e^r``, for x at most 0."""
    x = _UNDERFLOW if x < _UNDERFLOW else x  # so written, NaN stays NaN
    rounded = x * _LOG2_E + _ROUNDS
    n = rounded - _ROUNDS
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    # Taylor's series: its next term is below 6e-9.
    series = r * (r * (r * (r * (r * _T7 + _T6) + _T5) + _T4) + _T3) + _T2
    bits = (np.float32(rounded).view(np.int32) + _BIAS) << _MANTISSA
    return np.int32(bits).view(np.float32), r * r * series + r


@inlined
def exp_negative(x: Any) -> Any:
    """e^x for x at most 0, to 2 units in the last place; e^-80 where it would be less."""
    power, rest = _power_and_rest(x)
    return power * rest + power


@inlined
def _normal_tail(distance: Any, density: Any) -> Any:
    """Return the probability that a standard normal value is above `distance` >= 0, to 1e-7.

    `density` is ``e^(-distance²/2)``. Abramowitz and Stegun (1964), formula 7.1.26.
    """
    t = _ONE / (_ONE + _P * distance)
    return density * t * (t * (t * (t * (t * _A5 + _A4) + _A3) + _A2) + _A1)


@inlined
def _normal(z: Any, density: Any) -> Any:
    """Return the probability that a standard normal value is below z."""
    tail = _normal_tail(abs(z), density)
    return tail if z < _ZERO else _ONE - tail


@inlined
def _linear(z: Any) -> Any:
    return z


@inlined
def _linear_slope(a: Any) -> Any:
    return _ONE


@inlined
def _relu(z: Any) -> Any:
    return _ZERO if z < _ZERO else z  # so written, NaN stays NaN


@inlined
def _relu_slope(a: Any) -> Any:
    return _ONE if a > _ZERO else _ZERO


@inlined
def _leaky_relu(z: Any) -> Any:
    return _LEAK * z if z < _ZERO else z


@inlined
def _leaky_relu_slope(a: Any) -> Any:
    return _ONE if a > _ZERO else _LEAK


@inlined
def _tanh(z: Any) -> Any:
    power, rest = _power_and_rest(-_TWO * abs(z))
    less = power * rest + (power - _ONE)  # e^(-2|z|) - 1, without cancellation near 0
    size = -less / (_TWO + less)
    return -size if z < _ZERO else size


@inlined
def _tanh_slope(a: Any) -> Any:
    return _ONE - a * a


@inlined
def _sigmoid(z: Any) -> Any:
    e = exp_negative(-abs(z))
    return (e if z < _ZERO else _ONE) / (_ONE + e)


@inlined
def _sigmoid_slope(a: Any) -> Any:
    return a * (_ONE - a)


@inlined
def _gelu(z: Any) -> Any:
    return z * _normal(z, exp_negative(-_HALF * z * z))


@inlined
def _gelu_slope(z: Any) -> Any:
    density = exp_negative(-_HALF * z * z)
    return _normal(z, density) + z * _DENSITY * density


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
