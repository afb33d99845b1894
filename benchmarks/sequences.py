"""Japanese vowels: which of nine men speaks, by an LSTM, divided and undivided.

python -m benchmarks.sequences --data FOLDER [--full]
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import dask
import numpy as np

import dask_horn as horn
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import japanese_vowels
from benchmarks.report import markdown_table

MASK = 0.0  # no step of the data has twelve zeros
GOAL = 97.0  # percent
#: Chosen by five-fold cross-validation on the training sequences.
UNITS, DROPOUT, N_ROUNDS = 128, 0.5, 30
#: Sub-models of each round.
DIVISIONS: dict[str, int | list[int]] = {
    "undivided": 1,
    "K = 2, then undivided for a sixth of the rounds": 2,
    "K = 2 to the end": [2],
}


def measure(folder: Path, full: bool) -> Measured:
    """Train each division with several seeds, in turns, on one thread."""
    train, test = (japanese_vowels(folder, part, MASK) for part in ("TRAIN", "TEST"))
    accuracy: dict[str, list[float]] = {name: [] for name in DIVISIONS}
    seconds: dict[str, list[float]] = {name: [] for name in DIVISIONS}
    with dask.config.set(scheduler="synchronous"):
        _fitted(train, [1, 2], seed=0, n_rounds=2)  # kernels are compiled or loaded here
        for seed in range(10 if full else 2):
            for name, n_submodels in DIVISIONS.items():
                began = time.perf_counter()
                classifier = _fitted(train, n_submodels, seed, N_ROUNDS)
                seconds[name].append(time.perf_counter() - began)
                accuracy[name].append(100 * classifier.score(*test))
                print(f"seed {seed}, {name}: {accuracy[name][-1]:.2f} %")
    return {"accuracy": accuracy, "seconds": seconds}


def _fitted(train: Any, n_submodels: Any, seed: int, n_rounds: int) -> horn.HornClassifier:
    layers = [horn.LSTM(UNITS, mask_value=MASK), horn.Dropout(DROPOUT)]
    return horn.HornClassifier(
        layers=layers, n_submodels=n_submodels, n_rounds=n_rounds, random_state=seed
    ).fit(*train)


def render(measured: Measured, plots: Path) -> str:
    """Write a table: accuracy over the seeds, and time."""
    rows = []
    for name, values in measured["accuracy"].items():
        mean = np.mean(values)
        met = "met" if mean >= GOAL else "missed"
        rows.append(
            (
                name,
                f"{mean:.2f} ± {np.std(values, ddof=1):.2f}",
                f"{min(values):.2f} – {max(values):.2f}",
                met,
                f"{np.median(measured['seconds'][name]):.1f}",
            )
        )
    table = markdown_table(
        ("division", "test accuracy, % (mean ± sd)", "range", f"goal ≥ {GOAL:.0f}", "seconds"), rows
    )
    n_seeds = len(next(iter(measured["accuracy"].values())))
    return (
        "270 sequences to train on and 370 to test, twelve coefficients of speech at each of 7 to "
        "29 steps, nine speakers. Sequences are padded with zeros to 29 steps and "
        f"`HornClassifier(layers=[LSTM({UNITS}, mask_value=0), Dropout({DROPOUT})])` passes over "
        f"the padding; {N_ROUNDS} rounds, all else default. Units, dropout and rounds were chosen "
        "by five-fold cross-validation on the training sequences; the test sequences were used "
        f"once for each seed, after the last round. {n_seeds} seeds; the divisions are trained in "
        f"turns, on one thread; kernels compiled before.\n\n{table}"
    )


BENCHMARK = Benchmark("sequences", "Sequences: Japanese vowels", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
