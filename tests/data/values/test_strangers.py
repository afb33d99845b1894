"""What is no array is told by its kind, and with what to pass instead."""

from __future__ import annotations

import concurrent.futures
import re

import dask
import dask.array as da
import dask.bag as db
import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse
import zarr

from dask_horn.data.store.containers import plain_rows
from tests.fuzz_inputs import Loader, MapDataset, OnDevice

ROWS = np.ones((3, 2))


def _futures():
    return [concurrent.futures.Future() for _ in range(2)]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (dask.delayed(ROWS), "X is a Dask Delayed, of unknown shape; pass a Dask array or data fr"),
        ([dask.delayed(ROWS)], "X is a list of Dask Delayed objects.*dask.array.from_delayed"),
        (_futures()[0], "X is a Future, of unknown shape; pass its result"),
        (_futures(), "X is a list of Futures, of unknown shape; pass numpy.concatenate"),
        (db.from_sequence([1]), "X is a Dask Bag; pass a Dask array or data frame"),
        ([da.ones(2)], "X is a list of Dask arrays; pass dask.array.concatenate"),
        ((row for row in ROWS), "X is a generator, which can be read only once; pass an array"),
        ({1, 2}, "X is a set, which has no order; pass an array or a list"),
        ({"a": [1]}, r"X is a dict; pass one of the arrays in it.*pandas.DataFrame\(X\)"),
        ([{"a": 1}], r"X is a list of dicts; pass a data frame"),
        (b"abc", "X is text and no array"),
        (Loader(), "X is a tests.Loader, which hands out samples one after the other"),
        (MapDataset(), "X is a tests.MapDataset, which hands out samples one after the other"),
        (OnDevice(), r"X is a .*OnDevice that NumPy cannot read \(can't convert a device array;\)"),
        (np.ndarray, r"X is a class \(ndarray\) and no object of it"),
        (None, "X is None; pass an array"),
        (scipy.sparse.csr_array(ROWS), r"X is a sparse csr_array; pass X.toarray\(\) instead"),
        (
            da.ones((3, 2)).map_blocks(scipy.sparse.csr_matrix),
            "X is a Dask array whose blocks ar",
        ),
        ([[1, 2], [3]], "X is a list whose rows differ in length: 2 at row 0 and 1 at row 1"),
        ([[1, 2], 3], "X is a list of rows and of single values, as at row 1"),
        ([[1, [2]], [3, [4, 5]]], "X is a list whose rows hold lists of different lengths"),
        (np.zeros(3, [("a", "f4"), ("b", "i4")]), "X is a structured array with the fields a, b"),
        (da.zeros(3, dtype=[("a", "f4")]), "X is a structured array with the fields a; pass one"),
        (pa.array([[1, 2], [3, 4]]), "X is an array of objects that are arrays or lists themsel"),
        (zarr.create_group(store=zarr.storage.MemoryStore()), r"X is a Zarr group; pass one of"),
    ],
)
def test_what_is_no_array_is_told_with_what_would_do(values, told):
    with pytest.raises((TypeError, ValueError), match=told):
        plain_rows(values, "X")
    with pytest.raises((TypeError, ValueError), match=re.sub(r"\bX\b", "weights", told)):
        plain_rows(values, "weights")


def test_nothing_is_read_or_iterated_over():
    rows = iter(ROWS)
    with pytest.raises(TypeError, match="can be read only once"):
        plain_rows(rows, "X")
    assert len(list(rows)) == 3
