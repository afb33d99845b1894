"""Whether dividing costs accuracy: widths, kinds of layers, and rates.

    python -m benchmarks.division --data FOLDER [--full]

Every run is a `Case`: a task, a width, a division and, for the rates, a rate of its own.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import mnist, table, tiny_shakespeare
from benchmarks.report import markdown_table

N_ROWS, N_SCORED = 12_000, 5_000
STEPS = 64  # characters of a sequence
_SPLITS = 1000  # the first seed of splits: others report
_CLASSES = ("letters", "mnist", "cifar")


@dataclass(frozen=True)
class Case:
    """One training.

    Attributes
    ----------
    task : str
        One of `TASKS`.
    width : int
        Units of each hidden layer, filters of each convolution.
    n_submodels : int
    n_rounds : int
    rate : float or None
        The highest learning rate; None takes the default.
    seed : int
        Of the split and of the run.
    n_rows : int
        Of the training rows.
    """

    task: str
    width: int
    n_submodels: int = 1
    n_rounds: int = 30
    rate: float | None = None
    seed: int = 0
    n_rows: int = N_ROWS


def dense(case: Case, n_inputs: int, n_outputs: int, loss: str) -> horn.Network:
    """Return two hidden layers, as the estimators have them."""
    layers: list[Any] = []
    for _ in range(2):
        layers.append(horn.Dense(case.width, activation="relu"))
        if case.task in _CLASSES:
            layers.append(horn.Dropout(0.1))
    return horn.Network([*layers, horn.Dense(n_outputs)], input_shape=n_inputs, loss=loss)


def convolutional(case: Case) -> horn.Network:
    """Return two convolutions of 3 × 3 and a hidden layer of twice as many units."""
    width = case.width
    layers = [
        horn.Conv2D(width, 3, activation="relu"), horn.MaxPool2D(2),
        horn.Conv2D(width, 3, activation="relu"), horn.MaxPool2D(2),
        horn.Flatten(), horn.Dense(2 * width, activation="relu"), horn.Dropout(0.1),
        horn.Dense(10),
    ]  # fmt: skip
    return horn.Network(layers, input_shape=(32, 32, 3))


def recurrent(case: Case, n_characters: int) -> horn.Network:
    """Return a model of characters: two LSTMs."""
    layers = [
        horn.Embedding(n_characters, 32),
        horn.LSTM(case.width, return_sequences=True),
        horn.LSTM(case.width, return_sequences=True),
        horn.Dense(n_characters),
    ]
    return horn.Network(layers, input_shape=STEPS)


@cache
def samples_of(task: str, folder: Path) -> tuple[Any, Any]:
    """Return all samples and targets that may be trained on: never those of a test set."""
    if task == "mnist":
        return mnist(folder, "train")
    if task == "cifar":
        return pictures(folder / "cifar10_half" / "cifar10_half.zip")
    if task == "characters":
        return characters(folder)
    if task == "diamonds":
        return diamonds(folder / "diamonds" / "diamonds.csv.gz")
    X, y = table(
        folder, {"letters": "letter_recognition", "california": "california_housing"}[task]
    )
    return X, y


def diamonds(path: Path) -> tuple[Any, Any]:
    """Return the diamonds' nine columns, three of them ordered words, and the price's logarithm."""
    orders = {
        "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
        "color": list("JIHGFED"),
        "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
    }
    frame = pd.read_csv(path)
    y = np.log(frame.pop("price").to_numpy(float))
    for name, order in orders.items():
        frame[name] = frame[name].map({word: i for i, word in enumerate(order)})
    return frame.to_numpy(float), y


def pictures(path: Path) -> tuple[Any, Any]:
    """Return the training pictures (n, 32, 32, 3), 1,500 of each class, and their classes."""
    from PIL import Image

    X, y = [], []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            part, label, file = name.split("/")
            if part == "train" and file and int(Path(file).stem) < 1500:
                X.append(np.asarray(Image.open(io.BytesIO(archive.read(name)))))
                y.append(label)
    return np.stack(X), np.array(y)


def characters(folder: Path) -> tuple[Any, Any]:
    """Return the sequences of the first nine tenths, the rarest characters as one of them."""
    (x, y), _, alphabet = tiny_shakespeare(folder, STEPS)
    common = np.bincount(x.ravel(), minlength=len(alphabet)) >= 1000
    numbers = np.where(common, np.cumsum(common) - 1, 0).astype(np.uint8)
    return numbers[x], numbers[y]


def split_of(case: Case, folder: Path) -> Sequence[Any]:
    """Return the samples and targets to train on, and those to score."""
    X, y = samples_of(case.task, folder)
    order = np.random.default_rng(_SPLITS + case.seed).permutation(len(X))
    train, scored = order[: case.n_rows], order[case.n_rows :][:N_SCORED]
    return X[train], y[train], X[scored], y[scored]


def network_of(case: Case, X: Any, y: Any) -> horn.Network:
    """Return the task's network."""
    if case.task == "cifar":
        return convolutional(case)
    if case.task == "characters":
        return recurrent(case, len(np.unique(y)))
    if case.task in _CLASSES:
        return dense(case, X.shape[1], len(np.unique(y)), "cross_entropy")
    return dense(case, X.shape[1], 1, "squared_error")


def settings_of(case: Case) -> dict[str, Any]:
    """Return the settings of a case."""
    settings = {
        "n_submodels": case.n_submodels,
        "n_rounds": case.n_rounds,
        "learning_rate": case.rate,
        "random_state": case.seed,
    }
    return settings | ({"clip_norm": 1.0, "batch_size": 64} if case.task == "characters" else {})


def multiplications(network: horn.Network, n_submodels: int) -> float:
    """Return those by the weights of one of so many equal sub-models, for a sample."""
    divided = set(network.divided_axes)
    return sum(
        tensor.uses * tensor.size / float(n_submodels) ** sum(a in divided for a in tensor.axes)
        for tensor in network.parameters.tensors
    )


def trained(case: Case, folder: Path) -> dict[str, Any]:
    """Train; return the score in per cent (accuracy, or R²), loss, arithmetic, and seconds."""
    X, y, X_scored, y_scored = split_of(case, folder)
    network = network_of(case, X, y)
    result = horn.train(network, X, y, **settings_of(case))
    found = result.model.evaluate(X_scored, y_scored)
    numbers = result.history["n_submodels"].tolist()
    steps = case.n_rounds * -(-case.n_rows // (64 if case.task == "characters" else 128))
    return {
        **asdict(case),
        "rate": horn.TrainingOptions(**settings_of(case)).peak_rate(network, steps),
        "score": 100 * found.score,
        "loss": found.loss,
        "arithmetic": sum(number * multiplications(network, number) for number in numbers),
        "undivided": case.n_rounds * multiplications(network, 1),
        "seconds": float(sum(result.history["kernel_seconds"])),
    }


def cases(full: bool) -> dict[str, list[Case]]:
    """Return what each part of the study compares."""
    if not full:
        return {
            "widths": [Case("letters", 64, k, 6, n_rows=3000) for k in (1, 2)],
            "arithmetic": [Case("letters", 64, 1, 4, n_rows=3000)],
        }
    return {
        "widths": [
            *(Case(t, w, k) for t in _TABLES for w in _WIDTHS for k in (1, 2, 4, 8)),
            *(Case(t, 512, k, seed=1) for t in _TABLES for k in (1, 2)),
            *(Case("letters", 1024, k) for k in (1, 2, 4)),
        ],
        "arithmetic": [
            *(Case(t, 256, 1, n_rounds) for t in _TABLES for n_rounds in (19, 12)),
            *(Case(t, 512, 1, n_rounds) for t in _TABLES[:2] for n_rounds in (19, 10)),
        ],
        "kinds": [
            *(Case("cifar", w, k, 12, n_rows=6000) for w, k in _PICTURES),
            *(Case("characters", w, k, 8, n_rows=3200) for w, k in _TEXTS),
        ],
        "rows": [
            Case(t, 512, k, n_rows=1500, seed=seed)
            for t in _TABLES[:2] for k in (1, 2) for seed in (0, 1)
        ],
        "rates": [
            *(Case(t, 128, k, rate=r) for t in _TABLES for k in (1, 2) for r in _RATES),
            *(Case(t, 512, 1, rate=r) for t in _TABLES for r in _RATES[:3]),
            *(Case("letters", 1024, 1, rate=r) for r in (1 / 1024, 1 / 256)),
            *(Case("mnist", 800, 1, 10, rate=r) for r in (1 / 800, 1 / 256)),
            *(Case("letters", 2048, k, 10) for k in (1, 8)),
            Case("cifar", 32, 1, 12, n_rows=6000, rate=1 / 1152),
        ],
    }  # fmt: skip


def measure(folder: Path, full: bool) -> Measured:
    """Train all cases, one at a time, in a process of its own for each part."""
    parts = {}
    for part, asked in cases(full).items():
        settings = {"folder": str(folder), "cases": [asdict(case) for case in asked]}
        parts[part] = run_apart("benchmarks.division:work", settings)
        click.echo(f"{part}: {len(parts[part])} runs")
    return {"parts": parts}


def work(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Train some cases."""
    import dask

    dask.config.set(scheduler="synchronous")  # one core
    return [trained(Case(**one), Path(settings["folder"])) for one in settings["cases"]]


def render(measured: Measured, plots: Path) -> str:
    """Write a table for each part."""
    parts = measured["parts"]
    sections = [_INTRODUCTION, "Divided, at equal passes:", by_width(parts["widths"])]
    sections += [
        "Undivided, for about the arithmetic of a divided run:",
        listed(parts["arithmetic"]),
    ]
    for part, title in _TITLES.items():
        if part in parts:
            sections += [title, listed(parts[part])]
    return "\n\n".join(sections)


def by_width(runs: Sequence[Mapping[str, Any]]) -> str:
    """Write a row for each task and width, and a column for each division."""
    rows: dict[tuple[Any, ...], dict[int, str]] = {}
    for one in runs:
        row = rows.setdefault((one["task"], one["width"], one["seed"]), {})
        row[one["n_submodels"]] = f"{one['score']:.2f}"
    numbers = sorted({one["n_submodels"] for one in runs})
    header = ("task", "units", "split", *(f"K = {number}" for number in numbers))
    found = [(*row, *(scores.get(n, "") for n in numbers)) for row, scores in rows.items()]
    return markdown_table(header, found)


def listed(runs: Sequence[Mapping[str, Any]]) -> str:
    """Write a row for each run."""
    header = ("task", "units", "K", "rounds", "rows", "split", "rate", "score, %", "loss", "share")
    rows = [
        (
            one["task"], one["width"], one["n_submodels"], one["n_rounds"], one["n_rows"],
            one["seed"], f"1/{1 / one['rate']:.0f}", f"{one['score']:.2f}", f"{one['loss']:.4f}",
            f"{one['arithmetic'] / one['undivided']:.0%}",
        )
        for one in runs
    ]  # fmt: skip
    return markdown_table(header, rows)


_TABLES = ("letters", "california", "diamonds")
_WIDTHS = (32, 64, 128, 256, 512)
_PICTURES = ((32, 1), (32, 2), (64, 1), (64, 2))
_TEXTS = ((32, 1), (64, 1), (64, 2), (64, 4), (128, 1), (128, 2))
_RATES = (1 / 512, 1 / 256, 1 / 128, 0.005)
_TITLES = {
    "kinds": "Convolutional and recurrent networks:",
    "rows": "Few rows:",
    "rates": "Rates, the highest of a run, of up to two sub-models:",
}
_INTRODUCTION = (
    "Accuracy or R², in per cent, of rows that are no test set's, split for this study alone "
    "(seeds from 1000 on): 12,000 to train on, 5,000 to score. Two hidden layers, relu; dropout "
    "0.1 for classes, none for values; 30 rounds of a pass, all else default, the rate too "
    "where it is not told. *cifar*: "
    "two convolutions of 3 × 3 with so many filters, each before 2 × 2 pooling, and twice as many "
    "dense units. *characters*: an embedding of 32, and two LSTMs; sequences of 64 characters of "
    "tiny Shakespeare. *Share*: a run's multiplications by weights, of those of as many undivided "
    "rounds."
)

BENCHMARK = Benchmark("division", "Whether dividing costs accuracy", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
