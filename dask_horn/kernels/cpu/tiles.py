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

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from dask_horn.kernels.compile import inlined, target
from dask_horn.kernels.cpu.pointers import at

__all__ = [
    "LANES",
    "SCRATCH",
    "SHORT",
    "TALL",
    "WIDE",
    "copy_block",
    "copy_wide",
    "emit_tile",
    "multiply_tile",
    "n_tall_tiles",
    "transpose_block",
]

#: float32 numbers in a vector register.
LANES = 16 if "+avx512f" in target()[2] else 8 if "+avx" in target()[2] else 4
#: Rows of a tile: with two vectors of columns, as many sums as there are registers for, with some
#: left for the factors; and fewer, so that most heights are made up of both without a rest.
TALL, SHORT = (12, 8) if LANES == 16 else (5, 4)
#: Columns of a tile: two vectors; where fewer are left, one.
WIDE = 2 * LANES
#: Elements of the work space in which an incomplete tile or block is kept.
SCRATCH = max(TALL * WIDE, LANES * LANES)
# Steps in a turn of a tile's loop: with one, counting takes issue slots that the products need.
_UNROLLED = 4

_FLOAT, _INT = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
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
    ) -> tuple[Any, Any]:  # fmt: skip
        """Out[i, j] ← [out[i, j] +] Σ_k a[i, k] b[k, j], for n_steps of k, at least one.

        a[i, k] lies at ``a + i a_row + k a_step``, b[k, j] at ``b + k b_step + j``, out[i, j] at
        ``out + i out_row + j``.
        """
        integer = types.int64
        signature = types.void(
            _FLOATS, integer, integer, _FLOATS, integer, integer, _FLOATS, integer, types.boolean
        )
        return signature, lambda context, builder, _, args: emit_tile(
            context, builder, args, rows, n_vectors
        )

    return tile


def emit_tile(
    context: Any,
    builder: Any,
    args: Any,
    rows: int,
    n_vectors: int,
    runs: tuple[Any, Any] | None = None,
) -> Any:
    """Write a tile's instructions: load or clear the sums, add all products, store.

    With `runs`, which are a number and a distance, the steps are done as many times, and a is that
    much further on after each; b goes on without a gap.
    """
    a, a_row, a_step, b, b_step, n_steps, out, out_row, accumulate = args
    entry = builder.block
    load, head = (builder.append_basic_block(f"tile_{name}") for name in ("load", "head"))
    cells = [(i, v) for i in range(rows) for v in range(n_vectors)]

    def place(i: int, v: int) -> Any:
        return builder.gep(out, [builder.add(builder.mul(out_row, _INT(i)), _INT(v * LANES))])

    # Only every third row has a pointer of its own: more would not fit the registers. Made before
    # the branch: behind it LLVM spends twice as many additions on them in the loop.
    twice = builder.mul(a_row, _INT(2))
    row_pointers = [
        builder.gep(a, [builder.mul(a_row, _INT(first))]) for first in range(0, rows, 3)
    ]

    builder.cbranch(accumulate, load, head)
    builder.position_at_end(load)
    before = [_load(builder, place(i, v)) for i, v in cells]
    builder.branch(head)

    builder.position_at_end(head)
    sums = [_phi(builder, (_VECTOR([0.0] * LANES), entry), (value, load)) for value in before]

    def add(state: list[Any]) -> list[Any]:
        """Add one step's products to the sums; move the pointers on."""
        b_now, a_now, sums = state[0], state[1 : 1 + len(row_pointers)], state[-len(cells) :]
        right = [_load(builder, builder.gep(b_now, [_INT(v * LANES)])) for v in range(n_vectors)]
        added = []
        for i in range(rows):
            pointer = a_now[i // 3]
            if i % 3:
                pointer = builder.gep(pointer, [a_row if i % 3 == 1 else twice])
            left = _spread(builder, builder.load(pointer))
            for v in range(n_vectors):
                added.append(_multiply_add(builder, left, right[v], sums[i * n_vectors + v]))
        moved = [builder.gep(b_now, [b_step]), *(builder.gep(p, [a_step]) for p in a_now)]
        return moved + added

    whole = builder.and_(n_steps, _INT(-_UNROLLED))

    def run(state: list[Any]) -> list[Any]:
        reached, state = _repeat(builder, add, state, _INT(0), whole, _UNROLLED)
        return _repeat(builder, add, state, reached, n_steps, 1)[1]

    def run_and_jump(state: list[Any]) -> list[Any]:
        b_now, *others = run(state)
        a_now, sums = others[: len(row_pointers)], others[len(row_pointers) :]
        assert runs is not None
        return [b_now, *(builder.gep(pointer, [runs[1]]) for pointer in a_now), *sums]

    state = [b, *row_pointers, *sums]
    if runs is None:
        state = run(state)
    else:
        state = _repeat(builder, run_and_jump, state, _INT(0), runs[0], 1)[1]
    for (i, v), value in zip(cells, state[-len(cells) :], strict=True):
        _store(builder, value, place(i, v))
    return context.get_dummy_value()


def _repeat(
    builder: Any,
    advance: Callable[[list[Any]], list[Any]],
    state: list[Any],
    start: Any,
    stop: Any,
    n_unrolled: int,
) -> tuple[Any, list[Any]]:
    """Write a loop of `advance` from start to stop, so many times in a turn.

    Returns where it stopped, and the state.
    """
    before = builder.block
    loop, after = (builder.append_basic_block(f"tile_{name}") for name in ("loop", "after"))
    builder.cbranch(builder.icmp_signed("<", start, stop), loop, after)

    builder.position_at_end(loop)
    step = _phi(builder, (start, before))
    begun = [_phi(builder, (value, before)) for value in state]
    ended = begun
    for _ in range(n_unrolled):
        ended = advance(ended)
    next_step = builder.add(step, _INT(n_unrolled))
    end = builder.block  # another one than it began with, where there was a loop within
    for phi, value in zip((step, *begun), (next_step, *ended), strict=True):
        phi.add_incoming(value, end)
    builder.cbranch(builder.icmp_signed("<", next_step, stop), loop, after)

    builder.position_at_end(after)
    pairs = zip(state, ended, strict=True)
    reached = _phi(builder, (start, before), (next_step, end))
    return reached, [_phi(builder, (was, before), (now, end)) for was, now in pairs]


def _multiply_add(builder: Any, left: Any, right: Any, total: Any) -> Any:
    fused = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, fused, f"llvm.fmuladd.v{LANES}f32")
    return builder.call(function, [left, right, total])


def _phi(builder: Any, *incoming: tuple[Any, Any]) -> Any:
    phi = builder.phi(incoming[0][0].type)
    for value, block in incoming:
        phi.add_incoming(value, block)
    return phi


def _load(builder: Any, pointer: Any) -> Any:
    vector = builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()))
    vector.align = 4
    return vector


def _store(builder: Any, vector: Any, pointer: Any) -> None:
    builder.store(vector, builder.bitcast(pointer, _VECTOR.as_pointer())).align = 4


def _spread(builder: Any, value: Any) -> Any:
    """Fill a vector with one value."""
    undefined = _VECTOR(ir.Undefined)
    first = builder.insert_element(undefined, value, ir.IntType(32)(0))
    return builder.shuffle_vector(
        first, undefined, ir.VectorType(ir.IntType(32), LANES)([0] * LANES)
    )


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
        places = [_INT(j) for j in range(0, WIDE, LANES)]
        vectors = [_load(builder, builder.gep(source, [place])) for place in places]
        for vector, place in zip(vectors, places, strict=True):
            _store(builder, vector, builder.gep(target, [place]))
        return context.get_dummy_value()

    return types.void(_FLOATS, _FLOATS), codegen


@intrinsic
def _transpose(
    typingctx: Any, source: Any, source_row: Any, target: Any, target_row: Any
) -> tuple[Any, Any]:
    """target[j, i] ← source[i, j] of a complete block of LANES × LANES."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, source_row, target, target_row = args
        rows = [
            _load(builder, builder.gep(source, [builder.mul(source_row, _INT(i))]))
            for i in range(LANES)
        ]
        # Each stage exchanges the halves of pairs of rows: 1 apart, then 2, 4, 8.
        index = ir.VectorType(ir.IntType(32), LANES)
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
            _store(builder, column, builder.gep(target, [builder.mul(target_row, _INT(j))]))
        return context.get_dummy_value()

    return types.void(_FLOATS, types.int64, _FLOATS, types.int64), codegen


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
