"""Default settings against scikit-learn's default MLPs, on the same folds.

    python -m benchmarks.defaults --data FOLDER

Both get what a user would give them: scikit-learn's a StandardScaler in a pipeline (and scaled
targets in regression), ours nothing, since it standardizes by itself.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import dask_horn as horn
from benchmarks.datasets import REGRESSION, data_option, table
from benchmarks.report import markdown_table, setting, write_section

NAMES = ("digits", "breast_cancer", "wine", "california_housing", "iris", "diabetes")
_FEW = 2000  # samples; below it the folds are repeated five times


@click.command()
@data_option
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="These data sets only.")
def main(folder: Path, only: tuple[str, ...]) -> None:
    """Repeated 5-fold cross-validation: mean score, paired difference, seconds of a fit."""
    # With its defaults it often stops at 200 epochs, and says so.
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = []
    for name in only or NAMES:
        X, y = table(folder, name)
        theirs, ours, seconds = _compare(X, y, name in REGRESSION)
        difference = 100 * (ours - theirs)
        rows.append(
            (
                f"{name} ({'R²' if name in REGRESSION else 'accuracy'}, %)",
                f"{100 * theirs.mean():.2f}",
                f"{100 * ours.mean():.2f}",
                f"{difference.mean():+.2f} ± {difference.std(ddof=1) / len(ours) ** 0.5:.2f}",
                f"{seconds[0]:.1f}",
                f"{seconds[1]:.1f}",
            )
        )
        click.echo("  ".join(rows[-1]))
    if only:
        return
    header = ("data set", "scikit-learn", "dask_horn", "difference ± s.e.", "s", "s (ours)")
    body = (
        f"{setting('python -m benchmarks.defaults --data FOLDER')}\n\n"
        "`MLPClassifier()` and `MLPRegressor()` behind StandardScaler (targets scaled too), "
        "`HornClassifier()` and `HornRegressor()` as they are; 5-fold cross-validation on the "
        f"same folds, repeated 5 times below {_FEW} samples; seconds of one fit, interleaved.\n\n"
        + markdown_table(header, rows)
    )
    write_section("defaults", "Default settings against scikit-learn's", body)


def _compare(X: Any, y: Any, regression: bool) -> tuple[Any, Any, tuple[float, float]]:
    """Scores of both on every fold, and the mean seconds of their fits."""
    kind = RepeatedKFold if regression else RepeatedStratifiedKFold
    folds = kind(n_splits=5, n_repeats=5 if len(X) < _FEW else 1, random_state=0)
    theirs, ours, seconds = [], [], np.zeros(2)
    for seed, (train, test) in enumerate(folds.split(X, y)):
        for which, model, scores in (
            (0, _theirs(regression, seed), theirs),
            (1, _ours(regression, seed), ours),
        ):
            began = time.perf_counter()
            model.fit(X[train], y[train])
            seconds[which] += time.perf_counter() - began
            scores.append(model.score(X[test], y[test]))
    mean = seconds / len(ours)
    return np.array(theirs), np.array(ours), (float(mean[0]), float(mean[1]))


def _theirs(regression: bool, seed: int) -> Any:
    if not regression:
        return make_pipeline(StandardScaler(), MLPClassifier(random_state=seed))
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(random_state=seed))
    return TransformedTargetRegressor(pipeline, transformer=StandardScaler())


def _ours(regression: bool, seed: int) -> Any:
    estimator = horn.HornRegressor if regression else horn.HornClassifier
    return estimator(random_state=seed)


if __name__ == "__main__":
    main()
