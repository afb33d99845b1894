"""Sums of which a bit decides, term by term, whether it is added: DropConnect's inner loops.

`dask_horn.kernels.masks` tells where the bits of a mask stand: so that a vector of words, shifted
left, has at its lanes' signs the mask of as many neighbouring columns, and processors read "masked
by the sign" or blend by it at the cost of a plain read. The bits' places, and the order of all
sums, are the same for every length of vectors.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dask_horn.kernels.cpu.tiles.vectors import (
    INT,
    LANES,
    LONG,
    POINTER,
    VECTOR,
    load,
    multiply_add,
    offset,
    phi,
    spread,
    store,
)
from dask_horn.kernels.masks import MASK_COLUMNS, MASK_WORDS, QUARTERS

#: Rows that `kept_dots` does together.
DOT_ROWS = 4
#: Numbers of a term of `add_kept_rows`.
TERM = 4

_PARTS = MASK_WORDS // LANES  # vectors that hold a tile's words

_WORDS = ir.VectorType(INT, LANES)


@intrinsic
def add_kept_rows(
    typingctx: Any, terms: Any, n_terms: Any, rows: Any, bits: Any, out: Any
) -> tuple[Any, Any]:
    """out[j] ← out[j] + Σ_t factor_t rows[r_t + j] where the mask keeps it, for MASK_COLUMNS of j.

    A term is four numbers of 32 bits: the factor, and as integers the row's offset r, the offset of
    the tile's words from `bits`, and 4 times the row's number in the tile.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _emit_add(builder, *args)
        return context.get_dummy_value()

    return types.void(POINTER, types.int64, POINTER, POINTER, POINTER), codegen


def _emit_add(builder: Any, terms: Any, n_terms: Any, rows: Any, bits: Any, out: Any) -> None:
    places = [MASK_WORDS * q + LANES * p for p in range(_PARTS) for q in range(QUARTERS)]
    sums = [load(builder, offset(builder, out, place)) for place in places]
    entry = builder.block
    loop, after = (builder.append_basic_block(f"kept_{name}") for name in ("loop", "after"))
    builder.cbranch(builder.icmp_signed(">", n_terms, LONG(0)), loop, after)

    builder.position_at_end(loop)
    step = phi(builder, (LONG(0), entry))
    begun = [phi(builder, (total, entry)) for total in sums]
    term = builder.gep(terms, [builder.shl(step, LONG(2))])
    integers = builder.bitcast(term, INT.as_pointer())
    factor = spread(builder, builder.load(term))
    row, tile, shift = (builder.load(offset(builder, integers, place)) for place in (1, 2, 3))
    row = builder.gep(rows, [builder.sext(row, LONG)])
    tile = builder.gep(bits, [builder.sext(tile, LONG)])
    shift = spread(builder, shift)
    ended = []
    for p in range(_PARTS):
        words = builder.shl(load(builder, offset(builder, tile, LANES * p), _WORDS), shift)
        for q in range(QUARTERS):
            place = offset(builder, row, MASK_WORDS * q + LANES * p)
            total = begun[p * QUARTERS + q]
            words = _doubled(builder, words) if q else words
            ended.append(_add_kept(builder, factor, place, words, total))
    following = builder.add(step, LONG(1))
    for value, last in zip((step, *begun), (following, *ended), strict=True):
        value.add_incoming(last, loop)
    builder.cbranch(builder.icmp_signed("<", following, n_terms), loop, after)

    builder.position_at_end(after)
    totals = [phi(builder, (was, entry)) for was in sums]
    for total, now in zip(totals, ended, strict=True):
        total.add_incoming(now, loop)
    for place, total in zip(places, totals, strict=True):
        store(builder, total, offset(builder, out, place))


@intrinsic
def kept_dots(
    typingctx: Any,
    vector: Any,
    n_tiles: Any,
    rows: Any,
    row_length: Any,
    bits: Any,
    tile_step: Any,
    first_row: Any,
    out: Any,
) -> tuple[Any, Any]:
    """out[i] ← Σ_j vector[j] rows[i, j] where the mask keeps it, for DOT_ROWS of i.

    j runs over so many tiles' columns; rows[i, j] lies at ``rows + i row_length + j``, the words of
    the next tile `tile_step` behind one's. `first_row` is the number in the tile of the first row.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _emit_dots(builder, args)
        return context.get_dummy_value()

    long = types.int64
    return types.void(POINTER, long, POINTER, long, POINTER, long, long, POINTER), codegen


def _emit_dots(builder: Any, args: Any) -> None:
    vector, n_tiles, rows, row_length, bits, tile_step, first_row, out = args
    entry = builder.block
    zero = VECTOR([0.0] * LANES)
    shift = spread(builder, builder.trunc(builder.shl(first_row, LONG(2)), INT))
    loop, after = (builder.append_basic_block(f"dots_{name}") for name in ("loop", "after"))
    builder.branch(loop)

    builder.position_at_end(loop)
    tile = phi(builder, (LONG(0), entry))
    sums = [phi(builder, (zero, entry)) for _ in range(DOT_ROWS * _PARTS)]
    words_at = builder.gep(bits, [builder.mul(tile, tile_step)])
    column = builder.mul(tile, LONG(MASK_COLUMNS))
    vector_at = builder.gep(vector, [column])
    rows_at = [
        builder.gep(rows, [builder.add(column, builder.mul(row_length, LONG(i)))])
        for i in range(DOT_ROWS)
    ]
    ended: list[Any] = list(sums)
    for p in range(_PARTS):
        words = builder.shl(load(builder, offset(builder, words_at, LANES * p), _WORDS), shift)
        signs = [_shifted(builder, words, QUARTERS * i) for i in range(DOT_ROWS)]
        for q in range(QUARTERS):
            place = MASK_WORDS * q + LANES * p
            factor = load(builder, offset(builder, vector_at, place))
            for i in range(DOT_ROWS):
                cell = i * _PARTS + p
                at = offset(builder, rows_at[i], place)
                signs[i] = _doubled(builder, signs[i]) if q else signs[i]
                ended[cell] = _add_kept(builder, factor, at, signs[i], ended[cell])
    following = builder.add(tile, LONG(1))
    for value, last in zip((tile, *sums), (following, *ended), strict=True):
        value.add_incoming(last, loop)
    builder.cbranch(builder.icmp_signed("<", following, n_tiles), loop, after)

    builder.position_at_end(after)
    for i in range(DOT_ROWS):
        total = _sum_of_lanes(builder, ended[i * _PARTS : (i + 1) * _PARTS])
        builder.store(total, offset(builder, out, i))


def _sum_of_lanes(builder: Any, parts: list[Any]) -> Any:
    """Add up MASK_WORDS lanes by halves: lane l and l + 8, then l + 4, and so on."""
    while len(parts) > 1:
        half = len(parts) // 2
        parts = [builder.fadd(a, b) for a, b in zip(parts[:half], parts[half:], strict=True)]
    total, length = parts[0], LANES
    while length > 1:
        length //= 2
        index = ir.VectorType(INT, length)
        low = builder.shuffle_vector(total, total, index(list(range(length))))
        high = builder.shuffle_vector(total, total, index(list(range(length, 2 * length))))
        total = builder.fadd(low, high)
    return builder.extract_element(total, INT(0))


def _add_kept(builder: Any, factor: Any, place: Any, signs: Any, total: Any) -> Any:
    """Add factor · value to total in the lanes whose sign is set; the value lies at `place`."""
    if LANES == 8:  # a read that is masked by signs gives zeros elsewhere
        name = "llvm.x86.avx.maskload.ps.256"
        byte = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(VECTOR, [byte, _WORDS]), name
        )
        value = builder.call(function, [builder.bitcast(place, byte), signs])
        return multiply_add(builder, factor, value, total)
    kept = builder.icmp_signed("<", signs, _WORDS([0] * LANES))
    value = load(builder, place)
    if LANES == 16:  # an addition that is masked by a register
        return builder.select(kept, multiply_add(builder, factor, value, total), total)
    value = builder.select(kept, value, VECTOR([0.0] * LANES))
    return multiply_add(builder, factor, value, total)


def _doubled(builder: Any, words: Any) -> Any:
    """Bring each next bit to its lane's sign.

    By an addition, which twice as many of an AVX2 processor's units can do as a shift: hidden from
    LLVM, which would make shifts by more of several.
    """
    if LANES != 8:
        return _shifted(builder, words, 1)
    words = builder.asm(ir.FunctionType(_WORDS, [_WORDS]), "", "=x,0", [words], side_effect=False)
    return builder.add(words, words)


def _shifted(builder: Any, words: Any, n: int) -> Any:
    return builder.shl(words, _WORDS([n] * LANES)) if n else words
