"""scikit-learn's own suite, with settings that are quick: no check is excused."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from dask_horn import HornClassifier, HornRegressor

pytestmark = pytest.mark.slow

QUICK = {"hidden_layer_sizes": (16,), "n_rounds": 3, "learning_rate": 0.05}


@parametrize_with_checks(
    [
        HornClassifier(**QUICK),
        HornRegressor(**QUICK),
        HornClassifier(**QUICK, n_groups=2, merge="ensemble", group_data="all"),
    ]
)
def test_check_suite(estimator, check):
    check(estimator)
