"""Arrays of parameters by name, as float64."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Arrays = dict[str, Array]


def tensor_of(arrays: Mapping[str, ArrayLike], name: str) -> Array:
    """One of the arrays, in float64."""
    return np.asarray(arrays[name], np.float64)
