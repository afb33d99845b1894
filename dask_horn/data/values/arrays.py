"""What users pass as samples and targets, turned into plain NumPy arrays.

Lists, data frames and arrays become numeric samples and plain targets. Nothing here knows Zarr,
Dask or scratch folders.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMERIC_KINDS = "biuf"

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
    if dtype.kind not in _NUMERIC_KINDS:
        raise ValueError(
            f"{name} has dtype {dtype}, which is not numeric; pass bools, integers or floats, "
            "and encode categories and dates as numbers first."
        )


def as_samples(X: Any) -> NDArray[Any]:
    """Return samples as a numeric array with the samples on axis 0.

    Parameters
    ----------
    X : array-like or data frame, shape (n_samples, ...)
        Samples held in memory.

    Returns
    -------
    numpy.ndarray
        The same values; a view where possible.

    Raises
    ------
    TypeError
        If ``X`` is a sparse matrix.
    ValueError
        If ``X`` is not numeric, has fewer than two dimensions, or holds nothing.

    Examples
    --------
    >>> as_samples([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise TypeError(f"X is a sparse {type(X).__name__}; pass X.toarray() instead.")
    samples = _numbers(np.asarray(X), "X")
    check_sample_shape(samples.shape, samples.dtype)
    return samples


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


def as_targets(y: Any, kind: str, steps: int | None = None) -> NDArray[Any]:
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

    Returns
    -------
    numpy.ndarray
        One class per sample, or per sample and step; numbers for labels and values.

    Raises
    ------
    ValueError
        If the shape or the type does not suit ``kind``, or a class is missing.

    Examples
    --------
    >>> as_targets([["cat"], ["dog"]], "classes")
    array(['cat', 'dog'], dtype='<U3')
    """
    targets = np.asarray(y)
    check_target_shape(targets.shape, kind, steps)
    if kind != "classes":
        return _numbers(targets, "y")
    labels = targets.reshape(-1) if steps is None else targets.reshape(-1, steps)
    if labels.dtype.kind in "TS":
        labels = plain_labels(labels)
    fault = label_fault(labels)
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


def check_lengths(n_x: int, n_y: int) -> None:
    """Refuse samples and targets of different number."""
    if n_x != n_y:
        raise ValueError(
            f"X holds {n_x} samples and y {n_y} targets; pass one target for each sample."
        )


def first_not_finite(
    rows: NDArray[Any], array: str, column_word: str, first_row: int = 0
) -> str | None:
    """Describe the first value of rows (n, columns) that is NaN or infinity; None without one."""
    if rows.dtype.kind != "f":
        return None
    for start in range(0, len(rows), step := max(1, _VALUES_AT_ONCE // rows.shape[1])):
        some = rows[start : start + step]
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(some.sum()):  # no value that is not finite can be lost in a sum
                continue
        bad = np.argwhere(~np.isfinite(some))
        if len(bad):
            row, column = start + int(bad[0, 0]), int(bad[0, 1])
            name = "NaN" if np.isnan(rows[row, column]) else "infinity"
            return (
                f"{array} holds {name} at sample {first_row + row}, {column_word} {column}; fill "
                "in such values or leave those samples out."
            )
    return None


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
        y = np.array(y.tolist()) if len({type(label) for label in y.flat}) == 1 else y
    if y.dtype.kind not in _NUMERIC_KINDS + "U":
        raise ValueError(
            f"y has dtype {y.dtype}, which Zarr does not hold well; convert the labels to "
            "integers or to text, such as y.astype(str)."
        )
    return y


def _numbers(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return objects that are all numbers as float64, and longdouble as float64."""
    if values.dtype.kind == "O":
        try:
            return values.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"{name} has dtype object and holds something that is no number ({error}); "
                "encode categories and missing values as numbers first."
            ) from error
    _check_numeric(name, values.dtype)
    return values.astype(np.float64) if values.dtype.char == "g" else values


def label_fault(
    labels: NDArray[Any], counted: NDArray[np.bool_] | None = None, first_row: int = 0
) -> str | None:
    """Describe the first class, of (n,) or (n, steps), that is None, NaN or NA; None without one.

    Those that are not `counted`, where that is given, may be anything.
    """
    if labels.dtype.kind == "f":
        missing = ~np.isfinite(labels)
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
    return (
        f"y holds no class at {place} ({labels[row, *step]}); leave that sample out or give it a "
        "class of its own."
    )


def _is_missing(label: object) -> bool:
    if isinstance(label, (float, np.floating)):
        return not np.isfinite(label)
    return label is None or type(label).__name__ in ("NAType", "NaTType")
