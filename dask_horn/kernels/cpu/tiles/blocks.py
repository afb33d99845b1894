"""Blocks of a matrix, copied and transposed."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.cpu.tiles.sizes import WIDE
from dask_horn.kernels.cpu.tiles.vectors import INT, LANES, LONG, POINTER, load, store


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
