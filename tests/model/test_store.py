"""Models come back from disk as they were."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import dask_horn as horn
from dask_horn import Ensemble, Model, ModelFormatError
from dask_horn.data import write_samples
from tests.model.untrained import KINDS, MAKERS, X, edit_attributes, make_ensemble, make_model

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
