from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dask_horn.kernels.encodings import NARROWEST
from tests.kernels.runner import at_most, run_kernel


def _wide(x, n_before=0, n_behind=0, seed=0):
    """Rows that begin with x, among columns of other encodings."""
    others = np.random.default_rng(seed).normal(size=(len(x), n_before + n_behind))
    return np.hstack([x, others]).astype("f4")


def _run(name, wide, n_inputs, first, n, *operands):
    """What is left of the rows, of which n columns from `first` on are to be written."""
    sizes = {"n_in": n_inputs, "n_out": wide.shape[1], "sizes": (first, n)}
    return run_kernel(name, wide, *operands, batch=len(wide), **sizes).buffers


SHAPES = [(1, 1), (5, 3), (9, 33)]
FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


@pytest.mark.parametrize(("batch", "n_inputs"), SHAPES)
def test_rows_are_made_wider(batch, n_inputs):
    x = np.random.default_rng(0).normal(size=(batch, n_inputs)).astype("f4")
    wide = np.full((batch, n_inputs + 4), 7, np.float32)
    sizes = {"n_in": n_inputs, "n_out": n_inputs + 4}
    _, found = run_kernel("widen", x, wide, batch=batch, **sizes).buffers
    np.testing.assert_array_equal(found[:, :n_inputs], x)
    np.testing.assert_array_equal(found[:, n_inputs:], 7)


@pytest.mark.parametrize(("batch", "n_inputs"), SHAPES)
def test_missing_values_are_told(batch, n_inputs):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, n_inputs))
    x[rng.random(x.shape) < 0.4] = np.nan
    columns = rng.permutation(n_inputs)[: -(-n_inputs // 2)]
    places = np.full(n_inputs, -1, np.float32)
    places[columns] = np.arange(columns.size)
    wide, first = _wide(x, 2, columns.size + 1), n_inputs + 2
    found = _run("missing_indicator", wide, n_inputs, first, 0, places)[0]
    expected = np.where(np.isnan(wide), 0, wide)
    expected[:, first : first + columns.size] = np.isnan(x[:, columns])
    np.testing.assert_array_equal(found, expected)


def _bins(edges, columns):
    """Of a list of edges for each column: all edges, and each bin's column and lower edge."""
    starts = np.cumsum([0, *(own.size for own in edges)])
    lower = [np.arange(own.size - 1) + start for own, start in zip(edges, starts, strict=False)]
    of = [np.full(own.size - 1, c) for own, c in zip(edges, columns, strict=True)]
    return tuple(np.concatenate(parts).astype("f4") for parts in (edges, of, lower))


def _filled(x, edges):
    """How far one column's values fill its bins."""
    with np.errstate(divide="ignore", invalid="ignore"):
        widths = np.diff(edges.astype(float))
        shares = np.clip((x[:, None].astype(float) - edges[:-1]) / widths, 0, 1)
    return np.where(widths > NARROWEST, shares, 0) - 0.5


@pytest.mark.parametrize(("batch", "n_inputs"), SHAPES)
def test_bins_are_filled(batch, n_inputs):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(batch, n_inputs)).astype("f4")
    columns = np.sort(rng.permutation(n_inputs)[: -(-n_inputs // 2)])
    edges = [
        np.sort(rng.normal(size=n)).astype("f4") for n in rng.integers(2, 20, size=columns.size)
    ]
    edges[0][-1] = edges[0][-2]  # a bin without a width
    every, of, lower = _bins(edges, columns)
    wide, first = _wide(x, 1, of.size + 2), n_inputs + 1
    found = _run("piecewise_linear", wide, n_inputs, first, of.size, of, lower, every)[0]
    expected = wide.astype(float)
    expected[:, first : first + of.size] = np.hstack(
        [_filled(x[:, c], own) for c, own in zip(columns, edges, strict=True)]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found[:, :first], wide[:, :first])


@settings(max_examples=at_most(60, 3), deadline=None)
@given(
    st.lists(FLOATS, min_size=2, max_size=6),
    st.lists(FLOATS, min_size=1, max_size=6),
)
def test_a_filled_bin_is_within_a_half_of_0_and_rises(edges, values):
    edges, x = np.sort(np.array(edges, np.float32)), np.sort(np.array(values, np.float32))
    every, of, lower = _bins([edges], [0])
    wide = _wide(x[:, None], 0, of.size)
    with np.errstate(over="ignore"):
        found = _run("piecewise_linear", wide, 1, 1, of.size, of, lower, every)[0][:, 1:]
    assert ((found >= -0.5) & (found <= 0.5)).all()
    assert (np.diff(found, axis=0) >= 0).all()


def _waves(turns):
    """Cosines and sines of one column's values at frequency 1, as the kernel finds them."""
    x = np.asarray(turns, np.float32)[:, None]
    one = np.ones(1, np.float32)
    with np.errstate(invalid="ignore"):
        found = _run("periodic_forward", _wide(x, 0, 2), 1, 1, 1, np.zeros(1, "f4"), one)[0]
    return found[:, 1], found[:, 2]


def test_cosine_and_sine_are_right_to_the_last_digits():
    near = np.linspace(-3, 3, at_most(30_001, 99))
    turns = np.concatenate([near, np.geomspace(1e-30, 4e6, at_most(2000, 99))]).astype("f4")
    turns = np.concatenate([turns, -turns])
    cosines, sines = _waves(turns)
    rest = turns.astype(float) - np.round(turns.astype(float))
    np.testing.assert_allclose(cosines, np.cos(2 * np.pi * rest), rtol=0, atol=4e-7)
    np.testing.assert_allclose(sines, np.sin(2 * np.pi * rest), rtol=0, atol=4e-7)
    small = np.abs(turns) < 0.01  # relative, where nothing is folded
    np.testing.assert_allclose(sines[small], np.sin(2 * np.pi * rest[small]), rtol=4e-7)


def test_whole_and_half_turns_are_exact():
    whole = np.array([0, 1, -1, 2, 1000, -4e6], np.float32)
    cosines, sines = _waves(whole)
    np.testing.assert_allclose(cosines, 1, atol=1e-7)
    np.testing.assert_array_equal(sines, 0)
    _, sines = _waves(np.array([0.5, -0.5, 100.5]))
    np.testing.assert_array_equal(sines, 0)


def test_any_number_of_turns_stays_a_wave_and_what_is_none_is_seen():
    turns = np.array([4.1e6, 5e6, -3e7, 1e20, 3e38], np.float32)
    for values in _waves(turns):
        assert (np.abs(values) <= 1 + 1e-6).all()
    for values in _waves(np.array([np.nan])):
        assert np.isnan(values).all()


@pytest.mark.parametrize(("batch", "n_inputs"), SHAPES)
def test_waves_and_the_gradient_of_their_frequencies(batch, n_inputs):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(batch, n_inputs)).astype("f4")
    columns = np.sort(rng.integers(n_inputs, size=2 * n_inputs))
    frequencies, n = rng.normal(size=columns.size).astype("f4"), columns.size
    wide, first, of = _wide(x, 3, 2 * n + 1), n_inputs + 3, columns.astype("f4")
    found = _run("periodic_forward", wide, n_inputs, first, n, of, frequencies)[0]
    own = x[:, columns].astype(float)
    angles = 2 * np.pi * own * frequencies
    expected = wide.astype(float)
    expected[:, first : first + 2 * n] = np.hstack([np.cos(angles), np.sin(angles)])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=3e-6)

    gradient, out = rng.normal(size=wide.shape).astype("f4"), np.full(n, 9, np.float32)
    slope = _run("periodic_backward", found, n_inputs, first, n, of, gradient, out)[3]
    of_cosines, of_sines = np.split(gradient[:, first : first + 2 * n], 2, axis=1)
    slopes = 2 * np.pi * own * (of_sines * np.cos(angles) - of_cosines * np.sin(angles))
    np.testing.assert_allclose(slope, slopes.sum(axis=0), rtol=1e-5, atol=1e-4)
