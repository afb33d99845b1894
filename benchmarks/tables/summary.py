"""What the figures come to: ratios of errors over all tables, and the goals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables.recipes import OURS, RECIPES, TUNED
from benchmarks.tables.sets import FOLDS, SETS

__all__ = ["Goal", "Ratio", "Tables", "compared", "goals", "mean_of", "tables_of"]

#: The least log-loss and the least 1 - R² that count: below, logarithms would tell of rounding.
_LEAST_LOGLOSS = _LEAST_UNEXPLAINED = 1e-4

Fits: TypeAlias = Sequence[Mapping[str, float]]
#: Fits by recipe by table, of one part.
Tables: TypeAlias = Mapping[str, Mapping[str, Fits]]


@dataclass(frozen=True)
class Ratio:
    """How a figure of one recipe compares with another's over tables: the mean of logarithms."""

    log: float  # of the ratio, the mean over tables of the mean over splits
    error: float  # standard error of that, between splits; NaN if a table has one split only
    wins: int  # tables on which the figure is lower
    n_tables: int
    best: str  # the table on which the ratio is lowest
    without: float  # the mean of logarithms over all tables but that one; NaN if there is no other

    @property
    def factor(self) -> float:
        """The geometric mean of the ratios."""
        return math.exp(self.log)

    @property
    def told(self) -> str:
        """100 × the logarithm, with its standard error where that is known."""
        known = not math.isnan(self.error)
        return f"{100 * self.log:+.1f}" + (f" ± {100 * self.error:.1f}" if known else "")


@dataclass(frozen=True)
class Goal:
    """A goal, the figure, and whether it is reached: None where that was not measured."""

    what: str
    figure: str
    reached: bool | None


def tables_of(measured: Mapping[str, Any], part: str) -> Tables:
    """Return what was measured on one family of splits."""
    tables: Tables = measured["fits"].get(part, {})
    return tables


def errors(fits: Fits, regression: bool) -> NDArray[np.float64]:
    """Return 1 - R² or 1 - accuracy of each fit.

    No error counts as less than 1e-4 (R²) or half a test row (accuracy), for 0 has no logarithm.
    """
    least = [_LEAST_UNEXPLAINED if regression else 0.5 / fit["n_test"] for fit in fits]
    return np.maximum([1 - fit["score"] for fit in fits], least)


def compared(
    tables: Tables, ours: str, peer: str, regression: bool | None = None, what: str = "error"
) -> Ratio | None:
    """Compare two recipes on the tables of a kind (None: of both) that both were fitted on.

    `what` is ``"error"``, ``"logloss"`` or ``"cpu"``. California's folds are not counted.
    """
    logs: dict[str, NDArray[np.float64]] = {}
    for name, fits in tables.items():
        of_kind = regression is None or SETS[name].regression == regression
        if name != FOLDS and of_kind and ours in fits and peer in fits:
            both = [_logs(fits[recipe], name, what) for recipe in (ours, peer)]
            n_splits = min(map(len, both))  # slow ones may have been fitted on some only
            logs[name] = both[0][:n_splits] - both[1][:n_splits]
    if not logs:
        return None
    means = {name: float(values.mean()) for name, values in logs.items()}
    several = all(one.size > 1 for one in logs.values())
    squares = [float(one.var(ddof=1)) / one.size for one in logs.values()] if several else []
    best = min(means, key=means.__getitem__)
    others = [mean for name, mean in means.items() if name != best]
    return Ratio(
        log=float(np.mean(list(means.values()))),
        error=math.sqrt(sum(squares)) / len(logs) if several else math.nan,
        wins=sum(mean < 0 for mean in means.values()),
        n_tables=len(logs),
        best=best,
        without=float(np.mean(others)) if others else math.nan,
    )


def _logs(fits: Fits, table: str, what: str) -> NDArray[np.float64]:
    if what == "error":
        return np.log(errors(fits, SETS[table].regression))
    least = _LEAST_LOGLOSS if what == "logloss" else 1e-3
    return np.log(np.maximum([fit[what] for fit in fits], least))


def mean_of(tables: Tables, table: str, recipe: str, what: str) -> float | None:
    """Return the mean over splits of a figure, None where it was not measured."""
    fits = tables.get(table, {}).get(recipe, ())
    return float(np.mean([fit[what] for fit in fits])) if fits and what in fits[0] else None


def goals(measured: Mapping[str, Any], part: str = "report") -> list[Goal]:
    """Compare with every goal."""
    tables = tables_of(measured, part)
    return [
        *_boosting(tables),
        *_other_networks(tables),
        _beside_scikit_learn(tables),
        _figure(tables, FOLDS, "score", 0.84, "R² of california_housing, five folds"),
        _figure(tables, "letter_recognition", "score", 0.978, "accuracy of letter_recognition"),
        _figure(tables, "diamonds", "score", 0.9910, "R² of diamonds"),
        _figure(tables, "higgs_sample", "auroc", 0.765, "AUROC of higgs_sample"),
        _speed(measured),
    ]


_KINDS = {True: "regression", False: "classification"}


def _boosting(tables: Tables) -> list[Goal]:
    found = []
    for peer in ("xgboost", "lightgbm"):
        for regression, kind in _KINDS.items():
            ratio = compared(tables, OURS, peer, regression)
            found.append(_at_most(f"error, {kind}: not above {RECIPES[peer].title}'s", ratio, 1.0))
    ratio = compared(tables, OURS, "lightgbm", what="logloss", regression=False)
    return [*found, _at_most("log-loss: at most LightGBM's + 5 %", ratio, 1.05)]


def _other_networks(tables: Tables) -> list[Goal]:
    found = []
    for ours, who, share, times in ((OURS, "", 1.15, 20), (TUNED, ", tuned", 1.05, 5)):
        for regression, kind in _KINDS.items():
            ratio = compared(tables, ours, "realmlp", regression)
            more = round(100 * (share - 1))
            what = f"error, {kind}{who}: at most RealMLP-TD-S's + {more} %"
            found.append(_at_most(what, ratio, share))
        ratio = compared(tables, ours, "realmlp", what="cpu")
        what = f"time of a fit{who}: at most 1/{times} of RealMLP-TD-S's"
        figure = f"1/{1 / ratio.factor:.0f}" if ratio else ""
        found.append(Goal(what, figure, ratio.factor <= 1 / times if ratio else None))
    return found


def _at_most(what: str, ratio: Ratio | None, most: float) -> Goal:
    """Compare a ratio with the most that it may be."""
    if ratio is None:
        return Goal(what, "", None)
    return Goal(what, ratio.told, ratio.factor <= most)


def _beside_scikit_learn(tables: Tables) -> Goal:
    """On no table worse than scikit-learn's network by more than two standard errors."""
    what = "error: on no table above scikit-learn's MLP's beyond noise"
    both = {name: {name: fits} for name, fits in tables.items() if name != FOLDS}
    ratios = {name: compared(one, OURS, "sklearn_mlp") for name, one in both.items()}
    known = {name: ratio for name, ratio in ratios.items() if ratio}
    if not known:
        return Goal(what, "", None)
    above = {name: ratio for name, ratio in known.items() if ratio.log > 0}
    worse = [name for name, ratio in above.items() if not ratio.log <= 2 * ratio.error]
    figure = f"lower on {sum(ratio.wins for ratio in known.values())} of {len(known)}"
    if worse:
        figure += f"; above on {', '.join(worse)}"
    return Goal(what, figure, not worse)


def _figure(tables: Tables, table: str, what: str, least: float, title: str) -> Goal:
    found = mean_of(tables, table, OURS, what)
    title = f"{title}: at least {100 * least:.4g} %"
    if found is None:
        return Goal(title, "", None)
    return Goal(title, f"{100 * found:.2f}", found >= least)


def _speed(measured: Mapping[str, Any]) -> Goal:
    what = "a fit of 12,000 rows of 10 columns, two cores: at most 2 s"
    seconds = measured["speed"].get(OURS)
    if not seconds:
        return Goal(what, "", None)
    return Goal(what, f"{np.median(seconds):.2f} s", bool(np.median(seconds) <= 2))
