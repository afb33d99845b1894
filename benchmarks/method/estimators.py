"""The two sides of a comparison: scikit-learn's defaults, and ours with or without settings.

Both get what a user would give them: scikit-learn's a StandardScaler in a pipeline (and scaled
targets in regression), ours nothing, since it standardizes by itself.
"""

from __future__ import annotations

import time
import warnings
from functools import partial
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import dask_horn as horn
from benchmarks.generated import Split


def theirs(regression: bool, seed: int) -> Any:
    """Make scikit-learn's multi-layer perceptron with its defaults."""
    if not regression:
        return make_pipeline(StandardScaler(), MLPClassifier(random_state=seed))
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(random_state=seed))
    return TransformedTargetRegressor(pipeline, transformer=StandardScaler())


def ours(regression: bool, seed: int, *, redraw: bool = False, **settings: Any) -> Any:
    """Make our estimator, with its defaults where no setting says otherwise."""
    kind = horn.HornRegressor if regression else horn.HornClassifier
    estimator: Any = kind(random_state=seed, **settings)
    if redraw:  # a setting of `train` that the estimators do not have
        estimator._options = partial(estimator._options, redraw=True)
    return estimator


def fitted(model: Any, split: Split) -> tuple[float, float]:
    """Fit a model; return its score on the test rows (accuracy or R²), and the fit's seconds."""
    began = time.perf_counter()
    with warnings.catch_warnings():
        # With its defaults scikit-learn's often stops at 200 epochs, and says so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(split.X_train, split.y_train)
    seconds = time.perf_counter() - began
    return float(model.score(split.X_test, split.y_test)), seconds


def warm_up(regression: bool, dtype: Any = np.float64) -> None:
    """Load the kernels and imports that a process's first fit would else be charged with."""
    rows = np.arange(12)
    X = np.stack([rows, rows % 3], axis=1).astype(dtype)
    ours(regression, 0, n_rounds=1, steps_per_round=1).fit(X, rows % 2)
