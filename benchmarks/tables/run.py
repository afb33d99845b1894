"""Fit recipes on tables; what is found of each is merged into what has been kept.

Peers need not run again when ours changes: a (part, table, recipe) that is measured replaces that
of the record, all others stay.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score, roc_auc_score

from benchmarks.apart import each_apart, run_apart
from benchmarks.benchmark import Measured
from benchmarks.report import processor
from benchmarks.tables.recipes import OURS, RECIPES, installed
from benchmarks.tables.sets import SETS, Split, split_of

__all__ = ["QUICK_SETS", "QUICK_SPLITS", "Asked", "fill", "fresh", "measure", "merge", "work"]

#: Tables of the quick form, and their splits.
QUICK_SETS = ("iris", "friedman1_exact_few")
QUICK_SPLITS = 2
_SPEED_TABLE = "friedman1"  # 12,000 rows of 10 columns
_SPEED_TURNS = 3
_LEAST = 1e-7  # of a probability, about what float32 tells from 0 or 1


@dataclass(frozen=True)
class Asked:
    """What is to be fitted, on what."""

    part: str  # "choosing" or "report"
    tables: tuple[str, ...]
    recipes: tuple[str, ...]
    n_splits: int | None = None  # None: those of the table


def measure(folder: Path, full: bool) -> Measured:
    """Fit all recipes that are installed, on the splits of the report."""
    asked = Asked(
        "report",
        tuple(SETS) if full else QUICK_SETS,
        tuple(name for name in RECIPES if installed(name)),
        None if full else QUICK_SPLITS,
    )
    measured = fresh()
    for found in fill(folder, asked):
        merge(measured, found)
    return measured


def fresh() -> Measured:
    """Return a record of nothing."""
    return {"recipes": {}, "speed": {}, "fits": {}}


def merge(measured: Measured, found: Measured) -> None:
    """Put what was found into a record, in place of what that had of the same."""
    measured["recipes"].update(found["recipes"])
    measured["speed"].update(found["speed"])
    for part, tables in found["fits"].items():
        for table, fits in tables.items():
            measured["fits"].setdefault(part, {}).setdefault(table, {}).update(fits)


def fill(folder: Path, asked: Asked) -> Iterator[Measured]:
    """Fit what is asked for, recipe by recipe; yield a record of each table when it is done."""
    for recipe in asked.recipes:
        about = {
            "title": RECIPES[recipe].title,
            "version": f"{RECIPES[recipe].package} {installed(recipe)}",
            "processor": processor(),
            "date": str(date.today()),
        }
        settings = {**asdict(asked), "folder": str(folder), "recipe": recipe}
        for table, fits in each_apart(f"{__name__}:work", settings):
            click.echo(f"{asked.part}, {table}, {recipe}: {_told(fits)}")
            kept = {asked.part: {table: {recipe: fits}}}
            yield {"recipes": {recipe: about}, "speed": {}, "fits": kept}
        if recipe == OURS:
            found = run_apart(f"{__name__}:speed", {"folder": str(folder)}, threads=2)
            yield {**fresh(), "speed": {recipe: found}}


def work(settings: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, float]]]]:
    """Fit one recipe on all tables that are asked for, with one thread; yield the fits of each."""
    import dask

    dask.config.set(scheduler="synchronous")
    make, warmed = RECIPES[settings["recipe"]].make, set()
    for name in settings["tables"]:
        table, fits = SETS[name], []
        if table.regression not in warmed:
            _warm(make(table.regression, 0, 1), table.regression)
            warmed.add(table.regression)
        for number in range(settings["n_splits"] or table.n_splits):
            split = split_of(Path(settings["folder"]), name, settings["part"], number)
            fits.append(fitted(make(table.regression, number, 1), table.regression, split))
        yield name, fits


def speed(settings: Mapping[str, Any]) -> list[float]:
    """Fit ours on 12,000 rows of 10 columns with two threads; return the seconds of each turn."""
    import dask

    dask.config.set(scheduler="threads", num_workers=2)
    split = split_of(Path(settings["folder"]), _SPEED_TABLE, "report", 0)
    make = RECIPES[OURS].make
    _warm(make(True, 0, 2), True)
    seconds = []
    for turn in range(_SPEED_TURNS):
        began = time.perf_counter()
        make(True, turn, 2).fit(split.X, split.y)
        seconds.append(round(time.perf_counter() - began, 3))
    return seconds


def _warm(model: Any, regression: bool) -> None:
    """Fit a little of nothing: kernels and imports are loaded before anything counts."""
    X = np.random.default_rng(0).standard_normal((64, 4))
    y = X[:, 0] if regression else np.arange(64) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)


def fitted(model: Any, regression: bool, split: Split) -> dict[str, float]:
    """Fit a model, and score it on the test rows.

    ``cpu`` are the seconds of the processor in the fit, which other work on the machine hardly
    sways; ``seconds`` those of the clock.
    """
    with warnings.catch_warnings():
        # scikit-learn's often stops at 200 epochs, LightGBM misses names of columns: both say so.
        warnings.simplefilter("ignore")
        began, used = time.perf_counter(), time.process_time()
        model.fit(split.X, split.y)
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        if regression:
            found = {"score": float(r2_score(split.y_test, model.predict(split.X_test)))}
        else:
            found = classified(split.y_test, np.asarray(model.predict_proba(split.X_test), float))
    kept = {name: round(value, 6) for name, value in found.items()}
    return {**kept, "seconds": round(seconds, 3), "cpu": round(cpu, 3), "n_test": len(split.y_test)}


def classified(y: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Accuracy, log-loss, and AUROC: of two classes, or the mean of each class against the rest.

    No probability counts as less than 1e-7. Classes that the test rows lack have no AUROC.
    """
    shares = np.clip(probabilities, _LEAST, 1)
    shares /= shares.sum(axis=1, keepdims=True)
    classes = [1] if shares.shape[1] == 2 else np.unique(y)
    areas = [roc_auc_score(y == one, probabilities[:, one]) for one in classes]
    return {
        "score": float(np.mean(np.argmax(probabilities, axis=1) == y)),
        "logloss": float(-np.mean(np.log(shares[np.arange(len(y)), y]))),
        "auroc": float(np.mean(areas)),
    }


def _told(fits: Sequence[Mapping[str, float]]) -> str:
    means = {name: np.mean([fit[name] for fit in fits]) for name in ("score", "seconds")}
    return f"{100 * means['score']:.2f}, {means['seconds']:.2f} s"
