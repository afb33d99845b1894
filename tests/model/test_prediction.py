"""Models predict the same wherever their samples lie."""

from __future__ import annotations

import pickle

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr
from numpy.testing import assert_allclose

from dask_horn.data import write_samples
from dask_horn.errors import ChunkReadError
from dask_horn.kernels.device import device
from tests import sequences
from tests.model.untrained import (
    KINDS,
    MAKERS,
    N_FEATURES,
    X,
    expected_outputs,
    make_ensemble,
    make_model,
)


def test_a_model_is_shown_in_a_line():
    n = 8 * 5 + 8 + 3 * 8 + 3
    assert repr(make_model()) == f"Model(5-8-3, {n} parameters, 3 classes)"
    assert repr(make_model("value")) == "Model(5-8-1, 57 parameters, 1 value)"
    words = f"Ensemble(3 members of 5-8-3, {n} parameters each, 3 classes)"
    assert repr(make_ensemble()) == words
    calibrated = make_ensemble("labels")._with_temperature(1.234)
    assert repr(calibrated).endswith("parameters each, 4 labels, temperature 1.23)")
    assert repr(sequences.make_model()).endswith(", 3 classes for each of 6 steps)")


def test_classes_are_those_of_the_highest_probability():
    model = make_model()
    z = expected_outputs(model)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    assert_allclose(model.predict_proba(X), e / e.sum(axis=1, keepdims=True), rtol=1e-4)
    assert model.predict(X).tolist() == model.targets.classes[z.argmax(axis=1)].tolist()
    assert model.classes.tolist() == ["ant", "bee", "cow"]


def test_labels_are_those_above_one_half():
    model = make_model("labels")
    z = expected_outputs(model)
    assert_allclose(model.predict_proba(X), 1 / (1 + np.exp(-z)), rtol=1e-4)
    assert model.predict(X).tolist() == (z > 0).astype(int).tolist()
    assert model.classes is None


def test_values_are_in_the_targets_unit():
    for kind, shape in (("value", (70,)), ("values", (70, 2))):
        model = make_model(kind)
        z = expected_outputs(model)
        values = z * model.targets.scale + model.targets.mean
        predicted = model.predict(X)
        assert predicted.dtype == np.float32
        assert_allclose(predicted, values.reshape(shape), rtol=1e-4, atol=1e-5)


def test_a_row_is_predicted_alike_whatever_is_beside_it():
    """To the bit: chunks, batches and single rows give one answer."""
    model = make_model()
    whole = model.predict_proba(X)
    for rows in (slice(0, 1), slice(64, 70), slice(3, 40), slice(None, None, -1)):
        np.testing.assert_array_equal(model.predict_proba(X[rows]), whole[rows])


def test_an_ensemble_predicts_the_mean_and_its_spread():
    for kind in ("value", "values"):
        ensemble = make_ensemble(kind)
        each = np.stack([member.predict(X) for member in ensemble.members])
        mean, std = ensemble.predict(X, return_std=True)
        assert_allclose(mean, each.mean(axis=0), rtol=1e-5)
        assert_allclose(std, each.std(axis=0), rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(ensemble.predict(X), mean)
        lazy_mean, lazy_std = ensemble.predict(da.from_array(X, chunks=(30, 5)), return_std=True)
        np.testing.assert_array_equal(lazy_mean.compute(), mean)
        np.testing.assert_array_equal(lazy_std.compute(), std)
    ensemble = make_ensemble()
    mean, std = ensemble.predict_proba(X, return_std=True)
    assert mean.shape == std.shape == (70, 3)
    assert ensemble.predict(X).tolist() == ensemble.classes[mean.argmax(axis=1)].tolist()


@MAKERS
@pytest.mark.parametrize("kind", KINDS)
def test_chunked_samples_are_predicted_lazily(make, kind, tmp_path):
    model = make(kind)
    expected = model.predict(X)
    write_samples(tmp_path / "x.zarr", X, chunk_bytes=20 * 8 * N_FEATURES)
    chunked = da.from_array(X, chunks=(30, 2))
    lazy = model.predict(chunked)
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.dtype, lazy.chunks[0]) == (
        expected.shape,
        expected.dtype,
        (30, 30, 10),
    )
    np.testing.assert_array_equal(lazy.compute(), expected)
    for stored in (tmp_path / "x.zarr", zarr.open_group(tmp_path / "x.zarr")["X"]):
        np.testing.assert_array_equal(model.predict(stored).compute(), expected)
    np.testing.assert_array_equal(model.predict(pd.DataFrame(X)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_written_to_zarr(kind, tmp_path):
    model = make_model(kind)
    for source in (X, da.from_array(X, chunks=(30, 2))):
        assert model.predict(source, out=tmp_path / "y.zarr", overwrite=True) is None
        written = zarr.open_group(tmp_path / "y.zarr", mode="r")["y"]
        np.testing.assert_array_equal(written[:], model.predict(X))


def test_a_damaged_chunk_of_the_samples_is_named(tmp_path):
    write_samples(tmp_path / "x.zarr", X, chunk_bytes=20 * 8 * N_FEATURES)
    (tmp_path / "x.zarr" / "X" / "c" / "1" / "0").write_bytes(b"?")
    with pytest.raises(ChunkReadError, match="chunk c/1/0, rows 20 to 39"):
        make_model().predict(tmp_path / "x.zarr").compute()


def test_bad_samples_are_told():
    model = make_model()
    for source in (X[:, :3], da.zeros((4, 3))):
        with pytest.raises(ValueError, match=r"X has samples of shape \(3,\), but the network"):
            model.predict(source)
    holed = X.copy()
    holed[41, 2] = np.nan
    for source in (holed, da.from_array(holed, chunks=(30, 5))):
        with pytest.raises(ValueError, match="X holds NaN at sample 41, feature 2; fill in"):
            np.asarray(model.predict(source))
    with pytest.raises(ValueError, match="predict_proba needs a classifier"):
        make_model("value").predict_proba(X)
    with pytest.raises(ValueError, match="return_std=True is for values"):
        model.predict(X, return_std=True)
    with pytest.raises(ValueError, match="cannot be used with return_std"):
        make_model("value").predict(X, out="y.zarr", return_std=True)


def test_parameters_are_looked_at_but_not_changed():
    model = make_model()
    tensor = model.tensor("dense_1/W")
    assert tensor.shape == (N_FEATURES, 8)
    with pytest.raises(ValueError, match="read-only"):
        tensor[...] = 0


@MAKERS
def test_pickles_predict_the_same(make):
    model = make()
    model.predict(X)  # has an execution of its own by now
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.gpu
@MAKERS
def test_a_gpu_predicts_the_same_but_for_rounding(make):
    model = make()
    own, x = model.on("cuda"), X[:9]
    assert_allclose(own.predict_proba(x), model.predict_proba(x), atol=2e-6)
    np.testing.assert_array_equal(own.predict_proba(x[4:6]), own.predict_proba(x)[4:6])


def test_a_device_that_cannot_predict_is_told():
    model = make_model()
    with pytest.raises(ValueError, match=r"device must be one of .*, got 'tpu'"):
        model.on("tpu")
    if device("cuda").state().missing:
        with pytest.raises(ValueError, match="device='cuda': this process cannot use it"):
            model.on("cuda")
