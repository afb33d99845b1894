"""Default settings against scikit-learn's default MLPs, on the same folds.

    python -m benchmarks.method.defaults --data FOLDER

A run is one fold of one data set, with both estimators one after the other; which comes first
alternates, so that a busy machine wrongs neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, train_test_split

from benchmarks.datasets import REGRESSION, mnist, table
from benchmarks.generated import Split
from benchmarks.method.estimators import fitted, ours, theirs, warm_up
from benchmarks.method.study import Record, Settings, Study, grouped
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
_BOUND = 1.0  # points that a data set may be worse by, where two standard errors are not more
_HEADER = ("data set", "scikit-learn", "dask_horn", "difference ± s.e.", "bound", "s", "s (ours)")


def work(folder: Path, settings: Settings) -> dict[str, Any]:
    """Fit both estimators on one fold of one data set."""
    name, fold = settings["data"], settings["fold"]
    regression = name in REGRESSION
    split = split_of(folder, name, fold)
    warm_up(regression, split.X_train.dtype)
    measured: dict[str, Any] = {}
    sides = [("theirs", theirs), ("ours", ours)]
    for side, make in sides if fold % 2 else reversed(sides):
        score, seconds = fitted(make(regression, fold), split)
        measured[side] = round(100 * score, 4)
        measured[f"{side}_seconds"] = round(seconds, 3)
    return measured


def split_of(folder: Path, name: str, fold: int) -> Split:
    """Make a fold's rows to train on and to test on."""
    if name == "mnist":
        return Split(*mnist(folder, "train"), *mnist(folder, "t10k"))
    X, y = table(folder, name)
    if N_RUNS[name] == 1:  # of the rarest class, two rows, both may come to one side
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=0, stratify=y)
        return Split(X, y, X_test, y_test)
    kind = RepeatedKFold if name in REGRESSION else RepeatedStratifiedKFold
    folds = kind(n_splits=5, n_repeats=N_RUNS[name] // 5, random_state=0)
    train, test = list(folds.split(X, y))[fold]
    return Split(X[train], y[train], X[test], y[test])


def render(records: Sequence[Record]) -> str:
    """Every data set, the means over those of a kind, and whether the goal is reached."""
    rows, behind, failed = [], [], []
    means: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for (name,), runs in grouped(records, "data").items():
        theirs, ours = (
            np.array([run.measured[side] for run in runs]) for side in ("theirs", "ours")
        )
        times = [
            np.mean([run.measured[f"{side}_seconds"] for run in runs])
            for side in ("theirs", "ours")
        ]
        difference, error = paired(theirs, ours)
        bound = max(_BOUND, 2 * error)
        if difference < -bound:
            behind.append(name)
        regression = name in REGRESSION
        means[regression].append((float(theirs.mean()), float(ours.mean())))
        rows.append(
            (
                f"{name} ({'R²' if regression else 'accuracy'})",
                f"{theirs.mean():.2f}",
                f"{ours.mean():.2f}",
                f"{difference:+.2f}" + (f" ± {error:.2f}" if len(runs) > 1 else ""),
                f"−{bound:.2f}",
                *(f"{time:.1f}" for time in times),
            )
        )
    for kind, pairs in (("classification", means[False]), ("regression", means[True])):
        base, own = np.mean(pairs, axis=0)
        if own < base:
            failed.append(kind)
        rows.append(
            (f"mean, {kind}", f"{base:.2f}", f"{own:.2f}", f"{own - base:+.2f}", "0", "", "")
        )
    return "\n\n".join((_INTRODUCTION, markdown_table(_HEADER, rows), verdict(failed, behind)))


def paired(theirs: Any, ours: Any) -> tuple[float, float]:
    """Return the mean of the differences and its standard error, 0 for a single one."""
    differences = ours - theirs
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

STUDY = Study(
    name="defaults",
    title="Default settings against scikit-learn's",
    runs=[{"data": name, "fold": fold} for name, n in N_RUNS.items() for fold in range(n)],
    work=work,
    render=render,
)

if __name__ == "__main__":
    STUDY.command()()
