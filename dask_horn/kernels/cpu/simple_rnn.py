"""The recurrent cell without gates, for every activation: ``h ← f(c x W + c' h U + b)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cpu.recurrent import backward_kernel, forward_kernel
from dask_horn.kernels.cpu.tiles.floats import copy_floats
from dask_horn.kernels.scalars import ACTIVATIONS, NEEDS_INPUT


def _advance(function: Callable[..., Any], keeps_sum: bool) -> Callable[..., Any]:
    """Make the step forward, which leaves in z what the slope is a function of."""

    def advance(
        z: Any, p: Any, bias: Any, extra: Any, state: Any, cell: Any, units: Any, scale: Any
    ) -> None:
        out, recurrent, constant = carray(z, (units,)), carray(p, (units,)), carray(bias, (units,))
        for j in range(units):
            out[j] = scale * out[j] + recurrent[j] + constant[j]
        h = carray(state, (units,))
        for j in range(units):
            h[j] = function(out[j])
        if not keeps_sum:
            copy_floats(state, z, units)

    return inlined(advance)


def _go_back(slope: Callable[..., Any]) -> Callable[..., Any]:
    """Make the step back: dz = dh f'(z)."""

    def go_back(
        z: Any, p: Any, bias: Any, extra: Any, before: Any, state: Any, cell: Any, units: Any
    ) -> None:
        saved, dh, sums = carray(z, (units,)), carray(state, (units,)), carray(p, (units,))
        for j in range(units):
            saved[j] = dh[j] * slope(saved[j])
            dh[j] = np.float32(0)
        total = carray(bias, (units,))
        for j in range(units):
            sums[j] = saved[j]
            total[j] += saved[j]

    return inlined(go_back)


for _name, (_function, _slope) in ACTIVATIONS.items():
    forward_kernel(f"simple_rnn_{_name}_forward", 1, 0, _advance(_function, _name in NEEDS_INPUT))
    backward_kernel(f"simple_rnn_{_name}_backward", 1, 0, 1, _go_back(_slope))
