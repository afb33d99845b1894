"""The cell of the LSTM: gates i, f, g, o; the formulas are told in `network/layers/lstm.py`.

Loops are short and have few arrays each: of many the compiler would not check whether they overlap,
and not vectorize.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cpu.recurrent import backward_kernel, forward_kernel
from dask_horn.kernels.cpu.tiles.floats import copy_floats
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.scalars import ACTIVATIONS

_ONE = np.float32(1)
_sigmoid, _tanh = ACTIVATIONS["sigmoid"][0], ACTIVATIONS["tanh"][0]


@inlined
def _advance(
    z: Any, p: Any, bias: Any, extra: Any, state: Any, cell: Any, units: Any, scale: Any
) -> None:
    """Leave the gates' values in z, the cell before the step in extra."""
    copy_floats(cell, extra, units)
    _sigmoids(z, p, bias, 2 * units, scale)
    _tanhs(at(z, 2 * units), at(p, 2 * units), at(bias, 2 * units), units, scale)
    _sigmoids(at(z, 3 * units), at(p, 3 * units), at(bias, 3 * units), units, scale)
    i, f = carray(z, (units,)), carray(at(z, units), (units,))
    g, o = carray(at(z, 2 * units), (units,)), carray(at(z, 3 * units), (units,))
    c, h = carray(cell, (units,)), carray(state, (units,))
    for j in range(units):
        c[j] = f[j] * c[j] + i[j] * g[j]
    for j in range(units):
        h[j] = o[j] * _tanh(c[j])


@inlined
def _sigmoids(z: Any, p: Any, bias: Any, size: Any, scale: Any) -> None:
    out, recurrent, constant = carray(z, (size,)), carray(p, (size,)), carray(bias, (size,))
    for j in range(size):
        out[j] = _sigmoid(scale * out[j] + recurrent[j] + constant[j])


@inlined
def _tanhs(z: Any, p: Any, bias: Any, size: Any, scale: Any) -> None:
    out, recurrent, constant = carray(z, (size,)), carray(p, (size,)), carray(bias, (size,))
    for j in range(size):
        out[j] = _tanh(scale * out[j] + recurrent[j] + constant[j])


@inlined
def _go_back(
    z: Any, p: Any, bias: Any, extra: Any, before: Any, state: Any, cell: Any, units: Any
) -> None:
    """Go back; C is the cell after the step, c the one before it, dh and dC their gradients.

    ``dC ← dC + dh o (1 - tanh² C)``, ``dz_o = dh tanh C o (1 - o)``, ``dz_i = dC g i (1 - i)``,
    ``dz_f = dC c f (1 - f)``, ``dz_g = dC i (1 - g²)``, and then ``dc = dC f``.
    """
    i, f = carray(z, (units,)), carray(at(z, units), (units,))
    g, o = carray(at(z, 2 * units), (units,)), carray(at(z, 3 * units), (units,))
    c, squashed = carray(extra, (units,)), carray(p, (units,))
    dh, dc = carray(state, (units,)), carray(cell, (units,))
    for j in range(units):
        squashed[j] = _tanh(f[j] * c[j] + i[j] * g[j])
    for j in range(units):
        gate, value = o[j], squashed[j]
        dc[j] += dh[j] * gate * (_ONE - value * value)
        o[j] = dh[j] * value * gate * (_ONE - gate)
        dh[j] = np.float32(0)
    for j in range(units):
        gate, value = i[j], g[j]
        i[j] = dc[j] * value * gate * (_ONE - gate)
        g[j] = dc[j] * gate * (_ONE - value * value)
    for j in range(units):
        gate, gradient = f[j], dc[j]
        f[j] = gradient * c[j] * gate * (_ONE - gate)
        dc[j] = gradient * gate
    size = 4 * units
    dz, sums, total = carray(z, (size,)), carray(p, (size,)), carray(bias, (size,))
    for j in range(size):
        sums[j] = dz[j]
        total[j] += dz[j]


forward_kernel("lstm_forward", 4, 1, _advance)
backward_kernel("lstm_backward", 4, 1, 4, _go_back)
