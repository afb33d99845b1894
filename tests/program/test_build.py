"""Whole networks: what a program computes is what the oracle does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dask_horn.network import ACTIVATIONS, LOSSES, Dense, Dropout, Layer, Network
from dask_horn.network.registry import LAYERS
from dask_horn.partition import Partition
from dask_horn.program import (
    Optimizer,
    prediction_program,
    submodel_scales,
    training_program,
)
from dask_horn.program.layers import EMITTERS
from tests import oracle
from tests.kernels.runner import SIMULATED, at_most, few, under_test
from tests.network.strategies import networks
from tests.oracle.passes import PASSES
from tests.program.problems import assert_same_steps, predicted, problem

# With learning rate 1 and nothing else, a step is the gradient.
GRADIENT = Optimizer("sgd", momentum=0.0)


WIDTHS = at_most((19, 33, 8), (6, 9, 5))


def _network(activation, loss="cross_entropy", n_hidden=2, dropout=0.0, **dense):
    layers = [Dropout(dropout / 2)] if dropout else []
    for width in WIDTHS[:n_hidden]:
        layers.append(Dense(width, activation=activation, **dense))
        layers.extend([Dropout(dropout)] if dropout else [])
    return Network([*layers, Dense(3, **dense)], 7, loss)


def test_every_kind_of_layer_has_a_program_and_formulas_to_judge_it():
    assert set(EMITTERS) == set(PASSES) == set(LAYERS.values())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "shape",
    [
        {"n_hidden": 1},
        {"n_hidden": 2, "dropout": 0.5},
        {"n_hidden": 3, "use_bias": False},
    ],
    ids=["one-hidden", "two-with-dropout", "three-without-biases"],
)
def test_one_step(shape, activation, loss):
    if SIMULATED and activation != "relu" and loss != "cross_entropy":
        pytest.skip("the simulator tries each of both, and not every pair")
    case = problem(_network(activation, loss, **shape), few(13))
    assert_same_steps(case, [0, few(13)], [1.0], GRADIENT, tolerance=2e-5)


@given(networks(), st.integers(1, few(40)), st.integers(0, 2**32))
@settings(max_examples=at_most(40, 3))
def test_one_step_of_any_network(network, n, seed):
    assert_same_steps(problem(network, n, seed=seed), [0, n], [1.0], GRADIENT, tolerance=1e-4)


@pytest.mark.parametrize(
    "optimizer",
    [
        Optimizer("sgd", momentum=0.9),
        Optimizer("sgd", momentum=0.9, nesterov=True, weight_decay=0.01),
        Optimizer("sgd", momentum=0.5, clip_norm=0.3, weight_decay=0.01),
        Optimizer("adamw", weight_decay=0.05),
        Optimizer("adamw", beta_1=0.8, clip_norm=0.3),
    ],
    ids=["sgd", "nesterov-decay", "sgd-clipped", "adamw-decay", "adamw-clipped"],
)
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_several_steps_with_batches_of_any_size(activation, optimizer):
    if SIMULATED and activation == "tanh":
        pytest.skip("the simulator tries one: a step of each is tried above")
    starts = at_most([0, 32, 64, 65, 81, 100], [0, 6, 12, 13, 15, 19])
    case = problem(_network(activation, dropout=0.2), starts[-1])
    rates = np.array([0.1, 0.2, 0.1, 0.05, 0.01]) * (0.1 if optimizer.name == "adamw" else 1)
    assert_same_steps(case, starts, rates, optimizer, tolerance=3e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_several_steps_for_every_loss(loss):
    case = problem(_network("relu", loss, n_hidden=3), few(60))
    optimizer = Optimizer("sgd", momentum=0.9, weight_decay=0.01)
    assert_same_steps(
        case, [0, few(25), few(50), few(60)], [0.1, 0.1, 0.05], optimizer, tolerance=1e-4
    )


def test_class_weights():
    weights = np.array([0.25, 1, 3], np.float32)
    case = problem(_network("tanh"), few(50))
    assert_same_steps(case, [0, few(25), few(50)], [1, 1], GRADIENT, 3e-5, class_weights=weights)


def test_a_submodels_scales_and_sizes():
    network = _network("gelu", n_hidden=3, dropout=0.3)
    sizes = {"dense_1": 5, "dense_2": at_most(17, 7), "dense_3": 1}
    case = problem(network, few(40), sizes=sizes)
    scales = {"dense_2/W": 2.5, "dense_3/W": 0.5, "output/W": 8.0}
    starts = [few(n) for n in (0, 16, 32, 40)]
    assert_same_steps(case, starts, [0.1, 0.1, 0.1], Optimizer("sgd"), 1e-4, scales=scales)


def test_samples_of_several_dimensions():
    network = Network([Dropout(0.2), Dense(5, activation="tanh"), Dense(2)], (3, 2, 2))
    assert_same_steps(problem(network, 11), [0, 11], [1.0], GRADIENT, tolerance=2e-5)


def test_no_hidden_layer():
    network = Network([Dense(4)], 6)
    assert_same_steps(problem(network, few(20)), [0, few(20)], [1.0], GRADIENT, tolerance=2e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_predictions_are_those_of_the_whole_network_without_dropout(activation):
    if SIMULATED and activation != "relu":
        pytest.skip("the simulator tries one: its losses above are of each one's outputs")
    case = problem(_network(activation, dropout=0.5), 45)
    params = case.table.as_dict(case.parameters.astype(float))
    expected, _ = oracle.forward(case.network, params, case.standardized)
    for rows in (slice(0, 45), slice(3, 4), slice(0, 16), slice(0, 0), slice(1, 33)):
        found = predicted(case, case.x[rows])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[rows], rtol=1e-5, atol=3e-6)


def test_scales_are_powers_of_the_fractions_held():
    network = _network("relu", n_hidden=3)
    fractions = {"dense_1": 0.25, "dense_2": 0.5, "dense_3": 0.1}
    assert submodel_scales(network, fractions, 0.5) == pytest.approx(
        {"dense_2/W": 2.0, "dense_3/W": 0.5**-0.5, "output/W": 10.0}
    )
    assert submodel_scales(network, fractions, 0.0) == {
        "dense_2/W": 1.0,
        "dense_3/W": 1.0,
        "output/W": 10.0,
    }
    assert submodel_scales(network, {}, 0.5) == {}


@pytest.mark.parametrize("hidden_exponent", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_a_parent_with_nothing_between_sub_models_is_their_mean(n_hidden, hidden_exponent):
    """Its logits are their logits' mean, weighted by their shares of the last hidden layer.

    The parent's blocks hold what the sub-models' scales make of theirs, and the blocks between
    them nothing: so it is with a partition that never changes.
    """
    network = _network("relu", n_hidden=n_hidden)
    case = problem(network, 30, seed=n_hidden)
    partition = Partition.draw(network, 3, seed=1, concentration=5)
    parent, mean = np.zeros_like(case.parameters), 0
    for submodel in range(partition.n_submodels):
        places, shares = partition.slice_map(case.table, submodel), partition.fractions(submodel)
        scales = submodel_scales(network, shares, hidden_exponent)
        own = places.take(case.parameters)
        tensors = places.table.as_dict(own)
        share = shares[network.divided_axes[-1]]
        mean += share * oracle.forward(network, tensors, case.standardized, scales)[0]
        for name in set(scales) - {"output/W"}:
            tensors[name][...] *= scales[name]
        tensors["output/b"][...] *= share
        places.put(own, parent)
    outputs = predicted(case, batch_size=30, parameters=parent)
    np.testing.assert_allclose(outputs, mean, rtol=1e-4, atol=1e-5)


def test_a_program_asks_for_its_own_kernels_only():
    network = _network("relu", n_hidden=1)
    program = prediction_program(network, device=under_test(), batch_size=1, sample_dtype="uint8")
    assert set(program.kernels) == {
        "gather_uint8",
        "gemm_forward",
        "relu_forward",
        "linear_forward",
        "store",
    }


def test_the_gradient_of_the_samples_is_not_computed():
    # 10,000 inputs, 4 units: neither the input's gradient nor a buffer for it is wanted.
    network = Network([Dense(4, activation="relu"), Dense(2)], 10_000)
    program = training_program(
        network,
        network.parameters,
        {},
        batch_size=64,
        sample_dtype="float32",
        device=under_test(),
        optimizer=Optimizer("sgd"),
    )
    vectors = 3 * network.parameters.size  # parameters, gradient, velocity
    assert program.arena_size < vectors + 64 * (10_000 + 100)


@dataclass(frozen=True, repr=False)
class _Unheard(Layer):
    kind: ClassVar[str] = "unheard_of_in_tests"

    def outputs(self, inputs):
        return inputs


def test_a_layer_that_no_program_is_known_for():
    network = Network([_Unheard(), Dense(2)], 3)
    with pytest.raises(TypeError, match="no program is known for layers of type _Unheard"):
        prediction_program(network, device=under_test(), batch_size=1, sample_dtype="uint8")
