"""Finite differences and known numbers judge the oracle's encodings."""

from __future__ import annotations

import numpy as np

from dask_horn.network import Dense, MissingIndicator, Network, Periodic, PiecewiseLinear
from tests import oracle
from tests.oracle.differences import central_differences


def _columns(layer, x, **params):
    """What a first layer makes of samples."""
    network = Network([layer, Dense(1)], np.shape(x)[1], "squared_error")
    n_columns = network.unit_axes["input"]
    found = []
    for column in range(n_columns):
        weight = np.eye(n_columns)[:, [column]]
        tensors = {**params, "output/W": weight, "output/b": np.zeros(1)}
        found.append(oracle.forward(network, tensors, x)[0])
    return np.hstack(found)


def test_missing_values_by_hand():
    x = [[1, np.nan, 3], [np.nan, 5, 6]]
    found = _columns(MissingIndicator((2, 1)), x)
    np.testing.assert_array_equal(found, [[1, 0, 3, 0, 1], [0, 5, 6, 0, 0]])
    found = _columns(MissingIndicator(), x)
    np.testing.assert_array_equal(found, [[1, 0, 3, 0, 1, 0], [0, 5, 6, 1, 0, 0]])


def test_bins_by_hand():
    x = [[-1, 7], [0, 7], [1, 7], [2, 7], [5, 7], [9, 7]]
    edges = {"piecewise_linear_1/edges": [0, 2, 2, 6]}  # the bin between 2 and 2 has no width
    found = _columns(PiecewiseLinear((3, 0)), x, **edges)
    shares = [[0, 0, 0], [0, 0, 0], [0.5, 0, 0], [1, 0, 0], [1, 0, 0.75], [1, 0, 1]]
    np.testing.assert_array_equal(found, np.hstack([x, np.array(shares) - 0.5]))


def test_waves_by_hand():
    frequencies = {"periodic_1/frequencies": [1, 0.5, 0.25]}
    found = _columns(Periodic((2, 1)), [[0.25, 2]], **frequencies)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found, [[0.25, 2, 0, half, -1, 1, half, 0]], atol=1e-15)


def test_the_gradient_of_frequencies_equals_central_differences():
    layers = [MissingIndicator(), Periodic((2, 0, 1), learned=True), PiecewiseLinear(2)]
    network = Network([*layers, Dense(4, "tanh"), Dense(3)], 3)
    rng = np.random.default_rng(0)
    params = {name: rng.normal(size=tensor.shape) for name, tensor in network.parameters.items()}
    x, targets = rng.normal(size=(5, 3)), rng.integers(3, size=5)
    x[1, 2] = np.nan

    def of(p):
        return oracle.loss(network, oracle.forward(network, p, x)[0], targets)

    computed, expected = (
        oracle.gradients(network, params, x, targets),
        central_differences(of, params),
    )
    assert not computed.pop("piecewise_linear_1/edges").any()
    for name, found in computed.items():
        np.testing.assert_allclose(found, expected[name], rtol=1e-6, atol=1e-8)
