"""Partitions of a run: drawn once and joined, or drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import dask_horn as horn
from dask_horn.program import submodel_scales
from dask_horn.records import SubmodelId
from dask_horn.training.tasks.division import (
    first_partition,
    first_values,
    partition_of,
    steps_of,
)
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
    n_submodels=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    n_groups=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_all_groups_and_rounds_join_parts_of_one_partition(n_submodels, n_groups, seed):
    falling = sorted(n_submodels, reverse=True)
    spec = _spec(n_submodels=falling, n_rounds=6, n_groups=n_groups, random_state=seed)
    before = first_partition(spec, 0)
    assert before.n_submodels == falling[0]
    for round, plan in enumerate(spec.rounds):
        for group in range(plan.n_groups):
            partition = partition_of(spec, round, group)
            for axis, parts in partition.parts.items():
                assert set(parts) == set(range(plan.n_submodels))
                pairs = set(zip(before.parts[axis], parts, strict=True))
                assert len(pairs) == before.n_submodels  # no part is cut
        before = partition


@given(
    n_submodels=st.integers(1, 8),
    concentration=st.none() | st.sampled_from([5.0, 20.0, 100.0]),
    seed=st.integers(0, 2**31),
    redraw=st.booleans(),
)
def test_a_larger_part_takes_fewer_steps(n_submodels, concentration, seed, redraw):
    settings = {"concentration": concentration, "random_state": seed, "redraw": redraw}
    spec = _spec(n_submodels=[n_submodels], n_rounds=1, steps_per_round=1000, **settings)
    partition, table = partition_of(spec, 0, 0), NETWORK.parameters
    steps = np.array([steps_of(spec, partition, SubmodelId(0, 0, k)) for k in range(n_submodels)])
    weights = np.array(
        [
            sum(t.size for t in partition.slice_map(table, k).table.tensors)
            for k in range(n_submodels)
        ]
    )
    assert np.all((steps >= 500) & (steps <= 2000))
    free = (steps > 500) & (steps < 2000)
    np.testing.assert_allclose((steps * weights)[free], 1000 * weights.mean(), rtol=1e-2)


def test_members_of_an_ensemble_are_divided_each_in_its_own_way():
    spec = _spec(n_submodels=[4, 4, 2], n_rounds=6, n_groups=2, merge="ensemble")
    assert not _same(partition_of(spec, 0, 0), partition_of(spec, 0, 1))
    last = spec.rounds[4]
    assert last.n_submodels < 4
    for member, groups in enumerate(last.groups_of):
        own = first_partition(spec, member).joined(last.n_submodels)
        assert all(_same(partition_of(spec, 4, group), own) for group in groups)


def test_redrawn_partitions_differ_from_group_to_group_and_from_round_to_round():
    spec = _spec(n_submodels=[2], n_rounds=2, n_groups=2, redraw=True)
    drawn = [partition_of(spec, round, group) for round in range(2) for group in range(2)]
    assert not any(_same(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


@pytest.mark.parametrize("hidden_exponent", [0.0, 0.5])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_each_sub_model_starts_as_a_network_of_its_own_would(activation, hidden_exponent):
    hidden = [horn.Dense(900, activation), horn.Dense(600, activation)]
    network = horn.Network([*hidden, horn.Dense(200)], 30, loss="squared_error")
    X = np.zeros((400, 30), "f4")
    spec = settled(
        network, X, np.zeros((400, 200)), n_submodels=3, hidden_exponent=hidden_exponent,
        concentration=3.0,
    )  # fmt: skip
    partition, values = first_partition(spec, 0), first_values(spec, 0)
    assert not values[partition.holders(network.parameters) == 0].any()
    for submodel in range(3):
        places = partition.slice_map(network.parameters, submodel)
        scales = submodel_scales(network, partition.fractions(submodel), hidden_exponent)
        sizes = [partition.sizes(axis)[submodel] for axis in network.divided_axes]
        alone = horn.Network(
            [*(horn.Dense(int(size), activation) for size in sizes), horn.Dense(200)],
            30,
            loss="squared_error",
        )
        expected = alone.parameters.as_dict(alone.initial_values(1))
        for name, tensor in places.table.as_dict(places.take(values)).items():
            if name.endswith("/W"):
                product = tensor * scales.get(name, 1.0)
                assert product.std() == pytest.approx(expected[name].std(), rel=0.03)


def test_undivided_or_redrawn_the_whole_network_starts_as_ever():
    for changes in ({"n_submodels": 1}, {"redraw": True}):
        values = first_values(_spec(random_state=5, **changes), 0)
        assert np.array_equal(values, NETWORK.initial_values(5))


def _mean_of_sub_models(model, partition, X, hidden_exponent):
    """The mean of their logits, weighted by their shares of the last hidden layer."""
    table, mean = model.network.parameters, 0
    standardized = (X - model.standardizer.mean) / model.standardizer.scale
    for submodel in range(partition.n_submodels):
        places, shares = partition.slice_map(table, submodel), partition.fractions(submodel)
        tensors = places.table.as_dict(places.take(model.parameters))
        scales = submodel_scales(model.network, shares, hidden_exponent)
        outputs, _ = oracle.forward(model.network, tensors, standardized, scales)
        mean += shares[model.network.divided_axes[-1]] * outputs
    return mean


@pytest.mark.parametrize("numbers", [[3], [6, 3], [10, 5, 2], [4, 2, 1]])
def test_the_parent_is_its_sub_models_mean_before_and_after_they_are_joined(numbers):
    X, y = load_digits(return_X_y=True)
    network = horn.Network([horn.Dense(40, "relu"), horn.Dense(30, "tanh"), horn.Dense(10)], 64)
    settings = {"n_submodels": numbers, "n_rounds": len(numbers), "steps_per_round": 50}
    models = []

    class Keep(horn.Callback):
        def on_run_start(self, event) -> None:
            self.model = event.model

        def on_round_end(self, record) -> None:
            models.append(self.model())

    horn.train(network, X, y, n_groups=2, callbacks=[Keep()], **settings)
    spec = settled(network, X, y, n_groups=2, **settings)
    for round, model in enumerate(models):
        logits = oracle.forward(
            network,
            network.parameters.as_dict(model.parameters),
            (X - model.standardizer.mean) / model.standardizer.scale,
        )[0]
        for later in range(round, min(round + 2, len(models))):  # as it was trained, and next
            partition = partition_of(spec, later, 0)
            mean = _mean_of_sub_models(model, partition, X, spec.hidden_exponent)
            np.testing.assert_allclose(logits, mean, rtol=0, atol=1e-3)


@pytest.mark.parametrize("numbers", [[1, 2], [4, 2, 4], (2, 3)])
def test_a_sequence_that_rises_redraws(numbers):
    spec = _spec(n_submodels=numbers, n_rounds=4)
    assert spec.redraw and spec.hidden_exponent == 0.5
    spec = _spec(n_submodels=sorted(numbers, reverse=True), n_rounds=4)
    assert not spec.redraw and spec.hidden_exponent == 0


def test_what_goes_on_from_a_model_meets_all_of_its_connections():
    X, y = load_digits(return_X_y=True)
    network = horn.Network([horn.Dense(20, "relu"), horn.Dense(20, "relu"), horn.Dense(10)], 64)
    model = horn.train(network, X, y, n_submodels=1, n_rounds=2).model
    further = horn.train(network, X, y, n_submodels=[2], n_rounds=12, initial=model).model
    table = network.parameters
    moved = table.view(further.parameters, "dense_2/W") != table.view(model.parameters, "dense_2/W")
    assert moved.all()
