from __future__ import annotations

import numpy as np
import pytest

from dask_horn.kernels.cpu.gather import SAMPLE_DTYPES
from dask_horn.kernels.program import Operation
from dask_horn.program.assembler import Assembler
from tests.kernels.runner import Scaling, outputs_of, under_test


def _rounding():
    """By how much a sample is off, relatively: the CPU rounds once, a GPU at most four times."""
    return 1e-7 if under_test().name == "cpu" else 4 * 2.0**-24


def _rows(blocks, pairs):
    """Rows of a window, counted through all of its blocks."""
    starts = np.cumsum([0, *map(len, blocks)])
    return [starts[block] + row for block, row in pairs]


def _gather(blocks, pairs, mean, scale):
    width = blocks[0].shape[1]
    assembler = Assembler(1, len(pairs), under_test())
    samples = assembler.batch_buffer(width)
    assembler.emit(Operation(f"gather_{blocks[0].dtype}", width), (samples,))
    assembler.emit(Operation("store", n_out=width), (samples,))
    scaling = Scaling(np.asarray(mean, float), np.asarray(scale, float))
    order = _rows(blocks, pairs)
    return outputs_of(assembler.program(width), blocks, order=order, scaling=scaling)


@pytest.mark.parametrize("width", [1, 13, 100])
@pytest.mark.parametrize("dtype", SAMPLE_DTYPES)
def test_rows_come_in_the_order_asked_for(dtype, width):
    rng = np.random.default_rng(0)
    low, high = (0, 250) if dtype.startswith("u") else (-120, 120)
    blocks = [rng.integers(low, high, (rows, width)).astype(dtype) for rows in (4, 1, 9)]
    pairs = [(2, 8), (0, 0), (1, 0), (2, 0), (0, 3), (2, 8), (0, 1)]
    mean, scale = rng.normal(size=width), rng.uniform(0.5, 2, width)
    expected = [(blocks[b][r].astype(float) - mean) / scale for b, r in pairs]
    found = _gather(blocks, pairs, mean, scale)
    np.testing.assert_allclose(found, expected, rtol=_rounding(), atol=1e-30)


@pytest.mark.parametrize("dtype", SAMPLE_DTYPES)
def test_the_extremes_of_a_dtype(dtype):
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(np.float32)
    block = np.array([[info.min, info.max, 0]], dtype)
    np.testing.assert_allclose(
        _gather([block], [(0, 0)], np.zeros(3), np.ones(3)),
        block.astype(np.float64),
        rtol=1e-7,
    )


@pytest.mark.parametrize(
    ("dtype", "offset"), [("float64", 1e9), ("int64", 2**52), ("uint64", 2**52), ("uint32", 2**32)]
)
def test_a_large_offset_costs_no_digits(dtype, offset):
    # A float32 near these offsets has steps of 64 and more; the samples differ by units.
    block = (offset - 1 - np.arange(50).reshape(10, 5)).astype(dtype)
    mean = np.full(5, offset - 25.0)
    expected = (block.astype(float) - mean) / 14.0
    found = _gather([block], [(0, i) for i in range(10)], mean, np.full(5, 14.0))
    np.testing.assert_allclose(found, expected, rtol=2e-7)


def test_blocks_may_be_read_only():
    block = np.arange(6, dtype="u1").reshape(3, 2)
    block.setflags(write=False)
    assert _gather([block], [(0, 2)], np.zeros(2), np.ones(2)).tolist() == [[4, 5]]


@pytest.mark.parametrize("width", [1, 5])
def test_targets(width):
    blocks = [np.random.default_rng(0).normal(size=(n, width)).astype("f4") for n in (3, 7)]
    pairs = [(1, 6), (0, 2), (1, 0)]
    assembler = Assembler(1, 3, under_test())
    targets = assembler.batch_buffer(width)
    assembler.emit(Operation("gather_targets", n_out=width), (targets,))
    assembler.emit(Operation("store", n_out=width), (targets,))
    program, order = assembler.program(width), _rows(blocks, pairs)
    found = outputs_of(program, blocks, targets=blocks, order=order)
    np.testing.assert_array_equal(found, [blocks[b][r] for b, r in pairs])


def test_what_is_a_batchs_own_is_stored_once():
    assembler = Assembler(1, 4, under_test())
    own = assembler.filled_buffer(np.array([3, 4], np.float32))
    assembler.emit(Operation("store_once", n_out=2), (own,))
    found = outputs_of(assembler.program(2), [np.zeros((4, 1), np.float32)])
    np.testing.assert_array_equal(found, [[3, 4]])
