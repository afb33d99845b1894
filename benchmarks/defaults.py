"""Default settings against scikit-learn's default MLPs, on the same folds.

    python -m benchmarks.defaults --data FOLDER [--full]

Which of the two comes first alternates from fold to fold, so that a busy machine wrongs neither.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import dask_horn as horn
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark, Measured
from benchmarks.datasets import REGRESSION, mnist, table
from benchmarks.report import markdown_table

#: Runs of each data set: folds of a repeated 5-fold cross-validation, or one split.
N_RUNS = {
    "iris": 25,
    "wine": 25,
    "breast_cancer": 25,
    "digits": 25,
    "letter_recognition": 5,
    "higgs_sample": 5,
    "kddcup99_10pct": 1,
    "mnist": 1,
    "diabetes": 25,
    "california_housing": 5,
}
#: And in the quick form: folds of sets that come with scikit-learn.
_QUICK = {"iris": 2, "digits": 2, "diabetes": 2}
_BOUND = 1.0  # points that a data set may be worse by, where two standard errors are not more
_HEADER = ("data set", "scikit-learn", "dask_horn", "difference ± s.e.", "bound", "s", "s (ours)")
_SIDES = ("theirs", "ours")


def measure(folder: Path, full: bool) -> Measured:
    """Fit both estimators on all folds, each data set in a process of its own."""
    runs: list[dict[str, Any]] = []
    for name, n_folds in (N_RUNS if full else _QUICK).items():
        settings = {"folder": str(folder), "data": name, "folds": n_folds}
        found = run_apart("benchmarks.defaults:work", settings)
        runs.extend(found)
        scores = [np.mean([run[side] for run in found]) for side in _SIDES]
        click.echo(f"{name}: {scores[0]:.2f}, ours {scores[1]:.2f}")
    return {"runs": runs}


def work(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Fit both estimators on the folds of one data set."""
    import dask

    dask.config.set(scheduler="synchronous")  # one core each
    name, regression = settings["data"], settings["data"] in REGRESSION
    runs = []
    for fold in range(settings["folds"]):
        split = split_of(Path(settings["folder"]), name, fold)
        if fold == 0:  # kernels and imports are loaded before anything counts
            rows = np.arange(12)
            X = np.stack([rows, rows % 3], axis=1).astype(split[0].dtype)
            ours(regression, 0, n_rounds=1, steps_per_round=1).fit(X, rows % 2)
        run: dict[str, Any] = {"data": name, "fold": fold}
        sides = [("theirs", theirs), ("ours", ours)]
        for side, make in sides if fold % 2 else reversed(sides):
            score, seconds = _fitted(make(regression, fold), split)
            run[side], run[f"{side}_seconds"] = round(100 * score, 4), round(seconds, 3)
        runs.append(run)
    return runs


def theirs(regression: bool, seed: int) -> Any:
    """Make scikit-learn's multi-layer perceptron, its samples and values scaled."""
    if not regression:
        return make_pipeline(StandardScaler(), MLPClassifier(random_state=seed))
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(random_state=seed))
    return TransformedTargetRegressor(pipeline, transformer=StandardScaler())


def ours(regression: bool, seed: int, **settings: Any) -> Any:
    """Make our estimator, which standardizes by itself."""
    kind = horn.HornRegressor if regression else horn.HornClassifier
    return kind(random_state=seed, **settings)


def _fitted(model: Any, split: Sequence[Any]) -> tuple[float, float]:
    """Fit a model; return its score on the test rows (accuracy or R²), and the fit's seconds."""
    X, y, X_test, y_test = split
    began = time.perf_counter()
    with warnings.catch_warnings():
        # With its defaults scikit-learn's often stops at 200 epochs, and says so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    seconds = time.perf_counter() - began
    return float(model.score(X_test, y_test)), seconds


def split_of(folder: Path, name: str, fold: int) -> Sequence[Any]:
    """Return a fold's samples and targets to train on, and those to test on."""
    if name == "mnist":
        return *mnist(folder, "train"), *mnist(folder, "t10k")
    X, y = table(folder, name)
    if N_RUNS[name] == 1:  # of the rarest class, two rows, both may come to one side
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=0, stratify=y)
        return X, y, X_test, y_test
    kind = RepeatedKFold if name in REGRESSION else RepeatedStratifiedKFold
    folds = kind(n_splits=5, n_repeats=N_RUNS[name] // 5, random_state=0)
    train, test = list(folds.split(X, y))[fold]
    return X[train], y[train], X[test], y[test]


def render(measured: Measured, plots: Path) -> str:
    """Every data set, the means over those of a kind, and whether the goal is reached."""
    rows, behind, failed = [], [], []
    means: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    runs_of: dict[str, list[dict[str, Any]]] = {}
    for run in measured["runs"]:
        runs_of.setdefault(run["data"], []).append(run)
    for name, runs in runs_of.items():
        base, own = (np.array([run[side] for run in runs]) for side in _SIDES)
        times = [np.mean([run[f"{side}_seconds"] for run in runs]) for side in _SIDES]
        difference, error = paired(base, own)
        bound = max(_BOUND, 2 * error)
        if difference < -bound:
            behind.append(name)
        means[name in REGRESSION].append((float(base.mean()), float(own.mean())))
        rows.append(
            (
                f"{name} ({'R²' if name in REGRESSION else 'accuracy'})",
                f"{base.mean():.2f}",
                f"{own.mean():.2f}",
                f"{difference:+.2f}" + (f" ± {error:.2f}" if len(runs) > 1 else ""),
                f"−{bound:.2f}",
                *(f"{seconds:.1f}" for seconds in times),
            )
        )
    for kind, pairs in (("classification", means[False]), ("regression", means[True])):
        base_mean, own_mean = np.mean(pairs, axis=0)
        if own_mean < base_mean:
            failed.append(kind)
        cells = (f"{base_mean:.2f}", f"{own_mean:.2f}", f"{own_mean - base_mean:+.2f}", "0")
        rows.append((f"mean, {kind}", *cells, "", ""))
    return "\n\n".join((_INTRODUCTION, markdown_table(_HEADER, rows), verdict(failed, behind)))


def paired(base: Any, own: Any) -> tuple[float, float]:
    """Return the mean of the differences and its standard error, 0 for a single one."""
    differences = own - base
    if differences.size < 2:
        return float(differences.mean()), 0.0
    return float(differences.mean()), float(differences.std(ddof=1) / differences.size**0.5)


def verdict(failed: Sequence[str], behind: Sequence[str]) -> str:
    """Say whether the goal holds, and where it does not."""
    goal = (
        "The goal: the means over classification and over regression each not below "
        "scikit-learn's, and no data set below by more than one point or two paired standard "
        "errors, whichever is more."
    )
    faults = [f"the mean over {kind} is below" for kind in failed]
    faults += [f"{name} is below by more than its bound" for name in behind]
    return f"{goal} It holds." if not faults else f"{goal} It does not hold: {'; '.join(faults)}."


_INTRODUCTION = (
    "Accuracy or R², in per cent. `MLPClassifier()` and `MLPRegressor()` behind StandardScaler "
    "(targets scaled too), `HornClassifier()` and `HornRegressor()` as they are, `n_jobs` none; "
    "5-fold cross-validation on the same folds, 5 times below 2,000 samples; MNIST's own test "
    "images once; kddcup99 (one-hot, 118 columns) one stratified split of 80/20. Seconds of one "
    "fit, one core, in turns. Standard errors take folds for independent, which they are not "
    "quite."
)

BENCHMARK = Benchmark("defaults", "Default settings against scikit-learn's", measure, render)

if __name__ == "__main__":
    BENCHMARK.command()()
