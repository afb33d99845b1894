"""A tile of a matrix product, whose sums stay in the processor's registers.

Products are made of tiles of TALL or SHORT rows and WIDE or NARROW columns. Every entry is one sum,
``((0 + a₀ b₀) + a₁ b₁) + …``, in this order and with one rounding per term, whatever tile it falls
into: so a row of a product is the same to the bit whichever rows are beside it, and on every
processor that has fused multiply-add.

The left factor may lie in runs, as the windows of an image do: each row of a window is a run of the
image, and the next one's begins a line further on. So a convolution is made of such tiles with no
window ever copied.

References
----------
Goto, van de Geijn (2008), "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3).
Van Zee, van de Geijn (2015), "BLIS: a framework for rapidly instantiating BLAS functionality",
ACM TOMS 41(3), section 4: the loops around such a tile.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cpu.tiles.blocks import copy_block
from dask_horn.kernels.cpu.tiles.sizes import SHORT, TALL, WIDE
from dask_horn.kernels.cpu.tiles.tile_code import emit_tile
from dask_horn.kernels.cpu.tiles.vectors import LANES, POINTER


def _tile(rows: int, n_vectors: int) -> Any:
    """Make the function that computes a complete tile of so many rows and vectors of columns."""

    @intrinsic
    def tile(
        typingctx: Any, factors: Any, out: Any, out_row: Any, accumulate: Any
    ) -> tuple[Any, Any]:
        """Out[i, j] ← [out[i, j] +] Σ_k a[i, k] b[k, j], for n_steps of k, at least one.

        `factors` are (a, a_row, a_step, b, b_step, n_steps): a[i, k] lies at ``a + i a_row +
        k a_step``, b[k, j] at ``b + k b_step + j``, out[i, j] at ``out + i out_row + j``. Where
        (n_runs, a_jump) follow, the steps are done n_runs times, and after each a is a_jump further
        on than its end; b goes on without a gap.
        """

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit_tile(builder, rows, n_vectors, cgutils.unpack_tuple(builder, args[0]), *args[1:])
            return context.get_dummy_value()

        return types.void(factors, POINTER, types.int64, types.boolean), codegen

    return tile


_tall_wide, _tall_narrow = _tile(TALL, 2), _tile(TALL, 1)
_short_wide, _short_narrow = _tile(SHORT, 2), _tile(SHORT, 1)


@inlined
def _multiply(
    factors: Any, out: Any, out_row: Any, n_rows: Any, n_columns: Any, accumulate: Any, scratch: Any
) -> None:
    """Compute a tile, in `scratch` where it is not complete; `factors` as the tiles take them."""
    tall, wide = n_rows > SHORT, n_columns > LANES
    height, width = TALL if tall else SHORT, WIDE if wide else LANES
    complete = n_rows == height and n_columns == width
    target, target_row = (out, out_row) if complete else (scratch, width)
    if accumulate and not complete:
        copy_block(out, out_row, scratch, width, n_rows, n_columns)
    if tall and wide:
        _tall_wide(factors, target, target_row, accumulate)
    elif tall:
        _tall_narrow(factors, target, target_row, accumulate)
    elif wide:
        _short_wide(factors, target, target_row, accumulate)
    else:
        _short_narrow(factors, target, target_row, accumulate)
    if not complete:
        copy_block(scratch, width, out, out_row, n_rows, n_columns)


@inlined
def multiply_tile(
    a: Any, a_row: Any, a_step: Any,
    b: Any, b_step: Any,
    n_steps: Any,
    out: Any, out_row: Any, n_rows: Any, n_columns: Any,
    accumulate: Any, scratch: Any,
) -> None:  # fmt: skip
    """Out (n_rows, n_columns) ← [out +] a b, for at most TALL rows and WIDE columns.

    A complete tile is computed whatever the size: beyond the last row of a and the last column of
    b there must be memory, whose contents do not matter.
    """
    factors = (a, a_row, a_step, b, b_step, n_steps)
    _multiply(factors, out, out_row, n_rows, n_columns, accumulate, scratch)


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
    factors = (a, a_row, a_step, b, b_step, n_steps, n_runs, a_run - n_steps * a_step)
    _multiply(factors, out, out_row, n_rows, n_columns, accumulate, scratch)
