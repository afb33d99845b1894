from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.device import MissingKernelError
from dask_horn.kernels.program import Operation
from dask_horn.program.assembler import Assembler
from tests.kernels.runner import under_test


@given(st.integers(1, 100), st.integers(1, 9), st.lists(st.integers(1, 70), max_size=8))
def test_buffers_lie_apart_on_cache_lines(n_parameters, batch_size, widths):
    assembler = Assembler(n_parameters, batch_size, under_test())
    buffers = [(0, n_parameters)]
    for width in widths:
        buffers.append((assembler.batch_buffer(width), batch_size * width))
    size = assembler.program(1).arena_size
    ends = [offset + length for offset, length in buffers]
    starts = [offset for offset, _ in buffers[1:]]
    assert all(end <= start for end, start in zip(ends, [*starts, size], strict=True))
    assert all(start % 16 == 0 for start in starts)


def test_a_kernel_has_one_number_however_often_it_is_used():
    assembler = Assembler(16, 4, under_test())
    for kernel in ("store", "clip", "store"):
        assembler.emit(Operation(kernel))
    program = assembler.program(1)
    assert program.kernels == ("store", "clip")
    assert program.rows[:, op.OP].tolist() == [0, 1, 0]


def test_a_kernel_that_the_device_lacks_is_told():
    assembler = Assembler(16, 4, under_test())
    with pytest.raises(MissingKernelError, match="has no kernel 'magic'; choose another device"):
        assembler.emit(Operation("magic"))


def test_rows_say_where_operands_and_constants_lie():
    assembler = Assembler(16, 4, under_test())
    filled = assembler.filled_buffer(np.array([3, 4], np.float32))
    first = assembler.constants(0.5)
    second = assembler.constants(0.1, 0.2)
    assembler.emit(
        Operation("clip", n_in=2, n_out=3, sizes=(9, 8)),
        (filled, 0),
        constant=second,
        stream=6,
        states=(16, 32),
        rule=first,
    )
    program = assembler.program(n_outputs=3)
    scalars = np.concatenate([np.zeros(op.N_SCALARS), program.constants])
    assert scalars[first] == 0.5
    assert scalars[second : second + 2].tolist() == [0.1, 0.2]
    (row,) = program.rows
    assert row[[op.OP, op.N_IN, op.N_OUT, op.ROWS]].tolist() == [0, 2, 3, 1]
    assert row[[op.A, op.B, op.CONSTANT, op.STREAM]].tolist() == [filled, 0, second, 6]
    assert row[[op.STATES, op.STATES + 1, op.RULE]].tolist() == [16, 32, first]
    assert row[[op.SIZES, op.SIZES + 1]].tolist() == [9, 8]
    ((offset, values),) = program.filled
    assert (offset, values.tolist()) == (filled, [3, 4])


def test_operations_share_a_work_space_behind_all_else():
    device = under_test()
    small, large = Operation("gemm_forward", 3, 5), Operation("gemm_weight", 70, 90, rows=3)
    assembler = Assembler(16, 4, device)
    assembler.emit(large, (0, 0, 0))
    last = assembler.buffer(10)
    assembler.emit(small, (0, 0, last))
    program = assembler.program(1)
    place, same = program.rows[:, op.WORK]
    assert place == same >= last + 10
    if device.name == "cpu":  # on others these two may need none
        assert device.work_size(large, 4) > device.work_size(small, 4)
    assert program.arena_size >= place + device.work_size(large, 4)


def test_operations_share_a_spare_place():
    assembler = Assembler(16, 4, under_test())
    first, kept, second = assembler.spare(5), assembler.buffer(100), assembler.spare(50)
    assembler.emit(Operation("store"), (kept, first))
    assembler.emit(Operation("store"), (second, kept))
    program = assembler.program(1)
    (_, place), (same, _) = program.rows[:, [op.A, op.B]]
    assert place == same >= kept + 100
    assert program.arena_size >= place + 50
