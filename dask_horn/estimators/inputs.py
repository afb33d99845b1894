"""What users pass to the estimators: checked by scikit-learn where it is in memory.

Whether values are finite is left to the library, which looks once and names the sample. Dask and
Zarr arrays are never pulled into memory: of them only the number of features and their names are
checked here, and the rest when the library reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from dask_horn.cluster import current_executor
from dask_horn.data import SampleForm, in_memory, is_location, open_samples
from dask_horn.data.intake.given import no_targets, stored_pair
from dask_horn.data.intake.padded import filled_beside
from dask_horn.data.intake.sources import chunked_classes
from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.lazy import computed_rows, known_rows, numeric_blocks
from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.store.undecoded import all_rows
from dask_horn.data.values.arrays import (
    check_lengths,
    check_target_shape,
    first_gap,
    first_not_finite,
    label_fault,
    plain_frame,
    plain_labels,
    unboxed,
)
from dask_horn.data.values.frames import named_columns
from dask_horn.data.values.labelled import is_labelled, labelled_names, labelled_pair
from dask_horn.data.values.missing import with_nan
from dask_horn.data.values.plain import column_names, is_gap, plain, unmissed
from dask_horn.data.values.readable import check_one_type


def sample_shape(X: Any) -> tuple[int, ...]:
    """Shape of one sample, also of Dask frames, whose length is not known."""
    return tuple(int(length) for length in np.shape(X)[1:])


def n_columns(y: Any, steps: int | None = None) -> int:
    """Targets per sample, or per step where there are steps."""
    columns = y.shape[1 if steps is None else 2 :]
    return int(columns[0]) if columns else 1


def to_memory(array: Any) -> Any:
    """Read a Zarr array, or compute targets of Dask's; leave anything else as it is."""
    if isinstance(array, zarr.Array):
        rows = all_rows(array)
        return rows if isinstance(rows, np.ma.MaskedArray) else plain_labels(rows)
    if is_lazy(array):
        with current_executor().scheduling():
            return computed_rows(array, "y")
    return array


def _plain_samples(X: Any, missing: bool) -> Any:
    """Return samples in memory that say of no value that it is missing; frames keep their names.

    Where values may be `missing`, NaN says so, and is put in place of anything else that does.
    """
    if hasattr(X, "iloc") and hasattr(X, "dtypes") and getattr(X, "ndim", 0) == 2:
        return plain_frame(X, "X", missing)
    X = unmissed(X, "X", numeric=True)
    if isinstance(X, np.ma.MaskedArray):
        return plain(X, "X", missing=missing)
    if missing and (isinstance(X, list | tuple) or _holds_objects(X)):
        objects = _objects(X)
        absent = np.array([is_gap(value) for value in objects.flat], bool)
        return with_nan(objects, absent.reshape(objects.shape), "X") if absent.any() else X
    return X


def _holds_objects(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind == "O"


def _objects(values: Any) -> NDArray[Any]:
    try:
        return np.array(values, dtype=object)
    except ValueError:  # rows of several lengths
        return np.empty(0, object)


@contextmanager
def _telling_gaps(values: Any, name: str) -> Iterator[None]:
    """Name the first missing value among objects, where scikit-learn finds that they are none."""
    try:
        yield
    except (TypeError, ValueError) as error:
        objects = isinstance(values, list | tuple) or _holds_objects(values)
        fault = first_gap(_objects(values), name) if objects else None
        if fault is not None:
            raise ValueError(fault) from error
        raise


@contextmanager
def _no_overflow(name: str) -> Iterator[None]:
    """Tell in a sentence of integers that are objects, and beyond the range of float64."""
    try:
        yield
    except OverflowError:
        raise ValueError(
            f"{name} holds an integer beyond the range of float64; divide such values by a "
            "number that is as large first."
        ) from None


def given_samples(X: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return samples and targets as arrays, and what scikit-learn reads names of features from.

    Returns
    -------
    X, y : as `plain_rows` gives them
        Those of a Zarr group as its arrays.
    columns : data frame or None
        None where `X` tells the names itself, or has none.
    """
    pair = stored_pair(X, y)
    samples, _ = labelled_pair(X, y)
    columns: Any = None
    if is_labelled(samples):
        names = labelled_names(samples)
        if names is not None:
            import pandas as pd  # xarray needs it

            columns = pd.DataFrame(columns=names, dtype=float)
    elif not is_location(samples):
        columns = named_columns(samples)
    return *pair, columns


def with_targets(X: Any, y: Any) -> tuple[Any, Any]:
    """Return samples, and targets as an array; of a group that holds both, those in it."""
    if y is None and is_location(X):
        samples = open_samples(X)
        return samples, stored_pair(samples, None)[1]
    X, y = labelled_pair(X, y)
    if y is None:
        raise no_targets(X)
    return X, plain_rows(y, "y")


def checked_samples(
    estimator: Any, X: Any, *, reset: bool, columns: Any = None, missing: bool = False
) -> Any:
    """Check samples against what the estimator was fitted on, or take note of them.

    Parameters
    ----------
    estimator : HornEstimator
        Gets ``n_features_in_``, and ``feature_names_in_`` where the features have names.
    X : array-like, data frame, Dask array or frame, or zarr.Array, shape (n_samples, ...)
        In memory it is checked by scikit-learn.
    reset : bool
        Whether this is a first look.
    columns : data frame, optional
        What tells the names of the features where `X` does not; see `given_samples`.
    missing : bool, default False
        Whether values may be missing; those in memory are then NaN.

    Raises
    ------
    TypeError, ValueError
        As scikit-learn does.
    """
    if in_memory(X):
        return _checked_rows(estimator, X, reset, columns, 1, missing)
    if len(X.shape) < 2:
        shape = tuple(n if isinstance(n, int) else "n" for n in X.shape)  # a Dask series' is lazy
        raise ValueError(
            f"X has shape {shape}, but samples need a row each. Reshape your data: "
            "X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one sample."
        )
    features: Any = np.empty((0, math.prod(sample_shape(X))))
    if columns is not None:
        features = columns
    elif hasattr(X, "columns"):
        features = X._meta  # an empty data frame with the names
    validate_data(estimator, features, reset=reset, skip_check_array=True)
    return X


def _checked_rows(
    estimator: Any, X: Any, reset: bool, columns: Any, min_samples: int, missing: bool
) -> NDArray[Any]:
    """Have scikit-learn check samples in memory."""
    rows, shape = _flat(_plain_samples(X, missing))
    checks = {"ensure_min_samples": min_samples, "ensure_all_finite": False}
    with _telling_gaps(rows, "X"), _no_overflow("X"):
        if columns is None:
            checked = validate_data(estimator, rows, reset=reset, **checks)
        else:
            checked = check_array(rows, input_name="X", estimator=estimator, **checks)
            validate_data(estimator, columns, reset=reset, skip_check_array=True)
    checked = _restored(checked, shape)
    names = column_names(X if columns is None else columns)
    # Who looks at all values later does not know the columns' names any more.
    if names is not None:
        fault = first_not_finite(checked, "X", "feature", names=names, missing=missing)
        if fault is not None:
            raise ValueError(fault)
    return np.asarray(checked)


def checked_pair(
    estimator: Any,
    X: Any,
    y: Any,
    form: SampleForm,
    *,
    reset: bool,
    min_samples: int,
    numeric: bool,
    columns: Any = None,
) -> tuple[Any, Any]:
    """Check samples and targets, taken for what the form says; see `checked_samples`.

    Raises
    ------
    TypeError, ValueError
        As scikit-learn does; or if each step needs a target and has none.
    """
    if form.target_steps is not None and y is not None:
        y = _with_steps(X, y, form, numeric)
    if in_memory(X):
        X = _checked_rows(estimator, X, reset, columns, min_samples, form.missing)
        y = to_memory(y)
    else:
        checked_samples(estimator, X, reset=reset, columns=columns)
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target "
            "y is None."
        )
    if in_memory(y):
        y = _checked_targets(estimator, y, form, numeric)
        if in_memory(X):
            check_consistent_length(X, y)
    return X, y


def plain_targets(y: Any, *, numeric: bool) -> Any:
    """Return targets in memory as what can say of none that it is missing; labels as objects."""
    y = unmissed(y, "y", numeric=numeric)
    return plain(y, "y", gaps=not numeric) if isinstance(y, np.ma.MaskedArray) else y


def _checked_targets(estimator: Any, y: Any, form: SampleForm, numeric: bool) -> Any:
    """Check targets in memory; of classes also that none is missing, before they are counted."""
    y = plain_targets(y, numeric=numeric)
    dtype = "numeric" if numeric else None
    checks = {"ensure_2d": False, "allow_nd": True, "dtype": dtype, "ensure_all_finite": False}
    with _telling_gaps(y, "y"), _no_overflow("y"):
        y = check_array(y, **checks, input_name="y", estimator=estimator)
    if numeric:
        return y
    columns = y.reshape(len(y), -1)
    if form.target_steps is None and columns.shape[1] > 1:
        fault = first_not_finite(columns, "y", "output")
    else:
        fault = label_fault(columns[:, 0] if form.target_steps is None else columns)
    if fault is not None:
        raise ValueError(fault)
    check_one_type(columns, "y")
    return y


def _with_steps(X: Any, y: Any, form: SampleForm, numeric: bool) -> Any:
    """Refuse targets that are not one for each step; in memory those of padding are made harmless.

    Those that stay where they are are looked at when the library reads them.
    """
    if in_memory(X):
        y = to_memory(y)
    y = plain(y, "y", numeric=numeric, gaps=form.pads_targets) if in_memory(y) else y
    check_target_shape(tuple(y.shape), "values" if numeric else "classes", form.target_steps)
    if not in_memory(y) or not form.pads_targets:
        return y
    if in_memory(X):
        X = plain(X, "X", numeric=True)
    elif is_lazy(X):
        with current_executor().scheduling():
            X = numeric_blocks(known_rows(X, "X"))
    check_lengths(int(X.shape[0]), len(y))
    return unboxed(to_memory(filled_beside(X, y, form)))


def scored_targets(y: Any, *, numeric: bool) -> Any:
    """Return true targets that predictions are compared with, in memory, none of them missing."""
    y = to_memory(y)
    if hasattr(y, "toarray"):  # sparse labels, in which nothing is missing
        return y
    y = plain(y, "y", numeric=numeric, gaps=not numeric)
    fault = first_gap(y, "y") if numeric else label_fault(y)
    if fault is not None:
        raise ValueError(fault)
    if not numeric:
        check_one_type(y, "y")
    return y


def distinct_labels(X: Any, y: Any, form: SampleForm) -> NDArray[Any]:
    """Return the distinct labels of targets in Zarr, in order, reading them once.

    Those of padding are none; only where there may be such, samples are read.
    """
    with current_executor().scheduling():
        if form.pads_targets:
            y = filled_beside(X, to_memory(y), form)
        return chunked_classes(y, form.target_steps)


def _flat(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Images and the like as rows of features, which is what scikit-learn counts."""
    if getattr(X, "ndim", 2) <= 2:
        return X, None
    array = np.asarray(X)
    return array.reshape(len(array), -1), array.shape


def _restored(rows: Any, shape: tuple[int, ...] | None) -> Any:
    return rows if shape is None else rows.reshape(shape)
