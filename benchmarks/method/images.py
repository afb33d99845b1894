"""MNIST as the studies take it: some images to train on, some to decide on, and the test images.

Decisions are made by the validation columns; the test columns are what the same models do on
the 10,000 test images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from benchmarks.datasets import mnist
from benchmarks.method.laboratory import Variant, train
from benchmarks.method.study import Record, Settings, grouped, mean_and_spread
from benchmarks.report import markdown_table

_SPLIT_SEED = 7
#: Rows of redrawn partitions were measured when these were the defaults.
REDRAWN = {"redraw": True, "outer_learning_rate": 0.7, "outer_momentum": 0.7}


class Parts(NamedTuple):
    """Samples and labels to train on, to decide or calibrate by, and to test on."""

    X_train: NDArray[Any]
    y_train: NDArray[Any]
    X_validation: NDArray[Any]
    y_validation: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]


def parts(folder: Path, n_train: int) -> Parts:
    """Deal MNIST's training images: 10,000 for validation, `n_train` of the others to train on."""
    X, y = mnist(folder, "train")
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(X))
    own, validation = order[:n_train], order[50_000:]
    return Parts(X[own], y[own], X[validation], y[validation], *mnist(folder, "t10k"))


def network(widths: list[int], dropout: float = 0.0, input_dropout: float = 0.0) -> horn.Network:
    """A relu network of these hidden widths for the images."""
    layers: list[Any] = [horn.Dropout(input_dropout)] if input_dropout else []
    for width in widths:
        layers.append(horn.Dense(width, activation="relu"))
        if dropout:
            layers.append(horn.Dropout(dropout))
    return horn.Network([*layers, horn.Dense(10)], input_shape=784)


def quality(model: Any, X: NDArray[Any], y: NDArray[Any]) -> tuple[float, float]:
    """Accuracy in per cent, and mean negative log-likelihood."""
    probabilities = np.asarray(model.predict_proba(X), np.float64)
    likelihood = probabilities[np.arange(len(y)), y]
    accuracy = 100 * float(np.mean(probabilities.argmax(axis=1) == y))
    return accuracy, float(-np.log(np.maximum(likelihood, 1e-12)).mean())


def work(folder: Path, settings: Settings) -> dict[str, Any]:
    """Train in the laboratory; score every round's parent on validation, the last on test.

    `settings` are those of `run`.
    """
    data = parts(folder, settings["rows"])
    rounds: list[tuple[float, float]] = []
    try:
        result = train(
            network(settings["widths"]),
            data.X_train,
            data.y_train,
            variant=Variant(**settings.get("variant", {})),
            watch=lambda model: rounds.append(quality(model, data.X_validation, data.y_validation)),
            random_state=settings["seed"],
            **settings["options"],
        )
    except horn.DivergedError as error:
        return {"validation": float("nan"), "nll": float("nan"), "test": float("nan"),
                "rounds": [a for a, _ in rounds], "diverged": str(error)}  # fmt: skip
    accuracies = [round(accuracy, 2) for accuracy, _ in rounds]
    return {
        "validation": accuracies[-1],
        "nll": round(rounds[-1][1], 4),
        "test": round(quality(result.model, data.X_test, data.y_test)[0], 2),
        "rounds": accuracies,
        "tune": result.tune,
    }


def run(
    label: Sequence[object],
    options: dict[str, Any],
    *,
    widths: Sequence[int] = (800, 800),
    rows: int = 20_000,
    seed: int = 0,
    **variant: Any,
) -> Settings:
    """Settings for `work`; `label` is the row's first cells in the study's table."""
    return {
        "label": [str(cell) for cell in label],
        "rows": rows,
        "widths": list(widths),
        "options": options,
        "variant": variant,
        "seed": seed,
    }


def rendered(
    introduction: str,
    header: Sequence[str],
    records: Sequence[Record],
    more: Callable[[Sequence[Record]], Sequence[str]] = lambda records: (),
) -> str:
    """A row for each label: means over the seeds, and cells of the study's own."""
    columns = (*header, "validation", "best round", "test", "NLL", "s")
    rows = [
        [
            *label[0],
            *more(same),
            mean_and_spread(same, "validation"),
            f"{np.mean([max(record.measured['rounds']) for record in same]):.2f}",
            mean_and_spread(same, "test"),
            mean_and_spread(same, "nll", 3),
            f"{np.mean([record.seconds for record in same]):.0f}",
        ]
        for label, same in grouped(records, "label").items()
    ]
    return f"{introduction}\n\n{_COLUMNS}\n\n{markdown_table(columns, rows)}"


_COLUMNS = (
    "*Validation*, *test*: accuracy of the result in % (mean ± standard deviation over seeds); "
    "*best round*: the highest validation accuracy of any round's parent; NLL on validation; *s*: "
    "seconds of one run on one core, with the scoring of each round."
)
