"""A cluster that fails its run: the run goes back to the last cut and comes to the same bits."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import contextmanager

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from sklearn.datasets import load_digits

import dask_horn as horn
from dask_horn.cluster.telling import PROGRESS, TOPIC
from dask_horn.records import Event, RoundMerged, SubmodelProgress, TaskLost
from dask_horn.training.run.keeper import Keeper

pytestmark = pytest.mark.cluster

NETWORK = horn.Network([horn.Dense(64, activation="relu"), horn.Dense(10)], input_shape=64)
SETTINGS = {
    "n_groups": 2,
    "n_submodels": 2,
    "n_rounds": 9,
    "steps_per_round": 50,
    "checkpoint_every": 3,
}


@contextmanager
def cluster(allowed_failures=3):
    """Two workers, and a scheduler that gives a task up after so many of them have died."""
    allowed = {"distributed.scheduler.allowed-failures": allowed_failures}
    workers = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        dask.config.set(allowed),
        LocalCluster(**workers, silence_logs=logging.CRITICAL + 1) as own,
        Client(own) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    location = str(tmp_path_factory.mktemp("data") / "digits.zarr")
    horn.write_samples(location, *load_digits(return_X_y=True))
    return location


@pytest.fixture(scope="module")
def expected(samples):
    return horn.train(NETWORK, samples, **SETTINGS)


class Kill(horn.Callback):
    """Kills a worker that is training, after each of some rounds."""

    def __init__(self, client, *rounds):
        self.client, self.rounds = client, rounds
        self.told, self.events, self.killed = [], [], []

    def on_round_end(self, record):
        self.told.append(record.round)
        if record.round in self.rounds:
            while not (busy := [w for w, keys in self.client.processing().items() if keys]):
                time.sleep(0.01)
            ((worker, pid),) = self.client.run(os.getpid, workers=busy[:1]).items()
            os.kill(pid, signal.SIGKILL)
            self.killed.append(worker)

    def on_event(self, event):
        self.events.append(event)


def test_where_a_task_is_given_up_the_run_goes_on_from_the_last_cut(samples, expected, caplog):
    with cluster(allowed_failures=0) as client, caplog.at_level(logging.WARNING, "dask_horn"):
        kill = Kill(client, 2, 7)
        result = horn.train(NETWORK, samples, callbacks=[kill], **SETTINGS)
    assert np.array_equal(result.model.parameters, expected.model.parameters)
    assert kill.told == result.history.column("round") == list(range(1, 10))
    assert result.history.column("losses") == expected.history.column("losses")
    told = "\n".join(caplog.messages)
    assert "died more often than Dask allows" in told
    assert "going back to round 1" in told and "going back to round 7" in told


def test_a_checkpoint_serves_as_well(samples, expected, tmp_path, caplog):
    with cluster(allowed_failures=0) as client, caplog.at_level(logging.WARNING, "dask_horn"):
        kill = Kill(client, 5)
        checkpoint = tmp_path / "run"
        result = horn.train(NETWORK, samples, callbacks=[kill], checkpoint=checkpoint, **SETTINGS)
    assert np.array_equal(result.model.parameters, expected.model.parameters)
    assert kill.told == list(range(1, 10))
    assert kill.killed and "going back to round 4" in caplog.text


class KillAlways(horn.Callback):
    """Kills a busy worker whenever there is one, from a thread of its own."""

    def __init__(self, client):
        self.client, self.over = client, threading.Event()

    def on_round_end(self, record):
        if record.round == 1:
            threading.Thread(target=self._kill, daemon=True).start()

    def _kill(self):
        while not self.over.wait(0.1):
            for worker in [one for one, keys in self.client.processing().items() if keys][:1]:
                pid = self.client.run(os.getpid, workers=[worker], on_error="ignore").get(worker)
                if isinstance(pid, int):
                    os.kill(pid, signal.SIGKILL)

    def on_run_failed(self, error):
        self.over.set()


def test_where_workers_die_again_and_again_the_run_ends_and_names_them(samples, tmp_path):
    with cluster(allowed_failures=0) as client:
        kill = KillAlways(client)
        settings = {**SETTINGS, "n_rounds": 50, "steps_per_round": 400, "checkpoint_every": 50}
        told = pytest.raises(horn.WorkerLostError, match=r"\(workers lost so far: tcp://")
        try:
            with told:
                horn.train(NETWORK, samples, callbacks=[kill], **settings)
        finally:
            kill.over.set()


def test_a_lost_worker_is_told(samples, expected, caplog):
    with cluster() as client, caplog.at_level(logging.WARNING, "dask_horn"):
        kill = Kill(client, 4)
        result = horn.train(NETWORK, samples, callbacks=[kill], **SETTINGS)
        kept = [Event.from_dict(message) for _, message in client.get_events(TOPIC)]
    assert np.array_equal(result.model.parameters, expected.model.parameters)
    lost = [event for event in kill.events if isinstance(event, TaskLost)]
    assert lost and all(event.worker.startswith("tcp://") for event in lost)
    assert next(one for one in kept if isinstance(one, TaskLost)).stage == lost[0].stage
    assert f"Worker {lost[0].worker} is gone" in caplog.text


def test_what_happens_on_workers_is_told_by_them(samples, client, monkeypatch):
    client.run(_tell_always)
    result = horn.train(NETWORK, samples, **SETTINGS)
    workers = set(client.scheduler_info(n_workers=-1)["workers"])
    for record in result.history:
        assert {worker for group in record.workers for worker in group} <= workers
        assert all(seconds > 0 for group in record.submodel_seconds for seconds in group)
        assert len(record.workers) == len(record.losses) == record.n_groups
    (*_, last), merged = _events(client, PROGRESS), _events(client, TOPIC)
    assert isinstance(last, SubmodelProgress) and last.worker in workers
    assert (last.steps, last.n_steps) == (50, 50) and last.n_bytes > 0
    merged = [one for one in merged if isinstance(one, RoundMerged) and one.run == last.run]
    assert [event.record.losses for event in merged] == result.history.column("losses")


def _tell_always():
    from dask_horn.training.tasks import submodel

    submodel._TELL_EVERY, submodel._TOLD_A_SECOND = 0, float("inf")


def _events(client, topic):
    return [Event.from_dict(message) for _, message in client.get_events(topic)]


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_best_round_that_is_lost_while_it_is_saved(
    samples, client, monkeypatch, tmp_path, checkpoint
):
    X, y = load_digits(return_X_y=True)
    settings = {**SETTINGS, "n_rounds": 6, "early_stopping": True, "validation_data": (X, y)}
    if checkpoint:
        settings["checkpoint"] = tmp_path / "run"
    with dask.config.set(scheduler="sync"):
        expected = horn.train(NETWORK, samples, **{**settings, "checkpoint": None})
    keep, lost = Keeper.keep_best, []

    def lose(keeper, parents):
        if keeper.best.round == 5 and not lost:
            lost.append(keeper.best)
            raise horn.WorkerLostError("the worker that was to save it")
        keep(keeper, parents)

    monkeypatch.setattr(Keeper, "keep_best", lose)
    result = horn.train(NETWORK, samples, **settings)
    assert lost and result.best_round == expected.best_round
    assert np.array_equal(result.model.parameters, expected.model.parameters)
