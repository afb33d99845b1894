"""One training by one of the methods, on a cluster of its own, with all that it has used up."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.baselines.methods import DataParallel, ModelParallel, ParameterServer
from benchmarks.baselines.network import predicted
from benchmarks.baselines.peers import Peer, train_with
from benchmarks.baselines.rows import job_of
from benchmarks.baselines.wire import SocketCounter, usage_between, worker_state
from benchmarks.datasets import mnist, mnist_network, store_mnist
from benchmarks.workers import local_cluster, reset_peak

__all__ = ["METHODS", "N_WORKERS", "Method", "work"]

N_WORKERS = 2
WIDTH = 800


@dataclass(frozen=True)
class Training:
    """What a method gives and says of itself; 0 is what is Dask's business."""

    predict: Callable[[NDArray[np.uint8]], NDArray[Any]]  # classes of images
    payload: int  # bytes of arrays that it has sent between workers, by its own count
    messages: int = 0  # with them
    steps: int = 0  # of one worker
    waiting: float = 0.0  # seconds of the worker that most sent, or waited for others


@dataclass(frozen=True)
class Method:
    """A way to train on several workers: from client, samples' location, passes and seed."""

    title: str
    train: Callable[[Client, str, int, int], Training]


def _baseline(kind: type[Peer]) -> Callable[[Client, str, int, int], Training]:
    def train(client: Client, location: str, n_passes: int, seed: int) -> Training:
        job = job_of(location, (WIDTH, WIDTH), n_passes, seed)
        parameters, outcomes = train_with(kind, client, job, N_WORKERS)
        return Training(
            lambda X: predicted(job.widths, parameters, X, job.mean, job.scale),
            sum(outcome.payload for outcome in outcomes),
            sum(outcome.messages for outcome in outcomes),
            max(len(outcome.losses) for outcome in outcomes),
            max(outcome.waiting for outcome in outcomes),
        )

    return train


def _ours(n_groups: int, n_submodels: int) -> Callable[[Client, str, int, int], Training]:
    def train(client: Client, location: str, n_passes: int, seed: int) -> Training:
        result = horn.train(
            mnist_network(WIDTH), location, n_groups=n_groups, n_submodels=n_submodels,
            n_rounds=n_passes, random_state=seed,
        )  # fmt: skip
        moved = ("bytes_to_workers", "bytes_from_workers")
        payload = sum(sum(result.history.column(name)) for name in moved)
        return Training(result.model.predict, payload)

    return train


METHODS = {
    "data-parallel": Method("synchronous data-parallel SGD", _baseline(DataParallel)),
    "parameter-server": Method("asynchronous parameter server", _baseline(ParameterServer)),
    "model-parallel": Method("layer-wise model parallelism", _baseline(ModelParallel)),
    "local": Method("local SGD (G=2, K=1)", _ours(2, 1)),
    "ours-2-2": Method("dask_horn, G=2, K=2", _ours(2, 2)),
    "ours-1-4": Method("dask_horn, G=1, K=4", _ours(1, 4)),
    "ours-1-2": Method("dask_horn, G=1, K=2", _ours(1, 2)),
}


def work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train on a fresh cluster; return plain values."""
    folder, scratch = Path(settings["folder"]), Path(settings["scratch"])
    method, n_passes, seed = settings["method"], settings["passes"], settings.get("seed", 0)
    location, _ = store_mnist(folder, scratch)
    with local_cluster(N_WORKERS) as client, tempfile.TemporaryDirectory() as small:
        client.register_plugin(SocketCounter())
        few = f"{small}/train.zarr"  # loads the kernels, and has the workers meet
        X, y = mnist(folder, "train")
        horn.write_samples(few, X[:640], y[:640])
        METHODS[method].train(client, few, 1, 0)
        client.run(reset_peak)
        before = worker_state(client)
        began = time.perf_counter()
        training = METHODS[method].train(client, location, n_passes, seed)
        seconds = time.perf_counter() - began
        usage = usage_between(before, worker_state(client))
    X, y = mnist(folder, "t10k")
    accuracy = float(np.mean(training.predict(X) == y))
    return {
        "method": method,
        "passes": n_passes,
        "accuracy": round(100 * accuracy, 2),
        "seconds": round(seconds, 2),
        "payload": training.payload,
        "messages": training.messages,
        "steps": training.steps,
        "waiting": round(training.waiting, 3),
        **usage,
    }
