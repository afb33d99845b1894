"""Recurrent networks: what a program computes is what the oracle does."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import (
    ACTIVATIONS,
    GRU,
    LSTM,
    Dense,
    Dropout,
    Embedding,
    Network,
    SimpleRNN,
)
from dask_horn.program import Optimizer
from tests import oracle
from tests.program.problems import assert_same_steps, predicted, problem

# With learning rate 1 and nothing else, a step is the gradient.
GRADIENT = Optimizer("sgd", momentum=0.0)
KINDS = [SimpleRNN, LSTM, GRU]
PADDING = -7.5


def _network(*layers, steps=6, features=3, loss="cross_entropy"):
    return Network([*layers, Dense(3)], (steps, features), loss)


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("each_step", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_one_step(kind, each_step, padded):
    layer = kind(9, return_sequences=each_step, mask_value=PADDING if padded else None)
    assert_same_steps(problem(_network(layer), 13), [0, 13], [1.0], GRADIENT, tolerance=3e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation):
    network = _network(SimpleRNN(17, activation, return_sequences=True), steps=4)
    assert_same_steps(problem(network, 11), [0, 11], [1.0], GRADIENT, tolerance=3e-5)


@pytest.mark.parametrize(
    ("steps", "features", "units", "n"),
    [(1, 1, 1, 1), (1, 5, 8, 3), (9, 1, 1, 2), (3, 2, 40, 17), (5, 33, 16, 8), (2, 300, 5, 4)],
)
@pytest.mark.parametrize("kind", KINDS)
def test_odd_sizes(kind, steps, features, units, n):
    network = _network(kind(units), steps=steps, features=features)
    assert_same_steps(problem(network, n), [0, n], [1.0], GRADIENT, tolerance=5e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_more_units_than_a_panel_has_terms(kind):
    network = _network(kind(263, use_bias=False), steps=2)
    assert_same_steps(problem(network, 6), [0, 6], [1.0], GRADIENT, tolerance=5e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_trains_as_the_oracle_does(kind):
    network = _network(
        kind(12, return_sequences=True, mask_value=PADDING),
        Dropout(0.3),
        kind(7, return_sequences=True),
        Dense(5, activation="tanh"),
    )
    case = problem(network, 50)
    optimizer = Optimizer("adamw", weight_decay=0.05, clip_norm=0.2)
    starts = [0, 16, 32, 33, 42, 50]
    assert_same_steps(case, starts, [0.01, 0.02, 0.01, 0.01, 0.005], optimizer, tolerance=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_submodels_scales_and_sizes(kind):
    network = _network(kind(12, return_sequences=True), kind(9))
    case = problem(network, 20, sizes={network.divided_axes[0]: 5, network.divided_axes[1]: 2})
    scales = {"output/W": 8.0}
    for axis, of_w, of_u in zip(network.divided_axes, (0.5, 2.5), (1.5, 3.0), strict=True):
        scales |= {f"{axis}/W": of_w, f"{axis}/U": of_u}
    assert_same_steps(case, [0, 8, 20], [0.1, 0.1], Optimizer("sgd"), 3e-4, scales=scales)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "huber"])
def test_losses_on_each_step(loss):
    network = _network(GRU(6, return_sequences=True, mask_value=PADDING), loss=loss)
    case = problem(network, 30)
    optimizer = Optimizer("sgd", momentum=0.9)
    assert_same_steps(case, [0, 11, 22, 30], [0.1, 0.1, 0.1], optimizer, tolerance=1e-4)


def test_class_weights_on_each_step():
    weights = np.array([0.25, 1, 3], np.float32)
    case = problem(_network(LSTM(5, return_sequences=True, mask_value=PADDING)), 20)
    assert_same_steps(case, [0, 20], [1], GRADIENT, 3e-5, class_weights=weights)


@pytest.mark.parametrize("mask_value", [None, -1])
def test_embedding(mask_value):
    layers = [Embedding(11, 6), Dropout(0.2), LSTM(5, return_sequences=True, mask_value=mask_value)]
    network = Network([*layers, Dense(3)], 7)
    case = problem(network, 25, sizes={"embedding_1": 4})
    assert_same_steps(case, [0, 10, 25], [0.1, 0.1], Optimizer("adamw"), tolerance=1e-3)


def test_a_batch_of_padding_trains_nothing():
    case = problem(_network(LSTM(5, return_sequences=True, mask_value=PADDING)), 4)
    case.x[:] = PADDING
    assert_same_steps(case, [0, 4], [1.0], GRADIENT, tolerance=1e-5)


@pytest.mark.parametrize("each_step", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_do_not_depend_on_their_neighbours(kind, each_step):
    network = _network(
        kind(14, return_sequences=True, mask_value=PADDING), kind(6, return_sequences=each_step)
    )
    case = problem(network, 45)
    params = case.table.as_dict(case.parameters.astype(float))
    expected, _ = oracle.forward(network, params, case.standardized, counted=case.counted)
    whole = predicted(case)
    np.testing.assert_allclose(whole, expected.reshape(45, -1), rtol=2e-5, atol=5e-6)
    for rows in (slice(3, 4), slice(0, 16), slice(0, 0), slice(1, 34)):
        np.testing.assert_array_equal(predicted(case, case.x[rows]), whole[rows])
