"""What masks cost: a layer with DropConnect beside the plain one, and beside PyTorch.

python -m benchmarks.dropconnect_cost --data FOLDER --full
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

import dask_horn as horn
from benchmarks.apart import HASWELL, keep_to_one_core, run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.operations import Call, Operation, Step
from benchmarks.report import markdown_table
from benchmarks.timing import in_turns, median_and_spread, ratio

BATCH, UNITS = 128, 800
SEQUENCES, STEPS, MEMORY = 64, 64, 256
GOAL = 4.0

# Name, rate, and whose the mask is.
_LAYERS = (
    ("plain", 0.0, "example"),
    ("a mask for the batch, rate 0.5", 0.5, "batch"),
    ("a mask for each example, rate 0.5", 0.5, "example"),
    ("a mask for each example, rate 0.25", 0.25, "example"),
    ("a mask for each example, rate 0.2", 0.2, "example"),
)
_TORCH = "PyTorch, masks as tensors, rate 0.5"
# What comes in from the layer below: with tanh no input is zero, with relu every other one.
_INPUTS = ("tanh", "relu")
_RECURRENT = "two LSTM layers"


def measure(folder: Path, full: bool) -> Measured:
    """Time the layers with either kind of inputs, and recurrent ones, each in its process."""
    rows = []
    for inputs in (*_INPUTS, _RECURRENT):
        torch = full and inputs != _RECURRENT
        settings = {"inputs": inputs, "turns": 25 if full else 5, "torch": torch}
        rows.append(run_apart("benchmarks.dropconnect_cost:work", settings, HASWELL))
        click.echo(_lines(rows[-1]))
    return {"rows": rows}


def work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Time all layers in turns, in a process that keeps to one core."""
    keep_to_one_core()
    inputs, turns = settings["inputs"], settings["turns"]
    made = {name: _call(inputs, rate, mask) for name, rate, mask in _LAYERS}
    times = in_turns(made, turns)
    if settings["torch"]:  # beside the plain layer only: it takes a thousand times as long
        beside = in_turns({"plain": made["plain"], _TORCH: _torch_layer(inputs)}, 3)
        times[_TORCH], times["plain beside PyTorch"] = beside[_TORCH], beside["plain"]
    return {"inputs": inputs, "seconds": times}


def _call(inputs: str, rate: float, mask: str) -> Call:
    """Make a call of layers' operations, forward and backward, and of what draws their masks."""
    masked = {"dropconnect": rate, "dropconnect_mask": mask}
    if inputs == _RECURRENT:
        layers = [horn.LSTM(MEMORY, return_sequences=rs, **masked) for rs in (True, False)]
        network = horn.Network([*layers, horn.Dense(10)], (STEPS, MEMORY))
        return _only(network, SEQUENCES, lambda operation: operation.n_out % MEMORY == 0)
    layer = horn.Dense(UNITS, activation="relu", **masked)
    network = horn.Network([horn.Dense(UNITS, activation=inputs), layer, horn.Dense(10)], 784)
    return _only(
        network,
        BATCH,
        lambda operation: (
            operation.kernel.startswith(("gemm", "dropconnect"))
            and operation.n_out == UNITS
            and operation.n_in != 784
        ),
    )


def _only(network: horn.Network, n: int, is_own: Callable[[Operation], bool]) -> Call:
    """Make a call of some operations of a training step with n samples."""
    x = np.random.default_rng(0).standard_normal((n, network.n_inputs), dtype=np.float32)
    step = Step(network, x, np.zeros((n, 1)), n, optimizer="sgd", clip_norm=1.0)
    return step.only([i for i, operation in enumerate(step.operations) if is_own(operation)])


def _torch_layer(inputs: str) -> Call:
    """Make a call that masks the weight once for each example, as a tensor, and goes back."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    function = getattr(torch, inputs)
    x = function(torch.randn(BATCH, 1, UNITS)).requires_grad_()
    weight = torch.randn(UNITS, UNITS, requires_grad=True)
    bias = torch.randn(UNITS, requires_grad=True)
    gradient = torch.randn(BATCH, 1, UNITS)

    def call() -> None:
        kept = torch.empty(BATCH, UNITS, UNITS).bernoulli_(0.5)
        kept_bias = torch.empty(BATCH, 1, UNITS).bernoulli_(0.5)
        (torch.bmm(x, kept * weight) + kept_bias * bias).backward(gradient)

    return call


def render(measured: Measured, plots: Path) -> str:
    """Write the table."""
    worst = max(
        ratio(row["seconds"]["a mask for each example, rate 0.5"], row["seconds"]["plain"])
        for row in measured["rows"]
        if row["inputs"] in _INPUTS
    )
    kept = "kept" if worst <= GOAL else "missed"
    return (
        f"The products of a dense layer of {UNITS} inputs and {UNITS} units at batch {BATCH}, "
        "forward and backward (to the input and to the weight, which is not updated), one core, in "
        "turns; the plain layer has our own products too. Masks are drawn anew in each step, for "
        "weights and biases, and this is counted. An input of zero is passed over: behind tanh "
        "there is none, behind relu every other one is. A rate that is a multiple of ½, ¼, … 1/256 "
        "takes 1, 2, … 8 random bits for each weight.\n\n"
        + "\n\n".join(_table(row) for row in measured["rows"])
        + f"\n\nThe last table: two LSTM layers of {MEMORY} units, all of their rows, on "
        f"{SEQUENCES} sequences of {STEPS} steps; masks are over U, and a sequence's mask is the "
        "same in all of its steps.\n\n"
        f"The goal: a mask for each example, rate 0.5, at most {GOAL:.0f} times the plain dense "
        f"layer: {kept}, at {worst:.2f}. The floor of this way of doing it, on AVX2: of three "
        "instructions for eight weights, a shift, a read that is masked and a multiply-add, the "
        "read takes a whole cycle where a plain product takes half a one: twice the plain layer "
        "where no input is zero, and the masks."
    )


def _table(row: Mapping[str, Any]) -> str:
    name = row["inputs"]
    heading = f"behind {name}" if name in _INPUTS else name, "ms (quartiles)", "× plain"
    return markdown_table(heading, _cells(row))


def _cells(row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    seconds = row["seconds"]
    cells = []
    for name, _, _ in _LAYERS:
        times = ratio(seconds[name], seconds["plain"])
        cells.append((name, median_and_spread(seconds[name], 2, 1e3), f"{times:.2f}"))
    if _TORCH in seconds:
        times = ratio(seconds[_TORCH], seconds["plain beside PyTorch"])
        cells.append((_TORCH, median_and_spread(seconds[_TORCH], 0, 1e3), f"{times:.0f}"))
    return cells


def _lines(row: Mapping[str, Any]) -> str:
    return "\n".join("  ".join((row["inputs"], *cells)) for cells in _cells(row))


BENCHMARK = Benchmark(
    "dropconnect_cost", "What DropConnect costs: a mask for each example", measure, render
)

if __name__ == "__main__":
    BENCHMARK.command()()
