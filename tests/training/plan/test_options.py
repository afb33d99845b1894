"""What is chosen where the user says nothing: learning rate, weight decay, and how a run ends."""

from __future__ import annotations

import numpy as np
import pytest

import dask_horn as horn
from dask_horn.training import TrainingOptions
from dask_horn.training.plan.rounds import submodels_by_round
from tests.training.specs import settled

NETWORK = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], 2)


def _network(*widths, n_inputs=784):
    hidden = [horn.Dense(width, activation="relu") for width in widths]
    return horn.Network([*hidden, horn.Dense(10)], n_inputs)


def _samples(n):
    """Samples whose second feature is always the same: its weights have no gradient."""
    X = np.random.default_rng(0).normal(size=(n, 2)).astype("f4")
    X[:, 1] = 3
    return X, (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    ("widths", "settings", "rate"),
    [
        ((240, 100), {}, 1 / 240),
        ((800, 400), {}, 1 / 256),
        ((400, 4096), {}, 1 / 256),
        ((64,), {}, 0.005),
        ((), {}, 0.005),
        ((800,), {"optimizer": "sgd"}, 0.05),
        ((800,), {"learning_rate": 0.1}, 0.1),
    ],
)
def test_the_learning_rate_follows_the_widest_layer(widths, settings, rate):
    found = TrainingOptions(**settings).peak_rate(_network(*widths), 3000)
    assert found == pytest.approx(rate)


@pytest.mark.parametrize(("n_steps", "rate"), [(50, 1 / 256), (6000, 1 / 512), (9380, 1 / 800)])
def test_the_lowest_rate_is_lower_in_long_runs(n_steps, rate):
    found = TrainingOptions().peak_rate(_network(800, 800), n_steps)
    assert found == pytest.approx(rate, rel=1e-3)


def test_the_optimizers_constants_are_options():
    settings = {"momentum": 0.5, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6}
    spec = settled(NETWORK, *_samples(64), optimizer="sgd", **settings)
    assert {name: getattr(spec.optimizer, name) for name in settings} == settings


@pytest.mark.parametrize("asked", ["cpu", "auto"])
def test_the_device_is_settled_when_a_run_starts(asked):
    assert settled(NETWORK, *_samples(64), device=asked).device == "cpu"


# ------------------------------------------------------------------------------ weight decay


def _decay(n=20_000, **settings):
    return settled(NETWORK, *_samples(n), **settings).optimizer.weight_decay


def test_the_decay_of_a_long_run_follows_the_rows():
    assert _decay(20_000, n_rounds=500) == pytest.approx(2500 / 20_000)
    assert _decay(40_000, n_rounds=500) == pytest.approx(2500 / 40_000)
    assert _decay(2000, n_rounds=500) == 1


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
@pytest.mark.parametrize("n_submodels", [1, 4])
def test_the_decay_of_a_shorter_run_is_felt_by_its_end(schedule, n_submodels):
    spec = settled(
        NETWORK,
        *_samples(20_000),
        **{"n_rounds": 4, "schedule": schedule, "n_submodels": n_submodels, "learning_rate": 0.01},
    )
    rates = [spec.rates(r, max(plan.steps)).sum() for r, plan in enumerate(spec.rounds)]
    assert 2500 / 20_000 < spec.optimizer.weight_decay < 1
    assert sum(rates) * spec.optimizer.weight_decay == pytest.approx(1)


def test_the_decay_of_few_steps_is_bounded():
    assert _decay(n_rounds=1, steps_per_round=5) == 1


@pytest.mark.parametrize("n_rounds", [1, 30])
def test_sgd_has_no_decay_unless_told(n_rounds):
    assert _decay(optimizer="sgd", n_rounds=n_rounds) == 0


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("decay", [0, 0.01, 3.0])
def test_a_decay_that_is_given_is_kept(optimizer, decay):
    assert _decay(optimizer=optimizer, weight_decay=decay) == decay


def test_weights_without_a_gradient_shrink_by_e_in_a_shorter_run():
    X, y = _samples(20_000)
    settings = {"outer_learning_rate": 1.0, "outer_momentum": 0.0, "learning_rate": 0.02}
    model = horn.train(NETWORK, X, y, n_rounds=3, n_submodels=1, **settings).model
    table = NETWORK.parameters
    before = table.view(NETWORK.initial_values(0), "dense_1/W")[1]
    np.testing.assert_allclose(
        table.view(model.parameters, "dense_1/W")[1], before / np.e, rtol=0.02
    )


# -------------------------------------------------------------------------- how a run ends


@pytest.mark.parametrize(
    ("widths", "n_submodels", "n_rounds", "expected"),
    [
        ((800, 800), 1, 4, (1, 1, 1, 1)),
        ((800, 800), 2, 12, (2,) * 10 + (1,) * 2),
        ((800, 800), 4, 12, (4,) * 8 + (2,) * 2 + (1,) * 2),
        ((800, 800), 6, 12, (6,) * 8 + (3,) * 2 + (1,) * 2),
        ((800, 800), 4, 30, (4,) * 20 + (2,) * 5 + (1,) * 5),
        ((800, 800), 2, 3, (2, 2, 1)),
        ((32,), 8, 12, (8,) * 6 + (4,) * 2 + (2,) * 2 + (1,) * 2),
        ((32,), 16, 6, (16, 16, 16, 4, 2, 1)),  # half of the rounds at most
        ((800, 800), 8, 12, (8,) * 9 + (4, 2, 1)),  # as much as is affordable
        ((4096, 4096, 4096), 8, 12, (8,) * 10 + (4, 2)),  # and no further down
        ((800, 800), [4, 2], 4, (4, 2, 2, 2)),
        ((800, 800), [4, 2, 1], 2, (4, 2)),
    ],
)
def test_a_run_ends_by_fewer_sub_models(widths, n_submodels, n_rounds, expected):
    options = TrainingOptions(n_submodels=n_submodels, n_rounds=n_rounds)
    assert submodels_by_round(_network(*widths), options, steps=1000) == expected


@pytest.mark.parametrize("n_rounds", [1, 2])
@pytest.mark.parametrize("n_submodels", [2, 8])
def test_one_or_two_rounds_have_no_ending(n_submodels, n_rounds):
    options = TrainingOptions(n_submodels=n_submodels, n_rounds=n_rounds)
    assert submodels_by_round(_network(32), options, steps=1000) == (n_submodels,) * n_rounds


def test_rounds_too_short_to_share_afford_less_of_an_ending():
    options = TrainingOptions(n_submodels=4, n_rounds=30)
    assert submodels_by_round(_network(800, 800), options, steps=60) == (4,) * 26 + (2, 2, 1, 1)


def test_without_regrouping_less_of_an_ending_is_affordable():
    options = TrainingOptions(n_submodels=4, n_rounds=30, regroup=False)
    assert submodels_by_round(_network(800, 800), options, steps=1000) == (4,) * 26 + (2, 2, 1, 1)


def test_the_default_rate_grows_with_the_root_of_the_number_of_sub_models():
    assert [TrainingOptions().rate_factor(k) for k in (1, 2, 8)] == [1, 1, 2]
    assert TrainingOptions(learning_rate=0.01).rate_factor(8) == 1  # who gives one gets it
    assert TrainingOptions(optimizer="sgd").rate_factor(8) == 1


def test_options_are_shown_by_what_differs():
    options = TrainingOptions(n_groups=4, merge="ensemble", n_rounds=30)
    assert repr(options) == "TrainingOptions(n_groups=4, merge='ensemble')"
    assert eval(repr(options)) == options
    many = TrainingOptions(n_submodels=[8] * 500, class_weight=dict.fromkeys(range(500), 1.5))
    assert len(repr(many)) < 200
    assert many.changed["n_submodels"] == "(8, 8, 8, 8, 8, 8, 8, 8, ...)"
