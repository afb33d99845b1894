"""Checks of single arguments: numbers, words and names, each with one form of message.

Every check returns the value in its plain Python form, so that settings made with NumPy's numbers
equal, hash and write to JSON like those made with Python's. Every message reads
``{argument} must be …, got {value!r}``.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Collection
from typing import Any

import numpy as np

# A layer's name becomes a name in a store, where "/", "." and a leading "_" have a meaning.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def checked_integer(argument: str, value: Any, at_least: int, at_most: int | None = None) -> int:
    """Return `value` as an int, not outside the bounds, which are included.

    Raises
    ------
    TypeError
        If it is not an integer; True and False are not.
    ValueError
        If it is out of bounds.

    Examples
    --------
    >>> checked_integer("units", 0, 1)
    Traceback (most recent call last):
    ...
    ValueError: units must be an integer of at least 1, got 0
    """
    bounds = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
    wanted = _wanted(argument, f"an integer {bounds}", value)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(wanted)
    number = int(value)
    if number < at_least or (at_most is not None and number > at_most):
        raise ValueError(wanted)
    return number


def checked_number(
    argument: str,
    value: Any,
    *,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """Return `value` as a finite float within the bounds; errors as `checked_integer`."""
    named = (("of at least", at_least), ("above", above), ("below", below))
    bounds = " and ".join(f"{word} {bound}" for word, bound in named if bound is not None)
    kind = "a number" if below is not None else "a finite number"
    wanted = _wanted(argument, f"{kind} {bounds}".rstrip(), value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(wanted)
    number = _as_float(value)
    low = (at_least is not None and number < at_least) or (above is not None and number <= above)
    if not math.isfinite(number) or low or (below is not None and number >= below):
        raise ValueError(wanted)
    return number


def checked_bool(argument: str, value: Any) -> bool:
    """Return `value` as a bool, or raise TypeError."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(_wanted(argument, "True or False", value))
    return bool(value)


def checked_choice(argument: str, value: Any, known: Collection[str], *, none: bool = False) -> str:
    """Return one of the known words; TypeError for what is not a string, else ValueError.

    With `none` the message says that None would do as well.
    """
    words = ", ".join(map(repr, known))
    what = f"one of {words}" if len(known) > 1 else words
    wanted = _wanted(argument, f"{what} or None" if none else what, value)
    if not isinstance(value, str):
        raise TypeError(wanted)
    if value not in known:
        raise ValueError(wanted)
    return str(value)


def checked_mask_value(value: Any) -> float | None:
    """Return the value that marks padding as a float that float32 can hold, or None."""
    if value is None:
        return None
    wanted = _wanted("mask_value", "None or a finite number in the range of float32", value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(wanted)
    if not abs(_as_float(value)) <= float(np.finfo(np.float32).max):
        raise ValueError(wanted)
    return float(value)


def checked_name(value: Any) -> str | None:
    """Return a layer's name that a store can use, or None."""
    if value is None:
        return None
    form = "a string of letters, digits and underscores that begins with a letter"
    wanted = _wanted("name", form, value)
    if not isinstance(value, str):
        raise TypeError(wanted)
    if not _NAME.fullmatch(value):
        raise ValueError(wanted)
    return str(value)


def _wanted(argument: str, what: str, value: Any) -> str:
    return f"{argument} must be {what}, got {value!r}"


def _as_float(value: numbers.Real) -> float:
    """Return a float: infinity for an integer beyond the range of floats."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
