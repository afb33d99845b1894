"""The training graph as a user sees it: groups, sub-models and reduction, with readable keys."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits

import dask_horn as horn


@pytest.fixture(scope="module")
def graph():
    X, y = load_digits(return_X_y=True)
    network = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(10)], 64)
    return horn.training_graph(network, X, y, n_groups=5, n_submodels=[2, 3], n_rounds=2)


def stages(graph) -> Counter:
    names = [key[0] if isinstance(key, tuple) else key for key in set(graph.dask)]
    return Counter(name.rsplit("-", 1)[0] for name in names)


def test_two_redrawn_rounds_have_a_task_for_each_stage(graph):
    assert stages(graph) == {
        "options": 1,
        "initial-values": 1,
        "take": 5 * 2 + 5 * 3,
        "train": 5 * 2 + 5 * 3,
        "put": 2 * 5,
        "merge-1": 2 * 2,
        "merge-2": 2,
        "update": 2,
        "record": 1,
        "final": 1,
    }


def test_groups_that_share_a_partition_keep_the_parent_in_parts():
    X, y = load_digits(return_X_y=True)
    network = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(10)], 64)
    settings = {"n_groups": 9, "n_submodels": [3], "n_rounds": 4}
    graph = horn.training_graph(network, X, y, **settings)
    assert stages(graph) == {
        "options": 1,
        "initial-values": 1,
        "take": 3,  # cut once: from then on the parts stay where they are
        "send": 4 * 3,
        "train": 4 * 9 * 3,
        "merge-1": 4 * 2 * 3,
        "share": 4 * 3,
        "update": 4 * 3,
        "parent": 1,  # put together at the end
        "record": 1,
        "final": 1,
    }
    members = horn.training_graph(network, X, y, merge="ensemble", **settings)
    found = stages(members)
    assert (found["take"], found["train"], found["parent"]) == (9 * 3, 4 * 9 * 3, 9)
    assert not any("merge" in stage for stage in found)


def test_a_parent_that_is_scored_is_put_together_in_each_round():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 4)), np.arange(200) % 2
    network = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], 4)
    alone = horn.train(network, X, y, n_submodels=[2], n_rounds=3)
    scored = horn.train(network, X, y, n_submodels=[2], n_rounds=3, validation_data=(X, y))
    assert np.array_equal(alone.model.parameters, scored.model.parameters)
    accuracy = np.mean(scored.model.predict(X) == y)
    assert scored.history[-1].validation_score == pytest.approx(accuracy)


def test_keys_name_round_group_and_submodel(graph):
    trains = {key[1:] for key in graph.dask if key[0].startswith("train-")}
    first = {(0, group, submodel) for group in range(5) for submodel in range(2)}
    assert {place for place in trains if place[0] == 0} == first


def test_a_round_of_fewer_submodels_has_more_groups():
    X, y = load_digits(return_X_y=True)
    network = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(10)], 64)
    settings = {"n_groups": 2, "n_submodels": [4, 1], "n_rounds": 2, "steps_per_round": 200}
    graph = horn.training_graph(network, X, y, **settings)
    trains = {key[1:] for key in graph.dask if key[0].startswith("train-")}
    assert trains == {(0, group, submodel) for group in range(2) for submodel in range(4)} | {
        (1, group, 0) for group in range(8)
    }
    members = horn.training_graph(network, X, y, merge="ensemble", **settings)
    assert stages(members)["parent"] == 4  # put together to be divided otherwise, and at the end
    assert stages(members)["train"] == 2 * 4 + 8


def test_computing_it_trains(graph):
    report = graph.compute(scheduler="sync")
    assert report.round == 1
    assert len(report.submodels) == 5 * 3
