"""The kernels against the formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.runner import run_kernel

EPSILON = 1e-3
SHAPES = pytest.mark.parametrize(
    ("batch", "rows", "width"), [(5, 1, 1), (2, 1, 3), (13, 1, 7), (128, 1, 33), (3, 25, 17)]
)


def _values(batch, rows, width, offset=0.0, seed=0):
    """x, g, γ and β."""
    rng = np.random.default_rng(seed)
    x = offset + rng.normal(size=(batch * rows, width)) * rng.uniform(0.1, 3, width)
    g = rng.normal(size=x.shape)
    return [a.astype("f4") for a in (x, g, rng.normal(size=width), rng.normal(size=width))]


def _normal(x, axis):
    x = x.astype(float)
    mean, variance = x.mean(axis=axis, keepdims=True), x.var(axis=axis, keepdims=True)
    return (x - mean) / np.sqrt(variance + EPSILON), mean, variance


def _run(name, *buffers, batch, rows, width):
    return run_kernel(
        name, *buffers, batch=batch, rows=rows, n_out=width, constants=[EPSILON]
    ).buffers


def _spare(n):
    return np.full(n, 9, np.float32)


def _batch_forward(x, gamma, beta, **shape):
    width = x.shape[1]
    spares = _spare(x.size).reshape(x.shape), _spare(width), _spare(width)
    out, mean, variance = (
        _run(
            "batch_norm_forward",
            *(x, spares[0], gamma, beta, *spares[1:]),
            **shape,
        )[i]
        for i in (1, 4, 5)
    )
    return out, mean, variance


def _layer_forward(x, gamma, beta, **shape):
    n = len(x)
    ran = _run(
        "layer_norm_forward", x, np.zeros_like(x), gamma, beta, _spare(n), _spare(n), **shape
    )
    return ran[1], ran[4], ran[5]


@SHAPES
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_batches(batch, rows, width, offset):
    shape = {"batch": batch, "rows": rows, "width": width}
    x, _, gamma, beta = _values(**shape, offset=offset)
    normal, mean, variance = _normal(x, 0)
    out, found_mean, found_variance = _batch_forward(x, gamma, beta, **shape)
    np.testing.assert_allclose(found_mean, mean[0], rtol=2e-7, atol=1e-6)
    np.testing.assert_allclose(found_variance, variance[0], rtol=2e-5)
    # The mean is a float32 number, and so is x: their difference is known to its last place.
    tolerance = 1e-5 + offset * 1e-6
    np.testing.assert_allclose(out, gamma * normal + beta, rtol=1e-5, atol=tolerance)


@SHAPES
def test_units(batch, rows, width):
    shape = {"batch": batch, "rows": rows, "width": width}
    x, _, gamma, beta = _values(**shape)
    normal, mean, variance = _normal(x, 1)
    out, found_mean, inverse = _layer_forward(x, gamma, beta, **shape)
    np.testing.assert_allclose(found_mean, mean[:, 0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(inverse, 1 / np.sqrt(variance[:, 0] + EPSILON), rtol=1e-5)
    np.testing.assert_allclose(out, gamma * normal + beta, rtol=1e-5, atol=1e-5)


def _expected_backward(x, g, gamma, axis):
    normal, _, variance = _normal(x, axis)
    h = g.astype(float) * gamma
    along = (h * normal).mean(axis=axis, keepdims=True)
    to_input = (h - h.mean(axis=axis, keepdims=True) - normal * along) / np.sqrt(variance + EPSILON)
    return to_input, (g * normal).sum(axis=0), g.astype(float).sum(axis=0)


@SHAPES
def test_back_through_batches(batch, rows, width):
    shape = {"batch": batch, "rows": rows, "width": width}
    x, g, gamma, beta = _values(**shape)
    _, mean, variance = _batch_forward(x, gamma, beta, **shape)
    spares = _spare(width), _spare(width)
    ran = _run("batch_norm_backward", g, x, gamma, mean, variance, *spares, **shape)
    to_input, to_gamma, to_beta = _expected_backward(x, g, gamma, 0)
    size = np.abs(gamma / np.sqrt(variance + EPSILON))
    assert (np.abs(ran[0] - to_input) <= 1e-5 * size * (1 + np.abs(g).max())).all()
    np.testing.assert_allclose(ran[5], to_gamma, rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(ran[6], to_beta, rtol=1e-6, atol=1e-6)


@SHAPES
def test_back_through_units(batch, rows, width):
    shape = {"batch": batch, "rows": rows, "width": width}
    x, g, gamma, beta = _values(**shape)
    _, mean, inverse = _layer_forward(x, gamma, beta, **shape)
    spares = _spare(width), _spare(width)
    ran = _run("layer_norm_backward", g, x, gamma, mean, inverse, *spares, **shape)
    to_input, to_gamma, to_beta = _expected_backward(x, g, gamma, 1)
    size = np.abs(inverse[:, np.newaxis]) * (1 + np.abs(g).max())
    assert (np.abs(ran[0] - to_input) <= 2e-5 * size).all()
    np.testing.assert_allclose(ran[5], to_gamma, rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(ran[6], to_beta, rtol=1e-6, atol=1e-6)


def test_a_batch_of_one_is_beta_and_sends_nothing_back():
    shape = {"batch": 1, "rows": 1, "width": 5}
    x, g, gamma, beta = _values(**shape, offset=1e6)
    out, mean, variance = _batch_forward(x, gamma, beta, **shape)
    np.testing.assert_array_equal(out[0], beta)
    np.testing.assert_array_equal(mean, x[0])
    np.testing.assert_array_equal(variance, np.zeros(5))
    spares = _spare(5), _spare(5)
    ran = _run("batch_norm_backward", g, x, gamma, mean, variance, *spares, **shape)
    np.testing.assert_array_equal(ran[0], np.zeros((1, 5)))
    np.testing.assert_array_equal(ran[5], np.zeros(5))
    np.testing.assert_array_equal(ran[6], g[0])


def test_a_single_unit_is_beta():
    shape = {"batch": 3, "rows": 1, "width": 1}
    x, _, gamma, beta = _values(**shape)
    out, *_ = _layer_forward(x, gamma, beta, **shape)
    np.testing.assert_array_equal(out, np.full((3, 1), beta[0]))


def test_many_rows_do_not_eat_digits():
    # 2^18 values around 1000: a sum in float32 would have lost three of its digits.
    x = (1000 + np.random.default_rng(0).normal(size=(2**18, 2))).astype("f4")
    one, zero = np.ones(2, np.float32), np.zeros(2, np.float32)
    out, mean, variance = _batch_forward(x, one, zero, batch=2**10, rows=2**8, width=2)
    np.testing.assert_allclose(mean, x.astype(float).mean(axis=0), rtol=1e-7)
    np.testing.assert_allclose(variance, x.astype(float).var(axis=0), rtol=1e-6)
    assert abs(out.astype(float).mean()) < 1e-4


@pytest.mark.parametrize("width", [1, 5, 16, 37])
def test_what_predicts_does_not_depend_on_the_other_rows(width):
    x, _, gamma, beta = _values(11, 1, width)
    mean, variance = x[:3].mean(axis=0), 0.1 + x.var(axis=0)

    def applied(rows):
        buffers = (rows, np.zeros_like(rows), gamma, beta, mean, variance)
        shape = {"batch": len(rows), "rows": 1, "width": width}
        return _run("batch_norm_apply", *buffers, **shape)[1]

    def by_units(rows):
        return _layer_forward(rows, gamma, beta, batch=len(rows), rows=1, width=width)[0]

    expected = gamma * (x - mean) / np.sqrt(variance.astype(float) + EPSILON) + beta
    np.testing.assert_allclose(applied(x), expected, rtol=1e-5, atol=1e-5)
    for function in (applied, by_units):
        np.testing.assert_array_equal(function(x)[4:7], function(x[4:7]))


@pytest.mark.parametrize("forward", [_batch_forward, _layer_forward])
def test_nan_is_not_hidden(forward):
    x, _, gamma, beta = _values(6, 1, 5)
    x[2, 3] = np.nan
    out, *_ = forward(x, gamma, beta, batch=6, rows=1, width=5)
    assert np.isnan(out[2, 3])
