"""Whatever NumPy reads as an array, read; and what it cannot read, told in a sentence."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.values.strangers import kind_of


def as_array(values: Any, name: str) -> NDArray[Any]:
    """Return an array or a list as a NumPy array; arrays of NumPy's own classes as they are.

    Parameters
    ----------
    values : array-like
        Also what only has ``__dlpack__``, and lies where NumPy can read it.
    name : str
        The argument, for messages.

    Raises
    ------
    TypeError
        If it is an array that NumPy cannot read, such as one on a GPU.
    ValueError
        If its rows differ in length, or it has fields.

    Examples
    --------
    >>> as_array([[1, 2], [3]], "X")
    Traceback (most recent call last):
    ...
    ValueError: X is a list whose rows differ in length: 2 at row 0 and 1 at row 1; ...
    """
    try:
        if isinstance(values, np.ndarray):
            array: NDArray[Any] = values
        else:
            array = np.from_dlpack(values) if _only_dlpack(values) else np.asarray(values)
    except Exception as error:  # each library has its own for what NumPy cannot read
        if isinstance(values, list | tuple) and isinstance(error, ValueError):
            raise ValueError(f"{name} is a list {_unequal(values)}.") from None
        told = str(error).partition("\n")[0].rstrip(".")
        raise TypeError(
            f"{name} is a {kind_of(values)} that NumPy cannot read ({told}); pass a NumPy array."
        ) from error
    check_fields(array.dtype, name)
    if array.dtype.kind in "US" and isinstance(values, list | tuple):
        array = _unconverted(values, array)
    if array.dtype.kind == "O":
        _check_nesting(array, name)
    return array


def _unconverted(values: Any, array: NDArray[Any]) -> NDArray[Any]:
    """Return a list as objects where NumPy has made text of what is none, as of a 1 beside "a"."""
    objects = np.array(values, dtype=object)
    text = (str, bytes)
    return array if all(isinstance(value, text) for value in objects.flat) else objects


def check_fields(dtype: np.dtype[Any], name: str) -> None:
    """Refuse arrays whose values are records of several fields.

    Examples
    --------
    >>> check_fields(np.dtype(float), "X")
    """
    if dtype.names is not None:
        raise ValueError(
            f"{name} is a structured array with the fields {', '.join(dtype.names)}; pass one of "
            f"them, or numpy.lib.recfunctions.structured_to_unstructured({name})."
        )


def check_one_type(labels: NDArray[Any], name: str) -> None:
    """Refuse labels of several types, such as text and numbers: they have no order.

    Parameters
    ----------
    labels : numpy.ndarray
        In memory; of objects, or of anything else, which is of one type.
    name : str
        The argument, for messages.

    Examples
    --------
    >>> check_one_type(np.array(["a", 1], object), "y")
    Traceback (most recent call last):
    ...
    ValueError: y holds labels of several types, such as 'a' and 1; make them one type, ...
    """
    if labels.dtype.kind != "O" or not labels.size:
        return
    first = labels.flat[0]
    own = _type_of(first)
    other = next((label for label in labels.flat if _type_of(label) is not own), first)
    if other is first:
        return
    raise ValueError(
        f"{name} holds labels of several types, such as {first!r} and {other!r}; make them one "
        f"type, such as by {name}.astype(str)."
    )


def _type_of(label: object) -> type:
    """Return the type by which labels are ordered: all real numbers have one."""
    if isinstance(label, Real | np.bool_):
        return float
    return str if isinstance(label, str) else type(label)


def _check_nesting(array: NDArray[Any], name: str) -> None:
    """Refuse objects that are arrays of their own, as Arrow's lists become."""
    first = array.flat[0] if array.size else None
    if isinstance(first, np.ndarray | list):
        raise ValueError(
            f"{name} is an array of objects that are arrays or lists themselves; pass one array "
            f"of numbers, such as numpy.stack(list({name}))."
        )


def _only_dlpack(values: Any) -> bool:
    others = ("__array__", "__array_interface__", "__array_struct__")
    return hasattr(values, "__dlpack__") and not any(hasattr(values, name) for name in others)


def _unequal(rows: Any) -> str:
    """Say what is wrong with lists that are not one array: mostly two lengths."""
    lengths = [len(row) if hasattr(row, "__len__") else None for row in rows]
    other = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    advice = "make them equally long, for instance by padding"
    if other is None:
        return f"whose rows hold lists of different lengths or shapes; {advice}"
    if lengths[0] is None or lengths[other] is None:
        return f"of rows and of single values, as at row {other}; pass rows of numbers only"
    return (
        f"whose rows differ in length: {lengths[0]} at row 0 and {lengths[other]} at row {other}; "
        f"{advice}"
    )
