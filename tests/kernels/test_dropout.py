from __future__ import annotations

import math

import numpy as np
import pytest

from dask_horn.kernels.program import Operation
from tests import oracle
from tests.kernels.runner import run_kernel, under_test

KEY = (0x12345678 << 32) | 0x9ABCDEF0


def _mask(batch, width, rate=0.5, *, step=3, key=KEY, stream=1):
    """Which units are kept, (batch, width): what the kernel makes of ones."""
    ones = np.ones((batch, width), np.float32)
    ran = run_kernel(
        "dropout_forward",
        *(ones, 9 * ones, 9 * ones),
        batch=batch,
        n_out=width,
        constants=[rate],
        step=step,
        key=key,
        stream=stream,
    )
    _, mask, out = ran.buffers
    if _is_mask_kept(batch, width):
        np.testing.assert_array_equal(out, mask)
    return out != 0


def _is_mask_kept(batch, width):
    """Whether the device writes the mask down, for the way back; else it draws it again."""
    return under_test().result_size(Operation("dropout_forward", n_out=width), batch) > 0


def _correlation(a, b):
    """In standard deviations of what independent draws would give."""
    a, b = a - a.mean(), b - b.mean()
    return (a * b).mean() / (a.std() * b.std()) * math.sqrt(a.size)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.75])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 100), (2, 256), (4, 64), (9, 257)])
def test_kept_units_are_scaled_up_and_the_others_zero(shape, rate):
    x = np.random.default_rng(0).normal(size=shape).astype("f4")
    keep = _mask(*shape, rate)
    told = {"batch": shape[0], "n_out": shape[1], "constants": [rate]}
    told |= {"step": 3, "key": KEY, "stream": 1}
    ran = run_kernel("dropout_forward", x, np.full_like(x, 9), np.full_like(x, 9), **told)
    kept, mask, out = ran.buffers
    np.testing.assert_array_equal(kept, x)
    if _is_mask_kept(*shape):
        np.testing.assert_allclose(mask, keep / (1 - rate), rtol=1e-6)
    np.testing.assert_allclose(out, np.where(keep, x / (1 - rate), 0), rtol=1e-6)
    back = run_kernel("dropout_backward", x, mask, **told)
    np.testing.assert_array_equal(back.buffers[0], out)


@pytest.mark.parametrize("rate", [0.2, 0.5])
@pytest.mark.parametrize("shape", [(1, 10), (2, 256), (3, 211)])
def test_masks_are_philox_words(shape, rate):
    keep = _mask(*shape, rate, step=7, stream=2).ravel()
    for e in range(keep.size):
        counter = (e // 256 * 64 + e % 64, 7, 2, 0)
        word = oracle.philox4x32(counter, (KEY & 0xFFFFFFFF, KEY >> 32))[e % 256 // 64]
        assert keep[e] == (word >= int(rate * 2**32))


@pytest.mark.parametrize("rate", [0.0, 1e-6, 0.05, 0.5, 0.9, 0.999])
def test_as_many_are_dropped_as_asked_for(rate):
    dropped = (~_mask(300, 1001, rate)).sum()
    n = 300 * 1001
    assert abs(dropped - n * rate) <= 4 * math.sqrt(n * rate * (1 - rate)) + 1


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_steps_layers_and_submodels_draw_alone(rate):
    same = _mask(64, 501, rate)
    np.testing.assert_array_equal(same, _mask(64, 501, rate))
    for other in ({"step": 4}, {"stream": 2}, {"key": KEY + 1}, {"key": KEY + (1 << 32)}):
        assert abs(_correlation(same, _mask(64, 501, rate, **other))) < 4
    # ... also where the numbers are those of another one in another order.
    assert abs(_correlation(same, _mask(64, 501, rate, step=1, stream=3))) < 4


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_examples_and_neighbouring_units_draw_alone(rate):
    keep = _mask(512, 320, rate)
    assert abs(_correlation(keep[:-1], keep[1:])) < 4
    flat = keep.ravel()
    for lag in (1, 2, 3, 16, 64, 128, 192, 256, 512):
        assert abs(_correlation(flat[:-lag], flat[lag:])) < 4
    # No unit and no example is favoured.
    for axis, n in ((0, 512), (1, 320)):
        z = (keep.mean(axis=axis) - (1 - rate)) / math.sqrt(rate * (1 - rate) / n)
        assert abs(z).max() < 5
        assert 0.8 < z.std() < 1.2


def test_a_smaller_batch_has_the_same_masks():
    np.testing.assert_array_equal(_mask(9, 101)[:4], _mask(4, 101))


def test_the_expected_output_is_the_input():
    x = np.random.default_rng(0).uniform(1, 2, (500, 400)).astype("f4")
    zeros = np.zeros_like(x)
    ran = run_kernel(
        "dropout_forward", x, zeros, zeros, batch=500, n_out=400, constants=[0.3], key=KEY
    )
    assert ran.buffers[2].mean() == pytest.approx(x.mean(), rel=0.01)


def test_nan_is_not_dropped():
    x = np.full((4, 50), np.nan, np.float32)
    ran = run_kernel("dropout_forward", x, x, x, batch=4, n_out=50, constants=[0.5])
    assert np.isnan(ran.buffers[2]).all()
