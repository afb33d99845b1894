"""A temperature makes probabilities believable, and changes nothing else."""

from __future__ import annotations

import pickle

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

import dask_horn as horn
from dask_horn import Ensemble, Model, ModelFormatError
from dask_horn.data import write_samples
from tests.model.untrained import MAKERS, N_FEATURES, edit_attributes, expected_outputs, make_model
from tests.model.untrained import X as FEW

GENERATOR = np.random.default_rng(11)
X = GENERATOR.normal(3, 2, (4000, N_FEATURES))
CLASSIFIERS = pytest.mark.parametrize("kind", ["classes", "labels"])


def sharp(kind="classes", seed=0, factor=4.0):
    """A model whose logits are large: it is sure of what it says."""
    model = make_model(kind, seed)
    parameters = model.parameters.copy()
    model.network.parameters.view(parameters, "output/W")[...] *= factor
    return Model(model.network, parameters, model.standardizer, model.targets)


def sharp_ensemble(kind="classes", factor=4.0):
    return Ensemble(tuple(sharp(kind, seed, factor) for seed in range(3)))


SHARP = pytest.mark.parametrize("make", [sharp, sharp_ensemble], ids=["model", "ensemble"])


def drawn(model, temperature):
    """Targets of X that come true as often as the model's probabilities at a temperature say."""
    p = model.predict_proba(X).astype(np.float64)
    if model.targets.kind == "labels":
        odds = (np.log(p) - np.log1p(-p)) / temperature
        return (GENERATOR.random(p.shape) < expit(odds)).astype(int)
    chance = softmax(np.log(p) / temperature, axis=1)
    codes = (GENERATOR.random((len(p), 1)) > chance.cumsum(axis=1)).sum(axis=1)
    return model.classes[codes]


def negative_log_likelihood(model, y):
    p = model.predict_proba(X).astype(np.float64)
    if model.targets.kind == "labels":
        return -np.log(np.where(y == 1, p, 1 - p)).mean()
    return -np.log(p[np.arange(len(p)), np.searchsorted(model.classes, y)]).mean()


@SHARP
@CLASSIFIERS
@pytest.mark.parametrize("temperature", [0.6, 2.5])
def test_the_temperature_that_targets_were_drawn_at_is_found(make, kind, temperature):
    model = make(kind)
    y = drawn(model, temperature)
    calibrated = model.calibrate(X, y)
    assert type(calibrated) is type(model)
    assert_allclose(calibrated.temperature, temperature, rtol=0.1)
    found = negative_log_likelihood(calibrated, y)
    assert found < negative_log_likelihood(model, y)
    for near in (0.97, 1.03):
        other = make(kind)._with_temperature(calibrated.temperature * near)
        assert negative_log_likelihood(other, y) > found


@SHARP
@CLASSIFIERS
def test_what_is_predicted_stays_the_same(make, kind):
    model = make(kind)
    calibrated = model.calibrate(X, drawn(model, 3))
    assert_array_equal(calibrated.predict(X), model.predict(X))
    assert model.temperature == 1  # nor is the model changed that was calibrated
    assert calibrated.predict_proba(X).dtype == np.float32


def test_probabilities_are_those_of_the_divided_logits():
    model = make_model()
    for temperature in (0.3, 1, 7.5):
        tempered = model._with_temperature(temperature)
        expected = softmax(expected_outputs(model) / temperature, axis=1)
        assert_allclose(tempered.predict_proba(FEW), expected, rtol=1e-4)
    labels = make_model("labels")
    expected = expit(expected_outputs(labels) / 2)
    assert_allclose(labels._with_temperature(2).predict_proba(FEW), expected, rtol=1e-4)


def test_an_ensemble_is_pooled_then_calibrated():
    ensemble = sharp_ensemble()
    calibrated = ensemble.calibrate(X, drawn(ensemble, 2))
    pooled = np.mean([member.predict_proba(X) for member in ensemble.members], axis=0)
    expected = softmax(np.log(pooled.astype(float)) / calibrated.temperature, axis=1)
    assert_allclose(calibrated.predict_proba(X), expected, rtol=1e-3)


def test_an_ensemble_of_calibrated_members_pools_what_they_say():
    members = sharp_ensemble(factor=8).members
    cooler = Ensemble(tuple(member._with_temperature(3) for member in members))
    expected = np.mean([member.predict_proba(X) for member in cooler.members], axis=0)
    assert_allclose(cooler.predict_proba(X), expected, rtol=1e-5)
    y = drawn(cooler, 1.5)
    assert_allclose(cooler.calibrate(X, y).temperature, 1.5, rtol=0.1)


def test_the_members_disagree_as_before():
    ensemble = sharp_ensemble()
    calibrated = ensemble.calibrate(X, drawn(ensemble, 2))
    assert_array_equal(calibrated.member_outputs(X), ensemble.member_outputs(X))
    mean, std = calibrated.predict_proba(X, return_std=True)
    assert_array_equal(mean, calibrated.predict_proba(X))
    assert_array_equal(std, ensemble.predict_proba(X, return_std=True)[1])


@CLASSIFIERS
def test_no_probability_is_too_small_to_be_calibrated(kind):
    """Logits so far apart that float32 knows only probabilities of 0 and 1."""
    y = drawn(sharp(kind), 4)
    expected = sharp(kind).calibrate(X, y).predict_proba(X)
    calibrated = sharp(kind, factor=1e5).calibrate(X, y)
    assert_allclose(calibrated.predict_proba(X), expected, atol=1e-4)
    ensemble = sharp_ensemble(kind, factor=1e5).calibrate(X, y)
    assert np.isfinite(ensemble.predict_proba(X)).all()


def test_calibrating_again_starts_anew():
    model = sharp()
    once = model.calibrate(X, drawn(model, 3))
    y = drawn(model, 1.5)
    assert once.calibrate(X, y).temperature == model.calibrate(X, y).temperature


# Where samples and targets lie


@CLASSIFIERS
def test_samples_and_targets_may_lie_anywhere(kind, tmp_path):
    model = sharp(kind)
    y = drawn(model, 2)
    expected = model.calibrate(X, y).temperature
    path = tmp_path / "held.zarr"
    write_samples(path, X, y, chunk_bytes=700 * 8 * N_FEATURES)
    group = zarr.open_group(path, mode="r")
    sources = [
        (X.tolist(), y.tolist()),
        (pd.DataFrame(X), pd.Series(y) if y.ndim == 1 else pd.DataFrame(y)),
        (da.from_array(X, chunks=(900, 5)), da.from_array(y, chunks=1100)),
        (dd.from_pandas(pd.DataFrame(X), npartitions=3), y),
        (group["X"], group["y"]),
        (path, None),
        (str(path), y),
        (group, None),
    ]
    for samples, targets in sources:
        assert model.calibrate(samples, targets).temperature == expected


def test_calibrated_models_answer_chunked_samples():
    model = sharp_ensemble()._with_temperature(2.5)
    lazy = model.predict_proba(da.from_array(X, chunks=(900, 2)))
    assert_array_equal(lazy.compute(), model.predict_proba(X))


# Keeping


@MAKERS
@CLASSIFIERS
def test_the_temperature_is_saved_and_pickled(make, kind, tmp_path):
    model = make(kind)._with_temperature(np.float64(1.7))
    model.save(tmp_path / "model.zarr")
    for again in (horn.load(tmp_path / "model.zarr"), pickle.loads(pickle.dumps(model))):
        assert again.temperature == 1.7
        assert_array_equal(again.predict_proba(FEW), model.predict_proba(FEW))


@MAKERS
def test_models_from_before_there_was_a_temperature_are_read(make, tmp_path):
    make().save(tmp_path / "model.zarr")
    edit_attributes(tmp_path / "model.zarr", lambda fields: fields.pop("temperature"))
    assert horn.load(tmp_path / "model.zarr").temperature == 1


@MAKERS
@pytest.mark.parametrize("temperature", [0, -1, "warm", None])
def test_damaged_temperatures_are_refused(make, temperature, tmp_path):
    make().save(tmp_path / "model.zarr")
    edit_attributes(tmp_path / "model.zarr", lambda fields: fields.update(temperature=temperature))
    with pytest.raises(ModelFormatError, match="damaged model"):
        horn.load(tmp_path / "model.zarr")


# Mistakes


def test_wrong_targets_are_told():
    model = sharp()
    y = drawn(model, 1)
    with pytest.raises(ValueError, match="the label 'elk', which is not among the classes"):
        model.calibrate(X, np.where(np.arange(len(y)) == 7, "elk", y))
    with pytest.raises(ValueError, match="X holds 3999 samples and y 4000 targets"):
        model.calibrate(X[1:], y)
    with pytest.raises(ValueError, match="X has samples of shape"):
        model.calibrate(X[:, :2], y)
    with pytest.raises(TypeError, match="y is missing; pass targets beside X"):
        model.calibrate(X)
    with pytest.raises(ValueError, match="must hold only 0 and 1"):
        sharp("labels").calibrate(X, np.full((4000, 4), 2))
    with pytest.raises(ValueError, match="y has 3 columns and the model 4 outputs"):
        sharp("labels").calibrate(X, np.zeros((4000, 3)))


def test_a_group_without_targets_is_told(tmp_path):
    write_samples(tmp_path / "x.zarr", X)
    with pytest.raises(ValueError, match="holds no array y"):
        sharp().calibrate(tmp_path / "x.zarr")


@MAKERS
@pytest.mark.parametrize("kind", ["value", "values"])
def test_values_have_no_probabilities_to_calibrate(make, kind):
    with pytest.raises(ValueError, match=r"calibrate needs a classifier.*return_std=True"):
        make(kind).calibrate(FEW, FEW[:, 0])


@pytest.mark.parametrize("temperature", [0, -2.0, np.nan, np.inf])
def test_temperatures_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be a finite number above 0, got"):
        make_model()._with_temperature(temperature)


def test_what_is_no_temperature_is_told():
    with pytest.raises(TypeError, match="temperature must be a finite number above 0, got 'hot'"):
        make_model()._with_temperature("hot")
    with pytest.raises(ValueError, match="temperature must be 1 for models of values"):
        make_model("value")._with_temperature(2.0)
    with pytest.raises(ValueError, match="members is empty"):
        Ensemble(())


@SHARP
@CLASSIFIERS
def test_samples_that_are_all_right_tell_no_temperature(make, kind):
    model = make(kind)
    with pytest.warns(UserWarning, match=r"all 4000 samples .* predicted correctly") as told:
        assert model.calibrate(X, model.predict(X)).temperature == 1
    assert told[0].filename == __file__


@SHARP
@CLASSIFIERS
def test_targets_of_other_samples_are_told(make, kind):
    model = make(kind)
    with pytest.raises(ValueError, match=r"no better than chance.* X and y belong together"):
        model.calibrate(X, drawn(model, -3))
