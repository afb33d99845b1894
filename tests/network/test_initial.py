from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import ACTIVATIONS, Dense, Network, initial_values


def _weights(activation: str, seed: int = 0):
    network = Network([Dense(300, activation=activation), Dense(10)], 200)
    return network.parameters.view(network.initial_values(seed), "dense_1/W")


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu"])
def test_rectifiers_begin_he_normal(activation):
    weights = _weights(activation)
    assert weights.std() == pytest.approx(np.sqrt(2 / 200), rel=0.01)
    assert abs(weights.mean()) < 0.001
    assert weights.max() > 3 * weights.std()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "linear"])
def test_the_others_begin_glorot_uniform(activation):
    weights, limit = _weights(activation), np.sqrt(6 / (200 + 300))
    assert abs(weights).max() == pytest.approx(limit, rel=0.001)
    assert abs(weights).max() <= limit * (1 + 1e-6)
    assert weights.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)


def test_every_activation_has_initial_values():
    assert all(_weights(activation).any() for activation in ACTIVATIONS)


def test_values_are_a_function_of_table_and_seed():
    np.testing.assert_array_equal(_weights("relu", 7), _weights("relu", 7))
    assert not np.array_equal(_weights("relu", 7), _weights("relu", 8))


def test_values_do_not_depend_on_the_layers_after():
    short = Network([Dense(30, activation="relu"), Dense(10)], 20)
    long = Network([Dense(30, activation="relu"), Dense(99, activation="relu"), Dense(10)], 20)
    first, second = (
        network.parameters.view(network.initial_values(0), "dense_1/W") for network in (short, long)
    )
    np.testing.assert_array_equal(first, second)


def test_biases_and_padding_are_zero():
    network = Network([Dense(3, activation="relu"), Dense(3)], 3)
    vector = network.initial_values(0)
    assert vector.dtype == np.float32
    assert vector.shape == (network.parameters.size,)
    assert not network.parameters.view(vector, "dense_1/b").any()
    assert np.count_nonzero(vector) == 3 * 3 + 3 * 3


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (0.5, TypeError), (None, TypeError)])
def test_seed_must_be_a_natural_number(seed, error):
    table = Network([Dense(2)], 3).parameters
    with pytest.raises(error, match=r"^seed must be an integer of at least 0"):
        initial_values(table, seed)
