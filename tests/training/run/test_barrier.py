"""A merge of those that have arrived: each trains once, and who is missing shifts nobody."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from distributed import Client
from sklearn.datasets import load_digits

import dask_horn as horn
from dask_horn.training.graph import trainings
from dask_horn.training.run import loop
from tests.training.run.test_lineage import CountTrainings

NETWORK = horn.Network([horn.Dense(24, activation="relu"), horn.Dense(10)], 64)
SETTINGS = {"n_groups": 3, "n_submodels": [2], "n_rounds": 3, "steps_per_round": 5}


class WithoutTheSecondGroup:
    """Waits for everybody, and lets the second group out."""

    def gather(self, executor, tasks):
        submitted = tasks.submit(executor)
        done, pending = executor.wait(list(submitted.handles.values()), len(submitted.handles))
        assert (len(done), pending) == (6, [])
        return submitted, [which for which in submitted.trained if which.group != 1]


@pytest.fixture
def trained(monkeypatch):
    """Counts how often each sub-model is trained, in this process."""
    counts = Counter()
    train_slice = trainings.train_slice

    def counting(spec, start, which, *others):
        counts[which] += 1
        return train_slice(spec, start, which, *others)

    monkeypatch.setattr(trainings, "train_slice", counting)
    monkeypatch.setattr(loop, "GlobalBarrier", WithoutTheSecondGroup)
    return counts


def _train(**settings):
    X, y = load_digits(return_X_y=True)
    return horn.train(NETWORK, X[:400], y[:400], **SETTINGS, **settings)


@pytest.mark.parametrize("redraw", [False, True])
def test_each_is_trained_once_wherever_it_runs(trained, redraw):
    here = _train(redraw=redraw)
    assert set(trained.values()) == {1}
    assert len(trained) == 3 * 3 * 2
    assert here.history.column("late") == [2, 2, 2]
    assert here.history.column("n_groups") == [3, 3, 3]
    assert [len(losses) for losses in here.history.column("losses")] == [2, 2, 2]
    with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0") as it:
        it.register_plugin(CountTrainings())
        there = _train(redraw=redraw)
        done = it.cluster.scheduler.plugins[CountTrainings.name].done
    assert Counter(done.values()) == {1: 3 * 3 * 2}
    assert np.array_equal(here.model.parameters, there.model.parameters)


def test_who_is_missing_may_have_trained_in_one_task_with_those_who_are_not(trained, fake):
    there, here = _train(device="fake"), _train()
    assert fake.together == [6, 6, 6]
    assert there.history.column("late") == [2, 2, 2]
    assert np.array_equal(here.model.parameters, there.model.parameters)


def test_the_groups_that_arrived_are_merged_as_if_there_were_no_other(trained, monkeypatch):
    without = _train()
    monkeypatch.undo()
    assert not np.array_equal(without.model.parameters, _train().model.parameters)
