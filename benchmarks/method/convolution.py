"""A convolutional network on MNIST, divided and undivided: test error within fifteen passes.

python -m benchmarks.method.convolution --data FOLDER
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import dask_horn as horn
from benchmarks.datasets import mnist, store_mnist
from benchmarks.method.study import Record, Settings, Study, grouped, mean_and_spread
from benchmarks.report import markdown_table

_PASSES = 15
_GOALS = {1: 0.80, 2: 0.90, 4: 0.90}  # test error in %
RUNS: list[Settings] = [
    {"n_submodels": n_submodels, "seed": seed} for seed in range(3) for n_submodels in ([1], 2, 4)
]


def network() -> horn.Network:
    """Make the network of Wan et al. (2013), section 6.1, with dropout before its last layer."""
    return horn.Network(
        [
            horn.Conv2D(32, 5, activation="relu"),
            horn.MaxPool2D(2),
            horn.Conv2D(64, 5, activation="relu"),
            horn.MaxPool2D(2),
            horn.Flatten(),
            horn.Dense(150, activation="relu"),
            horn.Dropout(0.5),
            horn.Dense(10),
        ],
        input_shape=(28, 28, 1),
    )


def work(folder: Path, settings: Settings) -> dict[str, Any]:
    """Train one pass a round on all 60,000 images; nothing is decided by the test images."""
    with tempfile.TemporaryDirectory() as scratch:
        train, _ = store_mnist(folder, Path(scratch))
        X, y = mnist(folder, "t10k")
        result = horn.train(
            network(),
            train,
            validation_data=(X, y),
            n_rounds=_PASSES,
            n_submodels=settings["n_submodels"],
            random_state=settings["seed"],
        )
    errors = [100 * (1 - float(record.validation_score or 0)) for record in result.history]
    return {
        "error": round(100 * float(np.mean(result.model.predict(X) != y)), 2),
        "rounds": [round(error, 2) for error in errors],
        "submodels": [record.n_submodels for record in result.history],
        "kernel_seconds": round(sum(record.kernel_seconds for record in result.history), 1),
    }


def render(records: Sequence[Record]) -> str:
    """Write one row for each division, and whether its goal is reached."""
    rows, verdicts = [], []
    for (n_submodels,), same in grouped(records, "n_submodels").items():
        K = n_submodels[0] if isinstance(n_submodels, tuple) else n_submodels
        mean = float(np.mean([record.measured["error"] for record in same]))
        rows.append(
            (
                f"{K}" if K > 1 else "undivided",
                ", ".join(map(str, same[0].measured["submodels"])),
                f"{len(same)}",
                mean_and_spread(same, "error"),
                f"{np.mean([min(record.measured['rounds']) for record in same]):.2f}",
                f"{np.mean([record.measured['kernel_seconds'] for record in same]):.0f}",
            )
        )
        reached = "reached" if mean <= _GOALS[K] else "MISSED"
        verdicts.append(f"- K = {K}: {mean:.2f} %, goal {_GOALS[K]:.2f} %: {reached}.")
    header = ("K", "sub-models in each round", "seeds", "test error, %", "best round", "kernels, s")
    return "\n\n".join([_INTRODUCTION, markdown_table(header, rows), "\n".join(verdicts)])


_INTRODUCTION = (
    "MNIST, all 60,000 images, no augmentation; two convolutions of 32 and 64 filters 5 × 5 (relu, "
    "each with a max-pool of 2), 150 relu units, dropout 0.5, ten outputs. Fifteen rounds of one "
    "pass, one group, default settings; mean ± standard deviation over seeds. *Best round*: the "
    "lowest error of any round's parent, which nothing was chosen by. *Kernels*: seconds in all "
    "training tasks together, on one core that other work shared."
)

STUDY = Study(
    "convolution", "A convolutional network, divided and undivided", RUNS, work, render, 1
)

if __name__ == "__main__":
    STUDY.command()()
