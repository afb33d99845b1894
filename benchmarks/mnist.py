"""MNIST, 784-800-800-10, no augmentation, on a local cluster: test accuracy and wall time.

python -m benchmarks.mnist --data FOLDER [--full]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import numpy as np

import dask_horn as horn
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import mnist, mnist_network, store_mnist
from benchmarks.report import markdown_table
from benchmarks.workers import local_cluster

N_WORKERS = 2
SETTINGS = {"n_groups": 2, "n_submodels": 2, "n_rounds": 12}


def measure(folder: Path, full: bool) -> Measured:
    """Train with default settings, G = K = 2, for twelve rounds of one pass."""
    network = mnist_network(800)
    X, y = mnist(folder, "t10k")
    rows = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        local_cluster(N_WORKERS),
    ):
        train, _ = store_mnist(folder, Path(scratch))
        horn.train(network, train, n_rounds=1, steps_per_round=1)  # kernels are compiled or loaded
        for seed in range(3 if full else 1):
            began = time.perf_counter()
            result = horn.train(network, train, random_state=seed, **SETTINGS)
            seconds = time.perf_counter() - began
            accuracy = 100 * float(np.mean(result.model.predict(X) == y))
            moved = sum(
                record.bytes_to_workers + record.bytes_from_workers for record in result.history
            )
            rows.append([accuracy, seconds, moved / 1e6])
            click.echo(f"seed {seed}: {accuracy:.2f} % in {seconds:.1f} s")
    return {"rows": rows}


def render(measured: Measured, plots: Path) -> str:
    """Write the table: a row for each seed, and their mean."""
    rows = measured["rows"]
    named = [*map(str, range(len(rows))), "mean"]
    cells = [
        (name, f"{accuracy:.2f}", f"{seconds:.1f}", f"{moved:.0f}")
        for name, (accuracy, seconds, moved) in zip(
            named, [*rows, np.mean(rows, axis=0)], strict=True
        )
    ]
    settings = ", ".join(f"{name}={value}" for name, value in SETTINGS.items())
    return (
        f"784-800-800-10, relu, no augmentation, no dropout; {settings}, all else default; "
        f"{N_WORKERS} workers of one thread; trained on all 60,000 rows from Zarr (uint8, chunks "
        "of 1 MiB), tested on the 10,000 once, after the last round. Wall time from the call of "
        "`train` to the model: survey, training, merging; kernels compiled before.\n\n"
        + markdown_table(
            ("seed", "test accuracy, %", "seconds", "MB of slices and deltas moved"), cells
        )
    )


BENCHMARK = Benchmark("mnist", "MNIST, two groups of two sub-models", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
