"""The tables, and their splits: some to choose settings by, others for the report.

    split = split_of(folder, "diamonds", "choosing", 0)
    model.fit(split.X, split.y).score(split.X_test, split.y_test)

A split is a seed. Those of ``"choosing"`` and those of ``"report"`` are of two families, so no
setting is reported on a split that it was chosen by. Everybody gets the same numbers: float64
features, values as they are, classes as 0, 1, 2, …
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold, train_test_split

from benchmarks import datasets
from benchmarks.tables import generated
from benchmarks.tables.generated import Generator, Pair, friedman

__all__ = ["FOLDS", "N_TRAIN", "PARTS", "SETS", "Split", "Table", "numbered", "split_of"]

#: The two families of splits, by their first seed.
PARTS: Mapping[str, int] = {"choosing": 1000, "report": 2000}
N_TRAIN = 12_000  # rows to train on, at most
N_TEST = 10_000  # rows to test on, at most
_SHARE = 0.8  # of the rows of a table with fewer than that, to train on
_SPLITS = 3
_MORE_SPLITS = 10  # of stored tables with fewer than 2,000 rows, whose test rows are few
_GENERATED_TEST = 5_000

#: California housing whole, by the five folds of published figures: reported on its own.
FOLDS = "california_folds"

Load: TypeAlias = Callable[[Path], Pair]


class Split(NamedTuple):
    """Rows to train on and rows to test on."""

    X: NDArray[np.float64]
    y: NDArray[Any]
    X_test: NDArray[np.float64]
    y_test: NDArray[Any]


@dataclass(frozen=True)
class Table:
    """A table, stored or generated."""

    regression: bool
    load: Load | None = None  # reads it from the folder of data sets
    generate: Generator | None = None  # or makes it
    n_train: int = N_TRAIN  # rows to train on, at most
    n_splits: int = _SPLITS  # of each part


def split_of(folder: Path, name: str, part: str, number: int) -> Split:
    """Return split `number` of a table; `part` is ``"choosing"`` or ``"report"``."""
    table, seed = SETS[name], PARTS[part] + number
    if table.generate:
        X, y = table.generate(seed, table.n_train + _GENERATED_TEST)
        return Split(X[: table.n_train], y[: table.n_train], X[table.n_train :], y[table.n_train :])
    assert table.load is not None, "a table is generated or loaded"
    X, y = _loaded(table.load, folder)
    if name == FOLDS:
        train, test = list(KFold(5, shuffle=True, random_state=PARTS[part]).split(X))[number]
    else:
        n_train = min(table.n_train, int(_SHARE * len(X)))
        train, test = train_test_split(
            np.arange(len(X)),
            train_size=n_train,
            test_size=min(N_TEST, len(X) - n_train),
            random_state=seed,
            stratify=None if table.regression else y,
        )
    if table.regression:
        return Split(X[train], y[train], X[test], y[test])
    return numbered(X, y, train, test)


def numbered(X: Any, y: Any, train: Any, test: Any) -> Split:
    """Number the classes; without rows of those that the training rows have only one of."""
    classes, counts = np.unique(y[train], return_counts=True)
    kept = classes[counts > 1]
    train, test = (rows[np.isin(y[rows], kept)] for rows in (train, test))
    codes = np.searchsorted(kept, y)
    return Split(*(np.asarray(a, float) if a.ndim == 2 else a
                   for a in (X[train], codes[train], X[test], codes[test])))  # fmt: skip


@lru_cache(maxsize=2)
def _loaded(load: Load, folder: Path) -> Pair:
    return load(folder)


def california_housing(folder: Path) -> Pair:
    """Eight columns as in scikit-learn's version, which this makes from the modified file.

    That file lacks total_bedrooms in 207 rows, which are dropped: 20,433 of 20,640 are left.
    """
    with tarfile.open(folder / "california_housing" / "housing.tgz") as archive:
        content = archive.extractfile("housing/housing.csv")
        assert content is not None, "the archive holds housing/housing.csv"
        frame = pd.read_csv(content).dropna()
    households = frame["households"]
    columns = {
        "MedInc": frame["median_income"],
        "HouseAge": frame["housing_median_age"],
        "AveRooms": frame["total_rooms"] / households,
        "AveBedrms": frame["total_bedrooms"] / households,
        "Population": frame["population"],
        "AveOccup": frame["population"] / households,
        "Latitude": frame["latitude"],
        "Longitude": frame["longitude"],
    }
    y = frame["median_house_value"].to_numpy(float) / 100_000
    return pd.DataFrame(columns).to_numpy(float), y


def higgs_sample(folder: Path) -> Pair:
    """28 columns, and whether it is a signal: the rows of both files, 7,500."""
    files = [folder / "higgs_sample" / f"binary.{part}.gz" for part in ("train", "test")]
    values = np.concatenate([np.loadtxt(file) for file in files])
    return values[:, 1:], values[:, 0].astype(np.int64)


_GRADES = {  # of diamonds, the worst first
    "cut": ("Fair", "Good", "Very Good", "Premium", "Ideal"),
    "color": ("J", "I", "H", "G", "F", "E", "D"),
    "clarity": ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
}


def diamonds(folder: Path) -> Pair:
    """Nine columns, the grades as numbers for they have an order; the logarithm of the price."""
    frame = pd.read_csv(folder / "diamonds" / "diamonds.csv.gz")
    y = np.log(frame.pop("price").to_numpy(float))
    for column, grades in _GRADES.items():
        frame[column] = frame[column].map({grade: i for i, grade in enumerate(grades)})
    return frame.to_numpy(float), y


def _known(name: str) -> Load:
    return lambda folder: datasets.table(folder, name)


def _little(name: str, regression: bool = False) -> Table:
    return Table(regression, _known(name), n_splits=_MORE_SPLITS)


SETS: Mapping[str, Table] = {
    "california_housing": Table(True, california_housing),
    FOLDS: Table(True, california_housing, n_splits=5),
    "diamonds": Table(True, diamonds),
    "diabetes": _little("diabetes", regression=True),
    "friedman1_exact": Table(True, generate=friedman(1, 0.0)),
    "friedman1_exact_few": Table(True, generate=friedman(1, 0.0), n_train=500),
    "friedman1": Table(True, generate=friedman(1, 1.0)),
    "friedman1_few": Table(True, generate=friedman(1, 1.0), n_train=500),
    "friedman2": Table(True, generate=friedman(2, 125.0)),
    "friedman2_few": Table(True, generate=friedman(2, 125.0), n_train=500),
    "friedman3": Table(True, generate=friedman(3, 0.1)),
    "friedman3_few": Table(True, generate=friedman(3, 0.1), n_train=500),
    "irrelevant": Table(True, generate=friedman(1, 1.0, n_features=50), n_train=3_000),
    "heavy_features": Table(True, generate=generated.heavy_features, n_train=5_000),
    "heavy_targets": Table(True, generate=generated.heavy_targets, n_train=5_000),
    "steps": Table(True, generate=generated.steps, n_train=6_000),
    "linear": Table(True, generate=generated.linear, n_train=2_000),
    "letter_recognition": Table(False, _known("letter_recognition")),
    "higgs_sample": Table(False, higgs_sample),
    "kddcup99_10pct": Table(False, _known("kddcup99_10pct")),
    "iris": _little("iris"),
    "wine": _little("wine"),
    "breast_cancer": _little("breast_cancer"),
    "digits": _little("digits"),
    "many_classes": Table(False, generate=generated.many_classes, n_train=6_000),
    "irrelevant_classes": Table(False, generate=generated.irrelevant_classes, n_train=3_000),
    "steps_classes": Table(False, generate=generated.steps_classes, n_train=6_000),
    "linear_classes": Table(False, generate=generated.linear_classes, n_train=2_000),
}
