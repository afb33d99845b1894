"""Samples and targets that users pass, checked: what is wrong with them is told here.

What is in memory is looked at, value by value, while rows have the numbers that the user gave
them; what is lazy or stored keeps its place, and its values are the survey's business.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from dask_horn.data.intake.padded import filled_beside
from dask_horn.data.store.lazy import lazy_rows, numeric_blocks
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.reading import reading_rows
from dask_horn.data.store.tasks import call, compute, is_lazy
from dask_horn.data.store.undecoded import all_rows, read_marked
from dask_horn.data.values.arrays import (
    as_samples,
    as_targets,
    check_lengths,
    check_sample_shape,
    check_target_shape,
    first_not_finite,
    numeric_rows,
    plain_labels,
    unboxed,
)
from dask_horn.data.values.form import SampleForm
from dask_horn.data.values.plain import column_names, plain
from dask_horn.data.values.targets import (
    TargetKind,
    check_kind,
    check_labels,
    class_codes,
    distinct_classes,
)
from dask_horn.data.values.unnumbered import Unnumbered


def in_memory(array: Any) -> bool:
    """Whether an array is held in memory: neither a Zarr array nor a Dask collection.

    Examples
    --------
    >>> in_memory([[1, 2]])
    True
    """
    return not isinstance(array, zarr.Array) and not is_lazy(array)


@dataclass(frozen=True, eq=False)
class Source:
    """Samples and targets, checked, in a form that can be written.

    Attributes
    ----------
    X, y : numpy.ndarray, zarr.Array or dask.array.Array
        Rows; ``y`` is None without targets, and holds codes if it is in memory and the
        targets are classes. Of a Dask array the number of rows may be unknown.
    classes : numpy.ndarray or None
        The label of each code; None where ``y`` holds no codes.
    form : SampleForm
        What both are taken for.
    columns : tuple or None
        The features' names, where they have come with the samples.
    encode : bool
        Whether ``y`` holds labels, in a Dask array, whose classes are not known yet.
    frames : mapping of str to list of Delayed
        As `LazyRows` has them.
    """

    X: Any
    y: Any
    classes: NDArray[Any] | None
    form: SampleForm
    columns: tuple[Any, ...] | None = None
    encode: bool = False
    frames: Mapping[str, list[Any]] = field(default_factory=dict)

    @property
    def n_samples(self) -> int:
        """Rows, of samples that are not lazy."""
        return int(self.X.shape[0])

    @property
    def in_memory(self) -> bool:
        """Whether rows can be put into another order."""
        return in_memory(self.X)


def checked_source(
    X: Any, y: Any, kind: TargetKind | None, classes: Any, form: SampleForm
) -> Source:
    """Check samples and targets, and encode classes where they lie in memory; see `spool`."""
    given = {"X": X, "y": y}
    columns = column_names(X)
    lazy = lazy_rows({name: array for name, array in given.items() if is_lazy(array)})
    X = _samples(lazy.arrays.get("X", X), form, columns)
    if y is None:
        return Source(X, None, None, form, columns)
    if kind is None:
        raise ValueError(
            "target_kind=None means that there is no y; pass 'classes', 'labels' or 'values'."
        )
    check_kind(kind)
    y = _targets(X, lazy.arrays.get("y", y), kind, form)
    if kind != "classes":
        return Source(X, y, None, form, columns, frames=lazy.frames)
    known = None if classes is None else as_targets(classes, "classes")
    y, found = _with_codes(y, known, form)
    encode = is_lazy(y) and found is None and y.dtype.kind not in "biuf"
    return Source(X, y, found, form, columns, encode, lazy.frames)


def _targets(X: Any, y: Any, kind: TargetKind, form: SampleForm) -> Any:
    """Check targets beside samples that are checked; give padding targets that are harmless."""
    steps = form.target_steps
    if is_lazy(y) and in_memory(X):
        (y,) = compute(y)
    elif isinstance(y, zarr.Array) and in_memory(X):
        y = all_rows(y)
    if in_memory(y):
        # Those of padding may be missing.
        gaps = kind == "classes" or form.pads_targets
        y = plain(y, "y", numeric=kind != "classes", gaps=gaps)
        y = plain_labels(y) if y.dtype.kind in "TS" else y
    check_target_shape(y.shape, kind, steps)
    check_lengths(X.shape[0], y.shape[0])
    if form.pads_targets and not isinstance(y, zarr.Array):
        y = filled_beside(X, y, form)
        y = y if is_lazy(y) else unboxed(y)
    if is_lazy(y) and kind != "classes":
        y = numeric_blocks(y, "y")
    if in_memory(y):
        y = as_targets(y, kind, steps)
        if kind != "classes":
            columns = y.reshape(len(y), -1)
            _check_finite(columns, "y", form.target_word(y.shape))
            if kind == "labels":
                check_labels(columns)
    return y


def _samples(X: Any, form: SampleForm, columns: tuple[Any, ...] | None) -> Any:
    if in_memory(X):
        X = as_samples(form.unmasked(X), missing=form.missing)
        _check_finite(X.reshape(len(X), -1), "X", "feature", columns, form.missing)
        form.check(X.shape[1:])
        fault = form.fault(X)
        if fault is not None:
            raise ValueError(fault)
        return X
    if is_lazy(X):
        X = numeric_blocks(X, missing=form.missing)
    check_sample_shape(X.shape, X.dtype)
    form.check(tuple(X.shape[1:]))
    return X


def _check_finite(
    rows: NDArray[Any],
    array: str,
    column_word: str,
    columns: tuple[Any, ...] | None = None,
    missing: bool = False,
) -> None:
    """Tell of NaN and infinity while rows have the numbers that the user gave them."""
    fault = first_not_finite(rows, array, column_word, names=columns, missing=missing)
    if fault is not None:
        raise ValueError(fault)


def _with_codes(
    y: Any, known: NDArray[Any] | None, form: SampleForm
) -> tuple[Any, NDArray[Any] | None]:
    """Encode classes, where they lie in memory or Zarr would not hold them."""
    if isinstance(y, zarr.Array):
        if known is not None and not form.pads_targets:
            for start in range(0, y.shape[0], y.chunks[0]):
                stop = min(start + y.chunks[0], y.shape[0])
                rows = read_marked(y, ArrayLocation.of(y), start, stop)
                block_codes(form.target_steps, known, rows, start)
        return y, None
    if not is_lazy(y):
        if known is None:
            known, codes = distinct_classes(y)
        else:
            codes = class_codes(y, known)
        return codes, known
    return y, known


def chunked_classes(y: Any, steps: int | None) -> NDArray[Any]:
    """Return the distinct labels of a Dask or Zarr array, in order, reading it once.

    Parameters
    ----------
    y : dask.array.Array or zarr.Array, shape (n_samples,) or (n_samples, steps)
        Labels, none of them missing.
    steps : int or None
        Steps of each sample that have a label.
    """
    classes_of = partial(_block_classes, steps)
    if isinstance(y, zarr.Array):
        location, rows, n = ArrayLocation.of(y), reading_rows(y, 8), int(y.shape[0])
        spans = [(start, min(start + rows, n)) for start in range(0, n, rows)]
        parts = [classes_of(read_marked(y, location, *span)) for span in spans]
    else:
        token = uuid.uuid4().hex[:12]
        if y.ndim > 1:
            y = y.rechunk(dict.fromkeys(range(1, y.ndim), -1))
        blocks = y.to_delayed().ravel()
        tasks = [
            call(classes_of, block, key=(f"classes-{token}", i)) for i, block in enumerate(blocks)
        ]
        parts = list(compute(*tasks))
    start = 0
    for _, n_rows, fault in parts:
        if fault is not None:
            fault.tell(partial(block_labels, steps), start)
        start += n_rows
    return distinct_classes(np.concatenate([labels for labels, _, _ in parts if len(labels)]))[0]


def _block_classes(steps: int | None, block: Any) -> tuple[NDArray[Any], int, Unnumbered | None]:
    """Return the labels of a block, its length, and what is wrong with it.

    What the block's first row is called is not known before those before it have been read.
    """
    try:
        return distinct_classes(block_labels(steps, block, 0))[0], len(block), None
    except ValueError as error:
        check = partial(block_labels, steps)
        return np.empty(0), len(block), Unnumbered.among(check, str(error), block)


def block_labels(steps: int | None, block: Any, start: int) -> NDArray[Any]:
    """Return a block of labels, checked; with `steps`, of shape (n, steps)."""
    return as_targets(block, "classes", steps, start)


def block_codes(
    steps: int | None, classes: NDArray[Any], block: Any, start: int
) -> NDArray[np.int32]:
    """Return the codes of a block of labels; with `steps`, of shape (n, steps)."""
    return class_codes(block_labels(steps, block, start), classes)


def plain_samples(
    columns: tuple[Any, ...] | None, dtype: np.dtype[Any] | None, block: Any, start: int
) -> NDArray[Any]:
    """Return a block of samples as numbers; missing ones as NaN, if `dtype` says what they become.

    Raises
    ------
    ValueError
        If a value is missing that may not be, or cannot be of that dtype.
    """
    rows = numeric_rows(block, "X", start, columns, missing=dtype is not None)
    if dtype is not None and dtype.kind != "f" and rows.dtype.kind == "f":
        raise ValueError(
            f"X has dtype {dtype}, which knows no missing value, and lacks some from sample "
            f"{start} on; pass floats, such as X.astype('float64')."
        )
    return rows


def plain_values(block: Any, start: int) -> NDArray[Any]:
    """Return a block of targets as numbers, none of which is missing."""
    return numeric_rows(block, "y", start)
