"""Dense layers with DropConnect: what a program computes is what the oracle does, mask by mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dask_horn.kernels.device import Steps, Window
from dask_horn.network import ACTIVATIONS, Dense, Dropout, Network
from dask_horn.program import Optimizer, training_program
from tests import oracle
from tests.kernels.runner import SIMULATED, at_most, under_test
from tests.program.problems import KEY, assert_same_steps, predicted, problem, train

GRADIENT = Optimizer("sgd", momentum=0.0)
WIDTHS = at_most((19, 70, 8), (9,))


def _network(activation="relu", rate=0.5, mask="example", widths=WIDTHS, **dense):
    dense |= {"dropconnect": rate, "dropconnect_mask": mask}
    hidden = [Dense(width, activation, **dense) for width in widths]
    return Network([*hidden, Dense(3, **dense)], 7)


@pytest.mark.parametrize("mask", ["example", "batch"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "shape", [{}, {"use_bias": False}, {"rate": 0.3}, {"widths": (at_most(131, 66),)}]
)
def test_one_step(activation, mask, shape):
    if SIMULATED and activation != "relu":
        pytest.skip("its kernels are the same where no connection is dropped, and tried there")
    n = at_most(13, 3)
    case = problem(_network(activation, mask=mask, **shape), n)
    assert_same_steps(case, [0, n], [1.0], GRADIENT, tolerance=2e-5)


@given(
    st.integers(1, at_most(150, 5)),
    st.lists(st.integers(1, at_most(140, 20)), min_size=1, max_size=at_most(3, 2)),
    st.floats(0, 0.75),
    st.sampled_from(["example", "batch"]),
)
@settings(max_examples=at_most(25, 6))
def test_one_step_of_any_size(n, widths, rate, mask):
    case = problem(_network("tanh", rate, mask, widths), n)
    assert_same_steps(case, [0, n], [1.0], GRADIENT, tolerance=2e-4)


@pytest.mark.parametrize("mask", ["example", "batch"])
@pytest.mark.parametrize(
    "optimizer",
    [
        Optimizer("sgd", momentum=0.9, weight_decay=0.01),
        Optimizer("sgd", momentum=0.5, clip_norm=0.3),
        Optimizer("adamw", weight_decay=0.05),
    ],
    ids=["sgd", "clipped", "adamw"],
)
def test_several_steps_draw_masks_anew(optimizer, mask):
    if SIMULATED and mask == "batch" and optimizer.name != "adamw":
        pytest.skip("the simulator tries each of both, and not every pair")
    starts = at_most([0, 32, 64, 65, 100], [0, 2, 4, 5, 7])
    case = problem(_network("gelu", 0.25, mask), starts[-1])
    rates = np.array([0.1, 0.2, 0.1, 0.05]) * (0.1 if optimizer.name == "adamw" else 1)
    assert_same_steps(case, starts, rates, optimizer, tolerance=3e-4)


@pytest.mark.parametrize("mask", ["example", "batch"])
def test_a_submodels_scales_and_sizes(mask):
    network = _network("gelu", mask=mask, widths=(19, 33, 8))
    starts = at_most([0, 16, 32, 40], [0, 2, 4, 5])
    case = problem(network, starts[-1], sizes={"dense_1": 5, "dense_2": 17, "dense_3": 1})
    scales = {"dense_2/W": 2.5, "dense_3/W": 0.5, "output/W": 8.0}
    assert_same_steps(case, starts, [0.1, 0.1, 0.1], Optimizer("sgd"), 1e-4, scales=scales)


def test_beside_dropout_and_plain_layers():
    layers = [Dropout(0.2), Dense(20, "tanh", dropconnect=0.5), Dropout(0.5), Dense(9), Dense(3)]
    starts = at_most([0, 16, 30], [0, 3, 5])
    case = problem(Network(layers, (3, 4)), starts[-1])
    assert_same_steps(case, starts, [0.1, 0.1], Optimizer("sgd"), 1e-4)


@pytest.mark.parametrize("mask", ["example", "batch"])
def test_prediction_uses_the_layer_as_it_is(mask):
    case = problem(_network(mask=mask), 20)
    found = predicted(case, batch_size=8)
    params = case.table.as_dict(case.parameters.astype(float))
    expected, _ = oracle.forward(case.network, params, case.standardized)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize("mask", ["example", "batch"])
def test_no_weight_of_a_dropped_connection_moves(mask):
    """With one sample, the gradient is zero where the mask is."""
    case = problem(_network(rate=0.75, mask=mask, widths=()), 1)
    _, after = train(case, [0, 1], [1.0], GRADIENT)
    moved = case.table.as_dict(after - case.parameters)
    assert 0 < (moved["output/W"] != 0).mean() < 0.7


@pytest.mark.parametrize("mask", ["example", "batch"])
def test_sub_models_of_all_sizes_have_masks_of_their_own(mask):
    """Together they are trained to the bits that each is trained to alone."""
    if SIMULATED and mask == "batch":
        pytest.skip("the simulator tries one: a step of each is tried elsewhere")
    network, n = _network(mask=mask, widths=(17,)), at_most(40, 5)
    cases = [problem(network, n, sizes={"dense_1": size}, seed=size) for size in (17, 5, 10)]
    keys, programs = [KEY, KEY, 3], [_program(case) for case in cases]
    steps = [Steps(np.arange(n), np.array([0, 3, n]), np.full(2, 0.1), i) for i in range(3)]
    windows = [Window([case.x], [case.encoded]) for case in cases]
    machine = under_test().machine(programs, cases[0])
    machine.load([case.parameters for case in cases], keys)
    machine.run(machine.stage(windows), steps).losses()
    for i, found in enumerate(machine.parameters()):
        alone = under_test().machine([programs[i]], cases[0])
        alone.load([cases[i].parameters], keys[i : i + 1])
        own = Steps(steps[i].order, steps[i].starts, steps[i].rates)
        alone.run(alone.stage(windows[i : i + 1]), [own]).losses()
        np.testing.assert_array_equal(found, alone.parameters()[0])


def _program(case):
    return training_program(
        case.network,
        case.table,
        {},
        device=under_test(),
        batch_size=at_most(37, 3),
        sample_dtype="float32",
        optimizer=Optimizer("sgd"),
    )
