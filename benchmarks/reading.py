"""What Zarr costs: training from a store on disk, against the same rows in memory.

    python -m benchmarks.reading --data FOLDER [--full]

The rows are more than the cache of decoded rows keeps, so every pass decodes every chunk anew.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, ZstdCodec

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import mnist
from benchmarks.report import markdown_table
from benchmarks.timing import median_and_spread
from dask_horn.cluster import LocalExecutor
from dask_horn.data import decoded, decoded_row_bytes, forget, window_spans, windows
from dask_horn.data.rows.windows import CACHE_BYTES, WINDOW_BYTES
from dask_horn.training import Known, TrainingOptions
from dask_horn.training.plan.prepare import make_spec, prepare_data
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks import submodel
from dask_horn.training.tasks.division import first_values, partition_of

CODECS: dict[str, Any] = {
    "blosc-lz4": BloscCodec(cname="lz4", shuffle="shuffle"),
    "zstd": ZstdCodec(level=0),
    "none": None,
}
WIDTH = 800
N_SUBMODELS = 2  # the more, the less is computed for each sample that is read
_GOAL = 95.0  # percent of the throughput from memory
_CHUNK_BYTES = 4 * 2**20  # as `horn.write_samples` makes them
_HEADER = (
    "rows", "K", "cores", "codec", "samples/s from Zarr", "from memory",
    "Zarr over memory, %", "bytes on disk / decoded", "peak MB beyond the model: Zarr", "memory",
)  # fmt: skip


def measure(folder: Path, full: bool) -> Measured:
    """Measure each codec in turn with memory, pinned to one core and not."""
    repeats = 10 if full else 7
    cases: list[dict[str, Any]] = []
    for dtype in ("uint8", "float32") if full else ("uint8",):
        n_tiles = repeats if dtype == "uint8" else max(2, repeats // 3)
        for codec in CODECS:
            with tempfile.TemporaryDirectory() as scratch:
                store = Path(scratch) / "rows.zarr"
                write_rows(store, folder, n_tiles, dtype, codec)
                for pinned in (True, False):
                    settings = {
                        "store": os.fspath(store), "codec": codec, "dtype": dtype,
                        "submodels": N_SUBMODELS, "pinned": pinned, "turns": 3 if full else 2,
                        "steps": 600 if full else 400,
                    }  # fmt: skip
                    cases.append(_measure_case(settings))
                    print(_row(cases[-1]))
    return {"cases": cases, "cache": CACHE_BYTES, "window": WINDOW_BYTES}


def _measure_case(settings: dict[str, Any]) -> dict[str, Any]:
    """Time both sources in turns in one process, and their memory each in its own."""
    case = dict(run_apart("benchmarks.reading:work", settings))
    case["peaks"] = {
        source: run_apart("benchmarks.reading:peak", {**settings, "source": source})
        for source in ("zarr", "memory")
    }
    return {**{k: settings[k] for k in ("codec", "dtype", "submodels", "pinned")}, **case}


def write_rows(store: Path, folder: Path, n_tiles: int, dtype: str, codec: str) -> None:
    """Write MNIST's training images again and again; the copies differ by a roll of pixels."""
    images, labels = mnist(folder, "train")
    shape = (n_tiles * len(images), images.shape[1])
    chunk_rows = _CHUNK_BYTES // (images.shape[1] * np.dtype(dtype).itemsize)
    group = zarr.open_group(store, mode="w")
    x = group.create_array(
        "X", shape=shape, dtype=dtype, chunks=(chunk_rows, shape[1]), compressors=CODECS[codec],
        config={"write_empty_chunks": True},
    )  # fmt: skip
    for start in range(0, shape[0], chunk_rows):
        rows = np.arange(start, min(start + chunk_rows, shape[0]))
        tile = images[rows % len(images)]
        x[rows[0] : rows[-1] + 1] = np.roll(tile, start // len(images), axis=1).astype(dtype)
    targets = np.tile(labels, n_tiles)
    # Likewise: one chunk, where one for each of X's would be read at half of what X itself costs.
    group.create_array("y", data=targets, chunks=(min(len(targets), _CHUNK_BYTES),))


def _spec_of(settings: dict[str, Any]) -> RunSpec:
    """Settle the run; the samples are surveyed."""
    hidden = [horn.Dense(WIDTH, activation="relu") for _ in range(2)]
    network = horn.Network([*hidden, horn.Dense(10)], input_shape=784)
    options = TrainingOptions(
        n_submodels=[settings["submodels"]], n_rounds=1, steps_per_round=settings["steps"],
        batch_size=128, concentration=None, standardize=False,
    )  # fmt: skip
    source, known, executor = settings["store"], Known(), LocalExecutor("sync")
    with executor.running(()):
        data = prepare_data(network, source, None, None, options, known, executor, None)
    return make_spec(network, data, options, known)


def _spec_from_afar(settings: dict[str, Any]) -> RunSpec:
    """Have another process survey the samples: what that decodes would count as held already."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        return other.submit(_spec_of, settings).result()


class Run:
    """One sub-model's steps, from the store or from decoded blocks that are all in memory."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.partition = partition_of(self.spec, 0, 0)
        table = spec.network.parameters
        self.start = self.partition.slice_map(table, 0).take(first_values(self.spec, 0))
        self.resident: dict[Any, Any] = {}
        self.n_runs = 0

    def load(self) -> None:
        """Decode all blocks into memory."""
        spec = self.spec
        for block in spec.rounds[0].group_blocks[0]:
            self.resident[block] = decoded(spec.run, spec.samples, block, spec.targets)

    def read_all(self) -> None:
        """Read every window once, so that the cache is as full as it ever gets."""
        spec = self.spec
        row_bytes = decoded_row_bytes(spec.samples, spec.targets)
        spans = window_spans(spec.rounds[0].group_blocks[0], row_bytes)
        for _ in windows(spec.run, spec.samples, spans, spec.targets):
            pass

    def train(self, source: str) -> float:
        """Train; return samples per second of the whole task, its set-up included."""
        submodel.windows = windows if source == "zarr" else self._windows_in_memory
        self.n_runs += 1  # of which each decodes its rows anew
        spec = replace(self.spec, run=f"{self.spec.run}-{self.n_runs}")
        began = time.perf_counter()
        done = submodel.train_submodel(spec, self.start, self.partition, 0, 0, 0)
        forget(spec.run)
        return float(done.report.samples / (time.perf_counter() - began))

    def _windows_in_memory(self, run: str, store: Any, spans: Any, targets: Any) -> Any:
        """Yield the windows that `windows` would, of blocks that are here already."""
        for span in spans:
            yield tuple(self.resident[block] for block in span)


def work(settings: dict[str, Any]) -> dict[str, Any]:
    """Time steps from Zarr and from memory in turns: Z M Z M …."""
    _pin(settings["pinned"])
    run = Run(_spec_of(settings))
    with LocalExecutor("sync").running(()):
        run.load()
        for source in ("memory", "zarr"):
            run.train(source)
        measured: dict[str, list[float]] = {"zarr": [], "memory": []}
        for _ in range(settings["turns"]):
            for source, values in measured.items():
                values.append(run.train(source))
    x = zarr.open_group(settings["store"], mode="r")["X"]
    assert isinstance(x, zarr.Array)
    return {
        **measured,
        "rows": x.shape[0],
        "decoded_bytes": x.nbytes,
        "stored_bytes": x.nbytes_stored(),
    }


def peak(settings: dict[str, Any]) -> dict[str, int]:
    """Return the bytes that training adds, at their peak, to what the process has before."""
    _pin(settings["pinned"])
    run = Run(_spec_from_afar(settings))
    with LocalExecutor("sync").running(()):
        submodel.train_submodel(_short(run), run.start, run.partition, 0, 0, 0)
        before = _memory("VmRSS")
        run.load() if settings["source"] == "memory" else run.read_all()
        run.train(settings["source"])
    return {"before": before, "peak": _memory("VmHWM")}


def _short(run: Run) -> Any:
    """Return the run with one step of one block, so that kernels and arena are there already."""
    plan = run.spec.rounds[0]
    plan = replace(plan, steps=(1,), group_blocks=(plan.group_blocks[0][:1],))
    return replace(run.spec, rounds=(plan,), run=f"{run.spec.run}-short")


def _pin(pinned: bool) -> None:
    if pinned:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _memory(which: str) -> int:
    found = re.search(rf"{which}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found.group(1)) if found else 0


def render(measured: Measured, plots: Path) -> str:
    """Write the table, and compare with the goal."""
    cases = measured["cases"]
    bound = (measured["cache"] + 2 * measured["window"]) / 1e6
    return "\n\n".join(
        (
            _INTRODUCTION,
            markdown_table(_HEADER, [_row(case) for case in cases]),
            *(_verdict(cases, pinned) for pinned in (True, False)),
            _memory_verdict(cases, bound),
        )
    )


def _row(case: dict[str, Any]) -> tuple[object, ...]:
    size = f"{case['rows']:,} × 784 {case['dtype']}, {case['decoded_bytes'] / 1e6:.0f} MB"
    return (
        size,
        case["submodels"],
        "one" if case["pinned"] else "all",
        case["codec"],
        median_and_spread(case["zarr"], 0),
        median_and_spread(case["memory"], 0),
        median_and_spread(_shares(case), 1),
        f"{case['stored_bytes'] / case['decoded_bytes']:.2f}",
        *(round(_added(case, source) / 1e6) for source in ("zarr", "memory")),
    )


def _shares(case: dict[str, Any]) -> NDArray[np.float64]:
    """Percent of the throughput from memory that Zarr has, turn by turn."""
    return 100 * np.array(case["zarr"]) / np.array(case["memory"])


def _added(case: dict[str, Any], source: str) -> int:
    peaks = case["peaks"][source]
    return int(peaks["peak"] - peaks["before"])


def _verdict(cases: list[dict[str, Any]], pinned: bool) -> str:
    where = "On one core" if pinned else "On all cores"
    own = [case for case in cases if case["pinned"] == pinned]
    shares = {_name(case): float(np.median(_shares(case))) for case in own}
    lost = [f"{name} {share:.1f} %" for name, share in shares.items() if share < _GOAL]
    least = min(shares.values())
    if not lost:
        return f"{where}: the goal of {_GOAL:g} % is reached by all (the least: {least:.1f} %)."
    return f"{where}: the goal of {_GOAL:g} % is **missed** by {'; '.join(lost)}."


def _name(case: dict[str, Any]) -> str:
    return f"{case['codec']}, {case['dtype']}, K = {case['submodels']}"


def _memory_verdict(cases: list[dict[str, Any]], bound: float) -> str:
    most = max(_added(case, "zarr") for case in cases) / 1e6
    # Chunks are decoded beside the window, compressed bytes among them.
    word = "within" if most <= 1.25 * bound else "**beyond**"
    return (
        f"Memory: the most that reading added is {most:.0f} MB, {word} a quarter more than the "
        f"cache of decoded rows and two windows, {bound:.0f} MB, however many rows there are."
    )


_INTRODUCTION = (
    f"784-{WIDTH}-{WIDTH}-10, AdamW, batch 128; one of K = {N_SUBMODELS} sub-models, by the "
    "package's own training task: the more there are, the less is computed for each sample that "
    "is read. Rows are MNIST's, copied and "
    f"shifted until they are more than the {CACHE_BYTES / 2**20:.0f} MiB of decoded rows that a "
    f"process keeps; chunks of {_CHUNK_BYTES / 2**20:.0f} MiB, windows of "
    f"{WINDOW_BYTES / 2**20:.0f} MiB. From memory: the same task, blocks, order and kernels, with "
    "all blocks decoded before. Both take turns in one process; median and quartiles. *One "
    "core*: the process, with the thread that reads ahead, is pinned to one, as a worker has "
    "where there is one for each core: reading then takes its time from training. *All*: the "
    "reading thread may run on an idle core. The files are in the page cache of the system: a "
    "slow disk or network is not measured here. Memory is the peak over what the process has "
    "when kernels and arena are there, with every window read once so that the cache is full."
)

BENCHMARK = Benchmark(
    name="reading",
    title="What reading from Zarr costs",
    measure=measure,
    render=render,
)

if __name__ == "__main__":
    BENCHMARK.command()()
