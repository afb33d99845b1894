"""MNIST without augmentation: divided runs with default settings beside undivided ones.

python -m benchmarks.method.goals --data FOLDER
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import dask_horn as horn
from benchmarks.datasets import mnist
from benchmarks.method.images import network, parts, quality
from benchmarks.method.study import Record, Settings, Study, grouped, mean_and_spread
from benchmarks.report import markdown_table

_UNDIVIDED = {"n_submodels": 1, "outer_learning_rate": 1.0, "outer_momentum": 0.0}
_RATES = (0.0006, 0.00125, 0.0025)
_SEEDS = (0, 1, 2)


def _run(label: Sequence[object], widths: list[int], seed: int, **options: Any) -> Settings:
    dropout = options.pop("dropout", None)
    settings = {"label": [str(cell) for cell in label], "widths": widths, "seed": seed}
    settings |= {"options": options, "rows": options.pop("rows", 60_000)}
    return settings | ({"dropout": dropout} if dropout else {})


def _undivided(name: str, n_rounds: int, seed: int, **options: Any) -> Settings:
    return _run(
        ("800-800", "undivided", name, n_rounds), [800] * 2, seed,
        n_rounds=n_rounds, **_UNDIVIDED, **options,
    )  # fmt: skip


RUNS = [
    *(
        _run(("800-800", f"G={G}, K={K}", "default", 20), [800] * 2, seed,
             n_groups=G, n_submodels=K, n_rounds=20)
        for G, K in ((1, 2), (4, 2), (1, 4), (1, 8))
        for seed in _SEEDS
    ),
    *(_undivided("rate 0.00125", 20, seed, learning_rate=0.00125) for seed in _SEEDS),
    # The learning rate of the undivided network is chosen on 10,000 held-out training images.
    *(
        _undivided(f"rate {rate:g}, trained on 50,000", 8, 0, learning_rate=rate, rows=50_000)
        for rate in _RATES
    ),
    *(_undivided("rate 0.00125", 8, seed, learning_rate=0.00125) for seed in _SEEDS),
    *(
        _run(("800-800, dropout", "G=1, K=2", f"decay {decay:g}", 100), [800] * 2, 0,
             n_submodels=[2] * first + [1] * (100 - first), n_rounds=100, regroup=False,
             weight_decay=decay, dropout=[0.5, 0.2])
        for first, decay in ((25, 1.0), (50, 2.0))
    ),
    _run(("4096-4096", "G=1, K=8", "default", 12), [4096] * 2, 0, n_submodels=8, n_rounds=12),
    _run(("4096-4096", "undivided", "default", 5), [4096] * 2, 0, n_rounds=5, **_UNDIVIDED),
]  # fmt: skip


def work(folder: Path, settings: Settings) -> dict[str, Any]:
    """Train with the library on one core; score on test, or on what was held out for choosing."""
    rows = settings["rows"]
    if rows < 60_000:
        data = parts(folder, rows)
        X, y, scored = data.X_train, data.y_train, (data.X_validation, data.y_validation)
    else:
        (X, y), scored = mnist(folder, "train"), mnist(folder, "t10k")
    result = horn.train(
        network(settings["widths"], *settings.get("dropout", ())),
        X,
        y,
        random_state=settings["seed"],
        **settings["options"],
    )
    accuracy, nll = quality(result.model, *scored)
    history = result.history
    return {
        "accuracy": round(accuracy, 2),
        "nll": round(nll, 4),
        "submodels": [record.n_submodels for record in history],
        "kernel_seconds": round(sum(record.kernel_seconds for record in history), 1),
        # With a worker for each sub-model, a round takes as long as its slowest group's mean.
        "seconds_on_workers": round(
            sum(
                record.kernel_seconds / (len(record.losses) * record.n_submodels)
                for record in history
            ),
            1,
        ),
    }


def render(records: Sequence[Record]) -> str:
    """One table, and the numbers of sub-models by round."""
    rows = []
    for label, same in grouped(records, "label").items():
        numbers = same[0].measured["submodels"]
        times = {number: numbers.count(number) for number in dict.fromkeys(numbers)}
        rows.append(
            [
                *label[0],
                ", ".join(f"{n} × {number}" for number, n in times.items()),
                mean_and_spread(same, "accuracy"),
                mean_and_spread(same, "nll", 4),
                f"{np.mean([record.measured['kernel_seconds'] for record in same]):.0f}",
                f"{np.mean([record.measured['seconds_on_workers'] for record in same]):.0f}",
                len(same),
            ]
        )
    return f"{_INTRODUCTION}\n\n{markdown_table(_HEADER, rows)}"


_HEADER = (
    "hidden", "division", "settings", "rounds", "rounds × K", "test accuracy, %", "NLL",
    "core seconds", "seconds, a worker for each", "seeds",
)  # fmt: skip
_INTRODUCTION = (
    "784-hidden-10, relu, no augmentation; all else default, rounds of one pass. Trained on all "
    "60,000 images and scored on the 10,000 test images after the last round; rows that say "
    "*trained on 50,000* are scored on the other 10,000, and choose the undivided network's "
    "learning rate. *Dropout*: 0.5 after the hidden layers, 0.2 on the input. *Core seconds*: of "
    "all training tasks, two runs at a time on two cores; *a worker for each*: the rounds' mean "
    "task, added up: the wall time with as many workers as sub-models, merging aside. Undivided: K "
    "= 1, G = 1, outer step off. The first rows' seconds are from cores that were shared with a "
    "third run. The first dropout row was set after four shorter runs on 50,000 images, scored on "
    "the other 10,000. 4096-4096 was thinned to one seed, and the undivided network to as many "
    "rounds as take about the core seconds of the divided one's twelve."
)

STUDY = Study("goals", "MNIST: divided and undivided", RUNS, work, render)

if __name__ == "__main__":
    STUDY.command()()
