"""A prototype: one block of threads trains one small network for many steps, by a table of layers.

It takes SGD steps with momentum 0.9 on relu layers with cross entropy, and computes all products
by itself, tile after tile, from shared memory and registers as our launches do. Networks are equal,
and read the same batches in turn. Beside our launches it tells what a form without them brings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numba import config, cuda, float32
from numpy.typing import NDArray

__all__ = ["Blocks", "reference"]

MOMENTUM, RATE = np.float32(0.9), np.float32(1e-2)
# Of a table of layers: sizes, then offsets from the network's own part of the arena.
N_IN, N_OUT, WEIGHT, BIAS, V_WEIGHT, V_BIAS, OUT, GRADIENT = range(8)
_TILE, _DEPTH, _OWN = (8, 4, 2) if config.ENABLE_CUDASIM else (64, 16, 4)
_ACROSS = _TILE // _OWN
_LINE = _TILE + 4  # so that what is written transposed falls on other banks
N_THREADS = _ACROSS * _ACROSS
_ZERO = np.float32(0)

Layers = Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]


def _product(left_by_rows: bool, right_by_columns: bool, finish: Callable[..., None]) -> Any:
    """Make what multiplies two matrices and takes each entry of the result."""

    @cuda.jit(device=True)
    def product(arena: Any, a: Any, b: Any, shape: Any, at: Any, beside: Any, flag: Any) -> None:
        left = cuda.shared.array((_DEPTH, _LINE), float32)
        right = cuda.shared.array((_DEPTH, _LINE), float32)
        total = cuda.local.array((_OWN, _OWN), float32)
        t = cuda.threadIdx.x
        line, column = t // _ACROSS * _OWN, t % _ACROSS * _OWN
        n_lines, n_columns, n_terms = shape
        for first_line in range(0, n_lines, _TILE):
            for first_column in range(0, n_columns, _TILE):
                for p in range(_OWN):
                    for q in range(_OWN):
                        total[p, q] = _ZERO
                for start in range(0, n_terms, _DEPTH):
                    for e in range(t, _TILE * _DEPTH, N_THREADS):
                        if left_by_rows:
                            p, k = e // _DEPTH, e % _DEPTH
                            place = (first_line + p) * n_terms + start + k
                        else:
                            p, k = e % _TILE, e // _TILE
                            place = (start + k) * n_lines + first_line + p
                        value = _ZERO
                        if first_line + p < n_lines and start + k < n_terms:
                            value = arena[a + place]
                        left[k, p] = value
                        if right_by_columns:
                            q, k = e // _DEPTH, e % _DEPTH
                            place = (first_column + q) * n_terms + start + k
                        else:
                            q, k = e % _TILE, e // _TILE
                            place = (start + k) * n_columns + first_column + q
                        value = _ZERO
                        if first_column + q < n_columns and start + k < n_terms:
                            value = arena[b + place]
                        right[k, q] = value
                    cuda.syncthreads()
                    for k in range(_DEPTH):
                        for p in range(_OWN):
                            for q in range(_OWN):
                                total[p, q] += left[k, line + p] * right[k, column + q]
                    cuda.syncthreads()
                for p in range(_OWN):
                    for q in range(_OWN):
                        i, j = first_line + line + p, first_column + column + q
                        if i < n_lines and j < n_columns:
                            finish(arena, at, beside, i * n_columns + j, j, total[p, q], flag)
        cuda.syncthreads()

    return product


@cuda.jit(device=True)
def _activate(
    arena: Any, at: Any, bias: Any, place: Any, column: Any, value: Any, is_last: Any
) -> None:
    value += arena[bias + column]
    arena[at + place] = value if is_last or value > _ZERO else _ZERO


@cuda.jit(device=True)
def _slope(arena: Any, at: Any, out: Any, place: Any, column: Any, value: Any, flag: Any) -> None:
    arena[at + place] = value if arena[out + place] > _ZERO else _ZERO


@cuda.jit(device=True)
def _move(arena: Any, at: Any, v: Any, place: Any, column: Any, value: Any, flag: Any) -> None:
    arena[v + place] = MOMENTUM * arena[v + place] + value
    arena[at + place] -= RATE * arena[v + place]


_forward = _product(True, False, _activate)
_to_input = _product(True, True, _slope)
_to_weight = _product(False, False, _move)


@cuda.jit(device=True)
def _loss(arena: Any, z: Any, y: Any, out: Any, batch: Any, n_classes: Any) -> None:
    """Out ← the gradient of the mean cross entropy."""
    for i in range(cuda.threadIdx.x, batch, N_THREADS):
        row = z + i * n_classes
        top, total = arena[row], _ZERO
        for j in range(1, n_classes):
            top = max(top, arena[row + j])
        for j in range(n_classes):
            total += math.exp(arena[row + j] - top)
        for j in range(n_classes):
            share = math.exp(arena[row + j] - top) / total
            wanted = float32(1) if j == int(arena[y + i]) else _ZERO
            arena[out + i * n_classes + j] = (share - wanted) / float32(batch)
    cuda.syncthreads()


@cuda.jit
def _train(arena: Any, layers: Any, size: Any, batch: Any, n_steps: Any, batches: Any) -> None:
    """Take a network's steps; `batches` (n, 2) tell where their samples and classes are."""
    base, n_layers = cuda.blockIdx.x * size, layers.shape[0]
    for step in range(n_steps):
        x, y = batches[step % batches.shape[0], 0], batches[step % batches.shape[0], 1]
        for i in range(n_layers):
            n_in, n_out = layers[i, N_IN], layers[i, N_OUT]
            source = x if i == 0 else base + layers[i - 1, OUT]
            _forward(
                arena, source, base + layers[i, WEIGHT], (batch, n_out, n_in),
                base + layers[i, OUT], base + layers[i, BIAS], i == n_layers - 1,
            )  # fmt: skip
        last = n_layers - 1
        _loss(
            arena, base + layers[last, OUT], y, base + layers[last, GRADIENT], batch,
            layers[last, N_OUT],
        )  # fmt: skip
        for i in range(n_layers - 1, -1, -1):
            n_in, n_out = layers[i, N_IN], layers[i, N_OUT]
            gradient = base + layers[i, GRADIENT]
            source = x if i == 0 else base + layers[i - 1, OUT]
            if i > 0:
                _to_input(
                    arena, gradient, base + layers[i, WEIGHT], (batch, n_in, n_out),
                    base + layers[i - 1, GRADIENT], source, False,
                )  # fmt: skip
            _to_weight(
                arena, source, gradient, (n_in, n_out, batch),
                base + layers[i, WEIGHT], base + layers[i, V_WEIGHT], False,
            )  # fmt: skip
            for j in range(cuda.threadIdx.x, n_out, N_THREADS):
                total = _ZERO
                for k in range(batch):
                    total += arena[gradient + k * n_out + j]
                _move(arena, base + layers[i, BIAS], base + layers[i, V_BIAS], j, j, total, False)
            cuda.syncthreads()


@dataclass(frozen=True)
class _Plan:
    """Where everything of one network lies: the table of layers, and its size."""

    table: NDArray[np.int64]
    size: int

    @classmethod
    def of(cls, widths: tuple[int, ...], batch: int) -> _Plan:
        rows, at = [], 0
        for n_in, n_out in pairwise(widths):
            sizes = (n_in * n_out, n_out, n_in * n_out, n_out, batch * n_out, batch * n_out)
            places = at + np.cumsum([0, *sizes])
            rows.append([n_in, n_out, *places[:-1]])
            at = int(places[-1])
        return cls(np.array(rows, np.int64), at)


class Blocks:
    """So many networks on the device, a block of threads each; all begin alike."""

    def __init__(self, layers: Layers, n: int, x: Any, y: Any, batch: int) -> None:
        widths = (layers[0][0].shape[0], *(bias.size for _, bias in layers))
        self._plan, self.n, self._batch = _Plan.of(widths, batch), n, batch
        own = np.zeros(self._plan.size, np.float32)
        for row, (weight, bias) in zip(self._plan.table, layers, strict=True):
            own[row[WEIGHT] : row[WEIGHT] + weight.size] = weight.ravel()
            own[row[BIAS] : row[BIAS] + bias.size] = bias
        end, n_batches = n * self._plan.size, len(x) // batch
        arena = np.concatenate([np.tile(own, n), x.ravel(), y.astype(np.float32)])
        first, rows = end + x.size, np.arange(n_batches) * batch
        batches = np.stack([end + rows * x.shape[1], first + rows], 1)
        self._arrays = [cuda.to_device(part) for part in (arena, self._plan.table, batches)]

    def run(self, n_steps: int) -> None:
        """Take so many steps, and wait for them."""
        arena, table, batches = self._arrays
        launch = _train[self.n, N_THREADS]
        launch(arena, table, self._plan.size, self._batch, n_steps, batches)
        cuda.synchronize()

    def layers(self, number: int) -> list[tuple[Any, Any]]:
        """Return a network's weights and biases as they are now."""
        start = number * self._plan.size
        own = self._arrays[0].copy_to_host()[start : start + self._plan.size]
        return [
            (
                own[row[WEIGHT] : row[BIAS]].reshape(row[N_IN], row[N_OUT]),
                own[row[BIAS] : row[V_WEIGHT]],
            )
            for row in self._plan.table
        ]


def reference(layers: Layers, x: Any, y: Any, batch: int, n_steps: int) -> list[tuple[Any, Any]]:
    """Take the same steps in float64."""
    own = [[np.array(part, np.float64) for part in layer] for layer in layers]
    speed = [[np.zeros_like(part) for part in layer] for layer in own]
    n_batches = len(x) // batch
    for step in range(n_steps):
        rows = slice(step % n_batches * batch, (step % n_batches + 1) * batch)
        outs = [x[rows].astype(np.float64)]
        for i, (weight, bias) in enumerate(own):
            z = outs[-1] @ weight + bias
            outs.append(z if i == len(own) - 1 else np.maximum(z, 0))
        scores = np.exp(outs[-1] - outs[-1].max(1, keepdims=True))
        gradient = scores / scores.sum(1, keepdims=True)
        gradient[np.arange(batch), y[rows].astype(int)] -= 1
        gradient /= batch
        for i in range(len(own) - 1, -1, -1):
            slopes = outs[i].T @ gradient, gradient.sum(0)
            gradient = gradient @ own[i][0].T * (outs[i] > 0)
            for part, v, slope in zip(own[i], speed[i], slopes, strict=True):
                v *= MOMENTUM
                v += slope
                part -= RATE * v
    return [(weight, bias) for weight, bias in own]
