"""Missing values are trained on with missing="indicator", whatever they are kept in."""

from __future__ import annotations

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
import zarr
from sklearn.utils.estimator_checks import parametrize_with_checks
from zarr.storage import MemoryStore

import dask_horn as horn
from dask_horn import HornClassifier, HornRegressor

RNG = np.random.default_rng(0)
N = 600
X = RNG.normal(size=(N, 4)) * [1, 5, 1, 100] + [0, 3, 0, 1000]
Y = (X[:, 0] + X[:, 1] / 5 > 0.6).astype(int)
GAPS = RNG.random((N, 4)) < [0.1, 0.1, 0, 0.1]
LACKING = np.where(GAPS, np.nan, X)
SMALL = {"hidden_layer_sizes": (32,), "n_rounds": 8, "random_state": 0, "missing": "indicator"}


def _fitted(X=LACKING, y=Y, validation_data=None, **parameters):
    return HornClassifier(**SMALL | parameters).fit(X, y, validation_data=validation_data)


def _columns(estimator):
    return estimator.model_.network.layers[0].columns


@pytest.fixture(scope="module")
def fitted():
    return _fitted()


def test_columns_that_lack_values_get_an_indicator(fitted):
    assert _columns(fitted) == (0, 1, 3)
    assert _columns(_fitted(X)) == ()
    assert isinstance(fitted.model_.network.layers[0], horn.MissingIndicator)


def test_a_few_values_missing_at_random_cost_little():
    complete = HornClassifier(**SMALL | {"missing": "error"}).fit(X, Y).score(X, Y)
    at_random = np.where(RNG.random(X.shape) < 0.02, np.nan, X)
    assert complete > 0.95
    assert _fitted(at_random).score(at_random, Y) > complete - 0.04


def test_a_value_that_is_missing_for_a_reason_tells():
    noise = RNG.normal(size=(N, 2))
    noise[Y == 1, 1] = np.nan
    noise[RNG.random(N) < 0.05, 1] = 0.0
    assert _fitted(noise).score(noise, Y) > 0.93


def _marked(kind):
    """A Zarr array of whole numbers with an attribute that says which are none."""
    values = np.where(GAPS, -999, np.rint(X)).astype(kind)
    array = zarr.create_array(MemoryStore(), data=values, chunks=(100, 4))
    array.attrs["_FillValue"] = -999
    return array


def _frame(rows=LACKING):
    return pd.DataFrame(rows, columns=list("abcd"))


ROUNDED = np.where(GAPS, np.nan, np.rint(X))
SAME = {
    "list": lambda: [[None if gap else x for x, gap in zip(*row, strict=True)]
                     for row in zip(X.tolist(), GAPS, strict=True)],
    "objects": lambda: np.where(GAPS, None, X.astype(object)),
    "masked": lambda: np.ma.array(X, mask=GAPS),
    "pandas": _frame,
    "nullable": lambda: _frame().astype("Float64"),
    "arrow": lambda: _frame().astype("double[pyarrow]"),
    "polars": lambda: pl.DataFrame(_frame().astype(object).where(~GAPS, None).to_dict("list")),
    "pandas objects": lambda: _frame().astype(object).where(~GAPS, pd.NA),
    "xarray": lambda: xr.DataArray(LACKING, dims=("row", "column")),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("kind", SAME)
def test_whatever_holds_them_gives_the_same_bits(kind, fitted):
    same = SAME[kind]()
    other = _fitted(same)
    np.testing.assert_array_equal(other.model_.parameters, fitted.model_.parameters)
    np.testing.assert_array_equal(fitted.predict_proba(same), fitted.predict_proba(LACKING))
    assert fitted.score(same, Y) == fitted.score(LACKING, Y)


STORED = {
    "dask": lambda: da.from_array(LACKING, chunks=(100, 4)),
    "dask masked": lambda: da.from_array(np.ma.array(X, mask=GAPS), chunks=(100, 4)),
    "dask objects": lambda: da.from_array(np.where(GAPS, None, X.astype(object)), chunks=(100, 4)),
    "dask frame": lambda: dd.from_pandas(_frame(), npartitions=6),
    "dask nullable": lambda: dd.from_pandas(_frame().astype("Float64"), npartitions=6),
    "zarr": lambda: zarr.create_array(MemoryStore(), data=LACKING, chunks=(100, 4)),
}
WHOLE = {
    "dask masked integers": lambda: da.from_array(
        np.ma.array(np.rint(X).astype(int), mask=GAPS), chunks=(100, 4)
    ),
    "dask nullable integers": lambda: dd.from_pandas(
        _frame(ROUNDED).astype("Int64"), npartitions=6
    ),
    "dask of marked": lambda: da.from_zarr(_marked("i2")),
    "marked": lambda: _marked("i2"),
    "marked long": lambda: _marked("i8"),
    "plain": lambda: da.from_array(ROUNDED, chunks=(100, 4)),
}


def _stored_fit(make):
    X = make()
    y = dd.from_pandas(pd.Series(Y), npartitions=6) if isinstance(X, dd.DataFrame) else Y
    return HornClassifier(**SMALL).fit(X, y)


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("kind", STORED)
def test_what_is_lazy_or_stored_trains_and_predicts(kind, fitted):
    estimator = _stored_fit(STORED[kind])
    assert _columns(estimator) == (0, 1, 3)
    assert estimator.score(LACKING, Y) > 0.85
    np.testing.assert_array_equal(
        np.asarray(fitted.predict_proba(STORED[kind]())), fitted.predict_proba(LACKING)
    )


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
def test_whole_numbers_that_lack_some_give_the_bits_of_floats():
    fits = {kind: _stored_fit(make) for kind, make in WHOLE.items()}
    expected = fits["plain"].model_
    for kind, estimator in fits.items():
        assert _columns(estimator) == (0, 1, 3), kind
        np.testing.assert_allclose(
            estimator.predict_proba(ROUNDED), expected.predict_proba(ROUNDED), atol=1e-5
        )
        predicted = np.asarray(estimator.predict(WHOLE[kind]()))
        np.testing.assert_array_equal(predicted, estimator.predict(ROUNDED))


def test_predictions_go_into_zarr(fitted, tmp_path):
    samples = zarr.create_array(str(tmp_path / "x.zarr"), data=LACKING, chunks=(100, 4))
    fitted.predict(samples, out=tmp_path / "out.zarr")
    found = zarr.open_group(str(tmp_path / "out.zarr"))["y"][...]
    np.testing.assert_array_equal(found, fitted.predict(LACKING))


def test_any_column_may_lack_values_in_prediction(fitted):
    rows = X[:5].copy()
    rows[:, 2] = np.nan
    mean = X[:5].copy()
    mean[:, 2] = fitted.model_.standardizer.mean[2]
    np.testing.assert_array_equal(fitted.predict_proba(rows), fitted.predict_proba(mean))


def test_a_column_without_any_value_does_no_harm():
    rows = np.column_stack([LACKING, np.full(N, np.nan)])
    estimator = _fitted(rows)
    assert _columns(estimator) == (0, 1, 3, 4)
    assert estimator.score(rows, Y) > 0.85


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_infinity_is_no_missing_value(fitted, infinite):
    rows = LACKING.copy()
    rows[17, 2] = infinite
    for work in (
        lambda: _fitted(rows),
        lambda: _fitted(zarr.create_array(MemoryStore(), data=rows, chunks=(100, 4))),
        lambda: fitted.predict(rows),
        lambda: _fitted(validation_data=(rows, Y)),
    ):
        with pytest.raises(ValueError, match=r"infinity at sample 17, (feature 2|column)"):
            work()


def test_the_error_says_what_trains_on_them():
    with pytest.raises(ValueError, match=r"X holds NaN at sample .* missing='indicator'"):
        HornClassifier(n_rounds=1).fit(LACKING, Y)
    with pytest.raises(ValueError, match="missing must be one of"):
        HornClassifier(missing="mean").fit(X, Y)
    with pytest.raises(ValueError, match="missing='indicator' takes rows of features"):
        HornClassifier(missing="indicator").fit(X.reshape(N, 2, 2), Y)


def test_targets_never_lack():
    y = X[:, 0].copy()
    y[3] = np.nan
    with pytest.raises(ValueError, match="y holds NaN at sample 3"):
        HornRegressor(**SMALL).fit(LACKING, y)


LONG = np.ma.array(np.arange(N)[:, np.newaxis] + 2**60, mask=GAPS[:, :1])


@pytest.mark.parametrize(
    "make",
    [
        lambda: LONG,
        lambda: pl.DataFrame({"a": LONG[:, 0].tolist()}),
        lambda: da.from_array(LONG, chunks=(100, 1)),
        lambda: pd.DataFrame(LONG.data, columns=["a"]).astype("Int64").mask(GAPS[:, :1]),
    ],
)
def test_whole_numbers_that_floats_would_round_are_refused(make):
    with pytest.raises(ValueError, match=r"X holds whole numbers beyond 2\*\*53"):
        _fitted(make())


def test_whole_numbers_that_lack_nothing_are_used_as_they_are():
    assert _fitted(np.rint(X * 10).astype(int)).score(np.rint(X * 10).astype(int), Y) > 0.9


def test_masked_blocks_that_nobody_has_declared_are_refused():
    lazy = da.from_array(np.rint(X).astype(int), chunks=(100, 4))
    masked = lazy.map_blocks(lambda rows: np.ma.masked_equal(rows, 1), dtype=int, meta=lazy._meta)
    with pytest.raises(ValueError, match="X has dtype int64, which knows no missing value"):
        _fitted(masked)


def test_held_out_rows_may_lack_values(fitted):
    scored = _fitted(validation_data=(np.ma.array(X, mask=GAPS), Y))
    np.testing.assert_array_equal(scored.model_.parameters, fitted.model_.parameters)
    assert scored.history_[-1].validation_score == scored.score(LACKING, Y)
    assert _fitted(early_stopping=True).score(LACKING, Y) > 0.85


def test_the_first_call_of_partial_fit_settles_the_columns():
    estimator = HornClassifier(**SMALL)
    for start in range(0, 300, 100):
        rows = slice(start, start + 100)
        part = np.where(GAPS[rows] & (np.arange(4) > start // 200), np.nan, X[rows])
        estimator.partial_fit(part, Y[rows], classes=[0, 1])
        assert _columns(estimator) == (1, 3)
    assert estimator.score(LACKING, Y) > 0.6


def test_a_saved_model_takes_them_and_is_trained_further(fitted, tmp_path):
    fitted.model_.save(tmp_path / "model.zarr")
    model = horn.load(tmp_path / "model.zarr")
    np.testing.assert_array_equal(model.predict(LACKING), fitted.predict(LACKING))
    assert model.score(np.ma.array(X, mask=GAPS), Y) == fitted.score(LACKING, Y)
    further = HornClassifier(**SMALL | {"n_rounds": 1}).fit(X, Y, initial=model)
    assert _columns(further) == (0, 1, 3)


def test_members_of_an_ensemble_take_them():
    ensemble = _fitted(n_groups=2, merge="ensemble", group_data="all")
    assert ensemble.score(LACKING, Y) > 0.85


def test_a_layer_of_ones_own_is_left_alone():
    layers = [horn.MissingIndicator(columns=(1,)), horn.Dense(8, "relu")]
    for missing in ("error", "indicator"):
        estimator = HornClassifier(layers=layers, n_rounds=1, missing=missing).fit(LACKING, Y)
        assert _columns(estimator) == (1,)
        estimator.predict(LACKING)


@pytest.mark.slow
@parametrize_with_checks(
    [
        cls(hidden_layer_sizes=(16,), n_rounds=3, learning_rate=0.05, missing="indicator")
        for cls in (HornClassifier, HornRegressor)
    ]
)
def test_check_suite(estimator, check):
    check(estimator)
