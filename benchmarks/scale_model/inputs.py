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

import dask
import numpy as np
from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.task_spec import List, Task, TaskRef
from distributed import Client, LocalCluster, wait

import dask_horn as horn
from benchmarks.scale_model.methods import Costs
from dask_horn.cluster import ClusterExecutor, LocalExecutor
from dask_horn.training import Known, TrainingOptions
from dask_horn.training.graph.rounds import RoundGraph, begin, round_graph, start_graph
from dask_horn.training.graph.stages import Parent
from dask_horn.training.plan.prepare import make_spec, prepare_data
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.division import partition_of
from dask_horn.training.tasks.merge import PART_ARITY, ParentState, add_deltas
from dask_horn.training.tasks.round_tasks import (
    initial_parent,
    next_part,
    share_deltas,
    slice_of,
    take_slice,
    train_part,
)
from dask_horn.training.tasks.submodel import Trained

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
_MANY = 1000  # reports
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
    return dataclasses.asdict(
        Costs(
            **_sizes(short, n_submodels),
            step=step,
            train=max(0.0, median["short"] - _SHORT * step),
            slice=median["slice"],
            add=median["add"],
            share=median["share"],
            part=median["part"],
        )
    )


def _sizes(spec: RunSpec, n_submodels: int) -> dict[str, Any]:
    """Return what a mean sub-model has and sends."""
    partition, table = partition_of(spec, 0, 0), spec.network.parameters
    sizes = [partition.table_of(table, i).size for i in range(n_submodels)]
    part = take_slice(spec, initial_parent(spec, 0), partition, 0)
    trained = train_part(spec, slice_of(part), 0, 0, 0, True, True)
    few, many = (_share_bytes(spec, part, trained, n) for n in (1, _MANY + 1))
    reports = (many - few) / _MANY
    size = round(sum(sizes) / n_submodels)
    n_bytes = 4.0 * size
    return {
        "size": size,
        "slice_bytes": n_bytes,
        "delta_bytes": n_bytes,
        "share_bytes": few - reports,
        "report_bytes": reports,
    }


def _share_bytes(spec: RunSpec, part: ParentState, trained: Trained, n_groups: int) -> int:
    """Return the bytes of what a sub-model tells the others, as it is sent."""
    report = trained.report
    found = [
        dataclasses.replace(trained, report=dataclasses.replace(report, group=group))
        for group in range(n_groups)
    ]
    return len(pickle.dumps(share_deltas(spec, part, 0, found)))


def _timed_tasks(short: RunSpec, long: RunSpec, n_submodels: int) -> dict[str, float]:
    """Do each task of a round once; return the seconds of each kind."""
    seconds = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = call()
        seconds[name] = time.perf_counter() - began
        return result

    part = take_slice(short, initial_parent(short, 0), partition_of(short, 0, 0), 0)
    start = timed("slice", lambda: slice_of(part))
    trained = timed("short", lambda: train_part(short, start, 0, 0, 0, True, True))
    timed("long", lambda: train_part(long, start, 0, 0, 0, True, True))
    timed("add", lambda: add_deltas([trained] * PART_ARITY))
    share = timed("share", lambda: share_deltas(short, part, 0, [trained]))
    shares = [share] * n_submodels
    timed("part", lambda: next_part(short, part, 0, 0, [trained], shares))
    return seconds


def _spec(width: int, n_groups: int, n_submodels: int, steps: int, n_rounds: int = 2) -> RunSpec:
    """Settle a run on a few samples; the last of its rounds is no steady one."""
    network = _network(width)
    options = TrainingOptions.of(**settings(n_groups, n_submodels, steps, n_rounds))
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
        "outer_learning_rate": 0.7,  # the default of several groups; the costs' run has one
        "outer_momentum": 0.7,
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
    """Train on the current cluster; return the seconds of so many steady rounds."""
    batches = max(8, min(steps, _ROWS // BATCH))  # of a group: as few passes as the costs' run has
    X, y = _samples(n_groups * batches * BATCH)
    options = settings(n_groups, n_submodels, steps, n_rounds + 1)
    result = horn.train(_network(width), X, y, **options)
    return [record.seconds for record in result.history[1:]]  # in the first the parent is cut


class _Emptied:
    """The steady rounds of a run on the cluster, the tasks of which do nothing, or sleep."""

    def __init__(self, client: Client, spec: RunSpec, sleep: Mapping[str, float]) -> None:
        self.executor = ClusterExecutor(client)
        self.spec = spec
        self.sleep = sleep
        self.shared = client.compute(delayed(None, name=f"run-{spec.run}"))
        lazy = start_graph(spec, self.shared, self.executor.placement(1))
        self.parents, _ = begin(self.executor, emptied(RoundGraph(lazy, *lazy[0].parts)).parents)
        self.round = 0

    def write(self) -> RoundGraph:
        """Write the graph of the next round, as the library does."""
        n_groups = self.spec.rounds[0].n_groups
        return round_graph(
            self.spec,
            self.shared,
            self.parents,
            self.round,
            placement=self.executor.placement(n_groups),
            homes=self.executor.placement(1),
        )

    def submit(self, graph: RoundGraph) -> Any:
        """Submit what `emptied` has made of it; return the future of its report."""
        self.parents, (report,) = begin(self.executor, graph.parents, graph.report)
        self.round += 1
        return report

    def begun(self) -> None:
        """Do the first round, in which the parent is cut and connections are made."""
        self.submit(emptied(self.write())).result()
        self.wait()

    def wait(self) -> None:
        """Wait for the parts."""
        wait([part for parent in self.parents for part in parent.parts])


def empty_rounds(client: Client, n_groups: int, n_submodels: int, n_rounds: int) -> dict[str, Any]:
    """Compute rounds whose tasks do nothing; return seconds per task, of several kinds.

    ``wall`` is what a round takes, the workers being on the same cores; ``busy`` what this
    process, where scheduler and client are, computes for it; ``build`` what the client needs to
    write the graph and to hand it in, before anything runs.
    """
    spec = _spec(_NARROW, n_groups, n_submodels, 1, n_rounds + 2)
    kinds: dict[str, list[float]] = {"wall": [], "busy": [], "build": []}
    rounds = _Emptied(client, spec, {})
    rounds.begun()
    n_tasks = 0
    for _ in range(n_rounds):
        began = time.perf_counter()
        graph = rounds.write()
        written = time.perf_counter()
        graph = emptied(graph)
        n_tasks = len(graph.report.dask)
        handed_in, used_before = time.perf_counter(), time.process_time()
        rounds.submit(graph)
        submitted = time.perf_counter()
        rounds.wait()
        done, all_used = time.perf_counter(), time.process_time()
        kinds["build"].append((written - began + submitted - handed_in) / n_tasks)
        kinds["wall"].append((done - handed_in) / n_tasks)
        kinds["busy"].append((all_used - used_before) / n_tasks)
    return {"tasks": n_tasks, **kinds}


def sleeping_rounds(
    client: Client, n_groups: int, n_submodels: int, sleep: Mapping[str, float]
) -> float:
    """Compute rounds whose tasks sleep, so that cores do not matter; return seconds per round."""
    spec = _spec(_NARROW, n_groups, n_submodels, 1, _N_SLEEPING + 2)
    rounds = _Emptied(client, spec, sleep)
    rounds.begun()
    began = time.perf_counter()
    for _ in range(_N_SLEEPING):
        rounds.submit(emptied(rounds.write(), sleep))
    rounds.wait()
    return (time.perf_counter() - began) / _N_SLEEPING


def emptied(graph: RoundGraph, sleep: Mapping[str, float] = MappingProxyType({})) -> RoundGraph:
    """Return a round with the same keys, needs, places and priorities, of tasks that only sleep."""
    layers = {
        name: MaterializedLayer(
            {key: _sleeper(key, task, sleep) for key, task in layer.items()},
            annotations=layer.annotations,
        )
        for name, layer in graph.report.dask.layers.items()
    }
    asleep = HighLevelGraph(layers, graph.report.dask.dependencies)
    return RoundGraph(
        tuple(
            Parent(tuple(_lazy(part, asleep) for part in parent.parts), parent.divided)
            for parent in graph.parents
        ),
        _lazy(graph.report, asleep),
    )


def _lazy(handle: Delayed, graph: HighLevelGraph) -> Delayed:
    (layer,) = handle.__dask_layers__()
    return Delayed(handle.key, graph, layer=layer)


def _sleeper(key: Any, task: Any, sleep: Mapping[str, float]) -> Task:
    stage = (key[0] if isinstance(key, tuple) else key).partition("-")[0]
    return Task(key, _sleep, sleep.get(stage, 0.0), List(*map(TaskRef, task.dependencies)))


def _sleep(seconds: float, inputs: Sequence[Any]) -> None:
    """Do nothing for some time."""
    if seconds:
        time.sleep(seconds)


def nothing(*inputs: Any) -> None:
    """Do nothing."""


def seconds_of_chain(client: Client, n: int, n_workers: int = 1) -> float:
    """Return the seconds of a task that waits for the one before and does nothing.

    With several workers it is never on the worker of the one before, whose result it fetches.
    """
    workers = sorted(client.scheduler_info()["workers"])[:n_workers]
    link: Delayed | None = None
    for i in range(n):
        with dask.annotate(workers=[workers[i % n_workers]]):
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
