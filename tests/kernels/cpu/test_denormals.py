"""Tiny numbers count as zero while kernels run, and only then."""

from __future__ import annotations

import numpy as np
from numba import njit

from dask_horn import HornClassifier
from dask_horn.kernels.cpu.denormals import flush_denormals, restore_denormals

TINY = np.float32(1e-30)


@njit
def _products(a, out):
    out[0] = a[0] * a[1]
    before = flush_denormals()
    out[1] = a[0] * a[1]
    restore_denormals(before)
    out[2] = a[0] * a[1]


def test_products_below_the_smallest_normal_number_are_flushed_in_between():
    out = np.ones(3, np.float32)
    _products(np.array([1e-30, 1e-10], np.float32), out)
    assert out[0] == out[2] != 0
    assert out[1] in (0, out[0])  # processors that are as fast with them need not flush


def test_the_callers_arithmetic_is_left_as_it_was():
    X = np.arange(32.0).reshape(16, 2)
    HornClassifier(hidden_layer_sizes=(4,), n_rounds=1).fit(X, np.arange(16) % 2).predict(X)
    assert TINY * np.float32(1e-10) > 0
