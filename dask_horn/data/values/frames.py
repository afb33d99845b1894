"""Data frames, series and Arrow tables: their values as arrays, and what their columns hold.

narwhals reads them all, and is imported only where there is one.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from dask_horn.data.values.missing import check_exact
from dask_horn.data.values.readable import as_array
from dask_horn.data.values.strangers import kind_of, stranger

_SHOWN = 6  # names of columns in a message

_ENCODED = """and numbers are needed; encode them, and by encode.transform what you predict on, \
such as by
    encode = make_column_transformer((OneHotEncoder(sparse_output=False), {columns}), \
remainder="passthrough")
    X = encode.fit_transform({rows})"""

# Of columns by the names that narwhals has for their types: what they hold, and what would do.
_TEXT = ("categories or text", _ENCODED)
_DATES = (
    "dates or durations",
    "which have no zero and no unit; pass numbers, such as the days since the first of them.",
)
_NESTED = (
    "lists",
    "and numbers are needed; make a column of each of their values, or pass one array for all.",
)
_NOT_NUMBERS = {
    "String": _TEXT, "Categorical": _TEXT, "Enum": _TEXT, "Binary": _TEXT,
    "Datetime": _DATES, "Date": _DATES, "Time": _DATES, "Duration": _DATES,
    "List": _NESTED, "Array": _NESTED, "Struct": _NESTED,
}  # fmt: skip


def is_frame(values: object) -> bool:
    """Whether something is a data frame or series, eager or lazy, or an Arrow table or array.

    Dask's frames are none: nothing of them is in memory.

    Examples
    --------
    >>> is_frame([1, 2])
    False
    """
    library = _library(values)
    if library in ("pandas", "pyarrow", "polars", "narwhals"):
        return not isinstance(values, type)
    if library in ("builtins", "numpy", "zarr", "dask", "xarray"):
        return False
    return _narwhals(values) is not None or hasattr(values, "__arrow_c_stream__")


def frame_values(frame: Any, name: str) -> Any:
    """Return the values of a frame, series or Arrow table as an array; pandas' own as it is.

    Parameters
    ----------
    frame : object
        What `is_frame` holds for.
    name : str
        The argument: "X", whose columns must be numbers, or another one.

    Returns
    -------
    numpy.ndarray, or pandas object
        What is missing is NaN among numbers, and None among anything else.

    Raises
    ------
    TypeError
        If it is lazy, or of no kind that is read here.
    ValueError
        If columns of X hold text, categories, dates or lists, or values that NumPy has not.
    """
    frame = _native(frame)
    given = _narwhals(frame)
    if given is not None and not hasattr(given, "to_numpy"):
        raise TypeError(
            f"{name} is a lazy {kind_of(frame)}, whose rows may come in another order each time; "
            "collect samples and targets together first, such as by .collect() or .to_pandas()."
        )
    if given is None:
        _check_read(frame, name)
    if _library(frame) == "pandas":  # NumPy and scikit-learn read it as it is
        if given is None and name != "X" and frame.ndim == 2:  # but for two equal names
            return frame.set_axis(range(frame.shape[1]), axis="columns")
        return frame
    if given is None:
        return as_array(frame, name)
    if name == "X" and hasattr(given, "schema"):
        types = ((column, dtype.base_type().__name__) for column, dtype in given.schema.items())
        polars = _library(frame) == "polars"
        check_columns(types, "X" if polars else "X.to_pandas()")
        given = _with_missing_bools(given)
        _check_whole(given)
    return _read(given.to_numpy, frame, name)


def check_columns(types: Iterable[tuple[str, str]], rows: str = "X") -> None:
    """Refuse columns of X that are not numbers.

    Parameters
    ----------
    types : iterable of pairs of str
        Each column's name, and what narwhals calls the type of its values, such as "String".
    rows : str, default "X"
        What scikit-learn is to encode, where it does not read X itself.

    Raises
    ------
    ValueError
        If there are columns of text, categories, dates or lists.

    Examples
    --------
    >>> check_columns([("a", "Int64"), ("b", "Float32")])
    """
    found: dict[tuple[str, str], list[str]] = {}
    for column, word in types:
        what = _NOT_NUMBERS.get(word)
        if what is not None:
            found.setdefault(what, []).append(column)
    for (held, remedy), names in found.items():
        advice = remedy.format(columns=names, rows=rows) if remedy is _ENCODED else remedy
        raise ValueError(f"X holds {held} in the {_in_words(names)}, {advice}")


def named_columns(values: Any) -> Any:
    """Return what scikit-learn reads names of columns from, where `frame_values` gives none.

    Returns
    -------
    data frame or None
        None for pandas' frames, which keep their names, and for what has no columns.

    Raises
    ------
    ValueError
        If two columns have one name.
    """
    if not is_frame(values):
        return None
    frame = _native(values)
    names = getattr(frame, "column_names", None)  # pyarrow's
    names = getattr(frame, "columns", None) if names is None else names
    if names is None or callable(names) or getattr(frame, "ndim", 2) != 2:
        return None
    twice = [str(column) for column, times in Counter(names).items() if times > 1]
    if twice:
        raise ValueError(
            f"X has more than one {_in_words(twice)}; give every column a name of its own."
        )
    return None if _library(frame) == "pandas" else frame


def _in_words(names: list[str]) -> str:
    some = ", ".join(repr(name) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"column{'s' if len(names) > 1 else ''} {some}{more}"


def _library(values: object) -> str:
    return type(values).__module__.partition(".")[0]


def _native(frame: Any) -> Any:
    """Return what narwhals has wrapped, and a batch of Arrow's or a stranger's frame as a table."""
    if _library(frame) == "narwhals":
        frame = frame.to_native()
    if _library(frame) == "pyarrow":
        if type(frame).__name__ == "RecordBatch":
            return sys.modules["pyarrow"].Table.from_batches([frame])
        return frame
    arrow = _library(frame) != "pandas" and hasattr(frame, "__arrow_c_stream__")
    return _table(frame) if arrow and _narwhals(frame) is None else frame


def _table(frame: Any) -> Any:
    """Read what hands Arrow's streams out, as duckdb's and nanoarrow's tables do."""
    try:
        import pyarrow
    except ImportError:
        raise TypeError(
            f"a {kind_of(frame)} is read by pyarrow, which is not installed; install it, or pass "
            "a NumPy array."
        ) from None
    return pyarrow.table(frame)


def _narwhals(values: Any) -> Any:
    """Return what narwhals makes of a frame or series; None for anything that it does not read."""
    import narwhals.stable.v1 as nw

    try:
        given = nw.from_native(values, pass_through=True, allow_series=True)
        read = isinstance(given, nw.DataFrame | nw.LazyFrame | nw.Series)
        if isinstance(given, nw.DataFrame):
            _ = given.schema
    except Exception:  # as of two columns with one name, which pandas allows
        return None
    return given if read else None


def _with_missing_bools(given: Any) -> Any:
    """Return a frame whose bools are numbers where one is missing: NaN can then say so."""
    import narwhals.stable.v1 as nw

    missing = [
        column
        for column, dtype in given.schema.items()
        if dtype == nw.Boolean and given[column].null_count()
    ]
    return given.with_columns(nw.col(missing).cast(nw.Float64)) if missing else given


def _check_whole(given: Any) -> None:
    """Refuse whole numbers that floats would round, where one is missing: NumPy has floats then."""
    import narwhals.stable.v1 as nw

    for column, dtype in given.schema.items():
        if dtype in (nw.Int64, nw.UInt64) and given[column].null_count():
            present = given[column].drop_nulls().to_numpy()
            check_exact(present, "X")


def _check_read(frame: Any, name: str) -> None:
    """Refuse what comes from such a library and is no table, nor an array that NumPy reads."""
    if hasattr(frame, "to_table") or hasattr(frame, "read_next_batch"):
        raise TypeError(
            f"{name} is a {kind_of(frame)}, whose rows are not in memory yet; pass a table, such "
            "as X.to_table() or X.read_all() gives it."
        )
    fault = stranger(frame, name)
    if fault is not None:
        raise TypeError(fault)


def _read(to_numpy: Callable[[], Any], frame: Any, name: str) -> Any:
    try:
        return as_array(to_numpy(), name)
    except ValueError:
        raise
    except Exception as error:  # each library has its own for values that NumPy has not
        raise ValueError(
            f"{name} is a {kind_of(frame)} that NumPy cannot read ({error}); convert its columns "
            "to integers or floats of at most 64 bits first."
        ) from error
