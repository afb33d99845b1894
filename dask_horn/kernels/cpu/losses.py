"""Losses: the batch's mean into LOSS, and its gradient with respect to the outputs.

A batch is all rows of all samples: of a sequence with a target on each step, its steps. Each takes
the outputs z at A (batch, N_OUT) and the targets at B, and writes the gradient to C (batch, N_OUT).
E (batch,) is 1 where a row counts and 0 where it is padding: the mean is over those that count, and
0 where none does. Sums run in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.opcodes import BATCH, CONSTANT, LOSS, N_OUT, ROWS, A, B, C, D, E
from dask_horn.kernels.scalars import exp_negative

_ZERO, _ONE = np.float32(0), np.float32(1)


@inlined
def _n_counted(counted: Any, batch: Any) -> Any:
    """How many rows count, at least 1."""
    total = 0.0
    for i in range(batch):
        total += counted[i]
    return max(total, 1.0)


@kernel("cross_entropy")
def cross_entropy(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Mean of ``-w log softmax(z)[class]``; B (batch,) the classes, D (N_OUT,) their weights w."""
    batch, width = counters[BATCH] * row[ROWS], row[N_OUT]
    z = carray(at(arena, row[A]), (batch, width))
    target = carray(at(arena, row[B]), (batch,))
    gradient = carray(at(arena, row[C]), (batch, width))
    weights = carray(at(arena, row[D]), (width,))
    counted = carray(at(arena, row[E]), (batch,))
    n_counted = _n_counted(counted, batch)
    total = 0.0
    for i in range(batch):
        if counted[i] == _ZERO:
            for j in range(width):
                gradient[i, j] = _ZERO
            continue
        top = z[i, 0]
        for j in range(1, width):
            top = max(top, z[i, j])
        for j in range(width):
            gradient[i, j] = exp_negative(z[i, j] - top)
        total_exp = 0.0
        for j in range(width):
            total_exp += gradient[i, j]
        label = np.int64(target[i])
        share = np.float64(weights[label]) / n_counted
        total += share * (math.log(total_exp) + np.float64(top) - np.float64(z[i, label]))
        factor = np.float32(share / total_exp)
        for j in range(width):
            gradient[i, j] *= factor
        gradient[i, label] -= np.float32(share)
    scalars[LOSS] = total


@kernel("binary_cross_entropy")
def binary_cross_entropy(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Mean over samples and labels of ``log(1 + e^z) - t z``; B (batch, N_OUT) holds t.

    Every sample counts: a network with labels has one row of them.
    """
    size = counters[BATCH] * row[N_OUT]
    z = carray(at(arena, row[A]), (size,))
    target = carray(at(arena, row[B]), (size,))
    gradient = carray(at(arena, row[C]), (size,))
    inverse = np.float32(1.0 / size)
    for i in range(size):
        e = exp_negative(-abs(z[i]))
        probability = (e if z[i] < _ZERO else _ONE) / (_ONE + e)
        gradient[i] = (probability - target[i]) * inverse
    # log(1 + e^z) = max(z, 0) + log(1 + e^-|z|), and many such logarithms are one of a product.
    total, product = 0.0, 1.0
    for i in range(size):
        total += max(z[i], _ZERO) - np.float64(target[i]) * z[i]
        product *= 1.0 + exp_negative(-abs(z[i]))
        if i % 512 == 511 or i == size - 1:  # at most 2^512
            total += math.log(product)
            product = 1.0
    scalars[LOSS] = total / size


@kernel("squared_error")
def squared_error(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Mean over samples and outputs of ``(z - t)² / 2``; B (batch, N_OUT) holds t."""
    batch, width = counters[BATCH] * row[ROWS], row[N_OUT]
    z = carray(at(arena, row[A]), (batch, width))
    target = carray(at(arena, row[B]), (batch, width))
    gradient = carray(at(arena, row[C]), (batch, width))
    counted = carray(at(arena, row[E]), (batch,))
    size = _n_counted(counted, batch) * width
    inverse = np.float32(1.0 / size)
    total = 0.0
    for i in range(batch):
        for j in range(width):
            error = z[i, j] - target[i, j]
            if counted[i] == _ZERO:  # whatever its target
                error = _ZERO
            total += 0.5 * error * error
            gradient[i, j] = error * inverse
    scalars[LOSS] = total / size


@kernel("huber")
def huber(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Mean of ``e²/2`` where ``|e| ≤ δ``, else ``δ (|e| - δ/2)``; e = z - t, δ at CONSTANT."""
    batch, width = counters[BATCH] * row[ROWS], row[N_OUT]
    z = carray(at(arena, row[A]), (batch, width))
    target = carray(at(arena, row[B]), (batch, width))
    gradient = carray(at(arena, row[C]), (batch, width))
    counted = carray(at(arena, row[E]), (batch,))
    size = _n_counted(counted, batch) * width
    delta = scalars[row[CONSTANT]]
    total = 0.0
    for i in range(batch):
        for j in range(width):
            error = np.float64(z[i, j] - target[i, j])
            if counted[i] == _ZERO:  # whatever its target
                error = np.float64(0)
            if abs(error) <= delta:
                total += 0.5 * error * error
            else:
                total += delta * (abs(error) - 0.5 * delta)
            gradient[i, j] = np.float32(min(max(error, -delta), delta) / size)
    scalars[LOSS] = total / size
