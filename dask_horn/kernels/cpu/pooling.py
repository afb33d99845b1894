"""The largest value, and the mean, of each window of an image; channel by channel.

Parts of a window that stick out of the image count for nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.floats import zero_floats
from dask_horn.kernels.cpu.images import (
    ACROSS,
    DOWN,
    HEIGHT,
    LEFT,
    OUT_HEIGHT,
    OUT_WIDTH,
    TOP,
    WIDTH,
    WINDOW_HEIGHT,
    WINDOW_WIDTH,
    image_sizes,
)
from dask_horn.kernels.cpu.pointers import at
from dask_horn.kernels.opcodes import BATCH, N_OUT, A, B, C


@inlined
def _inside(start: Any, size: Any, length: Any) -> Any:
    """First and last part, and one more, of a window from `start` on that is within a side."""
    return max(0, -start), min(size, length - start)


@kernel("max_pool2d_forward")
def max_pool2d_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """B (batch, places, N_OUT) ← the largest of each window of A, C ← where in the window it is.

    The first of equal ones; NaN counts as the largest.
    """
    n, width = row[N_OUT], row[WIDTH]
    size_in, size_out = image_sizes(row)
    for sample in range(counters[BATCH]):
        for i in range(row[OUT_HEIGHT]):
            top = i * row[DOWN] - row[TOP]
            first_u, stop_u = _inside(top, row[WINDOW_HEIGHT], row[HEIGHT])
            for j in range(row[OUT_WIDTH]):
                left = j * row[ACROSS] - row[LEFT]
                first_v, stop_v = _inside(left, row[WINDOW_WIDTH], width)
                place = sample * size_out + (i * row[OUT_WIDTH] + j) * n
                largest = carray(at(arena, row[B] + place), (n,))
                chosen = carray(at(arena, row[C] + place), (n,))
                for u in range(first_u, stop_u):
                    for v in range(first_v, stop_v):
                        pixel = sample * size_in + ((top + u) * width + left + v) * n
                        x = carray(at(arena, row[A] + pixel), (n,))
                        number = np.float32(u * row[WINDOW_WIDTH] + v)
                        begins = u == first_u and v == first_v
                        for k in range(n):
                            larger = begins or x[k] > largest[k] or x[k] != x[k]
                            largest[k] = x[k] if larger else largest[k]
                            chosen[k] = number if larger else chosen[k]


@kernel("max_pool2d_backward")
def max_pool2d_backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C ← the gradient of what went in: that of what came out, A, where B says it came from."""
    n, width = row[N_OUT], row[WIDTH]
    size_in, size_out = image_sizes(row)
    for sample in range(counters[BATCH]):
        zero_floats(at(arena, row[C] + sample * size_in), size_in)
        for i in range(row[OUT_HEIGHT]):
            top = i * row[DOWN] - row[TOP]
            first_u, stop_u = _inside(top, row[WINDOW_HEIGHT], row[HEIGHT])
            for j in range(row[OUT_WIDTH]):
                left = j * row[ACROSS] - row[LEFT]
                first_v, stop_v = _inside(left, row[WINDOW_WIDTH], width)
                place = sample * size_out + (i * row[OUT_WIDTH] + j) * n
                gradient = carray(at(arena, row[A] + place), (n,))
                chosen = carray(at(arena, row[B] + place), (n,))
                for u in range(first_u, stop_u):
                    for v in range(first_v, stop_v):
                        pixel = sample * size_in + ((top + u) * width + left + v) * n
                        own = carray(at(arena, row[C] + pixel), (n,))
                        number = np.float32(u * row[WINDOW_WIDTH] + v)
                        for k in range(n):
                            own[k] += gradient[k] if chosen[k] == number else np.float32(0)


@kernel("average_pool2d_forward")
def average_pool2d_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """B (batch, places, N_OUT) ← the mean of each window of A, of what is within the image."""
    n, width = row[N_OUT], row[WIDTH]
    size_in, size_out = image_sizes(row)
    for sample in range(counters[BATCH]):
        for i in range(row[OUT_HEIGHT]):
            top = i * row[DOWN] - row[TOP]
            first_u, stop_u = _inside(top, row[WINDOW_HEIGHT], row[HEIGHT])
            for j in range(row[OUT_WIDTH]):
                left = j * row[ACROSS] - row[LEFT]
                first_v, stop_v = _inside(left, row[WINDOW_WIDTH], width)
                place = sample * size_out + (i * row[OUT_WIDTH] + j) * n
                zero_floats(at(arena, row[B] + place), n)
                mean = carray(at(arena, row[B] + place), (n,))
                for u in range(first_u, stop_u):
                    for v in range(first_v, stop_v):
                        pixel = sample * size_in + ((top + u) * width + left + v) * n
                        x = carray(at(arena, row[A] + pixel), (n,))
                        for k in range(n):
                            mean[k] += x[k]
                count = np.float32((stop_u - first_u) * (stop_v - first_v))
                for k in range(n):
                    mean[k] /= count


@kernel("average_pool2d_backward")
def average_pool2d_backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """B ← the gradient of what went in: of what came out, A, shared out over its window."""
    n, width = row[N_OUT], row[WIDTH]
    size_in, size_out = image_sizes(row)
    for sample in range(counters[BATCH]):
        zero_floats(at(arena, row[B] + sample * size_in), size_in)
        for i in range(row[OUT_HEIGHT]):
            top = i * row[DOWN] - row[TOP]
            first_u, stop_u = _inside(top, row[WINDOW_HEIGHT], row[HEIGHT])
            for j in range(row[OUT_WIDTH]):
                left = j * row[ACROSS] - row[LEFT]
                first_v, stop_v = _inside(left, row[WINDOW_WIDTH], width)
                place = sample * size_out + (i * row[OUT_WIDTH] + j) * n
                gradient = carray(at(arena, row[A] + place), (n,))
                count = np.float32((stop_u - first_u) * (stop_v - first_v))
                for u in range(first_u, stop_u):
                    for v in range(first_v, stop_v):
                        pixel = sample * size_in + ((top + u) * width + left + v) * n
                        own = carray(at(arena, row[B] + pixel), (n,))
                        for k in range(n):
                            own[k] += gradient[k] / count
