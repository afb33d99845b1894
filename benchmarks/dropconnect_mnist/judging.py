"""What a trained network answers on the test images, by itself and voting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import mnist
from benchmarks.dropconnect_mnist.settings import Net
from dask_horn.data import Standardizer, Targets
from dask_horn.model import Model

__all__ = ["DRAWS", "answers", "error", "voting_error"]

DRAWS = 1000

Labels = NDArray[np.uint8]


def answers(
    net: Net, parameters: NDArray[np.float32], folder: Path, inference: str
) -> NDArray[np.float32]:
    """Return the probabilities of the test images' classes, (10,000, 10).

    `parameters` are in the paper's form, as training leaves them.
    """
    x, _ = mnist(folder, "t10k")
    n_inputs = x.shape[1]
    model = Model(
        net.network,
        net.as_model(parameters),
        Standardizer(np.zeros(n_inputs), np.full(n_inputs, 255.0)),
        Targets.of_classes(np.arange(10)),
    )
    found: NDArray[np.float32] = model.predict_proba(
        x, inference=inference, n_draws=DRAWS, seed=net.seed
    )
    return found


def error(probabilities: NDArray[np.float32], labels: Labels) -> float:
    """Return the error in per cent."""
    return 100 * float(np.mean(probabilities.argmax(axis=1) != labels))


def voting_error(probabilities: Sequence[NDArray[np.float32]], labels: Labels) -> float:
    """Return the error of networks that vote: the mean of their probabilities decides."""
    return error(np.mean(probabilities, axis=0), labels)
