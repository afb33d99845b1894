"""Samples in memory, and settings that train on them in a moment."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from dask_horn import HornClassifier, HornRegressor

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
VALUES_X, VALUES = load_diabetes(return_X_y=True)
SMALL = {
    "hidden_layer_sizes": (16,),
    "activation": "relu",
    "n_submodels": 2,
    "n_rounds": 4,
    "learning_rate": 0.02,
    "random_state": 0,
}
ESTIMATORS = pytest.mark.parametrize("make", [HornClassifier, HornRegressor])
