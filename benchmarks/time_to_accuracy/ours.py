"""dask_horn as a contestant: on a cluster of two workers of one thread, and on Dask's threads.

A run gives the same bits whenever it is repeated. So it is done twice: once on the clock, with
nobody asking for models, and once to look at the parent after each round. That both had the same
losses is checked.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from typing import Any

import dask

import dask_horn as horn
from benchmarks.datasets import mnist_network
from benchmarks.time_to_accuracy.task import Checkpoint, Log, Task
from benchmarks.workers import local_cluster

__all__ = ["on_a_cluster", "on_threads"]


def on_a_cluster(task: Task, seed: int, settings: dict[str, Any], log: Log) -> Iterator[Checkpoint]:
    """Train on a LocalCluster of two worker processes of one thread."""
    store = task.store
    began = time.perf_counter()
    with local_cluster(2) as client:
        log.startup["cluster"] = time.perf_counter() - began
        _warm(task, store, settings, log)
        log.idle_rss = max(client.run(_rss).values())
        seconds, losses = _on_the_clock(task, store, seed, settings, log)
        log.peak_rss = max(client.run(_rss).values())
        yield from _looked_at(task, store, seed, settings, seconds, losses)


def on_threads(task: Task, seed: int, settings: dict[str, Any], log: Log) -> Iterator[Checkpoint]:
    """Train on two of Dask's threads in this process."""
    store = task.store
    with dask.config.set(scheduler="threads", num_workers=2):
        _warm(task, store, settings, log)
        log.idle_rss = _rss()
        seconds, losses = _on_the_clock(task, store, seed, settings, log)
        log.peak_rss = _rss()
        yield from _looked_at(task, store, seed, settings, seconds, losses)


def _warm(task: Task, store: str, settings: dict[str, Any], log: Log) -> None:
    """Load or compile the kernels wherever they run."""
    began = time.perf_counter()
    horn.train(
        mnist_network(task.hidden), store, **{**settings, "n_rounds": 1, "steps_per_round": 4}
    )
    log.startup["first run, of 4 steps"] = time.perf_counter() - began


class _Clock(horn.Callback):
    """Notes when each round is done, and its loss."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.rounds_began = 0.0
        self.seconds: list[float] = []
        self.losses: list[float] = []
        self.kernel_seconds = 0.0

    def on_run_start(self, event: Any) -> None:
        """Note how long the survey of the samples took, and what goes before it."""
        self.rounds_began = time.perf_counter() - self.began

    def on_round_end(self, record: horn.RoundRecord) -> None:
        """Note a round."""
        self.seconds.append(time.perf_counter() - self.began)
        self.losses.append(record.loss)
        self.kernel_seconds += record.kernel_seconds


def _on_the_clock(
    task: Task, store: str, seed: int, settings: dict[str, Any], log: Log
) -> tuple[list[float], list[float]]:
    """Train from the call of `train` on; return when each round was done, and its loss."""
    clock = _Clock()
    horn.train(mnist_network(task.hidden), store, random_state=seed, callbacks=[clock], **settings)
    log.notes["seconds before the first round"] = clock.rounds_began
    log.notes["share in training tasks"] = clock.kernel_seconds / 2 / clock.seconds[-1]
    return clock.seconds, clock.losses


class _Look(horn.Callback):
    """Keeps the parent of each round."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses
        self.models: list[horn.Model] = []

    def on_run_start(self, event: Any) -> None:
        """Keep what fetches models."""
        self.model = event.model

    def on_round_end(self, record: horn.RoundRecord) -> None:
        """Fetch the parent."""
        assert record.loss == self.losses[record.round - 1], "runs repeat bit for bit"
        self.models.append(self.model())


def _looked_at(
    task: Task,
    store: str,
    seed: int,
    settings: dict[str, Any],
    seconds: list[float],
    losses: list[float],
) -> Iterator[Checkpoint]:
    """Train once more, for the parent of each round."""
    look, network = _Look(losses), mnist_network(task.hidden)
    horn.train(network, store, random_state=seed, callbacks=[look], **settings)
    for time_of_round, model in zip(seconds, look.models, strict=True):
        yield Checkpoint(time_of_round, model.predict)


def _rss() -> float:
    """Peak memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
