"""A step of a convolutional network beside PyTorch's and beside the products alone, one thread.

python -m benchmarks.convolution --data FOLDER [--full]
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numba
import numpy as np

import dask_horn as horn
from benchmarks.apart import HASWELL, UNSET, run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.report import markdown_table
from benchmarks.timing import in_turns, ratio
from dask_horn.kernels.compile import target
from dask_horn.kernels.opcodes import OP
from dask_horn.program import Execution, Optimizer, Program, training_program

BATCH, N_SAMPLES, RATE = 128, 1024, 1e-4
#: Filters, filters, dense units: the network, and a sub-model of two and of four.
WIDTHS = ((32, 64, 150), (16, 32, 75), (8, 16, 38))
_TORCH = ("eager, NCHW", "eager, channels last", "compiled, NCHW", "compiled, channels last")
_IMAGES = 16  # whose windows lie side by side in the floor's products: more leave the caches
_GOALS = {"as installed": 1.2, "AVX2": 0.9}

Call = Callable[[], object]
#: Positions of all images, terms of a sum, filters.
Product = tuple[int, int, int]


def measure(folder: Path, full: bool) -> Measured:
    """Do the network and its sub-models; with AVX2 for all, too, where there is more."""
    has_avx512 = "+avx512f" in target()[2]
    environments = {"unset": UNSET, **({"Haswell": HASWELL} if has_avx512 else {})}
    rows = []
    for name, environment in environments.items():
        for widths in WIDTHS if full else WIDTHS[:1]:
            settings = {"widths": widths, "turns": 15 if full else 5, "compiled": full}
            row = run_apart("benchmarks.convolution:work", settings, environment)
            rows.append({"environment": name, "avx512": has_avx512, **row})
            click.echo("  ".join(_cells(rows[-1])))
    return {"rows": rows}


def work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Time a step of all contestants in turns, and so each product beside its floor."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    widths = tuple(settings["widths"])
    program = _program(widths)
    contestants = {"ours": _ours(program), "floor": _floor(_products(widths))}
    for name in _TORCH:
        if settings["compiled"] or name.startswith("eager"):
            contestants[name] = _torch(widths, name)
    parts = {}
    for name, (row, products) in _parts(program, widths).items():
        parts[name] = _ours(dataclasses.replace(program, rows=program.rows[row : row + 1].copy()))
        parts[f"floor: {name}"] = _floor(products)
    for call in (*contestants.values(), *parts.values()):
        call()
    return {
        "widths": widths,
        "seconds": in_turns(contestants, settings["turns"], 0.03),
        "parts": in_turns(parts, settings["turns"], 0.02),
    }


def _program(widths: Sequence[int]) -> Program:
    first, second, dense = widths
    network = horn.Network(
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
    return training_program(
        network,
        network.parameters,
        {},
        batch_size=BATCH,
        sample_dtype="float32",
        optimizer=Optimizer("adamw"),
    )


def _ours(program: Program) -> Call:
    """Make a step of the program, as a training task runs it."""
    random = np.random.default_rng(0)
    x = random.standard_normal((N_SAMPLES, 784), dtype=np.float32)
    y = random.integers(10, size=(N_SAMPLES, 1)).astype(np.float32)
    start = 0.03 * random.standard_normal(program.n_parameters, dtype=np.float32)
    execution = Execution(program, start, np.zeros(784), np.ones(784))
    order = random.permutation(N_SAMPLES)[:BATCH]
    starts, rates = np.array([0, BATCH]), np.array([RATE])
    return lambda: execution.train([x], [y], order, starts, rates)


def _torch(widths: Sequence[int], name: str) -> Call:
    """Make a step of PyTorch's, with its fused optimizer."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    first, second, dense = widths
    last = name.endswith("channels last")
    layout = torch.channels_last if last else torch.contiguous_format
    model = torch.nn.Sequential(
        *(torch.nn.Conv2d(1, first, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Conv2d(first, second, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Flatten(), torch.nn.Linear(16 * second, dense), torch.nn.ReLU()),
        torch.nn.Linear(dense, 10),
    ).to(memory_format=layout)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, fused=True)
    x = torch.randn(N_SAMPLES, 1, 28, 28).to(memory_format=layout)
    y, rows = torch.randint(10, (N_SAMPLES,)), torch.randperm(N_SAMPLES)[:BATCH]

    def loss_of(inputs: Any, classes: Any) -> Any:
        return torch.nn.functional.cross_entropy(model(inputs), classes)

    loss_function = torch.compile(loss_of) if name.startswith("compiled") else loss_of

    def call() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_function(x[rows], y[rows]).backward()
        optimizer.step()

    return call


def _products(widths: Sequence[int]) -> list[tuple[str, Product]]:
    """Return the matrix products of a step: which gradient, and how large."""
    first, second, dense = widths
    layers: list[Product] = [
        (BATCH * 24 * 24, 25, first),
        (BATCH * 8 * 8, 25 * first, second),
        (BATCH, 16 * second, dense),
        (BATCH, dense, 10),
    ]
    kinds = [(kind, layer) for kind in ("forward", "weight", "input") for layer in layers]
    return [(kind, layer) for kind, layer in kinds if kind != "input" or layer != layers[0]]


def _parts(
    program: Program, widths: Sequence[int]
) -> dict[str, tuple[int, list[tuple[str, Product]]]]:
    """Return the rows that are convolutions' products, and the products that each stands for."""
    (_, first), (_, second) = _products(widths)[:2]
    names = [program.kernels[row[OP]] for row in program.rows]
    forward = [i for i, name in enumerate(names) if name.endswith("forward") and "conv" in name]
    weight = [i for i, name in enumerate(names) if name.endswith("weight") and "conv" in name]
    return {
        "first, forward": (forward[0], [("forward", first)]),
        "first, weight's gradient": (weight[-1], [("weight", first)]),
        "second, forward": (forward[1], [("forward", second)]),
        "second, weight's gradient": (weight[0], [("weight", second)]),
        "second, input's gradient": (names.index("conv2d_input"), [("input", second)]),
    }


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _multiply(kinds: Any, times: Any, x: Any, weight: Any, out: Any, result: Any) -> None:
    for i in range(len(x)):
        for _ in range(times[i]):
            if kinds[i] == 0:
                np.dot(x[i], weight[i], result[i])
            elif kinds[i] == 1:
                np.dot(x[i].T, out[i], result[i])
            else:
                np.dot(out[i], weight[i].T, result[i])


def _floor(products: Sequence[tuple[str, Product]]) -> Call:
    """Make these products by the BLAS that numba calls: of windows that lie copied already."""
    random = np.random.default_rng(0)
    kinds, times = [], []
    buffers: tuple[list[Any], ...] = ([], [], [], [])
    for kind, (n_rows, n_in, n_out) in products:
        n_blocks = BATCH // _IMAGES if n_rows > BATCH else 1
        own = n_rows // n_blocks
        kinds.append(("forward", "weight", "input").index(kind))
        times.append(n_blocks)
        shapes = ((own, n_in), (n_in, n_out), (own, n_out))
        result = {"forward": (own, n_out), "weight": (n_in, n_out), "input": (own, n_in)}[kind]
        for buffer, shape in zip(buffers, (*shapes, result), strict=True):
            buffer.append(random.standard_normal(shape, dtype=np.float32))
    matrices = [numba.typed.List(buffer) for buffer in buffers]
    return lambda: _multiply(np.array(kinds), np.array(times), *matrices)


def _best(row: Mapping[str, Any]) -> str:
    """Find the fastest way of PyTorch's, by the median."""
    names = [name for name in _TORCH if name in row["seconds"]]
    return min(names, key=lambda name: float(np.median(row["seconds"][name])))


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    seconds, best = row["seconds"], _best(row)
    ours = float(np.median(seconds["ours"]))
    low, high = np.percentile(np.array(seconds[best]) / np.array(seconds["ours"]), [25, 75])
    return (
        "-".join(map(str, row["widths"])),
        f"{1e3 * ours:.1f}",
        f"{BATCH / ours:,.0f}",
        f"**{ratio(seconds[best], seconds['ours']):.2f}** ({low:.2f} – {high:.2f})",
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
    reached = ratio(row["seconds"][_best(row)], row["seconds"]["ours"])
    verdict = "reached" if reached >= goal else "MISSED"
    return f"- A whole step over PyTorch's best: {reached:.2f}, goal {goal}: {verdict}."


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
    name="convolution",
    title="Throughput of a convolutional network's step, one thread",
    measure=measure,
    render=render,
)

if __name__ == "__main__":
    BENCHMARK.command()()
