"""Targets of held-out samples: brought into memory, wherever they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.intake.pairs import read_targets, targets_of
from dask_horn.data.values.arrays import (
    as_targets,
    check_lengths,
    check_target_shape,
    unboxed,
)
from dask_horn.data.values.padding import filled
from dask_horn.data.values.plain import plain
from dask_horn.data.values.targets import TargetKind


def held_out_targets(
    X: Any, y: Any, kind: TargetKind, counted: NDArray[np.bool_] | None = None
) -> NDArray[Any]:
    """Return the targets that belong to samples, as a plain array in memory.

    Parameters
    ----------
    X : object
        The samples; read only where they are a Zarr group, open or by its path or URL, and `y` is
        left out: then the group's array ``y`` is taken.
    y : array-like, series or data frame, Dask array or frame, zarr.Array, or None
        The targets.
    kind : {"classes", "labels", "values"}
        What they mean.
    counted : numpy.ndarray of bool, shape (n_samples, steps), optional
        Where each step has a target: which of them count; the others are given those that do no
        harm.

    Returns
    -------
    numpy.ndarray, shape (n_samples,) or (n_samples, n_outputs), with steps as dimension 1

    Raises
    ------
    TypeError
        If `y` is left out beside samples that are no Zarr group.
    ValueError, FileNotFoundError
        If the group lacks ``y``, or the targets do not suit `kind`.
    ChunkReadError
        If a chunk of them cannot be read.

    Examples
    --------
    >>> import dask.array as da
    >>> held_out_targets(None, da.arange(3), "classes")
    array([0, 1, 2])
    """
    y = read_targets(targets_of(X, y))
    if counted is None:
        return as_targets(y, kind)
    y, steps = plain(y, "y", gaps=True), counted.shape[1]
    check_target_shape(y.shape, kind, steps)
    check_lengths(len(counted), len(y))
    return as_targets(unboxed(filled(y, counted)), kind, steps)
