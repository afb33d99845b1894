"""A tile of a matrix product, whose sums stay in the processor's registers.

The products of `gemm.py` are made of tiles of TALL or SHORT rows and WIDE or NARROW columns. Every
entry is one sum, ``((0 + a₀ b₀) + a₁ b₁) + …``, in this order and with one rounding per term,
whatever tile it falls into: so a row of a product is the same to the bit whichever rows are beside
it, and on every processor that has fused multiply-add.

References
----------
Goto, van de Geijn (2008), "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3).
Van Zee, van de Geijn (2015), "BLIS: a framework for rapidly instantiating BLAS functionality",
ACM TOMS 41(3), section 4: the loops around such a tile.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.cpu.tiles.tile_code import emit_tile
from dask_horn.kernels.cpu.tiles.vectors import INT, LANES, LONG, POINTER, load, store

__all__ = [
    "SCRATCH",
    "SHORT",
    "TALL",
    "WIDE",
    "copy_block",
    "copy_wide",
    "multiply_tile",
    "n_tall_tiles",
    "transpose_block",
]

#: Rows of a tile: with two vectors of columns, as many sums as there are registers for, with some
#: left for the factors; and fewer, so that most heights are made up of both without a rest.
TALL, SHORT = (12, 8) if LANES == 16 else (5, 4)
#: Columns of a tile: two vectors; where fewer are left, one.
WIDE = 2 * LANES
#: Elements of the work space in which an incomplete tile or block is kept.
SCRATCH = max(TALL * WIDE, LANES * LANES)


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
    ) -> tuple[Any, Any]:  # fmt: skip
        """Out[i, j] ← [out[i, j] +] Σ_k a[i, k] b[k, j], for n_steps of k, at least one.

        a[i, k] lies at ``a + i a_row + k a_step``, b[k, j] at ``b + k b_step + j``, out[i, j] at
        ``out + i out_row + j``.
        """
        integer = types.int64
        signature = types.void(
            POINTER, integer, integer, POINTER, integer, integer, POINTER, integer, types.boolean
        )
        return signature, lambda context, builder, _, args: emit_tile(
            context, builder, args, rows, n_vectors
        )

    return tile


_tall_wide, _tall_narrow = _tile(TALL, 2), _tile(TALL, 1)
_short_wide, _short_narrow = _tile(SHORT, 2), _tile(SHORT, 1)


@inlined
def n_tall_tiles(n_rows: Any) -> Any:
    """How many tiles of TALL rows come first; SHORT ones follow, and only the last may be cut."""
    grain = TALL - SHORT
    n_short = (-n_rows // grain * grain) % TALL // grain
    whole = -(-n_rows // grain) * grain
    return max(0, (whole - SHORT * n_short) // TALL)


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
    tall, wide = n_rows > SHORT, n_columns > LANES
    height, width = TALL if tall else SHORT, WIDE if wide else LANES
    complete = n_rows == height and n_columns == width
    target, target_row = (out, out_row) if complete else (scratch, width)
    if accumulate and not complete:
        copy_block(out, out_row, scratch, width, n_rows, n_columns)
    if tall and wide:
        _tall_wide(a, a_row, a_step, b, b_step, n_steps, target, target_row, accumulate)
    elif tall:
        _tall_narrow(a, a_row, a_step, b, b_step, n_steps, target, target_row, accumulate)
    elif wide:
        _short_wide(a, a_row, a_step, b, b_step, n_steps, target, target_row, accumulate)
    else:
        _short_narrow(a, a_row, a_step, b, b_step, n_steps, target, target_row, accumulate)
    if not complete:
        copy_block(scratch, width, out, out_row, n_rows, n_columns)


@inlined
def copy_block(
    source: Any, source_row: Any, target: Any, target_row: Any, n: Any, width: Any
) -> None:
    """target[i, j] ← source[i, j], for n of i and `width` of j."""
    for i in range(n):
        read = carray(at(source, i * source_row), (width,))
        written = carray(at(target, i * target_row), (width,))
        for j in range(width):
            written[j] = read[j]


@intrinsic
def copy_wide(typingctx: Any, source: Any, target: Any) -> tuple[Any, Any]:
    """target[j] ← source[j] for WIDE of j: a plain loop would be checked for overlap each time."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, target = args
        places = [LONG(j) for j in range(0, WIDE, LANES)]
        vectors = [load(builder, builder.gep(source, [place])) for place in places]
        for vector, place in zip(vectors, places, strict=True):
            store(builder, vector, builder.gep(target, [place]))
        return context.get_dummy_value()

    return types.void(POINTER, POINTER), codegen


@intrinsic
def _transpose(
    typingctx: Any, source: Any, source_row: Any, target: Any, target_row: Any
) -> tuple[Any, Any]:
    """target[j, i] ← source[i, j] of a complete block of LANES × LANES."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, source_row, target, target_row = args
        rows = [
            load(builder, builder.gep(source, [builder.mul(source_row, LONG(i))]))
            for i in range(LANES)
        ]
        # Each stage exchanges the halves of pairs of rows: 1 apart, then 2, 4, 8.
        index = ir.VectorType(INT, LANES)
        distance = 1
        while distance < LANES:
            low = [j if not j & distance else j - distance + LANES for j in range(LANES)]
            high = [j + distance if not j & distance else j + LANES for j in range(LANES)]
            for i in range(LANES):
                if not i & distance:
                    first, second = rows[i], rows[i + distance]
                    rows[i] = builder.shuffle_vector(first, second, index(low))
                    rows[i + distance] = builder.shuffle_vector(first, second, index(high))
            distance *= 2
        for j, column in enumerate(rows):
            store(builder, column, builder.gep(target, [builder.mul(target_row, LONG(j))]))
        return context.get_dummy_value()

    return types.void(POINTER, types.int64, POINTER, types.int64), codegen


@inlined
def transpose_block(
    source: Any, source_row: Any, target: Any, target_row: Any, n_rows: Any, n_columns: Any,
    scratch: Any,
) -> None:  # fmt: skip
    """target[j, i] ← source[i, j], for n_rows of i and n_columns of j, each at most LANES.

    A complete block is read whatever the size.
    """
    if n_rows == LANES and n_columns == LANES:
        _transpose(source, source_row, target, target_row)
    else:
        _transpose(source, source_row, scratch, LANES)
        copy_block(scratch, LANES, target, target_row, n_columns, n_rows)
