from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import LOSSES, Dense, Network
from tests import oracle
from tests.kernels.runner import at_most, run_kernel

SHAPES = at_most([(1, 2), (7, 3), (130, 10), (33, 601)], [(1, 2), (7, 3), (5, 33)])


def _problem(loss, batch, width, spread=2.0):
    rng = np.random.default_rng(batch)
    z = rng.normal(scale=spread, size=(batch, width)).astype("f4")
    targets = {
        "classes": rng.integers(width, size=batch),
        "labels": rng.integers(2, size=(batch, width)),
        "values": rng.normal(size=(batch, width)),
    }[LOSSES[loss].kind]
    return z, targets.astype("f4")


def _run(loss, z, targets, weights=None, counted=None):
    """The loss, and its gradient."""
    counted = np.ones(len(z), np.float32) if counted is None else np.float32(counted)
    weights = np.ones(z.shape[1], np.float32) if weights is None else np.float32(weights)
    ran = run_kernel(
        loss,
        *(z, targets, np.full_like(z, 9), weights, counted),
        batch=z.shape[0],
        n_out=z.shape[1],
        constants=[1.0],
    )
    np.testing.assert_array_equal(ran.buffers[0], z)
    return ran.loss, ran.buffers[2]


def _check(loss, z, targets, weights=None):
    network = Network([Dense(z.shape[1])], 1, loss)
    found, gradient = _run(loss, z, targets, weights)
    assert found == pytest.approx(oracle.loss(network, z, targets, weights), rel=2e-6, abs=1e-9)
    expected = oracle.loss_gradient(network, z, targets, weights)
    np.testing.assert_allclose(gradient, expected, rtol=5e-6, atol=2e-7 / len(z))


@pytest.mark.parametrize(("batch", "width"), SHAPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_and_gradient(loss, batch, width):
    _check(loss, *_problem(loss, batch, width))


@pytest.mark.parametrize("loss", LOSSES)
def test_far_outputs(loss):
    _check(loss, *_problem(loss, 9, 5, spread=300))


def test_class_weights():
    z, targets = _problem("cross_entropy", 20, 4)
    _check("cross_entropy", z, targets, weights=[0.5, 1, 2, 7])


def test_one_output_per_sample():
    for loss in ("binary_cross_entropy", "squared_error", "huber"):
        _check(loss, *_problem(loss, 13, 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [(0, 0), (4, 2)])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_output_that_is_not_finite_shows_in_the_loss(loss, place, bad):
    z, targets = _problem(loss, 5, 3)
    targets[:] = 1  # so that no infinite output is a right answer
    z[place] = bad
    found, gradient = _run(loss, z, targets)
    if loss == "binary_cross_entropy" and bad == np.inf:
        return  # sure of a label that is there: no loss
    assert not np.isfinite(found)
    assert loss == "huber" or not np.isfinite(gradient).all()


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "huber"])
def test_rows_that_do_not_count(loss):
    z, targets = _problem(loss, 13, 4)
    counted = np.arange(13) % 3 != 1
    # Whatever stands there: no class, no number.
    z[~counted] = np.nan
    targets[~counted] = np.nan if loss != "cross_entropy" else -7
    found, gradient = _run(loss, z, targets, counted=counted)
    network = Network([Dense(4)], 1, loss)
    z, targets = z[counted], targets[counted]
    assert found == pytest.approx(oracle.loss(network, z, targets), rel=2e-6)
    assert not gradient[~counted].any()
    expected = oracle.loss_gradient(network, z, targets)
    np.testing.assert_allclose(gradient[counted], expected, rtol=5e-6, atol=2e-8)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "huber"])
def test_a_batch_without_any_row_that_counts(loss):
    found, gradient = _run(loss, *_problem(loss, 5, 3), counted=np.zeros(5))
    assert found == 0
    assert not gradient.any()
