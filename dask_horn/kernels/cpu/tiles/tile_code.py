"""The instructions of a tile: all of its sums in registers, from the first product to the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dask_horn.kernels.cpu.tiles.vectors import (
    LANES,
    LONG,
    VECTOR,
    load,
    multiply_add,
    offset,
    phi,
    spread,
    store,
)

# Steps in a turn of a tile's loop: with one, counting takes issue slots that the products need.
_UNROLLED = 4
# Only every third row has a pointer of its own: more would not fit the registers.
_ROWS_OF_POINTER = 3

#: The values that a loop hands on: b's pointer, those of a's rows, and the sums.
State = list[Any]


def emit_tile(
    builder: Any,
    rows: int,
    n_vectors: int,
    factors: Sequence[Any],
    out: Any,
    out_row: Any,
    accumulate: Any,
) -> None:
    """Write a tile's instructions: load or clear the sums, add all products, store.

    `factors` may end in runs, a number and a distance: see `multiply.py`.
    """
    a, a_row, a_step, b, b_step, n_steps, *runs = factors
    entry = builder.block
    blocks = [builder.append_basic_block(f"tile_{name}") for name in ("load", "head")]
    places = _Places(builder, out, out_row, [(i, v) for i in range(rows) for v in range(n_vectors)])
    tile = _Tile.plan(builder, rows, n_vectors, a, a_row, a_step, b_step)

    sums = places.begun(accumulate, entry, *blocks)
    state = [b, *tile.row_pointers, *sums]
    whole = builder.and_(n_steps, LONG(-_UNROLLED))

    def run(state: State) -> State:
        reached, state = _repeat(builder, tile.add_step, state, LONG(0), whole, _UNROLLED)
        return _repeat(builder, tile.add_step, state, reached, n_steps, 1)[1]

    if runs:
        n_runs, jump = runs

        def run_and_jump(state: State) -> State:
            return tile.moved(run(state), jump)

        state = _repeat(builder, run_and_jump, state, LONG(0), n_runs, 1)[1]
    else:
        state = run(state)
    places.store(tile.sums_of(state))


@dataclass(frozen=True)
class _Places:
    """Where a tile's sums lie in memory."""

    builder: Any
    out: Any
    out_row: Any
    cells: list[tuple[int, int]]  # row, vector of columns

    def begun(self, accumulate: Any, entry: Any, reading: Any, head: Any) -> list[Any]:
        """Branch to `head`, with what lies there already if sums are added to it, or zeros."""
        builder = self.builder
        builder.cbranch(accumulate, reading, head)
        builder.position_at_end(reading)
        before = [load(builder, self._place(i, v)) for i, v in self.cells]
        builder.branch(head)
        builder.position_at_end(head)
        zero = VECTOR([0.0] * LANES)
        return [phi(builder, (zero, entry), (value, reading)) for value in before]

    def store(self, sums: list[Any]) -> None:
        for (i, v), value in zip(self.cells, sums, strict=True):
            store(self.builder, value, self._place(i, v))

    def _place(self, i: int, v: int) -> Any:
        row = self.builder.mul(self.out_row, LONG(i))
        return self.builder.gep(self.out, [self.builder.add(row, LONG(v * LANES))])


@dataclass(frozen=True)
class _Tile:
    """How a step's products are added."""

    builder: Any
    rows: int
    n_vectors: int
    a_row: Any
    twice: Any  # 2 a_row
    a_step: Any
    b_step: Any
    row_pointers: list[Any]

    @classmethod
    def plan(
        cls, builder: Any, rows: int, n_vectors: int, a: Any, a_row: Any, a_step: Any, b_step: Any
    ) -> _Tile:
        """Make the pointers to rows.

        To be called before the loop's first branch: behind it LLVM spends twice as many additions
        on them in the loop.
        """
        twice = builder.mul(a_row, LONG(2))
        pointers = [
            builder.gep(a, [builder.mul(a_row, LONG(first))])
            for first in range(0, rows, _ROWS_OF_POINTER)
        ]
        return cls(builder, rows, n_vectors, a_row, twice, a_step, b_step, pointers)

    def add_step(self, state: State) -> State:
        """Add one step's products to the sums; move the pointers on."""
        builder = self.builder
        b, rows, sums = state[0], self._rows_of(state), self.sums_of(state)
        right = [load(builder, offset(builder, b, v * LANES)) for v in range(self.n_vectors)]
        added = []
        for i in range(self.rows):
            pointer = rows[i // _ROWS_OF_POINTER]
            if i % _ROWS_OF_POINTER:
                further = self.a_row if i % _ROWS_OF_POINTER == 1 else self.twice
                pointer = builder.gep(pointer, [further])
            left = spread(builder, builder.load(pointer))
            for v in range(self.n_vectors):
                total = sums[i * self.n_vectors + v]
                added.append(multiply_add(builder, left, right[v], total))
        b = builder.gep(b, [self.b_step])
        return [b, *(builder.gep(pointer, [self.a_step]) for pointer in rows), *added]

    def moved(self, state: State, jump: Any) -> State:
        """Move the rows' pointers on."""
        rows = [self.builder.gep(pointer, [jump]) for pointer in self._rows_of(state)]
        return [state[0], *rows, *self.sums_of(state)]

    def sums_of(self, state: State) -> list[Any]:
        return state[1 + len(self.row_pointers) :]

    def _rows_of(self, state: State) -> list[Any]:
        return state[1 : 1 + len(self.row_pointers)]


def _repeat(
    builder: Any,
    advance: Callable[[State], State],
    state: State,
    start: Any,
    stop: Any,
    n_unrolled: int,
) -> tuple[Any, State]:
    """Write a loop of `advance` from start to stop, so many times in a turn.

    Returns where it stopped, and the state.
    """
    before = builder.block
    loop, after = (builder.append_basic_block(f"tile_{name}") for name in ("loop", "after"))
    builder.cbranch(builder.icmp_signed("<", start, stop), loop, after)

    builder.position_at_end(loop)
    step = phi(builder, (start, before))
    begun = [phi(builder, (value, before)) for value in state]
    ended = begun
    for _ in range(n_unrolled):
        ended = advance(ended)
    next_step = builder.add(step, LONG(n_unrolled))
    end = builder.block  # another one than it began with, where there was a loop within
    for value, last in zip((step, *begun), (next_step, *ended), strict=True):
        value.add_incoming(last, end)
    builder.cbranch(builder.icmp_signed("<", next_step, stop), loop, after)

    builder.position_at_end(after)
    pairs = zip(state, ended, strict=True)
    reached = phi(builder, (start, before), (next_step, end))
    return reached, [phi(builder, (was, before), (now, end)) for was, now in pairs]
