"""The time loops of recurrent layers, and the products over all of their steps.

A layer's pass is: one product of all steps with W (`gemm_forward`), then the loop over steps, in
which h U is added and the cell advances. Backward the loop comes first and leaves the gradients of
all sums behind; the gradients of W, U and the input are then one product each over all steps.

A cell is two functions of one sample's step, `advance` and `go_back`, in a file of its own. Each
has its loops twice: in those called "…_masked" each sample has a mask of its own over U, the same
one in all of its steps (DropConnect).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dask_horn.kernels.compile import kernel
from dask_horn.kernels.cpu.tiles.floats import add_floats, copy_floats, scale_floats, zero_floats
from dask_horn.kernels.cpu.tiles.kept_products import add_kept
from dask_horn.kernels.cpu.tiles.panels import (
    CHUNK,
    add_weight_chunk,
    chunk_size,
    multiply_packed,
    pack_transposed,
    panels_size,
)
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.cpu.tiles.sizes import SCRATCH
from dask_horn.kernels.cpu.tiles.state_products import BACKWARD, FORWARD, state_product_size
from dask_horn.kernels.cpu.tiles.vectors import LANES
from dask_horn.kernels.masks import MASK_WORDS
from dask_horn.kernels.opcodes import (
    BATCH,
    CONSTANT,
    N_IN,
    N_OUT,
    ROWS,
    SIZES,
    WORK,
    A,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
)
from dask_horn.kernels.program import Operation
from dask_horn.kernels.rounding import round_up

# Rows of a product over all steps that are multiplied together: they stay in the second cache.
_BLOCK = 128


def _loop_work(name: str, n_gates: int) -> Callable[[Operation, int], int]:
    """Make the function that tells what a loop over steps needs, forward or backward."""
    masked = name.endswith("_masked")

    def work_size(operation: Operation, batch_size: int) -> int:
        units, width = operation.n_out, n_gates * operation.n_out
        rows = round_up(batch_size, LANES)
        product = state_product_size(batch_size, units, width, masked=masked)
        return SCRATCH + rows * (width + 2 * units) + product

    return work_size


def forward_kernel(name: str, n_gates: int, n_extra: int, advance: Callable[..., Any]) -> None:
    """Register the loops over steps of a cell, with and without masks.

    Parameters
    ----------
    name : str
        Of the kernel.
    n_gates : int
        Sums of each unit.
    n_extra : int
        Numbers of each unit and step that the way back needs besides its gates.
    advance : callable
        ``advance(z, p, bias, extra, state, cell, units, scale)`` makes one step of one sample, in
        place: z (gates, units) holds x W, and then what the way back needs; p is c h U; state and
        cell (units,) are h and, where the cell has one, c.
    """
    for suffix, (prepare, multiply) in FORWARD.items():
        _forward_kernel(name + suffix, n_gates, n_extra, advance, prepare, multiply)


def _forward_kernel(
    name: str,
    n_gates: int,
    n_extra: int,
    advance: Callable[..., Any],
    prepare: Callable[..., Any],
    multiply: Callable[..., Any],
) -> None:
    @kernel(name, work=_loop_work(name, n_gates))
    def forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """Write G ← the states after each step, or the last, of ROWS steps.

        A (batch, ROWS, gates, N_OUT) holds x W; b at B, U at C; D (batch, ROWS) is 0 where a step
        is padding; E (batch, ROWS, extra, N_OUT) and F (batch, ROWS, N_OUT), the states before
        each step, are kept for the way back; masks at H. The first size tells whether G has all
        steps, the second whether E and F are kept; the scales of W and U are at CONSTANT.
        """
        batch, steps, units = counters[BATCH], row[ROWS], row[N_OUT]
        each_step, keeps = row[SIZES], row[SIZES + 1]
        z, bias, u, counted = at(arena, row[A]), at(arena, row[B]), at(arena, row[C]), row[D]
        extra, before, out = at(arena, row[E]), at(arena, row[F]), at(arena, row[G])
        scale, scale_u = np.float32(scalars[row[CONSTANT]]), scalars[row[CONSTANT] + 1]
        width = n_gates * units
        rows = round_up(batch, LANES)
        scratch, states = at(arena, row[WORK]), at(arena, row[WORK] + SCRATCH)
        cells, sums = at(states, rows * units), at(states, 2 * rows * units)
        prepared, bits = at(sums, rows * width), at(arena, row[H])
        prepare(u, units, width, np.float32(scale_u), prepared, scratch)
        zero_floats(states, 2 * rows * units)
        zero_floats(sums, batch * width)
        for t in range(steps):
            if t > 0:
                multiply(states, batch, units, prepared, width, bits, sums, scratch)
            for i in range(batch):
                place = i * steps + t
                state = at(states, i * units)
                if keeps:
                    copy_floats(state, at(before, place * units), units)
                if arena[counted + place] != np.float32(0):
                    advance(
                        at(z, place * width), at(sums, i * width), bias,
                        at(extra, keeps * place * n_extra * units),
                        state, at(cells, i * units), units, scale,
                    )  # fmt: skip
                if each_step:
                    copy_floats(state, at(out, place * units), units)
        if not each_step:
            copy_floats(states, out, batch * units)


def backward_kernel(
    name: str, n_gates: int, n_extra: int, n_biases: int, go_back: Callable[..., Any]
) -> None:
    """Register the loops back over the steps of a cell, with and without masks.

    Parameters
    ----------
    name : str
        Of the kernel.
    n_gates, n_extra : int
        As in `forward_kernel`.
    n_biases : int
        Rows of the bias.
    go_back : callable
        ``go_back(z, p, bias, extra, before, state, cell, units)`` goes back one step of one sample,
        in place: z (gates, units) becomes the gradient with respect to x W, p that with respect to
        h U; bias its sum; state and cell (units,) hold the gradients of the states after the step,
        and then of those before it, as far as h U is not the way.
    """
    for suffix, (prepare, multiply) in BACKWARD.items():
        _backward_kernel(name + suffix, n_gates, n_extra, n_biases, go_back, prepare, multiply)


def _backward_kernel(
    name: str,
    n_gates: int,
    n_extra: int,
    n_biases: int,
    go_back: Callable[..., Any],
    prepare: Callable[..., Any],
    multiply: Callable[..., Any],
) -> None:
    @kernel(name, work=_loop_work(name, n_gates))
    def backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """Write B ← the gradient with respect to c x W, G (biases, N_OUT) ← the bias'.

        A is the gradient with respect to the outputs; C to F, H and the sizes are as in the
        forward kernel. The scale of U is at CONSTANT + 1.
        """
        batch, steps, units, each_step = counters[BATCH], row[ROWS], row[N_OUT], row[SIZES]
        gradient, z, u, counted = at(arena, row[A]), at(arena, row[B]), at(arena, row[C]), row[D]
        extra, before, bias = at(arena, row[E]), at(arena, row[F]), at(arena, row[G])
        width = n_gates * units
        rows = round_up(batch, LANES)
        scratch, states = at(arena, row[WORK]), at(arena, row[WORK] + SCRATCH)
        cells, sums = at(states, rows * units), at(states, 2 * rows * units)
        prepared, bits = at(sums, rows * width), at(arena, row[H])
        scale = np.float32(scalars[row[CONSTANT] + 1])
        prepare(u, units, width, scale, prepared, scratch)
        zero_floats(states, 2 * rows * units)
        zero_floats(bias, n_biases * units)
        for t in range(steps - 1, -1, -1):
            for i in range(batch):
                place = i * steps + t
                state = at(states, i * units)
                if each_step or t == steps - 1:
                    at_output = place if each_step else i
                    add_floats(at(gradient, at_output * units), state, units)
                own, own_sums = at(z, place * width), at(sums, i * width)
                own_extra = at(extra, place * n_extra * units)
                if arena[counted + place] != np.float32(0):
                    go_back(
                        own, own_sums, bias, own_extra, at(before, place * units),
                        state, at(cells, i * units), units,
                    )  # fmt: skip
                else:
                    zero_floats(own, width)
                    zero_floats(own_extra, n_extra * units)
                    zero_floats(own_sums, width)
            if t > 0:
                multiply(sums, batch, width, prepared, units, bits, states, scratch)


def _input_work(operation: Operation, batch_size: int) -> int:
    return SCRATCH + panels_size(operation.n_out, operation.n_in)


def _weight_work(operation: Operation, batch_size: int) -> int:
    return SCRATCH + chunk_size(operation.n_in)


def _kept_weight_work(operation: Operation, batch_size: int) -> int:
    return SCRATCH + chunk_size(operation.n_in) + operation.n_in * operation.n_out


@kernel("steps_input", work=_input_work)
def steps_input(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (batch, N_IN) ← c A (batch, N_OUT) @ B (N_IN, N_OUT).T; c at CONSTANT.

    As `gemm_input`, for a batch of many rows and a small weight.
    """
    n_rows, n_in, n_out = counters[BATCH] * row[ROWS], row[N_IN], row[N_OUT]
    scratch, panels = at(arena, row[WORK]), at(arena, row[WORK] + SCRATCH)
    gradient, out = at(arena, row[A]), at(arena, row[C])
    scale = np.float32(scalars[row[CONSTANT]])
    pack_transposed(at(arena, row[B]), n_out, n_in, scale, panels, scratch)
    for i in range(0, n_rows, _BLOCK):
        multiply_packed(
            at(gradient, i * n_out), min(_BLOCK, n_rows - i), n_out, panels,
            at(out, i * n_in), n_in, False, scratch,
        )  # fmt: skip


@kernel("steps_weight", work=_weight_work)
def steps_weight(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (N_IN, N_OUT) ← c A (batch, N_IN).T @ B (batch, N_OUT); c at CONSTANT.

    As `gemm_weight`, for a batch of many rows and a small weight.
    """
    n_rows, n_in, n_out = counters[BATCH] * row[ROWS], row[N_IN], row[N_OUT]
    scratch, work = at(arena, row[WORK]), at(arena, row[WORK] + SCRATCH)
    x, gradient, out = at(arena, row[A]), at(arena, row[B]), at(arena, row[C])
    for i in range(0, n_rows, CHUNK):
        add_weight_chunk(
            at(x, i * n_in), at(gradient, i * n_out), min(CHUNK, n_rows - i), n_in, n_out,
            out, i > 0, work, scratch,
        )  # fmt: skip
    scale_floats(out, n_in * n_out, np.float32(scalars[row[CONSTANT]]))


@kernel("steps_kept_weight", work=_kept_weight_work)
def steps_kept_weight(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (N_IN, N_OUT) ← c Σ A (ROWS, N_IN).T @ B (ROWS, N_OUT) where a sample's mask keeps it.

    The sum is over the batch; masks at D, c at CONSTANT.
    """
    batch, steps, n_in, n_out = counters[BATCH], row[ROWS], row[N_IN], row[N_OUT]
    x, gradient, out, bits = (at(arena, row[A]), at(arena, row[B]), at(arena, row[C]), row[D])
    scratch, own = at(arena, row[WORK]), at(arena, row[WORK] + SCRATCH)
    work, scale = at(own, n_in * n_out), np.float32(scalars[row[CONSTANT]])
    for b in range(batch):
        for t in range(0, steps, CHUNK):
            i = b * steps + t
            add_weight_chunk(
                at(x, i * n_in), at(gradient, i * n_out), min(CHUNK, steps - t), n_in, n_out,
                own, t > 0, work, scratch,
            )  # fmt: skip
        add_kept(
            own, n_in, n_out, 0, scale, at(arena, bits + b * MASK_WORDS), batch * MASK_WORDS,
            b > 0, out,
        )  # fmt: skip
