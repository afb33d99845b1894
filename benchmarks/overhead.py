"""What Dask costs: the library's graph with tasks that do nothing, and rounds that go on and on.

python -m benchmarks.overhead --data FOLDER [--full]
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from distributed import Client
from distributed.deploy.subprocess import SubprocessCluster

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.report import markdown_table
from benchmarks.timing import median_and_spread
from benchmarks.workers import emptied

N_SUBMODELS = 8
N_WORKERS = 2
_FEW, _TURNS = 2, 5  # rounds of a graph, and how often it is built and computed
_GOAL_PER_TASK, _GOAL_BUILDING = 3.0, 0.1  # ms
_MOST_GROWTH = 1.1  # of seconds, between the first and the last fifth of the rounds
_HEADER = (
    "training tasks", "all tasks", "s per empty round", "ms per task", "ms per training task",
    "building, ms per task", "rounds trained", "client, MB", "scheduler, MB",
)  # fmt: skip


def measure(folder: Path, full: bool) -> Measured:
    """Measure rounds of 1,000 training tasks, and of more, each in a fresh process and cluster."""
    cases = ((125, 50), (1250, 6)) if full else ((125, 10), (375, 3))
    measured = []
    for n_groups, n_rounds in cases:
        measured.append(
            run_apart("benchmarks.overhead:work", {"groups": n_groups, "rounds": n_rounds})
        )
        print(f"{n_groups} x {N_SUBMODELS}: {_row(measured[-1])}")
    return {"cases": measured}


def work(settings: dict[str, Any]) -> dict[str, Any]:
    """Do the rounds on a fresh cluster; the first one, which also starts things, is left out."""
    n_groups, n_rounds = settings["groups"], settings["rounds"]
    network = horn.Network([horn.Dense(2 * N_SUBMODELS), horn.Dense(2)], input_shape=4)
    X = np.random.default_rng(0).normal(size=(16 * n_groups, 4)).astype(np.float32)
    y = np.arange(len(X)) % 2
    options = {"n_groups": n_groups, "n_submodels": [N_SUBMODELS], "steps_per_round": 1}
    building, sizes, graphs = [], {}, {}
    for _ in range(_TURNS):
        took = {}
        for rounds in (_FEW, 2 * _FEW):
            began = time.perf_counter()
            graphs[rounds] = horn.training_graph(network, X, y, n_rounds=rounds, **options)
            took[rounds] = time.perf_counter() - began
            sizes[rounds] = len(graphs[rounds].dask)
        building.append(max(0.0, took[2 * _FEW] - took[_FEW]) / _FEW)
    empty = emptied(graphs[_FEW])
    with (
        SubprocessCluster(
            n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(N_WORKERS)
        seconds = []
        for _ in range(_TURNS):
            began = time.perf_counter()
            client.compute(empty, optimize_graph=False).result()
            seconds.append((time.perf_counter() - began) / _FEW)
        watch = Watch(client)
        horn.train(network, X, y, n_rounds=n_rounds, callbacks=[watch], **options)
    return {
        "training_tasks": n_groups * N_SUBMODELS,
        "tasks": (sizes[2 * _FEW] - sizes[_FEW]) // _FEW,
        "seconds": seconds,
        "building": building,
        "round_seconds": watch.seconds[1:],
        "client_bytes": watch.client_bytes[1:],
        "scheduler_bytes": watch.scheduler_bytes[1:],
        "known_tasks": watch.known_tasks[1:],
    }


class Watch(horn.Callback):
    """Notes after each round its seconds, memory, and the tasks that the scheduler knows."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seconds: list[float] = []
        self.client_bytes: list[int] = []
        self.scheduler_bytes: list[int] = []
        self.known_tasks: list[int] = []

    def on_round_end(self, record: horn.RoundRecord) -> None:
        """Take one measurement."""
        gc.collect()
        tasks, memory = self.client.run_on_scheduler(look)
        self.seconds.append(record.seconds)
        self.client_bytes.append(psutil.Process().memory_info().rss)
        self.scheduler_bytes.append(memory)
        self.known_tasks.append(tasks)


def look(dask_scheduler: Any) -> tuple[int, int]:
    """Count the scheduler's tasks and its bytes."""
    return len(dask_scheduler.tasks), psutil.Process().memory_info().rss


def render(measured: Measured, plots: Path) -> str:
    """Write the table, what it says about the goals, and the growth."""
    cases = measured["cases"]
    return "\n\n".join(
        (
            _INTRODUCTION,
            markdown_table(_HEADER, [_row(case) for case in cases]),
            *(_verdict(case) for case in cases),
            _growth(cases[0]),
        )
    )


def _row(case: dict[str, Any]) -> tuple[object, ...]:
    return (
        f"{case['training_tasks']:,}",
        f"{case['tasks']:,}",
        median_and_spread(case["seconds"]),
        median_and_spread(case["seconds"], 2, 1e3 / case["tasks"]),
        median_and_spread(case["seconds"], 2, 1e3 / case["training_tasks"]),
        median_and_spread(case["building"], 3, 1e3 / case["tasks"]),
        len(case["round_seconds"]),
        round(max(case["client_bytes"]) / 1e6),
        round(max(case["scheduler_bytes"]) / 1e6),
    )


def _verdict(case: dict[str, Any]) -> str:
    """Compare with the goals."""
    each = 1e3 * np.median(case["seconds"]) / case["tasks"]
    built = 1e3 * np.median(case["building"]) / case["tasks"]
    return (
        f"{case['training_tasks']:,} training tasks: {each:.2f} ms for each of all tasks "
        f"({_is_met(each, _GOAL_PER_TASK)} of {_GOAL_PER_TASK:g} ms); building the graph "
        f"{built:.3f} ms per task ({_is_met(built, _GOAL_BUILDING)} of {_GOAL_BUILDING:g} ms)."
    )


def _is_met(value: float, goal: float) -> str:
    return "within the goal" if value <= goal else "**missed** the goal"


def _growth(case: dict[str, Any]) -> str:
    """Compare the first fifth of the rounds with the last."""
    seconds, known = case["round_seconds"], case["known_tasks"]
    fifth = max(1, len(seconds) // 5)
    early, late = (np.median(part) for part in (seconds[:fifth], seconds[-fifth:]))
    tasks = [max(part) for part in (known[:fifth], known[-fifth:])]
    memory = ", ".join(
        f"the {who}'s by {(case[f'{who}_bytes'][-1] - case[f'{who}_bytes'][0]) / 1e6:.0f} MB"
        for who in ("client", "scheduler")
    )
    ratio = late / early
    word = "no growth" if ratio <= _MOST_GROWTH and tasks[1] <= tasks[0] else "**growth**"
    return (
        f"From the first fifth of the {len(seconds)} rounds to the last: {word}. A round "
        f"takes {ratio:.2f} times as long; the scheduler knows {tasks[1]:,} tasks at most, after "
        f"{tasks[0]:,}. Memory grew: {memory} (the scheduler keeps a log of its last transitions, "
        "100,000 by Dask's default, and fills it first)."
    )


_INTRODUCTION = (
    f"Rounds of groups of {N_SUBMODELS} sub-models on a scheduler process and {N_WORKERS} worker "
    "processes of one thread that share this machine's two cores with the client. *Empty*: the "
    f"graph of {_FEW} rounds, as `horn.training_graph` writes it, with tasks that do nothing; *all "
    "tasks* counts every task of a round (slices, training, sums of deltas, shares, the parent's "
    "parts, the report), and *building* is by how much longer as many rounds more take to write. "
    "*Trained*: rounds of one step of a tiny network by `horn.train`, the first left out, whose "
    "seconds and memory are watched for growth. Median and quartiles; memory is the most that the "
    "process had after any round."
)

BENCHMARK = Benchmark("overhead", "What Dask costs", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
