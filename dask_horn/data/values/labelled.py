"""Xarray's arrays and datasets: their data, with samples on the first dimension.

xarray is never imported: whoever has such an array has imported it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.values.attributes import marks_by
from dask_horn.data.values.frames import check_columns
from dask_horn.data.values.marks import Marks, masked_columns

# What narwhals calls the types of columns, by NumPy's kinds of dtypes.
_TYPES = {"U": "String", "S": "String", "T": "String", "M": "Datetime", "m": "Duration"}

_REMEDY = (
    "decode them first, by xarray.decode_cf of their dataset, or by opening it with "
    "mask_and_scale=True"
)

# A dimension for the columns of a dataset, which has none of that name.
_COLUMNS = "columns of dask_horn"


def is_labelled(values: object) -> bool:
    """Whether something is an array, a variable or a dataset of xarray's.

    Examples
    --------
    >>> is_labelled([1, 2])
    False
    """
    xarray: Any = sys.modules.get("xarray")
    if xarray is None:
        return False
    kinds = (xarray.DataArray, xarray.Dataset, xarray.Variable)
    return isinstance(values, kinds) or type(values).__name__ == "DataTree"


def labelled_pair(X: Any, y: Any) -> tuple[Any, Any]:
    """Return samples and targets, where a dataset holds both as its variables X and y.

    Anything else is returned as it is. Where both are labelled, their labels are compared; of
    pandas' a warning tells that they come in another order, since positions may be meant.

    Raises
    ------
    ValueError
        If samples and targets name their dimensions otherwise than samples first, or have
        different labels along it.
    """
    if _holds_samples(X):
        X, y = X["X"], X.get("y") if y is None else y
    if is_labelled(X) and is_labelled(y):
        _check_aligned(X, y)
    elif in_other_order(X, y):
        warnings.warn(
            "y has the index labels of X in another order, and rows are taken by their position; "
            "pass y.loc[X.index] where the labels tell which belong together, else "
            "y.reset_index(drop=True).",
            UserWarning,
            stacklevel=2,
        )
    return X, y


def in_other_order(X: Any, y: Any) -> bool:
    """Whether a pandas object has the labels of another, or of a sorted frame of Dask's, not so.

    Examples
    --------
    >>> import pandas as pd
    >>> in_other_order(pd.DataFrame({"a": [1, 2]}), pd.Series([3, 4], index=[1, 0]))
    True
    """
    theirs: Any = getattr(y, "index", None)
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or not isinstance(theirs, pandas.Index):  # nor a frame of Dask's
        return False
    if getattr(X, "known_divisions", False):  # Dask has sorted the rows by their labels
        if theirs.is_monotonic_increasing or not theirs.is_unique:
            return False
        return bool((theirs.min(), theirs.max()) == (X.divisions[0], X.divisions[-1]))
    ours: Any = getattr(X, "index", None)
    if not isinstance(ours, pandas.Index) or len(ours) != len(theirs) or ours.equals(theirs):
        return False
    if not (ours.is_unique and theirs.is_unique):
        return False
    return bool((ours.get_indexer(theirs) >= 0).all())


def labelled_values(values: Any, name: str) -> Any:
    """Return the data of an array or a variable, or the variables of a dataset as columns.

    Parameters
    ----------
    values : xarray.DataArray, Variable or Dataset
        A dataset with a variable X of at least two dimensions stands for that one where `name` is
        "X"; else all data variables need one dimension, the same one. Coordinates are left out.
    name : str
        The argument, for messages.

    Returns
    -------
    numpy.ndarray, dask.array.Array, or what else xarray wraps

    Raises
    ------
    TypeError, ValueError
        If it is a tree of datasets, or one whose variables are no columns.
    """
    if hasattr(values, "subtree"):
        raise TypeError(
            f"{name} is an xarray DataTree; pass one of its datasets or arrays, such as "
            f"{name}['/node'].to_dataset()."
        )
    if name == "X" and _holds_samples(values):
        values = values["X"]
    if not _is_dataset(values):
        own = _marks(values, name)
        return _applied(own.masked, values.data) if own else values.data
    (rows,) = _row_dimensions(values, name)
    if name == "X":
        kinds = ((str(key), _TYPES.get(v.dtype.kind, "")) for key, v in values.data_vars.items())
        check_columns(kinds, "X.to_dataframe()")
    marks = [_marks(variable, f"{name}[{key!r}]") for key, variable in values.data_vars.items()]
    joined = values.reset_coords(drop=True).to_dataarray(_COLUMNS).transpose(rows, _COLUMNS).data
    return _applied(partial(masked_columns, marks), joined) if any(marks) else joined


def labelled_names(values: Any) -> list[str] | None:
    """Return the names of features: a dataset's variables, or text along the second dimension."""
    if _holds_samples(values):
        values = values["X"]
    if _is_dataset(values):
        names = list(values.data_vars)
    elif hasattr(values, "coords") and values.ndim == 2 and values.dims[1] in values.coords:
        names = values.coords[values.dims[1]].values.tolist()
    else:
        return None
    return names if all(isinstance(name, str) for name in names) else None


def _is_dataset(values: Any) -> bool:
    return is_labelled(values) and hasattr(values, "data_vars") and not hasattr(values, "subtree")


def _holds_samples(values: Any) -> bool:
    """Whether a dataset has samples as one variable, rather than columns of which one is X."""
    return _is_dataset(values) and "X" in values.data_vars and values["X"].ndim > 1


def _row_dimensions(dataset: Any, name: str) -> tuple[Any]:
    """Return the one dimension of a dataset's variables."""
    first: Any = None
    for key, variable in dataset.data_vars.items():
        first = variable.dims if first is None else first
        if variable.ndim != 1 or variable.dims != first:
            raise ValueError(
                f"{name} is an xarray Dataset whose variable {key!r} has the dimensions "
                f"{variable.dims}, but columns need one dimension, the same for all; pass one "
                f"array, such as {name}[{key!r}], with samples on its first dimension."
            )
    if first is None:
        raise ValueError(f"{name} is an xarray Dataset without data variables; pass some.")
    return tuple(first)


def _check_aligned(X: Any, y: Any) -> None:
    """Refuse targets along another dimension than the samples', or whose labels differ."""
    rows = _first_dimension(y)
    if rows is None or _first_dimension(X) is None:
        return
    if rows != _first_dimension(X):
        if rows in X.dims:
            raise ValueError(
                f"X has the dimensions {tuple(X.dims)} and y {tuple(y.dims)}, but samples must be "
                f"on the first dimension of both; pass X.transpose({rows!r}, ...)."
            )
        return
    ours, theirs = X.indexes.get(rows), y.indexes.get(rows)
    if ours is None or theirs is None or len(ours) != len(theirs):
        return
    if not ours.equals(theirs):
        raise ValueError(
            f"X and y have different labels along their dimension {rows!r}; bring them into one "
            "order, such as by xarray.align(X, y, join='inner')."
        )


def _marks(values: Any, name: str) -> Marks:
    """Return what attributes say stands for missing values: xarray removes those that it applies.

    It leaves valid ranges as they are, which of numbers that were packed are those of packed ones.
    """
    attributes = dict(values.attrs)
    if {"scale_factor", "add_offset"} & set(values.encoding):
        attributes = {key: attributes[key] for key in attributes if not key.startswith("valid_")}
    return marks_by(attributes, values.dtype, name, _REMEDY)


def _applied(mask: Callable[[NDArray[Any]], NDArray[Any]], rows: Any) -> Any:
    """Mask rows in memory, or those of Dask block by block."""
    if not hasattr(rows, "map_blocks"):
        return mask(np.asarray(rows))
    whole = rows.rechunk(dict.fromkeys(range(1, rows.ndim), -1)) if rows.ndim > 1 else rows
    return whole.map_blocks(mask, dtype=rows.dtype, meta=rows._meta)


def _first_dimension(values: Any) -> Any:
    """Return the dimension of samples; None for what has no labels."""
    if not hasattr(values, "indexes"):
        return None
    if _is_dataset(values):
        first = next(iter(values.data_vars.values()), None)
        return None if first is None or not first.dims else first.dims[0]
    return values.dims[0] if values.dims else None
