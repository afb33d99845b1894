"""Slices of a parameter vector: take one out, put one back, count, and the outer step.

A slice is described by two arrays: `layout`, a row per tensor, whose columns are named below, and
`units`, all index sets end to end. Every tensor is seen as one of N_AXES dimensions, short ones
with leading axes of length one. Innermost indices are unsigned, for Python's negative ones cost a
test each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from dask_horn.kernels.compile import compiled, inlined

#: Most dimensions of a tensor.
N_AXES = 4
# Columns of a layout.
WHOLE_OFFSET = 0  # of the tensor in the whole vector
OFFSET = 1  # of it in the slice's
LENGTHS = 2  # of the slice's axes …
WHOLE_LENGTHS = LENGTHS + N_AXES  # of the whole tensor's axes …
UNITS = WHOLE_LENGTHS + N_AXES  # where in `units` the index set of each axis begins …
N_COLUMNS = UNITS + N_AXES

_FLOATS = types.float32[::1]
# What comes from another process is read-only, and often not aligned.
_READ_ONLY_FLOATS = types.Array(types.float32, 1, "C", readonly=True, aligned=False)
_LAYOUT_TYPE, _UNITS_TYPE = types.int64[:, ::1], types.int64[::1]


@inlined
def _line(row: Any, units: Any, a: Any, b: Any, c: Any) -> Any:
    """Where the line (a, b, c) of the slice begins in the whole vector."""
    line = units[row[UNITS] + a] * row[WHOLE_LENGTHS + 1] + units[row[UNITS + 1] + b]
    line = line * row[WHOLE_LENGTHS + 2] + units[row[UNITS + 2] + c]
    return row[WHOLE_OFFSET] + line * row[WHOLE_LENGTHS + 3]


@inlined
def _columns(row: Any, units: Any) -> Any:
    """Where the slice's innermost indices lie in a line of the whole tensor."""
    start = row[UNITS + 3]
    return units[start : start + row[LENGTHS + 3]].view(np.uint64)


@compiled(types.void(_READ_ONLY_FLOATS, _FLOATS, _LAYOUT_TYPE, _UNITS_TYPE))
def take_slice(
    whole: NDArray[np.float32],
    part: NDArray[np.float32],
    layout: NDArray[np.int64],
    units: NDArray[np.int64],
) -> None:
    """Copy the entries that the index sets name from `whole` into `part`."""
    for t in range(layout.shape[0]):
        row = layout[t]
        target = row[OFFSET]
        columns = _columns(row, units)
        for a in range(row[LENGTHS]):
            for b in range(row[LENGTHS + 1]):
                for c in range(row[LENGTHS + 2]):
                    start = _line(row, units, a, b, c)
                    line = whole[start : start + row[WHOLE_LENGTHS + 3]]
                    own = part[target : target + columns.size]
                    for d in range(columns.size):
                        own[d] = line[columns[d]]
                    target += columns.size


@compiled(types.void(_FLOATS, _READ_ONLY_FLOATS, types.float32, _LAYOUT_TYPE, _UNITS_TYPE))
def put_slice(
    whole: NDArray[np.float32],
    part: NDArray[np.float32],
    weight: Any,
    layout: NDArray[np.int64],
    units: NDArray[np.int64],
) -> None:
    """Add `weight` times each entry of `part` to its place in `whole`."""
    for t in range(layout.shape[0]):
        row = layout[t]
        source = row[OFFSET]
        columns = _columns(row, units)
        for a in range(row[LENGTHS]):
            for b in range(row[LENGTHS + 1]):
                for c in range(row[LENGTHS + 2]):
                    start = _line(row, units, a, b, c)
                    line = whole[start : start + row[WHOLE_LENGTHS + 3]]
                    own = part[source : source + columns.size]
                    for d in range(columns.size):
                        line[columns[d]] += weight * own[d]
                    source += columns.size


@compiled(types.void(_FLOATS, types.float32, _LAYOUT_TYPE, _UNITS_TYPE))
def put_constant(
    whole: NDArray[np.float32],
    constant: Any,
    layout: NDArray[np.int64],
    units: NDArray[np.int64],
) -> None:
    """Add `constant` at every place of `whole` that the slice holds."""
    for t in range(layout.shape[0]):
        row = layout[t]
        columns = _columns(row, units)
        for a in range(row[LENGTHS]):
            for b in range(row[LENGTHS + 1]):
                for c in range(row[LENGTHS + 2]):
                    start = _line(row, units, a, b, c)
                    line = whole[start : start + row[WHOLE_LENGTHS + 3]]
                    for d in range(columns.size):
                        line[columns[d]] += constant


@compiled(
    types.void(_FLOATS, _FLOATS, _READ_ONLY_FLOATS, _READ_ONLY_FLOATS, types.float32, types.float32)
)
def outer_step(
    parameters: NDArray[np.float32],
    momentum: NDArray[np.float32],
    total: NDArray[np.float32],
    count: NDArray[np.float32],
    rate: Any,
    mu: Any,
) -> None:
    """``Δ = total / count``, then ``m ← μ m + Δ`` and ``θ ← θ + η (μ m + Δ)``, in place.

    Entries that nobody held (count 0) stay as they are, and so does their momentum.
    """
    for i in range(parameters.size):
        if count[i] > np.float32(0):
            delta = total[i] / count[i]
            m = mu * momentum[i] + delta
            momentum[i] = m
            parameters[i] += rate * (mu * m + delta)
