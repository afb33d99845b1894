"""Throughput of a recurrent training step, one thread: ours, PyTorch's nn.LSTM, and the floor.

python -m benchmarks.recurrent --data FOLDER [--full]
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import dask_horn as horn
from benchmarks.apart import UNSET, keep_to_one_core, run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import tiny_shakespeare
from benchmarks.floors import Product, called_floor, n_operations
from benchmarks.operations import Step
from benchmarks.report import markdown_table
from benchmarks.timing import best_of, in_turns, judged, over_best, ratio
from benchmarks.torch_steps import torch_step

BATCH, STEPS, EMBEDDED, UNITS, CLIP = 64, 64, 64, 256, 1.0


def network(n_characters: int, units: int = UNITS, embedded: int = EMBEDDED) -> horn.Network:
    """Return the character model: two LSTMs, and a character foretold on each step."""
    return horn.Network(
        [
            horn.Embedding(n_characters, embedded),
            horn.LSTM(units, return_sequences=True),
            horn.LSTM(units, return_sequences=True),
            horn.Dense(n_characters),
        ],
        STEPS,
    )


def torch_model(n_characters: int) -> Any:
    """Return the same model of PyTorch's."""
    from torch import nn

    class Characters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(n_characters, EMBEDDED)
            self.lstm = nn.LSTM(EMBEDDED, UNITS, num_layers=2, batch_first=True)
            self.output = nn.Linear(UNITS, n_characters)

        def forward(self, x: Any) -> Any:
            return self.output(self.lstm(self.embedding(x))[0])

    return Characters()


def products(n_characters: int, units: int = UNITS, embedded: int = EMBEDDED) -> list[Product]:
    """Return a step's products; those of a recurrence one step after the other.

    But for U's gradient, which is one product of all steps.
    """
    found = []
    for n_in, n_out in ((embedded, 4 * units), (units, 4 * units), (units, n_characters)):
        whole = Product("forward", BATCH * STEPS, n_in, n_out)
        found += [whole, whole._replace(kind="weight"), whole._replace(kind="input")]
    for _ in range(2):
        step = Product("forward", BATCH, units, 4 * units, STEPS)
        found += [step, step._replace(kind="input")]
        found.append(Product("weight", BATCH * STEPS, units, 4 * units))
    return found


def measure(folder: Path, full: bool) -> Measured:
    """Time all contestants in a process of its own, with what a user has installed."""
    settings = {"folder": os.fspath(folder), "turns": 15 if full else 3}
    measured: Measured = run_apart("benchmarks.recurrent:work", settings, UNSET)
    return measured


def work(settings: Mapping[str, Any]) -> Measured:
    """Time all contestants on one core."""
    import torch

    torch.set_num_threads(1)
    keep_to_one_core()
    (x, y), _, alphabet = tiny_shakespeare(Path(settings["folder"]), STEPS)
    x, y, n_characters = np.ascontiguousarray(x[:BATCH]), y[:BATCH], len(alphabet)
    whole, half = products(n_characters), products(n_characters, UNITS // 2, EMBEDDED // 2)
    contestants = {
        "ours": Step(network(n_characters), x, y, BATCH, clip_norm=CLIP).run,
        "PyTorch": torch_step(
            torch_model(n_characters), x.astype(np.int64), y.astype(np.int64),
            np.arange(BATCH)[None], clip_norm=CLIP,
        ),
        "floor, MKL": called_floor(whole, torch.mm, torch.from_numpy),
        "floor, OpenBLAS": called_floor(whole, np.matmul),
        "ours, a half": Step(
            network(n_characters, UNITS // 2, EMBEDDED // 2), x, y, BATCH, clip_norm=CLIP
        ).run,
    }  # fmt: skip
    seconds = in_turns(contestants, settings["turns"])
    return {"seconds": seconds, "operations": [n_operations(whole), n_operations(half)]}


def render(measured: Measured, plots: Path) -> str:
    """Write the table and what the goals were."""
    seconds, (whole, half) = measured["seconds"], measured["operations"]
    rows = []
    for name, values in seconds.items():
        median = float(np.median(values))
        count = half if name == "ours, a half" else whole
        rows.append(
            (
                name,
                f"{1e3 * median:.0f}",
                f"{BATCH / median:.0f}",
                over_best(seconds, "PyTorch", name).replace("**", ""),
                f"{count / median / 1e9:.0f}",
            )
        )
    header = ("", "ms a step", "samples/s", "× PyTorch (quartiles)", "GFLOP/s")
    speed_up = ratio(seconds["PyTorch"], seconds["ours"])
    least = best_of(seconds, ("floor, MKL", "floor, OpenBLAS"))
    return "\n\n".join(
        [
            _INTRODUCTION,
            markdown_table(header, rows),
            judged("Over PyTorch", speed_up, 1.0)
            + f"\n- Of the lower floor ({least.removeprefix('floor, ')}) "
            f"{ratio(seconds[least], seconds['ours']):.2f}.",
        ]
    )


_INTRODUCTION = (
    f"Tiny Shakespeare, one thread on one core: `Embedding({EMBEDDED})`, two `LSTM({UNITS})`, a "
    f"`Dense` on each step; {BATCH} sequences of {STEPS} characters in a step, cross entropy on "
    "each character, AdamW, the gradient's norm clipped. PyTorch is `nn.LSTM` of two layers with "
    "its fused AdamW. All take turns, A B C A B C; ratios are medians of the turns' ratios, warm. "
    "The *floor* is a step's matrix products alone, by MKL (as PyTorch calls it) and by OpenBLAS "
    "(as numpy does). *A half* is one of two equal sub-models, of its own products the "
    "GFLOP/s."
)

BENCHMARK = Benchmark(
    "recurrent", "Throughput of a recurrent training step, one thread", measure, render
)

if __name__ == "__main__":
    BENCHMARK.command()()
