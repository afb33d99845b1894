"""scikit-learn's own suite, with the defaults that users get: no check is excused."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from dask_horn import HornClassifier, HornRegressor

pytestmark = pytest.mark.slow


@parametrize_with_checks([HornClassifier(), HornRegressor()])
def test_check_suite(estimator, check):
    check(estimator)
