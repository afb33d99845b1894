"""Samples and targets as users pass them, together: where one container may hold both."""

from __future__ import annotations

from typing import Any

from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.samples import is_location, open_samples
from dask_horn.data.values.labelled import labelled_pair


def plain_pair(X: Any, y: Any) -> tuple[Any, Any]:
    """Return samples and targets as arrays that the library knows; see `plain_rows`.

    A stored group of samples stays what it is, beside no targets.

    Parameters
    ----------
    X : object
        Samples; or what holds them as its array ``X``: a Zarr group, open or by its path, a
        `SampleStore`, or an xarray Dataset.
    y : object or None
        Targets; None where `X` holds them as ``y``, or there are none.

    Raises
    ------
    TypeError, ValueError
        As `plain_rows`; or if there are targets beside a group.

    Examples
    --------
    >>> plain_pair([[1, 2]], [3])
    (array([[1, 2]]), array([3]))
    """
    X, y = labelled_pair(X, y)
    if is_location(X):
        if y is not None:
            raise TypeError("y must be left out where X is the path or URL of a Zarr group")
        return X, None
    return plain_rows(X, "X"), None if y is None else plain_rows(y, "y")


def stored_pair(X: Any, y: Any) -> tuple[Any, Any]:
    """Return samples and targets as arrays, those of a stored group too, as Zarr arrays.

    Raises
    ------
    TypeError, ValueError
        As `plain_pair`.
    FileNotFoundError, StoreError
        If there is no such group; see `open_samples`.
    """
    X, y = plain_pair(X, y)
    if not is_location(X):
        return X, y
    samples = open_samples(X)
    assert samples.y is not None, "open_samples requires targets"
    return samples.x.open(), samples.y.open()


def no_targets(X: Any) -> TypeError:
    """Return the error for samples that have no targets beside them."""
    return TypeError(f"y is missing; pass targets beside X, got X of type {type(X).__name__}")


def validation_pair(validation_data: Any) -> tuple[Any, Any]:
    """Return the two that `validation_data` holds; a group of samples with None beside it."""
    if is_location(validation_data):
        return validation_data, None
    X, y = labelled_pair(validation_data, None)  # a dataset may hold both
    if X is validation_data:
        if not isinstance(X, tuple | list) or len(X) != 2:
            raise TypeError(
                "validation_data must be a pair (X, y), or the path or URL of a Zarr group, got "
                f"{type(validation_data).__name__}"
            )
        X, y = validation_data
    if y is None:
        raise TypeError("validation_data has no targets; pass a pair (X, y)")
    return X, y
