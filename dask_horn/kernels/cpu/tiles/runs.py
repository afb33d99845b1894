"""A tile (`tiles.py`) whose left factor lies in runs, as the windows of an image do.

Of a window each row is a run of the image, and the next row's begins a line further on: so the
products of a convolution are made of such tiles with no window ever copied. Every entry is one sum
in one order here too.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cpu.tiles.tile_code import emit_tile
from dask_horn.kernels.cpu.tiles.tiles import SHORT, TALL, WIDE, copy_block
from dask_horn.kernels.cpu.tiles.vectors import LANES

__all__ = ["multiply_runs"]

_FLOATS = types.CPointer(types.float32)


def _tile(rows: int, n_vectors: int) -> Any:
    """Make the function that computes a complete tile of so many rows and vectors of columns."""

    @intrinsic
    def tile(
        typingctx: Any,
        a: Any, a_row: Any, a_step: Any,
        b: Any, b_step: Any,
        n_steps: Any,
        out: Any, out_row: Any,
        accumulate: Any,
        n_runs: Any, a_jump: Any,
    ) -> tuple[Any, Any]:  # fmt: skip
        """As the tiles without runs; after each of n_runs a is a_jump further on than its end."""
        integer = types.int64
        signature = types.void(
            *(_FLOATS, integer, integer, _FLOATS, integer, integer, _FLOATS, integer),
            *(types.boolean, integer, integer),
        )

        def codegen(context: Any, builder: Any, _: Any, args: Any) -> Any:
            return emit_tile(context, builder, args[:9], rows, n_vectors, args[9:])

        return signature, codegen

    return tile


_tall_wide, _tall_narrow = _tile(TALL, 2), _tile(TALL, 1)
_short_wide, _short_narrow = _tile(SHORT, 2), _tile(SHORT, 1)


@inlined
def multiply_runs(
    a: Any, a_row: Any, a_step: Any, a_run: Any,
    b: Any, b_step: Any,
    n_runs: Any, n_steps: Any,
    out: Any, out_row: Any, n_rows: Any, n_columns: Any,
    accumulate: Any, scratch: Any,
) -> None:  # fmt: skip
    """Out[i, j] ← [out[i, j] +] Σ_r Σ_k a[i, r, k] b[r, k, j], at most TALL rows, WIDE columns.

    a[i, r, k] lies at ``a + i a_row + r a_run + k a_step``, b[r, k, j] at ``b + (r n_steps + k)
    b_step + j``. A complete tile is computed whatever the size, as by `multiply_tile`.
    """
    tall, wide = n_rows > SHORT, n_columns > LANES
    height, width = TALL if tall else SHORT, WIDE if wide else LANES
    complete = n_rows == height and n_columns == width
    target, target_row = (out, out_row) if complete else (scratch, width)
    if accumulate and not complete:
        copy_block(out, out_row, scratch, width, n_rows, n_columns)
    jump = a_run - n_steps * a_step
    if tall and wide:
        _tall_wide(
            a, a_row, a_step, b, b_step, n_steps, target, target_row, accumulate, n_runs, jump
        )
    elif tall:
        _tall_narrow(
            a, a_row, a_step, b, b_step, n_steps, target, target_row, accumulate, n_runs, jump
        )
    elif wide:
        _short_wide(
            a, a_row, a_step, b, b_step, n_steps, target, target_row, accumulate, n_runs, jump
        )
    else:
        _short_narrow(
            a, a_row, a_step, b, b_step, n_steps, target, target_row, accumulate, n_runs, jump
        )
    if not complete:
        copy_block(scratch, width, out, out_row, n_rows, n_columns)
