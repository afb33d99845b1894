"""The same bits, whatever runs the tasks and whatever happens to it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import dask_horn as horn

SETTINGS = {
    "n_groups": 3,
    "n_submodels": 2,
    "n_rounds": 5,
    "steps_per_round": 60,
    "learning_rate": 2e-3,
    "random_state": 7,
}
# Two groups of four sub-models become four of two, and eight of one.
REGROUPED = {**SETTINGS, "n_groups": 2, "n_submodels": [4, 2, 1], "steps_per_round": 200}
REGROUPED["n_rounds"] = 4


@pytest.fixture(scope="module")
def network() -> horn.Network:
    layers = [horn.Dense(48, activation="relu"), horn.Dropout(0.2), horn.Dense(32, "tanh")]
    return horn.Network([*layers, horn.Dense(10)], input_shape=64)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    X, y = load_digits(return_X_y=True)
    location = str(tmp_path_factory.mktemp("data") / "digits.zarr")
    horn.write_samples(location, X, y, chunk_bytes=100 * X[0].nbytes)
    return location


@pytest.fixture(scope="module")
def expected(network: horn.Network, store: str) -> NDArray[np.float32]:
    return horn.train(network, store, **SETTINGS).model.parameters


@pytest.fixture(scope="module")
def regrouped(network: horn.Network, store: str) -> NDArray[np.float32]:
    result = horn.train(network, store, **REGROUPED)
    assert result.history.column("n_groups") == [2, 4, 8, 8]
    return result.model.parameters


@contextmanager
def own_cluster(n_workers: int) -> Iterator[Client]:
    """A cluster of this size, for one test alone."""
    settings = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    with LocalCluster(n_workers=n_workers, **settings) as cluster, Client(cluster) as client:
        yield client


class During(horn.Callback):
    """Does something once, when a round is done."""

    def __init__(self, round: int, action) -> None:
        self.round, self.action = round, action

    def on_round_end(self, record: horn.RoundRecord) -> None:
        if record.round == self.round:
            self.action()


@pytest.mark.parametrize("scheduler", ["threads", "sync"])
def test_dasks_own_schedulers_agree(network, store, expected, regrouped, scheduler):
    with dask.config.set(scheduler=scheduler):
        model = horn.train(network, store, **SETTINGS).model
        again = horn.train(network, store, **REGROUPED).model
    assert np.array_equal(model.parameters, expected)
    assert np.array_equal(again.parameters, regrouped)


@pytest.mark.cluster
@pytest.mark.parametrize("n_workers", [1, 4])  # and two workers in the tests below
def test_clusters_of_any_size_agree(n_workers, network, store, expected, regrouped):
    with own_cluster(n_workers):
        model = horn.train(network, store, **SETTINGS).model
        again = horn.train(network, store, **REGROUPED).model
    assert np.array_equal(model.parameters, expected)
    assert np.array_equal(again.parameters, regrouped)


@pytest.mark.cluster
def test_a_worker_killed_in_mid_round_changes_nothing(network, store, expected):
    with own_cluster(2) as client:

        def kill_soon() -> None:
            pid = client.run(os.getpid)[min(client.scheduler_info()["workers"])]
            threading.Timer(0.05, os.kill, (pid, signal.SIGKILL)).start()

        settings = {**SETTINGS, "checkpoint_every": 2}
        model = horn.train(network, store, callbacks=[During(2, kill_soon)], **settings).model
    assert np.array_equal(model.parameters, expected)


def test_a_stopped_run_goes_on_to_the_same_bits(client, network, store, expected, tmp_path):
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    settings = {**SETTINGS, "checkpoint": tmp_path / "run.zarr", "checkpoint_every": 1}
    with pytest.raises(Stopped):
        horn.train(network, store, callbacks=[During(3, stop)], **settings)
    rounds = []
    result = horn.train(network, store, callbacks=[During(4, lambda: rounds.append(4))], **settings)
    assert rounds == [4]
    assert result.history.column("round") == [1, 2, 3, 4, 5]
    assert np.array_equal(result.model.parameters, expected)


def test_ctrl_c_keeps_the_checkpoint_and_the_run_goes_on(network, store, expected, tmp_path):
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)

    settings = {**SETTINGS, "checkpoint": tmp_path / "run.zarr"}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            horn.train(network, store, callbacks=[During(2, interrupt)], **settings)
    finally:
        signal.signal(signal.SIGINT, before)
    result = horn.train(network, store, **settings)
    assert len(result.history) == 5
    assert np.array_equal(result.model.parameters, expected)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_a_run_goes_on_across_its_regrouping(network, store, regrouped, tmp_path, rounds):
    def stop() -> None:
        raise StopIteration

    settings = {**REGROUPED, "checkpoint": tmp_path / "run.zarr"}
    stopped = horn.train(network, store, callbacks=[During(rounds, stop)], **settings)
    assert len(stopped.history) == rounds
    result = horn.train(network, store, **settings)
    assert result.history.column("n_groups") == [2, 4, 8, 8]
    assert np.array_equal(result.model.parameters, regrouped)


@pytest.fixture(scope="module")
def spooled(network: horn.Network) -> NDArray[np.float32]:
    return horn.train(network, *load_digits(return_X_y=True), **SETTINGS).model.parameters


def test_spooled_arrays_train_alike_on_threads_and_on_a_cluster(network, spooled, client):
    there = horn.train(network, *load_digits(return_X_y=True), **SETTINGS).model.parameters
    assert np.array_equal(there, spooled)
