"""The products over steps; the loops themselves are tested in whole networks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.masks import packed_masks, unpacked
from tests.kernels.runner import run_kernel

SHAPES = [(1, 1, 1, 1), (3, 7, 5, 11), (4, 65, 16, 32), (2, 300, 33, 9), (1, 5, 270, 300)]


def _run(kernel, a, b, out, shape, scale):
    batch, steps, n_in, n_out = shape
    sizes = {"batch": batch, "rows": steps, "n_in": n_in, "n_out": n_out}
    return run_kernel(kernel, a, b, out, **sizes, constants=[scale]).buffers[2]


def _matrices(*shapes):
    rng = np.random.default_rng(0)
    return (rng.normal(size=shape).astype("f4") for shape in shapes)


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_of_the_input(shape, scale):
    batch, steps, n_in, n_out = shape
    rows = batch * steps
    gradient, weight, out = _matrices((rows, n_out), (n_in, n_out), (rows, n_in))
    found = _run("steps_input", gradient, weight, out, shape, scale)
    expected = scale * gradient.astype(float) @ weight.astype(float).T
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-5 * scale)


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_of_the_weight(shape, scale):
    batch, steps, n_in, n_out = shape
    rows = batch * steps
    x, gradient, out = _matrices((rows, n_in), (rows, n_out), (n_in, n_out))
    found = _run("steps_weight", x, gradient, out, shape, scale)
    expected = scale * x.astype(float).T @ gradient.astype(float)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=5e-5 * scale)


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize(("batch", "steps", "n_in", "n_out"), SHAPES)
def test_gradient_of_a_weight_with_a_mask_for_each_sample(batch, steps, n_in, n_out, scale):
    x, gradient, out = _matrices((batch, steps, n_in), (batch, steps, n_out), (n_in, n_out))
    words = packed_masks((batch, n_in, n_out), 0.3)
    ran = run_kernel(
        "steps_kept_weight",
        *(x, gradient, out, words),
        batch=batch,
        rows=steps,
        n_in=n_in,
        n_out=n_out,
        constants=[scale],
    )
    kept = unpacked(words, n_in, n_out)
    each = np.einsum("bti,btj->bij", x.astype(float), gradient.astype(float))
    expected = scale * (kept * each).sum(axis=0)
    np.testing.assert_allclose(ran.buffers[2], expected, rtol=1e-5, atol=5e-5 * scale)


def test_a_row_does_not_depend_on_its_neighbours():
    gradient, weight, out = _matrices((40, 37), (21, 37), (40, 21))
    whole = _run("steps_input", gradient, weight, out, (40, 1, 21, 37), 1.0)
    for rows in (slice(0, 1), slice(7, 20), slice(39, 40)):
        part = np.ascontiguousarray(gradient[rows])
        found = _run("steps_input", part, weight, out[rows], (len(part), 1, 21, 37), 1.0)
        np.testing.assert_array_equal(found, whole[rows])
