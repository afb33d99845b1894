"""Networks whose inputs are encoded: programs against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.network import (
    BatchNorm,
    Dense,
    Dropout,
    MissingIndicator,
    Network,
    Periodic,
    PiecewiseLinear,
)
from dask_horn.program import Optimizer, prediction_program, training_program
from tests import oracle
from tests.kernels.runner import few, under_test
from tests.program.problems import assert_same_steps, predicted, problem, train

GRADIENT = Optimizer("sgd", momentum=0.0)

ENCODINGS = {
    "missing": [MissingIndicator()],
    "some-missing": [MissingIndicator((4, 1))],
    "mean-for-missing": [MissingIndicator(())],
    "bins": [PiecewiseLinear(3)],
    "bins-of-some": [PiecewiseLinear((0, 5, 1, 0, 17))],
    "no-bins": [PiecewiseLinear((0,) * 5)],
    "waves": [Periodic(2, sigma=0.7)],
    "waves-of-some": [Periodic((1, 0, 0, 19, 0))],
    "no-waves": [Periodic((0,) * 5, learned=True)],
    "learned-waves": [Periodic(3, sigma=0.3, learned=True)],
    "all": [MissingIndicator(), PiecewiseLinear(4), Periodic(2, learned=True)],
    "all-otherwise": [
        MissingIndicator(),
        Periodic(2, learned=True),
        PiecewiseLinear((4, 0, 2, 2, 2)),
    ],
}
EVERY = pytest.mark.parametrize("encodings", ENCODINGS.values(), ids=ENCODINGS)


def _network(encodings, activation="tanh"):
    return Network([*encodings, Dense(9, activation), Dense(3)], 5)


@EVERY
def test_one_step(encodings):
    n = few(29)
    assert_same_steps(problem(_network(encodings), n), [0, n], [1.0], GRADIENT, tolerance=5e-5)


@EVERY
@pytest.mark.parametrize(
    "optimizer",
    [
        Optimizer("sgd", momentum=0.9, weight_decay=0.01, nesterov=True),
        Optimizer("sgd", clip_norm=0.3),
        Optimizer("adamw", weight_decay=0.05),
    ],
    ids=["sgd-decay", "sgd-clipped", "adamw-decay"],
)
def test_several_steps_with_batches_of_any_size(encodings, optimizer):
    starts = [0, few(32), few(64), few(81), few(100)]
    rates = np.array([0.1, 0.2, 0.1, 0.05]) * (0.1 if optimizer.name == "adamw" else 1)
    case = problem(_network(encodings), starts[-1])
    assert_same_steps(case, starts, rates, optimizer, tolerance=1e-3)


@EVERY
def test_the_steps_of_a_sub_model(encodings):
    starts = [0, few(32), few(60)]
    case = problem(_network(encodings, "relu"), starts[-1], sizes={"dense_1": 4})
    assert case.table["dense_1/W"].shape == (case.network.unit_axes["input"], 4)
    scales = {"output/W": 1.6}
    assert_same_steps(case, starts, [0.1, 0.1], Optimizer("sgd"), 5e-4, scales=scales)


@pytest.mark.parametrize("between", [[Dropout(0.3)], [BatchNorm()], [Dropout(0.2), BatchNorm()]])
def test_what_comes_between_encodings_and_weights(between):
    network = _network([PiecewiseLinear(3), Periodic(2, learned=True), *between])
    n = few(29)
    assert_same_steps(problem(network, n), [0, n], [1.0], GRADIENT, tolerance=5e-5)


@EVERY
def test_predictions(encodings):
    case = problem(_network(encodings), few(45))
    params = case.table.as_dict(case.parameters.astype(float))
    expected, _ = oracle.forward(case.network, params, case.standardized)
    found = predicted(case)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=3e-6)
    np.testing.assert_array_equal(predicted(case, case.x[3:5]), found[3:5])


@EVERY
def test_what_the_first_layers_leave(encodings):
    case = problem(_network(encodings), few(20))
    params, n = case.table.as_dict(case.parameters.astype(float)), len(encodings)
    for n_layers in range(n + 1):
        shown = Network([*encodings[:n_layers], Dense(1)], 5, "squared_error")
        x, _ = oracle.forward(
            shown,
            {**params, "output/W": np.ones((shown.unit_axes["input"], 1)), "output/b": [0.0]},
            case.standardized,
        )
        found = predicted(case, n_layers=n_layers)
        assert found.shape[1] == shown.unit_axes["input"]
        np.testing.assert_allclose(found.sum(axis=1), x[:, 0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "optimizer", [Optimizer("sgd", clip_norm=0.1), Optimizer("adamw", weight_decay=0.5)]
)
def test_what_is_not_trained_keeps_its_bits(optimizer):
    network = _network([MissingIndicator(), PiecewiseLinear(4), Periodic(2)])
    case = problem(network, few(48))
    _, after = train(case, [0, few(24), few(48)], [0.5, 0.5], optimizer)
    before = case.table.as_dict(case.parameters)
    for name, values in case.table.as_dict(after).items():
        same = values.tobytes() == before[name].tobytes()
        assert same != case.table[name].trained, name


@pytest.mark.parametrize("encoding", [PiecewiseLinear(3), Periodic(2)])
def test_a_missing_value_that_nobody_takes_is_seen(encoding):
    case = problem(_network([encoding]), few(9))
    case.x[1, 2] = np.nan
    found = predicted(case)
    assert np.isnan(found[1]).all()
    assert np.isfinite(np.delete(found, 1, axis=0)).all()


def _program(encodings):
    network = _network(encodings)
    return training_program(
        network,
        network.parameters,
        {},
        device=under_test(),
        batch_size=8,
        sample_dtype="float32",
        optimizer=GRADIENT,
    )


def test_the_first_weights_have_no_gradient_of_their_input_unless_frequencies_are_learned():
    def products(encodings):
        program = _program(encodings)
        return [program.kernels[row[0]] for row in program.rows].count("gemm_input")

    assert products([]) == products([PiecewiseLinear(2), Periodic(2)]) == 1
    assert products([Periodic(2, learned=True)]) == 2


def test_a_network_without_encodings_has_no_rows_more():
    assert not any("widen" in kernel for kernel in _program([]).kernels)
    program = prediction_program(
        _network([MissingIndicator(())]), device=under_test(), batch_size=8, sample_dtype="float32"
    )
    assert "widen" not in program.kernels
