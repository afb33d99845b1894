"""What is fitted: our estimators and what users of tables would pick, each as it comes.

``RECIPES[name].make(regression, seed, threads)`` returns an estimator. What is not installed is
left out. One more is a function and a line of `RECIPES`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import dask_horn as horn

__all__ = ["OURS", "RECIPES", "TUNED", "Recipe", "installed"]

#: (whether targets are values, seed, threads) → an estimator
Make = Callable[[bool, int, int], Any]


@dataclass(frozen=True)
class Recipe:
    """An estimator with its settings, and the name that tables give it."""

    title: str
    package: str  # whose version is told
    make: Make
    slow: bool = False  # minutes where the others take seconds


def installed(name: str) -> str | None:
    """Return the version of a recipe's package, None where it lacks what is wanted."""
    if name == TUNED and "tune" not in horn.HornClassifier().get_params():
        return None
    try:
        return version(RECIPES[name].package)
    except PackageNotFoundError:
        return None


def _ours(regression: bool, seed: int, threads: int) -> Any:
    """Ours by default; it has as many threads as Dask has been given."""
    return (horn.HornRegressor if regression else horn.HornClassifier)(random_state=seed)


def _ours_quick(regression: bool, seed: int, threads: int) -> Any:
    """Ours, which first chooses among presets."""
    return _ours(regression, seed, threads).set_params(tune="quick")


def _mlp(regression: bool, seed: int, threads: int) -> Any:
    """scikit-learn's network behind StandardScaler, its targets scaled too."""
    from benchmarks.defaults import theirs

    return theirs(regression, seed)


def _hist(regression: bool, seed: int, threads: int) -> Any:
    """scikit-learn's gradient boosting, which has the threads of OpenMP."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    return kind(random_state=seed)


def _lightgbm(regression: bool, seed: int, threads: int) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMRegressor if regression else LGBMClassifier
    return kind(random_state=seed, n_jobs=threads, verbosity=-1)


def _xgboost(regression: bool, seed: int, threads: int) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    return (XGBRegressor if regression else XGBClassifier)(random_state=seed, n_jobs=threads)


def _realmlp(regression: bool, seed: int, threads: int) -> Any:
    _quiet()
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    kind = RealMLP_TD_S_Regressor if regression else RealMLP_TD_S_Classifier
    return kind(device="cpu", random_state=seed, n_threads=threads)


def _tabm(regression: bool, seed: int, threads: int) -> Any:
    _quiet()
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor

    kind = TabM_D_Regressor if regression else TabM_D_Classifier
    return kind(device="cpu", random_state=seed, n_threads=threads)


def _quiet() -> None:
    """Keep Lightning from telling of each fit that it has begun and ended."""
    import pytorch_lightning  # which sets its own level  # noqa: F401

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


OURS = "ours"
TUNED = "ours_quick"  # presets chosen by fits
RECIPES: Mapping[str, Recipe] = {
    OURS: Recipe("dask_horn", "dask-horn", _ours),
    TUNED: Recipe('dask_horn, `tune="quick"`', "dask-horn", _ours_quick),
    "sklearn_mlp": Recipe("scikit-learn's MLP", "scikit-learn", _mlp),
    "sklearn_hist": Recipe("HistGradientBoosting", "scikit-learn", _hist),
    "lightgbm": Recipe("LightGBM", "lightgbm", _lightgbm),
    "xgboost": Recipe("XGBoost", "xgboost", _xgboost),
    "realmlp": Recipe("RealMLP-TD-S", "pytabkit", _realmlp, slow=True),
    "tabm": Recipe("TabM-D", "pytabkit", _tabm, slow=True),
}
