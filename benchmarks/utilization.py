"""How busy the workers are: the share of their time in training tasks, and where the rest goes.

python -m benchmarks.utilization --data FOLDER [--full]
"""

from __future__ import annotations

import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from distributed import get_task_stream
from matplotlib.figure import Figure
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import mnist_network, store_mnist
from benchmarks.report import markdown_table
from benchmarks.workers import local_cluster

N_WORKERS = 2
TASK_SECONDS = 1.0
_GOALS = {"equal": 95.0, "irregular": 92.0}  # percent
_TICK = 1e-3  # seconds
#: What a worker's time goes to; the first that holds counts.
KINDS = {
    "training": "training tasks",
    "other": "other tasks",
    "transfer": "transfers",
    "barrier": "waiting for the others' training",
    "between": "between tasks",
}
_COLOURS = ("tab:green", "tab:blue", "tab:purple", "tab:red", "lightgray")

Interval = tuple[str, str, float, float]  # worker, kind, start, stop


def measure(folder: Path, full: bool) -> Measured:
    """Measure divisions with equal and with irregular parts, each on a fresh cluster."""
    divisions = ((1, 2), (2, 4)) if full else ((1, 2),)
    cases: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        train, _ = store_mnist(folder, Path(scratch))
        for groups, submodels in divisions:
            for concentration in (None, 100, 20):
                settings = {
                    "train": train, "groups": groups, "submodels": submodels,
                    "concentration": concentration, "rounds": (30 if full else 10) // groups,
                }  # fmt: skip
                cases.append(run_apart("benchmarks.utilization:work", settings))
                print(_row(cases[-1]))
    return {"cases": cases}


def work(settings: dict[str, Any]) -> dict[str, Any]:
    """Train on a fresh cluster; tell what each worker did when."""
    network, train = mnist_network(800), settings["train"]
    options = {
        "n_groups": settings["groups"],
        "n_submodels": [settings["submodels"]],
        "concentration": settings["concentration"],
    }
    with local_cluster(N_WORKERS) as client:
        horn.train(network, train, n_rounds=2, steps_per_round=20, **options)
        trial = horn.train(network, train, n_rounds=1, steps_per_round=100, **options).history[0]
        step = trial.kernel_seconds / sum(map(len, trial.losses)) / 100
        steps = max(20, round(TASK_SECONDS / step))
        rounds = Rounds()
        with get_task_stream(client) as stream:
            horn.train(
                network, train, n_rounds=settings["rounds"], steps_per_round=steps,
                callbacks=[rounds], **options,
            )  # fmt: skip
        workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
    first, last = rounds.ends[0], rounds.ends[-1]
    labels, bounds = classify(_intervals(stream.data), workers, first, last)
    shown = min(first + 4 * (last - first) / max(1, len(rounds.ends) - 1), last)
    return {
        **{name: settings[name] for name in ("groups", "submodels", "concentration")},
        "rounds": len(rounds.ends) - 1,
        "steps": steps,
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


def _intervals(stream: list[dict[str, Any]]) -> list[Interval]:
    """Read the task stream."""
    intervals: list[Interval] = []
    for task in stream:
        key = task["key"]
        name = key[0] if isinstance(key, tuple) else str(key).lstrip("('")
        for part in task["startstops"]:
            kind = "transfer" if part["action"] == "transfer" else "other"
            if kind == "other" and name.startswith("train-"):
                kind = "training"
            intervals.append((task["worker"], kind, part["start"], part["stop"]))
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
    for kind in ("transfer", "other", "training"):  # the later ones prevail
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
        case["steps"],
        f"{case['wall'] / case['rounds']:.2f}",
        *(f"{_percent(case, kind):.1f}" for kind in KINDS),
    )


def _sizes(case: dict[str, Any]) -> str:
    return "∞ (equal)" if case["concentration"] is None else str(case["concentration"])


def _percent(case: dict[str, Any], kind: str) -> float:
    return 100 * float(np.mean([own[kind] for own in case["shares"]]))


def _verdict(cases: list[dict[str, Any]]) -> str:
    """Compare with the goals."""
    lines = []
    for name, goal in _GOALS.items():
        own = [case for case in cases if (case["concentration"] is None) == (name == "equal")]
        found = [_percent(case, "training") for case in own]
        met = "reached" if min(found) >= goal else "**missed**"
        values = ", ".join(f"{value:.1f}" for value in found)
        lines.append(f"Goal for {name} parts, {goal:g} % in training tasks: {met} ({values}).")
    return " ".join(lines)


def _plot(cases: list[dict[str, Any]], path: Path) -> None:
    figure = Figure(figsize=(9, 1.0 + 1.0 * len(cases)), layout="constrained")
    for ax, case in zip(figure.subplots(len(cases), 1, squeeze=False)[:, 0], cases, strict=True):
        for row, stretches in enumerate(case["timeline"]):
            for number, colour in enumerate(_COLOURS):
                spans = [(start, stop - start) for kind, start, stop in stretches if kind == number]
                ax.broken_barh(spans, (row - 0.4, 0.8), facecolors=colour, linewidth=0)
        ax.set_title(
            f"G = {case['groups']}, K = {case['submodels']}, concentration {_sizes(case)}",
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
    f"steps are chosen so that a training task takes about {TASK_SECONDS:g} s; larger parts take "
    "fewer steps than smaller ones. Other tasks: slices, sums of deltas, the outer step of the "
    "parent's parts, which are stored every five rounds. Shares are of both workers' wall time "
    "from the end of the first round to the end of the last, by Dask's task stream."
)

BENCHMARK = Benchmark(
    name="utilization",
    title="How busy the workers are",
    measure=measure,
    render=render,
)

if __name__ == "__main__":
    BENCHMARK.command()()
