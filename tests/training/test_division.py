"""Partitions of a run: drawn once and joined, or drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import dask_horn as horn
from dask_horn.program import submodel_scales
from dask_horn.training.division import first_partition, first_values, partition_of
from tests import oracle
from tests.training.specs import settled

NETWORK = horn.Network(
    [horn.Dense(60, activation="relu"), horn.Dense(40, activation="relu"), horn.Dense(2)], 3
)


def _spec(network=NETWORK, **changes):
    X = np.random.default_rng(0).normal(size=(400, network.n_inputs)).astype("f4")
    return settled(network, X, np.arange(400) % 2, batch_size=4, **changes)


def _same(first, second):
    return all(np.array_equal(first.parts[axis], second.parts[axis]) for axis in first.parts)


@given(
    n_submodels=st.lists(st.integers(1, 8), min_size=1, max_size=6),
    n_groups=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_all_groups_and_rounds_join_parts_of_one_partition(n_submodels, n_groups, seed):
    spec = _spec(n_submodels=n_submodels, n_rounds=6, n_groups=n_groups, random_state=seed)
    whole = first_partition(spec, 0)
    assert whole.n_submodels == max(n_submodels)
    for round, plan in enumerate(spec.rounds):
        for group in range(plan.n_groups):
            partition = partition_of(spec, round, group)
            for axis, parts in partition.parts.items():
                assert set(parts) == set(range(plan.n_submodels))
                pairs = set(zip(whole.parts[axis], parts, strict=True))
                assert len(pairs) == whole.n_submodels  # no part of it is cut


def test_members_of_an_ensemble_are_divided_each_in_its_own_way():
    spec = _spec(n_submodels=[4, 4, 2], n_rounds=6, n_groups=2, merge="ensemble")
    assert not _same(partition_of(spec, 0, 0), partition_of(spec, 0, 1))
    last = spec.rounds[4]
    assert last.n_submodels < 4
    for lineage, groups in enumerate(last.lineages):
        own = first_partition(spec, lineage).joined(last.n_submodels)
        assert all(_same(partition_of(spec, 4, group), own) for group in groups)


def test_redrawn_partitions_differ_from_group_to_group_and_from_round_to_round():
    spec = _spec(n_submodels=[2], n_rounds=2, n_groups=2, redraw=True)
    drawn = [partition_of(spec, round, group) for round in range(2) for group in range(2)]
    assert not any(_same(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


@pytest.mark.parametrize("hidden_exponent", [0.0, 0.5])
def test_each_sub_model_starts_as_a_network_of_its_own_would(hidden_exponent):
    network = horn.Network(
        [horn.Dense(900, activation="relu"), horn.Dense(600, activation="relu"), horn.Dense(2)], 3
    )
    spec = _spec(network, n_submodels=3, hidden_exponent=hidden_exponent, concentration=3.0)
    partition, values = first_partition(spec, 0), first_values(spec, 0)
    assert not values[partition.holders(network.parameters) == 0].any()
    for submodel in range(3):
        fractions = partition.fractions(submodel)
        places = partition.slice_map(network.parameters, submodel)
        weights = places.table.view(places.take(values), "dense_2/W")
        product = weights * submodel_scales(network, fractions, hidden_exponent)["dense_2"]
        assert product.std() * np.sqrt(len(weights) / 2) == pytest.approx(1, rel=0.02)  # He


def test_undivided_or_redrawn_the_whole_network_starts_as_ever():
    for changes in ({"n_submodels": 1}, {"redraw": True}):
        values = first_values(_spec(random_state=5, **changes), 0)
        assert np.array_equal(values, NETWORK.initial_values(5))


def test_the_parent_is_its_sub_models_mean_until_they_are_joined():
    X, y = load_digits(return_X_y=True)
    network = horn.Network([horn.Dense(40, "relu"), horn.Dense(30, "tanh"), horn.Dense(10)], 64)
    settings = {"n_submodels": [3], "n_rounds": 3, "n_groups": 2, "steps_per_round": 50}
    model = horn.train(network, X, y, **settings).model
    spec = settled(network, X, y, **settings)
    partition, mean = first_partition(spec, 0), 0
    standardized = (X - model.standardizer.mean) / model.standardizer.scale
    for submodel in range(3):
        places, shares = (
            partition.slice_map(network.parameters, submodel),
            partition.fractions(submodel),
        )
        tensors = places.table.as_dict(places.take(model.parameters))
        scales = submodel_scales(network, shares, spec.hidden_exponent)
        outputs, _ = oracle.forward(network, tensors, standardized, scales)
        mean += shares["dense_2"] * outputs
    expected = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-4)


def test_what_goes_on_from_a_model_meets_all_of_its_connections():
    X, y = load_digits(return_X_y=True)
    network = horn.Network([horn.Dense(20, "relu"), horn.Dense(20, "relu"), horn.Dense(10)], 64)
    model = horn.train(network, X, y, n_submodels=1, n_rounds=2).model
    further = horn.train(network, X, y, n_submodels=[2], n_rounds=12, initial=model).model
    table = network.parameters
    moved = table.view(further.parameters, "dense_2/W") != table.view(model.parameters, "dense_2/W")
    assert moved.all()
