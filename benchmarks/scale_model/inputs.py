"""What the model is fed with, measured: the tasks themselves, Dask's share, and real rounds.

The training tasks are the library's own, called one by one on a worker of a local cluster; Dask's
share is that of the library's graph with tasks in it that do nothing.
"""

from __future__ import annotations

import dataclasses
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np
from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.task_spec import List, Task, TaskRef
from distributed import Client, LocalCluster, wait

import dask_horn as horn
from benchmarks.scale_model.methods import Costs
from dask_horn.cluster import ClusterExecutor, LocalExecutor
from dask_horn.training import Known, TrainingOptions
from dask_horn.training.division import partition_of
from dask_horn.training.graph import (
    initial_parent,
    put_slices,
    round_graph,
    start_graph,
    take_slice,
    train_slice,
)
from dask_horn.training.merge import ARITY, add_partial_sums, step_parent
from dask_horn.training.prepare import make_spec, prepare_data
from dask_horn.training.spec import RunSpec

__all__ = [
    "BATCH",
    "bandwidth_between",
    "busy_costs",
    "cluster_of",
    "costs_of",
    "empty_rounds",
    "real_rounds",
    "seconds_of_chain",
    "sleeping_rounds",
]

N_INPUTS, N_CLASSES, BATCH = 784, 10, 128
_NARROW = 64  # width where nothing is trained
_ROWS = 32 * BATCH
_N_SLEEPING = 3
_SHORT = 2  # steps of one training; another has more, and their difference is steps alone
_SECONDS, _FEWEST, _MOST = 0.3, 10, 300  # of those steps


@contextmanager
def cluster_of(n_workers: int) -> Iterator[Client]:
    """Start workers of one thread on this machine."""
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def costs_of(width: int, n_submodels: int, turns: int) -> dict[str, float]:
    """Time the tasks of 784-width-width-10 in this process; return what makes a `Costs`.

    Medians of so many turns, in each of which everything is timed once; the kernels are loaded
    and the caches filled before.
    """
    short = _spec(width, 1, n_submodels, _SHORT)
    guess = _timed_tasks(short, short, n_submodels)["short"] / _SHORT
    n_steps = _SHORT + int(np.clip(_SECONDS / guess, _FEWEST, _MOST))
    long = _spec(width, 1, n_submodels, n_steps)
    timed: dict[str, list[float]] = {}
    for _ in range(turns):
        for name, seconds in _timed_tasks(short, long, n_submodels).items():
            timed.setdefault(name, []).append(seconds)
    median = {name: float(np.median(values)) for name, values in timed.items()}
    step = (median["long"] - median["short"]) / (n_steps - _SHORT)
    partition = partition_of(short, 0, 0)
    table = short.network.parameters
    slices = [partition.slice_map(table, i).table.size for i in range(n_submodels)]
    costs = Costs(
        parent_size=table.size,
        slice_size=round(sum(slices) / n_submodels),
        partition_bytes=len(pickle.dumps(partition)),
        step=step,
        train=max(0.0, median["short"] - _SHORT * step),
        partition=median["partition"],
        take=median["take"],
        put=median["put"],
        add=median["add"],
        parent=median["parent"],
    )
    return dataclasses.asdict(costs)


def _timed_tasks(short: RunSpec, long: RunSpec, n_submodels: int) -> dict[str, float]:
    """Do each task of a round once; return the seconds of each kind."""
    table, seconds = short.network.parameters, {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = call()
        seconds[name] = time.perf_counter() - began
        return result

    parent = initial_parent(short, 0)
    partition = timed("partition", lambda: partition_of(short, 0, 0))
    start = timed("take", lambda: take_slice(short, parent, partition, 0))
    trained = timed("short", lambda: train_slice(short, start, partition, 0, 0, 0))
    timed("long", lambda: train_slice(long, start, partition, 0, 0, 0))
    report = trained.report
    others = [
        dataclasses.replace(
            trained,
            delta=take_slice(short, parent, partition, i),
            report=dataclasses.replace(report, submodel=i),
        )
        for i in range(n_submodels)
    ]
    total = timed("put", lambda: put_slices(short, partition, others))
    timed("add", lambda: add_partial_sums([total] * ARITY))
    outer = short.rounds[0].outer_step
    timed("parent", lambda: step_parent(table, parent, total, [partition], outer))
    return seconds


def _spec(width: int, n_groups: int, n_submodels: int, steps: int) -> RunSpec:
    network = _network(width)
    options = TrainingOptions.of(**settings(n_groups, n_submodels, steps, 1))
    X, y = _samples(_ROWS)
    data = prepare_data(network, X, y, None, options, Known(), LocalExecutor("sync"), None)
    return make_spec(network, data, options, Known())


def settings(n_groups: int, n_submodels: int, steps: int, n_rounds: int) -> dict[str, Any]:
    """Settings of rounds that are all alike, with equal parts."""
    return {
        "n_groups": n_groups,
        "n_submodels": [n_submodels],
        "n_rounds": n_rounds,
        "steps_per_round": steps,
        "batch_size": BATCH,
        "concentration": None,
        "checkpoint_every": 1000,  # between the rounds that are timed nothing is saved
    }


def _network(width: int) -> horn.Network:
    hidden = [horn.Dense(width, activation="relu") for _ in range(2)]
    return horn.Network([*hidden, horn.Dense(N_CLASSES)], input_shape=N_INPUTS)


def _samples(n: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    X = generator.integers(0, 256, (n, N_INPUTS), dtype=np.uint8)
    return X, np.arange(n) % N_CLASSES


def real_rounds(
    width: int, n_groups: int, n_submodels: int, steps: int, n_rounds: int
) -> list[float]:
    """Train on the current cluster; return the seconds of each round."""
    X, y = _samples(n_groups * 8 * BATCH)
    result = horn.train(_network(width), X, y, **settings(n_groups, n_submodels, steps, n_rounds))
    return [record.seconds for record in result.history]


def empty_rounds(client: Client, n_groups: int, n_submodels: int, n_rounds: int) -> dict[str, Any]:
    """Compute rounds whose tasks do nothing; return seconds per task, of several kinds.

    ``wall`` is what a round takes, the workers being on the same cores; ``busy`` what this
    process, where scheduler and client are, computes for it; ``build`` what the client needs to
    write the graph and to hand it in, before anything runs.
    """
    spec = _spec(_NARROW, n_groups, n_submodels, 1)
    kinds: dict[str, list[float]] = {"wall": [], "busy": [], "build": []}
    n_tasks = 0
    for round in range(n_rounds + 1):
        began = time.perf_counter()
        graph = _round(client, dataclasses.replace(spec, run=_new_run()))
        written = time.perf_counter()
        emptied = _emptied(graph)
        n_tasks = len(emptied.dask)
        handed_in, used_before = time.perf_counter(), time.process_time()
        future = client.compute(emptied, optimize_graph=False)
        submitted = time.perf_counter()
        future.result()
        done, all_used = time.perf_counter(), time.process_time()
        if round:  # in the first, connections are made
            kinds["build"].append((written - began + submitted - handed_in) / n_tasks)
            kinds["wall"].append((done - handed_in) / n_tasks)
            kinds["busy"].append((all_used - used_before) / n_tasks)
    return {"tasks": n_tasks, **kinds}


def sleeping_rounds(
    client: Client, n_groups: int, n_submodels: int, sleep: Mapping[str, float]
) -> float:
    """Compute rounds whose tasks sleep, so that cores do not matter; return seconds per round."""
    spec = _spec(_NARROW, n_groups, n_submodels, 1)
    parent = None
    began = time.perf_counter()
    for _ in range(_N_SLEEPING):
        graph = _round(client, dataclasses.replace(spec, run=_new_run()), parent)
        parent = client.compute(_emptied(graph, sleep), optimize_graph=False)
    wait(parent)
    return (time.perf_counter() - began) / _N_SLEEPING


def _round(client: Client, spec: RunSpec, parent: Any = None) -> Delayed:
    """Return the library's graph of a round, up to its parent, as a run on the cluster has it."""
    executor = ClusterExecutor(client)
    shared, homes = delayed(None, name=f"run-{spec.run}"), executor.placement(1)
    parents = start_graph(spec, shared, homes) if parent is None else (parent,)
    placement = executor.placement(spec.rounds[0].n_groups)
    (after,) = round_graph(spec, shared, parents, 0, placement=placement, homes=homes).parents
    return after


def _emptied(graph: Delayed, sleep: Mapping[str, float] = MappingProxyType({})) -> Delayed:
    """Return a graph with the same keys, needs, places and priorities, of tasks that only sleep."""
    layers = {
        name: MaterializedLayer(
            {key: _sleeper(key, task, sleep) for key, task in layer.items()},
            annotations=layer.annotations,
        )
        for name, layer in graph.dask.layers.items()
    }
    (last,) = graph.__dask_layers__()
    return Delayed(graph.key, HighLevelGraph(layers, graph.dask.dependencies), layer=last)


def _sleeper(key: Any, task: Any, sleep: Mapping[str, float]) -> Task:
    stage = (key[0] if isinstance(key, tuple) else key).partition("-")[0]
    return Task(key, _sleep, sleep.get(stage, 0.0), List(*map(TaskRef, task.dependencies)))


def _new_run() -> str:
    return f"{time.time_ns():x}"


def _sleep(seconds: float, inputs: Sequence[Any]) -> None:
    """Do nothing for some time."""
    if seconds:
        time.sleep(seconds)


def nothing(*inputs: Any) -> None:
    """Do nothing."""


def seconds_of_chain(client: Client, n: int) -> float:
    """Return the seconds of a task that waits for the one before and does nothing."""
    link: Delayed | None = None
    for _ in range(n):
        link = delayed(nothing, pure=False)(link)
    began = time.perf_counter()
    client.compute(link, optimize_graph=False).result()
    return (time.perf_counter() - began) / n


def bandwidth_between(client: Client, n_bytes: int, turns: int) -> list[float]:
    """Send an array from one worker to another; return bytes per second of each turn."""
    one, other = sorted(client.scheduler_info()["workers"])
    measured = []
    for _ in range(turns):
        array = client.submit(np.ones, n_bytes // 8, workers=[one], pure=False)
        wait(array)
        began = time.perf_counter()
        wait(client.submit(nothing, array, workers=[other], pure=False))
        measured.append(n_bytes / (time.perf_counter() - began))
    return measured


def busy_costs(
    client: Client, cases: Sequence[tuple[int, int]], turns: int, together: bool
) -> dict[str, dict[str, float]]:
    """Measure costs on one worker while the others idle, or on all of them at the same time."""
    workers = sorted(client.scheduler_info()["workers"])
    measured = {}
    for width, n_submodels in cases:
        futures = [
            client.submit(costs_of, width, n_submodels, turns, workers=[worker], pure=False)
            for worker in (workers if together else workers[:1])
        ]
        results = client.gather(futures)
        measured[f"{width}/{n_submodels}"] = {
            name: float(np.mean([result[name] for result in results])) for name in results[0]
        }
    return measured
