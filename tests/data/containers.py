"""The same numbers as people keep them: by container, by dtype and by layout in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import xarray as xr
import zarr
from numpy.typing import NDArray

DTYPES = ("bool", "uint8", "int8", "uint16", "int32", "int64", "float16", "float32", "float64")


class DLPack:
    """Has nothing but ``__dlpack__``, as arrays of other libraries may."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


class ArrayMethod:
    """Has nothing but ``__array__`` and a length, as torch's tensors do and much more."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        return self.values if dtype is None else self.values.astype(dtype)

    def __len__(self) -> int:
        return len(self.values)


class ArrowStream:
    """Has nothing but Arrow's stream, as tables of nanoarrow and others do."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


def names_of(table: NDArray[Any]) -> list[str]:
    """Name the columns, not in the order of the alphabet."""
    return [f"c{(3 - i) % 4}{i}" for i in range(table.shape[1])]


def _native(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def _columns(table: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {name: _native(table[:, i]) for i, name in enumerate(names_of(table))}


def _rows_at_once(values: NDArray[Any]) -> int:
    return max(1, (len(values) + 1) // 2)


def _dask(values: NDArray[Any]) -> Any:
    return da.from_array(values, chunks=(_rows_at_once(values), *values.shape[1:]))


def _in_zarr(values: NDArray[Any]) -> Any:
    group = zarr.create_group(store=zarr.storage.MemoryStore())
    chunks = (_rows_at_once(values), *values.shape[1:])
    array = group.create_array("a", shape=values.shape, chunks=chunks, dtype=_native(values).dtype)
    array[...] = values
    return array


def _frame(values: NDArray[Any]) -> Any:
    return pd.DataFrame(values, columns=names_of(values)) if values.ndim == 2 else pd.Series(values)


def _polars(values: NDArray[Any]) -> Any:
    return pl.DataFrame(_columns(values)) if values.ndim == 2 else pl.Series(_native(values))


def _arrow(values: NDArray[Any]) -> Any:
    return pa.table(_columns(values)) if values.ndim == 2 else pa.array(_native(values))


def _arrow_parts(values: NDArray[Any]) -> Any:
    """Return a batch, or an array in two chunks."""
    if values.ndim == 2:
        return pa.record_batch(_columns(values))
    half = _rows_at_once(values)
    return pa.chunked_array([_native(values[:half]), _native(values[half:])])


def _stream(values: NDArray[Any]) -> Any:
    return ArrowStream(_arrow(values)) if values.ndim == 2 else values


def _labelled(values: Any) -> Any:
    dims = ("sample", "feature")[: values.ndim]
    coords = {"feature": names_of(values)} if values.ndim == 2 else {}
    return xr.DataArray(values, dims=dims, coords=coords)


def _dataset(values: NDArray[Any]) -> Any:
    if values.ndim == 1:
        return _labelled(values)
    return xr.Dataset({name: ("sample", column) for name, column in _columns(values).items()})


#: From numbers to what holds them.
CONTAINERS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "numpy": lambda values: values,
    "list": lambda values: values.tolist(),
    "memoryview": lambda values: memoryview(_native(values)),
    "dlpack": lambda values: DLPack(_native(values)),
    "__array__": ArrayMethod,
    "pandas": _frame,
    "polars": _polars,
    "pyarrow": _arrow,
    "pyarrow parts": _arrow_parts,
    "arrow stream": _stream,
    "DataArray": _labelled,
    "Dataset": _dataset,
    "DataArray on Dask": lambda values: _labelled(_dask(values)),
    "Dask array": _dask,
    "Dask frame": lambda values: dd.from_pandas(_frame(_native(values)), npartitions=2),
    "Zarr array": _in_zarr,
}

#: Those that have names for their columns.
NAMED = ("pandas", "polars", "pyarrow", "pyarrow parts", "arrow stream", "DataArray", "Dataset")
NAMED += ("DataArray on Dask", "Dask frame")


def _strided(values: NDArray[Any]) -> NDArray[Any]:
    wide = np.zeros([2 * n for n in values.shape], values.dtype)
    every_other = wide[tuple(slice(None, None, 2) for _ in values.shape)]
    every_other[...] = values
    return every_other


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    values = values.copy()
    values.flags.writeable = False
    return values


def _mapped(values: NDArray[Any], folder: Any) -> NDArray[Any]:
    np.save(folder / "mapped.npy", values)
    return np.load(folder / "mapped.npy", mmap_mode="r")


def _misaligned(values: NDArray[Any]) -> NDArray[Any]:
    raw = np.zeros(values.nbytes + 1, np.uint8)[1:]
    view = raw.view(values.dtype) if values.nbytes else raw[:0].view(values.dtype)
    view = view.reshape(values.shape)
    view[...] = values
    return view


#: From an array, and a folder, to one of the same values.
LAYOUTS: dict[str, Callable[[NDArray[Any], Any], NDArray[Any]]] = {
    "C": lambda values, folder: values,
    "Fortran": lambda values, folder: np.asfortranarray(values),
    "strided": lambda values, folder: _strided(values),
    "reversed": lambda values, folder: values[::-1].copy()[::-1],
    "read-only": lambda values, folder: _read_only(values),
    "big-endian": lambda values, folder: values.astype(values.dtype.newbyteorder(">")),
    "memory-mapped": _mapped,
    "misaligned": lambda values, folder: _misaligned(values),
}
