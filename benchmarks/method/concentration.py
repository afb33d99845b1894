"""Irregular parts against equal ones: accuracy, and the idle time that a barrier costs.

python -m benchmarks.method.concentration --data FOLDER
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import dask_horn as horn
from benchmarks.datasets import mnist
from benchmarks.method.study import Record, Settings, Study, grouped, mean_and_spread
from benchmarks.report import markdown_table
from dask_horn.cluster import current_executor
from dask_horn.training import Known, TrainingOptions
from dask_horn.training.graph.rounds import begin, round_graph, start_graph
from dask_horn.training.plan.prepare import make_spec, prepare_data
from dask_horn.training.run.rounds import shared_spec
from dask_horn.training.tasks.round_tasks import RoundReport

CONCENTRATIONS = (None, 100, 20, 5)
DIVISIONS = ((1, 4),)
_N_TRAIN = 50_000  # of the 60,000; the rest validates
_N_ROUNDS, _N_SEEDS = 6, 1
_HEADER = (
    "G", "K", "concentration", "validation accuracy, %", "test accuracy, %", "idle, %",
    "largest part / mean",
)  # fmt: skip


def work(folder: Path, settings: Settings) -> dict[str, Any]:
    """Train once; measure accuracies and the workers' idle share."""
    hidden = [horn.Dense(800, activation="relu") for _ in range(2)]
    network = horn.Network([*hidden, horn.Dense(10)], input_shape=784)
    X, y = mnist(folder, "train")
    names = {"groups": "n_groups", "submodels": "n_submodels", "rounds": "n_rounds"}
    options = {names[key]: settings[key] for key in names}
    options |= {"concentration": settings["concentration"], "random_state": settings["seed"]}
    # Once more for the kernels: their loading would count as the first sub-model's time.
    train(network, X[:256], y[:256], **(options | {"n_rounds": 1, "steps_per_round": 1}))
    model, reports = train(network, X[:_N_TRAIN], y[:_N_TRAIN], **options)
    X_test, y_test = mnist(folder, "t10k")
    divided = [report for report in reports if any(one.submodel for one in report.submodels)]
    return {
        "validation": _accuracy(model, X[_N_TRAIN:], y[_N_TRAIN:]),
        "test": _accuracy(model, X_test, y_test),
        "idle": round(100 * idle_share([_seconds(report) for report in divided]), 2),
        # Only when slices are cut is their size told: after that they stay with their workers.
        "largest": round(_largest_part(divided[0]), 4),
        "rounds_divided": len(divided),
    }


def train(
    network: horn.Network, X: Any, y: Any, **settings: Any
) -> tuple[horn.Model, list[RoundReport]]:
    """Train as `dask_horn.train` does, and keep the reports of all sub-models, which it sums up."""
    options = TrainingOptions.of(**settings)
    executor = current_executor()
    with executor.running(()):
        data = prepare_data(network, X, y, None, options, Known(), executor, None)
        spec = make_spec(network, data, options, Known())
        shared = shared_spec(spec)
        parents, _ = begin(executor, start_graph(spec, shared))
        reports = []
        for round in range(options.n_rounds):
            graph = round_graph(spec, shared, parents, round)
            parents, (report,) = begin(executor, graph.parents, graph.report)
            reports.append(executor.result(report))
        parent = executor.result(parents[0].parts[0])
    return horn.Model(network, parent.parameters, spec.standardizer, spec.targets), reports


def idle_share(seconds: Sequence[Sequence[float]]) -> float:
    """Share of the time that workers wait, with one for each part and a barrier after each round.

    Parameters
    ----------
    seconds : sequence of sequence of float
        Of the parts of each round.

    Examples
    --------
    >>> idle_share([[1.0, 3.0], [2.0, 2.0]])
    0.2
    """
    worked = sum(map(sum, seconds))
    there = sum(len(parts) * max(parts) for parts in seconds)
    return 1 - worked / there


def _seconds(report: RoundReport) -> list[float]:
    return [one.seconds for one in report.submodels]


def _largest_part(report: RoundReport) -> float:
    """Bytes of the largest slice over those of the mean one."""
    sizes = [one.bytes_to_worker for one in report.submodels]
    return float(max(sizes) / np.mean(sizes))


def _accuracy(model: horn.Model, X: Any, y: Any) -> float:
    return round(100 * float(np.mean(model.predict(X) == y)), 3)


def render(records: Sequence[Record]) -> str:
    """Write one row for each division and concentration."""
    rows = [
        (
            groups,
            submodels,
            "∞ (equal)" if concentration is None else concentration,
            mean_and_spread(runs, "validation"),
            mean_and_spread(runs, "test"),
            mean_and_spread(runs, "idle", 1),
            mean_and_spread(runs, "largest"),
        )
        for (groups, submodels, concentration), runs in grouped(
            records, "groups", "submodels", "concentration"
        ).items()
    ]
    return f"{_INTRODUCTION}\n\n{markdown_table(_HEADER, rows)}"


_INTRODUCTION = (
    f"MNIST, 784-800-800-10, {_N_TRAIN:,} training images, {_N_ROUNDS} rounds of one pass, "
    f"{_N_SEEDS} seed{'s' * (_N_SEEDS > 1)}, all else default. Idle: the share of their "
    "time that workers wait with one worker for each part and a barrier at each round's end, "
    "from the seconds that each sub-model took; over the rounds that are divided. The cores were "
    "shared with other runs, so equal parts wait too. Largest part: its bytes over the mean part's."
)

STUDY = Study(
    name="concentration",
    title="Irregular parts against equal ones",
    runs=[
        {"groups": groups, "submodels": submodels, "concentration": concentration,
         "rounds": _N_ROUNDS, "seed": seed}
        for groups, submodels in DIVISIONS
        for concentration in CONCENTRATIONS
        for seed in range(_N_SEEDS)
    ],
    work=work,
    render=render,
)  # fmt: skip

if __name__ == "__main__":
    STUDY.command()()
