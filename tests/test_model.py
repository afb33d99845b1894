"""Models predict the same wherever their samples lie, and come back from disk as they were."""

from __future__ import annotations

import json
import pickle
import shutil
import tarfile
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr
from numpy.testing import assert_allclose

import dask_horn as horn
from dask_horn import Dense, Dropout, Ensemble, Model, ModelFormatError, Network
from dask_horn.data import Standardizer, Targets, write_samples
from dask_horn.errors import ChunkReadError
from tests import oracle

N_FEATURES = 5
GENERATOR = np.random.default_rng(3)
X = GENERATOR.normal(3, 2, (70, N_FEATURES))


def make_model(kind="classes", seed=0, labels=("ant", "bee", "cow")):
    """A model that nobody has trained, of each kind of target."""
    targets = {
        "classes": lambda: Targets.of_classes(np.array(labels)),
        "labels": lambda: Targets.of_labels(4),
        "value": lambda: Targets.of_values(np.array([7.0]), np.array([3.0]), flat=True),
        "values": lambda: Targets.of_values(np.array([7.0, -1.0]), np.array([3.0, 0.1])),
    }[kind]()
    losses = {"classes": "cross_entropy", "labels": "binary_cross_entropy"}
    network = Network(
        [Dense(8, activation="tanh"), Dropout(0.5), Dense(targets.n_outputs)],
        N_FEATURES,
        losses.get(kind, "squared_error"),
    )
    standardizer = Standardizer(np.full(N_FEATURES, 3.0), np.full(N_FEATURES, 2.0))
    return Model(network, network.initial_values(seed), standardizer, targets)


def make_ensemble(kind="classes"):
    return Ensemble(tuple(make_model(kind, seed) for seed in range(3)))


def test_a_model_is_shown_in_a_line():
    model = make_model()
    network = repr(model.network)
    assert repr(model) == f"<Model of {network}, {8 * 5 + 8 + 3 * 8 + 3} parameters>"
    assert repr(make_ensemble()) == f"<Ensemble of 3: {model!r}>"


KINDS = ("classes", "labels", "value", "values")
MAKERS = pytest.mark.parametrize("make", [make_model, make_ensemble], ids=["model", "ensemble"])


def expected_outputs(model):
    """What the oracle makes of X: the network's outputs before the loss, in float64."""
    parameters = model.network.parameters.as_dict(model.parameters.astype(np.float64))
    standardized = (X - model.standardizer.mean) / model.standardizer.scale
    return oracle.forward(model.network, parameters, standardized)[0]


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
        assert model.predict(source, out=tmp_path / "y.zarr") is None
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
        with pytest.raises(ValueError, match="NaN or infinity at sample 41; leave it out"):
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


LABELS = {
    "integers": [3, 5, 8],
    "floats": [0.5, 1.5, 2.5],
    "bools": [False, True],
    "text": ["ant", "bee", "cow"],
    "objects": np.array(["ant", "bee", "cow"], dtype=object),
}


@MAKERS
@pytest.mark.parametrize("kind", KINDS)
def test_models_come_back_from_disk(make, kind, tmp_path):
    model = make(kind)
    model.save(tmp_path / "model.zarr")
    again = horn.load(tmp_path / "model.zarr")
    assert type(again) is type(model)
    assert again.network == model.network
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_come_back_from_disk(labels, tmp_path):
    model = make_model(labels=labels)
    model.save(tmp_path / "model.zarr")
    classes = horn.load(tmp_path / "model.zarr").classes
    assert classes.dtype == model.classes.dtype
    assert classes.tolist() == model.classes.tolist()


def test_models_are_saved_to_urls():
    model = make_model()
    model.save("memory://test-model/model.zarr")
    again = horn.load("memory://test-model/model.zarr")
    np.testing.assert_array_equal(again.parameters, model.parameters)


def test_labels_that_cannot_be_saved_are_told(tmp_path):
    labels = np.array([pd.Timestamp(2020, 1, 1), pd.Timestamp(2021, 1, 1)], dtype=object)
    with pytest.raises(ValueError, match="classes of type Timestamp cannot be saved"):
        make_model(labels=labels).save(tmp_path / "model.zarr")


def test_only_models_are_replaced_and_only_when_told(tmp_path):
    location = tmp_path / "model.zarr"
    make_model().save(location)
    with pytest.raises(FileExistsError, match="is already a model; pass overwrite=True"):
        make_ensemble().save(location)
    assert isinstance(horn.load(location), Model)
    make_ensemble().save(location, overwrite=True)
    assert isinstance(horn.load(location), Ensemble)
    write_samples(tmp_path / "x.zarr", X)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("")
    (tmp_path / "file").write_text("")
    for taken in ("x.zarr", "notes", "file"):
        with pytest.raises(FileExistsError, match="exists and is not a model"):
            make_model().save(tmp_path / taken, overwrite=True)
    assert (tmp_path / "notes" / "thesis.txt").exists()
    (tmp_path / "free").mkdir()
    make_model().save(tmp_path / "free")


def test_what_holds_no_model_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no model at"):
        horn.load(tmp_path / "missing.zarr")
    write_samples(tmp_path / "x.zarr", X)
    with pytest.raises(ModelFormatError, match="is not a model"):
        horn.load(tmp_path / "x.zarr")
    (tmp_path / "file").write_text("PK")
    with pytest.raises(ModelFormatError, match="is not a model"):
        horn.load(tmp_path / "file")


def edit_attributes(location, change):
    """Change what a saved model's attributes say."""
    file = location / "zarr.json"
    content = json.loads(file.read_text())
    change(content["attributes"]["dask_horn"])
    file.write_text(json.dumps(content))


def cut(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


DAMAGES = {
    "attributes cut": lambda path: cut(path / "zarr.json"),
    "chunk cut": lambda path: cut(path / "dense_1" / "W" / "c" / "0" / "0"),
    "chunk changed": lambda path: flip(path / "dense_1" / "W" / "c" / "0" / "0"),
    "chunk lost": lambda path: (path / "dense_1" / "W" / "c" / "0" / "0").unlink(),
    "tensor lost": lambda path: shutil.rmtree(path / "output" / "b"),
    "field lost": lambda path: edit_attributes(path, lambda fields: fields.pop("targets")),
    "scale lost": lambda path: edit_attributes(
        path, lambda fields: fields["standardizer"]["scale"].pop()
    ),
    "layer unknown": lambda path: edit_attributes(
        path, lambda fields: fields["network"]["layers"][0].update(kind="warp")
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_models_are_refused(damage, tmp_path):
    make_model().save(tmp_path / "model.zarr")
    damage(tmp_path / "model.zarr")
    with pytest.raises(ModelFormatError):
        horn.load(tmp_path / "model.zarr")


def test_later_formats_are_refused_with_the_remedy(tmp_path):
    make_model().save(tmp_path / "model.zarr")
    edit_attributes(tmp_path / "model.zarr", lambda fields: fields.update(format=99))
    with pytest.raises(ModelFormatError, match=r"format 99.*upgrade dask_horn"):
        horn.load(tmp_path / "model.zarr")


def test_a_model_whose_writing_was_cut_short_is_no_model(tmp_path, monkeypatch):
    from dask_horn.model import store

    monkeypatch.setattr(store, "_targets_to_json", lambda targets: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_model().save(tmp_path / "model.zarr")
    with pytest.raises(ModelFormatError, match="incomplete"):
        horn.load(tmp_path / "model.zarr")


# What 0.1.0 predicted with the models in models_of_0_1.tar.xz.
OLD_X = [
    [0.1257302165031433, -0.13210485875606537, 0.6404226422309875, 0.10490011423826218],
    [-0.7037352323532104, -1.2654215097427368, -0.6232744455337524, 0.04132597893476486],
]
OLD_MODEL = [[1 / 3] * 3, [0.06171135604381561, 0.3881516754627228, 0.5501369833946228]]
OLD_ENSEMBLE = [[1 / 3] * 3, [0.2481335997581482, 0.36348849534988403, 0.3883779048919678]]


def test_models_of_0_1_are_read(tmp_path):
    with tarfile.open(Path(__file__).with_name("models_of_0_1.tar.xz")) as archive:
        archive.extractall(tmp_path, filter="data")
    model, ensemble = horn.load(tmp_path / "model.zarr"), horn.load(tmp_path / "ensemble.zarr")
    assert model.classes.tolist() == ["ant", "bee", "cat"]
    assert (model.temperature, ensemble.temperature, len(ensemble.members)) == (0.5, 2.0, 2)
    assert model.device == ensemble.device == "cpu"
    assert_allclose(model.predict_proba(OLD_X), OLD_MODEL, rtol=1e-6)
    assert_allclose(ensemble.predict_proba(OLD_X), OLD_ENSEMBLE, rtol=1e-6)
    values = horn.load(tmp_path / "values.zarr").predict([[1.0, 1.0]])
    assert_allclose(values, [1.3174238204956055], rtol=1e-6)
