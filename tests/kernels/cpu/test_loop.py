"""The loop, on a program of one weight whose gradient and loss are what the samples say."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.compile import address_table
from dask_horn.kernels.cpu.loop import run_steps
from tests.kernels.runner import aligned

# The arena: the weight, the batch's samples, their targets (all zero), the loss' gradient, state,
# and which rows count (all).
WEIGHT, SAMPLES, TARGETS, GRADIENT, VELOCITY, COUNTED = 0, 16, 32, 48, 64, 80


def _run(samples, starts, rates):
    """Train; the loss is half the mean square of a batch's samples, the gradient its first one's.

    Returns the number of steps done, the losses, the weight after them and the counters.
    """
    kernels = ["gather_float32", "squared_error", "sgd"]
    rows = np.zeros((3, op.N_COLUMNS), np.int64)
    rows[:, op.OP] = range(3)
    rows[:, op.ROWS] = 1
    rows[:2, [op.N_IN, op.N_OUT]] = 1
    rows[0, op.A] = SAMPLES
    rows[1, op.A : op.D] = SAMPLES, TARGETS, GRADIENT
    rows[1, op.E] = COUNTED
    rows[2, op.N_OUT] = 1
    rows[2, [op.A, op.B, op.STATES]] = WEIGHT, GRADIENT, VELOCITY
    rows[2, op.RULE] = op.N_SCALARS
    arena = aligned(96)
    arena[:] = 0
    arena[COUNTED:] = 1
    scalars = np.array([0, 0, 1, 0, 0, 0], float)  # no momentum, no decay
    blocks = np.array([samples.ctypes.data])
    mean, inverse = np.zeros(1), np.ones(1)
    counters = np.zeros(op.N_COUNTERS, np.int64)
    counters[op.X_BLOCKS] = blocks.ctypes.data
    counters[op.MEAN], counters[op.INVERSE_SCALE] = mean.ctypes.data, inverse.ctypes.data
    losses = np.full(len(rates), -1.0)
    order, addresses = np.arange(samples.size), address_table(kernels)
    starts, rates = np.array(starts), np.array(rates, float)
    done = run_steps(
        rows, addresses, counters, scalars, arena, order, starts, rates, losses
    )  # fmt: skip
    return done, losses, arena[WEIGHT], counters


def test_each_batch_takes_its_rows_and_its_rate():
    samples = np.array([1, 2, 3, 4, 5, 6, 7], np.float32)
    done, losses, weight, counters = _run(samples, [0, 3, 5, 6, 7], [1, 0.1, 0.01, 0])
    assert done == 4
    batches = [[1, 2, 3], [4, 5], [6], [7]]
    np.testing.assert_allclose(losses, [0.5 * np.square(batch).mean() for batch in batches])
    # A batch's first gradient is its first sample over the batch's size.
    assert weight == pytest.approx(-(1 * 1 / 3 + 0.1 * 4 / 2 + 0.01 * 6 / 1))
    assert counters[op.STEP] == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_ends_the_loop(bad):
    samples = np.array([1, 2, bad, 4, 5, 6], np.float32)
    done, losses, _, counters = _run(samples, [0, 2, 4, 6], [0.1] * 3)
    assert done == 2
    assert counters[op.STEP] == 2
    assert np.isfinite(losses[0])
    assert not np.isfinite(losses[1])
    assert losses[2] == -1


def test_no_batches_is_no_work():
    done, _, weight, _ = _run(np.ones(1, np.float32), [0], [])
    assert (done, weight) == (0, 0)
