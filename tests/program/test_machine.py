from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dask_horn.kernels.device import Steps, Window
from dask_horn.network import Dense, Dropout, Network
from dask_horn.program import Optimizer, training_program
from tests.kernels.runner import SIMULATED, at_most, under_test
from tests.program.problems import loaded, problem

NETWORK = Network([Dense(9, activation="relu"), Dropout(0.4), Dense(3)], 5)
N, BATCH = at_most((40, 16), (10, 4))
CASE = problem(NETWORK, N)
STARTS = np.array([0, BATCH, 2 * BATCH, N])
RATES = np.full(3, 0.1)
STEPS = Steps(np.arange(N), STARTS, RATES)


def _program(dtype="float32"):
    return training_program(
        NETWORK,
        NETWORK.parameters,
        {},
        device=under_test(),
        batch_size=BATCH,
        sample_dtype=dtype,
        optimizer=Optimizer("adamw", weight_decay=0.1),
    )


def _machine(key=7, parameters=CASE.parameters, dtype="float32"):
    return loaded(_program(dtype), CASE, parameters, key)


def _run(machine, x=CASE.x):
    return machine.run(machine.stage([Window([x], [CASE.encoded])]), [STEPS]).losses()[0]


def _trained(**options):
    machine = _machine(**options)
    _run(machine)
    return machine.parameters()[0].tobytes()


@pytest.fixture(scope="module")
def expected(device):
    """What one training comes to."""
    return _trained()


def test_the_same_again_is_the_same_to_the_last_bit(expected):
    assert _trained() == expected
    assert _trained(key=8) != expected  # other masks


def test_a_machine_that_is_loaded_again_begins_anew(expected):
    machine = _machine(key=8)
    _run(machine)
    machine.load([CASE.parameters], [7])
    _run(machine)
    assert machine.parameters()[0].tobytes() == expected


def test_what_comes_in_is_not_changed(expected):
    received = np.frombuffer(b"\0" + CASE.parameters.tobytes(), np.float32, offset=1)
    before = received.tobytes(), CASE.x.tobytes(), CASE.encoded.tobytes()
    assert _trained(parameters=received) == expected
    assert (received.tobytes(), CASE.x.tobytes(), CASE.encoded.tobytes()) == before


def test_blocks_and_calls_may_divide_the_samples_anyhow(expected):
    cuts = [0, 1, BATCH + 2, N]
    pieces = [slice(*cut) for cut in pairwise(cuts)]
    machine = _machine()
    window = Window([CASE.x[s] for s in pieces], [CASE.encoded[s] for s in pieces])
    machine.run(machine.stage([window]), [STEPS])
    assert machine.parameters()[0].tobytes() == expected

    machine = _machine()
    staged = machine.stage([Window([CASE.x], [CASE.encoded])])
    for i in range(3):
        rows = np.arange(STARTS[i], STARTS[i + 1])
        machine.run(staged, [Steps(rows, np.array([0, rows.size]), RATES[i : i + 1])])
    assert machine.parameters()[0].tobytes() == expected


def test_many_sub_models_train_as_each_would_alone(expected):
    """Each with parameters, masks, steps and a window of its own."""
    machine = under_test().machine([_program(), _program()], CASE)
    other, order = 2 * CASE.parameters, np.arange(N)[::-1].copy()
    machine.load([CASE.parameters, other], [7, 8])
    windows = [Window([CASE.x[::-1].copy()], [CASE.encoded[::-1].copy()])]
    windows.append(Window([CASE.x], [CASE.encoded]))
    steps = [Steps(order, STARTS, RATES, window=0), Steps(order, STARTS[:2], RATES[:1], window=1)]
    losses = machine.run(machine.stage(windows), steps).losses()
    assert [found.size for found in losses] == [3, 1]
    assert machine.parameters()[0].tobytes() == expected
    alone = _machine(key=8, parameters=other)
    alone.run(alone.stage(windows[1:]), [Steps(order, STARTS[:2], RATES[:1])])
    assert machine.parameters()[1].tobytes() == alone.parameters()[0].tobytes()


def test_a_loss_that_is_not_finite_is_the_last():
    x = CASE.x.copy()
    x[BATCH + 1, 0] = np.nan
    assert np.isfinite(_run(_machine(), x)).tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64"])
def test_samples_are_standardized_as_they_are_gathered(dtype):
    if SIMULATED and dtype != "int64":
        pytest.skip("the simulator tries one: each is gathered in tests/kernels/test_gather.py")
    whole = (100 + 20 * CASE.x).astype(dtype)
    found = _run(_machine(dtype=dtype), whole)
    np.testing.assert_allclose(found, _run(_machine(), whole.astype("f4")), rtol=1e-5)


@pytest.mark.parametrize("optimizer", [Optimizer("adamw"), Optimizer("sgd", clip_norm=0.5)])
def test_sub_models_of_all_sizes_train_together_as_each_would_alone(optimizer):
    """Of two groups, each with its window; some have nothing to do from some step on."""
    if SIMULATED and optimizer.name == "adamw":
        pytest.skip("the simulator tries one: a step of each is tried elsewhere")
    network = Network([Dense(7, activation="gelu"), Dense(6, activation="relu"), Dense(2)], 5)
    sizes = [(1, 4), (5, 1), (7, 6), (2, 2)]
    cases = [problem(network, 12, {"dense_1": a, "dense_2": b}) for a, b in sizes]
    programs = [
        training_program(
            network,
            case.table,
            {"output/W": 1.0 + number},
            device=under_test(),
            batch_size=5,
            sample_dtype="float32",
            optimizer=optimizer,
        )
        for number, case in enumerate(cases)
    ]
    windows = [Window([cases[n].x[n:]], [cases[n].encoded[n:]]) for n in range(2)]
    starts, order = np.array([0, 5, 6, 10]), np.arange(11)[::-1].copy()
    steps = [
        Steps(order[n:], starts[: n_steps + 1], np.full(n_steps, 0.01 + 0.01 * n), window=n % 2)
        for n, n_steps in enumerate((3, 1, 2, 0))
    ]

    def trained(chosen):
        machine = under_test().machine([programs[n] for n in chosen], cases[0])
        machine.load([cases[n].parameters for n in chosen], [7 + n for n in chosen])
        for _ in range(2):
            run = machine.run(machine.stage(windows), [steps[n] for n in chosen])
            losses = run.losses()
        return list(zip(losses, machine.parameters(), strict=True))

    together = trained(range(4))
    assert [losses.size for losses, _ in together] == [3, 1, 2, 0]
    for n, (losses, parameters) in enumerate(together):
        ((own_losses, own_parameters),) = trained([n])
        np.testing.assert_array_equal(losses, own_losses)
        np.testing.assert_array_equal(parameters, own_parameters)
