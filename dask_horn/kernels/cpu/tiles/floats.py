"""Rows of numbers: copied, cleared, added up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import inlined


@inlined
def copy_floats(source: Any, target: Any, size: Any) -> None:
    """target[i] ← source[i]."""
    read, written = carray(source, (size,)), carray(target, (size,))
    for i in range(size):
        written[i] = read[i]


@inlined
def zero_floats(target: Any, size: Any) -> None:
    """target[i] ← 0."""
    written = carray(target, (size,))
    for i in range(size):
        written[i] = np.float32(0)


@inlined
def add_floats(source: Any, target: Any, size: Any) -> None:
    """target[i] ← target[i] + source[i]."""
    read, written = carray(source, (size,)), carray(target, (size,))
    for i in range(size):
        written[i] += read[i]


@inlined
def scale_floats(values: Any, size: Any, factor: Any) -> None:
    """values[i] ← factor values[i]."""
    if factor != np.float32(1):
        scaled = carray(values, (size,))
        for i in range(size):
            scaled[i] *= factor
