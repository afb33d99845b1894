from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dask_horn.network import Dense, Dropout, Network
from dask_horn.program import Execution, Optimizer, training_program
from tests.program.problems import problem

NETWORK = Network([Dense(9, activation="relu"), Dropout(0.4), Dense(3)], 5)
CASE = problem(NETWORK, 40)
STARTS = np.array([0, 16, 32, 40])
RATES = np.full(3, 0.1)


def _execution(key=7, parameters=CASE.parameters, dtype="float32"):
    program = training_program(
        NETWORK,
        NETWORK.parameters,
        {},
        batch_size=16,
        sample_dtype=dtype,
        optimizer=Optimizer("adamw", weight_decay=0.1),
    )
    return Execution(program, parameters, CASE.mean, CASE.scale, key=key)


def _trained(**options):
    execution = _execution(**options)
    execution.train([CASE.x], [CASE.encoded], np.arange(40), STARTS, RATES)
    return execution.parameters.tobytes()


def test_the_same_again_is_the_same_to_the_last_bit():
    assert _trained() == _trained()
    assert _trained() != _trained(key=8)  # other masks


def test_what_comes_in_is_not_changed():
    received = np.frombuffer(b"\0" + CASE.parameters.tobytes(), np.float32, offset=1)
    before = received.tobytes(), CASE.x.tobytes(), CASE.encoded.tobytes()
    assert _trained(parameters=received) == _trained()
    assert (received.tobytes(), CASE.x.tobytes(), CASE.encoded.tobytes()) == before


def test_blocks_and_calls_may_divide_the_samples_anyhow():
    cuts = [0, 1, 18, 40]
    pieces = [slice(*cut) for cut in pairwise(cuts)]
    xs, ys = [CASE.x[s] for s in pieces], [CASE.encoded[s] for s in pieces]
    entries = [(block << 32) | row for block, x in enumerate(xs) for row in range(len(x))]
    execution = _execution()
    execution.train(xs, ys, np.array(entries), STARTS, RATES)
    assert execution.parameters.tobytes() == _trained()

    execution = _execution()
    for i in range(3):
        rows = np.arange(STARTS[i], STARTS[i + 1])
        execution.train([CASE.x], [CASE.encoded], rows, np.array([0, rows.size]), RATES[i : i + 1])
    assert execution.parameters.tobytes() == _trained()


def test_a_loss_that_is_not_finite_is_the_last():
    x = CASE.x.copy()
    x[20, 0] = np.nan
    execution = _execution()
    losses = execution.train([x], [CASE.encoded], np.arange(40), STARTS, RATES)
    assert np.isfinite(losses).tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64"])
def test_samples_are_standardized_as_they_are_gathered(dtype):
    whole = (100 + 20 * CASE.x).astype(dtype)
    found = _execution(dtype=dtype).train([whole], [CASE.encoded], np.arange(40), STARTS, RATES)
    expected = _execution().train(
        [whole.astype("f4")], [CASE.encoded], np.arange(40), STARTS, RATES
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
