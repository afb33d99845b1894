"""Rounds of training at points along each axis, each point on a cluster of its own."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from distributed import Client, LocalCluster
from threadpoolctl import threadpool_info

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.datasets import mnist
from benchmarks.method.dividing import peak_memory

BATCH, STEPS = 128, 50
#: What is not varied: along one axis everything else is as here.
BASE = {"groups": 2, "submodels": 4, "width": 512, "samples": 16384, "workers": 1}
AXES: dict[str, tuple[int, ...]] = {
    "groups": (1, 2, 4, 8, 16, 32),
    "submodels": (1, 2, 4, 8, 16, 32),
    "width": (128, 256, 512, 1024, 2048, 4096),
    "samples": (16384, 32768, 65536, 131072, 262144, 524288),
    "workers": (1, 2),
}
QUICK_AXES: dict[str, tuple[int, ...]] = {
    "groups": (1, 2, 4, 16),
    "submodels": (1, 4, 16),
    "width": (128, 512, 2048),
    "samples": (16384, 65536, 262144),
    "workers": (1, 2),
}
#: Where something else is the base: parents are what counts in wide networks only; many samples
#: would take long in them.
_OWN_BASE = {
    "groups": {"width": 1024},
    "submodels": {"width": 1024},
    "samples": {"width": 128},
    "workers": {"width": 1024},
}

Point = dict[str, Any]


def points(full: bool) -> list[Point]:
    """Return all points, in a random order: a machine that drifts must not tilt an axis."""
    listed = [
        {**BASE, **_OWN_BASE.get(axis, {}), axis: value, "axis": axis}
        for axis, values in (AXES if full else QUICK_AXES).items()
        for value in values
    ]
    random.Random(0).shuffle(listed)
    return listed


def measure(folder: Path, full: bool) -> dict[str, Any]:
    """Measure each point in a fresh process."""
    measured = []
    with tempfile.TemporaryDirectory() as scratch:
        for point in points(full):
            store = _store(folder, Path(scratch), point["samples"])
            settings = {**point, "rounds": 6 if full else 3, "store": store}
            found = run_apart("benchmarks.growth.measuring:work", settings)
            measured.append({**point, **found})
            seconds = float(np.mean(found["seconds"]))
            megabytes = found["memory"] / 1e6
            click.echo(
                f"{point['axis']} {point[point['axis']]}: {seconds:.2f} s, {megabytes:.0f} MB"
            )
    return {"points": measured, "full": full}


def work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train on a fresh cluster; measure its rounds, and the workers' peak memory.

    Memory is what a worker has had in use beyond what it had when its kernels were loaded.
    """
    hidden = [horn.Dense(settings["width"], activation="relu") for _ in range(2)]
    network = horn.Network([*hidden, horn.Dense(10)], input_shape=784)
    with (
        LocalCluster(
            n_workers=settings["workers"], threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        small = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(10)], input_shape=784)
        X = np.zeros((256, 784), np.uint8)
        horn.train(small, X, np.arange(256) % 10, n_groups=2, n_rounds=2, steps_per_round=2)
        before = client.run(reset_peak)
        sent_before = sum(client.run(bytes_sent).values())
        result = horn.train(
            network,
            settings["store"],
            n_groups=settings["groups"],
            n_submodels=[settings["submodels"]],
            n_rounds=settings["rounds"],
            steps_per_round=None if settings["axis"] == "samples" else STEPS,
            batch_size=BATCH,
            concentration=None,
            checkpoint_every=1000,
        )
        sent = sum(client.run(bytes_sent).values()) - sent_before
        peaks = client.run(peak_memory)
        blas = client.run(architectures)
    history = list(result.history)
    steady = history[1]  # the parent is cut in the first round and put together after the last
    return {
        "seconds": [record.seconds for record in history],
        "kernel_seconds": [record.kernel_seconds for record in history],
        "bytes": steady.bytes_to_workers + steady.bytes_from_workers,
        "sent": sent / len(history),
        "memory": max(peaks[worker] - before[worker] for worker in peaks),
        "idle": max(before.values()),
        "blas": sorted({name for names in blas.values() for name in names}),
    }


def reset_peak() -> int:
    """Forget this process' peak of memory, as Linux counts it; return what is in use now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def bytes_sent(dask_worker: Any) -> int:
    """Return the bytes that this worker has sent to others, by its own counter."""
    return int(dask_worker.transfer_outgoing_bytes_total)


def architectures() -> list[str]:
    """Return what BLAS has chosen its kernels for."""
    return sorted({info["architecture"] for info in threadpool_info() if "architecture" in info})


def _store(folder: Path, scratch: Path, samples: int) -> str:
    """Write so many images, MNIST's again and again, as Zarr; return where."""
    location = scratch / f"samples-{samples}.zarr"
    if not location.exists():
        X, y = mnist(folder, "train")
        rows = np.arange(samples) % len(X)
        horn.write_samples(location, X[rows], y[rows], chunk_bytes=2**20)
    return str(location)
