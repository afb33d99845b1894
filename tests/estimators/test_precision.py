"""Neither shifts nor units of targets and features change what is learned, nor does a dtype."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import dask_horn as horn
from dask_horn import HornClassifier, HornRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 3))
Y = X[:, 0] - 0.5 * X[:, 1]
SMALL = {
    "hidden_layer_sizes": (12,),
    "activation": "relu",
    "dropout": 0.0,
    "n_rounds": 6,
    "learning_rate": 0.02,
    "random_state": 0,
}
LARGE = 1_700_000_000_000_000_000  # nanoseconds


def _fitted(X, y, **settings):
    return HornRegressor(**SMALL | settings).fit(X, y)


R2 = _fitted(X, Y).score(X, Y)


def _spreads(predicted, y):
    """Return numbers about 0, in units of the targets' spread."""
    y = np.asarray(y, np.float64)
    middle, spread = y.mean(), float(np.abs(y - y.mean()).max())
    return (np.asarray(predicted, np.float64) - middle) / spread


@settings(max_examples=12, deadline=None)
@given(st.floats(-1e10, 1e10), st.integers(-300, 290))
@example(1e10, 0)
@example(0.0, 45)
@example(0.0, -45)
def test_a_shift_and_a_unit_of_the_targets_change_nothing(shift, exponent):
    y = (Y + shift) * 10.0**exponent
    reg = _fitted(X, y)
    predicted = reg.predict(X)
    assert np.isfinite(predicted).all()
    assert reg.score(X, y) == pytest.approx(R2, abs=1e-3)
    assert reg.model_.score(X, y) == pytest.approx(R2, abs=1e-3)
    error = _spreads(predicted, y) - _spreads(y, y)
    assert 1 - np.mean(error**2) / np.var(_spreads(y, y)) == pytest.approx(R2, abs=1e-3)


@pytest.mark.parametrize(
    "y",
    [
        pytest.param(1.7e9 + 60 * Y, id="epoch seconds"),
        pytest.param(2459000.5 + 0.2 * Y, id="Julian days"),
        pytest.param(1e45 * (1 + 0.1 * Y), id="erg"),
        pytest.param(LARGE + (6e10 * Y).astype(np.int64), id="nanoseconds"),
        pytest.param(np.uint64(2**63) + (5e12 + 1e12 * Y).astype(np.uint64), id="uint64"),
        pytest.param((1e4 * Y).astype(np.float16), id="float16"),
        pytest.param((1e6 + 100 * Y).astype(np.float32), id="float32"),
        pytest.param((1e37 * Y).astype(np.float32), id="large float32"),
        pytest.param([10**17 + int(1e6 * value) for value in Y], id="a list of large integers"),
        pytest.param((Y + 1e9).astype(object), id="objects"),
        pytest.param((Y + 1e9).astype(np.longdouble), id="longdouble"),
    ],
)
def test_targets_of_any_kind_are_learned_as_if_they_were_about_0(y):
    reg = _fitted(X, y)
    assert reg.score(X, y) == pytest.approx(R2, abs=1e-3)
    assert reg.model_.evaluate(X, y).score == pytest.approx(R2, abs=1e-3)


def test_targets_of_very_different_units_beside_each_other():
    y = np.stack([1e45 * Y, 1e-45 * Y, Y + 1e10, Y], axis=1)
    assert _fitted(X, y).score(X, y) == pytest.approx(R2, abs=0.02)


def test_the_dtype_of_predictions():
    assert _fitted(X, 100 + Y).predict(X).dtype == np.float32
    assert _fitted(X, 1e4 + Y).predict(X).dtype == np.float64


def test_predictions_are_the_same_wherever_they_are_made(tmp_path):
    y = 1.7e9 + 60 * Y
    reg = _fitted(X, y, merge="ensemble", n_groups=2, early_stopping=True)
    assert max(record.validation_score for record in reg.history_) > 0.9
    predicted, spread = reg.predict(X, return_std=True)
    assert predicted.dtype == spread.dtype == np.float64
    assert 0.001 < spread.mean() / y.std() < 1
    reg.model_.save(str(tmp_path / "model"))
    loaded = horn.load(str(tmp_path / "model"))
    assert_array_equal(loaded.predict(X), predicted)
    lazy = reg.predict(da.from_array(X, chunks=(100, 3)))
    assert lazy.dtype == np.float64
    assert_array_equal(lazy.compute(), predicted)
    loaded.predict(X, out=str(tmp_path / "out"))
    assert_array_equal(zarr.open_group(str(tmp_path / "out"))["y"][:], predicted)


def test_the_spread_of_an_ensemble_has_the_targets_unit():
    ensembles = [_fitted(X, Y * unit, merge="ensemble", n_groups=3) for unit in (1, 1e200, 1e-200)]
    plain, *others = (one.predict(X, return_std=True)[1] for one in ensembles)
    assert_allclose(others[0] / 1e200, plain, rtol=1e-4)
    assert_allclose(others[1] / 1e-200, plain, rtol=1e-4)


def test_draws_of_masks_keep_the_precision():
    y = 1.7e9 + 60 * Y
    reg = _fitted(X, y, dropconnect=0.2)
    sampled = reg.model_.predict(X, inference="sample", n_draws=50)
    assert sampled.dtype == np.float64
    assert len(np.unique(sampled)) > 200


def test_targets_in_zarr_and_validation_keep_the_precision(tmp_path):
    y = 1.7e9 + 60 * Y
    horn.write_samples(str(tmp_path / "samples"), X, y)
    network = horn.Network([horn.Dense(12, "relu"), horn.Dense(1)], 3, loss="squared_error")
    result = horn.train(
        network, str(tmp_path / "samples"), n_rounds=6, validation_data=(X, y), learning_rate=0.02
    )
    assert result.history[-1].validation_score > 0.9
    assert result.model.score(str(tmp_path / "samples")) > 0.9


INTEGERS = (1000 * X).astype(np.int64)


def _shifted(by, dtype):
    return np.array([[dtype(int(x) + by) for x in row] for row in INTEGERS], dtype)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(INTEGERS + 1e13, id="float64"),
        pytest.param(_shifted(2**40, np.int64), id="large"),
        pytest.param(_shifted(LARGE, np.int64), id="nanoseconds"),
        pytest.param(_shifted(LARGE, np.int64).astype(">i8"), id="big-endian"),
        pytest.param(_shifted(-(2**63) + 2**40, np.int64), id="near the least int64"),
        pytest.param(_shifted(2**64 - 2**40, np.uint64), id="near the greatest uint64"),
        pytest.param((INTEGERS * 1e-200), id="tiny"),
        pytest.param((INTEGERS * 1e200), id="huge"),
        pytest.param((X * 8e37).astype(np.float32), id="huge float32"),
        pytest.param((X * 1e-37).astype(np.float32), id="tiny float32"),
    ],
)
def test_features_far_from_0_or_in_any_unit_are_learned_as_others_are(samples, tmp_path):
    reg = _fitted(samples, Y)
    assert reg.score(samples, Y) == pytest.approx(R2, abs=2e-3)
    reg.model_.save(str(tmp_path / "model"))
    assert_array_equal(horn.load(str(tmp_path / "model")).predict(samples), reg.predict(samples))
    lazy = reg.predict(da.from_array(samples, chunks=(100, 3))).compute()
    assert_allclose(lazy, reg.predict(samples), rtol=1e-6)
    again = HornRegressor(**SMALL).fit(samples, Y, initial=reg.model_)
    assert again.score(samples, Y) > 0.9


def test_columns_of_any_spread_beside_large_ones():
    wide = RNG.integers(-(2**63), 2**63 - 1, 240)
    samples = np.stack([INTEGERS[:, 0] + LARGE, INTEGERS[:, 1], wide], axis=1)
    assert _fitted(samples, Y).score(samples, Y) > 0.9


def test_padding_is_told_by_samples_as_they_are():
    steps = np.stack([INTEGERS[:, :2] + LARGE, INTEGERS[:, 1:] + LARGE], axis=1)
    steps[::2, 1] = -1
    reg = HornRegressor(layers=[horn.SimpleRNN(8, mask_value=-1)], n_rounds=2, random_state=0)
    assert np.isfinite(reg.fit(steps, Y).predict(steps)).all()


def _table():
    rng = np.random.default_rng(0)
    flags, counts = rng.integers(0, 2, (600, 5)), rng.integers(0, 256, (600, 10))
    return np.hstack([flags, counts]), (flags[:, :3].sum(axis=1) >= 2).astype(int)


def _images():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    pixels = rng.integers(0, 256, (300, 36)) * (rng.random(36) < 0.8)
    pixels[:, 3] = 255 * y
    return pixels, y


@pytest.mark.parametrize("make", [_table, _images])
def test_the_dtype_of_equal_numbers_changes_nothing(make):
    samples, y = make()
    models = [
        HornClassifier(**SMALL).fit(samples.astype(dtype), y).model_
        for dtype in ("uint8", "int16", "uint64", "float16", "float32", "float64", ">i4")
    ]
    for model in models[1:]:
        assert_array_equal(model.parameters, models[0].parameters)
    assert models[0].score(samples, y) > 0.95


def test_flags_beside_counts_are_heard_in_uint8():
    samples, y = _table()
    classifier = HornClassifier(**SMALL | {"n_rounds": 10}).fit(samples.astype(np.uint8), y)
    assert classifier.score(samples.astype(np.uint8), y) > 0.98


@pytest.mark.parametrize("lazy", [False, True])
def test_no_prediction_is_nan(lazy):
    far = np.where(np.arange(24).reshape(8, 3) == 6, 1e300, X[:8])
    far = da.from_array(far, chunks=(4, 3)) if lazy else far
    with pytest.raises(ValueError, match="sample 2 of what was passed has no finite prediction"):
        np.asarray(_fitted(X, Y).predict(far))
