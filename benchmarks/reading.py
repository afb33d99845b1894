"""What Zarr costs: training on rows that are decoded anew, against rows that are kept.

    python -m benchmarks.reading --data FOLDER [--full]

A process keeps decoded rows up to a bound. One store has several times as many rows, so nearly all
that a training takes are decoded; the other has so few that after the first round all are kept.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import dask
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, ZstdCodec

import dask_horn as horn
from benchmarks.apart import keep_to_one_core, run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import mnist, mnist_network
from benchmarks.report import markdown_table
from benchmarks.timing import median_and_spread

CODECS: dict[str, Any] = {
    "blosc-lz4": BloscCodec(cname="lz4", shuffle="shuffle"),
    "zstd": ZstdCodec(level=0),
    "none": None,
}
BATCH = 128
WIDTH = 400  # as one of two sub-models of 800: the narrower, the less is computed for each row
CACHE_BYTES = 256 * 2**20  # of decoded rows that a process keeps
_GOAL = 95.0  # percent of the throughput of rows that are kept
_CHUNK_BYTES = 4 * 2**20  # as `horn.write_samples` makes them
_ROUNDS = 3  # of which the first, that fills the cache, does not count
_HEADER = (
    "decoded rows", "cores", "codec", "samples/s, decoded", "kept", "decoded over kept, %",
    "bytes on disk / decoded",
)  # fmt: skip


def measure(folder: Path, full: bool) -> Measured:
    """Measure each codec, in turns with rows that are kept, pinned to one core and not."""
    cases: list[dict[str, Any]] = []
    steps = 600 if full else 300
    for dtype in ("uint8", "float32") if full else ("uint8",):
        row_bytes = 784 * np.dtype(dtype).itemsize
        n_rows = {
            "decoded": (4 if full else 2) * CACHE_BYTES // row_bytes,
            "kept": min(steps * BATCH, CACHE_BYTES // 2 // row_bytes),  # at most a round's
        }
        for codec in CODECS:
            with tempfile.TemporaryDirectory() as scratch:
                stores = {}
                for source, n in n_rows.items():
                    stores[source] = os.fspath(Path(scratch) / f"{source}.zarr")
                    write_rows(stores[source], folder, n, dtype, codec)
                for pinned in (True, False):
                    settings = {
                        "stores": stores, "pinned": pinned, "turns": 3 if full else 2,
                        "steps": steps,
                    }  # fmt: skip
                    found = run_apart("benchmarks.reading:work", settings)
                    cases.append({"codec": codec, "dtype": dtype, "pinned": pinned, **found})
                    print(_row(cases[-1]))
    return {"cases": cases}


def write_rows(store: str, folder: Path, n_rows: int, dtype: str, codec: str) -> None:
    """Write MNIST's training images again and again; the copies differ by a roll of pixels."""
    images, labels = mnist(folder, "train")
    chunk_rows = _CHUNK_BYTES // (images.shape[1] * np.dtype(dtype).itemsize)
    group = zarr.open_group(store, mode="w")
    x = group.create_array(
        "X", shape=(n_rows, 784), dtype=dtype, chunks=(chunk_rows, 784), compressors=CODECS[codec],
        config={"write_empty_chunks": True},
    )  # fmt: skip
    for start in range(0, n_rows, chunk_rows):
        rows = np.arange(start, min(start + chunk_rows, n_rows))
        tile = images[rows % len(images)]
        x[rows[0] : rows[-1] + 1] = np.roll(tile, start // len(images), axis=1).astype(dtype)
    targets = labels[np.arange(n_rows) % len(labels)]
    # Likewise: one chunk, where one for each of X's would be read at half of what X itself costs.
    group.create_array("y", data=targets, chunks=(min(n_rows, _CHUNK_BYTES),))


def train(store: str, steps: int, n_rounds: int = _ROUNDS) -> list[float]:
    """Train in this process; return the samples per second of each round but the first."""
    with dask.config.set(scheduler="synchronous"):
        history = horn.train(
            mnist_network(WIDTH), store, n_submodels=1, n_rounds=n_rounds, steps_per_round=steps,
            batch_size=BATCH, standardize=False,
        ).history  # fmt: skip
    return [record.samples / record.kernel_seconds for record in history[1:]]


def work(settings: dict[str, Any]) -> dict[str, Any]:
    """Time steps on both stores in turns."""
    if settings["pinned"]:
        keep_to_one_core()
    stores = settings["stores"]
    train(stores["kept"], 10)
    measured: dict[str, list[float]] = {source: [] for source in stores}
    for _ in range(settings["turns"]):
        for source, values in measured.items():
            values.append(float(np.mean(train(stores[source], settings["steps"]))))
    x = zarr.open_group(stores["decoded"], mode="r")["X"]
    assert isinstance(x, zarr.Array)
    sizes = {"rows": x.shape[0], "decoded_bytes": x.nbytes, "stored_bytes": x.nbytes_stored()}
    return {**measured, **sizes}


def render(measured: Measured, plots: Path) -> str:
    """Write the table, and compare with the goal."""
    cases = measured["cases"]
    return "\n\n".join(
        (
            _INTRODUCTION,
            markdown_table(_HEADER, [_row(case) for case in cases]),
            *(_verdict(cases, pinned) for pinned in (True, False)),
        )
    )


def _row(case: dict[str, Any]) -> tuple[object, ...]:
    return (
        f"{case['rows']:,} × 784 {case['dtype']}, {case['decoded_bytes'] / 1e6:.0f} MB",
        "one" if case["pinned"] else "all",
        case["codec"],
        *(median_and_spread(case[source], 0) for source in ("decoded", "kept")),
        median_and_spread(_shares(case), 1),
        f"{case['stored_bytes'] / case['decoded_bytes']:.2f}",
    )


def _shares(case: dict[str, Any]) -> NDArray[np.float64]:
    """Percent of the throughput of kept rows that decoded ones have, turn by turn."""
    return 100 * np.array(case["decoded"]) / np.array(case["kept"])


def _verdict(cases: list[dict[str, Any]], pinned: bool) -> str:
    where = "On one core" if pinned else "On all cores"
    own = [case for case in cases if case["pinned"] == pinned]
    shares = {f"{one['codec']}, {one['dtype']}": float(np.median(_shares(one))) for one in own}
    lost = [f"{name} {share:.1f} %" for name, share in shares.items() if share < _GOAL]
    if not lost:
        least = min(shares.values())
        return f"{where}: the goal of {_GOAL:g} % is reached by all (the least: {least:.1f} %)."
    return f"{where}: the goal of {_GOAL:g} % is **missed** by {'; '.join(lost)}."


_INTRODUCTION = (
    f"784-{WIDTH}-{WIDTH}-10, AdamW, batch {BATCH}, one sub-model, trained by `horn.train` in one "
    "process. *Decoded*: rows are MNIST's, copied and shifted until there are several times the "
    f"{CACHE_BYTES / 2**20:.0f} MiB of decoded rows that a process keeps (a part of which the "
    f"survey before has left there), in chunks of {_CHUNK_BYTES / 2**20:.0f} MiB. *Kept*: those of "
    "a store that the first round goes through, from the second round on. Samples per second are "
    "those of the training tasks. Both take turns in one process; median and quartiles. *One "
    "core*: the process, with the thread that reads ahead, is pinned to one, as a worker has where "
    "there is one for each core: reading then takes its time from training. *All*: the reading "
    "thread may run on an idle core. The files are in the page cache of the system: a slow disk or "
    "network is not measured here."
)

BENCHMARK = Benchmark("reading", "What reading from Zarr costs", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
