"""Slices of a parameter vector: take one out, put one back, count, and the outer step.

A slice is described by two arrays: `layout`, a row per tensor (`LAYOUT` names its columns), and
`units`, all index sets end to end. Every tensor is seen as four-dimensional, short ones with
leading axes of length one. Innermost indices are unsigned, for Python's negative ones cost a
test each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from dask_horn.kernels.compile import compiled, inlined

__all__ = ["LAYOUT", "outer_step", "put_constant", "put_slice", "take_slice"]

#: Offset in the whole vector, offset in the slice, the slice's four lengths, the whole tensor's
#: four lengths, and where in `units` each axis' index set begins.
LAYOUT = ("whole", "slice", *(f"{kind}{i}" for kind in ("n", "N", "units") for i in range(4)))

_FLOATS = types.float32[::1]
# What comes from another process is read-only, and often not aligned.
_READ_ONLY_FLOATS = types.Array(types.float32, 1, "C", readonly=True, aligned=False)
_LAYOUT_TYPE, _UNITS_TYPE = types.int64[:, ::1], types.int64[::1]


@inlined
def _line(row: Any, units: Any, a: Any, b: Any, c: Any) -> Any:
    """Where the line (a, b, c) of the slice begins in the whole vector."""
    line = (units[row[10] + a] * row[7] + units[row[11] + b]) * row[8] + units[row[12] + c]
    return row[0] + line * row[9]


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
        target = row[1]
        columns = units[row[13] : row[13] + row[5]].view(np.uint64)
        for a in range(row[2]):
            for b in range(row[3]):
                for c in range(row[4]):
                    start = _line(row, units, a, b, c)
                    line = whole[start : start + row[9]]
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
        source = row[1]
        columns = units[row[13] : row[13] + row[5]].view(np.uint64)
        for a in range(row[2]):
            for b in range(row[3]):
                for c in range(row[4]):
                    start = _line(row, units, a, b, c)
                    line = whole[start : start + row[9]]
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
        columns = units[row[13] : row[13] + row[5]].view(np.uint64)
        for a in range(row[2]):
            for b in range(row[3]):
                for c in range(row[4]):
                    start = _line(row, units, a, b, c)
                    line = whole[start : start + row[9]]
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
