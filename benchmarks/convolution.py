"""A step of a convolutional network beside PyTorch's and beside the products alone, one thread.

python -m benchmarks.convolution --data FOLDER [--full]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

import dask_horn as horn
from benchmarks.apart import HASWELL, UNSET, keep_to_one_core, run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.floors import Product, blas_floor
from benchmarks.operations import Call, Step, has_avx512
from benchmarks.report import markdown_table
from benchmarks.timing import best_of, in_turns, judged, over_best, ratio
from benchmarks.torch_steps import torch_step

BATCH, N_SAMPLES = 128, 1024
#: Filters, filters, dense units: the network, and a sub-model of two and of four.
WIDTHS = ((32, 64, 150), (16, 32, 75), (8, 16, 38))
_TORCH = ("eager, NCHW", "eager, channels last", "compiled, NCHW", "compiled, channels last")
_IMAGES = 16  # whose windows lie side by side in the floor's products: more leave the caches
_GOALS = {"as installed": 1.2, "AVX2": 0.9}


def measure(folder: Path, full: bool) -> Measured:
    """Do the network and its sub-models; with AVX2 for all, too, where there is more."""
    environments = {"unset": UNSET, **({"Haswell": HASWELL} if has_avx512() else {})}
    rows = []
    for name, environment in environments.items():
        for widths in WIDTHS if full else WIDTHS[:1]:
            settings = {"widths": widths, "turns": 15 if full else 5, "compiled": full}
            row = run_apart("benchmarks.convolution:work", settings, environment)
            rows.append({"environment": name, "avx512": has_avx512(), **row})
            click.echo("  ".join(_cells(rows[-1])))
    return {"rows": rows}


def work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Time a step of all contestants in turns, and so each product beside its floor."""
    keep_to_one_core()
    widths = tuple(settings["widths"])
    random = np.random.default_rng(0)
    x = random.standard_normal((N_SAMPLES, 784), dtype=np.float32)
    y, order = random.integers(10, size=N_SAMPLES), random.permutation(N_SAMPLES)[:BATCH]
    step = Step(_network(widths), x, y[:, None], BATCH, order)
    contestants: dict[str, Call] = {"ours": step.run, "floor": _floor(_products(widths))}
    for name in _TORCH:
        if settings["compiled"] or name.startswith("eager"):
            how = "compiled" if name.startswith("compiled") else "fused"
            contestants[name] = torch_step(
                _torch_model(widths), x.reshape(-1, 1, 28, 28), y, order[None], how=how,
                channels_last=name.endswith("last"),
            )  # fmt: skip
    parts: dict[str, Call] = {}
    for name, (number, product) in _parts(step, widths).items():
        own = Step(_network(widths), x, y[:, None], BATCH, order)  # each with buffers of its own
        parts[name] = own.only([number])
        parts[f"floor: {name}"] = _floor([product])
    return {
        "widths": widths,
        "seconds": in_turns(contestants, settings["turns"], 0.03),
        "parts": in_turns(parts, settings["turns"], 0.02),
    }


def _network(widths: Sequence[int]) -> horn.Network:
    first, second, dense = widths
    return horn.Network(
        [
            horn.Conv2D(first, 5, activation="relu"),
            horn.MaxPool2D(2),
            horn.Conv2D(second, 5, activation="relu"),
            horn.MaxPool2D(2),
            horn.Flatten(),
            horn.Dense(dense, activation="relu"),
            horn.Dense(10),
        ],
        input_shape=(28, 28, 1),
    )


def _torch_model(widths: Sequence[int]) -> Any:
    from torch import nn

    first, second, dense = widths
    return nn.Sequential(
        *(nn.Conv2d(1, first, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(first, second, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(16 * second, dense), nn.ReLU()),
        nn.Linear(dense, 10),
    )


def _products(widths: Sequence[int]) -> list[Product]:
    """Return the matrix products of a step: positions of all images, terms of a sum, filters."""
    first, second, dense = widths
    layers = [
        (BATCH * 24 * 24, 25, first),
        (BATCH * 8 * 8, 25 * first, second),
        (BATCH, 16 * second, dense),
        (BATCH, dense, 10),
    ]
    kinds = [(kind, layer) for kind in ("forward", "weight", "input") for layer in layers]
    return [Product(kind, *one) for kind, one in kinds if kind != "input" or one != layers[0]]


def _parts(step: Step, widths: Sequence[int]) -> dict[str, tuple[int, Product]]:
    """Return the operations that are convolutions' products, each with what it stands for."""
    first, second = _products(widths)[:2]
    names = [operation.kernel for operation in step.operations]
    forward = [i for i, name in enumerate(names) if name.endswith("forward") and "conv" in name]
    weight = [i for i, name in enumerate(names) if name.endswith("weight") and "conv" in name]
    return {
        "first, forward": (forward[0], first),
        "first, weight's gradient": (weight[-1], first._replace(kind="weight")),
        "second, forward": (forward[1], second),
        "second, weight's gradient": (weight[0], second._replace(kind="weight")),
        "second, input's gradient": (
            names.index("conv2d_input"), second._replace(kind="input"),
        ),
    }  # fmt: skip


def _floor(products: Sequence[Product]) -> Call:
    """Make these products some images at a time, of windows that lie copied already."""
    n_blocks = BATCH // _IMAGES
    return blas_floor(
        [
            one._replace(n_rows=one.n_rows // n_blocks, times=n_blocks)
            if one.n_rows > BATCH
            else one
            for one in products
        ]
    )


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    seconds, best = row["seconds"], best_of(row["seconds"], _TORCH)
    ours = float(np.median(seconds["ours"]))
    return (
        "-".join(map(str, row["widths"])),
        f"{1e3 * ours:.1f}",
        f"{BATCH / ours:,.0f}",
        over_best(seconds, best),
        best,
        f"{ratio(seconds['floor'], seconds['ours']):.2f}",
    )


def render(measured: Measured, plots: Path) -> str:
    """Write the table of steps, that of the products, and the verdicts."""
    parts = [_INTRODUCTION]
    header = ("filters and units", "ours, ms", "samples/s", "× PyTorch's best (quartiles)",
              "its best", "of the floor")  # fmt: skip
    for name in dict.fromkeys(row["environment"] for row in measured["rows"]):
        rows = [row for row in measured["rows"] if row["environment"] == name]
        table = markdown_table(header, [_cells(row) for row in rows])
        parts.append(f"### {_heading(rows[0])}\n\n{table}\n\n{_products_table(rows)}")
        parts.append(_verdict(rows[0]))
    return "\n\n".join(parts)


def _heading(row: Mapping[str, Any]) -> str:
    if row["environment"] == "Haswell":
        return "AVX2 for everybody"
    return f"As installed, on a processor with{'' if row['avx512'] else 'out'} AVX-512"


def _products_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Tell each product's time beside that of BLAS, which copied windows would come on top of."""
    names = [name for name in rows[0]["parts"] if not name.startswith("floor")]
    cells = [
        (
            name,
            *(f"{ratio(row['parts'][f'floor: {name}'], row['parts'][name]):.2f}" for row in rows),
        )
        for name in names
    ]
    widths = ["-".join(map(str, row["widths"])) for row in rows]
    return markdown_table(("of the floor: convolution", *widths), cells)


def _verdict(row: Mapping[str, Any]) -> str:
    goal = _GOALS["as installed" if row["avx512"] and row["environment"] == "unset" else "AVX2"]
    seconds = row["seconds"]
    reached = ratio(seconds[best_of(seconds, _TORCH)], seconds["ours"])
    return judged("A whole step over PyTorch's best", reached, goal)


_INTRODUCTION = (
    "One thread on one core: whole AdamW steps of the MNIST network (two convolutions 5 × 5 with "
    "relu and a max-pool of 2 each, a relu layer, ten outputs; batches of 128 of 28 × 28), and of "
    "sub-models with a half and a quarter of its filters and units. PyTorch's best is the fastest, "
    "by the median, of eager and `torch.compile`, each with images NCHW and channels last, with "
    "the fused optimizer. All take turns; ratios are medians of the turns' ratios, warm. The "
    "*floor* is the time of the step's matrix products alone by the BLAS that numba and scipy use, "
    f"for {_IMAGES} images at a time, whose windows lie copied side by side already: copying them "
    "comes on top in a convolution made of BLAS. Ours reads the windows where they lie, and its "
    "time has bias, relu and its slope in it."
)

BENCHMARK = Benchmark(
    "convolution", "Throughput of a convolutional network's step, one thread", measure, render
)

if __name__ == "__main__":
    BENCHMARK.command()()
