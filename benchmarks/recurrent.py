"""Throughput of a recurrent training step, one thread: ours, PyTorch's nn.LSTM, and the floor.

python -m benchmarks.recurrent --data FOLDER [--full]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.apart import UNSET, run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import tiny_shakespeare
from benchmarks.report import markdown_table
from benchmarks.timing import in_turns, ratio
from dask_horn.program import Execution, Optimizer, training_program

BATCH, STEPS, EMBEDDED, UNITS, CLIP = 64, 64, 64, 256, 1.0

Call = Callable[[], object]


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


def ours(model: horn.Network, x: NDArray[np.uint8], y: NDArray[np.uint8]) -> Call:
    """Make a step of our program."""
    program = training_program(
        model,
        model.parameters,
        {},
        batch_size=BATCH,
        sample_dtype="uint8",
        optimizer=Optimizer("adamw", clip_norm=CLIP),
    )
    start = model.initial_values(0)
    execution = Execution(program, start, np.zeros(STEPS), np.ones(STEPS))
    samples, targets = np.ascontiguousarray(x[:BATCH]), y[:BATCH].astype(np.float32)
    order, starts, rates = np.arange(BATCH), np.array([0, BATCH]), np.array([1e-3])
    return lambda: execution.train([samples], [targets], order, starts, rates)


def torch_model(model: horn.Network) -> Any:
    """Make the same model of PyTorch's, with our first values; its second biases start at zero."""
    import torch

    tensors = model.parameters.as_dict(model.initial_values(0))
    n_characters, embedded = tensors["embedding_1/E"].shape
    units = tensors["lstm_1/b"].shape[1]

    class Characters(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(n_characters, embedded)
            self.lstm = torch.nn.LSTM(embedded, units, num_layers=2, batch_first=True)
            self.output = torch.nn.Linear(units, n_characters)

        def forward(self, x: Any) -> Any:
            return self.output(self.lstm(self.embedding(x))[0])

    made = Characters()
    values = {"embedding.weight": tensors["embedding_1/E"], "output.weight": tensors["output/W"].T}
    for layer in (0, 1):
        own = {letter: tensors[f"lstm_{layer + 1}/{letter}"] for letter in "WUb"}
        values[f"lstm.weight_ih_l{layer}"] = own["W"].reshape(-1, 4 * units).T
        values[f"lstm.weight_hh_l{layer}"] = own["U"].reshape(-1, 4 * units).T
        values[f"lstm.bias_ih_l{layer}"] = own["b"].ravel()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            value = values.get(name, np.zeros(parameter.shape, np.float32))
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return made


def torch_step(model: Any, optimizer: Any, x: Any, y: Any) -> None:
    """Make one optimizer step of PyTorch's on characters (batch, steps)."""
    import torch

    optimizer.zero_grad(set_to_none=True)
    loss = torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()


def _torch(model: horn.Network, x: NDArray[np.uint8], y: NDArray[np.uint8]) -> Call:
    import torch

    made = torch_model(model)
    optimizer = torch.optim.AdamW(made.parameters(), 1e-3, fused=True)
    samples, targets = (torch.from_numpy(part[:BATCH].astype(np.int64)) for part in (x, y))
    return lambda: torch_step(made, optimizer, samples, targets)


def _shapes(model: horn.Network) -> list[tuple[int, int, int, int]]:
    """Rows, inner and outer length of the forward products of a step, and how often each is done.

    Backward each is done twice over with the same numbers of operations.
    """
    shapes = []
    for placed in model.placed[1:]:
        for tensor in placed.tensors:
            if tensor.source is not None:
                n_in, n_out = tensor.shape[0], int(np.prod(tensor.shape[1:]))
                per_step = tensor.name.endswith("/U")
                rows, times = (BATCH, STEPS) if per_step else (BATCH * STEPS, 1)
                shapes.append((rows, n_in, n_out, times))
    return shapes


def operations(model: horn.Network) -> int:
    """Count multiplications and additions of a step's products."""
    return sum(6 * rows * n_in * n_out * times for rows, n_in, n_out, times in _shapes(model))


def _floor(model: horn.Network, multiply: Callable[..., Any], array: Callable[..., Any]) -> Call:
    """Make the floor: the products of a step, and nothing else.

    Those of a recurrence one step after the other, but for U's gradient, which is one of all.
    """
    random = np.random.default_rng(0)
    calls: list[tuple[Any, Any, int]] = []
    for rows, n_in, n_out, times in _shapes(model):
        x, weight, gradient = (
            array(random.standard_normal(shape, dtype=np.float32))
            for shape in ((BATCH * STEPS, n_in), (n_in, n_out), (BATCH * STEPS, n_out))
        )
        calls.append((x[:rows], weight, times))
        calls.append((gradient[:rows], weight.T, times))
        calls.append((x.T, gradient, 1))

    def call() -> None:
        for left, right, times in calls:
            for _ in range(times):
                multiply(left, right)

    return call


def measure(folder: Path, full: bool) -> Measured:
    """Time all contestants in a process of its own, with what a user has installed."""
    settings = {"folder": os.fspath(folder), "turns": 15 if full else 3}
    measured: Measured = run_apart("benchmarks.recurrent:work", settings, UNSET)
    return measured


def work(settings: Mapping[str, Any]) -> Measured:
    """Time all contestants on one core."""
    import torch

    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    (x, y), _, alphabet = tiny_shakespeare(Path(settings["folder"]), STEPS)
    whole = network(len(alphabet))
    half = network(len(alphabet), UNITS // 2, EMBEDDED // 2)
    contestants = {
        "ours": ours(whole, x, y),
        "PyTorch": _torch(whole, x, y),
        "floor, MKL": _floor(whole, torch.mm, torch.from_numpy),
        "floor, OpenBLAS": _floor(whole, np.matmul, np.asarray),
        "ours, a half": ours(half, x, y),
    }
    for call in contestants.values():
        call()
    seconds = in_turns(contestants, settings["turns"])
    return {"seconds": seconds, "operations": [operations(whole), operations(half)]}


def render(measured: Measured, plots: Path) -> str:
    """Write the table and what the goals were."""
    seconds, (whole, half) = measured["seconds"], measured["operations"]
    rows = []
    for name, values in seconds.items():
        over = np.array(seconds["PyTorch"]) / np.array(values)
        low, middle, high = np.percentile(over, [25, 50, 75])
        median = float(np.median(values))
        count = half if name == "ours, a half" else whole
        rows.append(
            (
                name,
                f"{1e3 * median:.0f}",
                f"{BATCH / median:.0f}",
                f"{middle:.2f} ({low:.2f} – {high:.2f})",
                f"{count / median / 1e9:.0f}",
            )
        )
    header = ("", "ms a step", "samples/s", "× PyTorch (quartiles)", "GFLOP/s")
    speed_up = ratio(seconds["PyTorch"], seconds["ours"])
    least = min(("floor, MKL", "floor, OpenBLAS"), key=lambda name: float(np.median(seconds[name])))
    return "\n\n".join(
        [
            _INTRODUCTION,
            markdown_table(header, rows),
            f"- Over PyTorch {speed_up:.2f}, goal 1.0: "
            f"{'reached' if speed_up >= 1 else 'MISSED'}.\n"
            f"- Of the lower floor ({least.removeprefix('floor, ')}) "
            f"{ratio(seconds[least], seconds['ours']):.2f}.",
        ]
    )


_INTRODUCTION = (
    f"Tiny Shakespeare, one thread on one core: `Embedding({EMBEDDED})`, two `LSTM({UNITS})`, a "
    f"`Dense` on each step; {BATCH} sequences of {STEPS} characters in a step, cross entropy on "
    "each character, AdamW, the gradient's norm clipped. PyTorch is `nn.LSTM` of two layers with "
    "its fused AdamW. All take turns, A B C A B C; ratios are medians of the turns' ratios, warm. "
    "The *floor* is a step's matrix products alone, by MKL (as PyTorch calls it) and by OpenBLAS "
    "(as numpy does). *A half* is one of two equal sub-models, of its own products the GFLOP/s."
)

BENCHMARK = Benchmark(
    name="recurrent",
    title="Throughput of a recurrent training step, one thread",
    measure=measure,
    render=render,
)

if __name__ == "__main__":
    BENCHMARK.command()()
