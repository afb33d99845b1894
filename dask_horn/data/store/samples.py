"""Sample stores: Zarr arrays of samples and targets, described once and checked on opening.

A store is a description that travels to the workers; it holds no values and no open array.
Training reads nothing else.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.core.sync import sync
from zarr.errors import ContainsArrayError

from dask_horn.checks import checked_integer
from dask_horn.data.store.beneath import check_not_beneath
from dask_horn.data.store.clients import usable_client
from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.faults import plain_text
from dask_horn.data.store.found import (
    check_no_zip,
    foreign_content,
    group_at,
    held_instead,
    listed,
)
from dask_horn.data.store.lazy import LazyRows, lazy_rows, numeric_blocks
from dask_horn.data.store.locations import ArrayLocation, open_group, plain_location
from dask_horn.data.store.once import ToWrite, write_together
from dask_horn.data.store.reading import reading_rows
from dask_horn.data.store.storing import store_errors
from dask_horn.data.store.tasks import compute, is_lazy
from dask_horn.data.store.undecoded import marks_of
from dask_horn.data.store.writing import CHUNK_BYTES, Convert, create_rows, write_rows
from dask_horn.data.values.arrays import (
    as_samples,
    check_lengths,
    check_sample_shape,
    decoded_dtype,
    storable_targets,
)
from dask_horn.data.values.form import FEATURES, SampleForm
from dask_horn.data.values.labelled import labelled_pair
from dask_horn.data.values.marks import NO_MARKS, Marks
from dask_horn.data.values.missing import float_dtype
from dask_horn.data.values.plain import column_names

_SAMPLES = "a Zarr group"

# How often what was begun is removed, at most, and how many seconds lie between.
_DISCARDING, _PAUSE = 40, 0.05

# Text in Zarr has no width; this is what one label is counted as.
_TEXT_BYTES = 16


@dataclass(frozen=True)
class SampleStore:
    """Samples and targets in Zarr.

    Attributes
    ----------
    x : ArrayLocation
        Where the samples lie.
    y : ArrayLocation or None
        Where the targets lie; None if there are none.
    n_samples : int
        Rows of both.
    sample_shape : tuple of int
        Shape of one sample.
    dtype : str
        The samples' dtype as it is stored, such as ``"uint8"``.
    chunk_rows : int
        Rows of ``x`` that are read together: one chunk, or several small ones.
    y_shape : tuple of int or None
        Shape of one sample's targets, ``()`` for a single one; None without targets.
    y_chunk_rows : int or None
        Rows of ``y`` that are read together; None without targets.
    classes : numpy.ndarray or None, shape (n_classes,)
        Where ``y`` holds codes: the label of each code.
    form : SampleForm
        What a network takes the samples and their targets for.
    origin : numpy.ndarray of float64 or None, shape (n_features,)
        What is subtracted from samples when they are decoded, which then gives float64; see
        `Standardizer`.
    x_marks, y_marks : Marks
        What the arrays' attributes say stands for missing values.
    columns : tuple or None
        The features' names, where they have come with the samples.
    """

    x: ArrayLocation
    y: ArrayLocation | None
    n_samples: int
    sample_shape: tuple[int, ...]
    dtype: str
    chunk_rows: int
    y_shape: tuple[int, ...] | None = None
    y_chunk_rows: int | None = None
    classes: NDArray[Any] | None = field(default=None, compare=False)
    form: SampleForm = FEATURES
    origin: NDArray[np.float64] | None = field(default=None, compare=False)
    x_marks: Marks = NO_MARKS
    y_marks: Marks = NO_MARKS
    columns: tuple[Any, ...] | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls,
        x: ArrayLocation,
        y: ArrayLocation | None = None,
        classes: NDArray[Any] | None = None,
        form: SampleForm = FEATURES,
    ) -> SampleStore:
        """Describe the arrays at two locations.

        Raises
        ------
        ValueError
            If they hold no samples, samples that are not numeric, encoded values, or
            another number of targets.
        """
        with store_errors("The", x, "read"):
            x_array = x.open()
        check_sample_shape(x_array.shape, np.dtype(x_array.dtype), f"The {x}")
        shape: tuple[int, ...] = tuple(int(length) for length in x_array.shape[1:])
        row_bytes = decoded_dtype(np.dtype(x_array.dtype)).itemsize * math.prod(shape)
        store = cls(
            x=x,
            y=None,
            n_samples=int(x_array.shape[0]),
            sample_shape=shape,
            dtype=str(x_array.dtype),
            chunk_rows=reading_rows(x_array, row_bytes),
            form=form,
            x_marks=marks_of(x_array, x),
        )
        return store if y is None else store._with_targets(y, classes)

    def _with_targets(self, y: ArrayLocation, classes: NDArray[Any] | None) -> SampleStore:
        with store_errors("The", y, "read"):
            array = y.open()
        if array.ndim not in (1, 2, 3):
            raise ValueError(
                f"The {y} has shape {array.shape}; store one target, or one row of targets, "
                "per sample or per step."
            )
        check_lengths(self.n_samples, int(array.shape[0]))
        dtype = np.dtype(array.dtype)
        width = dtype.itemsize if dtype.kind in "biuf" else _TEXT_BYTES
        return replace(
            self,
            y=y,
            y_shape=tuple(int(length) for length in array.shape[1:]),
            y_chunk_rows=reading_rows(array, width * math.prod(array.shape[1:])),
            classes=classes,
            y_marks=marks_of(array, y),
        )

    @property
    def location(self) -> str | Store:
        """Path, URL or store object that holds the samples."""
        return self.x.store

    @property
    def n_features(self) -> int:
        """Values of one sample."""
        return math.prod(self.sample_shape)

    @property
    def decoded_dtype(self) -> str:
        """Name of the dtype in which samples are handed to the kernels."""
        if self.origin is not None:
            return "float64"
        dtype = np.dtype(self.dtype)
        return str(decoded_dtype(float_dtype(dtype) if self.marked_missing else dtype))

    @property
    def marked_missing(self) -> bool:
        """Whether attributes say that values are missing, which are read as NaN."""
        return self.form.missing and bool(self.x_marks)

    @property
    def row_bytes(self) -> int:
        """Bytes of one decoded sample."""
        return self.n_features * np.dtype(self.decoded_dtype).itemsize

    @property
    def in_process(self) -> bool:
        """Whether other processes cannot read it, since it lies in this one's memory."""
        return self.x.in_process or (self.y is not None and self.y.in_process)


def is_location(X: object) -> bool:
    """Whether something is, names or describes a Zarr group, which holds samples as its ``X``.

    Examples
    --------
    >>> is_location("mnist.zarr"), is_location([[1, 2]])
    (True, False)
    """
    return isinstance(X, (str, os.PathLike, Store, zarr.Group, SampleStore))


def open_samples(
    location: str | os.PathLike[str] | Store | zarr.Group | SampleStore,
    storage_options: Mapping[str, Any] | None = None,
    require_y: bool = True,
) -> SampleStore:
    """Open a Zarr group that holds samples ``X`` and, beside them, targets ``y``.

    Parameters
    ----------
    location : str, os.PathLike, zarr.abc.store.Store, zarr.Group or SampleStore
        Path or URL of the group, of Zarr format 2 or 3, or the store or group itself. What has
        been opened before is returned as it is.
    storage_options : mapping, optional
        Options for fsspec, such as credentials.
    require_y : bool, default True
        Whether targets must be there.

    Returns
    -------
    SampleStore
        The description of the store.

    Raises
    ------
    FileNotFoundError
        If there is no Zarr group at ``location``.
    ValueError
        If ``X``, or ``y`` where it is required, is missing; if there are no samples or they
        are not numeric; if the numbers of samples and targets differ; if the values are
        encoded as xarray does and need decoding first.
    StoreError
        If the store cannot be reached, or refuses to be read.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = write_samples(folder.name + "/tiny.zarr", [[1, 2], [3, 4]], ["cat", "dog"])
    >>> store = open_samples(folder.name + "/tiny.zarr")
    >>> store.n_samples, store.sample_shape, store.dtype
    (2, (2,), 'int64')
    >>> folder.cleanup()
    """
    if isinstance(location, SampleStore):
        if location.y is None and require_y:
            raise ValueError(f"The samples {location.x} have no targets y beside them; pass both.")
        return location
    store, group = _opened_group(location, storage_options)

    def place(name: str) -> ArrayLocation | None:
        where = ArrayLocation(store, f"{group.path}/{name}".lstrip("/"))
        try:
            with store_errors("The", where, "read"):
                found = group.get(name)
        except (ValueError, KeyError, TypeError) as error:  # of metadata that Zarr cannot read
            raise ValueError(
                f"The {where} cannot be opened ({plain_text(error)}); write it anew, as numbers"
            ) from error
        return where if isinstance(found, zarr.Array) else None

    x, y = place("X"), place("y") if require_y or "y" in group else None
    if x is None or (y is None and require_y):
        with store_errors("The samples at", store, "read"):
            raise ValueError(held_instead(group, "X" if x is None else "y", store))
    return SampleStore.of(x, y)


def write_samples(
    location: str | os.PathLike[str] | Store,
    X: Any,
    y: Any = None,
    *,
    chunk_bytes: int = CHUNK_BYTES,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> SampleStore:
    """Write samples and targets to a Zarr group that is quick to train from.

    Chunks hold whole samples and are compressed with Blosc and LZ4. Rows keep their order: if
    they are sorted by class, shuffle them first where you can.

    Parameters
    ----------
    location : str, os.PathLike or zarr.abc.store.Store
        Path or URL of the group to create.
    X : array-like, data frame, or Zarr or Dask array or frame, shape (n_samples, ...)
        Numeric samples. Dask collections are written by the workers, chunk by chunk. An xarray
        Dataset may hold both, as its variables ``X`` and ``y``.
    y : likewise, shape (n_samples,) or (n_samples, n_outputs), optional
        Targets: numbers or text; (n_samples, steps) where each step has one.
    chunk_bytes : int, default 4 MiB
        Bytes of a chunk before compression, about; 1 to 8 MiB read fastest.
    overwrite : bool, default False
        Whether a Zarr group that is there may be replaced, if it holds nothing but samples.
    storage_options : mapping, optional
        Options for fsspec, such as credentials.

    Returns
    -------
    SampleStore
        The description of what was written.

    Raises
    ------
    FileExistsError
        If something is there already, and it is not a group that may be replaced.
    ValueError
        If the samples are not numeric, there are none, the number of targets differs, the targets
        are neither numbers nor text, or what would be replaced is what is read from.
    StoreError
        If the location cannot be written.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> write_samples(MemoryStore(), [[1.0], [2.0]], [0, 1]).n_samples
    2
    """
    checked_integer("chunk_bytes", chunk_bytes, 1)
    X, y = labelled_pair(X, y)
    given = {"X": plain_rows(X, "X")} | ({} if y is None else {"y": plain_rows(y, "y")})
    if any(map(is_lazy, given.values())):
        usable_client()  # else what refuses an asynchronous one leaves half a store
    lazy = lazy_rows({name: array for name, array in given.items() if is_lazy(array)})
    sources = {name: _source(array, name, lazy) for name, array in given.items()}
    if y is not None:
        check_lengths(sources["X"].shape[0], sources["y"].shape[0])
    converts: dict[str, Convert] = {
        "X": partial(_written_samples, columns=column_names(X)),
        "y": storable_targets,
    }
    store = plain_location(location, storage_options)
    if overwrite:
        check_not_beneath(given, store)
    group = _create_group(store, overwrite)
    try:
        _write_arrays(group, ArrayLocation(store, ""), sources, converts, lazy, chunk_bytes)
    except BaseException:
        _discard(group)
        raise
    return open_samples(store, require_y=False)


def _source(array: Any, name: str, lazy: LazyRows) -> Any:
    """Return rows that the writers can take: NumPy, Zarr or Dask."""
    if name == "y" and not array.ndim:
        raise ValueError("y is a single value; pass one target, or one row of them, per sample.")
    if name in lazy.arrays:
        array = lazy.arrays[name]
        array = numeric_blocks(array) if name == "X" else array
    elif not isinstance(array, zarr.Array):
        return as_samples(array) if name == "X" else storable_targets(array)
    if name == "X":
        check_sample_shape(array.shape, array.dtype)
    elif array.dtype.kind not in "biufOSTU":
        storable_targets(np.empty(0, array.dtype))  # raises
    return array


def _discard(group: zarr.Group) -> None:
    """Remove what was begun: a second try must find the place free.

    Tasks that run beside the one that has failed may go on to write for a moment.
    """
    place, free = group.store_path, 0
    with suppress(Exception):
        for _ in range(_DISCARDING):
            free = free + 1 if sync(place.is_empty()) else 0
            if free == 2:
                break
            with suppress(Exception):
                sync(place.delete_dir())
            time.sleep(_PAUSE)


def _write_arrays(
    group: zarr.Group,
    folder: ArrayLocation,
    sources: Mapping[str, Any],
    converts: Mapping[str, Convert],
    lazy: LazyRows,
    chunk_bytes: int,
) -> None:
    """Write rows that are in memory and checked, or that are checked as they come."""
    writing = partial(store_errors, "", folder.store)

    def create(name: str, dtype: np.dtype[Any], n_rows: int) -> ArrayLocation:
        with writing():
            create_rows(group, name, (n_rows, *sources[name].shape[1:]), dtype, chunk_bytes)
        return replace(folder, path=name)

    later = {}
    for name in lazy.arrays:
        dtype = _written_dtype(sources[name])
        convert = partial(_of_kind, converts[name], dtype)
        later[name] = ToWrite(sources[name], partial(create, name, dtype), convert)
    if later:  # first, for what comes may be wrong
        write_together(later, lazy.frames, group, folder, writing)
    for name, source in sources.items():
        if name in later:
            continue
        dtype = np.dtype("U") if source.dtype.kind in "OSTU" else source.dtype
        checks: Convert | None = None
        if isinstance(source, zarr.Array):
            checks = partial(_marked, converts[name], marks_of(source, ArrayLocation.of(source)))
        target = create(name, dtype, source.shape[0]).open("r+")
        write_rows(target, source, None, writing, checks)


def _written_samples(
    block: Any, start: int, columns: tuple[Any, ...] | None = None
) -> NDArray[Any]:
    return as_samples(block, start, columns)


def _marked(convert: Convert, marks: Marks, rows: Any, start: int) -> NDArray[Any]:
    return convert(marks.masked(np.asarray(rows)), start)


def _written_dtype(source: Any) -> np.dtype[Any]:
    """Return the dtype in which lazy targets are written: of objects what the first of them are."""
    if source.dtype.kind != "O":
        return source.dtype if source.dtype.kind in "biuf" else np.dtype("U")
    first = next((i for i, rows in enumerate(source.chunks[0]) if rows), 0)
    found = storable_targets(compute(source.blocks[first])[0], sum(source.chunks[0][:first]))
    return found.dtype if found.dtype.kind in "biuf" else np.dtype("U")


def _of_kind(convert: Convert, dtype: np.dtype[Any], block: Any, start: int) -> NDArray[Any]:
    """Convert a block, and refuse objects of another kind than those of the first block."""
    rows = convert(block, start)
    if (rows.dtype.kind == "U") != (dtype.kind == "U"):
        raise ValueError(
            f"y mixes numbers and text: it holds {rows.flat[0].item()!r} at sample {start}; "
            "convert them to one type, such as text."
        )
    if dtype.kind != "U" and not np.can_cast(rows.dtype, dtype, "same_kind"):
        raise ValueError(
            f"y has dtype object and holds {rows.dtype} from sample {start} on, but {dtype} "
            "before; convert it to one type, such as y.astype(float)."
        )
    return rows


def _opened_group(
    location: Any, storage_options: Mapping[str, Any] | None
) -> tuple[str | Store, zarr.Group]:
    """Open the group by what is stored now; return where its store is, too."""
    if isinstance(location, zarr.Group):
        store = plain_location(location.store)
        with store_errors("The samples at", store, "read"):
            return store, open_group(store, path=location.path)
    return group_at(plain_location(location, storage_options))


def _create_group(store: str | Store, overwrite: bool) -> zarr.Group:
    check_no_zip(store)
    there = _content(store)
    # Only samples are ever deleted: a mistyped path must not cost a home folder.
    if there and not (overwrite and there == _SAMPLES):
        remedy = "choose another location"
        if there == _SAMPLES:
            remedy += " or pass overwrite=True"
        raise FileExistsError(f"There is {there} at {store}; {remedy}.")
    with store_errors("", store):
        return open_group(store, "w")


def _content(store: str | Store) -> str:
    """Return what is at a location in a few words; nothing where it is free."""
    try:
        with store_errors("", store, "read"):
            others = sorted(set(open_group(store).keys()) - {"X", "y"})
        return f"a Zarr group with more than samples ({listed(others)})" if others else _SAMPLES
    except ContainsArrayError:
        return "a Zarr array"
    except FileNotFoundError:
        return foreign_content(store)
