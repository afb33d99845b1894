"""Samples and targets in memory: which are taken, and which are refused."""

from __future__ import annotations

import importlib

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import DataConversionWarning

from dask_horn import HornClassifier, HornRegressor
from tests.estimators.iris import ESTIMATORS, NAMES, SMALL, VALUES, X, Y


def test_images_need_not_be_flattened():
    images = np.random.default_rng(0).integers(0, 255, (60, 5, 4), dtype=np.uint8)
    labels = images[:, 0, 0] > 127
    clf = HornClassifier(**SMALL).fit(images, labels)
    assert clf.n_features_in_ == 20
    assert clf.model_.network.input_shape == (5, 4)
    assert_array_equal(clf.predict(images), clf.predict(images.reshape(60, 20)))
    with pytest.raises(ValueError, match="X has 10 features, but HornClassifier is expecting 20"):
        clf.predict(images[:, :, :2])


def test_a_column_of_targets_is_one_target_and_warned_about():
    for make, y in ((HornClassifier, NAMES), (HornRegressor, VALUES[:150])):
        with pytest.warns(DataConversionWarning, match="column-vector"):
            column = make(**SMALL).fit(X, y[:, None])
        assert (
            column.model_.parameters.tobytes()
            == make(**SMALL).fit(X, y).model_.parameters.tobytes()
        )
        assert column.predict(X).shape == (150,)


@ESTIMATORS
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_first_sample_that_is_not_finite_is_named(make, bad):
    holed = X.copy()
    holed[[7, 70], 2] = bad
    word = "NaN" if np.isnan(bad) else "infinity"
    for samples in (holed, holed.tolist(), pd.DataFrame(holed)):
        with pytest.raises(ValueError, match=f"X holds {word} at sample 7, feature 2"):
            make(**SMALL).fit(samples, Y)
    for stop in (True, False):
        estimator = make(**SMALL, early_stopping=stop)
        with pytest.raises(ValueError, match=f"X holds {word} at sample 7, feature 2"):
            estimator.fit(holed, Y)
        with pytest.raises(ValueError, match=f"validation_data: X holds {word} at sample 7"):
            estimator.fit(X, Y, validation_data=(holed, Y))
    estimator = make(**SMALL).fit(X, Y)
    with pytest.raises(ValueError, match=f"X holds {word} at sample 7, feature 2"):
        estimator.predict(holed)


@ESTIMATORS
def test_the_first_target_that_is_missing_is_named(make):
    y = Y.astype(float)
    y[[7, 70]] = np.nan
    with pytest.raises(ValueError, match=r"y holds (NaN|no class) at sample 7"):
        make(**SMALL).fit(X, y)
    y = np.eye(3)[Y]
    y[[7, 70], 1] = np.nan
    with pytest.raises(ValueError, match="y holds NaN at sample 7, output 1"):
        make(**SMALL).fit(X, y)


@ESTIMATORS
def test_values_of_samples_in_memory_are_looked_at_once(make, monkeypatch):
    looked = []

    def note(values, *_, **__):
        looked.extend([values] if np.shape(values) == X.shape else [])

    monkeypatch.setattr("sklearn.utils.validation._assert_all_finite", note)
    for name in ("intake.sources", "survey.summary"):
        module = importlib.import_module(f"dask_horn.data.{name}")
        monkeypatch.setattr(module, "first_not_finite", note)
    make(**SMALL).fit(X, Y)
    assert len(looked) == 1


def test_bad_targets_are_told():
    with pytest.raises(ValueError, match=r"y holds only one class \(1\); training needs"):
        HornClassifier(**SMALL).fit(X, np.ones(150, int))
    with pytest.raises(ValueError, match="class_weight names 7, which is not among"):
        HornClassifier(**SMALL, class_weight={7: 2.0}).fit(X, Y)
    with pytest.raises(ValueError, match="loss must be one of 'squared_error', 'huber', got 'l1'"):
        HornRegressor(**SMALL, loss="l1").fit(X, Y)
    with pytest.raises(FileNotFoundError, match=r"no Zarr group at .*iris.zarr; pass the path"):
        HornClassifier(**SMALL).fit("iris.zarr")
    with pytest.raises(TypeError, match="y must be left out where X is the path"):
        HornClassifier(**SMALL).fit("iris.zarr", Y)


@ESTIMATORS
def test_weights_that_are_no_array_are_told(make):
    estimator = make(**SMALL).fit(X, Y)
    with pytest.raises(TypeError, match="sample_weight is a generator, which can be read only"):
        estimator.score(X, Y, sample_weight=(1.0 for _ in Y))
