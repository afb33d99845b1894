from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.kernels import opcodes as op
from dask_horn.program.assembler import Assembler


@given(st.integers(1, 100), st.integers(1, 9), st.lists(st.integers(1, 70), max_size=8))
def test_buffers_lie_apart_on_cache_lines(n_parameters, batch_size, widths):
    assembler = Assembler(n_parameters, batch_size)
    buffers = [(0, n_parameters)]
    for width in widths:
        buffers.append((assembler.batch_buffer(width), batch_size * width))
    size = assembler.program(1).arena_size
    ends = [offset + length for offset, length in buffers]
    starts = [offset for offset, _ in buffers[1:]]
    assert all(end <= start for end, start in zip(ends, [*starts, size], strict=True))
    assert all(start % 16 == 0 for start in starts)


def test_a_kernel_has_one_number_however_often_it_is_used():
    assembler = Assembler(16, 4)
    for kernel in ("a", "b", "a"):
        assembler.emit(kernel)
    program = assembler.program(1)
    assert program.kernels == ("a", "b")
    assert program.rows[:, op.OP].tolist() == [0, 1, 0]


def test_rows_say_where_operands_and_constants_lie():
    assembler = Assembler(16, 4)
    filled = assembler.filled_buffer(np.array([3, 4], np.float32))
    first = assembler.constants(0.5)
    second = assembler.constants(0.1, 0.2)
    assembler.emit("k", n_in=2, n_out=3, operands=(filled, 0), constant=second, stream=6)
    program = assembler.program(n_outputs=3)
    scalars = np.concatenate([np.zeros(op.N_SCALARS), program.constants])
    assert scalars[first] == 0.5
    assert scalars[second : second + 2].tolist() == [0.1, 0.2]
    (row,) = program.rows
    assert row[[op.OP, op.N_IN, op.N_OUT, op.ROWS]].tolist() == [0, 2, 3, 1]
    assert row[[op.A, op.B, op.CONSTANT, op.STREAM]].tolist() == [filled, 0, second, 6]
    ((offset, values),) = program.filled
    assert (offset, values.tolist()) == (filled, [3, 4])


def test_operations_share_a_work_space_behind_all_else():
    assembler = Assembler(16, 4)
    first = assembler.work_space(5)
    kept = assembler.buffer(100)
    second = assembler.work_space(50)
    last = assembler.buffer(10)
    assembler.emit("a", operands=(kept, first))
    assembler.emit("b", operands=(second, last))
    program = assembler.program(1)
    (_, place), (same, _) = program.rows[:, [op.A, op.B]]
    assert place == same >= last + 10
    assert program.arena_size >= place + 50
