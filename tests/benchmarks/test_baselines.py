"""The baselines are what they say: each against the undivided network on the same batches."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

from distributed import Client, LocalCluster

import dask_horn as horn
from benchmarks.baselines.methods import DataParallel, ModelParallel, ParameterServer, cuts
from benchmarks.baselines.network import Layers, initial_values, predicted
from benchmarks.baselines.peers import put_together, train_with
from benchmarks.baselines.rows import Rows, job_of
from benchmarks.baselines.table import verdict
from benchmarks.baselines.wire import SocketCounter, usage_between, worker_state

N_ROWS, N_PASSES = 203, 3


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (N_ROWS, 5), dtype=np.uint8)
    y = np.argmax(X[:, :3], axis=1).astype(np.uint8)
    location = str(tmp_path_factory.mktemp("baselines") / "train.zarr")
    horn.write_samples(location, X, y)
    return job_of(location, (24, 20, 16), N_PASSES, 0, batch_size=32)


class _Beside:
    """A peer in this process, as its Actor would look from another worker."""

    def __init__(self, peer):
        self._peer = peer

    def __getattr__(self, name):
        method = getattr(self._peer, name)

        def call(*args):
            done = Future()
            arrived = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]
            done.set_result(asyncio.run(method(*arrived)))
            return done

        return call


def _train(kind, job, n_workers):
    """Train with workers that are threads; return parameters and outcomes, by rank."""
    peers = [kind(job, rank, n_workers) for rank in range(n_workers)]
    for peer in peers:
        peer.meet([_Beside(other) for other in peers])
    with ThreadPoolExecutor(n_workers) as pool:
        outcomes = list(pool.map(kind.train, peers))
    return put_together(outcomes), outcomes


def _undivided(job, n_workers):
    """Train the whole network on the batches of so many workers, joined."""
    parts = [Rows(job, rank, n_workers) for rank in range(n_workers)]
    n_steps = job.steps_of_pass(job.n_rows)
    start = initial_values(job.widths, job.seed)
    layers = Layers(job.widths, range(len(job.widths) - 1), start, 2 * job.batch_size)
    rates, losses = job.rates(n_steps * job.n_passes), []
    batches = zip(*(part.batches(n_steps, job.n_passes) for part in parts), strict=True)
    for rate, taken in zip(rates, batches, strict=True):
        batch = np.concatenate(
            [part.samples[rows] for part, rows in zip(parts, taken, strict=True)]
        )
        y = [part.targets[rows] for part, rows in zip(parts, taken, strict=True)]
        layers.gather(batch, np.arange(len(batch)), job.mean, job.scale)
        losses.append(layers.forward(len(batch), np.concatenate(y)))
        layers.backward(len(batch))
        layers.update(rate, job.decay(rates.size))
    return layers.parameters, losses


def _assert_same(found, expected, job):
    """Equal up to what AdamW makes of rounding."""
    moved = np.abs(expected - initial_values(job.widths, job.seed)).max()
    assert moved > 0.02
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.01 * moved)


def test_gradients_are_those_of_central_differences(job):
    rows, start = Rows(job), initial_values(job.widths, 1)
    layers = Layers(job.widths, range(4), start, 8)

    def loss(parameters):
        layers.parameters[:] = parameters
        layers.gather(rows.samples, np.arange(8), job.mean, job.scale)
        return layers.forward(8, rows.targets[:8])

    loss(start)
    layers.backward(8)
    found = layers.gradients.copy()
    along = np.random.default_rng(0).normal(size=start.size).astype(np.float32)
    difference = (loss(start + 1e-3 * along) - loss(start - 1e-3 * along)) / 2e-3
    assert found @ along == pytest.approx(difference, rel=0.02)


def test_training_learns(job):
    parameters, losses = _undivided(replace(job, n_passes=40), 1)
    assert losses[-1] < 0.5 * losses[0]
    rows = Rows(job)
    classes = predicted(job.widths, parameters, rows.samples, job.mean, job.scale)
    assert np.mean(classes == rows.targets) > 0.8


@pytest.mark.parametrize("n_workers", [1, 2])
def test_synchronous_data_parallel_is_the_undivided_run_on_the_global_batch(job, n_workers):
    found, outcomes = _train(DataParallel, job, n_workers)
    expected, _ = _undivided(job, n_workers)
    _assert_same(found, expected, job)
    n_steps = N_PASSES * job.steps_of_pass(N_ROWS)
    for outcome in outcomes:
        assert outcome.payload == (n_workers - 1) * n_steps * 4 * found.size
        assert len(outcome.losses) == n_steps


@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_layers_on_several_workers_are_the_undivided_run(job, n_workers):
    found, outcomes = _train(ModelParallel, job, n_workers)
    expected, losses = _undivided(job, 1)
    _assert_same(found, expected, job)
    np.testing.assert_allclose(outcomes[-1].losses, losses, rtol=1e-2)
    widths = [job.widths[own.stop] for own in cuts(job.widths, n_workers)[:-1]]
    payload = sum(outcome.payload for outcome in outcomes)
    assert payload == 2 * 4 * N_ROWS * N_PASSES * sum(widths)


def test_layers_are_dealt_by_their_work():
    assert cuts((100, 100, 100, 100, 9), 2) == [range(0, 2), range(2, 4)]
    with pytest.raises(ValueError, match="5 workers"):
        cuts((100, 100, 100, 100, 9), 5)


def test_a_parameter_server_of_one_worker_is_sequential(job):
    found, (outcome,) = _train(ParameterServer, job, 1)
    expected, losses = _undivided(job, 1)
    _assert_same(found, expected, job)
    np.testing.assert_allclose(outcome.losses, losses, rtol=1e-2)
    assert outcome.payload == 0


def test_a_parameter_server_takes_every_gradient_of_every_worker(job):
    parameters, outcomes = _train(ParameterServer, job, 3)
    numbers = [len(outcome.losses) for outcome in outcomes]
    # The server sends what is fetched at first, and an answer to each gradient of the others.
    assert outcomes[0].payload == (2 + sum(numbers[1:])) * parameters.nbytes
    for outcome, own in zip(outcomes[1:], numbers[1:], strict=True):
        assert outcome.payload == own * parameters.nbytes


@pytest.mark.cluster
def test_actors_on_a_cluster_do_the_same(job):
    expected, _ = _train(DataParallel, job, 2)
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            dashboard_address=":0",
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(SocketCounter())
        before = worker_state(client)
        found, outcomes = train_with(DataParallel, client, job, 2)
        sockets = usage_between(before, worker_state(client))["sockets"]
        np.testing.assert_array_equal(found, expected)
        payload = sum(outcome.payload for outcome in outcomes)
        assert payload < sockets < 1.5 * payload  # these messages are small beside their headers
        train_with(ModelParallel, client, job, 2)
        train_with(ParameterServer, client, job, 2)


def test_a_message_that_never_comes_is_an_error(job, monkeypatch):
    monkeypatch.setattr("benchmarks.baselines.peers._PATIENCE", 0.05)
    with pytest.raises(TimeoutError, match="worker 0"):
        DataParallel(job, 0, 2).receive("never")


@pytest.mark.parametrize(
    ("ours", "accuracy", "times"),
    [(10**6, 98.1, "1000"), (10**8, 98.1, "20"), (10**6, 97.9, None)],
)
def test_bytes_are_compared_where_both_are_as_good(ours, accuracy, times):
    last = {
        "data-parallel": {"accuracy": 98.1, "sockets": 2 * 10**9, "files_read": 10**6},
        "ours-1-2": {"accuracy": accuracy, "sockets": ours, "files_read": 10**6},
    }
    found = re.search(r"(\d+) times as many", verdict(last, 98.0))
    assert (found and found[1]) == times
