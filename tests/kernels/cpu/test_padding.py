from __future__ import annotations

import numpy as np
import pytest

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.cpu.gather import SAMPLE_DTYPES
from tests.kernels.runner import addresses, run_kernel


def _mask(blocks, pairs, steps, value):
    """Which steps count, and samples of ones after the kernel has passed over them."""
    table, width = addresses(blocks), blocks[0].shape[1]
    ran = run_kernel(
        f"mask_{blocks[0].dtype}",
        np.full((len(pairs), steps), 7, np.float32),
        np.ones((len(pairs), width), np.float32),
        batch=len(pairs),
        n_in=width,
        rows=steps,
        constants=[value],
        order=np.array([(block << 32) | row for block, row in pairs], np.int64),
        counters={op.X_BLOCKS: table.ctypes.data},
    )
    return ran.buffers


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
    expected = np.repeat(counted, n_features, axis=1)
    np.testing.assert_array_equal(samples, expected)


def test_a_value_that_the_dtype_has_not_is_nowhere():
    block = np.array([[255, 254, 0]], np.uint8)
    for value in (-1.0, 254.5, 1e300):
        counted, samples = _mask([block], [(0, 0)], 3, value)
        assert counted.all()
        assert samples.all()
