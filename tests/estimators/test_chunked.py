"""Dask and Zarr arrays are trained and predicted on without being pulled into memory."""

from __future__ import annotations

import importlib

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification

from dask_horn import HornClassifier, HornRegressor
from dask_horn.data import write_samples
from dask_horn.errors import ChunkReadError

X, Y = make_classification(
    n_samples=480, n_features=6, n_informative=4, n_classes=3, class_sep=2.0, random_state=0
)
X = X.astype(np.float32)
NAMES = np.array(["ant", "bee", "cow"])[Y]
COLUMNS = list("abcdef")
SETTINGS = {
    "hidden_layer_sizes": (16,),
    "n_submodels": 2,
    "n_rounds": 3,
    "learning_rate": 0.02,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def location(tmp_path_factory):
    """A Zarr group of samples and names, in chunks of 100 rows."""
    location = str(tmp_path_factory.mktemp("samples") / "bugs.zarr")
    write_samples(location, X, NAMES, chunk_bytes=100 * 6 * 4)
    return location


def sources(location):
    group = zarr.open_group(location, mode="r")
    frame = dd.from_pandas(pd.DataFrame(X, columns=COLUMNS).assign(y=NAMES), npartitions=4)
    x_chunks = da.from_array(X, chunks=(100, 3))
    return {
        "zarr arrays": (group["X"], group["y"]),
        "dask arrays": (x_chunks, da.from_array(NAMES, chunks=120)),
        "dask frames": (frame[COLUMNS], frame["y"]),
        "dask and numpy": (x_chunks, NAMES),
        "zarr and numpy": (group["X"], NAMES),
        "numpy and dask": (X, da.from_array(NAMES, chunks=100)),
        "numpy and zarr": (X, group["y"]),
    }


KINDS = (
    "zarr arrays",
    "dask arrays",
    "dask frames",
    "dask and numpy",
    "zarr and numpy",
    "numpy and dask",
    "numpy and zarr",
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_array_is_trained_on(kind, location):
    samples, names = sources(location)[kind]
    clf = HornClassifier(**SETTINGS).fit(samples, names)
    assert clf.classes_.tolist() == ["ant", "bee", "cow"]
    assert clf.n_features_in_ == 6
    assert hasattr(clf, "feature_names_in_") == (kind == "dask frames")
    assert clf.score(samples, names) > 0.8
    assert clf.score(samples, NAMES) == clf.score(samples, names)


def test_many_classes_in_chunks_are_no_reason_to_warn():
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))[np.arange(len(X)) % 26]
    samples = da.from_array(X, chunks=(100, 6))
    clf = HornClassifier(**SETTINGS).fit(samples, da.from_array(letters, chunks=100))
    assert len(clf.classes_) == 26  # a warning would have been an error
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        HornClassifier(**SETTINGS).fit(samples, da.from_array(X[:, 0], chunks=100))


def test_chunks_are_predicted_lazily_and_alike(location):
    clf = HornClassifier(**SETTINGS).fit(X, NAMES)
    expected, probability = clf.predict(X), clf.predict_proba(X)
    group = zarr.open_group(location, mode="r")
    for samples in (da.from_array(X, chunks=(100, 3)), group["X"], location):
        assert isinstance(clf.predict(samples), da.Array)
        assert_array_equal(clf.predict(samples).compute(), expected)
        assert_array_equal(clf.predict_proba(samples).compute(), probability)
        assert_array_equal(clf.predict_log_proba(samples).compute(), np.log(probability))


def test_chunks_calibrate_alike(location):
    clf = HornClassifier(**SETTINGS).fit(X[:200], NAMES[:200])
    expected = clf.calibrate(X, NAMES).model_.temperature
    assert expected != 1
    places = sources(location)
    del places["dask frames"]  # their columns have names
    for samples, names in (*places.values(), (location, None)):
        assert clf.calibrate(samples, names).model_.temperature == expected


def test_predictions_are_written_to_zarr(location, tmp_path):
    clf = HornClassifier(**SETTINGS).fit(X, NAMES)
    out = str(tmp_path / "predicted.zarr")
    for samples in (location, da.from_array(X, chunks=(100, 3)), X):
        assert clf.predict(samples, out=out, overwrite=True) is None
        assert_array_equal(zarr.open_group(out, mode="r")["y"][:], clf.predict(X))
    clf.predict_proba(location, out=out, overwrite=True)
    assert_array_equal(zarr.open_group(out, mode="r")["y"][:], clf.predict_proba(X))
    with pytest.raises(FileExistsError, match="holds no predictions"):
        clf.predict(X, out=location)


def test_values_are_trained_on_in_chunks(tmp_path):
    values = np.stack([X[:, 0] * 5 + 100, X[:, 1] - X[:, 2]], axis=1)
    write_samples(tmp_path / "values.zarr", X, values, chunk_bytes=100 * 6 * 4)
    group = zarr.open_group(tmp_path / "values.zarr", mode="r")
    chunks = da.from_array(X, chunks=(100, 3)), da.from_array(values, chunks=(100, 2))
    for samples, targets in ((group["X"], group["y"]), chunks):
        reg = HornRegressor(**SETTINGS).fit(samples, targets)
        assert reg.n_outputs_ == 2
        assert reg.score(samples, targets) > 0.8
        reg.predict(samples, out=str(tmp_path / "predicted.zarr"), overwrite=True)
        written = zarr.open_group(tmp_path / "predicted.zarr", mode="r")["y"]
        assert_array_equal(written[:], reg.predict(X))


def test_several_labels_are_trained_on_in_chunks():
    labels = da.from_array((X[:, :3] > 0).astype(np.int8), chunks=(100, 3))
    samples = da.from_array(X, chunks=(100, 3))
    clf = HornClassifier(**SETTINGS).fit(samples, labels)
    assert clf.model_.network.loss == "binary_cross_entropy"
    assert (clf.predict(samples).compute() == labels.compute()).mean() > 0.85


def test_fitting_computes_each_chunk_and_keeps_none():
    """Samples are looked at by the tasks that write them, not by the estimator."""
    seen = []

    def note(block):
        seen.append(len(block))
        return block

    samples = da.from_array(X, chunks=(100, 6)).map_blocks(note, meta=X[:0])
    HornClassifier(**SETTINGS).fit(samples, NAMES)
    assert max(seen) == 100


def test_zarr_arrays_are_used_in_place(location, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("samples are copied")

    # The module, not the function of the same name that its package exports.
    spooling = importlib.import_module("dask_horn.data.intake.spool")
    monkeypatch.setattr(spooling, "create_rows", refuse)
    group = zarr.open_group(location, mode="r")
    classifier = HornClassifier(**SETTINGS).fit(group["X"], group["y"])
    assert classifier.score(X, NAMES) > 0.8


def test_images_in_chunks_need_not_be_flattened():
    images = da.from_array(X.reshape(480, 3, 2), chunks=(100, 3, 1))
    clf = HornClassifier(**SETTINGS).fit(images, NAMES)
    assert clf.n_features_in_ == 6
    assert clf.model_.network.input_shape == (3, 2)
    assert_array_equal(clf.predict(images).compute(), clf.predict(X))


def test_held_out_blocks_may_hold_what_the_others_lack(tmp_path):
    """Classes are those of all rows, though blocks of a store are held out whole."""
    rare = np.where(np.arange(480) < 5, "yak", NAMES)
    write_samples(tmp_path / "rare.zarr", X, rare, chunk_bytes=20 * 6 * 4)
    group = zarr.open_group(tmp_path / "rare.zarr", mode="r")
    for seed in range(3):
        clf = HornClassifier(
            **{**SETTINGS, "random_state": seed},
            early_stopping=True,
            validation_fraction=0.5,
            class_weight="balanced",
        ).fit(group["X"], group["y"])
        assert clf.classes_.tolist() == ["ant", "bee", "cow", "yak"]
        assert clf.history_[0].validation_score > 0
    codes = np.unique(rare, return_inverse=True)[1]
    for y in (rare, codes):
        clf.fit(da.from_array(X, chunks=(20, 6)), da.from_array(y, chunks=20))
        assert len(clf.classes_) == 4


def test_partial_fit_takes_chunk_after_chunk():
    chunks = da.from_array(X, chunks=(120, 6)), da.from_array(NAMES, chunks=120)
    clf = HornClassifier(**SETTINGS)
    for samples, names in zip(chunks[0].blocks, chunks[1].blocks, strict=True):
        clf.partial_fit(samples, names, classes=["ant", "bee", "cow"])
    assert clf.n_iter_ == 4
    assert clf.score(X, NAMES) > 0.8


def test_names_of_columns_are_checked():
    frame = dd.from_pandas(pd.DataFrame(X, columns=COLUMNS), npartitions=4)
    clf = HornClassifier(**SETTINGS).fit(frame, NAMES)
    assert clf.feature_names_in_.tolist() == COLUMNS
    with pytest.raises(ValueError, match="must be in the same order"):
        clf.predict(frame[COLUMNS[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        clf.predict(da.from_array(X))


def test_bad_chunked_input_is_told(location):
    group = zarr.open_group(location, mode="r")
    clf = HornClassifier(**SETTINGS)
    with pytest.raises(ValueError, match="480 samples and y 479 targets"):
        clf.fit(group["X"], NAMES[:-1])
    with pytest.raises(ValueError, match="requires y to be passed"):
        clf.fit(group["X"], None)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        clf.fit(da.from_array(X), da.from_array(X[:, 0]))
    with pytest.raises(ValueError, match=r"only one class \('ant'\)"):
        clf.fit(da.from_array(X), da.from_array(np.full(480, "ant")))
    with pytest.raises(ValueError, match="Reshape your data"):
        clf.fit(da.from_array(X[:, 0]), NAMES)
    holed = X.copy()
    holed[7, 2] = np.nan
    with pytest.raises(ValueError, match="X holds NaN at sample 7, feature 2"):
        clf.fit(da.from_array(holed), NAMES)
    assert not hasattr(clf, "n_features_in_")
    clf.fit(group["X"], group["y"])
    with pytest.raises(ValueError, match="X has 2 features, but HornClassifier is expecting 6"):
        clf.predict(da.from_array(X[:, :2]))
    with pytest.raises(FileNotFoundError, match="no Zarr group at"):
        clf.predict(location + "/nothing")


@pytest.mark.parametrize("array", ["X", "y"])
def test_a_damaged_chunk_is_named(array, tmp_path):
    write_samples(tmp_path / "x.zarr", X, Y, chunk_bytes=100 * 6 * 4)
    chunk = next(path for path in (tmp_path / "x.zarr" / array / "c").rglob("*") if path.is_file())
    chunk.write_bytes(b"?")
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    with pytest.raises(ChunkReadError, match=f"array {array} in .* chunk "):
        HornClassifier(**SETTINGS).fit(group["X"], group["y"])


def test_the_scheduler_changes_nothing():
    samples, names = da.from_array(X, chunks=(100, 3)), da.from_array(NAMES, chunks=120)
    checksums = set()
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            clf = HornClassifier(**SETTINGS, n_groups=2).fit(samples, names)
        checksums.add(clf.model_.parameters.tobytes())
    assert len(checksums) == 1
