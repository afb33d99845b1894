from __future__ import annotations

import numpy as np
import pytest

from benchmarks.dropconnect_mnist.judging import error, voting_error
from benchmarks.dropconnect_mnist.section import render
from benchmarks.dropconnect_mnist.settings import FULL_EPOCHS, Net, schedule


def test_learning_rates_have_the_papers_steps():
    rates, epochs = np.unique(schedule(FULL_EPOCHS).round(6), return_counts=True)
    assert dict(zip(rates[::-1], epochs[::-1], strict=True)) == {
        **{0.1: 600, 0.05: 200, 0.01: 200, 0.005: 5},
        **{0.001: 5, 0.0005: 5, 0.0001: 5},
    }


def test_a_shorter_training_has_the_same_shares():
    rates = schedule(100)
    assert [int((rates > bound).sum()) for bound in (0.06, 0.02, 0.006)] == [59, 78, 98]
    assert (np.diff(rates) <= 0).all()


@pytest.mark.parametrize(
    ("kind", "scaled"),
    [
        ("no-drop", set()),
        ("dropout", {"dense_2/W", "output/W"}),
        ("dropconnect", {"dense_1/W", "dense_2/W"}),
    ],
)
def test_weights_behind_what_is_dropped_are_halved_for_prediction(kind, scaled):
    net = Net(kind, seed=0, epochs=1)
    table, before = net.network.parameters, net.initial_values()
    after = net.as_model(before)
    for name in table:
        factor = 0.5 if name in scaled else 1.0
        np.testing.assert_array_equal(table.view(after, name), factor * table.view(before, name))
    assert table.view(before, "dense_2/W").std() == pytest.approx(0.1, rel=0.01)


def test_votes_are_means_of_probabilities():
    labels = np.array([0, 1], np.uint8)
    first, second = np.eye(2), np.array([[0.4, 0.6], [0.6, 0.4]])
    assert error(second, labels) == 100
    assert voting_error([first, second], labels) == 0


def test_the_section_tells_whether_the_goals_are_kept():
    rows = [
        ("no-drop", "mean", [1.6], 1.6),
        ("dropconnect", "sample", [1.2, 1.3, 1.2, 1.3, 1.2], 1.1),
    ]
    text = render(rows, [], 100, 3600)
    assert "kept, at 1.24 against 1.60" in text
    assert "at most 1.25 %: kept, at 1.10" in text
    rows[1] = ("dropconnect", "sample", [1.7], 1.7)
    text = render(rows, [("dropconnect", "mean", [1.5], 1.5)], 100, 3600)
    assert "missed, at 1.70 against 1.60" in text
    assert "voting: not yet measured" in text
    assert "divided in two" in text
