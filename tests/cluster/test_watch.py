"""Waiting for a cluster: what keeps a run waiting is told, and a wait may have an end."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import contextmanager

import dask
import pytest
from distributed import Client, LocalCluster
from distributed.core import Status

import dask_horn as horn
from dask_horn.cluster import ClusterExecutor, diagnosis, watch
from dask_horn.data.store.tasks import call, compute
from dask_horn.errors import HornError, SchedulerLostError, WaitTimeoutError
from dask_horn.records import StoreRetried, doing, tell

RUN = "0badcafe"
TRAIN = "the training of sub-model 1, group 0, in round 3"
GATE = threading.Event()


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """What takes seconds takes tenths of them, but for heartbeats, which come once a second."""
    for room, name in [
        (watch, "_SLICE"),
        (watch, "_PATIENCE"),
        (diagnosis, "_SLOW"),
        (diagnosis, "_SHORT"),
    ]:
        monkeypatch.setattr(room, name, getattr(room, name) / 50)
    monkeypatch.setattr(diagnosis, "_IDLE", 4)
    monkeypatch.setattr(diagnosis, "_SILENT", 4)
    GATE.clear()
    yield
    GATE.set()


@contextmanager
def cluster(n_workers=1, processes=False):
    settings = {"threads_per_worker": 2, "dashboard_address": ":0", "silence_logs": 50}
    with (
        LocalCluster(n_workers=n_workers, processes=processes, **settings) as own,
        Client(own) as client,
    ):
        yield client
        GATE.set()


class Ear:
    """Hears events, and does something at the first of them."""

    def __init__(self, then=lambda: None):
        self.events = []
        self._then = then

    def __call__(self, event):
        self.events.append(event)
        if len(self.events) == 1:
            self._then()

    @property
    def reasons(self):
        return [event.reason for event in self.events]


def _task(function, *arguments, key=("train-" + RUN, 2, 0, 1)):
    return dask.delayed(function)(*arguments, dask_key_name=key)


def _through_the_gate():
    assert GATE.wait(60)
    return "done"


def _reading():
    with doing("reading rows 0 to 9 of array X in here"):
        return _through_the_gate()


def _set_status(status, dask_worker):
    dask_worker.status = Status[status]


def test_a_cluster_without_workers(caplog):
    with cluster(n_workers=0) as client:
        ear = Ear(then=lambda: client.cluster.scale(1))
        executor = ClusterExecutor(client, RUN, ear)
        with caplog.at_level(logging.WARNING, "dask_horn"):
            (handle,) = executor.submit(_task(str, 5))
            assert executor.result(handle) == "5"
        (_, told), *_ = client.get_events("dask-horn")
    assert told["kind"] == "Waiting"
    assert told["reason"] == ear.reasons[0]
    assert "the cluster has no workers; start some" in ear.reasons[0]
    assert (ear.events[0].run, ear.events[0].what) == (RUN, TRAIN)
    assert f"Still waiting for {TRAIN} after " in caplog.text


def test_a_cluster_that_adapts_from_nothing_is_asked_for_a_worker():
    with cluster(n_workers=0) as client:
        client.cluster.adapt(minimum=0, maximum=1, interval="100ms")
        executor = ClusterExecutor(client)
        executor.check_memory(1)
        assert executor.is_visible(os.getcwd())


def test_workers_that_are_paused():
    unmonitored = dask.config.set({"distributed.worker.memory.pause": False})
    with unmonitored, cluster() as client:
        client.run(_set_status, "paused")
        ear = Ear(then=lambda: client.run(_set_status, "running"))
        executor = ClusterExecutor(client, RUN, ear)
        (handle,) = executor.submit(_task(str, 5))
        assert executor.result(handle) == "5"
    assert "all workers (1) are paused because memory is short (one uses " in ear.reasons[0]


def test_a_chunk_that_takes_long():
    with cluster() as client:
        ear = Ear(then=GATE.set)
        executor = ClusterExecutor(client, RUN, ear)
        executor.prepare()
        (handle,) = executor.submit(_task(_reading))
        assert executor.result(handle) == "done"
        (address,) = client.cluster.scheduler.workers
    assert f"{address} has been reading rows 0 to 9 of array X in here for " in ear.reasons[0]


def test_a_training_that_takes_five_times_the_last_rounds():
    with cluster() as client:
        ear = Ear(then=GATE.set)
        executor = ClusterExecutor(client, RUN, ear)
        executor.prepare()
        executor.watch.diagnosis.longest["train"] = 0.05
        (handle,) = executor.submit(_task(_through_the_gate))
        assert executor.result(handle) == "done"
    assert f"has been running {TRAIN} for " in ear.reasons[0]


@pytest.mark.cluster
def test_a_worker_that_is_stopped():
    with cluster(n_workers=2, processes=True) as client:
        pids = client.run(os.getpid)
        stopped = min(pids)
        ear = Ear(then=lambda: os.kill(pids[stopped], signal.SIGCONT))
        executor = ClusterExecutor(client, RUN, ear, timeout=60)
        os.kill(pids[stopped], signal.SIGSTOP)
        assert executor.is_visible(os.getcwd())  # asks all workers
    assert f"{stopped} has sent no heartbeat for " in ear.reasons[0]


def test_workers_that_are_busy_with_other_work():
    with cluster() as client:
        others = [client.submit(_through_the_gate, key=f"other-{i}") for i in range(8)]
        ear = Ear(then=GATE.set)
        executor = ClusterExecutor(client, RUN, ear)
        executor.prepare()
        wait_until_busy(client)
        (handle,) = executor.submit(_task(str, 5))
        assert executor.result(handle) == "5"
        client.gather(others)
    assert "no worker is running a task of this run: they wait behind other work" in ear.reasons[0]


def wait_until_busy(client):
    while sum(map(len, client.processing().values())) < 2:
        time.sleep(0.01)


def test_a_wait_may_have_an_end():
    with cluster() as client:
        executor = ClusterExecutor(client, RUN, timeout=1)
        (handle,) = executor.submit(_task(_through_the_gate))
        with pytest.raises(
            WaitTimeoutError, match=r"no progress for 1 s \(timeout=1\) while .*the training of"
        ):
            executor.result(handle)
        GATE.set()


def test_the_end_is_for_samples_too():
    with cluster(n_workers=0) as client:
        executor = ClusterExecutor(client, RUN, timeout=1)
        told = pytest.raises(WaitTimeoutError, match=r"the samples: .* has no workers")
        with executor.scheduling(), told:
            compute(call(str, 5, key=("survey-" + RUN, 0)))


def test_the_clusters_own_limit_of_waiting():
    limit = dask.config.set({"distributed.scheduler.no-workers-timeout": "1s"})
    with limit, cluster(n_workers=0) as client:
        executor = ClusterExecutor(client, RUN)
        (handle,) = executor.submit(_task(str, 5))
        with pytest.raises(WaitTimeoutError, match=r"within the 1 s that .*no-workers-timeout"):
            executor.result(handle)


def test_a_scheduler_that_is_gone():
    with cluster() as client:
        executor = ClusterExecutor(client, RUN)
        (handle,) = executor.submit(_task(_through_the_gate))
        client.cluster.close()
        with pytest.raises(SchedulerLostError, match="is gone, or has given up this run's tasks"):
            executor.result(handle)
        GATE.set()


def test_a_worker_without_the_package():
    def missing():
        raise ModuleNotFoundError("No module named 'dask_horn'", name="dask_horn")

    with cluster() as client, pytest.raises(HornError, match="no package 'dask_horn'; install"):
        ClusterExecutor(client)._calls._ask(missing, "the workers' answer")


def test_what_a_worker_has_noticed_is_told_by_the_client(caplog):
    message = "The array X in here could not be read at rows 0 to 9 (503); trying again"
    with cluster() as client, caplog.at_level(logging.WARNING, "dask_horn"):
        ear = Ear()
        executor = ClusterExecutor(client, RUN, ear)
        executor.prepare()
        (handle,) = executor.submit(_task(_notice, message))
        executor.result(handle)
        deadline = time.monotonic() + 30
        while not ear.events and time.monotonic() < deadline:
            executor.result(handle)
        (address,) = client.cluster.scheduler.workers
    assert [(event.message, event.worker) for event in ear.events] == [(message, address)]
    assert f"{message} (on {address})" in caplog.messages


def _notice(message):
    tell(StoreRetried(array="X in here", message=message))


@pytest.mark.cluster
def test_the_workers_of_a_stopped_process_are_not_waited_for_at_the_end():
    with cluster(n_workers=2, processes=True) as client:
        pids = client.run(os.getpid)
        os.kill(min(pids.values()), signal.SIGSTOP)
        try:
            X = [[0.0], [1.0]] * 20
            network = horn.Network([horn.Dense(2)], input_shape=1)
            with pytest.raises(WaitTimeoutError, match=r"no progress for 6 s .* no heartbeat"):
                horn.train(network, X, [0, 1] * 20, n_rounds=2, timeout=6)
        finally:
            os.kill(min(pids.values()), signal.SIGCONT)
