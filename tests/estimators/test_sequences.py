"""The estimators tell from their layers whether y has a target for each sample or each step."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from zarr.storage import MemoryStore

from dask_horn import GRU, LSTM, Dense, HornClassifier, HornRegressor, SimpleRNN
from tests.sequences import CHANNELS, COUNTED, LENGTHS, MASK, STEPS, SUMS, WORDS, N, X

STEPWISE = [LSTM(8, return_sequences=True, mask_value=MASK)]
SMALL = {"n_rounds": 20, "learning_rate": 0.02, "random_state": 0}


def _zarr(array):
    data = array.astype("T") if array.dtype.kind == "U" else array
    return zarr.create_array(store=MemoryStore(), name="a", data=data, chunks=(7, *array.shape[1:]))


def test_zeros_and_ones_are_steps_or_labels_as_the_layers_have_it():
    y = (SUMS > 0).astype(int)
    steps = HornClassifier(layers=STEPWISE, **SMALL).fit(X, y)
    assert steps.predict_proba(X).shape == (N, STEPS, 2)
    assert steps.model_.network.loss == "cross_entropy"
    assert steps.score(X, y) > 0.7
    labels = HornClassifier(layers=[LSTM(8, mask_value=MASK)], **SMALL).fit(X, y)
    assert labels.predict_proba(X).shape == (N, STEPS)
    assert labels.model_.network.loss == "binary_cross_entropy"


def test_a_class_for_each_sequence():
    y = WORDS[np.arange(N), LENGTHS - 1]
    clf = HornClassifier(layers=[LSTM(8, mask_value=MASK)], **SMALL).fit(X, y)
    assert clf.predict(X).shape == (N,)
    assert clf.score(X, y) > 0.7


@pytest.mark.parametrize("mask", ["example", "batch"])
@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_dropping_connections_between_states_learns_too(kind, mask):
    y = WORDS[np.arange(N), LENGTHS - 1]
    layer = kind(16, mask_value=MASK, dropconnect=0.25, dropconnect_mask=mask)
    first, again = (HornClassifier(layers=[layer], **SMALL).fit(X, y) for _ in range(2))
    assert first.score(X, y) > 0.7
    np.testing.assert_array_equal(first.model_.parameters, again.model_.parameters)
    plain = HornClassifier(layers=[kind(16, mask_value=MASK)], **SMALL).fit(X, y)
    assert not np.array_equal(first.model_.parameters, plain.model_.parameters)


@pytest.mark.parametrize("wrap_x", [np.asarray, _zarr, lambda a: da.from_array(a, (9, 2, 3))])
@pytest.mark.parametrize("wrap_y", [np.asarray, _zarr, lambda a: da.from_array(a, (8, 5))])
@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
def test_padding_has_no_class(wrap_x, wrap_y):
    y = np.where(COUNTED, WORDS, "")
    clf = HornClassifier(layers=STEPWISE, n_rounds=2, random_state=0).fit(wrap_x(X), wrap_y(y))
    assert clf.classes_.tolist() == ["falls", "rests", "soars"]
    right = (np.asarray(clf.predict(X)) == WORDS)[COUNTED]
    assert clf.score(wrap_x(X), wrap_y(y)) == pytest.approx(right.mean())


@pytest.mark.parametrize("outputs", [(), (1,), (2,)])
def test_values_for_each_step(outputs):
    y = np.where(COUNTED, SUMS, np.nan).reshape(N, STEPS, *(1 for _ in outputs))
    y = np.repeat(y, outputs[0], axis=2) * np.arange(1, outputs[0] + 1) if outputs else y
    reg = HornRegressor(layers=STEPWISE, **SMALL).fit(X, y, validation_data=(X, y))
    assert reg.predict(X).shape == y.shape
    assert reg.score(X, y) > 0.5
    assert reg.score(X, y) == pytest.approx(reg.history_[-1].validation_score, rel=1e-4)


def test_scores_weigh_samples():
    clf = HornClassifier(layers=STEPWISE, **SMALL).fit(X, WORDS)
    weights = np.zeros(N)
    weights[4] = 2
    right = (clf.predict(X[4:5]) == WORDS[4])[0, : LENGTHS[4]]
    assert_allclose(clf.score(X, WORDS, sample_weight=weights), right.mean())


def test_training_goes_on_and_is_calibrated():
    y = np.where(COUNTED, WORDS, "")
    clf = HornClassifier(layers=STEPWISE, **SMALL)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(X, y)
    clf.partial_fit(X[:30], y[:30], classes=["falls", "rests", "soars"]).partial_fit(X[30:], y[30:])
    assert clf.n_iter_ == 2
    clf.fit(X, y, initial=clf.model_)
    assert clf.calibrate(X, y).model_.temperature != 1


def test_unbalanced_classes_and_early_stopping():
    clf = HornClassifier(
        layers=STEPWISE, class_weight="balanced", early_stopping=True, **SMALL
    ).fit(X, WORDS)
    assert clf.history_[0].validation_score is not None


@pytest.mark.parametrize("make", [HornClassifier, HornRegressor])
@pytest.mark.parametrize("shape", [(N,), (N, 5), (N, 7), (N, 3, 2)])
@pytest.mark.parametrize("wrap", [np.asarray, da.from_array])
def test_targets_of_another_number_of_steps(make, shape, wrap):
    with pytest.raises(ValueError, match=r"for each of 6 steps; pass y of shape \(60, 6\)"):
        make(layers=STEPWISE).fit(wrap(X), wrap(np.zeros(shape)))


def test_scores_of_targets_of_another_number_of_steps():
    clf = HornClassifier(layers=STEPWISE, n_rounds=1).fit(X, WORDS)
    with pytest.raises(ValueError, match="for each of 6 steps"):
        clf.score(X, WORDS[:, 0])
    with pytest.raises(ValueError, match="X holds 60 samples and y 59 targets"):
        clf.score(X, WORDS[1:])


@settings(max_examples=15, deadline=None)
@given(
    st.integers(2, 9), st.integers(1, 5), st.integers(1, 3), st.booleans(), st.booleans(),
    st.integers(0, 99),
)  # fmt: skip
def test_any_shape_is_trained_and_predicted(n, steps, channels, masked, stepwise, seed):
    rng = np.random.default_rng(seed)
    counted = np.arange(steps) < rng.integers(1, steps + 1, n)[:, None]
    x = np.where(counted[:, :, None], rng.normal(size=(n, steps, channels)), MASK)
    y = rng.integers(0, 2, (n, steps) if stepwise else n)
    y[:2].reshape(2, -1)[:, 0] = 0, 1
    layer = LSTM(3, return_sequences=stepwise, mask_value=MASK if masked else None)
    clf = HornClassifier(layers=[layer], n_submodels=2, n_rounds=1, steps_per_round=2)
    clf.fit(x, y)
    assert clf.predict(x).shape == y.shape
    assert np.isfinite(clf.predict_proba(x)).all()
    assert 0 <= clf.score(x, y) <= 1


def test_layers_without_steps_take_rows_as_before():
    clf = HornClassifier(layers=[Dense(8, activation="relu")], n_rounds=1)
    clf.fit(X.reshape(N, -1), LENGTHS % 2)
    assert clf.model_.standardizer.mean.shape == (STEPS * CHANNELS,)


@pytest.mark.parametrize("wrap", [list, np.ndarray.tolist])
def test_lists_of_sequences(wrap):
    y = WORDS[np.arange(N), LENGTHS - 1]
    options = {"layers": [LSTM(4, mask_value=MASK)], "n_rounds": 1, "random_state": 0}
    listed = HornClassifier(**options).fit(wrap(X), y)
    array = HornClassifier(**options).fit(X, y)
    np.testing.assert_array_equal(listed.predict_proba(wrap(X)), array.predict_proba(X))
