"""Targets of padding: they may be anything, and are given what does no harm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def filled(y: NDArray[Any], counted: NDArray[np.bool_]) -> NDArray[Any]:
    """Give steps that do not count the target of the sample's first step that does.

    So they name no class of their own and hold nothing that is missing, whatever they held.

    Parameters
    ----------
    y : numpy.ndarray, shape (n, steps) or (n, steps, outputs)
        Targets.
    counted : numpy.ndarray of bool, shape (n, steps)
        Which of them count.

    Returns
    -------
    numpy.ndarray
        ``y`` itself where all count.

    Examples
    --------
    >>> filled(np.array([[7, 8, -1]]), np.array([[True, True, False]]))
    array([[7, 8, 7]])
    """
    if counted.all():
        return y
    first = y[np.arange(len(y)), counted.argmax(axis=1)]
    inner = counted.reshape(*counted.shape, *(1,) * (y.ndim - 2))
    return np.where(inner, y, first[:, np.newaxis])
