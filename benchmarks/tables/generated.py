"""Tables that are generated: what each is hard for is known, and so is the noise.

A generator takes a seed and a number of rows; it returns features (n, n_features) and targets (n,).
A seed draws the rows and, where a table has coefficients, trees or centres, those too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.datasets import make_classification, make_friedman1, make_friedman2, make_friedman3

__all__ = [
    "Generator",
    "friedman",
    "heavy_features",
    "heavy_targets",
    "irrelevant_classes",
    "linear",
    "linear_classes",
    "many_classes",
    "steps",
    "steps_classes",
]

Pair: TypeAlias = tuple[NDArray[np.float64], NDArray[Any]]
Generator: TypeAlias = Callable[[int, int], Pair]

_FRIEDMAN = {1: make_friedman1, 2: make_friedman2, 3: make_friedman3}
_FRIEDMANS_FEATURES = 5  # that count, of the first problem


def friedman(which: int, noise: float, **settings: int) -> Generator:
    """Make a generator of Friedman's problem 1, 2 or 3; the first may have more features."""

    def generate(seed: int, n: int) -> Pair:
        X, y = _FRIEDMAN[which](n_samples=n, noise=noise, random_state=seed, **settings)
        return X, y

    return generate


def heavy_features(seed: int, n: int) -> Pair:
    """Friedman's first problem, of features whose logarithm is normal, with a deviation of 1.5."""
    random = np.random.default_rng(seed)
    normal = random.standard_normal((n, 10))
    y = _friedman1(norm.cdf(normal)) + random.standard_normal(n)
    return np.exp(1.5 * normal), y


def heavy_targets(seed: int, n: int) -> Pair:
    """Values whose logarithm is Friedman's first problem: few of them make most of the variance."""
    random = np.random.default_rng(seed)
    X = random.random((n, 10))
    return X, np.exp((_friedman1(X) + random.standard_normal(n)) / 4)


def linear(seed: int, n: int) -> Pair:
    """A sum of 20 features, 10 of which count, with noise: the best R² is 0.8."""
    X, signal, random = _linear(seed, n)
    return X, signal + 0.5 * random.standard_normal(n)


def linear_classes(seed: int, n: int) -> Pair:
    """Two classes whose log-odds are linear, 3 times a sum of deviation 1."""
    X, signal, random = _linear(seed, n)
    return X, (random.logistic(size=n) < 3 * signal).astype(np.int64)


def steps(seed: int, n: int) -> Pair:
    """Return a sum of step functions, with little noise: what trees are made of."""
    random = np.random.default_rng(seed)
    X = random.random((n, 8))
    return X, _steps(X, random) + 0.1 * random.standard_normal(n)


def steps_classes(seed: int, n: int) -> Pair:
    """Four classes: which of four sums of step functions is the highest."""
    random = np.random.default_rng(seed)
    X = random.random((n, 8))
    return X, np.argmax([_steps(X, random) for _ in range(4)], axis=0)


def many_classes(seed: int, n: int) -> Pair:
    """Thirty classes, each a normal cloud of its own shape in 15 of 20 features."""
    return _clouds(seed, n, n_classes=30, n_features=20, n_informative=15, clouds=1)


def irrelevant_classes(seed: int, n: int) -> Pair:
    """Two classes of 4 clouds each, in 5 of 50 features."""
    return _clouds(seed, n, n_classes=2, n_features=50, n_informative=5, clouds=4)


def _clouds(
    seed: int, n: int, n_classes: int, n_features: int, n_informative: int, clouds: int
) -> Pair:
    X, y = make_classification(
        n_samples=n,
        n_features=n_features,
        n_informative=n_informative,
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=clouds,
        class_sep=1.5 if n_classes > 2 else 1.0,
        random_state=seed,
    )
    return X, y


def _friedman1(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Friedman's first function of uniform features."""
    a, b, c, d, e = X.T[:_FRIEDMANS_FEATURES]
    value: NDArray[np.float64] = 10 * np.sin(np.pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e
    return value


def _linear(
    seed: int, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], np.random.Generator]:
    random = np.random.default_rng(seed)
    X = random.standard_normal((n, 20))
    weights = random.standard_normal(10)
    return X, X[:, :10] @ (weights / np.linalg.norm(weights)), random


def _steps(X: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Add up 8 trees of depth 4 that ask the same of all nodes of a level; their deviation is 1."""
    total = np.zeros(len(X))
    for _ in range(8):
        features = random.choice(X.shape[1], 4, replace=False)
        leaves = (X[:, features] > random.uniform(0.2, 0.8, 4)) @ (2 ** np.arange(4))
        total += random.standard_normal(16)[leaves]
    return total / 8**0.5
