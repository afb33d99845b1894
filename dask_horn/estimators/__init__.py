"""The scikit-learn face: HornClassifier and HornRegressor."""

from __future__ import annotations

from dask_horn.estimators.classifier import HornClassifier
from dask_horn.estimators.regressor import HornRegressor

__all__ = ["HornClassifier", "HornRegressor"]
