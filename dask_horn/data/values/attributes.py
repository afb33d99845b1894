"""Attributes that say that stored numbers are not the values, as netCDF and xarray write them.

What would change every value (a scale, a date's origin) is refused by its name. What marks single
values as missing is looked for among those that are read. The rule is one for Zarr's arrays and for
xarray's, whose attributes go as they are applied.

References
----------
Climate and Forecast conventions, sections 2.5.1 (missing data, valid range), 4.4 (times) and 8.1
(packed data). NetCDF Users' Guide, attribute conventions (``_Unsigned``).
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dask_horn.data.values.arrays import decoded_dtype
from dask_horn.data.values.marks import NO_MARKS, Marks

_NEUTRAL = {"scale_factor": 1.0, "add_offset": 0.0}


def marks_by(attributes: Mapping[str, Any], dtype: np.dtype[Any], what: str, remedy: str) -> Marks:
    """Return what attributes say stands for missing values.

    Parameters
    ----------
    attributes : mapping
        Those of an array.
    dtype : numpy.dtype
        The array's.
    what : str
        The array, for messages, such as ``"X"``.
    remedy : str
        What decodes it, for messages.

    Returns
    -------
    Marks
        In the dtype in which values are handed to the kernels. NaN is not among them, since it is
        always looked for, and nothing that the array's dtype cannot hold.

    Raises
    ------
    ValueError
        If they give a scale, an offset, or the origin or unit of times.

    Examples
    --------
    >>> marks_by({"_FillValue": -999}, np.dtype("i2"), "X", "decode it")
    Marks(fills=(('_FillValue', np.int16(-999)),), least=None, most=None)
    """
    if not attributes:
        return NO_MARKS
    times = [name for name in ("units", "dtype") if _tells_times(name, attributes.get(name))]
    if times:
        raise ValueError(
            f"{what} holds times ({times[0]}={attributes[times[0]]}), not numbers; give numbers, "
            f"such as the days since the first of them, or remove the attribute {times[0]} if you "
            "mean the numbers as they are stored."
        )
    encoded = dict(_encoded(attributes))
    if encoded:
        told = ", ".join(f"{name}={value}" for name, value in encoded.items())
        raise ValueError(f"{what} holds encoded values ({told}); {remedy}.")
    if dtype.kind not in "biuf":
        texts = [(name, fill) for name, fill in _fills(attributes) if isinstance(fill, str)]
        return Marks(tuple(texts))
    fills = [
        (name, number)
        for name, fill in _fills(attributes)
        for number in _as_stored(fill, dtype, "_Unsigned" in attributes)
    ]
    return Marks(tuple(fills), *_valid(attributes, dtype))


def _encoded(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the attributes by which no stored number is the value."""
    for name, neutral in _NEUTRAL.items():
        given = attributes.get(name)
        if given is not None and _number(given) != neutral:
            yield name, given


def _tells_times(name: str, value: Any) -> bool:
    """Whether an attribute says that numbers are dates or durations, as xarray writes them."""
    if name == "units":
        return isinstance(value, str) and re.search(r"\bsince\b", value) is not None
    return isinstance(value, str) and value.startswith(("timedelta64", "datetime64"))


def _number(given: Any) -> float | None:
    """Return an attribute as a number; None if it is not one."""
    try:
        number = float(np.asarray(given, dtype=float).reshape(()))
    except (TypeError, ValueError):
        return None
    return None if np.isnan(number) else number


def _fills(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values that stand for missing ones: numbers, and texts that may be numbers."""
    for name in ("_FillValue", "missing_value"):
        given = attributes.get(name)
        several = given if isinstance(given, list | tuple | np.ndarray) else [given]
        yield from ((name, fill) for fill in several if fill is not None)


def _as_stored(fill: Any, dtype: np.dtype[Any], wraps: bool) -> Iterator[Any]:
    """Yield a fill value as it is found among decoded values, unless it can never be there."""
    if isinstance(fill, str):
        fill = _decoded_text(fill)
    if fill is None or fill != fill:
        return
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            number = dtype.type(fill)
        if np.isfinite(number):
            yield decoded_dtype(dtype).type(number)
        return
    if fill != int(fill):
        return
    limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    whole = int(fill)
    if wraps and dtype.kind in "iu" and not limits[0] <= whole <= limits[1]:
        whole = int(np.array(whole % 2 ** (8 * dtype.itemsize), "u8").astype(dtype))
    if limits[0] <= whole <= limits[1]:
        yield decoded_dtype(dtype).type(whole)


def _decoded_text(fill: str) -> float | None:
    """Return a fill value that is written as text: a number, or base64 of a float's eight bytes."""
    try:
        return float(fill)
    except ValueError:
        pass
    try:
        number: float = struct.unpack("<d", base64.b64decode(fill, validate=True))[0]
    except (binascii.Error, struct.error):
        return None
    return number


def _valid(
    attributes: Mapping[str, Any], dtype: np.dtype[Any]
) -> tuple[tuple[str, Any] | None, tuple[str, Any] | None]:
    """Return the smallest and the largest valid value, where attributes give some."""
    bounds: list[tuple[str, Any] | None] = [None, None]
    for i, name in enumerate(("valid_min", "valid_max")):
        limit = _number(attributes.get(name))
        bounds[i] = None if limit is None else (name, limit)
    both = attributes.get("valid_range")
    if isinstance(both, list | tuple) and len(both) == 2:
        for i, given in enumerate(both):
            limit = _number(given)
            bounds[i] = bounds[i] if limit is None else ("valid_range", limit)
    # Where the sign is another than the dtype's, numbers beyond the common half mean others.
    unsigned = str(attributes.get("_Unsigned", "")).lower()
    if unsigned == "true" and dtype.kind == "i":
        bounds[0] = ("_Unsigned", 0)
    if unsigned == "false" and dtype.kind == "u":
        bounds[1] = ("_Unsigned", np.iinfo(dtype).max // 2)
    return bounds[0], bounds[1]
