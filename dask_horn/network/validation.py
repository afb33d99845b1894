"""Checks of the arguments that layers and networks share.

Each returns the value in its plain Python form, so that a spec made with NumPy's integers
equals, hashes and writes to JSON like one made with Python's.
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


def as_float(value: numbers.Real) -> float:
    """Return `value` as a float: infinity for an integer that is beyond the range of floats."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def checked_integer(argument: str, value: Any, minimum: int) -> int:
    """Return `value` as an int, or say that `argument` must be one of at least `minimum`."""
    wanted = f"{argument} must be an integer of at least {minimum}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{wanted}, got {value!r} ({type(value).__name__}).")
    if value < minimum:
        raise ValueError(f"{wanted}, got {value}.")
    return int(value)


def checked_bool(argument: str, value: Any) -> bool:
    """Return `value` as a bool, or say that `argument` must be one."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(
            f"{argument} must be True or False, got {value!r} ({type(value).__name__})."
        )
    return bool(value)


def checked_mask_value(value: Any) -> float | None:
    """Return what marks padding as a float, or say that it must be a finite number or None."""
    if value is None:
        return None
    wanted = f"mask_value must be a finite number of float32's range or None, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{wanted} ({type(value).__name__}).")
    if not abs(as_float(value)) <= np.finfo(np.float32).max:  # as which samples are read
        raise ValueError(f"{wanted}.")
    return float(value)


def checked_positive(argument: str, value: Any) -> float:
    """Return `value` as a float, or say that `argument` must be a number above 0."""
    wanted = f"{argument} must be a finite number above 0, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{wanted} ({type(value).__name__}).")
    if not 0 < as_float(value) < math.inf:
        raise ValueError(f"{wanted}.")
    return float(value)


def checked_rate(argument: str, value: Any) -> float:
    """Return the probability of being dropped as a float, or say which numbers would do."""
    wanted = f"{argument} must be a number of at least 0 and below 1, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{wanted} ({type(value).__name__}).")
    if not 0 <= as_float(value) < 1:
        raise ValueError(f"{wanted}.")
    return float(value)


def checked_choice(argument: str, value: Any, known: Collection[str]) -> str:
    """Return one of the known words, or say which are."""
    wanted = f"{argument} must be one of {', '.join(known)}, got {value!r}"
    if not isinstance(value, str):
        raise TypeError(f"{wanted} ({type(value).__name__}).")
    if value not in known:
        raise ValueError(f"{wanted}.")
    return str(value)


def checked_name(value: Any) -> str | None:
    """Return a layer's name, or say which names would do."""
    wanted = "name must be a string of letters, digits and underscores that begins with a letter"
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{wanted}, got {value!r} ({type(value).__name__}).")
    if not _NAME.fullmatch(value):
        raise ValueError(f"{wanted}, got {value!r}.")
    return str(value)
