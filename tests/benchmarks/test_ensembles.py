"""The arithmetic of the study of ensembles, and the sub-models that it trains apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_iris

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

import dask_horn as horn
from benchmarks.method import ensembles
from benchmarks.method.fixed_partition import votes
from benchmarks.method.scores import accuracy, expected_calibration_error, negative_log_likelihood
from benchmarks.method.study import Record
from dask_horn.partition import Partition

X, Y = load_iris(return_X_y=True)
NETWORK = horn.Network(
    [horn.Dense(12, "relu"), horn.Dropout(0.1), horn.Dense(8, "relu"), horn.Dense(3)], 4
)


def test_the_calibration_error_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    p = softmax(rng.normal(scale=2, size=(500, 4)), axis=1)
    y = rng.integers(4, size=500)
    top, right, expected = p.max(axis=1), p.argmax(axis=1) == y, 0.0
    for low in range(15):
        inside = (top > low / 15) & (top <= (low + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - top[inside].mean())
    assert expected_calibration_error(y, p) == pytest.approx(expected)
    assert expected_calibration_error(y, p, n_bins=1) == pytest.approx(
        abs(right.mean() - top.mean())
    )
    assert accuracy(y, p) == right.mean()


def test_probabilities_that_come_true_have_no_calibration_error():
    p = np.tile([0.75, 0.25], (400, 1))
    assert expected_calibration_error(np.array([0, 0, 0, 1] * 100), p) == 0
    assert expected_calibration_error(np.zeros(2, int), np.eye(2)[[0, 0]]) == 0
    assert expected_calibration_error(np.ones(2, int), np.eye(2)[[0, 0]]) == 1


def test_an_impossible_truth_is_finitely_bad():
    certain = np.array([[1, 0]], np.float32)
    assert negative_log_likelihood(np.array([0]), certain) == 0
    assert 80 < negative_log_likelihood(np.array([1]), certain) < 100


def test_dividing_saves_arithmetic_between_hidden_layers():
    network = ensembles.TASKS["mnist"].network
    assert ensembles.arithmetic(network, 1, 1) == pytest.approx(1)
    ends, between = 784 * 800 + 2 * 800 + 800 * 10, 800 * 800
    share = (ends + between / 2) / (ends + between)
    assert ensembles.arithmetic(network, 2, 2) == pytest.approx(2 * share, rel=1e-3)
    assert ensembles.arithmetic(network, 12, 1) == pytest.approx(12)


def test_the_parent_of_a_fixed_partition_has_the_mean_of_its_sub_models_logits():
    settings = {"concentration": None, "random_state": 2}
    parent = horn.train(NETWORK, X, Y, n_submodels=[4], n_rounds=8, **settings).model
    members = votes(parent, Partition.draw(NETWORK, 4, 2, concentration=None)).members
    assert [member.network.unit_axes["dense_2"] for member in members] == [2, 2, 2, 2]
    logits = np.mean([np.log(member.predict_proba(X)) for member in members], axis=0)
    np.testing.assert_allclose(parent.predict_proba(X), softmax(logits, axis=1), rtol=1e-4)
    assert (parent.predict(X) == Y).mean() > 0.6


def test_a_table_has_a_row_for_each_way_to_train():
    measured = dict.fromkeys(
        ("accuracy", "nll", "ece", "temperature", "nll_calibrated", "ece_calibrated", "seconds"), 1
    )
    measured |= {f"parent_{name}": 2 for name in measured}
    settings = ensembles.STUDY.runs
    text = ensembles.render(
        [Record(one, measured | ({"epochs": 7} if one["row"] == ensembles.THEIRS else {}), 1.0)
         for one in settings]
    )  # fmt: skip
    for row in {one["row"] for one in settings}:
        assert f"| {row} |" in text
    assert text.count("| their parent") == 2
    assert "7 ± 0 epochs" in text
