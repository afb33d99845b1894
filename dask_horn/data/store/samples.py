"""Sample stores: Zarr arrays of samples and targets, described once and checked on opening.

A store is a description that travels to the workers; it holds no values and no open array.
Training reads nothing else.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store

from dask_horn.checks import checked_integer
from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.lazy import known_rows, known_samples
from dask_horn.data.store.locations import ArrayLocation, foreign_content, plain_location
from dask_horn.data.store.reading import reading_rows
from dask_horn.data.store.storing import store_errors
from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.store.undecoded import check_plain_values
from dask_horn.data.store.writing import (
    CHUNK_BYTES,
    create_rows,
    write_dask_rows,
    write_rows,
)
from dask_horn.data.values.arrays import (
    as_samples,
    check_lengths,
    check_sample_shape,
    decoded_dtype,
    plain_labels,
)
from dask_horn.data.values.form import FEATURES, SampleForm
from dask_horn.data.values.labelled import labelled_pair

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
        check_plain_values(x_array, x)
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
        check_plain_values(array, y)
        dtype = np.dtype(array.dtype)
        width = dtype.itemsize if dtype.kind in "biuf" else _TEXT_BYTES
        return replace(
            self,
            y=y,
            y_shape=tuple(int(length) for length in array.shape[1:]),
            y_chunk_rows=reading_rows(array, width * math.prod(array.shape[1:])),
            classes=classes,
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
        return str(decoded_dtype(np.dtype(self.dtype)))

    @property
    def row_bytes(self) -> int:
        """Bytes of one decoded sample."""
        return self.n_features * decoded_dtype(np.dtype(self.dtype)).itemsize

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
    group = _open_group(location, storage_options)
    named = location.store if isinstance(location, zarr.Group) else location
    store, prefix = plain_location(named), group.path

    def place(name: str) -> ArrayLocation | None:
        with store_errors("The samples at", store, "read"):
            found = group.get(name)
        if not isinstance(found, zarr.Array):
            return None
        return ArrayLocation(store, f"{prefix}/{name}".lstrip("/"), storage_options)

    x, y = place("X"), place("y")
    if x is None or (y is None and require_y):
        missing = "X" if x is None else "y"
        held = ", ".join(sorted(group.keys())) or "nothing"
        raise ValueError(
            f"The group {store} holds no array {missing} (it holds {held}); store samples as X "
            "and targets as y, as dask_horn.write_samples does."
        )
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
        Whether a Zarr group that is there may be replaced.
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
        If the samples are not numeric, there are none, the number of targets differs, or the
        targets are neither numbers nor text.
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
    sources = {"X": _source(X, "X")}
    if y is not None:
        sources["y"] = _source(y, "y")
        check_lengths(sources["X"].shape[0], sources["y"].shape[0])
    group = _create_group(location, overwrite, storage_options)
    store = plain_location(location)
    for name, source in sources.items():
        _write_array(group, ArrayLocation(store, name, storage_options), source, chunk_bytes)
    return open_samples(store, storage_options, require_y=False)


def _source(array: Any, name: str) -> Any:
    """Return rows that the writers can take: NumPy, Zarr, or Dask with known chunks."""
    array = plain_rows(array, name)
    if is_lazy(array):
        array = known_samples(array) if name == "X" else known_rows(array, name)
    elif not isinstance(array, zarr.Array):
        array = as_samples(array) if name == "X" else plain_labels(np.asarray(array))
    if name == "X":
        check_sample_shape(array.shape, array.dtype)
    elif not array.ndim:
        raise ValueError("y is a single value; pass one target, or one row of them, per sample.")
    return array


def _write_array(group: zarr.Group, place: ArrayLocation, source: Any, chunk_bytes: int) -> None:
    writing = partial(store_errors, "", place.store)
    if not is_lazy(source):
        dtype = np.dtype("U") if source.dtype.kind in "TU" else source.dtype
        with writing():
            target = create_rows(group, place.path, source.shape, dtype, chunk_bytes)
        write_rows(target, source, writing=writing)
        return
    dtype = source.dtype if source.dtype.kind in "biuf" else np.dtype("U")
    with writing():
        create_rows(group, place.path, source.shape, dtype, chunk_bytes)
    convert = as_samples if place.path == "X" else _plain_block
    write_dask_rows(place, source, convert, writing)


def _plain_block(block: Any) -> NDArray[Any]:
    return plain_labels(np.asarray(block))


def _open_group(location: Any, storage_options: Mapping[str, Any] | None) -> zarr.Group:
    if isinstance(location, zarr.Group):
        return location
    store = plain_location(location)
    options = dict(storage_options) if storage_options else None
    try:
        with store_errors("The samples at", store, "read"):
            return zarr.open_group(store=store, mode="r", storage_options=options)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no Zarr group at {store}; pass the path or URL of a group that holds "
            "arrays X and y."
        ) from error


def _create_group(
    location: Any, overwrite: bool, storage_options: Mapping[str, Any] | None
) -> zarr.Group:
    store = plain_location(location)
    options = dict(storage_options) if storage_options else None
    try:
        with store_errors("", store, "read"):
            zarr.open_group(store=store, mode="r", storage_options=options)
        there = "a Zarr group"
    except FileNotFoundError:
        there = foreign_content(store)
    # Only what is a Zarr group is ever deleted: a mistyped path must not cost a home folder.
    if there and not (overwrite and there == "a Zarr group"):
        remedy = "choose another location"
        if there == "a Zarr group":
            remedy += " or pass overwrite=True"
        raise FileExistsError(f"There is {there} at {store}; {remedy}.")
    with store_errors("", store):
        return zarr.open_group(store=store, mode="w", storage_options=options)
