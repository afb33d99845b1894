"""Convolutions over images, channels last, straight from the image: no window is ever copied.

With an image x (height, width, N_IN), weight W (kernel height, kernel width, N_IN, N_OUT), strides
s and t down and across, and c the sub-model's scale::

    z[i, j, f] = Σ_u Σ_v Σ_k x[i s + u, j t + v, k] W[u, v, k, f],    out = f(c z + b)

The row u of a window, kernel width × N_IN values, is one run of the image, so that all three
products are made of tiles over runs (`multiply_runs`). Copying the windows first and multiplying
then, as is usual, moves each value of an image as often as the kernel has places: that is cheap
beside many filters, but a sub-model has few. Every entry is one sum in one order, and an image's
results do not depend on the images beside it.

An image that windows stick out of is copied into the work space, zeros around it. Bias, activation
and slope are done image by image, while it is in the cache.

References
----------
Georganas et al. (2018), "Anatomy of high-performance deep learning convolutions on SIMD
architectures", SC '18, section II: direct convolution, blocked for registers and caches.
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
    PADDED_HEIGHT,
    PADDED_WIDTH,
    TOP,
    WIDTH,
    WINDOW_HEIGHT,
    WINDOW_WIDTH,
    image_sizes,
)
from dask_horn.kernels.cpu.tiles.floats import copy_floats, zero_floats
from dask_horn.kernels.cpu.tiles.multiply import multiply_runs
from dask_horn.kernels.cpu.tiles.panels import pack_columns
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.cpu.tiles.sizes import SCRATCH, SHORT, TALL, WIDE, n_tall_tiles
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_IN, N_OUT, SIZES, WORK, A, B, C, D, E
from dask_horn.kernels.program import Operation
from dask_horn.kernels.rounding import round_up
from dask_horn.kernels.scalars import ACTIVATIONS, NEEDS_INPUT

# Terms of the sums that are added before the next ones: a panel's rows of so many stay in the first
# cache while all places of an image pass by.
_TERMS = 256
# Places that are added to a weight's gradient at a time: their rows of its gradient stay there too.
_PLACES = 128


def _work_size(operation: Operation, batch_size: int) -> int:
    """Elements of work space that each of a convolution's products needs, at most."""
    size, n_in, n_out = operation.sizes, operation.n_in, operation.n_out
    padded_size = size[PADDED_HEIGHT - SIZES] * size[PADDED_WIDTH - SIZES]
    window_size = size[WINDOW_HEIGHT - SIZES] * size[WINDOW_WIDTH - SIZES]
    across = size[ACROSS - SIZES]
    columns = max(n_in * round_up(n_out, WIDE), n_out * round_up(n_in, WIDE))
    # Tiles read on where a row of places ends: behind the last image's there must be memory, and
    # work space is what lies behind all.
    beyond = TALL * max(across * n_in, n_out)
    return SCRATCH + padded_size * n_in + window_size * columns + beyond


@inlined
def _work(row: Any, arena: Any) -> Any:
    """Where in the work space an incomplete tile, a padded image, and panels are kept."""
    scratch = at(arena, row[WORK])
    room = at(scratch, SCRATCH)
    size = row[PADDED_HEIGHT] * row[PADDED_WIDTH] * row[N_IN] if _is_padded(row) else 0
    return scratch, room, at(room, size)


@inlined
def _is_padded(row: Any) -> Any:
    return row[PADDED_HEIGHT] > row[HEIGHT] or row[PADDED_WIDTH] > row[WIDTH]


@inlined
def _with_zeros(row: Any, image: Any, room: Any) -> Any:
    """Return the image with the zeros that windows need around it: in `room`, or where it lies."""
    if not _is_padded(row):
        return image
    n_in, line, padded_line = row[N_IN], row[WIDTH] * row[N_IN], row[PADDED_WIDTH] * row[N_IN]
    zero_floats(room, row[PADDED_HEIGHT] * padded_line)
    for y in range(row[HEIGHT]):
        inside = at(room, (y + row[TOP]) * padded_line + row[LEFT] * n_in)
        copy_floats(at(image, y * line), inside, line)
    return room


@inlined
def _without_zeros(row: Any, room: Any, image: Any) -> None:
    """Copy what lies in `room` within the zeros."""
    n_in, line, padded_line = row[N_IN], row[WIDTH] * row[N_IN], row[PADDED_WIDTH] * row[N_IN]
    for y in range(row[HEIGHT]):
        inside = at(room, (y + row[TOP]) * padded_line + row[LEFT] * n_in)
        copy_floats(inside, at(image, y * line), line)


# ------------------------------------------------------------------------------------- forward


@inlined
def _pack_weight(row: Any, weight: Any, panels: Any) -> None:
    n_terms = row[WINDOW_HEIGHT] * row[WINDOW_WIDTH] * row[N_IN]
    pack_columns(weight, row[N_OUT], n_terms, 0, row[N_OUT], panels)


@inlined
def _convolve(row: Any, image: Any, panels: Any, out: Any, scratch: Any) -> None:
    """Out ← z of one image; the weight lies in panels of WIDE filters."""
    n_in, n_out, out_width = row[N_IN], row[N_OUT], row[OUT_WIDTH]
    line, place = row[PADDED_WIDTH] * n_in, row[ACROSS] * n_in
    n_steps = row[WINDOW_WIDTH] * n_in
    most_runs = max(1, _TERMS // n_steps)
    n_tall = n_tall_tiles(out_width)
    for u in range(0, row[WINDOW_HEIGHT], most_runs):
        n_runs = min(most_runs, row[WINDOW_HEIGHT] - u)
        for f in range(0, n_out, WIDE):
            panel = at(panels, (f * row[WINDOW_HEIGHT] + u * WIDE) * n_steps)
            for i in range(row[OUT_HEIGHT]):
                windows = at(image, (i * row[DOWN] + u) * line)
                j = 0
                while j < out_width:
                    height = TALL if j < n_tall * TALL else SHORT
                    multiply_runs(
                        at(windows, j * place), place, 1, line, panel, WIDE, n_runs, n_steps,
                        at(out, (i * out_width + j) * n_out + f), n_out,
                        min(height, out_width - j), min(WIDE, n_out - f), u > 0, scratch,
                    )  # fmt: skip
                    j += height


def _forward(name: str, function: Callable[..., Any]) -> None:
    beside = name in NEEDS_INPUT

    @kernel(f"conv2d_{name}_forward", work=_work_size)
    def forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """D ← f(c z + b) of the images A; W at B, b at C, c at CONSTANT.

        Where the slope needs the input, D ← c z + b and E ← f(D).
        """
        scratch, room, panels = _work(row, arena)
        _pack_weight(row, at(arena, row[B]), panels)
        size_in, size_out = image_sizes(row)
        n_places, n_out = row[OUT_HEIGHT] * row[OUT_WIDTH], row[N_OUT]
        bias = carray(at(arena, row[C]), (n_out,))
        scale = np.float32(scalars[row[CONSTANT]])
        for n in range(counters[BATCH]):
            total = at(arena, row[D] + n * size_out)
            image = _with_zeros(row, at(arena, row[A] + n * size_in), room)
            _convolve(row, image, panels, total, scratch)
            z = carray(total, (n_places, n_out))
            out = carray(at(arena, row[E] + n * size_out), (n_places, n_out)) if beside else z
            for i in range(n_places):
                for j in range(n_out):
                    value = scale * z[i, j] + bias[j]
                    if beside:
                        z[i, j] = value
                    out[i, j] = function(value)


# ------------------------------------------------------------------------- the weight's gradient


@inlined
def _add_to_weight(
    row: Any, image: Any, gradient: Any, out: Any, accumulate: Any, scratch: Any
) -> None:
    """Out ← [out +] Σ_ij x[i s + u, j t + v, k] g[i, j, f] of one image."""
    n_in, n_out, out_width = row[N_IN], row[N_OUT], row[OUT_WIDTH]
    line, place = row[PADDED_WIDTH] * n_in, row[ACROSS] * n_in
    n_terms = row[WINDOW_WIDTH] * n_in
    most_runs = max(1, _PLACES // out_width)
    n_tall = n_tall_tiles(n_terms)
    for i in range(0, row[OUT_HEIGHT], most_runs):
        n_runs = min(most_runs, row[OUT_HEIGHT] - i)
        for f in range(0, n_out, WIDE):
            right = at(gradient, i * out_width * n_out + f)
            for u in range(row[WINDOW_HEIGHT]):
                windows = at(image, (i * row[DOWN] + u) * line)
                k = 0
                while k < n_terms:
                    height = TALL if k < n_tall * TALL else SHORT
                    multiply_runs(
                        at(windows, k), 1, place, row[DOWN] * line,
                        right, n_out, n_runs, out_width,
                        at(out, (u * n_terms + k) * n_out + f), n_out,
                        min(height, n_terms - k), min(WIDE, n_out - f),
                        accumulate or i > 0, scratch,
                    )  # fmt: skip
                    k += height


def _backward(name: str, slope: Callable[..., Any]) -> None:
    @kernel(f"conv2d_{name}_weight", work=_work_size)
    def backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """D ← the weight's gradient, E (N_OUT,) ← the bias', and B ← c B f'(C), its products'.

        A: the images, B: the gradient of what came out, C: c z + b where the slope needs it, else
        what came out; c at CONSTANT.
        """
        scratch, room, _ = _work(row, arena)
        size_in, size_out = image_sizes(row)
        n_places, n_out = row[OUT_HEIGHT] * row[OUT_WIDTH], row[N_OUT]
        bias = carray(at(arena, row[E]), (n_out,))
        scale = np.float32(scalars[row[CONSTANT]])
        for j in range(n_out):
            bias[j] = np.float32(0)
        for n in range(counters[BATCH]):
            own = at(arena, row[B] + n * size_out)
            gradient = carray(own, (n_places, n_out))
            saved = carray(at(arena, row[C] + n * size_out), (n_places, n_out))
            for i in range(n_places):
                for j in range(n_out):
                    value = gradient[i, j] * slope(saved[i, j])
                    bias[j] += value
                    gradient[i, j] = scale * value
            image = _with_zeros(row, at(arena, row[A] + n * size_in), room)
            _add_to_weight(row, image, own, at(arena, row[D]), n > 0, scratch)


for _name, (_function, _slope) in ACTIVATIONS.items():
    _forward(_name, _function)
    _backward(_name, _slope)


# ------------------------------------------------------------------------- the input's gradient


@inlined
def _rank(u: Any, stride: Any, size: Any) -> Any:
    """Place of u among 0 … size - 1, ordered by what is left of them over the stride.

    Then those that a row of the image has to do with follow one another.
    """
    rank = u // stride
    for rest in range(u % stride):
        rank += (size - rest + stride - 1) // stride
    return rank


@inlined
def _pack_transposed(row: Any, weight: Any, panels: Any) -> None:
    """Lay W out as (kernel width, panels of WIDE of N_IN, ranks of u, N_OUT, WIDE)."""
    n_in, n_out, n_v = row[N_IN], row[N_OUT], row[WINDOW_WIDTH]
    n_columns = round_up(n_in, WIDE)
    for u in range(row[WINDOW_HEIGHT]):
        rank = _rank(u, row[DOWN], row[WINDOW_HEIGHT])
        for v in range(n_v):
            for k in range(n_columns):
                panel = (v * n_columns + k // WIDE * WIDE) * row[WINDOW_HEIGHT] + rank * WIDE
                target = carray(at(panels, panel * n_out + k % WIDE), (n_out * WIDE,))
                if k < n_in:
                    source = carray(at(weight, ((u * n_v + v) * n_in + k) * n_out), (n_out,))
                    for f in range(n_out):
                        target[f * WIDE] = source[f]
                else:
                    for f in range(n_out):
                        target[f * WIDE] = np.float32(0)


@inlined
def _spread(row: Any, gradient: Any, panels: Any, out: Any, scratch: Any) -> None:
    """Out[y, x, k] ← out + Σ g[i, j, f] W[u, v, k, f] over y = i s + u, x = j t + v, and f."""
    n_in, n_out, out_width = row[N_IN], row[N_OUT], row[OUT_WIDTH]
    kernel_height, down = row[WINDOW_HEIGHT], row[DOWN]
    line, place = row[PADDED_WIDTH] * n_in, row[ACROSS] * n_in
    n_columns = round_up(n_in, WIDE)
    n_tall = n_tall_tiles(out_width)
    for v in range(row[WINDOW_WIDTH]):
        for k in range(0, n_columns, WIDE):
            panel = at(panels, (v * n_columns + k) * kernel_height * n_out)
            for y in range((row[OUT_HEIGHT] - 1) * down + kernel_height):
                # u = y % s, y % s + s, … and i one less each time: as far as there are such.
                skipped = max(0, y // down - row[OUT_HEIGHT] + 1)
                u, i = y % down + skipped * down, y // down - skipped
                n_runs = min(i, (kernel_height - 1 - u) // down) + 1
                j = 0 if n_runs > 0 else out_width
                while j < out_width:
                    height = TALL if j < n_tall * TALL else SHORT
                    multiply_runs(
                        at(gradient, (i * out_width + j) * n_out), n_out, 1, -out_width * n_out,
                        at(panel, _rank(u, down, kernel_height) * n_out * WIDE), WIDE,
                        n_runs, n_out,
                        at(out, y * line + j * place + v * n_in + k), place,
                        min(height, out_width - j), min(WIDE, n_in - k), True, scratch,
                    )  # fmt: skip
                    j += height


@kernel("conv2d_input", work=_work_size)
def conv2d_input(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C ← the gradient of the images that went in; A: that of the products; W at B.

    A row of an image takes from all rows of the window in one sum.
    """
    scratch, room, panels = _work(row, arena)
    _pack_transposed(row, at(arena, row[B]), panels)
    size_in, size_out = image_sizes(row)
    for n in range(counters[BATCH]):
        image = at(arena, row[C] + n * size_in)
        whole = room if _is_padded(row) else image
        zero_floats(whole, row[PADDED_HEIGHT] * row[PADDED_WIDTH] * row[N_IN])
        _spread(row, at(arena, row[A] + n * size_out), panels, whole, scratch)
        if _is_padded(row):
            _without_zeros(row, room, image)
