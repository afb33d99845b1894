"""By default the weight decay follows from the samples' number, and from their noise."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import dask_horn as horn
from dask_horn.training.plan.decay import NoiseDecay

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2000, 5)).astype(np.float32)
LINEAR = X @ RNG.normal(size=5)
NETWORK = horn.Network([horn.Dense(16, "relu"), horn.Dense(1)], 5, loss="squared_error")
SETTINGS = {"n_rounds": 15, "random_state": 0}


def _told(caplog):
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("weight decay")]


def _decay(caplog, y, **settings):
    caplog.clear()
    with caplog.at_level(logging.INFO, "dask_horn"):
        horn.train(NETWORK, X, y, **SETTINGS | settings)
    told = _told(caplog)
    return float(told[0].split()[2]) if told else None


def test_noise_asks_for_a_stronger_decay(caplog):
    noise = RNG.normal(size=len(X))
    assert _decay(caplog, LINEAR) == 1  # 2500 / n, at most 1
    assert 1 < _decay(caplog, LINEAR + noise * LINEAR.std() / 2) < 16
    assert _decay(caplog, noise) == 16


def test_short_runs_and_given_decays_are_left_as_they_are(caplog):
    assert _decay(caplog, LINEAR, n_rounds=14) is None
    assert _decay(caplog, LINEAR, weight_decay=0.1) is None
    assert _decay(caplog, LINEAR, optimizer="sgd") is None


def test_huber_whose_best_constant_is_not_known_keeps_the_first_decay(caplog):
    robust = horn.Network([horn.Dense(16, "relu"), horn.Dense(1)], 5, loss="huber")
    with caplog.at_level(logging.INFO, "dask_horn"):
        horn.train(robust, X, LINEAR, **SETTINGS)
    assert _told(caplog) == []


def test_targets_of_another_scale_than_the_models_are_no_noise(caplog):
    model = horn.train(NETWORK, X, LINEAR, **SETTINGS).model
    settings = {"initial": model, "learning_rate": 0.05, "clip_norm": 1.0}
    assert _decay(caplog, 30 * LINEAR, **settings) == 1


@given(st.floats(0, 10), st.floats(1e-3, 5), st.integers(1, 10**9), st.floats(1e-6, 1e3))
def test_the_decay_is_between_that_of_no_noise_and_16_times_as_much(loss, constant, n, rates):
    rule = NoiseDecay.of("values", n, rates, 0.005, 30, constant)
    assert rule.first <= rule.settled(loss) <= 16 * rule.first
    assert rule.settled(0.0) == rule.first


@pytest.mark.parametrize("rate", [0.2, 1.0])
def test_no_step_shrinks_weights_beyond_0(rate):
    """A rate that somebody has set so high would make them grow from step to step."""
    rule = NoiseDecay.of("values", 1000, 100.0, rate, 30, 0.5)
    assert rule.settled(0.5) == 1 / rate


# Of the best constant a class' share, a label's share or the mean.
@pytest.mark.parametrize(
    ("y", "loss", "weights"),
    [
        (RNG.integers(0, 3, 2000), "cross_entropy", None),
        (np.sort(RNG.integers(0, 3, 2000)) // 2, "cross_entropy", {0: 1.0, 1: 5.0}),
        (RNG.random((2000, 2)) < [0.1, 0.5], "binary_cross_entropy", None),
        (RNG.normal(size=2000), "squared_error", None),
    ],
)
def test_a_network_that_learns_nothing_has_the_constants_loss(y, loss, weights, caplog):
    """Its samples are all but the same, so it learns the constant: all is noise."""
    y = y[RNG.permutation(len(y))]
    n_outputs = {"cross_entropy": y.max() + 1, "binary_cross_entropy": 2, "squared_error": 1}[loss]
    network = horn.Network([horn.Dense(int(n_outputs))], 1, loss=loss)
    samples = np.zeros((2000, 1), np.float32)
    with caplog.at_level(logging.INFO, "dask_horn"):
        result = horn.train(
            network, samples, y, class_weight=weights, learning_rate=0.01, **SETTINGS
        )
    assert _told(caplog) == ["weight decay 16 from round 4 on, by the loss of the first rounds"]
    expected = _loss_of_the_best_constant(y, loss, weights)
    assert_allclose(result.history[-1].loss, expected, rtol=0.02)


def _loss_of_the_best_constant(y, loss, weights):
    if loss == "squared_error":
        return 0.5
    columns = y.T if loss == "binary_cross_entropy" else [y]
    losses = []
    for column in columns:
        shares = np.bincount(column.astype(int)) / len(column)
        weighted = shares * ([weights[i] for i in range(len(shares))] if weights else 1)
        losses.append(-(weighted * np.log(weighted / weighted.sum())).sum())
    return np.mean(losses)


def test_a_run_that_resumes_has_the_same_decay(tmp_path):
    whole = horn.train(NETWORK, X, LINEAR, **SETTINGS)

    class Stop(horn.Callback):
        def __init__(self, after):
            self.after = after

        def on_round_end(self, record):
            if record.round == self.after:
                raise StopIteration

    for after in (2, 3, 8):  # before the decay is settled, then, and later
        folder = tmp_path / str(after)
        horn.train(NETWORK, X, LINEAR, checkpoint=folder, callbacks=[Stop(after)], **SETTINGS)
        resumed = horn.train(NETWORK, X, LINEAR, checkpoint=folder, **SETTINGS)
        assert_array_equal(resumed.model.parameters, whole.model.parameters)


def test_the_lazy_graph_settles_it_too():
    graph = horn.training_graph(NETWORK, X, LINEAR, **SETTINGS)
    report = graph.compute(scheduler="threads")
    assert report.loss == horn.train(NETWORK, X, LINEAR, **SETTINGS).history[-1].loss
