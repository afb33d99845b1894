"""Ensembles of divided models against merged models and deep ensembles, calibrated.

python -m benchmarks.method.ensembles --data FOLDER
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import dask_horn as horn
from benchmarks.datasets import mnist, table
from benchmarks.method.fixed_partition import votes
from benchmarks.method.images import Parts
from benchmarks.method.scores import (
    accuracy,
    expected_calibration_error,
    negative_log_likelihood,
)
from benchmarks.method.study import Record, Settings, Study, grouped, mean_and_spread
from benchmarks.report import markdown_table
from dask_horn.model.calibration import fit_temperature, pool_logs, temper
from dask_horn.partition import Partition
from dask_horn.training.plan.rounds import submodels_by_round

N_MEMBERS = 4
_N_CALIBRATION = 5000  # of MNIST's 60,000, beside 5,000 that stay unused and 50,000 to train on
_ENSEMBLE = {"merge": "ensemble", "n_groups": N_MEMBERS}
_DIVIDED = {**_ENSEMBLE, "n_submodels": 2, "group_data": "all"}
# Alone and undivided there is nothing to merge, and nothing for an outer step to speed up.
_UNDIVIDED = {
    **_ENSEMBLE, "n_submodels": 1, "group_data": "all",
    "outer_learning_rate": 1.0, "outer_momentum": 0.0,
}  # fmt: skip
_HEADER = (
    "model", "rounds", "accuracy, %", "NLL", "ECE, %", "temperature", "NLL, calibrated",
    "ECE, calibrated, %", "core seconds",
)  # fmt: skip


def images(folder: Path, seed: int) -> Parts:
    """MNIST; the seed does not change which rows are which."""
    X, y = mnist(folder, "train")
    held = slice(50_000, 50_000 + _N_CALIBRATION)
    return Parts(X[:50_000], y[:50_000], X[held], y[held], *mnist(folder, "t10k"))


def letters(folder: Path, seed: int) -> Parts:
    """letter_recognition: 60, 20 and 20 % of the rows, drawn by the seed."""
    X, y = table(folder, "letter_recognition")
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
    X, X_held, y, y_held = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    return Parts(X, y, X_held, y_held, X_test, y_test)


def _letters_network() -> horn.Network:
    """As `HornClassifier` makes it by default."""
    default = horn.HornClassifier()
    layers: list[Any] = []
    for units in (256, 256):
        layers += [horn.Dense(units, default.activation), horn.Dropout(default.dropout)]
    return horn.Network([*layers, horn.Dense(26)], input_shape=16)


class Task(NamedTuple):
    """A data set, and what is trained on it."""

    title: str
    rows: Callable[[Path, int], Parts]
    network: horn.Network
    n_rounds: int
    n_seeds: int


TASKS = {
    "mnist": Task(
        "MNIST, 784-800-800-10",
        images,
        horn.Network([*[horn.Dense(800, "relu") for _ in range(2)], horn.Dense(10)], 784),
        n_rounds=6,
        n_seeds=1,
    ),
    "letter": Task(
        "letter_recognition, 16-256-256-26, dropout as by default",
        letters,
        _letters_network(),
        n_rounds=horn.TrainingOptions().n_rounds,
        n_seeds=2,
    ),
}


def arithmetic(network: horn.Network, n_rounds: int, n_submodels: int) -> float:
    """Multiplications of a group's training, in those of one undivided round.

    All sub-models together: each has 1/K of every divided axis, and there are K of them.
    """
    options = horn.TrainingOptions(n_rounds=n_rounds, n_submodels=n_submodels)
    divided = set(network.divided_axes)
    cuts = {tensor: sum(a in divided for a in tensor.axes) for tensor in network.parameters.tensors}
    rounds = [
        sum(tensor.size * float(k) ** (1 - cuts[tensor]) for tensor in cuts)
        for k in submodels_by_round(network, options, steps=100)
    ]
    return sum(rounds) / sum(tensor.size for tensor in cuts)


def rows_of(task: Task) -> dict[str, Settings]:
    """Every row of a data set's table, and the settings that it is trained with."""
    n_rounds, merged = task.n_rounds, {"n_submodels": 2}
    # Undivided rounds of the arithmetic that a divided member takes in all its rounds.
    equal_cost = round(arithmetic(task.network, n_rounds, 2))
    settings: dict[str, Settings] = {
        "merged, G=1, K=2": {"n_rounds": n_rounds, **merged},
        "merged, G=4, K=2": {"n_rounds": n_rounds, "n_groups": N_MEMBERS, **merged},
        "merged, G=1, K=2, four times the rounds": {"n_rounds": N_MEMBERS * n_rounds, **merged},
        "ensemble of 4, K=2, on subsets": {
            "n_rounds": n_rounds, **_DIVIDED, "group_data": "subset",
        },
        "ensemble of 4, K=2, on all rows": {"n_rounds": n_rounds, **_DIVIDED},
        "ensemble of 4 undivided, equal rounds": {"n_rounds": n_rounds, **_UNDIVIDED},
        "ensemble of 4 undivided, equal arithmetic": {"n_rounds": equal_cost, **_UNDIVIDED},
        FIXED: {"n_rounds": n_rounds, "n_submodels": [N_MEMBERS]},
    }  # fmt: skip
    if task.network.n_inputs < 100:  # MNIST would take scikit-learn many minutes
        settings[THEIRS] = {"n_rounds": n_rounds, **_DIVIDED}
    return settings


FIXED = "sub-models that are never joined, G=1, K=4, voting"
THEIRS = "scikit-learn: ensemble of 4 MLPClassifier, equal seconds"


def work(folder: Path, settings: Settings) -> dict[str, Any]:
    """Train one row; score it on the test rows, before and after calibration."""
    task = TASKS[settings["data"]]
    rows = task.rows(folder, settings["seed"])
    options = {**settings["options"], "random_state": settings["seed"]}
    with threadpool_limits(1):
        _warm_up(task.network, rows, options)
        if settings["row"] == FIXED:
            return fixed_row(task.network, rows, options)
        if settings["row"] == THEIRS:
            return their_row(task.network, rows, options)
        began = time.process_time()
        model = horn.train(task.network, rows.X_train, rows.y_train, **options).model
        seconds = time.process_time() - began
        return {**scored(model, rows), "seconds": round(seconds, 2)}


def fixed_row(network: horn.Network, rows: Parts, options: Settings) -> dict[str, Any]:
    """Sub-models that vote, and beside them the parent that they make."""
    began = time.process_time()
    parent = horn.train(network, rows.X_train, rows.y_train, **options).model
    seconds = round(time.process_time() - began, 2)
    partition = Partition.draw(network, *options["n_submodels"], options["random_state"])
    return {
        **scored(votes(parent, partition), rows),
        "seconds": seconds,
        **{f"parent_{name}": value for name, value in scored(parent, rows).items()},
        "parent_seconds": seconds,
    }


def their_row(network: horn.Network, rows: Parts, options: Settings) -> dict[str, Any]:
    """scikit-learn's networks, for as many epochs as ours' seconds allow."""
    began = time.process_time()
    horn.train(network, rows.X_train, rows.y_train, **options)
    budget = (time.process_time() - began) / N_MEMBERS
    scaler = StandardScaler().fit(rows.X_train)
    X, classes = scaler.transform(rows.X_train), np.unique(rows.y_train)
    widths = tuple(network.unit_axes[axis] for axis in network.divided_axes)
    members, n_epochs, began = [], 0, time.process_time()
    for member in range(1, N_MEMBERS + 1):
        seed = N_MEMBERS * options["random_state"] + member
        mlp = MLPClassifier(widths, random_state=seed)
        while time.process_time() - began < member * budget:
            mlp.partial_fit(X, rows.y_train, classes=classes)
            n_epochs += 1
        members.append(mlp)
    seconds = time.process_time() - began

    def pooled(X: NDArray[Any]) -> NDArray[np.float64]:
        probabilities = [mlp.predict_proba(scaler.transform(X)) for mlp in members]
        tiny = np.finfo(np.float64).tiny
        return pool_logs(np.log(np.maximum(probabilities, tiny)), "classes")

    held, test = (np.searchsorted(classes, y) for y in (rows.y_validation, rows.y_test))
    encoded = held[:, np.newaxis].astype(np.float32)
    temperature = fit_temperature(pooled(rows.X_validation), encoded, "classes")
    logs = pooled(rows.X_test)
    return {
        **_scores(test, temper(logs, 1.0, "classes"), temper(logs, temperature, "classes")),
        "temperature": round(temperature, 4),
        "seconds": round(seconds, 2),
        "epochs": n_epochs / N_MEMBERS,
    }


def scored(model: horn.Model | horn.Ensemble, rows: Parts) -> dict[str, float]:
    """Score a model of ours on the test rows, before and after calibration."""
    calibrated = model.calibrate(rows.X_validation, rows.y_validation)
    before, after = (one.predict_proba(rows.X_test) for one in (model, calibrated))
    assert model.classes is not None, "both data sets have classes"
    codes = np.searchsorted(model.classes, rows.y_test)
    return {**_scores(codes, before, after), "temperature": round(calibrated.temperature, 4)}


def _scores(codes: NDArray[Any], before: NDArray[Any], after: NDArray[Any]) -> dict[str, float]:
    return {
        "accuracy": round(100 * accuracy(codes, before), 3),
        "nll": round(negative_log_likelihood(codes, before), 5),
        "ece": round(100 * expected_calibration_error(codes, before), 3),
        "nll_calibrated": round(negative_log_likelihood(codes, after), 5),
        "ece_calibrated": round(100 * expected_calibration_error(codes, after), 3),
    }


def _warm_up(network: horn.Network, rows: Parts, options: Settings) -> None:
    """Have the kernels compiled or loaded: that is not the method's time."""
    quick = {**options, "n_rounds": 1, "steps_per_round": 1}
    _, first = np.unique(rows.y_train, return_index=True)
    few = np.concatenate([first, np.arange(256)])
    horn.train(network, rows.X_train[few], rows.y_train[few], **quick)


def render(records: Sequence[Record]) -> str:
    """Write a table for each data set."""
    parts = [_INTRODUCTION]
    for (data,), of_data in grouped(records, "data").items():
        lines = []
        for (row,), runs in grouped(of_data, "row").items():
            lines.append(_line(row, runs))
            if row == FIXED:
                lines.append(
                    _line("their parent, which has the mean of their logits", runs, "parent_")
                )
        task = TASKS[data]
        seeds = "one seed" if task.n_seeds == 1 else f"{task.n_seeds} seeds"
        parts.append(f"{task.title}, {seeds}:\n\n{markdown_table(_HEADER, lines)}")
    return "\n\n".join(parts)


def _line(title: str, runs: Sequence[Record], prefix: str = "") -> list[str]:
    """One row of the table; scikit-learn's has epochs for rounds."""
    if "epochs" in runs[0].measured:
        rounds = f"{mean_and_spread(runs, 'epochs', 0)} epochs"
    else:
        rounds = str(runs[0].settings["options"]["n_rounds"])
    columns = (
        ("accuracy", 2), ("nll", 4), ("ece", 2), ("temperature", 2), ("nll_calibrated", 4),
        ("ece_calibrated", 2), ("seconds", 0),
    )  # fmt: skip
    values = [mean_and_spread(runs, prefix + name, digits) for name, digits in columns]
    return [title, rounds, *values]


_INTRODUCTION = (
    "Test rows; NLL is the mean negative log-likelihood of the true class, ECE the expected "
    "calibration error of the top probability in 15 bins of equal width. Calibrated: at the "
    "temperature that `calibrate` fits on held-out rows, which no model was trained on "
    f"({_N_CALIBRATION:,} of MNIST's, 20 % of the letters). A round is one pass over a group's "
    "rows; members on subsets have a quarter of the rows each. Core seconds are those of the "
    "training alone, kernels loaded before. Mean ± standard deviation where there are several "
    "seeds; what a row does not name is default."
)

STUDY = Study(
    name="ensembles",
    title="Ensembles, and how well their probabilities are meant",
    runs=[
        {"data": data, "row": row, "seed": seed, "options": options}
        for data, task in TASKS.items()
        for row, options in rows_of(task).items()
        for seed in range(task.n_seeds)
    ],
    work=work,
    render=render,
)

if __name__ == "__main__":
    STUDY.command()()
