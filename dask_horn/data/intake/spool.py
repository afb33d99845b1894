"""Spooling: bringing what users pass into Zarr, the only thing that training reads.

Arrays in memory are written in random order, so that sorted rows do no harm, and their labels
as codes. Dask arrays are written by whoever computes them; Zarr arrays stay where they are.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
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
    checked_source,
    in_memory,
    plain_block,
)
from dask_horn.data.store.locations import ArrayLocation, plain_location
from dask_horn.data.store.samples import SampleStore
from dask_horn.data.store.storing import store_errors
from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.store.writing import Convert, create_rows, write_dask_rows, write_rows
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
    store = plain_location(f"{scratch.rstrip('/')}/samples-{uuid.uuid4().hex[:12]}.zarr")
    try:
        with store_errors("scratch", scratch):
            return zarr.open_group(store=store, mode="w-"), store
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

    def place(name: str, rows: Any, classes: NDArray[Any] | None = None) -> ArrayLocation:
        if isinstance(rows, zarr.Array):
            return ArrayLocation.of(rows)
        location = ArrayLocation(store, name)
        lazy = is_lazy(rows)
        shape = (rows.shape[0] if order is None else len(order), *rows.shape[1:])
        convert: Convert = partial(plain_block, name, source.columns)
        dtype = rows.dtype
        if lazy and classes is not None:
            # Codes have one axis, or two with steps, also where the labels are a column.
            steps = source.form.target_steps
            convert, dtype = partial(block_codes, steps, classes), np.dtype(np.int32)
            shape = shape[: 1 if steps is None else 2]
        writing = partial(store_errors, "scratch", scratch)
        with writing():
            array = create_rows(group, name, shape, dtype, compress=not location.in_process)
        if lazy:
            write_dask_rows(location, rows, convert, writing)
        else:
            write_rows(array, rows, order, writing)
        return location

    x = place("X", source.X)
    y = None if source.y is None else place("y", source.y, source.classes)
    return replace(SampleStore.of(x, y, source.classes, source.form), columns=source.columns)


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
