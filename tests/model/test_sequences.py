"""Models that predict for each step: as the oracle does, wherever samples lie, padding left out."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

import dask_horn as horn
from dask_horn.data import write_samples
from dask_horn.model.calibration import fit_temperature
from tests import oracle
from tests.sequences import (
    COUNTED,
    KINDS,
    LENGTHS,
    MASK,
    STEPS,
    WORDS,
    N,
    X,
    make_ensemble,
    make_model,
)

MAKERS = pytest.mark.parametrize("make", [make_model, make_ensemble], ids=["model", "ensemble"])


def _oracle_outputs(model):
    parameters = model.network.parameters.as_dict(model.parameters.astype(np.float64))
    return oracle.forward(model.network, parameters, (X - 3) / 2, counted=COUNTED)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_is_predicted_as_the_oracle_does(kind):
    model = make_model(kind)
    z = _oracle_outputs(model)
    if kind == "classes":
        probability = model.predict_proba(X)
        assert_allclose(probability[COUNTED], softmax(z, axis=2)[COUNTED], rtol=1e-4, atol=1e-6)
        assert_array_equal(model.predict(X), model.classes[probability.argmax(axis=2)])
        assert model.predict(X).shape == (N, STEPS)
        return
    values = z * model.targets.scale + model.targets.mean
    expected = values[..., 0] if kind == "value" else values
    assert model.predict(X).shape == expected.shape
    assert_allclose(model.predict(X)[COUNTED], expected[COUNTED], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_an_ensemble_predicts_the_mean_of_each_step(kind):
    ensemble = make_ensemble(kind)
    outputs = ensemble.member_outputs(X)
    assert outputs.shape == (3, N, STEPS, ensemble.targets.n_outputs)
    method = ensemble.predict_proba if kind == "classes" else ensemble.predict
    mean, std = method(X, return_std=True)
    assert_allclose(mean.reshape(outputs.shape[1:]), outputs.mean(axis=0), rtol=1e-6)
    assert_allclose(std.reshape(outputs.shape[1:]), outputs.std(axis=0), rtol=1e-6)
    assert mean.shape == method(X).shape


@MAKERS
@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_the_same_wherever_samples_lie(make, kind, tmp_path):
    model = make(kind)
    expected = model.predict(X)
    write_samples(tmp_path / "x.zarr", X, chunk_bytes=8 * X[0].size * 13)
    for lazy in (
        da.from_array(X, chunks=(17, 4, 2)),
        zarr.open_array(tmp_path / "x.zarr" / "X", mode="r"),
        str(tmp_path / "x.zarr"),
    ):
        predicted = model.predict(lazy)
        assert (predicted.shape, predicted.dtype) == (expected.shape, expected.dtype)
        assert_array_equal(predicted.compute(), expected)
    model.predict(str(tmp_path / "x.zarr"), out=str(tmp_path / "y.zarr"))
    written = zarr.open_group(tmp_path / "y.zarr", mode="r")["y"][...]
    assert_array_equal(written.astype(expected.dtype), expected)
    if kind == "classes":
        proba = model.predict_proba(da.from_array(X, chunks=(17, 4, 2)))
        assert proba.shape == (N, STEPS, 3)
        assert_array_equal(proba.compute(), model.predict_proba(X))


@MAKERS
def test_steps_that_count_are_told(make):
    model = make()
    assert_array_equal(model.counted_steps(X), COUNTED)
    assert_array_equal(model.counted_steps(da.from_array(X, chunks=(17, 2, 3))).compute(), COUNTED)


def test_what_predicts_once_for_each_sample_has_no_steps_that_count():
    network = horn.Network([horn.LSTM(4), horn.Dense(2)], (STEPS, 3))
    model = horn.train(network, X, LENGTHS % 2, n_rounds=1, n_submodels=1).model
    with pytest.raises(ValueError, match="counted_steps needs a model that predicts each step"):
        model.counted_steps(X)


@MAKERS
@pytest.mark.parametrize("kind", KINDS)
def test_models_come_back_with_their_steps(make, kind, tmp_path):
    model = make(kind)
    model.save(str(tmp_path / "m.zarr"))
    again = horn.load(str(tmp_path / "m.zarr"))
    assert again.targets.steps == STEPS
    assert_array_equal(again.predict(X), model.predict(X))


def test_models_written_before_there_were_steps_still_load(tmp_path):
    network = horn.Network([horn.Dense(2)], 3)
    model = horn.train(network, X[:, 0], LENGTHS % 2, n_rounds=1).model
    model.save(str(tmp_path / "m.zarr"))
    path = tmp_path / "m.zarr" / "zarr.json"
    attributes = json.loads(path.read_text())
    del attributes["attributes"]["dask_horn"]["targets"]["steps"]
    path.write_text(json.dumps(attributes))
    again = horn.load(str(tmp_path / "m.zarr"))
    assert again.targets.steps is None
    assert_array_equal(again.predict(X[:, 0]), model.predict(X[:, 0]))


@MAKERS
@pytest.mark.parametrize("wrap", [np.asarray, lambda a: da.from_array(a, chunks=(11, -1))])
def test_padding_plays_no_part_in_the_temperature(make, wrap):
    model = make()
    # Nobody has trained it: half of the labels are its own, so that it is better than chance.
    own = np.random.default_rng(0).random(WORDS.shape) < 0.5
    words = np.where(own, model.predict(X), WORDS)
    y = np.where(COUNTED, words, "nobody says so")
    logs = model._log_pooled(X.reshape(N, -1))[COUNTED]
    codes = np.searchsorted(model.classes, words[COUNTED]).astype(np.float32)[:, None]
    expected = fit_temperature(logs, codes, "classes")
    assert model.calibrate(X, wrap(y)).temperature == pytest.approx(expected, rel=1e-4)


def test_targets_to_calibrate_on_that_are_wrong():
    model = make_model()
    with pytest.raises(ValueError, match="for each of 6 steps; pass y of shape"):
        model.calibrate(X, WORDS[:, 0])
    y = WORDS.copy()
    y[4, 0] = "flies"
    with pytest.raises(ValueError, match="the label 'flies', which is not among the classes"):
        model.calibrate(X, y)


@pytest.mark.parametrize("lazy", [False, True])
def test_samples_of_nothing_but_padding_are_not_predicted(lazy):
    bad = X.copy()
    bad[33] = MASK
    model = make_model()
    with pytest.raises(ValueError, match=r"nothing but padding at sample 33, .*mask_value=-5"):
        np.asarray(model.predict(da.from_array(bad, chunks=(20, 6, 3)) if lazy else bad))


def test_what_is_no_token_is_not_predicted():
    network = horn.Network([horn.Embedding(5, 4), horn.LSTM(4), horn.Dense(2)], (STEPS,))
    tokens = np.arange(N * STEPS).reshape(N, STEPS) % 5
    model = horn.train(network, tokens, tokens[:, 0] // 3, n_rounds=1).model
    assert not model.standardizer.mean.any() and (model.standardizer.scale == 1).all()
    assert_array_equal(model.predict(tokens), model.predict(tokens.astype(float)))
    tokens[7, 2] = 5
    with pytest.raises(ValueError, match="X holds 5 at sample 7, step 2, which is no token"):
        model.predict(tokens)
