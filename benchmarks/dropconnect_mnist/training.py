"""Training one network in this process, on one core, from checkpoint to checkpoint.

It drives the library's programs itself: the paper's momentum is never reset and its learning rates
are constant for hundreds of epochs, which rounds are not made for.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import mnist
from benchmarks.dropconnect_mnist.settings import BATCH_SIZE, MOMENTUM, Net, schedule
from dask_horn.kernels.random import derive_key, shuffled_entries
from dask_horn.program import Execution, Optimizer, Program, training_program

__all__ = ["train"]

_CHECKPOINT_EPOCHS = 5
_ORDER, _MASKS = 1, 2  # set apart the random streams of an epoch


def train(net: Net, folder: Path, keep: Path) -> dict[str, Any]:
    """Train, or go on from the last checkpoint below `keep`; return what has been reached.

    Returns
    -------
    dict
        ``parameters``, those of the paper's form; ``losses``, of each epoch; ``seconds`` in all.
    """
    path = keep / f"{net.name}.npz"
    if path.exists():
        with np.load(path) as kept:
            state = {name: kept[name] for name in kept}
    else:
        state = _beginning(net)
    x, y = mnist(folder, "train")
    program = training_program(
        net.network,
        net.network.parameters,
        net.scales,
        batch_size=BATCH_SIZE,
        sample_dtype="uint8",
        optimizer=Optimizer("sgd", momentum=MOMENTUM),
    )
    rates = schedule(net.epochs)
    while state["losses"].size < net.epochs:
        began, epoch = time.perf_counter(), state["losses"].size
        loss = _epoch(net, program, state, x, y.astype(np.float32), epoch, rates[epoch])
        state["losses"] = np.append(state["losses"], loss)
        state["seconds"] = state["seconds"] + time.perf_counter() - began
        _tell(keep / f"{net.name}.jsonl", epoch, rates[epoch], loss, state["seconds"])
        if state["losses"].size % _CHECKPOINT_EPOCHS == 0 or state["losses"].size == net.epochs:
            _save(path, state)
    return state


def _beginning(net: Net) -> dict[str, Any]:
    values = net.initial_values()
    return {
        "parameters": values,
        "velocity": np.zeros_like(values),
        "losses": np.empty(0),
        "seconds": np.float64(0),
    }


def _epoch(
    net: Net,
    program: Program,
    state: dict[str, Any],
    x: NDArray[np.uint8],
    y: NDArray[np.float32],
    epoch: int,
    rate: float,
) -> float:
    """One pass in an order and with masks of its own; changes parameters and velocity."""
    execution = Execution(
        program,
        state["parameters"],
        np.zeros(x.shape[1]),
        np.full(x.shape[1], 255.0),
        key=derive_key(net.seed, epoch, _MASKS),
    )
    [velocity] = (execution._arena[at : at + program.n_parameters] for at in program.states)
    velocity[...] = state["velocity"]
    order = shuffled_entries(derive_key(net.seed, epoch, _ORDER), np.array([len(x)]))
    starts = np.append(np.arange(0, len(x), BATCH_SIZE), len(x))
    losses = execution.train([x], [y], order, starts, np.full(starts.size - 1, rate))
    if not np.isfinite(losses).all():
        raise RuntimeError(f"{net} diverged in epoch {epoch + 1}")
    state["parameters"], state["velocity"] = execution.parameters.copy(), velocity.copy()
    return float(losses.mean())


def _tell(path: Path, epoch: int, rate: float, loss: float, seconds: float) -> None:
    with path.open("a") as file:
        line = {"epoch": epoch + 1, "rate": rate, "loss": loss, "seconds": round(float(seconds), 1)}
        file.write(json.dumps(line) + "\n")


def _save(path: Path, state: dict[str, Any]) -> None:
    """Write beside it, then put it in place: an interrupted write harms nothing."""
    beside = path.with_suffix(".new.npz")
    np.savez(beside, **state)
    os.replace(beside, path)
