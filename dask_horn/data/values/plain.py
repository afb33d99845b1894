"""Containers that can say "this value is missing", as plain NumPy arrays that cannot.

Masked arrays and pandas' nullable, Arrow-backed, categorical and sparse columns are used where they
hold a value everywhere, and refused where they do not: the number beneath a mask means nothing. A
container of another library enters here too: `plain` takes whatever users pass.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.values.missing import remedy, with_nan

#: Kinds of dtypes that hold numbers, bools among them.
NUMERIC_KINDS = "biuf"

# What pandas finds in a column of objects, where they are no numbers.
_KINDS_OF_OBJECTS = {
    "string": "coded",
    "categorical": "coded",
    "datetime": "M",
    "datetime64": "M",
    "date": "M",
    "period": "M",
    "timedelta": "m",
    "timedelta64": "m",
}

# What is noted on masked arrays.
_NAMES, _GAP = "dask_horn names", "dask_horn gap"

# Columns that a message names; more would hide the rest of it.
_MOST_NAMES = 8


@dataclass(frozen=True)
class Gap:
    """Stands among objects where nothing stands: `numpy.ma.masked` becomes 0 on its way there.

    Attributes
    ----------
    what : str
        Why nothing stands there.
    """

    what: str = "masked or NA"

    def __str__(self) -> str:
        return self.what


def plain(
    values: Any,
    name: str,
    first_row: int | None = 0,
    *,
    numeric: bool = False,
    gaps: bool = False,
    missing: bool = False,
    columns: tuple[Any, ...] | None = None,
) -> NDArray[Any]:
    """Return values as a plain array, in which each of them is one.

    Parameters
    ----------
    values : array-like, series or data frame
        Anything in memory; also a block of something lazy.
    name : str
        The argument that they are, such as ``"X"``, for messages.
    first_row : int or None, default 0
        The number of the first row, for messages; None where it is not known.
    numeric : bool, default False
        Whether they are to be numbers: then columns of categories, text or dates are refused here,
        with what to pass instead.
    gaps : bool, default False
        Whether missing values are kept, as objects that `is_gap` knows, rather than refused: those
        of padding do no harm, and those of labels are told later.
    missing : bool, default False
        Whether missing values become NaN, rather than be refused; what is a number is then a float.
    columns : tuple, optional
        The names of the columns, where the values do not have them any more.

    Returns
    -------
    numpy.ndarray
        A view where possible.

    Raises
    ------
    ValueError
        If a value is missing: masked, NA, or null. The first such sample is named.

    Examples
    --------
    >>> plain(np.ma.masked_equal([1, -999], -999), "y", first_row=10)
    Traceback (most recent call last):
    ...
    ValueError: y holds a missing value (masked or NA) at sample 11; fill in such values or leave \
those samples out.
    >>> plain(np.ma.masked_equal([[1, -999]], -999), "X", missing=True)
    array([[ 1., nan]])
    """
    values = unmissed(values, name, numeric=numeric)
    if not isinstance(values, np.ma.MaskedArray):
        return np.asarray(values)
    if gaps:
        return _with_gaps(values)
    mask = np.ma.getmaskarray(values)
    if missing:
        return with_nan(np.ma.getdata(values), mask, name)
    row, *column = np.argwhere(mask)[0].tolist() if mask.any() else (None,)
    if row is not None:
        names = _noted(values).get(_NAMES) or columns
        place = column_place(column, "feature" if name == "X" else "output", names)
        raise ValueError(told_missing(name, str(_gap_of(values)), row, first_row, place))
    return np.asarray(np.ma.getdata(values))


def told_missing(name: str, what: str, row: int, first_row: int | None, place: str = "") -> str:
    """Tell that a value is missing.

    Parameters
    ----------
    name : str
        The argument that holds it, ``"X"`` or ``"y"``, or another.
    what : str
        What stands there, such as ``"NA"``.
    row : int
        The number of the sample, counted from `first_row`.
    first_row : int or None
        The number of the first of them; None where it is not known.
    place : str, default ""
        Where in the sample, as `column_place` says it.

    Examples
    --------
    >>> told_missing("y", "NA", 3, 0, column_place([1], "output", ("width", "height")))
    "y holds a missing value (NA) at sample 3, column 'height'; fill in such values or leave those \
samples out."
    """
    number = row_number(row, first_row)
    return f"{name} holds a missing value ({what}) at sample {number}{place}; {remedy(name)}."


def row_number(row: int, first_row: int | None) -> str:
    """Name a row among all, or in its chunk where the number of that one's first is not known."""
    return f"{row} of a chunk" if first_row is None else str(first_row + row)


def column_place(column: list[int], word: str, names: tuple[Any, ...] | None) -> str:
    """Say which value of a sample it is: by its column's name, where it has one."""
    if not column:
        return ""
    if names is not None and len(column) == 1 and column[0] < len(names):
        return f", column {names[column[0]]!r}"
    return f", {word} {column[0] if len(column) == 1 else tuple(column)}"


def column_names(values: Any) -> tuple[Any, ...] | None:
    """Return the names of a data frame's columns; None where they have none.

    Examples
    --------
    >>> column_names([[1, 2]]) is None
    True
    """
    columns = getattr(values, "columns", None)
    names_of_arrow = getattr(values, "column_names", None)
    if isinstance(names_of_arrow, list):  # whose columns are the values
        columns = names_of_arrow
    if columns is None or callable(columns):
        return None
    names = tuple(columns)
    return None if names == tuple(range(len(names))) else names


def check_same_columns(before: Any, now: Any) -> None:
    """Refuse samples whose columns have other names than those before, or another order.

    Raises
    ------
    ValueError
        If both are data frames, and their columns differ.
    """
    names = [_all_names(one) for one in (before, now)]
    if None in names or names[0] == names[1]:
        return
    there, here = (", ".join(map(str, own or ())) for own in names)
    raise ValueError(
        f"X has the columns {here}, but the samples that are trained on have {there}; pass the "
        "same ones in the same order."
    )


def _all_names(values: Any) -> tuple[Any, ...] | None:
    """Return the names of columns, also where they are but numbers."""
    names = column_names(values)
    numbered = names is None and hasattr(values, "iloc") and hasattr(values, "columns")
    return tuple(values.columns) if numbered else names


def is_gap(value: object) -> bool:
    """Whether an object stands for a missing value: None, NA, NaT, or masked."""
    names = ("NAType", "NaTType", "MaskedConstant")
    return value is None or isinstance(value, Gap) or type(value).__name__ in names


def gap_in_words(value: object) -> str:
    """Say what stands for a missing value.

    Examples
    --------
    >>> gap_in_words(None), gap_in_words(Gap())
    ('None', 'masked or NA')
    """
    return "NA" if type(value).__name__ == "NAType" else str(value)


def unmissed(values: Any, name: str, *, numeric: bool, lazy: bool = False) -> Any:
    """Return what holds a value everywhere as an array, and else a masked array.

    Parameters
    ----------
    values : object
        Anything. What can say of no value that it is missing is returned as it is.
    name, numeric
        As for `plain`.
    lazy : bool, default False
        Whether they are what a Dask frame is like; its columns are encoded in another way.

    Returns
    -------
    numpy.ma.MaskedArray, numpy.ndarray or object
    """
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmask(values)
        unmasked = mask is np.ma.nomask or mask.dtype != bool or not mask.any()
        return np.ma.getdata(values) if unmasked else values
    if isinstance(values, list | tuple) and len(values) and isinstance(values[0], np.ndarray):
        masked = any(isinstance(row, np.ma.MaskedArray) for row in values)
        return np.ma.stack(values) if masked else values
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return values
    if isinstance(values, pandas.DataFrame):
        return _of_frame(values, name, numeric, lazy)
    if isinstance(values, pandas.Index | pandas.api.extensions.ExtensionArray):
        values = pandas.Series(values)
    if isinstance(values, pandas.Series):
        if numeric:
            _check_columns(values.to_frame(), name, True, lazy)
        return _of_column(values)
    return values


def _of_frame(frame: Any, name: str, numeric: bool, lazy: bool) -> Any:
    """Return a frame as one array of its columns' common dtype, masked where values are missing."""
    dtypes = frame.dtypes.tolist()
    if len(set(map(id, dtypes))) <= 1 and all(
        isinstance(dtype, np.dtype) and dtype.kind in NUMERIC_KINDS for dtype in dtypes
    ):
        return frame.to_numpy()
    if numeric:
        _check_columns(frame, name, False, lazy)
    columns = [_of_column(frame.iloc[:, i]) for i in range(frame.shape[1])]
    kinds = {column.dtype.kind for column in columns}
    dtype = np.result_type(*columns) if kinds <= set(NUMERIC_KINDS) else np.dtype(object)
    rows = np.empty(frame.shape, dtype)
    for i, column in enumerate(columns):
        rows[:, i] = np.ma.getdata(column)
    if not any(isinstance(column, np.ma.MaskedArray) for column in columns):
        return rows
    absent = np.column_stack([np.ma.getmaskarray(column) for column in columns])
    return noted(np.ma.masked_array(rows, absent), names=column_names(frame))


def _of_column(column: Any) -> Any:
    """Return a pandas column as an array; masked, where it says that values are missing."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return column.to_numpy()
    if hasattr(dtype, "categories"):
        return _of_categories(column.array)
    if hasattr(dtype, "sp_index_dtype") or str(dtype).startswith("Sparse"):
        return np.asarray(column)
    absent = column.isna().to_numpy(bool)
    own = getattr(dtype, "numpy_dtype", None)
    if isinstance(own, np.dtype) and own.kind in NUMERIC_KINDS:
        values = column.to_numpy(dtype=own, na_value=own.type(0))
    else:
        values = column.to_numpy(dtype=object)
    return np.ma.masked_array(values, absent) if absent.any() else values


def _of_categories(categorical: Any) -> Any:
    """Return what the categories are, which may be numbers, in place of their codes."""
    kinds = unmissed(categorical.categories, "y", numeric=False)
    codes = np.asarray(categorical.codes)
    absent = codes < 0
    if not absent.any():
        return np.asarray(kinds)[codes]
    filling = np.asarray(kinds) if len(kinds) else np.zeros(1, object)
    return np.ma.masked_array(filling[np.maximum(codes, 0)], absent)


def _with_gaps(values: np.ma.MaskedArray[Any, Any]) -> NDArray[Any]:
    """Return a masked array as objects, with a `Gap` where something is masked."""
    objects = np.ma.getdata(values).astype(object)
    objects[np.ma.getmaskarray(values)] = _gap_of(values)
    return objects


def _gap_of(values: Any) -> Gap:
    """Return what a masked array holds where it is masked: it may tell."""
    gap = _noted(values).get(_GAP)
    return gap if isinstance(gap, Gap) else Gap()


def noted(
    values: Any, names: tuple[Any, ...] | None = None, gap: Gap | None = None
) -> np.ma.MaskedArray[Any, Any]:
    """Note the columns' names on a masked array, or what it holds where it is masked.

    NumPy hands on what is noted there to views and slices.
    """
    _noted(values).update({_NAMES: names} if gap is None else {_GAP: gap})
    return values  # type: ignore[no-any-return]


def _noted(values: Any) -> dict[str, Any]:
    return values._optinfo  # type: ignore[no-any-return]


def _check_columns(frame: Any, name: str, of_series: bool, lazy: bool) -> None:
    """Refuse columns of categories, text or dates where numbers are needed."""
    kinds = [_kind_of(frame.iloc[:, i], dtype) for i, dtype in enumerate(frame.dtypes)]
    coded = [frame.columns[i] for i, kind in enumerate(kinds) if kind == "coded"]
    if coded:
        raise ValueError(_told_series(name) if of_series else _told_categories(name, coded, lazy))
    for i, kind in enumerate(kinds):
        if kind:
            column = name if of_series else f"{name}[{frame.columns[i]!r}]"
            place = "" if of_series else f" in the column {frame.columns[i]!r}"
            raise ValueError(_told_times(name, place, column, kind, frame.dtypes.iloc[i]))


def _kind_of(column: Any, dtype: Any) -> str:
    """Return "coded" for categories and text, "M" and "m" for dates and times, "" for others."""
    if hasattr(dtype, "categories") or str(dtype).startswith("dictionary"):
        return "coded"
    if getattr(dtype, "kind", "") in ("M", "m"):
        return str(dtype.kind)
    types = sys.modules["pandas"].api.types
    if not isinstance(dtype, np.dtype) and types.is_string_dtype(dtype):
        return "coded"
    if getattr(dtype, "kind", "") != "O":
        return ""
    return _KINDS_OF_OBJECTS.get(types.infer_dtype(column, skipna=True), "")


def _told_series(name: str) -> str:
    return (
        f"{name} holds categories or text, which are no numbers; encode them as numbers first, "
        f"such as by {name} = pd.factorize({name})[0]."
    )


def _told_categories(name: str, columns: list[Any], lazy: bool) -> str:
    """Tell that columns hold categories or text, with the two lines that encode them."""
    shown = ", ".join(map(repr, columns[:_MOST_NAMES]))
    shown += ", ..." if len(columns) > _MOST_NAMES else ""
    if lazy:
        lines = [
            f"{name} = {name}.categorize(columns=[{shown}])",
            f"{name} = dd.get_dummies({name}, columns=[{shown}], dtype=float)",
        ]
    else:
        lines = [
            f"{name} = pd.get_dummies({name}, columns=[{shown}], dtype=float)",
            f"new = pd.get_dummies(new, columns=[{shown}], dtype=float)"
            f".reindex(columns={name}.columns, fill_value=0)",
        ]
    return (
        f"{name} holds categories or text in the column{'s' * (len(columns) > 1)} {shown}, and "
        "numbers are needed; encode them, and in the same way what you predict on, such as by\n"
        + "\n".join(f"    {line}" for line in lines)
    )


def _told_times(name: str, place: str, column: str, kind: str, dtype: Any) -> str:
    """Tell that a column holds dates or durations, with what makes numbers of them."""
    if getattr(dtype, "kind", "O") == "O":
        column = f"pd.to_{'timedelta' if kind == 'm' else 'datetime'}({column})"
    if kind == "m":
        return (
            f"{name} holds durations{place}, whose unit is not settled; pass numbers, such as "
            f"{column} / pd.Timedelta(seconds=1)."
        )
    zone = getattr(dtype, "tz", None)
    start = "pd.Timestamp('2000-01-01'" + (")" if zone is None else f", tz='{zone}')")
    return (
        f"{name} holds dates{place}, which have no zero and no unit; pass numbers, such as "
        f"({column} - {start}) / pd.Timedelta(days=1)."
    )
