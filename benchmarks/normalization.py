"""Throughput of a step with normalizing layers beside PyTorch's, one thread.

python -m benchmarks.normalization --data FOLDER [--full]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

import dask_horn as horn
from benchmarks.apart import UNSET, keep_to_one_core, run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.operations import Step
from benchmarks.report import markdown_table
from benchmarks.timing import best_of, in_turns, over_best, ratio
from benchmarks.torch_steps import dense_model, torch_step

WIDTHS = (784, 800, 800, 10)
BATCH, N_SAMPLES = 128, 1024
#: Our layer, and PyTorch's.
NORMS = {
    "none": (None, None),
    "BatchNorm": (horn.BatchNorm, "BatchNorm1d"),
    "LayerNorm": (horn.LayerNorm, "LayerNorm"),
}
_TORCH = ("fused", "compiled")


def network(norm: str) -> horn.Network:
    """Two hidden relu layers, a normalization between each product and its activation."""
    kind, _ = NORMS[norm]
    layers: list[Any] = []
    for width in WIDTHS[1:-1]:
        if kind is None:
            layers.append(horn.Dense(width, activation="relu"))
        else:
            layers += [horn.Dense(width, use_bias=False), kind(activation="relu")]
    return horn.Network([*layers, horn.Dense(WIDTHS[-1])], WIDTHS[0])


def measure(folder: Path, full: bool) -> Measured:
    """Time all kinds in a process of its own."""
    settings = {"turns": 15 if full else 3, "compiled": full}
    measured: Measured = run_apart("benchmarks.normalization:work", settings, UNSET)
    click.echo(_table(measured))
    return measured


def work(settings: Mapping[str, Any]) -> Measured:
    """Time all contestants in turns on one core."""
    keep_to_one_core()
    random = np.random.default_rng(0)
    x = random.standard_normal((N_SAMPLES, WIDTHS[0]), dtype=np.float32)
    y, order = random.integers(10, size=N_SAMPLES), random.permutation(N_SAMPLES)[:BATCH]
    calls = {}
    for norm, (_, theirs) in NORMS.items():
        calls[f"ours, {norm}"] = Step(network(norm), x, y[:, None], BATCH, order).run
        for how in _TORCH if settings["compiled"] else _TORCH[:1]:
            model = dense_model(WIDTHS, norm=theirs)
            calls[f"{how}, {norm}"] = torch_step(model, x, y, order[None], how=how)
    return {"seconds": in_turns(calls, settings["turns"], 0.03)}


def render(measured: Measured, plots: Path) -> str:
    """Write the table."""
    return f"{_INTRODUCTION}\n\n{_table(measured)}"


def _table(measured: Measured) -> str:
    seconds, rows = measured["seconds"], []
    for norm in NORMS:
        ours = f"ours, {norm}"
        best = best_of(seconds, [f"{how}, {norm}" for how in _TORCH])
        rows.append(
            (
                norm,
                f"{1e3 * float(np.median(seconds[ours])):.2f}",
                f"{ratio(seconds[ours], seconds['ours, none']):.2f}",
                over_best(seconds, best, ours),
                best.partition(",")[0],
            )
        )
    header = ("normalization", "ours, ms", "× none", "× PyTorch's best (quartiles)", "its best")
    return markdown_table(header, rows)


_INTRODUCTION = (
    f"One thread on one core: whole AdamW steps of {'-'.join(map(str, WIDTHS))}, relu, batch "
    f"{BATCH}, a normalization between each product and its activation. PyTorch's best is the "
    "faster of eager and `torch.compile`, with its fused optimizer. All take turns; ratios are "
    "medians of the turns' ratios, warm."
)

BENCHMARK = Benchmark(
    "normalization", "Throughput of normalizing layers, one thread", measure, render
)

if __name__ == "__main__":
    BENCHMARK.command()()
