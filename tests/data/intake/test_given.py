"""The same numbers give the same bits, whatever holds them; a fault gives the same sentence."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import dask_horn as horn
from dask_horn import HornClassifier, HornRegressor, Network
from dask_horn.data import open_samples, spool, write_samples
from dask_horn.network import Dense
from tests.data.containers import CONTAINERS, DTYPES, LAYOUTS, NAMED, names_of

KINDS = {"hidden_layer_sizes": (8,), "n_rounds": 2, "random_state": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("layouts")


def _table(n, columns, dtype, seed):
    drawn = np.random.default_rng(seed).normal(0, 40, (n, columns))
    if dtype == "bool":
        return drawn > 0
    return (np.abs(drawn) if dtype.startswith("u") else drawn).astype(dtype)


def _spooled(X, y, kind):
    """Return the bits that a training would read, or the sentence."""
    try:
        store = spool(*horn.data.intake.given.plain_pair(X, y), target_kind=kind, shuffle=False)
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    rows, targets = store.x.open()[...], store.y.open()[...]
    return rows.dtype.str, rows.tobytes(), targets.dtype.str, targets.tobytes()


tables = st.builds(
    _table, st.integers(1, 9), st.integers(1, 4), st.sampled_from(DTYPES), st.integers(0, 99)
)


@given(
    table=tables,
    container=st.sampled_from(sorted(CONTAINERS)),
    layout=st.sampled_from(sorted(LAYOUTS)),
    other=st.sampled_from(sorted(CONTAINERS)),
)
@settings(max_examples=300)
def test_any_container_and_layout_gives_the_same_bits(folder, table, container, layout, other):
    y = table[:, 0].copy()
    expected_X = np.asarray(table.tolist()) if container == "list" else table
    expected_y = np.asarray(y.tolist()) if other == "list" else y
    laid = LAYOUTS[layout](table, folder)
    given = _spooled(CONTAINERS[container](laid), CONTAINERS[other](y), "values")
    assert given == _spooled(expected_X, expected_y, "values")


@given(
    seed=st.integers(0, 99),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    bad=st.sampled_from([np.nan, np.inf, -np.inf]),
    container=st.sampled_from(sorted({*CONTAINERS} - {"Zarr array"})),
)
@settings(max_examples=60)
def test_a_fault_gives_the_same_sentence_from_any_container(seed, dtype, bad, container):
    table = _table(6, 3, dtype, seed)
    table[seed % 6, seed % 3] = bad
    network = Network([Dense(2)], input_shape=3)
    place = f"(feature {seed % 3}|column '{names_of(table)[seed % 3]}')"
    with pytest.raises(ValueError, match=f"X holds .* at sample {seed % 6}, {place}"):
        horn.train(network, CONTAINERS[container](table), [0, 1, 0, 1, 0, 1], n_rounds=1)


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_training_ends_with_the_same_bits(container):
    table = _table(64, 3, "float64", 0)
    labels = (table[:, 0] > 0).astype(np.int64)
    chunked = "Dask" in container or "Zarr" in container  # whose rows keep their order
    like = CONTAINERS["Dask array" if chunked else "numpy"]
    reference = HornClassifier(**KINDS).fit(like(table), like(labels))
    X, y = CONTAINERS[container](table), CONTAINERS[container](labels)
    fitted = HornClassifier(**KINDS).fit(X, y, validation_data=(X, y))
    assert fitted.model_.parameters.tobytes() == reference.model_.parameters.tobytes()
    predicted = reference.predict(table)
    assert np.asarray(fitted.predict(X)).tolist() == predicted.tolist()
    assert np.asarray(fitted.model_.predict(X)).tolist() == predicted.tolist()
    assert (
        fitted.score(X, y) == fitted.model_.evaluate(X, y).score == reference.score(table, labels)
    )
    values = HornRegressor(**KINDS).partial_fit(X, y).predict(X)
    assert np.asarray(values).shape == (64,)
    assert (
        getattr(fitted, "feature_names_in_", [None]).tolist() == names_of(table)
        if (container in NAMED)
        else not hasattr(fitted, "feature_names_in_")
    )


@pytest.mark.parametrize("container", NAMED)
def test_columns_in_another_order_are_told_as_scikit_learn_tells_them(container):
    table = _table(20, 3, "float64", 0)
    fitted = HornRegressor(**KINDS).fit(CONTAINERS[container](table), table[:, 0])
    frame = CONTAINERS["pandas"](table)
    with pytest.raises(ValueError, match="feature names should match those that were passed"):
        fitted.predict(frame[frame.columns[::-1]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        fitted.predict(table)
    other = {"DataArray": lambda x: x[:, ::-1], "DataArray on Dask": lambda x: x[:, ::-1]}
    turned = other.get(container)
    if turned is not None:
        with pytest.raises(ValueError, match="feature names should match"):
            fitted.predict(turned(CONTAINERS[container](table)))


def test_a_group_a_store_and_a_dataset_hold_both(tmp_path):
    table = _table(40, 3, "float32", 0)
    labels = (table[:, 0] > 0).astype(np.int64)
    group = zarr.open_group(tmp_path / "both.zarr", mode="w")
    write_samples(tmp_path / "both.zarr", table, labels, overwrite=True)
    group = zarr.open_group(tmp_path / "both.zarr", mode="r")
    store = open_samples(group)
    dataset = xr.Dataset({"X": (("sample", "feature"), table), "y": ("sample", labels)})
    reference = HornClassifier(**KINDS).fit(group["X"], group["y"])
    network = reference.model_.network
    trained = horn.train(network, group, n_rounds=2).model
    for both in (str(tmp_path / "both.zarr"), group, store):
        fitted = HornClassifier(**KINDS).fit(both, validation_data=both)
        assert fitted.model_.parameters.tobytes() == reference.model_.parameters.tobytes()
        assert fitted.score(both) == reference.score(table, labels)
        again = horn.train(network, both, n_rounds=2, validation_data=both).model
        assert again.parameters.tobytes() == trained.parameters.tobytes()
        assert again.score(both) == again.score(table, labels)
        assert np.asarray(fitted.predict(both)).tolist() == reference.predict(table).tolist()
        fitted.calibrate(both)
    reference = HornClassifier(**KINDS).fit(table, labels)
    fitted = HornClassifier(**KINDS).fit(dataset, validation_data=dataset)
    assert fitted.model_.parameters.tobytes() == reference.model_.parameters.tobytes()
    assert fitted.score(dataset) == fitted.model_.evaluate(dataset).score
    assert write_samples(zarr.storage.MemoryStore(), dataset).y is not None
    with pytest.raises(ValueError, match="have no targets y beside them"):
        horn.train(network, write_samples(zarr.storage.MemoryStore(), table), n_rounds=1)
    with pytest.raises(TypeError, match="validation_data has no targets; pass a pair"):
        HornClassifier(**KINDS).fit(table, labels, validation_data=dataset.drop_vars("y"))


def test_numbers_beside_text_in_a_list_are_not_made_text():
    X = np.arange(12.0).reshape(6, 2)
    network = Network([Dense(2)], input_shape=2, loss="cross_entropy")
    for work in (
        lambda: horn.HornClassifier(**KINDS).fit(X, ["a", 1] * 3),
        lambda: horn.train(network, X, ["a", 1] * 3, n_rounds=1),
    ):
        with pytest.raises(ValueError, match="y holds labels of several types, such as "):
            work()
