"""What Dask costs: rounds of many training tasks that do nothing.

    python -m benchmarks.overhead --data FOLDER [--full]

The graph, the keys, the loop and its checkpoints are the package's own; only the training itself is
replaced, on the workers, by a function that returns a delta of zeros at once.
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
from matplotlib.figure import Figure

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.report import markdown_table
from benchmarks.timing import median_and_spread
from dask_horn.records import SubmodelReport
from dask_horn.training.graph import rounds as graph
from dask_horn.training.run import rounds
from dask_horn.training.tasks import round_tasks as tasks
from dask_horn.training.tasks.submodel import Trained

N_SUBMODELS = 8
N_WORKERS = 2
_GOAL_PER_TASK, _GOAL_BUILDING = 3.0, 0.1  # ms
_MOST_GROWTH = 1.1  # of seconds, between the first and the last fifth of the rounds
_HEADER = (
    "training tasks", "all tasks", "rounds", "s per round", "ms per task", "ms per training task",
    "building, ms per task", "client, MB", "scheduler, MB",
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
    with (
        SubprocessCluster(
            n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(N_WORKERS)
        client.run(replace_training)
        watch, building = Watch(client), Building()
        rounds.round_graph = building  # type: ignore[assignment]
        try:
            horn.train(
                network, X, y, n_groups=n_groups, n_submodels=[N_SUBMODELS], n_rounds=n_rounds,
                steps_per_round=1, callbacks=[watch],
            )  # fmt: skip
        finally:
            rounds.round_graph = graph.round_graph
    return {
        "training_tasks": n_groups * N_SUBMODELS,
        "tasks": building.tasks,
        "seconds": watch.seconds[1:],
        "building": building.seconds[1:],
        "client_bytes": watch.client_bytes[1:],
        "scheduler_bytes": watch.scheduler_bytes[1:],
        "known_tasks": watch.known_tasks[1:],
    }


def replace_training() -> None:
    """Let the training tasks of this worker do nothing."""
    tasks.train_submodel = no_training


def no_training(
    spec: Any, start: Any, partition: Any, round: int, group: int, submodel: int
) -> Trained:
    """Return zeros, and a report like any other."""
    report = SubmodelReport(group, submodel, 0.0, 1, 0.0, start.nbytes, start.nbytes)
    return Trained(np.zeros_like(start), report)


class Building:
    """Builds a round as `round_graph` does, and notes how long that took and for how many tasks."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.tasks = 0

    def __call__(self, *args: Any, **settings: Any) -> graph.RoundGraph:
        """Build one round."""
        began = time.perf_counter()
        built = graph.round_graph(*args, **settings)
        self.seconds.append(time.perf_counter() - began)
        self.tasks = len(built.report.dask)
        return built


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
    _plot(cases[0], plots / "overhead.png")
    return "\n\n".join(
        (
            _INTRODUCTION,
            markdown_table(_HEADER, [_row(case) for case in cases]),
            *(_verdict(case) for case in cases),
            _growth(cases[0]),
            "![Seconds, memory and tasks by round](plots/overhead.png)",
        )
    )


def _row(case: dict[str, Any]) -> tuple[object, ...]:
    return (
        f"{case['training_tasks']:,}",
        f"{case['tasks']:,}",
        len(case["seconds"]),
        median_and_spread(case["seconds"]),
        median_and_spread(case["seconds"], 2, 1e3 / case["tasks"]),
        median_and_spread(case["seconds"], 2, 1e3 / case["training_tasks"]),
        median_and_spread(case["building"], 3, 1e3 / case["tasks"]),
        round(max(case["client_bytes"]) / 1e6),
        round(max(case["scheduler_bytes"]) / 1e6),
    )


def _verdict(case: dict[str, Any]) -> str:
    """Compare with the goals, counted both ways."""
    seconds, building = np.median(case["seconds"]), np.median(case["building"])
    each, training = (1e3 * seconds / case[what] for what in ("tasks", "training_tasks"))
    built = 1e3 * building / case["tasks"]
    return (
        f"{case['training_tasks']:,} training tasks: {each:.2f} ms for each of all tasks "
        f"({_is_met(each, _GOAL_PER_TASK)} of {_GOAL_PER_TASK:g} ms), {training:.2f} ms if the "
        f"whole round is charged to its training tasks ({_is_met(training, _GOAL_PER_TASK)}); "
        f"building the graph {built:.3f} ms per task ({_is_met(built, _GOAL_BUILDING)} of "
        f"{_GOAL_BUILDING:g} ms)."
    )


def _is_met(value: float, goal: float) -> str:
    return "within the goal" if value <= goal else "**missed** the goal"


def _growth(case: dict[str, Any]) -> str:
    """Compare the first fifth of the rounds with the last."""
    fifth = max(1, len(case["seconds"]) // 5)
    early, late = (np.median(part) for part in (case["seconds"][:fifth], case["seconds"][-fifth:]))
    tasks = [max(part) for part in (case["known_tasks"][:fifth], case["known_tasks"][-fifth:])]
    halves = {
        who: (case[f"{who}_bytes"][len(case["seconds"]) // 2 :], case[f"{who}_bytes"])
        for who in ("client", "scheduler")
    }
    memory = ", ".join(
        f"the {who}'s by {(all_[-1] - all_[0]) / 1e6:.0f} MB, of which "
        f"{(later[-1] - later[0]) / 1e6:.0f} MB in the second half"
        for who, (later, all_) in halves.items()
    )
    ratio = late / early
    word = "no growth" if ratio <= _MOST_GROWTH and tasks[1] <= tasks[0] else "**growth**"
    return (
        f"From the first fifth of the {len(case['seconds'])} rounds to the last: {word}. A round "
        f"takes {ratio:.2f} times as long; the scheduler knows {tasks[1]:,} tasks at most, after "
        f"{tasks[0]:,}. Memory grew: {memory} (the scheduler keeps a log of its last transitions, "
        "100,000 by Dask's default, and fills it first)."
    )


def _plot(case: dict[str, Any], path: Path) -> None:
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    numbers = np.arange(2, len(case["seconds"]) + 2)
    axes = figure.subplots(1, 3)
    for ax, title, lines in (
        (axes[0], "seconds of a round", {"": case["seconds"]}),
        (
            axes[1],
            "memory, MB",
            {who: np.array(case[f"{who}_bytes"]) / 1e6 for who in ("client", "scheduler")},
        ),
        (axes[2], "tasks known to the scheduler", {"": case["known_tasks"]}),
    ):
        for label, values in lines.items():
            ax.plot(numbers, values, marker=".", label=label)
        ax.set(title=title, xlabel="round")
        ax.set_ylim(bottom=0)
        if len(lines) > 1:
            ax.legend()
    figure.savefig(path, dpi=110)


_INTRODUCTION = (
    f"Rounds of groups of {N_SUBMODELS} sub-models by `horn.train`, on a scheduler process and "
    f"{N_WORKERS} worker processes of one thread that share this machine's two cores with the "
    "client. The graph, the loop (three rounds ahead, the lineage cut every five rounds) and all "
    "other tasks are as in any run; the training itself is replaced, on the workers, by a function "
    "that returns zeros, and the network is tiny. *All tasks* counts every task of a round's "
    "graph (slices, training, sums of deltas, shares, the parent's parts, the report). "
    "Seconds are between the ends of successive rounds, the first left out: median and quartiles. "
    "Memory is the most that the process had after any round."
)

BENCHMARK = Benchmark(
    name="overhead",
    title="What Dask costs",
    measure=measure,
    render=render,
)

if __name__ == "__main__":
    BENCHMARK.command()()
