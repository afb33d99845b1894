"""Where one Zarr array lies, in a form that travels to other processes.

A location is a path or URL wherever there is one: a store object is kept only where nothing
else names the same data, such as a store in this process' memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore, MemoryStore


@dataclass(frozen=True)
class ArrayLocation:
    """Where one Zarr array lies.

    Attributes
    ----------
    store : str or zarr.abc.store.Store
        Absolute path, URL, or a store object.
    path : str
        The array's path within the store, such as ``"X"``.
    storage_options : mapping or None
        Options for fsspec, such as credentials.
    """

    store: str | Store
    path: str
    storage_options: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)

    @classmethod
    def of(cls, array: zarr.Array[Any]) -> ArrayLocation:
        """Return the location of an array that is open."""
        return cls(plain_location(array.store), array.path)

    @property
    def key(self) -> str:
        """Text that is the same for the same array throughout one process."""
        return f"{self.store}|{self.path}"

    @property
    def in_process(self) -> bool:
        """Whether the array lies in this process' memory, where no other process sees it."""
        if isinstance(self.store, str):
            return self.store.startswith("memory://")
        return isinstance(self.store, MemoryStore)

    def open(self, mode: Literal["r", "r+"] = "r") -> zarr.Array[Any]:
        """Open the array."""
        options = dict(self.storage_options) if self.storage_options else None
        return zarr.open_array(store=self.store, path=self.path, mode=mode, storage_options=options)

    def __str__(self) -> str:
        """Return the array's name and store, as error messages give it."""
        return f"array {self.path} in {self.store}"


def plain_location(location: object) -> str | Store:
    """Return a location as an absolute path, a URL or a store object.

    Parameters
    ----------
    location : str, os.PathLike or zarr.abc.store.Store
        What the user gave. A relative path is made absolute, since workers may run in
        another folder, and ``file://`` is left off.

    Returns
    -------
    str or zarr.abc.store.Store
        The location that means the same in every process.

    Raises
    ------
    TypeError
        If it is none of these.

    Examples
    --------
    >>> plain_location("s3://bucket/mnist.zarr")
    's3://bucket/mnist.zarr'
    """
    if isinstance(location, LocalStore):
        return str(Path(location.root).absolute())
    if isinstance(location, Store):
        return location
    if isinstance(location, (str, os.PathLike)):
        text = os.fspath(location).removeprefix("file://")
        return text if "://" in text or "::" in text else os.path.abspath(text)
    raise TypeError(
        f"location is a {type(location).__name__}; pass the path or URL of a Zarr group, "
        "or a Zarr store."
    )


def foreign_content(store: str | Store) -> str:
    """Return what a local path holds that is no Zarr group; nothing for a free path."""
    if isinstance(store, Store) or not os.path.exists(store):
        return ""
    if os.path.isdir(store):
        return "a folder with other files" if os.listdir(store) else ""
    return "a file"
