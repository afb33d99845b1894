"""Networks that normalize: programs against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.kernels.device import Steps, Window
from dask_horn.network import (
    ACTIVATIONS,
    LSTM,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    MaxPool2D,
    Network,
)
from dask_horn.program import (
    Optimizer,
    prediction_program,
    statistics_program,
    training_program,
)
from tests import oracle
from tests.kernels.runner import under_test
from tests.program.problems import assert_same_steps, loaded, predicted, problem

GRADIENT = Optimizer("sgd", momentum=0.0)
BOTH = pytest.mark.parametrize("norm", [BatchNorm, LayerNorm])


def _network(norm, activation="relu", dropout=0.0):
    """Between product and activation, and after an activation."""
    layers = [Dense(19, use_bias=False), norm(activation=activation)]
    layers += [Dropout(dropout)] if dropout else []
    return Network([*layers, Dense(33, "tanh"), norm(0.1), Dense(3)], 7)


@BOTH
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_one_step(norm, activation):
    network = _network(norm, activation)
    for layers in (network.layers, [norm(), *network.layers]):
        case = problem(Network(layers, 7), 29)
        assert_same_steps(case, [0, 29], [1.0], GRADIENT, tolerance=5e-5)


@BOTH
@pytest.mark.parametrize(
    "optimizer",
    [
        Optimizer("sgd", momentum=0.9, weight_decay=0.01),
        Optimizer("sgd", clip_norm=0.3),
        Optimizer("adamw", weight_decay=0.05),
    ],
    ids=["sgd-decay", "sgd-clipped", "adamw-decay"],
)
def test_several_steps_with_batches_of_any_size(norm, optimizer):
    case = problem(_network(norm, "tanh", dropout=0.2), 100)
    rates = np.array([0.1, 0.2, 0.1, 0.05]) * (0.1 if optimizer.name == "adamw" else 1)
    assert_same_steps(case, [0, 32, 64, 81, 100], rates, optimizer, tolerance=1e-3)


@BOTH
def test_the_steps_of_a_sub_model(norm):
    case = problem(_network(norm), 60, sizes={"dense_1": 8, "dense_2": 21})
    scales = {"dense_2/W": 2.5, "output/W": 1.6}
    assert_same_steps(case, [0, 32, 60], [0.1, 0.1], Optimizer("sgd"), 5e-4, scales=scales)


@BOTH
def test_nothing_but_a_normalization_before_the_first_weight(norm):
    case = problem(Network([norm(), Dense(2)], (5, 4)), 20)
    assert case.table[f"{norm.kind}_1/gamma"].shape == (4,)  # the units of each position
    assert_same_steps(case, [0, 20], [1.0], GRADIENT, tolerance=5e-5)


def _images(norm):
    """Channels at each position, and all values of an image where they may be."""
    layers = [Conv2D(6, 3), norm(activation="relu"), MaxPool2D(2), norm(), Flatten()]
    return Network([*layers, *[norm()] * (norm is LayerNorm), Dense(3)], (8, 7, 2))


@BOTH
def test_images(norm):
    case = problem(_images(norm), 11)
    assert_same_steps(case, [0, 11], [1.0], GRADIENT, tolerance=1e-4)
    case = problem(_images(norm), 24, sizes={"conv2d_1": 4})
    scales = {"output/W": 1.5}
    assert_same_steps(case, [0, 13, 24], [0.1, 0.1], Optimizer("sgd"), 5e-4, scales=scales)


@BOTH
@pytest.mark.parametrize("mask_value", [None, 0.5])
def test_sequences(norm, mask_value):
    layers = [
        LSTM(7, return_sequences=True, mask_value=mask_value),
        norm(0.1, "tanh"),
        LSTM(6),
        norm(0.1),
        Dense(3),
    ]
    network = Network(layers, (5, 4))
    case = problem(network, 14)
    assert_same_steps(case, [0, 14], [1.0], GRADIENT, tolerance=1e-4)
    case = problem(network, 24, sizes={"lstm_1": 4, "lstm_2": 5})
    scales = {"lstm_1/U": 1.5, "lstm_2/W": 2.0, "output/W": 1.2}
    assert_same_steps(case, [0, 13, 24], [0.1, 0.1], Optimizer("sgd"), 5e-4, scales=scales)


@BOTH
def test_each_step_of_a_sequence_with_an_output_of_its_own(norm):
    network = Network([LSTM(7, return_sequences=True), norm(), Dense(3)], (5, 4))
    assert_same_steps(problem(network, 14), [0, 14], [1.0], GRADIENT, tolerance=1e-4)


def _statistics(case, starts):
    """What each batch of the problem's samples has."""
    program = statistics_program(
        case.network,
        device=under_test(),
        batch_size=int(np.diff(starts).max()),
        sample_dtype="float32",
    )
    machine = loaded(program, case)
    steps = Steps.without_rates(np.arange(len(case.x)), np.array(starts))
    return machine.outputs(machine.stage([Window([case.x])]), [steps])[0]


def test_predictions_are_by_the_population():
    case = problem(_network(BatchNorm, dropout=0.5), 45)
    table = case.network.statistics
    statistics = np.random.default_rng(1).uniform(0.5, 2, table.size).astype("f4")
    expected, _ = oracle.forward(
        case.network,
        case.table.as_dict(case.parameters.astype(float)),
        case.standardized,
        statistics=table.as_dict(statistics),
    )
    for rows in (slice(0, 45), slice(3, 4), slice(1, 33)):
        found = predicted(case, case.x[rows], statistics)
        np.testing.assert_allclose(found, expected[rows], rtol=1e-5, atol=3e-6)
        np.testing.assert_array_equal(found, predicted(case, case.x, statistics)[rows])


def test_predictions_by_units_are_those_of_training():
    case = problem(_network(LayerNorm, dropout=0.5), 45)
    params = case.table.as_dict(case.parameters.astype(float))
    expected, _ = oracle.forward(case.network, params, case.standardized)
    np.testing.assert_allclose(predicted(case, case.x), expected, rtol=1e-5, atol=5e-6)
    np.testing.assert_array_equal(predicted(case, case.x[7:9]), predicted(case, case.x)[7:9])


def test_statistics_are_those_of_each_batch_without_dropout():
    case = problem(_network(BatchNorm, dropout=0.5), 50)
    found = _statistics(case, [0, 32, 49, 50])
    params, table = case.table.as_dict(case.parameters.astype(float)), case.network.statistics
    for batch, rows in zip(found, (slice(0, 32), slice(32, 49), slice(49, 50)), strict=True):
        expected = oracle.batch_statistics(case.network, params, case.standardized[rows])
        for name, values in table.as_dict(batch).items():
            np.testing.assert_allclose(values, expected[name], rtol=2e-5, atol=2e-6)


def test_statistics_of_images_are_over_their_positions_too():
    case = problem(_images(BatchNorm), 9)
    (found,) = _statistics(case, [0, 9])
    params, table = case.table.as_dict(case.parameters.astype(float)), case.network.statistics
    expected = oracle.batch_statistics(case.network, params, case.standardized)
    for name, values in table.as_dict(found).items():
        np.testing.assert_allclose(values, expected[name], rtol=2e-5, atol=2e-6)


def test_a_network_without_batches_to_normalize_has_no_kernel_more():
    network = Network([Dense(4, "relu"), Dense(2)], 3)
    common = {"device": under_test(), "batch_size": 8, "sample_dtype": "float32"}
    trains = training_program(network, network.parameters, {}, optimizer=GRADIENT, **common)
    assert not any("norm" in kernel for kernel in trains.kernels)
    assert prediction_program(network, **common).filled == ()
