"""Generated inputs of every kind: each must end in a right answer, or in one sentence.

A sentence is the library's own or scikit-learn's; an error that another library raises from its
depths is none. `python -m tests.fuzz_inputs --examples 10000 --seed 0` tries ten thousand, in about
ten minutes on a core, and prints what is wrong; a few hundred are among the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import concurrent.futures
import datetime
import decimal
import pathlib
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse
import xarray as xr
import zarr
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import dask_horn as horn
from dask_horn import HornClassifier, HornRegressor, Network
from dask_horn.network import Dense
from tests.data.containers import CONTAINERS, DTYPES, LAYOUTS

COLUMNS = 3
SMALL = {"hidden_layer_sizes": (4,), "n_rounds": 1, "random_state": 0}
CLASSES = Network([Dense(4), Dense(2)], input_shape=COLUMNS)
VALUES = Network([Dense(4), Dense(1)], input_shape=COLUMNS, loss="squared_error")

# What a hostile cell holds.
CELLS = (
    np.nan, np.inf, -np.inf, None, pd.NA, pd.NaT, "", "text", "1.5", b"bytes", 10**400, -(2**63),
    1e300, 1j, True, datetime.date(2020, 1, 1), np.datetime64("2020"), np.timedelta64(1, "D"),
    decimal.Decimal("0.1"), [1, 2], {}, object(), np.ma.masked, ..., (), np.float128(1),
)  # fmt: skip


class Loader:
    """Hands out batches, as torch's DataLoader does."""

    def __iter__(self) -> Any:
        return iter([(np.zeros(3), 0)] * 4)

    def __len__(self) -> int:
        return 4


class MapDataset(Loader):
    """Has items, as torch's Dataset does."""

    def __getitem__(self, i: int) -> Any:
        return np.zeros(3), 0


class OnDevice:
    """An array that refuses to be read by NumPy, as those on a GPU do."""

    shape, ndim, dtype = (8, COLUMNS), 2, np.dtype(np.float32)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("can't convert a device array;\nuse .cpu() first")

    def __len__(self) -> int:
        return 8


def _future() -> Any:
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future.set_result(np.zeros((8, COLUMNS)))
    return future


def _coroutine() -> Any:
    async def wait() -> None:
        await asyncio.sleep(0)

    made = wait()
    made.close()
    return made


_ROWS = np.arange(24.0).reshape(8, COLUMNS)

#: What is no array of numbers: made anew for each example, for some can be read only once.
STRANGERS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "number": lambda: 3,
    "float": lambda: np.float32(0.5),
    "text": lambda: "no such place",
    "empty text": lambda: "",
    "bytes": lambda: b"12345678",
    "path": lambda: pathlib.Path("no/such/place.zarr"),
    "set": lambda: {1, 2, 3, 4, 5, 6, 7, 8},
    "dict": lambda: {"a": [1.0] * 8, "b": [2.0] * 8},
    "dict's values": lambda: {"a": 1, "b": 2}.values(),
    "list of dicts": lambda: [{"a": 1}] * 8,
    "generator": lambda: (row for row in _ROWS),
    "zip": lambda: zip(_ROWS, range(8), strict=True),
    "list of generators": lambda: [(x for x in _ROWS[0])] * 8,
    "coroutine": _coroutine,
    "future": _future,
    "list of futures": lambda: [_future()] * 8,
    "delayed": lambda: dask.delayed(_ROWS),
    "list of delayed": lambda: [dask.delayed(row) for row in _ROWS],
    "bag": lambda: db.from_sequence(range(8)),
    "list of Dask arrays": lambda: [da.ones(COLUMNS)] * 8,
    "list of arrays": lambda: list(_ROWS),
    "list of series": lambda: [pd.Series(row) for row in _ROWS],
    "deque": lambda: collections.deque(_ROWS.tolist()),
    "range": lambda: range(8),
    "object": object,
    "class": lambda: np.ndarray,
    "function": lambda: len,
    "loader": Loader,
    "map-style dataset": MapDataset,
    "on a device": OnDevice,
    "ragged": lambda: [[1.0, 2.0, 3.0]] * 7 + [[1.0]],
    "ragged deeply": lambda: [[1.0, 2.0, [3.0]]] * 8,
    "rows and numbers": lambda: [[1.0, 2.0, 3.0]] * 7 + [4.0],
    "nested objects": lambda: np.array([[np.zeros(2)] * 1] * 8 + [None], dtype=object)[:8],
    "structured": lambda: np.zeros(8, [("a", "f4"), ("b", "i4")]),
    "records": lambda: np.rec.fromarrays(list(_ROWS.T), names="a,b,c"),
    "complex": lambda: _ROWS + 1j,
    "void": lambda: np.zeros((8, COLUMNS), "V8"),
    "text array": lambda: np.full((8, COLUMNS), "a"),
    "bytes array": lambda: np.full((8, COLUMNS), b"a"),
    "dates": lambda: np.full((8, COLUMNS), "2020-01-01", "M8[D]"),
    "durations": lambda: np.zeros((8, COLUMNS), "m8[s]"),
    "0-d": lambda: np.array(3.0),
    "3-d": lambda: np.zeros((8, 2, COLUMNS)),
    "empty list": list,
    "no rows": lambda: np.zeros((0, COLUMNS)),
    "no columns": lambda: np.zeros((8, 0)),
    "wide": lambda: np.zeros((8, 40)),
    "matrix": lambda: _ROWS.view(np.matrix),
    "sparse": lambda: scipy.sparse.csr_matrix(_ROWS),
    "sparse array": lambda: scipy.sparse.coo_array(_ROWS),
    "sparse blocks": lambda: da.from_array(_ROWS).map_blocks(scipy.sparse.csr_matrix),
    "structured Dask": lambda: da.zeros(8, dtype=[("a", "f4")]),
    "complex Dask": lambda: da.zeros((8, COLUMNS), dtype=complex),
    "text Dask": lambda: da.from_array(np.full((8, COLUMNS), "a")),
    "Dask scalar": lambda: da.ones(8).sum(),
    "Dask of no rows": lambda: da.zeros((0, COLUMNS)),
    "Dask series": lambda: dd.from_pandas(pd.Series(_ROWS[:, 0]), npartitions=2),
    "Dask text": lambda: dd.from_pandas(pd.DataFrame({"a": ["x"] * 8}), npartitions=1),
    "unknown chunks": lambda: da.from_array(_ROWS, chunks=(4, -1))[da.ones(8, chunks=4) > 0],
    "text frame": lambda: pd.DataFrame({"a": ["x"] * 8, "b": range(8), "c": range(8)}),
    "date frame": lambda: pd.DataFrame({"a": pd.date_range("2020", periods=8)}),
    "categories": lambda: pd.DataFrame({"a": pd.Categorical(["x", "y"] * 4), "b": range(8)}),
    "nullable": lambda: pd.DataFrame({"a": pd.array([1, None] * 4, dtype="Int64")}),
    "two equal names": lambda: pd.DataFrame(_ROWS, columns=["a", "a", "b"]),
    "mixed names": lambda: pd.DataFrame(_ROWS, columns=["a", 1, 2.5]),
    "index of two levels": lambda: pd.DataFrame(
        _ROWS, columns=pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")])
    ),
    "groupby": lambda: pd.DataFrame(_ROWS).groupby(0),
    "pandas index": lambda: pd.Index(range(8)),
    "periods": lambda: pd.DataFrame({"a": pd.period_range("2020", periods=8, freq="D")}),
    "intervals": lambda: pd.Series(pd.interval_range(0, 8)),
    "polars text": lambda: pl.DataFrame({"a": ["x"] * 8}),
    "polars lists": lambda: pl.DataFrame({"a": [[1, 2]] * 8}),
    "polars structs": lambda: pl.DataFrame({"a": [{"x": 1}] * 8}),
    "polars dates": lambda: pl.DataFrame({"a": [datetime.date(2020, 1, 1)] * 8}),
    "polars nulls": lambda: pl.DataFrame({"a": [1, None] * 4, "b": [True, None] * 4}),
    "polars lazily": lambda: pl.LazyFrame({"a": [1.0] * 8}),
    "polars expression": lambda: pl.col("a"),
    "polars decimals": lambda: pl.DataFrame({c: [decimal.Decimal("1.5")] * 8 for c in "abc"}),
    "polars 128 bits": lambda: pl.DataFrame({"a": pl.Series([1] * 8, dtype=pl.Int128)}),
    "Arrow lists": lambda: pa.table({"a": [[1, 2]] * 8}),
    "Arrow list array": lambda: pa.array([[1, 2]] * 8),
    "Arrow nulls": lambda: pa.table({"a": [1, None] * 4, "b": ["x", None] * 4}),
    "Arrow of two equal names": lambda: pa.table([pa.array([1.0] * 8)] * 3, names=["a", "a", "b"]),
    "Arrow codes": lambda: pa.array(["x", "y"] * 4).dictionary_encode(),
    "Arrow reader": lambda: pa.table({"a": [1.0] * 8}).to_reader(),
    "Arrow schema": lambda: pa.schema([("a", pa.int64())]),
    "Dataset of no variables": xr.Dataset,
    "Dataset of two shapes": lambda: xr.Dataset({"a": ("x", range(8)), "b": ("y", range(4))}),
    "Dataset of text": lambda: xr.Dataset({"a": ("x", ["u"] * 8)}),
    "DataTree": xr.DataTree,
    "DataArray turned": lambda: xr.DataArray(_ROWS.T, dims=("feature", "sample")),
    "DataArray encoded": lambda: xr.DataArray(_ROWS, attrs={"scale_factor": 0.1}),
    "Zarr group": lambda: zarr.create_group(store=zarr.storage.MemoryStore()),
    "Zarr store": zarr.storage.MemoryStore,
    "masked": lambda: np.ma.masked_array(_ROWS, _ROWS > 20),
}

ENTRIES: dict[str, Callable[[Any, Any], Any]] = {}


def entry(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """List a function that takes samples and targets among those that are tried."""
    ENTRIES[function.__name__] = function
    return function


_FITTED: dict[str, Any] = {}


def _fitted(make: Any) -> Any:
    """Return an estimator that has been fitted on three columns, once."""
    if make.__name__ not in _FITTED:
        rows = np.random.default_rng(0).normal(size=(40, COLUMNS))
        _FITTED[make.__name__] = make(**SMALL).fit(rows, rows[:, 0] > 0)
    return _FITTED[make.__name__]


@entry
def fit(X: Any, y: Any) -> Any:
    return HornClassifier(**SMALL).fit(X, y).predict(X)


@entry
def fit_values(X: Any, y: Any) -> Any:
    return HornRegressor(**SMALL).fit(X, y).predict(X)


@entry
def partial_fit(X: Any, y: Any) -> Any:
    return HornClassifier(**SMALL).partial_fit(X, y, classes=[0, 1]).predict(X)


@entry
def validation_data(X: Any, y: Any) -> Any:
    HornClassifier(**SMALL).fit(_ROWS, [0, 1] * 4, validation_data=(X, y))


@entry
def train(X: Any, y: Any) -> Any:
    return horn.train(CLASSES, X, y, n_rounds=1).model.predict(X)


@entry
def train_on_values(X: Any, y: Any) -> Any:
    return horn.train(VALUES, X, y, n_rounds=1).model.predict(X)


@entry
def write(X: Any, y: Any) -> Any:
    return horn.write_samples(zarr.storage.MemoryStore(), X, y).x.open()[:, 0]


@entry
def predict(X: Any, y: Any) -> Any:
    return _fitted(HornClassifier).predict(X)


@entry
def predict_by_model(X: Any, y: Any) -> Any:
    return _fitted(HornRegressor).model_.predict(X)


@entry
def score(X: Any, y: Any) -> Any:
    _fitted(HornClassifier).score(X, y)


@entry
def evaluate(X: Any, y: Any) -> Any:
    _fitted(HornClassifier).model_.evaluate(X, y)


@entry
def weigh(X: Any, y: Any) -> Any:
    _fitted(HornClassifier).model_.evaluate(_ROWS, [0, 1] * 4, sample_weight=y)


@entry
def calibrate(X: Any, y: Any) -> Any:
    _fitted(HornClassifier).model_.calibrate(X, y)


def _table(dtype: str, start: int, layout: str) -> Any:
    rows = np.random.default_rng(start).integers(0, 100, (8, COLUMNS))
    table = (rows > 50) if dtype == "bool" else rows.astype(dtype)
    return table if layout == "memory-mapped" else LAYOUTS[layout](table, None)


def _with_cell(table: Any, row: int, column: int, cell: Any) -> Any:
    objects = table.astype(object)
    objects[row, column] = cell
    return objects


@dataclass(frozen=True)
class Given:
    """What is passed.

    Attributes
    ----------
    value : object
        In any container.
    table : numpy.ndarray or None
        The same values, where they are known.
    """

    value: Any
    table: Any = None

    def numbers(self) -> Any:
        """Return the values as float64; None where they are not known, or no numbers."""
        if self.table is None:
            return None
        try:
            return self.table.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            return np.full(self.table.shape, np.nan)

    def __repr__(self) -> str:
        cls = type(self.value)
        return f"{cls.__module__}.{cls.__name__} " + repr(self.value).replace("\n", " ")[:300]


def _held(container: str, table: Any) -> Given:
    """Hold objects in the containers that take them as they are; numbers in any."""
    if table.dtype == object and container not in OF_OBJECTS:
        container = "numpy"
    return Given(CONTAINERS[container](table), table)


OF_OBJECTS = ("numpy", "list", "pandas", "DataArray", "Dask array", "DataArray on Dask")
OF_OBJECTS += ("__array__", "Dataset")

tables = st.builds(
    _table,
    st.sampled_from(DTYPES),
    st.integers(0, 30),
    st.sampled_from(sorted(LAYOUTS)),
)
with_cells = st.builds(
    _with_cell, tables, st.integers(0, 7), st.integers(0, COLUMNS - 1), st.sampled_from(CELLS)
)
strangers = st.sampled_from(sorted(STRANGERS)).map(lambda name: Given(STRANGERS[name]()))
containers = st.sampled_from(sorted(CONTAINERS))
good_samples = st.builds(_held, containers, tables)
samples = st.one_of(good_samples, st.builds(_held, containers, with_cells), strangers)
labels = st.builds(
    lambda n, seed: np.random.default_rng(seed).integers(0, 2, n), st.just(8), st.integers(0, 9)
)
odd_labels = st.one_of(
    st.sampled_from([7, 9, 0, 1]).map(lambda n: np.arange(n) % 2),
    st.lists(st.sampled_from(CELLS), min_size=8, max_size=8),
    st.lists(st.sampled_from(["a", "b", 1, None, np.nan]), min_size=8, max_size=8),
    st.just(["a", "b"] * 4),
    st.just(np.array(["a", "b"] * 4, object)),
    st.just(np.eye(2)[[0, 1] * 4]),
    st.just(pd.Series(pd.Categorical(["x", "y"] * 4))),
    st.just(pl.Series(["x", "y"] * 4)),
    st.floats(width=32).map(lambda value: [value] * 8),
    st.just(np.array([1e300, -1e300] * 4)),
)
good_targets = st.builds(_held, containers, labels)
targets = st.one_of(good_targets, odd_labels.map(Given), strangers)
pairs = st.one_of(
    st.tuples(good_samples, good_targets), st.tuples(samples, good_targets),
    st.tuples(good_samples, targets), st.tuples(samples, targets),
)  # fmt: skip


def fault_of(error: BaseException) -> str | None:
    """Say what is wrong with an error; None for one sentence of the library's or scikit-learn's."""
    frames = traceback.extract_tb(error.__traceback__)
    files = [frame.filename.replace("\\", "/") for frame in frames]
    raised = files[-1]
    ours = "/dask_horn/" in raised or "/sklearn/" in raised
    # What NumPy and pandas say when scikit-learn converts, it says itself.
    converted = any(file.endswith("/sklearn/utils/validation.py") for file in files[-6:])
    if not isinstance(error, ValueError | TypeError | OSError | horn.errors.HornError):
        return f"raises {type(error).__name__}"
    if not (ours or converted):
        return f"is raised in {raised}, line {frames[-1].lineno}"
    return None if str(error).strip() else "says nothing"


def check(name: str, X: Given, y: Given) -> None:
    """Try one input, and raise AssertionError unless it ends well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # also as pandas shows values
        told = f"{name}({X}, {y})"
        try:
            answer = ENTRIES[name](X.value, y.value)
            answer = None if answer is None else np.asarray(answer)  # which may be lazy
        except Exception as error:
            fault = fault_of(error)
            assert fault is None, f"an error that {fault}: {told}: {type(error).__name__}: {error}"
            return
        numbers = None if answer is None else X.numbers()
        if numbers is None:
            return
        known = np.isfinite(numbers).all() or name == "write"  # reading will tell of NaN
        assert known, f"taken, though these are no numbers: {told}"
        assert len(answer) == len(numbers), f"an answer of another length: {told} gives {answer}"
        expected = EXPECTED[name](numbers) if name in EXPECTED else answer
        assert np.array_equal(answer, expected, equal_nan=name == "write"), (
            f"another answer: {told}: {answer}"
        )


#: What some of them give for numbers.
EXPECTED: dict[str, Callable[[Any], Any]] = {
    "write": lambda numbers: numbers[:, 0],
    "predict": lambda numbers: _fitted(HornClassifier).predict(numbers),
}


#: Each example is an entry with samples and targets.
examples = given(name=st.sampled_from(sorted(ENTRIES)), pair=pairs)
quiet = list(HealthCheck)


def main() -> None:
    """Try as many examples as asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found: dict[str, str] = {}
    tried: collections.Counter[str] = collections.Counter()

    def judge(name: str, pair: Any) -> None:
        tried[name] += 1
        try:
            check(name, *pair)
        except AssertionError as error:
            where = str(error).partition(": ")[0]
            found.setdefault(f"{name}, {where}", str(error))

    limits = settings(
        max_examples=options.examples, database=None, deadline=None, suppress_health_check=quiet,
        phases=[Phase.generate],
    )  # fmt: skip
    seed(options.seed)(limits(examples(judge)))()
    for told in found.values():
        print(told, end="\n\n")
    print(f"{sum(tried.values())} inputs, {len(found)} kinds of wrong endings")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
