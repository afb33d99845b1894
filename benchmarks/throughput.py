"""Throughput of a training step of dense networks beside PyTorch, scikit-learn and BLAS alone.

python -m benchmarks.throughput --data FOLDER [--full]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import click
import numpy as np

import dask_horn as horn
from benchmarks.apart import HASWELL, UNSET, keep_to_one_core, run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.floors import blas_floor, n_operations, products_of
from benchmarks.operations import RATE, Call, Step
from benchmarks.report import blas_kernels, markdown_table
from benchmarks.timing import best_of, geometric_mean, in_turns, judged, over_best, ratio
from benchmarks.torch_steps import dense_model, torch_step

STEPS, N_SAMPLES = 4, 4096
NETWORKS = (
    ((64, 64, 64, 10), 32),
    ((784, 100, 100, 10), 64),
    ((784, 200, 200, 10), 128),
    ((784, 800, 800, 10), 128),
    ((784, 2048, 2048, 10), 128),
    ((4096, 1024, 1024, 35), 128),
    ((54, 256, 256, 7), 256),
)
ENVIRONMENTS = {"unset": UNSET, "Haswell": HASWELL}
_TORCH = ("eager", "fused", "compiled")
_HEADER = (
    "network", "batch", "optimizer", "dropout", "ours, samples/s", "× PyTorch's best (quartiles)",
    "its best", "× scikit-learn", "of BLAS floor", "of our products", "GFLOP/s",
)  # fmt: skip

Row = dict[str, Any]


def measure(folder: Path, full: bool) -> Measured:
    """Do every case with the processor's own instructions, and with AVX2 for all."""
    rows: list[Row] = []
    for name, environment in ENVIRONMENTS.items():
        for (widths, batch), optimizer, dropout in product(NETWORKS, ("sgd", "adamw"), (0.0, 0.5)):
            if name != "unset" and (dropout or not full):
                continue
            if not full and (dropout or max(widths[1:]) > 1024):
                continue
            settings = {
                "case": [widths, batch, optimizer, dropout],
                # Compiling takes twenty seconds a case and gains where a step is short.
                "compiled": full and not dropout and (name == "unset" or max(widths[1:]) <= 256),
                "turns": 9 if full else 5,
                "seconds": 0.06 if full else 0.03,
            }
            row = run_apart("benchmarks.throughput:work", settings, environment)
            rows.append({"environment": name, **row})
            click.echo("  ".join(_cells(row)))
    return {"rows": rows}


def work(settings: Mapping[str, Any]) -> Row:
    """Time all contestants of one case, in a process that keeps to one core."""
    keep_to_one_core()
    widths, batch, optimizer, dropout = settings["case"]
    floor = products_of(batch, list(pairwise(widths)))
    made = contestants(tuple(widths), batch, optimizer, dropout)
    if not settings["compiled"]:
        made.pop("compiled")
    if dropout:
        made.pop("scikit-learn")
    calls: dict[str, Callable[[], object]] = {name: make() for name, make in made.items()}
    times = in_turns(calls, settings["turns"], settings["seconds"])
    return {
        "case": settings["case"],
        "operations": n_operations(floor),
        "blas": blas_kernels(),
        "seconds": {name: [value / STEPS for value in values] for name, values in times.items()},
    }


def contestants(
    widths: tuple[int, ...], batch: int, optimizer: str, dropout: float
) -> dict[str, Callable[[], Call]]:
    """Return what makes each contestant: a call of a few steps on the same samples."""
    random = np.random.default_rng(0)
    x = random.standard_normal((N_SAMPLES, widths[0]), dtype=np.float32)
    y, order = random.integers(0, widths[-1], N_SAMPLES), random.permutation(N_SAMPLES)
    batches = np.resize(order, (STEPS, batch))
    layers: list[Any] = []
    for width in widths[1:-1]:
        layers.append(horn.Dense(width, activation="relu"))
        layers.extend([horn.Dropout(dropout)] if dropout else [])
    network = horn.Network([*layers, horn.Dense(widths[-1])], widths[0])
    common = (network, x, y[:, None], batch, batches.ravel(), optimizer)

    def our_products() -> Call:
        step = Step(*common, clip_norm=1.0)
        names = [operation.kernel for operation in step.operations]
        return step.only([i for i, name in enumerate(names) if name.startswith("gemm")])

    def torch(how: str) -> Call:
        model = dense_model(widths, dropout)
        return torch_step(model, x, y, batches, optimizer=optimizer, how=how)

    return {
        "ours": lambda: Step(*common).run,
        "our products": our_products,
        "floor": lambda: _times(blas_floor(products_of(batch, list(pairwise(widths))))),
        **{how: partial(torch, how) for how in _TORCH},
        "scikit-learn": lambda: _scikit_learn(x, y, batches, widths, optimizer),
    }


def _times(call: Call) -> Call:
    """Make a call that does another one for each step."""

    def calls() -> None:
        for _ in range(STEPS):
            call()

    return calls


def _scikit_learn(x: Any, y: Any, batches: Any, widths: tuple[int, ...], optimizer: str) -> Call:
    """Make `MLPClassifier.partial_fit`, a call for each batch; it knows no dropout, nor decay."""
    from sklearn.neural_network import MLPClassifier

    solver = {"sgd": "sgd", "adamw": "adam"}[optimizer]
    model = MLPClassifier(
        widths[1:-1], solver=solver, learning_rate_init=RATE, batch_size=len(batches[0]), alpha=0.0
    )
    classes = np.arange(widths[-1])

    def call() -> None:
        for rows in batches:
            model.partial_fit(x[rows], y[rows], classes=classes)

    return call


def _speed_up(row: Row) -> float:
    return ratio(row["seconds"][best_of(row["seconds"], _TORCH)], row["seconds"]["ours"])


def _floor(row: Row, products: str = "floor") -> float:
    return ratio(row["seconds"][products], row["seconds"]["ours"])


def _cells(row: Row) -> tuple[str, ...]:
    widths, batch, optimizer, dropout = row["case"]
    seconds, best = row["seconds"], best_of(row["seconds"], _TORCH)
    ours = float(np.median(seconds["ours"]))
    sklearn = "–"
    if "scikit-learn" in seconds:
        sklearn = f"{ratio(seconds['scikit-learn'], seconds['ours']):.1f}"
    return (
        "-".join(map(str, widths)),
        f"{batch}",
        optimizer,
        f"{dropout:g}" if dropout else "–",
        f"{batch / ours:,.0f}",
        over_best(seconds, best),
        best,
        sklearn,
        f"{_floor(row):.2f}",
        f"{_floor(row, 'our products'):.2f}",
        f"{row['operations'] / ours / 1e9:.0f}",
    )


def render(measured: Measured, plots: Path) -> str:
    """Write a table and a verdict for each environment."""
    parts = [_INTRODUCTION]
    for name in ENVIRONMENTS:
        rows = [row for row in measured["rows"] if row["environment"] == name]
        if not rows:
            continue
        blas = "/".join(rows[0]["blas"])
        what = _WHAT[name].format(blas=blas)
        table = markdown_table(_HEADER, [_cells(row) for row in rows])
        parts.append(f"### {name}: {what}\n\n{table}\n\n{_verdict(rows)}")
    return "\n\n".join(parts)


def _verdict(rows: Sequence[Row]) -> str:
    """Say which goals hold, from the figures."""
    speed_ups = [_speed_up(row) for row in rows]
    lines = [
        f"- Geometric mean over PyTorch's best: **{geometric_mean(speed_ups):.2f}**; least "
        f"{min(speed_ups):.2f}, most {max(speed_ups):.1f}."
    ]
    for what, chosen, bound in (
        ("64-64-64-10", lambda row: row["case"][0][0] == 64, 4.0),
        ("hidden layers up to 256", lambda row: max(row["case"][0][1:]) <= 256, 1.25),
        ("hidden layers from 800", lambda row: max(row["case"][0][1:]) >= 800, 1.05),
    ):
        values = [_speed_up(row) for row in rows if chosen(row)]
        if values:
            lines.append(judged(f"Over PyTorch, {what}, least", min(values), bound))
    for optimizer, bound in (("sgd", 0.94), ("adamw", 0.90)):
        chosen_rows = [row for row in rows if row["case"][2] == optimizer]
        values = [_floor(row) for row in chosen_rows if max(row["case"][0][1:]) >= 200]
        if values:
            what = f"Fraction of the floor from 200 units, {optimizer}, least"
            lines.append(judged(what, min(values), bound))
    return "\n".join(lines)


_WHAT = {
    "unset": "what a user gets (BLAS kernels {blas})",
    "Haswell": "AVX2 for everybody (BLAS kernels {blas}, MKL and our kernels held to AVX2)",
}
_INTRODUCTION = (
    "One thread on one core: whole optimizer steps, batches gathered in a random order from "
    "4,096 float32 samples in memory. relu, cross entropy; sgd has momentum 0.9. PyTorch's best "
    "is the fastest, by the median, of eager, eager with its fused optimizer, and "
    "`torch.compile` of model and loss with the fused optimizer (compiled without dropout, "
    "where BLAS is unset or there are no more than 256 units). scikit-learn is "
    "`MLPClassifier.partial_fit`, which has no dropout. All take turns, A B C A B C; ratios are "
    "medians of the turns' ratios, warm. The *floor* is the time of a step's matrix products "
    "alone, by the BLAS that numba and scipy use, on buffers of the same shapes; our fraction "
    "is that time over our whole step's. It can be above 1, for our products are our own: *of "
    "our products* compares with those alone. GFLOP/s count the products only. MKL, PyTorch's "
    "BLAS, uses AVX-512 on Intel's processors and AVX2 on AMD's."
)

BENCHMARK = Benchmark("throughput", "Throughput of a training step, one thread", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
