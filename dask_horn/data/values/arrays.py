"""What users pass as samples and targets, turned into plain NumPy arrays.

Lists, data frames and arrays become numeric samples and plain targets. Nothing here knows Zarr,
Dask or scratch folders.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.values.missing import remedy, with_nan
from dask_horn.data.values.plain import (
    NUMERIC_KINDS,
    column_names,
    column_place,
    gap_in_words,
    is_gap,
    plain,
    row_number,
    told_missing,
)

# Looked at together: the answers about them take a megabyte.
_VALUES_AT_ONCE = 2**20


def decoded_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which values are handed to the kernels.

    Parameters
    ----------
    dtype : numpy.dtype
        Any dtype of bools, integers or floats, in any byte order.

    Returns
    -------
    numpy.dtype
        One of the native u1 to u8, i1 to i8, f4 and f8.

    Raises
    ------
    ValueError
        If the dtype is not numeric.

    Examples
    --------
    >>> decoded_dtype(np.dtype(">f2")), decoded_dtype(np.dtype(bool))
    (dtype('float32'), dtype('uint8'))
    """
    _check_numeric("An array", dtype)
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind == "f":
        return np.dtype(np.float32 if dtype.itemsize <= 4 else np.float64)
    return dtype.newbyteorder("=")


def _check_numeric(name: str, dtype: np.dtype[Any]) -> None:
    if dtype.kind in "mM":
        example = f"{name} / np.timedelta64(1, 's')"
        if dtype.kind == "M":
            example = f"({name} - np.datetime64('2000-01-01')) / np.timedelta64(1, 'D')"
        raise ValueError(
            f"{name} has dtype {dtype}, which is not numeric; pass numbers, such as {example}."
        )
    if dtype.kind not in NUMERIC_KINDS:
        raise ValueError(
            f"{name} has dtype {dtype}, which is not numeric; pass bools, integers or floats, "
            "and encode categories and dates as numbers first."
        )


def as_samples(
    X: Any,
    first_row: int | None = 0,
    columns: tuple[Any, ...] | None = None,
    missing: bool = False,
) -> NDArray[Any]:
    """Return samples as a numeric array with the samples on axis 0.

    Parameters
    ----------
    X : array-like or data frame, shape (n_samples, ...)
        Samples held in memory.
    first_row : int or None, default 0
        The number of the first of them, for messages; None where it is not known.
    columns : tuple, optional
        The names of the features, where X does not have them any more.
    missing : bool, default False
        Whether values may be missing; those that are masked, None or NA become NaN.

    Returns
    -------
    numpy.ndarray
        The same values; a view where possible.

    Raises
    ------
    ValueError
        If ``X`` is not numeric, has fewer than two dimensions, holds nothing, or a value is
        masked, None or NA that may not be missing.

    Examples
    --------
    >>> as_samples([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    samples = numeric_rows(X, "X", first_row, columns, missing)
    check_sample_shape(samples.shape, samples.dtype)
    return samples


def plain_frame(frame: Any, name: str, missing: bool = False) -> Any:
    """Return a data frame with the same names, whose columns all have a dtype of NumPy's.

    Parameters
    ----------
    frame : pandas.DataFrame
        It is not changed.
    name, missing
        As for `plain`.

    Raises
    ------
    ValueError
        If a value is missing that may not be, or a column does not hold numbers.
    """
    if all(isinstance(dtype, np.dtype) and dtype.kind in NUMERIC_KINDS for dtype in frame.dtypes):
        return frame
    array = numeric_rows(frame, name, missing=missing)
    return type(frame)(array, index=frame.index, columns=frame.columns, copy=False)


def numeric_rows(
    rows: Any,
    name: str,
    first_row: int | None = 0,
    columns: tuple[Any, ...] | None = None,
    missing: bool = False,
) -> NDArray[Any]:
    """Return rows as numbers, of any shape; for parameters and errors see `as_samples`."""
    columns = column_names(rows) or columns
    values = plain(rows, name, first_row, numeric=True, missing=missing, columns=columns)
    if missing and values.dtype.kind == "O":
        gaps = np.reshape([is_gap(value) for value in values.flat], values.shape)
        values = with_nan(values, gaps.astype(bool), name)
    return _numbers(values, name, first_row, columns)


def check_sample_shape(shape: tuple[int, ...], dtype: np.dtype[Any], name: str = "X") -> None:
    """Refuse samples that no network can be trained on."""
    _check_numeric(name, dtype)
    if len(shape) < 2:
        raise ValueError(
            f"{name} has shape {shape}, but samples need a row each; use X.reshape(-1, 1) for "
            "one feature or X.reshape(1, -1) for one sample."
        )
    if 0 in shape:
        raise ValueError(f"{name} has shape {shape} and so holds no values; pass at least one.")


def as_targets(y: Any, kind: str, steps: int | None = None, first_row: int = 0) -> NDArray[Any]:
    """Return targets as a plain array.

    Parameters
    ----------
    y : array-like, series or data frame
        Targets held in memory: shape (n_samples,), or (n_samples, n_outputs); with `steps`
        (n_samples, steps), or (n_samples, steps, n_outputs).
    kind : {"classes", "labels", "values"}
        What the targets mean. Classes may be of any type that can be ordered.
    steps : int, optional
        Steps of each sample that have a target of their own.
    first_row : int, default 0
        The number of the first of them, for messages.

    Returns
    -------
    numpy.ndarray
        One class per sample, or per sample and step; numbers for labels and values.

    Raises
    ------
    ValueError
        If the shape or the type does not suit ``kind``, or a target is missing: masked, None, NA,
        or a class that is NaN.

    Examples
    --------
    >>> as_targets([["cat"], ["dog"]], "classes")
    array(['cat', 'dog'], dtype='<U3')
    """
    if kind != "classes":
        targets = numeric_rows(y, "y", first_row)
        check_target_shape(targets.shape, kind, steps)
        return targets
    targets = plain(y, "y", first_row, gaps=True)
    check_target_shape(targets.shape, kind, steps)
    labels = targets.reshape(-1) if steps is None else targets.reshape(-1, steps)
    if labels.dtype.kind in "TS":
        labels = plain_labels(labels)
    fault = label_fault(labels, first_row=first_row)
    if fault is not None:
        raise ValueError(fault)
    return labels


def check_target_shape(shape: tuple[int, ...], kind: str, steps: int | None = None) -> None:
    """Refuse targets whose shape does not suit what they mean."""
    if steps is not None:
        _check_stepwise_shape(shape, kind, steps)
        return
    if len(shape) not in (1, 2) or shape[-1] == 0:
        raise ValueError(
            f"y has shape {shape}; pass one target per sample, or one row of targets per sample."
        )
    if kind == "classes" and len(shape) == 2 and shape[1] != 1:
        raise ValueError(
            f"y has shape {shape}, but a class needs one label per sample; use y.argmax(axis=1) "
            "for one-hot rows, loss='binary_cross_entropy' for several labels per sample, or "
            "return_sequences=True in the last recurrent layer for a label per step."
        )


def _check_stepwise_shape(shape: tuple[int, ...], kind: str, steps: int) -> None:
    """Refuse targets that are not one, or one row, for each step of each sample."""
    if shape[1:2] != (steps,) or len(shape) > 3 or shape[-1] == 0:
        raise ValueError(
            f"y has shape {shape}, but the network predicts for each of {steps} steps; pass y of "
            f"shape ({shape[0]}, {steps}), or leave out the last return_sequences=True."
        )
    if kind == "classes" and shape[2:] not in ((), (1,)):
        raise ValueError(
            f"y has shape {shape}, but a class needs one label per step; use y.argmax(axis=2) for "
            "one-hot rows."
        )


def check_lengths(n_x: float, n_y: float) -> None:
    """Refuse samples and targets of different number."""
    known = n_x == n_x and n_y == n_y  # NaN: Dask does not know before it has computed them
    if known and n_x != n_y:
        raise ValueError(
            f"X holds {n_x} samples and y {n_y} targets; pass one target for each sample."
        )


def first_not_finite(
    rows: NDArray[Any],
    array: str,
    column_word: str,
    first_row: int | None = 0,
    names: tuple[Any, ...] | None = None,
    missing: bool = False,
) -> str | None:
    """Describe the first value of rows (n, columns) that is NaN or infinity; None without one.

    Columns that have `names` are told by them. `first_row` is the number of the first row; None
    where it is not known. Where values may be `missing`, NaN is none to tell of.
    """
    if rows.dtype.kind != "f":
        return None
    for start in range(0, len(rows), step := max(1, _VALUES_AT_ONCE // rows.shape[1])):
        some = rows[start : start + step]
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(some.sum()):  # no value that is not finite can be lost in a sum
                continue
        bad = np.argwhere(np.isinf(some) if missing else ~np.isfinite(some))
        if len(bad):
            row, column = start + int(bad[0, 0]), int(bad[0, 1])
            is_nan = np.isnan(rows[row, column])
            place = column_place([column], column_word, names)
            return (
                f"{array} holds {'NaN' if is_nan else 'infinity'} at sample "
                f"{row_number(row, first_row)}{place}; {remedy(array if is_nan else '')}."
            )
    return None


def unboxed(values: NDArray[Any]) -> NDArray[Any]:
    """Return objects that are all of one type as an array of it; anything else as it is.

    Examples
    --------
    >>> unboxed(np.array([1, 2], dtype=object))
    array([1, 2])
    """
    if values.dtype.kind != "O" or len({type(value) for value in values.flat}) != 1:
        return values
    return np.array(values.tolist())


def storable_targets(y: Any, first_row: int = 0) -> NDArray[Any]:
    """Return targets as Zarr holds them well, whatever they mean.

    Parameters
    ----------
    y : array-like, series or data frame
        Targets in memory.
    first_row : int, default 0
        The number of the first of them, for messages.

    Raises
    ------
    ValueError
        If one of them is missing and there is no number for it, or they are neither numbers nor
        text.

    Examples
    --------
    >>> storable_targets(["a", None], first_row=7)
    Traceback (most recent call last):
    ...
    ValueError: y holds a missing value (None) at sample 8; fill in such values or leave those \
samples out.
    """
    targets = plain(y, "y", first_row, columns=column_names(y))
    fault = first_gap(targets, "y", first_row)
    if fault is None and targets.dtype.kind == "O" and not _all_numbers(targets):
        fault = label_fault(targets, first_row=first_row)
    if fault is not None:
        raise ValueError(fault)
    return plain_labels(targets)


def _all_numbers(values: NDArray[Any]) -> bool:
    return {type(value) for value in values.flat} <= {float, np.float64}


def plain_labels(y: NDArray[Any]) -> NDArray[Any]:
    """Return labels as numbers or fixed-width text, however they are stored.

    Parameters
    ----------
    y : numpy.ndarray
        Labels; Zarr hands text back as NumPy's variable-width strings or as objects.

    Returns
    -------
    numpy.ndarray
        Bools, integers, floats or text of dtype ``U``.

    Raises
    ------
    ValueError
        If there are labels of another type.

    Examples
    --------
    >>> plain_labels(np.array(["a", "bc"], dtype=object))
    array(['a', 'bc'], dtype='<U2')
    """
    if y.dtype.kind == "T":
        width = max(1, int(np.strings.str_len(y).max(initial=1)))
        return y.astype(f"U{width}")
    if y.dtype.kind == "S":
        return y.astype("U")
    if y.dtype.kind == "O":
        y = unboxed(y)
    if y.dtype.kind not in NUMERIC_KINDS + "U":
        raise ValueError(
            f"y has dtype {y.dtype}, which Zarr does not hold well; convert the labels to "
            "integers or to text, such as y.astype(str)."
        )
    return y


def _numbers(
    values: NDArray[Any], name: str, first_row: int | None, columns: tuple[Any, ...] | None
) -> NDArray[Any]:
    """Return objects that are all numbers as float64, and longdouble as float64."""
    if values.dtype.kind != "O":
        _check_numeric(name, values.dtype)
        return values.astype(np.float64) if values.dtype.char == "g" else values
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        told = first_gap(values, name, first_row, columns) or (
            f"{name} has dtype object and holds something that is no number ({error}); "
            "encode categories and missing values as numbers first."
        )
        raise ValueError(told) from error
    # NumPy takes None for NaN.
    fault = first_gap(values, name, first_row, columns) if np.isnan(numbers).any() else None
    if fault is not None:
        raise ValueError(fault)
    return numbers


def first_gap(
    values: NDArray[Any],
    name: str,
    first_row: int | None = 0,
    columns: tuple[Any, ...] | None = None,
) -> str | None:
    """Describe the first of some objects that stands for a missing value; None without one."""
    if values.dtype.kind != "O":
        return None
    for i, value in enumerate(values.flat):
        if is_gap(value):
            row, *column = map(int, np.unravel_index(i, values.shape))
            place = column_place(column, "feature" if name == "X" else "output", columns)
            return told_missing(name, gap_in_words(value), row, first_row, place)
    return None


def label_fault(
    labels: NDArray[Any], counted: NDArray[np.bool_] | None = None, first_row: int = 0
) -> str | None:
    """Describe the first class, of (n,) or (n, steps), that is None, NaN or NA; None without one.

    Those that are not `counted`, where that is given, may be anything.
    """
    if labels.dtype.kind == "f":
        missing = ~np.isfinite(labels)
    elif labels.dtype.kind in "mM":
        missing = np.isnat(labels)
    elif labels.dtype.kind == "O":
        missing = np.array([_is_missing(label) for label in labels.flat], bool)
        missing = missing.reshape(labels.shape)
    else:
        return None
    if counted is not None:
        missing &= counted.reshape(labels.shape)
    if not missing.any():
        return None
    row, *step = np.argwhere(missing)[0].tolist()
    place = f"sample {first_row + row}" + (f", step {step[0]}" if step else "")
    what = gap_in_words(labels[row, *step])
    return (
        f"y holds no class at {place} ({what}); leave that sample out or give it a class of its "
        "own."
    )


def _is_missing(label: object) -> bool:
    if isinstance(label, (float, np.floating)):
        return not np.isfinite(label)
    return is_gap(label) or (isinstance(label, np.datetime64 | np.timedelta64) and np.isnat(label))
