"""Whole numbers of 64 bits, of which float64 holds 53: differences that lose none of them.

Times in nanoseconds since 1970 differ in digits that float64 has rounded away. A number near
them, subtracted first and exactly, leaves what float64 holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: From here on whole numbers are taken relative to one near them: sums keep all their digits too.
LARGE = 2.0**40

# The least and the greatest float64 that 64 bits hold, with a sign and without.
_LEAST, _GREATEST = -(2.0**63), 2.0**64 - 2.0**11

# Differences of 64 bits are right, and no others' remainders, below this.
_NEAR = 2.0**62


def is_long(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of the dtype are whole, and may have more digits than float64."""
    return dtype.kind in "iu" and dtype.itemsize == 8


def origin_of(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the whole number that is subtracted first: near a large mean, and 0 for others.

    Examples
    --------
    >>> origin_of(np.array([1e15 + 0.25, 3.5]))
    array([1.e+15, 0.e+00])
    """
    near = np.clip(np.rint(mean), _LEAST, _GREATEST)
    return np.where(np.abs(mean) >= LARGE, near, 0.0)


def less(values: NDArray[Any], origin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``values - origin`` as float64, without rounding the values first.

    Parameters
    ----------
    values : numpy.ndarray, shape (..., columns)
        Numbers of any dtype.
    origin : numpy.ndarray of float64, shape (columns,)
        As `origin_of` gives it.

    Examples
    --------
    >>> less(np.array([[2**60 + 1], [2**60 - 3]]), np.array([2.0**60])).ravel()
    array([ 1., -3.])
    """
    about = values.astype(np.float64) - origin
    if not is_long(values.dtype):
        return about
    bits = values.astype(values.dtype.newbyteorder("=")).view(np.uint64) - _bits(origin)
    return np.where(np.abs(about) < _NEAR, bits.view(np.int64).astype(np.float64), about)


def _bits(origin: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return the numbers as 64 bits, in two's complement where they are below 0."""
    below = np.minimum(origin, 0.0).astype(np.int64).view(np.uint64)
    return np.where(origin < 0, below, np.maximum(origin, 0.0).astype(np.uint64))
