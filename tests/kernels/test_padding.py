from __future__ import annotations

import copy

import numpy as np
import pytest

from dask_horn.kernels.cpu.gather import SAMPLE_DTYPES
from dask_horn.kernels.program import Operation
from dask_horn.program.assembler import Assembler
from tests.kernels.runner import outputs_of, under_test


def _mask(blocks, pairs, steps, value):
    """Which steps count, and the samples after the kernel has passed over them."""
    dtype, width = blocks[0].dtype, blocks[0].shape[1]
    assembler = Assembler(1, len(pairs), under_test())
    counted, samples = assembler.batch_buffer(steps), assembler.batch_buffer(width)
    assembler.emit(Operation(f"gather_{dtype}", width), (samples,))
    constant = assembler.constants(value)
    operation = Operation(f"mask_{dtype}", width, rows=steps)
    assembler.emit(operation, (counted, samples), constant=constant)
    return [
        _stored(assembler, *what, blocks, pairs) for what in ((counted, steps), (samples, width))
    ]


def _stored(assembler, buffer, width, blocks, pairs):
    """What is in a buffer after a batch."""
    assembler = copy.deepcopy(assembler)
    assembler.emit(Operation("store", n_out=width), (buffer,))
    starts = np.cumsum([0, *map(len, blocks)])
    order = [starts[block] + row for block, row in pairs]
    return outputs_of(assembler.program(width), blocks, order=order)


@pytest.mark.parametrize("dtype", SAMPLE_DTYPES)
@pytest.mark.parametrize("n_features", [1, 3])
def test_a_step_is_padding_where_all_of_its_features_say_so(dtype, n_features):
    rng = np.random.default_rng(0)
    steps = 5
    blocks = [rng.integers(1, 3, (rows, steps * n_features)).astype(dtype) for rows in (4, 9)]
    pairs = [(1, 8), (0, 0), (1, 0), (1, 8), (0, 3)]
    own = np.array([blocks[b][r] for b, r in pairs]).reshape(len(pairs), steps, n_features)
    counted, samples = _mask(blocks, pairs, steps, 2.0)
    np.testing.assert_array_equal(counted, (own != 2).any(axis=2))
    assert 0 < counted.sum() < counted.size
    expected = own * counted[..., np.newaxis]
    np.testing.assert_array_equal(samples, expected.reshape(samples.shape))


def test_a_value_that_the_dtype_has_not_is_nowhere():
    block = np.array([[255, 254, 0]], np.uint8)
    for value in (-1.0, 254.5, 1e300):
        counted, samples = _mask([block], [(0, 0)], 3, value)
        assert counted.all()
        np.testing.assert_array_equal(samples, block)
