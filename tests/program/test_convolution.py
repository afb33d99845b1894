"""Convolutional networks: what a program computes is what the oracle does."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import (
    AveragePool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    MaxPool2D,
    Network,
)
from dask_horn.program import Optimizer, training_program
from tests import oracle
from tests.kernels.runner import under_test
from tests.program.problems import assert_same_steps, predicted, problem

GRADIENT = Optimizer("sgd", momentum=0.0)


def _network(activation="relu", dropout=0.0, **last):
    """Both kinds of padding and of pools, strides, windows that are not square."""
    drop = [Dropout(dropout)] if dropout else []
    return Network(
        [
            Conv2D(9, (3, 4), activation=activation, padding="same"),
            MaxPool2D(2),
            *drop,
            Conv2D(6, 3, stride=(1, 2), activation=activation, use_bias=False),
            AveragePool2D((2, 1), padding="same"),
            Flatten(),
            Dense(7, activation=activation, **last),
            *drop,
            Dense(3),
        ],
        (11, 9, 2),
    )


OPTIMIZERS = [
    Optimizer("sgd", momentum=0.9, weight_decay=0.01),
    Optimizer("sgd", momentum=0.9, clip_norm=0.3),
    Optimizer("adamw", weight_decay=0.05),
    Optimizer("adamw", beta_1=0.8, clip_norm=0.3),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_several_steps_with_batches_of_any_size(activation, optimizer):
    case = problem(_network(activation, dropout=0.2), 50)
    rates = np.array([0.1, 0.2, 0.1, 0.05]) * (0.1 if optimizer.name == "adamw" else 1)
    assert_same_steps(case, [0, 16, 32, 33, 50], rates, optimizer, tolerance=5e-4)


def test_a_submodels_scales_and_sizes():
    case = problem(
        _network("gelu", dropout=0.3), 40, sizes={"conv2d_1": 4, "conv2d_2": 1, "dense_1": 5}
    )
    scales = {"conv2d_2/W": 2.5, "dense_1/W": 0.5, "output/W": 8.0}
    assert_same_steps(case, [0, 16, 40], [0.1, 0.1], Optimizer("sgd"), 2e-4, scales=scales)


@pytest.mark.parametrize(
    "layers",
    [
        [MaxPool2D(2), Conv2D(5, 2), GlobalAveragePool2D()],
        [Dropout(0.2), Conv2D(5, 2, stride=3), MaxPool2D(2, stride=1), Flatten()],
        [Conv2D(5, 1), Flatten(), Dropout(0.3), Dense(4)],
        [AveragePool2D(3, stride=2), Flatten()],
        [Flatten(), Dense(4, activation="tanh")],
        [AveragePool2D(2), Dense(4, activation="tanh")],
    ],
    ids=repr,
)
def test_layers_in_any_place(layers):
    network = Network([*layers, Dense(3)], (9, 8, 2))
    assert_same_steps(problem(network, 11), [0, 11], [1.0], GRADIENT, tolerance=5e-5)


def test_predictions():
    case = problem(_network(dropout=0.5), 45)
    params = case.table.as_dict(case.parameters.astype(float))
    expected, _ = oracle.forward(case.network, params, case.standardized)
    whole = predicted(case)
    np.testing.assert_allclose(whole, expected, rtol=1e-5, atol=3e-6)
    for rows in (slice(3, 4), slice(0, 16), slice(0, 0), slice(1, 33)):
        np.testing.assert_array_equal(predicted(case, case.x[rows]), whole[rows])


def test_no_gradient_of_the_samples_is_computed():
    network = Network([MaxPool2D(2), Conv2D(4, 3), Flatten(), Dense(2)], (8, 8, 1))
    program = training_program(
        network,
        network.parameters,
        {},
        batch_size=4,
        sample_dtype="float32",
        device=under_test(),
        optimizer=Optimizer("sgd"),
    )
    assert "conv2d_input" not in program.kernels
    assert "max_pool2d_backward" not in program.kernels
