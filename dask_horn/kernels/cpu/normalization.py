"""Normalization over a batch, or over the units of one sample, and the ways back.

Both are ``x̂ = (x - μ) / √(σ² + ε)``, then ``γ x̂ + β``: over a batch μ and σ² are a unit's own,
over units those of one row. Given the gradient g of the loss with respect to the result, that with
respect to γ is the sum of ``g x̂`` over the rows, to β the sum of g, and to x

    (h - mean(h) - x̂ mean(h x̂)) / √(σ² + ε),        h = γ g,

where the means run over what μ does. A batch is all rows of all samples. Sums run in float64 and
variances from differences to the mean, so that neither long sums nor large means eat digits.

References
----------
Ioffe, Szegedy (2015), "Batch normalization", ICML, algorithm 1 and the formulas after it.
Ba, Kiros, Hinton (2016), "Layer normalization", arXiv:1607.06450, equations 3 and 4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.tiles.pointers import as_float64, at
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_OUT, ROWS, WORK, A, B, C, D, E, F, G
from dask_horn.kernels.program import Operation


def _work_size(operation: Operation, batch_size: int) -> int:
    return 7 * operation.n_out  # two float64 and three float32 for each unit


@inlined
def _normalize(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Write B ← γ (A - μ) / √(σ² + ε) + β; operands as of `batch_norm_apply`."""
    rows, width = counters[BATCH] * row[ROWS], row[N_OUT]
    x = carray(at(arena, row[A]), (rows, width))
    out = carray(at(arena, row[B]), (rows, width))
    gamma, beta = carray(at(arena, row[C]), (width,)), carray(at(arena, row[D]), (width,))
    mean, variance = carray(at(arena, row[E]), (width,)), carray(at(arena, row[F]), (width,))
    factor = carray(at(arena, row[WORK]), (width,))
    epsilon = scalars[row[CONSTANT]]
    for j in range(width):
        factor[j] = gamma[j] / math.sqrt(np.float64(variance[j]) + epsilon)
    for i in range(rows):
        for j in range(width):
            out[i, j] = (x[i, j] - mean[j]) * factor[j] + beta[j]


@kernel("batch_norm_apply", work=_work_size)
def batch_norm_apply(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Normalize A (batch, N_OUT) into B by μ at E and σ² at F; γ at C, β at D, all (N_OUT,).

    ε at CONSTANT.
    """
    _normalize(row, counters, scalars, arena)


@kernel("batch_norm_forward", work=_work_size)
def batch_norm_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Write E, F ← μ and σ² of A (batch, N_OUT), and then as `batch_norm_apply`."""
    rows, width = counters[BATCH] * row[ROWS], row[N_OUT]
    x = carray(at(arena, row[A]), (rows, width))
    mean, variance = carray(at(arena, row[E]), (width,)), carray(at(arena, row[F]), (width,))
    total = carray(as_float64(at(arena, row[WORK])), (width,))
    for j in range(width):
        total[j] = 0.0
    for i in range(rows):
        for j in range(width):
            total[j] += x[i, j]
    for j in range(width):
        mean[j] = total[j] / rows
        total[j] = 0.0
    for i in range(rows):
        for j in range(width):
            difference = np.float64(x[i, j] - mean[j])
            total[j] += difference * difference
    for j in range(width):
        variance[j] = total[j] / rows
    _normalize(row, counters, scalars, arena)


@kernel("batch_norm_backward", work=_work_size)
def batch_norm_backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Write A (batch, N_OUT) ← the gradient of the input; F, G (N_OUT,) ← those of γ and β.

    The input at B; γ at C, μ at D, σ² at E; ε at CONSTANT.
    """
    rows, width = counters[BATCH] * row[ROWS], row[N_OUT]
    gradient = carray(at(arena, row[A]), (rows, width))
    x = carray(at(arena, row[B]), (rows, width))
    gamma, mean = carray(at(arena, row[C]), (width,)), carray(at(arena, row[D]), (width,))
    variance = carray(at(arena, row[E]), (width,))
    to_gamma, to_beta = carray(at(arena, row[F]), (width,)), carray(at(arena, row[G]), (width,))
    totals = carray(as_float64(at(arena, row[WORK])), (2, width))  # of g, and of g (x - μ)
    shares = carray(at(arena, row[WORK] + 4 * width), (3, width))  # factor, and the two means
    epsilon = scalars[row[CONSTANT]]
    for j in range(width):
        totals[0, j] = totals[1, j] = 0.0
    for i in range(rows):
        for j in range(width):
            totals[0, j] += gradient[i, j]
            totals[1, j] += np.float64(gradient[i, j]) * (x[i, j] - mean[j])
    for j in range(width):
        power = np.float64(variance[j]) + epsilon
        inverse = 1.0 / math.sqrt(power)
        to_gamma[j] = totals[1, j] * inverse
        to_beta[j] = totals[0, j]
        shares[0, j] = gamma[j] * inverse
        shares[1, j] = totals[0, j] / rows
        shares[2, j] = totals[1, j] / (power * rows)
    for i in range(rows):
        for j in range(width):
            rest = gradient[i, j] - shares[1, j] - (x[i, j] - mean[j]) * shares[2, j]
            gradient[i, j] = shares[0, j] * rest


@kernel("layer_norm_forward", reorder_sums=True)
def layer_norm_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Normalize each row of A (batch, N_OUT) into B; γ at C, β at D, both (N_OUT,).

    E, F (batch,) ← μ and 1 / √(σ² + ε); ε at CONSTANT.
    """
    rows, width = counters[BATCH] * row[ROWS], row[N_OUT]
    gamma, beta = carray(at(arena, row[C]), (width,)), carray(at(arena, row[D]), (width,))
    mean, inverse = carray(at(arena, row[E]), (rows,)), carray(at(arena, row[F]), (rows,))
    epsilon = scalars[row[CONSTANT]]
    for i in range(rows):
        x = carray(at(arena, row[A] + i * width), (width,))
        out = carray(at(arena, row[B] + i * width), (width,))
        total = 0.0
        for j in range(width):
            total += np.float64(x[j])
        middle = np.float32(total / width)
        total = 0.0
        for j in range(width):
            difference = np.float64(x[j] - middle)
            total += difference * difference
        factor = np.float32(1.0 / math.sqrt(total / width + epsilon))
        for j in range(width):
            out[j] = (x[j] - middle) * factor * gamma[j] + beta[j]
        mean[i], inverse[i] = middle, factor


@kernel("layer_norm_backward", work=_work_size, reorder_sums=True)
def layer_norm_backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Write A (batch, N_OUT) ← the gradient of the input; F, G (N_OUT,) ← those of γ and β.

    The input at B; γ at C; μ at D and 1 / √(σ² + ε) at E, both (batch,).
    """
    rows, width = counters[BATCH] * row[ROWS], row[N_OUT]
    gamma = carray(at(arena, row[C]), (width,))
    mean, inverse = carray(at(arena, row[D]), (rows,)), carray(at(arena, row[E]), (rows,))
    to_gamma, to_beta = carray(at(arena, row[F]), (width,)), carray(at(arena, row[G]), (width,))
    of_gamma = carray(as_float64(at(arena, row[WORK])), (width,))
    of_beta = carray(as_float64(at(arena, row[WORK] + 2 * width)), (width,))
    for j in range(width):
        of_gamma[j] = of_beta[j] = 0.0
    for i in range(rows):
        gradient = carray(at(arena, row[A] + i * width), (width,))
        x = carray(at(arena, row[B] + i * width), (width,))
        middle, factor = mean[i], inverse[i]
        for j in range(width):
            of_beta[j] += gradient[j]
            of_gamma[j] += np.float64(gradient[j]) * ((x[j] - middle) * factor)
        total = along = 0.0
        for j in range(width):
            slope = np.float64(gradient[j]) * gamma[j]
            total += slope
            along += slope * ((x[j] - middle) * factor)
        first, second = np.float32(total / width), np.float32(along / width)
        for j in range(width):
            rest = gradient[j] * gamma[j] - first - (x[j] - middle) * factor * second
            gradient[j] = factor * rest
    for j in range(width):
        to_gamma[j], to_beta[j] = of_gamma[j], of_beta[j]
