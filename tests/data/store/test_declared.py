"""Blocks of Dask collections are what the collections declare, or refused by their place."""

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from zarr.storage import MemoryStore

import dask_horn as horn

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 3), dtype=np.uint8)
RAW = da.from_array(PIXELS, chunks=(10, 3))
Y = da.from_array(PIXELS[:, 0] > 127, chunks=10)


def _only_last(change):
    """Change the last block alone."""
    return lambda block, block_id=None: change(block) if block_id[0] == 3 else block


WRONG = {
    "dtype": (RAW.map_blocks(_only_last(lambda b: b / 255.0), dtype="u1"), "has dtype float64"),
    "wide": (RAW.map_blocks(_only_last(lambda b: b.astype("i8")), dtype="f8"), "dtype int64"),
    "rows": (RAW.map_blocks(_only_last(lambda b: b[:5]), dtype="u1"), r"the shape \(5, 3\)"),
    "columns": (RAW.map_blocks(_only_last(lambda b: b[:, :2]), dtype="u1"), r"shape \(10, 2\)"),
    "axes": (RAW.map_blocks(_only_last(lambda b: b[..., None]), dtype="u1"), r"\(10, 3, 1\)"),
    "kind": (RAW.map_blocks(_only_last(pd.DataFrame), dtype="u1"), "is a DataFrame and no NumPy"),
}


@pytest.mark.parametrize("name", WRONG)
def test_blocks_that_differ_are_refused(name):
    X, told = WRONG[name]
    clf = horn.HornClassifier(hidden_layer_sizes=4, n_rounds=1, random_state=0).fit(RAW, Y)
    calls = (
        lambda: horn.HornClassifier(n_rounds=1).fit(X, Y),
        lambda: horn.write_samples(MemoryStore(), X, Y),
        lambda: clf.predict(X).compute(),
        lambda: clf.score(X, Y),
        lambda: clf.model_.evaluate(X, Y),
    )
    for call in calls:
        with pytest.raises((TypeError, ValueError), match=rf"block \(3, 0\) of X .*{told}"):
            call()


def test_targets_that_differ_are_refused():
    y = Y.map_blocks(_only_last(lambda block: block * 1.5), dtype=bool)
    with pytest.raises(ValueError, match=r"block \(3,\) of y has dtype float64, but bool is decl"):
        horn.HornClassifier(n_rounds=1).fit(RAW, y)


def test_values_that_a_wider_dtype_keeps_are_taken():
    X = RAW.map_blocks(lambda block: block.astype("f4"), dtype="f8")
    store = horn.write_samples(MemoryStore(), X)
    np.testing.assert_array_equal(store.x.open()[...], PIXELS)


def test_partitions_that_differ_are_refused():
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [5, 6, 7, 8], "y": [0, 1, 0, 1]})
    lazy = dd.from_pandas(frame, npartitions=2)

    for change, told in (
        (lambda part: part / 2, "has dtype float64, but int64 is declared"),
        (lambda part: part["a"], "is a Series, but a DataFrame is declared"),
    ):
        parts = [dask.delayed(change)(frame[["a", "b"]][i : i + 2]) for i in (0, 2)]
        X = dd.from_delayed(parts, meta=frame[["a", "b"]], verify_meta=False)
        with pytest.raises(ValueError, match=rf"partition \d of X {told}"):
            horn.write_samples(MemoryStore(), X, lazy["y"])


def test_nothing_is_left_of_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has dtype float64"):
        horn.write_samples(tmp_path / "a.zarr", WRONG["dtype"][0], Y)
    assert not list(tmp_path.iterdir())


def test_delayed_parts_without_verified_columns_are_read():
    parts = [dask.delayed(_part)(start) for start in (0, 10, 20)]
    frame = dd.from_delayed(parts, meta=_part(0).head(0), verify_meta=False)
    stored = horn.write_samples(MemoryStore(), frame, np.arange(30))
    np.testing.assert_array_equal(stored.x.open()[:, 0], np.arange(30.0))
    fitted = horn.HornRegressor(n_rounds=1, random_state=0).fit(frame, np.arange(30))
    assert fitted.predict(frame).compute().shape == (30,)


def _part(start):
    return pd.DataFrame({"a": np.arange(start, start + 10.0), "b": np.ones(10)})
