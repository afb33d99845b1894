"""Spooling: bringing what users pass into Zarr, the only thing that training reads.

Arrays in memory are written in random order, so that sorted rows do no harm, and their labels
as codes. Dask arrays are written by whoever computes them; Zarr arrays stay where they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.storage import MemoryStore

from dask_horn.checks import checked_number
from dask_horn.data.intake.sources import (
    Source,
    block_codes,
    block_labels,
    checked_source,
    in_memory,
    plain_samples,
    plain_values,
)
from dask_horn.data.store.locations import (
    ArrayLocation,
    joined,
    location_text,
    open_group,
)
from dask_horn.data.store.once import ToWrite, write_together
from dask_horn.data.store.samples import SampleStore
from dask_horn.data.store.storing import store_errors
from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.store.writing import Convert, create_rows, write_rows
from dask_horn.data.values.arrays import check_sample_shape
from dask_horn.data.values.form import FEATURES, SampleForm
from dask_horn.data.values.targets import TargetKind
from dask_horn.errors import ScratchError
from dask_horn.randomness import Purpose, generator


def spool(
    X: Any,
    y: Any = None,
    *,
    target_kind: TargetKind | None,
    scratch: str | None = None,
    seed: int = 0,
    classes: Any = None,
    shuffle: bool = True,
    form: SampleForm = FEATURES,
) -> SampleStore:
    """Bring samples and targets into Zarr.

    Parameters
    ----------
    X : array-like, data frame, Dask array or frame, or zarr.Array, shape (n_samples, ...)
        Numeric samples. A Zarr array is used in place.
    y : likewise, shape (n_samples,) or (n_samples, n_outputs), optional
        Targets. Classes may be of any type that can be ordered where they are in memory. Where
        the form has target steps: (n_samples, steps) or (n_samples, steps, n_outputs).
    target_kind : {"classes", "labels", "values"} or None
        What the targets mean; None without targets.
    scratch : str, optional
        Folder or URL that all workers see; a new group is made in it. By default a store in
        this process' memory.
    seed : int, default 0
        The run's seed, for the order of the rows.
    classes : array-like, optional
        All classes there are; by default those that `y` holds.
    shuffle : bool, default True
        Whether rows in memory are written in random order. Dask and Zarr arrays keep theirs.
    form : SampleForm, optional
        What the samples and their targets are taken for. Targets of steps that are padding may
        be anything.

    Returns
    -------
    SampleStore
        The description of the store.

    Raises
    ------
    ValueError
        If the samples are not numeric, the number of targets differs, the targets do not suit
        ``target_kind`` and ``form``, a label is not among ``classes``, or a sample in memory has
        a value that is not finite or no token, or is nothing but padding.
    ScratchError
        If ``scratch`` cannot be written.

    Examples
    --------
    >>> store = spool([[1.0], [2.0]], ["dog", "cat"], target_kind="classes")
    >>> store.n_samples, store.classes
    (2, array(['cat', 'dog'], dtype='<U3'))
    """
    source = checked_source(X, y, target_kind, classes, form)
    order = None
    if source.in_memory and shuffle:
        order = generator(seed, Purpose.SPOOL).permutation(source.n_samples)
    return _write(source, scratch, order)


def spool_split(
    X: Any,
    y: Any,
    *,
    target_kind: TargetKind,
    validation_fraction: float,
    scratch: str | None = None,
    seed: int = 0,
    classes: Any = None,
    form: SampleForm = FEATURES,
) -> tuple[SampleStore, SampleStore]:
    """Bring arrays in memory into two stores: one to train on, and one held out.

    Each class is held out in proportion, and keeps at least one sample to train on, unless each
    step has a class. For Dask and Zarr arrays use `spool`, and `hold_out` on the blocks.

    Parameters
    ----------
    X, y, target_kind, scratch, seed, classes, form
        As for `spool`.
    validation_fraction : float
        Share of the samples to hold out, between 0 and 1.

    Returns
    -------
    train, validation : SampleStore
        Both with the same classes, each in random order.

    Raises
    ------
    TypeError
        If ``X`` is a Dask or Zarr array.
    ValueError
        As `spool` does; or if the fraction is not between 0 and 1, or there are too few
        samples to hold one out.

    Examples
    --------
    >>> X, y = np.arange(20.0).reshape(10, 2), [0, 1] * 5
    >>> train, validation = spool_split(X, y, target_kind="classes", validation_fraction=0.2)
    >>> train.n_samples, validation.n_samples
    (8, 2)
    """
    checked_number("validation_fraction", validation_fraction, above=0, below=1)
    if not in_memory(X):
        raise TypeError(
            f"X is a {type(X).__name__}, whose rows are not split one by one; spool it whole and "
            "hold out row blocks."
        )
    source = checked_source(X, y, target_kind, classes, form)
    groups = source.y if source.classes is not None and form.target_steps is None else None
    train, held = _split_rows(source.n_samples, groups, validation_fraction, seed)
    if form.target_steps is None:
        train, held = _with_differing(train, held, source.y, target_kind, validation_fraction)
    return _write(source, scratch, train), _write(source, scratch, held)


def stays_in_place(X: Any, y: Any) -> bool:
    """Whether samples and targets are in Zarr already, and `spool` writes nothing.

    Examples
    --------
    >>> stays_in_place(zarr.zeros(3), None), stays_in_place(zarr.zeros(3), [0, 1, 2])
    (True, False)
    """
    return isinstance(X, zarr.Array) and isinstance(y, zarr.Array | None)


def _new_group(scratch: str | None) -> tuple[zarr.Group, str | Store]:
    """Make a group in a folder, or in memory; return it with the location that names it."""
    if scratch is None:
        store: str | Store = MemoryStore()
        return zarr.create_group(store=store), store
    place = location_text(scratch, argument="scratch")
    store = joined(place, f"samples-{uuid.uuid4().hex[:12]}.zarr")
    try:
        with store_errors("scratch", scratch):
            return open_group(store, "w-"), store
    except (OSError, ValueError) as error:
        if isinstance(error, ScratchError):
            raise
        raise ScratchError(
            f"scratch={scratch!r} cannot be written ({error}); pass a folder or URL that this "
            "process and all workers can write."
        ) from error


def _write(source: Source, scratch: str | None, order: NDArray[np.int64] | None) -> SampleStore:
    """Write what is not in Zarr yet, and describe the store."""
    if stays_in_place(source.X, source.y):
        y = None if source.y is None else ArrayLocation.of(source.y)
        return SampleStore.of(ArrayLocation.of(source.X), y, form=source.form)
    group, store = _new_group(scratch)
    writing = partial(store_errors, "scratch", scratch)
    new = _NewArrays(source, group, ArrayLocation(store, ""), writing)
    later = {
        name: new.to_write(name, rows)
        for name, rows in (("X", source.X), ("y", source.y))
        if rows is not None and is_lazy(rows)
    }
    written = write_together(later, source.frames, group, new.folder, writing) if later else {}
    places = {name: done.location for name, done in written.items()}
    classes = source.classes
    if "y" in written and written["y"].classes is not None:
        classes = written["y"].classes
    x = places.get("X") or new.place("X", source.X, order)
    y = None if source.y is None else places.get("y") or new.place("y", source.y, order)
    return replace(SampleStore.of(x, y, classes, source.form), columns=source.columns)


@dataclass(frozen=True, eq=False)
class _NewArrays:
    """Makes arrays for a source in a new group, and writes rows that are there already."""

    source: Source
    group: zarr.Group
    folder: ArrayLocation
    writing: Callable[[], AbstractContextManager[None]]

    def place(self, name: str, rows: Any, order: NDArray[np.int64] | None) -> ArrayLocation:
        """Return where rows lie: Zarr arrays in their place, others are written."""
        if isinstance(rows, zarr.Array):
            return ArrayLocation.of(rows)
        n_rows = rows.shape[0] if order is None else len(order)
        location = self._create(name, (n_rows, *rows.shape[1:]), rows.dtype)
        write_rows(location.open("r+"), rows, order, self.writing)
        return location

    def to_write(self, name: str, rows: Any) -> ToWrite:
        """Say how a Dask array is written."""
        steps, classes = self.source.form.target_steps, self.source.classes
        inner, dtype = tuple(rows.shape[1:]), rows.dtype
        convert: Convert = plain_values
        if name == "X":
            lacking = dtype if self.source.form.missing else None
            convert = partial(plain_samples, self.source.columns, lacking)
        encode = name == "y" and self.source.encode
        if encode:
            convert = partial(block_labels, steps)
        elif name == "y" and classes is not None:
            convert = partial(block_codes, steps, classes)
        if encode or (name == "y" and classes is not None):
            # Codes have one axis, or two with steps, also where the labels are a column.
            inner, dtype = inner[: 0 if steps is None else 1], np.dtype(np.int32)
        return ToWrite(
            rows, lambda n_rows: self._create(name, (n_rows, *inner), dtype), convert, encode
        )

    def _create(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ArrayLocation:
        if name == "X":
            check_sample_shape(shape, dtype)  # there may be none, which Dask did not know
        location = ArrayLocation(self.folder.store, name)
        with self.writing():
            create_rows(self.group, name, shape, dtype, compress=not location.in_process)
        return location


def _split_rows(
    n_samples: int, groups: NDArray[Any] | None, fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to train on and those held out, each in random order."""
    order = generator(seed, Purpose.SPOOL).permutation(n_samples)
    # Random within each class, class after class: equal steps then hold out in proportion.
    codes = np.zeros(n_samples, dtype=np.int32) if groups is None else groups
    lined_up = order[np.argsort(codes[order], kind="stable")]
    first_of_class = np.diff(codes[lined_up], prepend=-1) != 0
    candidates = lined_up[~first_of_class]
    if not len(candidates):
        raise ValueError(
            f"validation_fraction={fraction} needs a class with more than one sample; pass "
            "validation_data, or use more samples."
        )
    n_held = min(max(1, round(fraction * n_samples)), len(candidates))
    steps = (np.arange(n_held) * 2 + 1) * len(candidates) // (2 * n_held)
    is_held = np.zeros(n_samples, dtype=bool)
    is_held[candidates[steps]] = True
    return order[~is_held[order]], order[is_held[order]]


def _with_differing(
    train: NDArray[np.int64],
    held: NDArray[np.int64],
    y: NDArray[Any],
    kind: TargetKind,
    fraction: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold out one row more where all that are held out have the same target.

    R² of one value is not defined, and the accuracy of one class tells nothing of the others.
    """
    if kind == "labels":
        return train, held
    columns = y.reshape(len(y), -1)
    differs = (columns[train] != columns[held[0]]).any(axis=1)
    if (columns[held] != columns[held[0]]).any():
        return train, held
    if kind == "classes" and not differs.any():
        return train, held  # a single class is told of itself
    if kind == "classes":  # each keeps a row to train on
        codes = columns[:, 0]
        differs &= np.bincount(codes[train], minlength=int(codes.max()) + 1)[codes[train]] > 1
    if not differs.any() or len(train) < 3:
        need = "two classes with two samples each" if kind == "classes" else (
            "four samples, of more than one target"
        )  # fmt: skip
        raise ValueError(
            f"validation_fraction={fraction} of {len(y)} samples holds out {len(held)} with one "
            f"target, which has no score; use at least {need}, or pass validation_data"
        )
    one = int(np.argmax(differs))
    return np.delete(train, one), np.append(held, train[one])
