"""Whether dividing pays at all: groups and sub-models on two workers, at equal samples.

    python -m benchmarks.method.dividing --data FOLDER

Each run has a cluster of its own, so that the workers' peak memory is the run's.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster
from sklearn.model_selection import train_test_split

import dask_horn as horn
from benchmarks.datasets import mnist, store_mnist, table
from benchmarks.method.study import Record, Settings, Study, grouped, mean_and_spread
from benchmarks.report import markdown_table

N_WORKERS = 2
DIVISIONS = ((1, 1), (2, 1), (1, 2), (2, 2), (1, 4), (1, 8))
#: Rounds of one pass each, by the width of MNIST's two hidden layers. An undivided round of
#: 4096 units is 7 · 10¹² operations, minutes of a core, so there are few of them.
ROUNDS = {800: 8, 4096: 1}
_DIGITS_SEEDS = 2
_HEADER = (
    "task", "G", "K", "sub-models by round", "seconds", "accuracy, %", "MB moved",
    "peak MB of a worker",
)  # fmt: skip


def work(folder: Path, settings: Settings) -> dict[str, Any]:
    """Train one division on a fresh cluster; measure time, accuracy, traffic and memory."""
    names = {"groups": "n_groups", "submodels": "n_submodels", "rounds": "n_rounds"}
    options = {names[key]: settings[key] for key in names if key in settings}
    options["random_state"] = settings["seed"]
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        _warm_up(client)
        if settings["data"] == "digits":
            measured, history = _digits(folder, options)
        else:
            measured, history = _mnist(folder, Path(scratch), settings["width"], options)
        peak = max(client.run(peak_memory).values())
    moved = sum(record.bytes_to_workers + record.bytes_from_workers for record in history)
    return {
        **measured,
        "megabytes": round(moved / 1e6, 1),
        "peak_megabytes": round(peak / 1e6),
        "submodels": [record.n_submodels for record in history],
    }


def _mnist(
    folder: Path, scratch: Path, width: int, options: dict[str, Any]
) -> tuple[dict[str, float], horn.History]:
    hidden = [horn.Dense(width, activation="relu") for _ in range(2)]
    network = horn.Network([*hidden, horn.Dense(10)], input_shape=784)
    train, _ = store_mnist(folder, scratch)
    began = time.perf_counter()
    result = horn.train(network, train, **options)
    seconds = time.perf_counter() - began
    X, y = mnist(folder, "t10k")
    accuracy = float(np.mean(result.model.predict(X) == y))
    return {"seconds": round(seconds, 2), "accuracy": round(100 * accuracy, 3)}, result.history


def _digits(folder: Path, options: dict[str, Any]) -> tuple[dict[str, float], horn.History]:
    X, y = table(folder, "digits")
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.2, random_state=options["random_state"], stratify=y
    )
    began = time.perf_counter()
    model = horn.HornClassifier(**options).fit(X, y)
    seconds = time.perf_counter() - began
    accuracy = 100 * model.score(X_test, y_test)
    return {"seconds": round(seconds, 2), "accuracy": round(accuracy, 3)}, model.history_


def _warm_up(client: Client) -> None:
    """Load all kernels on every worker, with a model that needs next to no memory."""
    hidden = [horn.Dense(8, activation="relu"), horn.Dropout(0.1), horn.Dense(8, activation="relu")]
    network = horn.Network([*hidden, horn.Dense(2)], input_shape=2)
    y = np.arange(64) % 2
    for dtype in (np.uint8, np.float64):  # those of the two data sets
        X = np.stack([y, 1 - y], axis=1).astype(dtype)
        horn.train(network, X, y, n_groups=2, n_submodels=2, n_rounds=2, steps_per_round=2)


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory, as Linux counts them."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found.group(1)) if found else 0


def render(records: Sequence[Record]) -> str:
    """Write one row for each task and division."""
    rows = []
    for (data, width, groups, submodels), runs in grouped(
        records, "data", "width", "groups", "submodels"
    ).items():
        task = data if width is None else f"{data} 784-{width}-{width}"
        rows.append(
            (
                task,
                groups,
                submodels,
                run_lengths(runs[0].measured["submodels"]),
                mean_and_spread(runs, "seconds", 1),
                mean_and_spread(runs, "accuracy"),
                mean_and_spread(runs[:1], "megabytes", 0),
                max(run.measured["peak_megabytes"] for run in runs),
            )
        )
    return f"{_INTRODUCTION}\n\n{markdown_table(_HEADER, rows)}"


def run_lengths(numbers: Sequence[int]) -> str:
    """Write 2, 2, 2, 1 as ``3 × 2, 1 × 1``."""
    counted: list[list[int]] = []
    for number in numbers:
        if counted and counted[-1][1] == number:
            counted[-1][0] += 1
        else:
            counted.append([1, number])
    return ", ".join(f"{count} × {number}" for count, number in counted)


_INTRODUCTION = (
    f"A local cluster of {N_WORKERS} workers of one thread, fresh for each run, kernels loaded "
    "before. MNIST: 60,000 training images from Zarr, tested on the 10,000; a round is one pass "
    "of each sub-model over its group's rows, so every run of a task passes over the images "
    f"equally often: {ROUNDS[800]} times at 800 units and, since an undivided round of 4096 "
    f"takes minutes of one core, once at 4096, with one group. digits: "
    f"`HornClassifier` with its defaults but for G and K, {_DIGITS_SEEDS} seeds (mean ± standard "
    "deviation), tested on a stratified fifth; its seconds count the writing of the rows to a "
    "scratch folder. All else is default. The rows of K = 1, but for (1, 1) at 800 units, were "
    "measured at another hour. MB moved are slices that come to sub-models and deltas that go: "
    "none where a part of the parent stays with its worker between rounds."
)


def _runs() -> list[Settings]:
    digits: list[Settings] = [
        {"data": "digits", "groups": groups, "submodels": submodels, "seed": seed}
        for groups, submodels in DIVISIONS
        for seed in range(_DIGITS_SEEDS)
    ]
    return digits + [
        {"data": "MNIST", "width": width, "rounds": rounds, "groups": groups,
         "submodels": submodels, "seed": 0}
        for width, rounds in ROUNDS.items()
        for groups, submodels in DIVISIONS
        if width <= 800 or groups == 1
    ]  # fmt: skip


STUDY = Study(
    name="dividing",
    title="Whether dividing pays",
    runs=_runs(),
    work=work,
    render=render,
    processes=1,
)

if __name__ == "__main__":
    STUDY.command()()
