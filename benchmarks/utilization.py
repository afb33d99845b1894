"""How busy the workers are: the share of their time in training tasks, and where the rest goes.

python -m benchmarks.utilization --data FOLDER [--full]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from distributed import get_task_stream

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import mnist_network, store_mnist
from benchmarks.report import markdown_table
from benchmarks.workers import local_cluster

N_WORKERS = 2
TASK_SECONDS = 1.0
_GOALS = {"equal": 95.0, "irregular": 92.0}  # percent
#: What a worker's time goes to.
KINDS = {"training": "training tasks", "other": "other tasks", "transfer": "transfers"}


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
    first, last = rounds.ends[0], rounds.ends[-1]
    return {
        **{name: settings[name] for name in ("groups", "submodels", "concentration")},
        "rounds": len(rounds.ends) - 1,
        "steps": steps,
        "wall": last - first,
        "shares": shares(stream.data, N_WORKERS, first, last),
    }


class Rounds(horn.Callback):
    """Notes when each round has ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_round_end(self, record: horn.RoundRecord) -> None:
        """Take the time, as the workers do."""
        self.ends.append(time.time())


def shares(
    stream: list[dict[str, Any]], n_workers: int, first: float, last: float
) -> dict[str, float]:
    """Return which part of the workers' time, from first to last, each kind has taken."""
    seconds = dict.fromkeys(KINDS, 0.0)
    for task in stream:
        key = task["key"]
        name = key[0] if isinstance(key, tuple) else str(key).lstrip("('")
        own = "training" if name.startswith("train-") else "other"
        for part in task["startstops"]:
            kind = "transfer" if part["action"] == "transfer" else own
            seconds[kind] += max(0.0, min(part["stop"], last) - max(part["start"], first))
    return {kind: taken / (n_workers * (last - first)) for kind, taken in seconds.items()}


def render(measured: Measured, plots: Path) -> str:
    """Write the table, and compare with the goals."""
    cases = measured["cases"]
    header = ("G", "K", "concentration", "steps", "s per round",
              *(f"{text}, %" for text in (*KINDS.values(), "waiting")))  # fmt: skip
    return "\n\n".join(
        (
            _INTRODUCTION,
            markdown_table(header, [_row(case) for case in cases]),
            _verdict(cases),
        )
    )


def _row(case: dict[str, Any]) -> tuple[object, ...]:
    busy = case["shares"]
    shown = [*busy.values(), 1 - sum(busy.values())]
    concentration = case["concentration"]
    return (
        case["groups"],
        case["submodels"],
        "∞ (equal)" if concentration is None else concentration,
        case["steps"],
        f"{case['wall'] / case['rounds']:.2f}",
        *(f"{100 * share:.1f}" for share in shown),
    )


def _verdict(cases: list[dict[str, Any]]) -> str:
    """Compare with the goals."""
    lines = []
    for name, goal in _GOALS.items():
        own = [case for case in cases if (case["concentration"] is None) == (name == "equal")]
        found = [100 * case["shares"]["training"] for case in own]
        met = "reached" if min(found) >= goal else "**missed**"
        values = ", ".join(f"{value:.1f}" for value in found)
        lines.append(f"Goal for {name} parts, {goal:g} % in training tasks: {met} ({values}).")
    return " ".join(lines)


_INTRODUCTION = (
    f"MNIST from Zarr, 784-800-800-10, AdamW, on a local cluster of {N_WORKERS} workers of one "
    "thread, which share the machine's two cores with the scheduler and the client. A round's "
    f"steps are chosen so that a training task takes about {TASK_SECONDS:g} s; larger parts take "
    "fewer steps than smaller ones. Other tasks: slices, sums of deltas, the outer step of the "
    "parent's parts, which are stored every five rounds. Shares are of both workers' wall time "
    "from the end of the first round to the end of the last, by Dask's task stream; what is "
    "left is waiting, for the others' training above all."
)

BENCHMARK = Benchmark("utilization", "How busy the workers are", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
