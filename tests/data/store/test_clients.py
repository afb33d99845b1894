"""What a process does with a client that it cannot use."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys

import dask
import dask.array as da
import numpy as np
import pytest

import dask_horn as horn

X = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
Y = X[:, 0] > 0
NETWORK = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], input_shape=4)


def _lazy():
    return da.from_array(X, chunks=(40, 4)), da.from_array(Y, chunks=40)


def _trained():
    return horn.train(NETWORK, *_lazy(), n_rounds=1).model


def _calls(folder):
    """What waits for results; a model to ask comes from elsewhere."""
    model = _trained()
    return {
        "fit": lambda: horn.HornClassifier(n_rounds=1).fit(X, Y),
        "train": _trained,
        "training_graph": lambda: horn.training_graph(NETWORK, X, Y, n_rounds=1),
        "write_samples": lambda: horn.write_samples(folder / "samples.zarr", *_lazy()),
        "evaluate": lambda: model.evaluate(*_lazy()),
        "calibrate": lambda: model.calibrate(*_lazy()),
    }


@pytest.mark.cluster
def test_an_asynchronous_client_is_told_of_and_used_from_another_thread(tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    calls, alone = _calls(tmp_path), _trained()

    async def ask():
        cluster = LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address=":0",
            asynchronous=True,
        )
        async with cluster, Client(cluster, asynchronous=True):
            for call in calls.values():
                with pytest.raises(TypeError, match=r"asynchronous.*asyncio\.to_thread"):
                    call()
            assert not list(tmp_path.glob("dask-horn-*-*.zarr"))
            assert not (tmp_path / "samples.zarr").exists()
            return await asyncio.to_thread(_trained)

    assert np.array_equal(asyncio.run(ask()).parameters, alone.parameters)


def _in_a_fork():
    """Train in a fork of this process, on its main thread; return the parameters."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    process = fork.Process(target=lambda: there.send(_trained().parameters))
    process.start()
    try:
        assert here.poll(120), "the fork hangs"
        return here.recv()
    finally:
        process.kill()
        process.join()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # of its threads, as here
def test_a_fork_trains_alone(on_threads_and_cluster):
    dask.compute(*_lazy())  # fills Dask's pool with threads, which a fork has not
    parent = _trained()
    assert np.array_equal(_in_a_fork(), parent.parameters)
    assert np.array_equal(_trained().parameters, parent.parameters), f"in {os.getpid()}"
