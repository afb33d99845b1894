"""MNIST, 784-800-800-10, no augmentation, on a local cluster: test accuracy and wall time.

python -m benchmarks.mnist --data FOLDER
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import numpy as np
from distributed import Client, LocalCluster

import dask_horn as horn
from benchmarks.datasets import data_option, mnist, store_mnist
from benchmarks.report import markdown_table, setting, write_section

SETTINGS = {"n_groups": 2, "n_submodels": 2, "n_rounds": 12}


@click.command()
@data_option
@click.option("--seeds", default=3, show_default=True)
@click.option("--workers", default=2, show_default=True)
def main(folder: Path, seeds: int, workers: int) -> None:
    """Train with default settings, G = K = 2, for twelve rounds of one pass."""
    layers = [horn.Dense(800, activation="relu"), horn.Dense(800, activation="relu")]
    network = horn.Network([*layers, horn.Dense(10)], input_shape=784)
    X, y = mnist(folder, "t10k")
    rows = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        train, _ = store_mnist(folder, Path(scratch))
        # Kernels are compiled or loaded here, once; their time is reported by the demo.
        horn.train(network, train, n_rounds=1, steps_per_round=1)
        for seed in range(seeds):
            began = time.perf_counter()
            result = horn.train(network, train, random_state=seed, **SETTINGS)
            seconds = time.perf_counter() - began
            accuracy = 100 * float(np.mean(result.model.predict(X) == y))
            moved = sum(
                record.bytes_to_workers + record.bytes_from_workers for record in result.history
            )
            rows.append((seed, accuracy, seconds, moved / 1e6))
            click.echo(f"seed {seed}: {accuracy:.2f} % in {seconds:.1f} s")
    mean = np.mean(rows, axis=0)
    formatted = [
        (seed, f"{accuracy:.2f}", f"{seconds:.1f}", f"{moved:.0f}")
        for seed, accuracy, seconds, moved in rows
    ]
    formatted.append(("mean", *(f"{value:.{digits}f}" for value, digits in
                                zip(mean[1:], (2, 1, 0), strict=True))))  # fmt: skip
    body = (
        f"{setting('python -m benchmarks.mnist --data FOLDER')}\n\n"
        f"784-800-800-10, relu, no augmentation, no dropout; {SETTINGS}, all else default; "
        f"{workers} workers of one thread; trained on all 60,000 rows from Zarr (uint8, chunks of "
        "1 MiB), tested on the 10,000 once, after the last round. Wall time from the call of "
        "`train` to the model: survey, training, merging; kernels compiled before.\n\n"
        + markdown_table(
            ("seed", "test accuracy, %", "seconds", "MB of slices and deltas moved"), formatted
        )
    )
    write_section("mnist", "MNIST, two groups of two sub-models", body)
    click.echo(f"mean {mean[1]:.2f} % in {mean[2]:.1f} s")


if __name__ == "__main__":
    main()
