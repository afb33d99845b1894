"""The cell of the GRU: gates r, z, n; the formulas are told in `network/layers/gru.py`.

The gradients with respect to x W and h U differ in n: hence a second set of three sums for each
step, whose last part holds h U_n + b_h between the passes.
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
    """Leave the gates' values in z, h U_n + b_h in the last part of extra."""
    gates, recurrent = carray(z, (2 * units,)), carray(p, (2 * units,))
    constant = carray(bias, (2 * units,))
    for j in range(2 * units):
        gates[j] = _sigmoid(scale * gates[j] + recurrent[j] + constant[j])
    own, of_h = carray(at(extra, 2 * units), (units,)), carray(at(p, 2 * units), (units,))
    own_bias = carray(at(bias, 3 * units), (units,))
    for j in range(units):
        own[j] = of_h[j] + own_bias[j]
    reset, candidate = carray(z, (units,)), carray(at(z, 2 * units), (units,))
    its_bias = carray(at(bias, 2 * units), (units,))
    for j in range(units):
        candidate[j] = _tanh(scale * candidate[j] + its_bias[j] + reset[j] * own[j])
    update, h = carray(at(z, units), (units,)), carray(state, (units,))
    for j in range(units):
        h[j] = (_ONE - update[j]) * candidate[j] + update[j] * h[j]


@inlined
def _go_back(
    z: Any, p: Any, bias: Any, extra: Any, before: Any, state: Any, cell: Any, units: Any
) -> None:
    """Go back; q is h U_n + b_h, and dh the gradient of the state after the step.

    ``dn = dh (1 - z) (1 - n²)`` with respect to x W_n, and r dn with respect to q;
    ``dr = dn q r (1 - r)``, ``dz = dh (h - n) z (1 - z)``, and then ``dh ← dh z``.
    """
    reset, update = carray(z, (units,)), carray(at(z, units), (units,))
    candidate, own = carray(at(z, 2 * units), (units,)), carray(at(extra, 2 * units), (units,))
    h, dh = carray(before, (units,)), carray(state, (units,))
    for j in range(units):
        gate, value, gradient = update[j], candidate[j], dh[j]
        update[j] = gradient * (h[j] - value) * gate * (_ONE - gate)
        candidate[j] = gradient * (_ONE - gate) * (_ONE - value * value)
        dh[j] = gradient * gate
    for j in range(units):
        gate, gradient = reset[j], candidate[j]
        reset[j] = gradient * own[j] * gate * (_ONE - gate)
        own[j] = gradient * gate
    copy_floats(z, extra, 2 * units)
    copy_floats(extra, p, 3 * units)
    dz, total = carray(z, (3 * units,)), carray(bias, (3 * units,))
    for j in range(3 * units):
        total[j] += dz[j]
    own_total = carray(at(bias, 3 * units), (units,))
    for j in range(units):
        own_total[j] += own[j]


forward_kernel("gru_forward", 3, 3, _advance)
backward_kernel("gru_backward", 3, 3, 4, _go_back)
