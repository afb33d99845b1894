"""The training graph as a user sees it: groups, sub-models and reduction, with readable keys."""

from __future__ import annotations

import shutil
from collections import Counter

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


def test_two_rounds_have_a_task_for_each_stage(graph):
    assert stages(graph) == {
        "run": 1,
        "start": 1,
        "partition": 2 * 5,
        "take": 5 * 2 + 5 * 3,
        "train": 5 * 2 + 5 * 3,
        "put": 2 * 5,
        "merge-level-1": 2 * 2,
        "merge-level-2": 2,
        "parent": 2,
        "report": 1,
    }


def test_groups_that_share_a_partition_share_its_slices():
    X, y = load_digits(return_X_y=True)
    network = horn.Network([horn.Dense(32, activation="relu"), horn.Dense(10)], 64)
    settings = {"n_groups": 5, "n_submodels": [3], "n_rounds": 2}
    graph = horn.training_graph(network, X, y, **settings)
    found = stages(graph)
    assert (found["partition"], found["take"], found["train"]) == (2, 2 * 3, 2 * 5 * 3)
    members = horn.training_graph(network, X, y, merge="ensemble", **settings)
    assert stages(members)["take"] == 2 * 5 * 3


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
    assert stages(members)["parent"] == 2 * 2
    assert stages(members)["merge-level-1"] == 2  # of each member's four groups, in the last round


def test_computing_it_trains(graph):
    report = graph.compute(scheduler="sync")
    assert report.round == 1
    assert len(report.submodels) == 5 * 3


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_it_can_be_drawn(graph, tmp_path):
    pytest.importorskip("graphviz")
    graph.visualize(str(tmp_path / "graph.svg"))
    drawn = (tmp_path / "graph.svg").read_text()
    assert all(stage in drawn for stage in ("partition", "take", "train", "put", "merge", "parent"))
