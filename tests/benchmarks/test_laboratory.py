"""The laboratory is the library, as long as no switch is set."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

import dask_horn as horn
from benchmarks.method.laboratory import Variant, train

X, Y = load_digits(return_X_y=True)
NETWORK = horn.Network(
    [horn.Dense(16, activation="relu"), horn.Dense(16, activation="relu"), horn.Dense(10)],
    input_shape=64,
)
SETTINGS = {"n_submodels": 4, "n_rounds": 6, "steps_per_round": 100, "random_state": 3}


@pytest.mark.parametrize("n_groups", [1, 2, 6])
def test_without_a_switch_it_gives_the_librarys_bits(n_groups):
    library = horn.train(NETWORK, X, Y, n_groups=n_groups, **SETTINGS).model
    here = train(NETWORK, X, Y, n_groups=n_groups, **SETTINGS).model
    assert np.array_equal(library.parameters, here.parameters)


@pytest.mark.parametrize(
    "switch",
    [
        {"rate_exponent": 0.0},
        {"output_exponent": 0.5},
        {"mean_field": True},
        {"recalibrate": "always"},
        {"carry_state": True},
        {"rate_floor": 0.3, "decay": "ending"},
        {"average_last": 2},
    ],
    ids=lambda switch: next(iter(switch)),
)
def test_each_switch_changes_the_model_and_still_learns(switch):
    scores = []
    plain = train(NETWORK, X, Y, **SETTINGS).model
    result = train(
        NETWORK, X, Y, variant=Variant(**switch), **SETTINGS,
        watch=lambda model: scores.append(np.mean(model.predict(X) == Y)),
    )  # fmt: skip
    assert not np.array_equal(plain.parameters, result.model.parameters)
    assert len(scores) == SETTINGS["n_rounds"]
    assert scores[-1] > 0.4


def test_the_outer_step_may_be_for_entries_with_several_holders():
    settings = {"n_groups": 2, "redraw": True, **SETTINGS}
    own = train(NETWORK, X, Y, variant=Variant(outer="holders"), **settings).model
    assert not np.array_equal(train(NETWORK, X, Y, **settings).model.parameters, own.parameters)
    assert np.mean(own.predict(X) == Y) > 0.4


def test_groups_may_have_partitions_of_their_own():
    settings = {"n_groups": 2, **SETTINGS, "n_submodels": 2}
    own = train(NETWORK, X, Y, variant=Variant(own_partitions=True), **settings).model
    assert not np.array_equal(train(NETWORK, X, Y, **settings).model.parameters, own.parameters)
    assert np.mean(own.predict(X) == Y) > 0.9


def test_only_redrawn_parts_get_out_of_tune():
    joined = train(NETWORK, X, Y, **SETTINGS).tune
    redrawn = train(NETWORK, X, Y, redraw=True, **{**SETTINGS, "random_state": 0}).tune
    for ratio, shift in joined.values():
        assert ratio == pytest.approx(1, abs=0.01)
        assert shift == pytest.approx(0, abs=0.01)
    assert abs(redrawn["dense_2"][1]) > 0.1
