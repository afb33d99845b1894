"""One training by one of the methods, on a cluster of its own, with all that it has used up."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from dask.highlevelgraph import HighLevelGraph
from distributed import Client, LocalCluster

import dask_horn as horn
from benchmarks.baselines.data_parallel import DataParallel
from benchmarks.baselines.model_parallel import ModelParallel
from benchmarks.baselines.parameter_server import ParameterServer
from benchmarks.baselines.peers import Peer, train_with
from benchmarks.baselines.rows import spec_of
from benchmarks.baselines.wire import SocketCounter, forget_peaks, usage_between, worker_state
from benchmarks.datasets import mnist, store_mnist
from dask_horn.cluster import ClusterExecutor, worker_setup
from dask_horn.model import Model
from dask_horn.records import Callback, RunStart
from dask_horn.training.graph.rounds import round_graph, start_graph
from dask_horn.training.plan.memory import kernels_of
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.run.rounds import shared_spec
from dask_horn.training.tasks.division import partition_of

__all__ = ["METHODS", "N_WORKERS", "Method", "network", "work"]

N_WORKERS = 2


def network(width: int) -> horn.Network:
    """784-width-width-10."""
    hidden = [horn.Dense(width, activation="relu") for _ in range(2)]
    return horn.Network([*hidden, horn.Dense(10)], input_shape=784)


@dataclass(frozen=True)
class Training:
    """What a method gives and says of itself.

    Attributes
    ----------
    model : Model
    payload : int
        Bytes of arrays that it has sent between workers, by its own count.
    messages : int
        Messages with them.
    steps : int
        Optimizer steps of one worker.
    waiting : float
        Seconds of the most communicative worker in which it sent, or waited for others; 0 where
        that is Dask's business.
    """

    model: Model
    payload: int
    messages: int
    steps: int
    waiting: float


@dataclass(frozen=True)
class Method:
    """A way to train on several workers.

    Attributes
    ----------
    title : str
    train : callable
        From client, location of the samples, passes and seed to what came of it.
    needed_by : int
        How many workers need each of the samples for training.
    """

    title: str
    train: Callable[[Client, str, int, int], Training]
    needed_by: int

    @property
    def reads(self) -> float:
        """How often the samples are read in all, in the mean.

        Once for the survey, by whichever worker Dask gives them to, which keeps them; and then by
        those that need them and are not the one that has them.
        """
        return 1 + self.needed_by * (1 - 1 / N_WORKERS)


def _baseline(kind: type[Peer]) -> Callable[[Client, str, int, int], Training]:
    def train(client: Client, location: str, n_passes: int, seed: int) -> Training:
        spec = spec_of(network(800), location, n_passes=n_passes, random_state=seed)
        parameters, outcomes = train_with(kind, client, spec, N_WORKERS)
        return Training(
            Model(spec.network, parameters, spec.standardizer, spec.targets),
            sum(outcome.payload for outcome in outcomes),
            sum(outcome.messages for outcome in outcomes),
            max(len(outcome.losses) for outcome in outcomes),
            max(outcome.waiting for outcome in outcomes),
        )

    return train


def _ours(n_groups: int, n_submodels: int) -> Callable[[Client, str, int, int], Training]:
    def train(client: Client, location: str, n_passes: int, seed: int) -> Training:
        watch = _Watch()
        result = horn.train(
            network(800),
            location,
            n_groups=n_groups,
            n_submodels=n_submodels,
            n_rounds=n_passes,
            random_state=seed,
            callbacks=[watch],
        )
        assert watch.spec is not None, "a run has started"
        crossing = crossing_bytes(watch.spec, client)
        steps = sum(max(plan.steps) for plan in watch.spec.rounds)
        return Training(result.model, sum(crossing), len(crossing), steps, 0.0)

    return train


class _Watch(Callback):
    """Keep what a run has settled."""

    spec: RunSpec | None = None

    def on_run_start(self, start: RunStart) -> None:
        self.spec = start.spec


def crossing_bytes(spec: RunSpec, client: Client) -> list[int]:
    """Bytes of each array that one worker sends another, where all tasks are where they should be.

    By the library's own graph of the run: an output crosses once to each other worker that needs
    it. What is small is left out: partitions, and what sub-models share.
    """
    layers = _graph(spec, client).layers.values()
    places = {
        key: near(key)
        for layer in layers
        if (near := (layer.annotations or {}).get("workers"))
        for key in layer
    }
    crossing = {
        (needed, tuple(places[key]))
        for layer in layers
        for key, task in layer.items()
        for needed in getattr(task, "dependencies", ())
        if key in places and needed in places and places[key] != places[needed]
    }
    sizes = (_bytes_of(spec, key) for key, _ in crossing)
    return [size for size in sizes if size]


def _graph(spec: RunSpec, client: Client) -> HighLevelGraph:
    """Write all rounds of a run, as they are submitted."""
    executor, shared = ClusterExecutor(client), shared_spec(spec)
    homes = executor.placement(spec.n_parents)
    parents = start_graph(spec, shared, homes)
    for round, plan in enumerate(spec.rounds):
        placement = executor.placement(plan.n_groups)
        graph = round_graph(spec, shared, parents, round, placement=placement, homes=homes)
        parents = graph.parents
    return graph.report.dask


def _bytes_of(spec: RunSpec, key: tuple[Any, ...]) -> int:
    """Return the bytes of the parameters in a task's output."""
    stage, table = key[0].removesuffix(f"-{spec.run}"), spec.network.parameters
    whole = 4 * (1 + spec.has_outer_momentum)  # bytes of a parameter that the parent keeps
    if stage in ("start", "parent"):
        return whole * table.size
    if stage in ("partition", "share", "report"):
        return 0
    round, submodel = key[1], key[3]
    size = partition_of(spec, round, 0).table_of(table, submodel).size
    return (whole if stage in ("take", "part") else 4) * size


METHODS = {
    "data-parallel": Method("synchronous data-parallel SGD", _baseline(DataParallel), 1),
    "parameter-server": Method("asynchronous parameter server", _baseline(ParameterServer), 1),
    "model-parallel": Method("layer-wise model parallelism", _baseline(ModelParallel), 1),
    "local": Method("local SGD (G=2, K=1)", _ours(2, 1), 1),
    "ours-2-2": Method("dask_horn, G=2, K=2", _ours(2, 2), 1),
    "ours-1-4": Method("dask_horn, G=1, K=4", _ours(1, 4), N_WORKERS),
    "ours-1-2": Method("dask_horn, G=1, K=2", _ours(1, 2), N_WORKERS),
}


def work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train on a fresh cluster; return plain values."""
    folder, scratch = Path(settings["folder"]), Path(settings["scratch"])
    method, n_passes, seed = settings["method"], settings["passes"], settings.get("seed", 0)
    location, _ = store_mnist(folder, scratch)
    with (
        LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        tempfile.TemporaryDirectory() as small,
    ):
        client.wait_for_workers(N_WORKERS)
        client.register_plugin(SocketCounter())
        _warm_up(client, folder, Path(small), method)
        forget_peaks(client)
        before = worker_state(client)
        began = time.perf_counter()
        training = METHODS[method].train(client, location, n_passes, seed)
        seconds = time.perf_counter() - began
        usage = usage_between(before, worker_state(client))
    X, y = mnist(folder, "t10k")
    accuracy = float(np.mean(training.model.predict(X) == y))
    return {
        "method": method,
        "passes": n_passes,
        "accuracy": round(100 * accuracy, 2),
        "seconds": round(seconds, 2),
        "payload": training.payload + survey_bytes(Path(location)),
        "messages": training.messages,
        "steps": training.steps,
        "waiting": round(training.waiting, 3),
        "read": round(METHODS[method].reads * _stored(Path(location))),
        **asdict(usage),
    }


def _warm_up(client: Client, folder: Path, small: Path, method: str) -> None:
    """Load the kernels, and have the workers meet, with few rows of few features."""
    X, y = mnist(folder, "train")
    horn.write_samples(small / "train.zarr", X[:640], y[:640])
    spec = spec_of(network(8), str(small / "train.zarr"), n_passes=1, batch_size=128)
    client.register_plugin(worker_setup(kernels_of(spec)))
    METHODS[method].train(client, str(small / "train.zarr"), 1, 0)


def survey_bytes(location: Path) -> int:
    """Bytes of the chunks' sums that cross, in the mean: those that are not where they are added.

    A mean and a sum of squares of each feature, float64.
    """
    X = zarr.open_group(location, mode="r")["X"]
    n_chunks, n_features = -(-X.shape[0] // X.chunks[0]), math.prod(X.shape[1:])
    return round(n_chunks * 2 * 8 * n_features * (1 - 1 / N_WORKERS))


def _stored(location: Path) -> int:
    """Bytes of a Zarr group's files."""
    return sum(file.stat().st_size for file in location.rglob("*") if file.is_file())
