"""Zarr arrays that Dask collections read from, as their graphs hold them.

`dask.array.from_zarr` forgets an array's attributes, and a Dask array does not say where it lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import zarr
from zarr.abc.store import Store

from dask_horn.data.store.locations import ArrayLocation, is_path, raw_text
from dask_horn.data.store.tasks import is_lazy

# xarray has an array within some of its own, and Dask within its tasks.
_WITHIN = ("array", "_array", "value")
_DEEPEST = 12

# Layers that hold arrays, and those that only move values: none changes a dtype or a scale.
_READING = ("from-zarr-", "array-", "original-")
_MOVING = ("rechunk-", "getitem-", "concatenate-", "stack-", "reshape-")


def arrays_beneath(source: Any) -> Iterator[zarr.Array[Any]]:
    """Yield the Zarr arrays that something reads from: itself, or those of a collection's tasks."""
    if isinstance(source, zarr.Array):
        yield source
    elif is_lazy(source):
        for layer in _layers(source).values():
            yield from _of_layer(layer)


def arrays_behind(collection: Any) -> list[zarr.Array[Any]]:
    """Return the Zarr arrays whose stored values a Dask array hands on as they are.

    What is computed with, or decoded by xarray, is none of them.

    Examples
    --------
    >>> import dask.array as da
    >>> stored = da.from_array(zarr.array([1, 2]))
    >>> len(arrays_behind(stored[1:])), len(arrays_behind(stored * 2))
    (1, 0)
    """
    layers = {str(name): layer for name, layer in _layers(collection).items()}
    if not all(name.startswith(_READING + _MOVING) for name in layers):
        return []
    reading = [layer for name, layer in layers.items() if name.startswith(_READING)]
    found = (array for layer in reading for array in _of_layer(layer, within=False))
    return list({id(array): array for array in found}.values())


def check_not_beneath(sources: Mapping[str, Any], store: str | Store) -> None:
    """Refuse to replace what is read from.

    Raises
    ------
    ValueError
        If a Zarr array, or one that a Dask collection reads from, lies in the store.
    """
    for name, source in sources.items():
        for array in arrays_beneath(source):
            if _lies_in(ArrayLocation.of(array), store):
                raise ValueError(
                    f"{name} is read from {store}, which would be replaced first; write to another "
                    "location, or read it into memory before"
                )


def _lies_in(location: ArrayLocation, store: str | Store) -> bool:
    inner, outer = f"{_place(location.store)}/{location.path}", _place(store)
    if is_path(inner) and is_path(outer):
        return Path(inner).resolve().is_relative_to(Path(outer).resolve())
    return inner.startswith(f"{outer.rstrip('/')}/")


def _place(store: str | Store) -> str:
    """Return the path or URL of a store, or the text that names the memory that it is in."""
    if isinstance(store, str):
        return raw_text(store)
    filesystem = getattr(store, "fs", None)
    inner = getattr(filesystem, "sync_fs", filesystem)  # Dask opens local paths by fsspec
    if "file" in getattr(inner, "protocol", ()):
        return str(getattr(store, "path", ""))
    return str(store)


def _layers(collection: Any) -> Mapping[Any, Any]:
    graph = collection.__dask_graph__()
    return getattr(graph, "layers", None) or {"": graph}


def _of_layer(layer: Any, within: bool = True) -> Iterator[zarr.Array[Any]]:
    if hasattr(layer, "indices"):  # blockwise: its tasks are alike
        held = [given for given, places in layer.indices if places is None]
    else:
        held = list(layer.values())
    for value in held:
        if isinstance(value, zarr.Array):
            yield value
        elif within:
            yield from _within(value, _DEEPEST)


def _within(value: Any, depth: int) -> Iterator[zarr.Array[Any]]:
    if isinstance(value, zarr.Array):
        yield value
        return
    if depth == 0 or isinstance(value, str | int | float | slice):
        return
    # Of a task its arguments; of lists and tuples what is in them.
    parts = value if isinstance(value, list | tuple) else getattr(value, "args", ())
    for part in parts if isinstance(parts, list | tuple) else ():
        yield from _within(part, depth - 1)
    for name in _WITHIN:
        inner = getattr(value, name, None)
        if inner is not None:
            yield from _within(inner, depth - 1)
