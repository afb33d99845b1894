"""How time, bytes and memory grow as groups, sub-models, width, samples and workers do, each alone.

python -m benchmarks.growth --data FOLDER [--full]
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark
from benchmarks.datasets import mnist, mnist_network
from benchmarks.report import blas_kernels, markdown_table
from benchmarks.workers import local_cluster, peak_memory, reset_peak

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
#: Where something else is the base: parents are what counts in wide networks only; many samples
#: would take long in them.
_OWN_BASE = {
    "groups": {"width": 1024},
    "submodels": {"width": 1024},
    "samples": {"width": 128},
    "workers": {"width": 1024},
}

#: Of decoded rows that a process keeps, and of a window; both in what is counted as memory.
CACHE_BYTES, WINDOW_BYTES = 256 * 2**20, 32 * 2**20

Point = dict[str, Any]


def points(full: bool) -> list[Point]:
    """Return all points, in a random order: a machine that drifts must not tilt an axis."""
    listed = [
        {**BASE, **_OWN_BASE.get(axis, {}), axis: value, "axis": axis}
        for axis, values in AXES.items()
        for value in (values if full or len(values) == 2 else values[::2])
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
            found = run_apart("benchmarks.growth:work", settings)
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
    network = mnist_network(settings["width"])
    with local_cluster(settings["workers"]) as client:
        X = np.zeros((256, 784), np.uint8)
        horn.train(
            mnist_network(8), X, np.arange(256) % 10, n_groups=2, n_rounds=2, steps_per_round=2
        )
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
        blas = client.run(blas_kernels)
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


def bytes_sent(dask_worker: Any) -> int:
    """Return the bytes that this worker has sent to others, by its own counter."""
    return int(dask_worker.transfer_outgoing_bytes_total)


def _store(folder: Path, scratch: Path, samples: int) -> str:
    """Write so many images, MNIST's again and again, as Zarr; return where."""
    location = scratch / f"samples-{samples}.zarr"
    if not location.exists():
        X, y = mnist(folder, "train")
        rows = np.arange(samples) % len(X)
        horn.write_samples(location, X[rows], y[rows], chunk_bytes=2**20)
    return str(location)


QUANTITIES = ("time", "bytes", "memory")
_NAMES = {
    "groups": "groups G",
    "submodels": "sub-models K",
    "width": "width",
    "samples": "samples",
    "workers": "workers",
}
_FEW = 3  # points of an axis below which no exponent is fitted


@dataclass(frozen=True)
class Fit:
    """A power law through points, by least squares of the logarithms."""

    exponent: float
    r2: float  # share of the logarithms' variance that the law explains
    worst: float  # the largest ratio of a point and the law, or of the law and a point


def fit(x: Sequence[float], y: Sequence[float]) -> Fit:
    """Fit a power law."""
    log_x, log_y = np.log(np.asarray(x, float)), np.log(np.asarray(y, float))
    exponent, offset = np.polyfit(log_x, log_y, 1)
    off = log_y - exponent * log_x - offset
    spread = float(np.sum((log_y - log_y.mean()) ** 2))
    r2 = 1 - float(np.sum(off**2)) / spread if spread > 0 else 1.0
    return Fit(float(exponent), r2, float(np.exp(np.abs(off).max())))


def parameters(width: float) -> float:
    """Parameters of 784-width-width-10."""
    return 784 * width + width**2 + 12 * width + 10


def expected(point: Point, quantity: str) -> float:
    """Count what theory says: operations (in units of no matter), or bytes."""
    width, groups, submodels = point["width"], point["groups"], point["submodels"]
    own = parameters(width / submodels)
    rows = point["samples"] / groups
    steps = max(STEPS, -(-rows // BATCH)) if point["axis"] == "samples" else STEPS
    if quantity == "time":
        return groups * submodels * steps * own / point["workers"]
    if quantity == "bytes":  # the first group's sub-models train where the parent's parts stay
        return (groups - 1) * submodels * 2 * 4 * own
    # Decoded rows; and the larger of two: what a round holds, or the end, where the whole parent is
    # put together beside its parts and the last deltas, and copied twice as it is sent to the
    # client. Parents and parts have outer momentum where there are several groups.
    data = point["samples"] * (784 + 4)
    vectors = 2 if groups > 1 else 1
    # The parts; each group's deltas until four are there to be added up, and their sums; a training
    # task's values, gradient, two moments and delta, and its activations with their gradients.
    parts = vectors * submodels * own
    deltas = submodels * own * min(groups, 4) + own * min(groups, 4)
    training = 5 * own + 4 * BATCH * (784 + 2 * width / submodels)
    on_each = (parts + deltas) / point["workers"] + training
    whole = 3 * vectors * parameters(width) + parts + deltas
    return min(data, CACHE_BYTES + 2 * WINDOW_BYTES) + 4 * max(on_each, whole)


def fitted(along: Sequence[Point], quantity: str) -> list[Point]:
    """Return the points where there is something: with one group no slice and no delta travels."""
    return [point for point in along if expected(point, quantity) > 0]


def _grows(along: Sequence[Point], quantity: str) -> bool:
    """Whether theory knows of growth: a law through a constant says nothing."""
    counted = [expected(point, quantity) for point in along]
    return max(counted) > 1.001 * min(counted)


def render(measured: Mapping[str, Any], plots: Path) -> str:
    """Write the section."""
    points = measured["points"]
    rows = []
    for axis in AXES:
        along = _along(points, axis)
        for quantity in QUANTITIES:
            some = fitted(along, quantity)
            if len(some) < _FEW or not _grows(some, quantity):
                continue
            x = [point[axis] for point in some]
            law = fit(x, [value(point, quantity) for point in some])
            theory = fit(x, [expected(point, quantity) for point in some])
            rows.append(
                (
                    _NAMES[axis],
                    f"{x[0]:,} – {x[-1]:,}",
                    quantity,
                    f"{law.exponent:+.2f}",
                    f"{theory.exponent:+.2f}",
                    f"{law.r2:.3f}",
                    f"{100 * (law.worst - 1):.0f} %",
                    f"{fit_of_theory(some, quantity):.2f}",
                )
            )
    header = (
        "axis", "range", "of", "fitted exponent", "of the counted", "R² of the fit",
        "farthest point", "last ÷ first, over counted",
    )  # fmt: skip
    return "\n\n".join(
        (
            _introduction(measured),
            markdown_table(header, rows),
            _reading(points),
            _workers(_along(points, "workers")),
        )
    )


def value(point: Point, quantity: str) -> float:
    """What was measured: seconds of a round, or bytes."""
    if quantity == "time":
        return float(np.mean(point["seconds"]))
    return float(point[quantity])


def fit_of_theory(along: Sequence[Point], quantity: str) -> float:
    """Growth from the first point to the last, over what was counted."""
    first, last = along[0], along[-1]
    grown = value(last, quantity) / value(first, quantity)
    return grown / (expected(last, quantity) / expected(first, quantity))


def _along(points: Sequence[Point], axis: str) -> list[Point]:
    return sorted((point for point in points if point["axis"] == axis), key=lambda p: p[axis])


def _introduction(measured: Mapping[str, Any]) -> str:
    points = measured["points"]
    blas = "/".join(sorted({name for point in points for name in point["blas"]}))
    rounds = len(points[0]["seconds"])
    bases = "; ".join(
        f"along {_NAMES[axis]} {_base_of(points, axis)}" for axis in AXES if _along(points, axis)
    )
    idle = [point["idle"] / 1e6 for point in points]
    return (
        f"784-width-width-10 on MNIST's images (repeated where there are more), equal parts, batch "
        f"{BATCH}, AdamW, {STEPS} steps of each sub-model in a round, or one pass where samples "
        f"grow. One axis at a time, the others fixed ({bases}). Each point is a fresh process and "
        f"a fresh local cluster of one-thread workers, in random order; kernels are loaded before. "
        f"BLAS kernels {blas}, OPENBLAS_CORETYPE unset. Time is the mean of {rounds} rounds. Bytes "
        "are those of the slices and deltas of a steady round, whether or not they cross the "
        "network: of all groups but the first, whose sub-models train where the parent's parts "
        "stay. Memory is a worker's peak in the whole run, beyond what it had with its kernels "
        f"loaded, {min(idle):.0f} to {max(idle):.0f} MB. Exponents are by least squares of the "
        "logarithms; counted are operations of all sub-models, bytes of their parameters, and "
        "bytes of all arrays that are held at a time."
    )


def _base_of(points: Sequence[Point], axis: str) -> str:
    one = _along(points, axis)[0]
    short = {"groups": "G", "submodels": "K"}
    return ", ".join(f"{short.get(name, name)} {one[name]:,}" for name in BASE if name != axis)


def _reading(points: Sequence[Point]) -> str:
    """Say in words what the fits mean; true whatever they are."""
    first, *_, last = _along(points, "submodels")
    count, took = (
        expected(first, "time") / expected(last, "time"),
        value(first, "time") / value(last, "time"),
    )
    moving = fitted(points, "bytes")
    bytes_ok = max(abs(value(p, "bytes") / expected(p, "bytes") - 1) for p in moving)
    memory = [value(p, "memory") / expected(p, "memory") for p in points]
    return (
        "A sub-model has width/K units in each hidden layer: its time and its bytes go as "
        "(width/K)² for the matrix between hidden layers and as width/K for the others; the "
        f"counted exponents mix the two. From K = {first['submodels']} to {last['submodels']} a "
        f"round needs {count:.1f} times fewer operations and took {took:.1f} times less long: what "
        "is missing is lost to smaller, less efficient products and to what each task costs "
        f"besides. Bytes are as counted to {100 * bytes_ok:.2g} %; with one group no slice and no "
        "delta travels, so that point is in no fit of them. The peak of memory was "
        f"{min(memory):.2f} to {max(memory):.2f} of the counted bytes; its exponents are those of "
        "a sum of things that grow and things that do not, and say little beyond their range."
    )


def _workers(along: Sequence[Point]) -> str:
    one, two = along[0], along[-1]
    shares = [100 * sum(p["kernel_seconds"]) / sum(p["seconds"]) / p["workers"] for p in (one, two)]
    return (
        f"Two workers did a round {value(one, 'time') / value(two, 'time'):.2f} times as fast as "
        f"one ({value(one, 'time'):.2f} and {value(two, 'time'):.2f} s), with {shares[0]:.0f} and "
        f"{shares[1]:.0f} % of their time in training tasks. Each held "
        f"{value(two, 'memory') / 1e6:.0f} MB where the one had {value(one, 'memory') / 1e6:.0f}; "
        f"{two['sent'] / 1e6:.1f} MB a round left a worker, by the workers' own counters, the "
        "parent that goes to the client at the end included."
    )


BENCHMARK = Benchmark("growth", "Growth", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
