"""How busy the workers are: the share of their time in kernels, and where the rest goes.

python -m benchmarks.utilization --data FOLDER [--full]
"""

from __future__ import annotations

import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster, get_task_stream
from matplotlib.figure import Figure
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import store_mnist
from benchmarks.report import markdown_table
from dask_horn.program import Execution
from dask_horn.training.tasks import submodel

N_WORKERS = 2
TASK_SECONDS = 1.0
_GOALS = {"equal": 95.0, "irregular": 92.0}  # percent
_TICK = 1e-3  # seconds
#: What a worker's time goes to; the first that holds counts.
KINDS = {
    "kernels": "kernels",
    "training": "rest of training tasks",
    "other": "other tasks",
    "transfer": "transfers",
    "barrier": "waiting for the others' training",
    "between": "between tasks",
}
_COLOURS = ("tab:green", "tab:olive", "tab:blue", "tab:purple", "tab:red", "lightgray")

Interval = tuple[str, str, float, float]  # worker, kind, start, stop
_original = Execution.train
_kernels: list[tuple[float, float]] = []  # of this worker: start and stop of each call


def measure(folder: Path, full: bool) -> Measured:
    """Measure divisions with equal and with irregular parts, each on a fresh cluster."""
    divisions = ((1, 2), (2, 4)) if full else ((1, 2),)
    cases: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        train, _ = store_mnist(folder, Path(scratch))
        for groups, submodels in divisions:
            for concentration, balanced in ((None, True), (100, True), (20, True), (20, False)):
                settings = {
                    "train": train, "groups": groups, "submodels": submodels,
                    "concentration": concentration, "balanced": balanced,
                    "rounds": (30 if full else 10) // groups,
                }  # fmt: skip
                cases.append(run_apart("benchmarks.utilization:work", settings))
                print(_row(cases[-1]))
    return {"cases": cases}


def work(settings: dict[str, Any]) -> dict[str, Any]:
    """Train on a fresh cluster; tell what each worker did when."""
    hidden = [horn.Dense(800, activation="relu") for _ in range(2)]
    network = horn.Network([*hidden, horn.Dense(10)], input_shape=784)
    options = {
        "n_groups": settings["groups"],
        "n_submodels": [settings["submodels"]],
        "concentration": settings["concentration"],
    }
    with (
        LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.run(watch_kernels)
        if not settings["balanced"]:
            client.run(take_equal_steps)
        horn.train(network, settings["train"], n_rounds=2, steps_per_round=20, **options)
        client.run(drain_kernels)
        trial = horn.train(network, settings["train"], n_rounds=1, steps_per_round=100, **options)
        calls = client.run(drain_kernels).values()
        step = sum(stop - start for own in calls for start, stop in own)
        step /= sum(len(group) for group in trial.history[0].losses) * 100
        steps = max(20, round(TASK_SECONDS / step))
        rounds = Rounds()
        with get_task_stream(client) as stream:
            horn.train(
                network, settings["train"], n_rounds=settings["rounds"], steps_per_round=steps,
                callbacks=[rounds], **options,
            )  # fmt: skip
        kernels = client.run(drain_kernels)
    first, last = rounds.ends[0], rounds.ends[-1]
    intervals = _intervals(stream.data, kernels)
    labels, bounds = classify(intervals, sorted(kernels), first, last)
    shown = min(first + 4 * (last - first) / max(1, len(rounds.ends) - 1), last)
    return {
        **{name: settings[name] for name in ("groups", "submodels", "concentration", "balanced")},
        "rounds": len(rounds.ends) - 1,
        "steps": steps,
        "step": step,
        "wall": last - first,
        "shares": [
            {kind: float(np.mean(own == number)) for number, kind in enumerate(KINDS)}
            for own in labels
        ],
        "timeline": [
            [(number, start, stop) for number, start, stop in own if start < shown - first]
            for own in bounds
        ],
    }


class Rounds(horn.Callback):
    """Notes when each round has ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_round_end(self, record: horn.RoundRecord) -> None:
        """Take the time, as the workers do."""
        self.ends.append(time.time())


def watch_kernels() -> None:
    """Note when this worker is in its kernels."""
    Execution.train = timed_train  # type: ignore[method-assign]


def timed_train(self: Execution, *args: Any) -> Any:
    """Train, and note from when to when."""
    start = time.time()
    losses = _original(self, *args)
    _kernels.append((start, time.time()))
    return losses


def drain_kernels() -> list[tuple[float, float]]:
    """Return what has been noted on this worker, and begin anew."""
    noted = list(_kernels)
    _kernels.clear()
    return noted


def take_equal_steps() -> None:
    """Let parts of all sizes take equally many steps on this worker: a plain barrier."""
    submodel.steps_of = lambda spec, partition, round, group, _: spec.rounds[round].steps[group]


def _intervals(
    stream: list[dict[str, Any]], kernels: dict[str, list[tuple[float, float]]]
) -> list[Interval]:
    """Bring the task stream and the kernels' own times together."""
    intervals: list[Interval] = []
    for task in stream:
        key = task["key"]
        name = key[0] if isinstance(key, tuple) else str(key).lstrip("('")
        for part in task["startstops"]:
            kind = "transfer" if part["action"] == "transfer" else "other"
            if kind == "other" and name.startswith("train-"):
                kind = "training"
            intervals.append((task["worker"], kind, part["start"], part["stop"]))
    for worker, calls in kernels.items():
        intervals += [(worker, "kernels", start, stop) for start, stop in calls]
    return intervals


def classify(
    intervals: list[Interval], workers: list[str], first: float, last: float
) -> tuple[NDArray[np.int8], list[list[tuple[int, float, float]]]]:
    """Say what each worker does in each tick, and in which stretches.

    Parameters
    ----------
    intervals : list of (worker, kind, start, stop)
    workers : list of str
    first, last : float
        Of the time that is looked at.

    Returns
    -------
    labels : ndarray, (workers, ticks)
        Numbers of `KINDS`.
    stretches : list of list of (number, start, stop)
        For each worker, in seconds from the first.
    """
    n_ticks = int((last - first) / _TICK)
    kinds = list(KINDS)
    labels = np.full((len(workers), n_ticks), kinds.index("between"), np.int8)
    for kind in ("transfer", "other", "training", "kernels"):  # the later ones prevail
        for worker, own, start, stop in intervals:
            if own == kind:
                a, b = (max(0, round((t - first) / _TICK)) for t in (start, stop))
                labels[workers.index(worker), a:b] = kinds.index(kind)
    # Whoever does nothing while another trains waits for that one.
    trains = labels <= kinds.index("training")
    labels[(labels == kinds.index("between")) & trains.any(axis=0)] = kinds.index("barrier")
    return labels, [_stretches(own) for own in labels]


def _stretches(labels: NDArray[np.int8]) -> list[tuple[int, float, float]]:
    edges = np.flatnonzero(np.diff(labels)) + 1
    bounds = [0, *edges.tolist(), len(labels)]
    return [(int(labels[a]), a * _TICK, b * _TICK) for a, b in pairwise(bounds)]


def render(measured: Measured, plots: Path) -> str:
    """Write the table, compare with the goals, and draw when each worker did what."""
    cases = measured["cases"]
    _plot(cases, plots / "utilization.png")
    header = ("G", "K", "concentration", "steps", "s per round",
              *(f"{text}, %" for text in KINDS.values()))  # fmt: skip
    return "\n\n".join(
        (
            _INTRODUCTION,
            markdown_table(header, [_row(case) for case in cases]),
            _verdict(cases),
            "![What the workers do](plots/utilization.png)",
        )
    )


def _row(case: dict[str, Any]) -> tuple[object, ...]:
    return (
        case["groups"],
        case["submodels"],
        _sizes(case),
        f"{case['steps']} {'on average' if case['balanced'] else 'each'}",
        f"{case['wall'] / case['rounds']:.2f}",
        *(f"{_percent(case, kind):.1f}" for kind in KINDS),
    )


def _sizes(case: dict[str, Any]) -> str:
    return "∞ (equal)" if case["concentration"] is None else str(case["concentration"])


def _percent(case: dict[str, Any], kind: str) -> float:
    return 100 * float(np.mean([own[kind] for own in case["shares"]]))


def _verdict(cases: list[dict[str, Any]]) -> str:
    """Compare what the package does with the goals, and with a plain barrier."""
    lines = []
    for name, goal in _GOALS.items():
        found = [
            _percent(case, "kernels")
            for case in cases
            if case["balanced"] and (case["concentration"] is None) == (name == "equal")
        ]
        met = "reached" if min(found) >= goal else "**missed**"
        values = ", ".join(f"{value:.1f}" for value in found)
        lines.append(f"Goal for {name} parts, {goal:g} % in kernels: {met} ({values}).")
    plain = [_percent(case, "kernels") for case in cases if not case["balanced"]]
    values = ", ".join(f"{value:.1f}" for value in plain)
    lines.append(f"With equally many steps for irregular parts (concentration 20): {values} %.")
    return " ".join(lines)


def _plot(cases: list[dict[str, Any]], path: Path) -> None:
    figure = Figure(figsize=(9, 1.0 + 1.0 * len(cases)), layout="constrained")
    for ax, case in zip(figure.subplots(len(cases), 1, squeeze=False)[:, 0], cases, strict=True):
        for row, stretches in enumerate(case["timeline"]):
            for number, colour in enumerate(_COLOURS):
                spans = [(start, stop - start) for kind, start, stop in stretches if kind == number]
                ax.broken_barh(spans, (row - 0.4, 0.8), facecolors=colour, linewidth=0)
        steps = "" if case["balanced"] else ", equal steps"
        ax.set_title(
            f"G = {case['groups']}, K = {case['submodels']}, concentration {_sizes(case)}{steps}",
            fontsize="small",
        )
        ax.set(yticks=range(N_WORKERS), yticklabels=[f"worker {i}" for i in range(N_WORKERS)])
    ax.set_xlabel("seconds")
    for text, colour in zip(KINDS.values(), _COLOURS, strict=True):
        ax.broken_barh([], (0, 0), facecolors=colour, label=text)
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    figure.savefig(path, dpi=110)


_INTRODUCTION = (
    f"MNIST from Zarr, 784-800-800-10, AdamW, on a local cluster of {N_WORKERS} workers of one "
    "thread, which share the machine's two cores with the scheduler and the client. A round's "
    f"steps are chosen so that a training task takes about {TASK_SECONDS:g} s. Larger parts take "
    "fewer steps than smaller ones; the last rows of each division leave that out, which is a "
    "plain barrier. Kernels: the time within `Execution.train`, measured on the workers. Rest of "
    "training tasks: the program is set up, windows are waited for, the delta is taken. Other "
    "tasks: slices, sums of deltas, the outer step of the parent's parts, which are stored every "
    "five rounds. Shares are of "
    "both workers' wall time from the end of the first round to the end of the last, by the "
    "workers' own clocks and Dask's task stream."
)

BENCHMARK = Benchmark(
    name="utilization",
    title="How busy the workers are",
    measure=measure,
    render=render,
)

if __name__ == "__main__":
    BENCHMARK.command()()
