"""DropConnect of recurrent matrices: what a program computes is what the oracle does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dask_horn.network import GRU, LSTM, Dense, Dropout, Network, SimpleRNN
from dask_horn.program import Optimizer
from tests import oracle
from tests.program.problems import assert_same_steps, masks, predicted, problem, train

# With learning rate 1 and nothing else, a step is the gradient.
GRADIENT = Optimizer("sgd", momentum=0.0)
KINDS = [SimpleRNN, LSTM, GRU]
MASKS = ["example", "batch"]
PADDING = -7.5


def _network(*layers, steps=6, features=3):
    return Network([*layers, Dense(3)], (steps, features))


def _dropping(kind, units, mask, rate=0.5, **more):
    return kind(units, dropconnect=rate, dropconnect_mask=mask, **more)


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("each_step", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_step(kind, mask, each_step, padded):
    padding = PADDING if padded else None
    layer = _dropping(kind, 9, mask, 0.3, return_sequences=each_step, mask_value=padding)
    assert_same_steps(problem(_network(layer), 13), [0, 13], [1.0], GRADIENT, tolerance=3e-5)


@given(
    st.sampled_from(KINDS),
    st.sampled_from(MASKS),
    st.integers(1, 90),
    st.integers(1, 9),
    st.integers(1, 20),
    st.floats(0.01, 0.75),
)
@settings(max_examples=30)
def test_one_step_of_any_size(kind, mask, units, steps, n, rate):
    network = _network(_dropping(kind, units, mask, rate), steps=steps)
    assert_same_steps(problem(network, n), [0, n], [1.0], GRADIENT, tolerance=2e-4)


@pytest.mark.parametrize("mask", MASKS)
def test_more_steps_than_a_chunk_has_rows(mask):
    network = _network(_dropping(GRU, 5, mask), steps=300, features=1)
    assert_same_steps(problem(network, 3), [0, 3], [1.0], GRADIENT, tolerance=2e-4)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_trains_as_the_oracle_does(kind, mask):
    """Masks are drawn anew in each step, and layers have different ones."""
    network = _network(
        _dropping(kind, 12, mask, return_sequences=True, mask_value=PADDING),
        Dropout(0.3),
        _dropping(kind, 12, mask, 0.25, return_sequences=True, use_bias=False),
        Dense(5, activation="tanh", dropconnect=0.5, dropconnect_mask=mask),
    )
    optimizer = Optimizer("adamw", weight_decay=0.05, clip_norm=0.2)
    starts = [0, 16, 32, 33, 42, 50]
    rates = [0.01, 0.02, 0.01, 0.01, 0.005]
    assert_same_steps(problem(network, 50), starts, rates, optimizer, tolerance=1e-3)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_submodels_scales_and_sizes(kind, mask):
    network = _network(_dropping(kind, 12, mask, return_sequences=True), _dropping(kind, 9, mask))
    case = problem(network, 20, sizes={network.divided_axes[0]: 5, network.divided_axes[1]: 2})
    scales = {"output/W": 8.0}
    for axis, of_w, of_u in zip(network.divided_axes, (0.5, 2.5), (1.5, 3.0), strict=True):
        scales |= {f"{axis}/W": of_w, f"{axis}/U": of_u}
    assert_same_steps(case, [0, 8, 20], [0.1, 0.1], Optimizer("sgd"), 3e-4, scales=scales)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_prediction_uses_the_layer_as_it_is(kind, mask):
    case = problem(_network(_dropping(kind, 14, mask)), 20)
    found = predicted(case, batch_size=8)
    params = case.table.as_dict(case.parameters.astype(float))
    expected, _ = oracle.forward(case.network, params, case.standardized)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=3e-6)


@pytest.mark.parametrize("mask", MASKS)
def test_a_dropped_entry_moves_in_no_step(mask):
    """One sequence has one mask for all of its steps: where it drops, the gradient is zero."""
    case = problem(_network(_dropping(LSTM, 40, mask, 0.75), steps=12), 1)
    _, after = train(case, [0, 1], [1.0], GRADIENT)
    moved = case.table.as_dict(after - case.parameters)["lstm_1/U"] != 0
    [kept] = masks(case.network, case.table, 1, 0)["lstm_1"]
    np.testing.assert_array_equal(moved.reshape(kept.shape), kept)
