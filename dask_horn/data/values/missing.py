"""Missing values as NaN, the one form in which samples that may lack some are handed on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Up to here float64 holds every whole number.
_EXACT = 2**53


def remedy(name: str) -> str:
    """Say what to do about a missing value of the argument: only samples may lack some.

    Examples
    --------
    >>> remedy("y")
    'fill in such values or leave those samples out'
    """
    filled = "fill in such values or leave those samples out"
    if name != "X":
        return filled
    return (
        f"{filled}; an estimator with missing='indicator', or a network whose first layer is "
        "MissingIndicator(), trains on them"
    )


def float_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of numbers once NaN may be among them.

    Examples
    --------
    >>> float_dtype(np.dtype("int16")), float_dtype(np.dtype("int64"))
    (dtype('float32'), dtype('float64'))
    """
    return dtype if dtype.kind == "f" else np.result_type(dtype, np.float32)


def check_exact(present: NDArray[Any], name: str) -> None:
    """Refuse whole numbers that float64 would round, which they are to be beside missing ones.

    Raises
    ------
    ValueError
        With the argument's `name`.
    """
    if present.dtype.kind not in "iu" or present.dtype.itemsize < 8 or not present.size:
        return
    if present.max() > _EXACT or present.min() < -_EXACT:
        raise ValueError(
            f"{name} holds whole numbers beyond 2**53 where values may be missing, which only "
            "floats can say; subtract a number near them first."
        )


def with_nan(values: NDArray[Any], absent: NDArray[np.bool_], name: str) -> NDArray[Any]:
    """Return numbers, or objects, with NaN in place of what is absent.

    Parameters
    ----------
    values : numpy.ndarray
        They are not changed.
    absent : numpy.ndarray of bool, of the same shape
    name : str
        The argument that they are, for messages.

    Raises
    ------
    ValueError
        If there are whole numbers that float64 would round.

    Examples
    --------
    >>> with_nan(np.array([1, 2], np.int8), np.array([False, True]), "X")
    array([ 1., nan], dtype=float32)
    """
    check_exact(values[~absent], name)
    if values.dtype.kind not in "biuf":
        return np.where(absent, np.nan, values)
    floats = values.astype(float_dtype(values.dtype))
    floats[absent] = np.nan
    return floats
