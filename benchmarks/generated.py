"""Data sets made by formula: as many as wanted of one kind, each with many rows to test on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from numpy.typing import NDArray
from sklearn import datasets

N_TEST = 5000  # rows: an accuracy of 90 % is then known to 0.4 points


class Split(NamedTuple):
    """Rows to train on and rows to test on."""

    X_train: NDArray[Any]
    y_train: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]


@dataclass(frozen=True)
class Generated:
    """A kind of data set.

    Attributes
    ----------
    n_train : int
        Rows to train on.
    make : callable
        ``make(n_samples=..., random_state=...)`` returns samples and targets.
    regression : bool
        Whether the targets are values, not classes.
    """

    n_train: int
    make: Callable[..., Any]
    regression: bool = False

    def draw(self, seed: int) -> Split:
        """Make the data set of this seed; its test rows follow the same law."""
        X, y = self.make(n_samples=self.n_train + N_TEST, random_state=seed)
        return Split(X[: self.n_train], y[: self.n_train], X[self.n_train :], y[self.n_train :])


_classes = partial(datasets.make_classification, n_clusters_per_class=2)

GENERATED = {
    "moons": Generated(400, partial(datasets.make_moons, noise=0.3)),
    "classes_40": Generated(2000, partial(_classes, n_features=40, n_informative=10, flip_y=0.05)),
    "classes_100": Generated(500, partial(_classes, n_features=100, n_informative=5)),
    "narrow": Generated(
        1000, partial(_classes, n_features=4, n_informative=3, n_redundant=1, flip_y=0.05)
    ),
    "imbalanced": Generated(
        2000, partial(_classes, n_features=20, n_informative=6, weights=[0.95])
    ),
    "hastie": Generated(3000, datasets.make_hastie_10_2),
    "quantiles_5": Generated(
        1500, partial(datasets.make_gaussian_quantiles, n_features=10, n_classes=5)
    ),
    "friedman1_500": Generated(500, partial(datasets.make_friedman1, noise=1.0), True),
    "friedman1_3000": Generated(3000, partial(datasets.make_friedman1, noise=1.0), True),
    "friedman2": Generated(1000, partial(datasets.make_friedman2, noise=100.0), True),
    "friedman3": Generated(1000, partial(datasets.make_friedman3, noise=0.1), True),
    "linear_60": Generated(
        400, partial(datasets.make_regression, n_features=60, n_informative=10, noise=20.0), True
    ),
    "three_targets": Generated(
        500,
        partial(datasets.make_regression, n_features=20, n_informative=8, n_targets=3, noise=20.0),
        True,
    ),
}
