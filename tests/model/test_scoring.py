"""Models score themselves as scikit-learn would score their predictions, wherever samples lie."""

from __future__ import annotations

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from numpy.testing import assert_allclose
from sklearn.metrics import accuracy_score, log_loss, r2_score

import dask_horn as horn
from dask_horn import Ensemble
from dask_horn.data import Targets, write_samples
from tests import sequences
from tests.model.untrained import KINDS, MAKERS, N_FEATURES, X, make_ensemble, make_model

RNG = np.random.default_rng(5)
NAMES = np.array(["ant", "bee", "cow"])
TARGETS = {
    "classes": NAMES[RNG.integers(0, 3, len(X))],
    "labels": RNG.integers(0, 2, (len(X), 4)),
    "value": RNG.normal(7, 3, len(X)),
    "values": RNG.normal((7, -1), (3, 0.1), (len(X), 2)),
}
WEIGHTS = RNG.random(len(X))


def _expected(model, y, weights=None):
    predicted = model.predict(X)
    if model.targets.kind == "values":
        return r2_score(y, predicted, sample_weight=weights)
    return accuracy_score(y, predicted, sample_weight=weights)


@MAKERS
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_the_score_is_that_of_the_predictions(make, kind, weights):
    model, y = make(kind), TARGETS[kind]
    assert_allclose(model.score(X, y, weights), _expected(model, y, weights), rtol=1e-5)


@MAKERS
@pytest.mark.parametrize("kind", KINDS)
def test_samples_and_targets_may_lie_anywhere(make, kind, tmp_path):
    model, y = make(kind), TARGETS[kind]
    expected = model.evaluate(X, y, WEIGHTS)
    path = tmp_path / "x.zarr"
    write_samples(path, X, y, chunk_bytes=20 * 8 * N_FEATURES)
    group = zarr.open_group(path, mode="r")
    frame = pd.Series(y) if y.ndim == 1 else pd.DataFrame(y)
    sources = [
        (X.tolist(), y.tolist()),
        (pd.DataFrame(X), frame),
        (da.from_array(X, chunks=(30, 2)), y),
        (da.from_array(X, chunks=(30, 5)), da.from_array(y, chunks=17)),
        (dd.from_pandas(pd.DataFrame(X), npartitions=3), dd.from_pandas(frame, npartitions=3)),
        (da.from_array(X, chunks=(30, 5)), group["y"]),
        (group["X"], group["y"]),
        (group["X"], y),
        (X, group["y"]),
        (X, da.from_array(y, chunks=17)),
        (path, None),
        (str(path), y),
        (group, None),
    ]
    for samples, targets in sources:
        for weights in (WEIGHTS, da.from_array(WEIGHTS, chunks=9)):
            found = model.evaluate(samples, targets, weights)
            assert_allclose(found.score, expected.score, rtol=1e-9)
            assert_allclose([found.loss, found.n], [expected.loss, expected.n], rtol=1e-9)


def test_chunks_without_rows_do_no_harm():
    model, y = make_model(), TARGETS["classes"]
    lazy = da.from_array(X, chunks=(35, 5))
    lazy = da.concatenate([lazy[:35], lazy[:35][:0], lazy[35:]])
    assert model.score(lazy, y) == model.score(X, y)


@MAKERS
def test_the_loss_is_that_of_the_probabilities(make):
    model = make()._with_temperature(1.7)
    y = TARGETS["classes"]
    p = model.predict_proba(X).astype(float)
    expected = log_loss(y, p / p.sum(axis=1, keepdims=True), sample_weight=WEIGHTS)
    assert_allclose(model.evaluate(X, y, WEIGHTS).loss, expected, rtol=1e-4)
    labels, y = make("labels"), TARGETS["labels"]
    p = labels.predict_proba(X).astype(float)
    expected = -np.log(np.where(y == 1, p, 1 - p)).mean()
    assert_allclose(labels.evaluate(X, y).loss, expected, rtol=1e-4)


@MAKERS
def test_the_loss_of_values_is_in_units_of_their_scale(make):
    model, y = make("values"), TARGETS["values"]
    error = (model.predict(X) - y) / model.targets.scale
    assert_allclose(model.evaluate(X, y).loss, (0.5 * error**2).mean(), rtol=1e-4)


def test_members_of_other_scales_are_scored_by_what_they_predict():
    first, second = make_model("value"), make_model("value", seed=1)
    targets = Targets.of_values(np.array([4.0]), np.array([11.0]), flat=True)
    second = type(second)(second.network, second.parameters, second.standardizer, targets)
    ensemble = Ensemble((first, second))
    y = TARGETS["value"]
    assert_allclose(ensemble.score(X, y), r2_score(y, ensemble.predict(X)), rtol=1e-5)


@pytest.mark.parametrize("make", [sequences.make_model, sequences.make_ensemble])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", ["classes", "values"])
def test_padding_plays_no_part_in_the_score(make, lazy, kind):
    model = make(kind)
    counted = sequences.COUNTED
    if kind == "classes":
        true = sequences.WORDS
        y = np.where(counted, true, "nobody says so")
        expected = accuracy_score(true[counted], model.predict(sequences.X)[counted])
    else:
        true = np.stack([sequences.SUMS, -sequences.SUMS], axis=2)
        y = np.where(counted[:, :, None], true, np.nan)
        expected = r2_score(true[counted], model.predict(sequences.X)[counted])
    samples = da.from_array(sequences.X, chunks=(17, 4, 2)) if lazy else sequences.X
    found = model.evaluate(samples, da.from_array(y, chunks=11) if lazy else y)
    assert_allclose(found.score, expected, rtol=1e-5)
    assert found.n == counted.sum()
    weights = np.arange(len(y))
    repeated = np.repeat(weights, counted.shape[1]).reshape(counted.shape)[counted]
    assert model.evaluate(samples, y, weights).n == repeated.sum()


@pytest.mark.parametrize("merge", ["average", "ensemble"])
def test_the_score_is_that_of_the_history(merge):
    """And so is the loss, of a model and of an ensemble."""
    y = TARGETS["classes"]
    network = horn.Network([horn.Dense(8, "relu"), horn.Dense(3)], N_FEATURES)
    result = horn.train(network, X, y, validation_data=(X, y), n_rounds=2, n_groups=2, merge=merge)
    found, told = result.model.evaluate(X, y), result.history[-1]
    assert_allclose([found.loss, found.score], [told.validation_loss, told.validation_score])


def test_a_score_is_shown_in_a_line():
    words = repr(make_model().evaluate(X, TARGETS["classes"]))
    assert words.startswith("Score(accuracy 0.") and words.endswith("n 70)")
    assert repr(make_model("value").evaluate(X, TARGETS["value"])).startswith("Score(R² ")


@pytest.mark.parametrize("n", [1, 3, 70])
def test_constant_values_have_a_score_of_zero_as_in_scikit_learn_which_is_told(n):
    model = make_model("value")
    with pytest.warns(UserWarning, match="y holds one target only, of which R² says nothing"):
        assert model.score(X[:n], np.full(n, 0.1)) == 0


@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_wrong_is_told(lazy):
    model, y = make_model(), TARGETS["classes"]
    samples = da.from_array(X, chunks=(30, 5)) if lazy else X
    with pytest.raises(TypeError, match="y is missing; pass targets beside X"):
        model.score(samples)
    with pytest.raises(ValueError, match="X holds 70 samples and y 69 targets"):
        model.score(samples, y[:-1])
    with pytest.raises(ValueError, match="the label 'dog', which is not among the classes"):
        model.score(samples, np.where(np.arange(70) == 50, "dog", y))
    holed = np.where(np.arange(70) == 50, None, y.astype(object))
    with pytest.raises(ValueError, match="y holds no class at sample 50 "):
        model.score(samples, holed)
    with pytest.raises(ValueError, match=r"sample_weight must have the shape \(70,\), .* got \(3,"):
        model.score(samples, y, [1, 2, 3])
    for weights in (np.zeros(70), -np.ones(70), np.full(70, np.nan)):
        with pytest.raises(ValueError, match="sample_weight must be finite, of at least 0"):
            model.score(samples, y, weights)
    wrong = np.where(np.arange(70) == 50, np.nan, TARGETS["value"])
    with pytest.raises(ValueError, match="y holds NaN at sample 50, output 0"):
        make_model("value").score(samples, wrong)
    wrong = TARGETS["labels"].copy()
    wrong[50, 2] = 3
    with pytest.raises(ValueError, match="y holds 3 at sample 50, label 2"):
        make_model("labels").score(samples, wrong)
    with pytest.raises(ValueError, match=r"X has samples of shape \(3,\)"):
        model.score(samples[:, :3], y)


def test_the_workers_of_a_cluster_score(client, tmp_path):
    path = str(tmp_path / "x.zarr")
    write_samples(path, X, TARGETS["classes"], chunk_bytes=20 * 8 * N_FEATURES)
    model = make_ensemble()
    assert_allclose(model.score(path), _expected(model, TARGETS["classes"]))
