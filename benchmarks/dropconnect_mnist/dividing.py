"""What the paper does not have: the same network divided, with and without DropConnect inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.datasets import mnist
from benchmarks.dropconnect_mnist.judging import DRAWS
from benchmarks.dropconnect_mnist.settings import BATCH_SIZE, DROPPED, MOMENTUM, RATE, Net

__all__ = ["train_divided"]

# The paper's rate, for weights that are scaled up by one over p where they are kept: times p².
_RATE = RATE * (1 - DROPPED) ** 2


def train_divided(net: Net, folder: Path, keep: Path) -> dict[str, NDArray[np.float32]]:
    """Train in as many rounds of one pass as the net has epochs; return answers by inference.

    Goes on from the checkpoint of an interrupted run.
    """
    path = keep / f"divided-{net.name}.zarr"
    x, y = mnist(folder, "train")
    result = horn.train(
        net.network,
        x / np.float32(255),
        y,
        n_groups=1,
        n_submodels=2,
        n_rounds=net.epochs,
        batch_size=BATCH_SIZE,
        optimizer="sgd",
        learning_rate=_RATE,
        momentum=MOMENTUM,
        standardize=False,
        random_state=net.seed,
        checkpoint=str(path),
    )
    test = mnist(folder, "t10k")[0] / np.float32(255)
    found = {"mean": result.model.predict_proba(test)}
    if net.kind == "dropconnect":
        found["sample"] = result.model.predict_proba(test, inference="sample", n_draws=DRAWS)
    return found
