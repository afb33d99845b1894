"""The largest value, and the mean, of each window of an image; channel by channel.

Parts of a window that stick out of the image count for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import inlined, kernel
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
from dask_horn.kernels.cpu.tiles.floats import zero_floats
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.opcodes import BATCH, N_OUT, A, B, C


@inlined
def _inside(start: Any, size: Any, length: Any) -> Any:
    """First and last part, and one more, of a window from `start` on that is within a side."""
    return max(0, -start), min(size, length - start)


def _pool_kernel(
    name: str, visit: Callable[..., Any], finish: Callable[..., Any], *, backward: bool
) -> None:
    """Register a pass over all windows.

    A (batch, height, width, N_OUT) is what goes in, backward its gradient, which then is written; B
    (batch, places, N_OUT) what comes out, or its gradient; C (batch, places, N_OUT), of the largest
    value, where in its window it is.

    Parameters
    ----------
    name : str
        Of the kernel.
    visit : callable
        ``visit(x, value, chosen, n, number, begins, count)`` deals with one pixel (n,) of a window
        and with what comes out there (n,). The pixel is the `number`-th, `begins` tells the first
        that is within the image, and so many are within in all.
    finish : callable
        ``finish(value, n, count)`` follows when all pixels of a window have been visited.
    backward : bool
        Whether A is written.
    """

    @kernel(name)
    def pool(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        n, width = row[N_OUT], row[WIDTH]
        size_in, size_out = image_sizes(row)
        for sample in range(counters[BATCH]):
            image = at(arena, row[A] + sample * size_in)
            if backward:
                zero_floats(image, size_in)
            for i in range(row[OUT_HEIGHT]):
                top = i * row[DOWN] - row[TOP]
                first_u, stop_u = _inside(top, row[WINDOW_HEIGHT], row[HEIGHT])
                for j in range(row[OUT_WIDTH]):
                    left = j * row[ACROSS] - row[LEFT]
                    first_v, stop_v = _inside(left, row[WINDOW_WIDTH], width)
                    count = np.float32((stop_u - first_u) * (stop_v - first_v))
                    place = sample * size_out + (i * row[OUT_WIDTH] + j) * n
                    value, chosen = at(arena, row[B] + place), at(arena, row[C] + place)
                    for u in range(first_u, stop_u):
                        for v in range(first_v, stop_v):
                            number = np.float32(u * row[WINDOW_WIDTH] + v)
                            begins = u == first_u and v == first_v
                            pixel = at(image, ((top + u) * width + left + v) * n)
                            visit(pixel, value, chosen, n, number, begins, count)
                    finish(value, n, count)


@inlined
def _take_larger(
    pixel: Any, value: Any, chosen: Any, n: Any, number: Any, begins: Any, count: Any
) -> None:
    """Keep the first of equal ones; NaN counts as larger than all."""
    x, largest, where = carray(pixel, (n,)), carray(value, (n,)), carray(chosen, (n,))
    for k in range(n):
        larger = begins or x[k] > largest[k] or x[k] != x[k]
        largest[k] = x[k] if larger else largest[k]
        where[k] = number if larger else where[k]


@inlined
def _give_to_largest(
    pixel: Any, value: Any, chosen: Any, n: Any, number: Any, begins: Any, count: Any
) -> None:
    own, gradient, where = carray(pixel, (n,)), carray(value, (n,)), carray(chosen, (n,))
    for k in range(n):
        own[k] += gradient[k] if where[k] == number else np.float32(0)


@inlined
def _add(pixel: Any, value: Any, chosen: Any, n: Any, number: Any, begins: Any, count: Any) -> None:
    x, total = carray(pixel, (n,)), carray(value, (n,))
    for k in range(n):
        total[k] = (np.float32(0) if begins else total[k]) + x[k]


@inlined
def _share_out(
    pixel: Any, value: Any, chosen: Any, n: Any, number: Any, begins: Any, count: Any
) -> None:
    own, gradient = carray(pixel, (n,)), carray(value, (n,))
    for k in range(n):
        own[k] += gradient[k] / count


@inlined
def _divide(value: Any, n: Any, count: Any) -> None:
    mean = carray(value, (n,))
    for k in range(n):
        mean[k] /= count


@inlined
def _leave(value: Any, n: Any, count: Any) -> None:
    pass


_pool_kernel("max_pool2d_forward", _take_larger, _leave, backward=False)
_pool_kernel("max_pool2d_backward", _give_to_largest, _leave, backward=True)
_pool_kernel("average_pool2d_forward", _add, _divide, backward=False)
_pool_kernel("average_pool2d_backward", _share_out, _leave, backward=True)
