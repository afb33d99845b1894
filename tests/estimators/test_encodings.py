"""Estimators encode the columns of tables, as far as their rows and values go."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from zarr.storage import MemoryStore

from dask_horn import (
    Dense,
    HornClassifier,
    HornRegressor,
    MissingIndicator,
    Periodic,
    PiecewiseLinear,
)
from dask_horn.network import Encoding

RNG = np.random.default_rng(0)
N = 1000
X = np.column_stack(
    [RNG.normal(size=N), RNG.integers(0, 2, N), RNG.integers(0, 6, N), np.ones(N)]
).astype(np.float32)
Y = (np.floor(3 * X[:, 0]) % 2).astype(int)
SMALL = {"hidden_layer_sizes": (16,), "n_rounds": 2, "random_state": 0}


def _encodings(estimator):
    layers = estimator.model_.network.layers
    return [layer for layer in layers if isinstance(layer, Encoding)]


@pytest.fixture(scope="module")
def fitted():
    return HornClassifier(**SMALL).fit(X, Y)


def test_a_column_has_bins_for_its_rows_and_values(fitted):
    bins, waves = _encodings(fitted)
    assert bins == PiecewiseLinear((5, 0, 3, 0))
    assert waves == Periodic((4, 0, 4, 0))


def test_frequencies_of_many_columns_are_learned():
    wide = RNG.normal(size=(N, 17)).astype(np.float32)
    bins, waves = _encodings(HornClassifier(**SMALL).fit(wide, Y))
    assert bins == PiecewiseLinear((5,) * 17)
    assert waves == Periodic((4,) * 17, learned=True)


def test_steps_are_learned_that_plain_numbers_hide():
    rows = RNG.uniform(-2, 2, size=(6000, 3)).astype(np.float32)
    steps = (np.floor(4 * rows) % 2).sum(axis=1)
    scores = [
        HornRegressor(numeric_encoding=encoding, random_state=0)
        .fit(rows[:4000], steps[:4000])
        .score(rows[4000:], steps[4000:])
        for encoding in ("auto", None)
    ]
    assert 1 - scores[0] < 0.7 * (1 - scores[1])


@pytest.mark.parametrize(
    ("samples", "parameters"),
    [
        (X[:399], {}),
        (X, {"numeric_encoding": None}),
        (X, {"standardize": False}),
        (X, {"hidden_layer_sizes": ()}),
        (X[:, [1, 3]], {}),
        (np.repeat(X, 65, axis=1), {}),
        (X.reshape(N, 2, 2), {}),
    ],
    ids=[
        "few rows",
        "none asked for",
        "not standardized",
        "linear",
        "two values",
        "wide",
        "images",
    ],
)
def test_there_are_none_where_they_would_not_pay(samples, parameters):
    estimator = HornClassifier(**SMALL | parameters).fit(samples, Y[: len(samples)])
    assert _encodings(estimator) == []


def test_wherever_the_samples_are_the_network_is_the_same(fitted):
    stored = zarr.create_array(MemoryStore(), data=X, chunks=(300, 4))
    for samples in (da.from_array(X, chunks=(300, 4)), stored):
        again = HornClassifier(**SMALL).fit(samples, Y)
        assert again.model_.network == fitted.model_.network
        edges = "piecewise_linear_1/edges"
        table = fitted.model_.network.parameters
        assert_array_equal(
            table.view(again.model_.parameters, edges), table.view(fitted.model_.parameters, edges)
        )


def test_training_goes_on_with_the_encodings_that_there_are(fitted):
    again = HornClassifier(**SMALL).fit(X[:100], Y[:100], initial=fitted.model_)
    assert _encodings(again) == _encodings(fitted)
    first = HornClassifier(**SMALL).partial_fit(X, Y, classes=[0, 1])
    before = _encodings(first)
    assert before == _encodings(first.partial_fit(X[:50], Y[:50]))


def test_training_goes_on_with_encodings_among_the_users_layers():
    gaps = np.where(RNG.random(X.shape) < [0.1, 0, 0, 0], np.nan, X)
    layers = [PiecewiseLinear(4), Dense(8, "relu")]
    settings = {"layers": layers, "missing": "indicator", "random_state": 0}
    first = HornClassifier(**settings).partial_fit(gaps, Y, classes=[0, 1])
    before = first.model_
    assert [type(one) for one in _encodings(first)] == [MissingIndicator, PiecewiseLinear]
    assert first.partial_fit(gaps, Y).model_.network == before.network
    again = HornClassifier(**settings, n_rounds=2).fit(gaps, Y, initial=before)
    assert again.model_.network == before.network


def test_missing_values_go_before():
    gaps = np.where(RNG.random(X.shape) < [0.1, 0, 0, 0], np.nan, X)
    estimator = HornClassifier(**SMALL, missing="indicator").fit(gaps, Y)
    kinds = [type(layer).__name__ for layer in _encodings(estimator)]
    assert kinds == ["MissingIndicator", "PiecewiseLinear", "Periodic"]
    assert np.isfinite(estimator.predict_proba(gaps)).all()


@pytest.mark.parametrize(
    ("value", "error"), [("none", ValueError), (16, TypeError), (True, TypeError)]
)
def test_a_setting_that_is_unknown_is_told(value, error):
    with pytest.raises(error, match="numeric_encoding must be 'auto' or None, got"):
        HornClassifier(numeric_encoding=value).fit(X, Y)


# Columns that stand in `layers` are not put before them once more.
@pytest.mark.parametrize("missing", ["error", "indicator"])
def test_encodings_of_ones_own_are_trained_further(missing, fitted):
    layers = [PiecewiseLinear(4), Periodic(2, learned=True), Dense(8, "relu")]
    estimator = HornClassifier(**SMALL, layers=layers, missing=missing).fit(X, Y)
    network = estimator.model_.network
    assert estimator.partial_fit(X, Y).model_.network == network
    assert estimator.fit(X, Y, initial=estimator.model_).model_.network == network
    # This is what the error advises where parameters and `initial` do not go together.
    again = HornClassifier(**SMALL, layers=fitted.model_.network.layers[:-1])
    assert again.fit(X, Y, initial=fitted.model_).model_.network == fitted.model_.network


def test_other_columns_than_those_of_initial_are_told(fitted):
    with pytest.raises(ValueError, match=r"initial takes samples of shape \(4,\), got \(3,\)"):
        HornClassifier(**SMALL).fit(X[:, :3], Y, initial=fitted.model_)
