"""Folders that all workers share, on a path or at a URL."""

from __future__ import annotations

import contextlib
import os
import secrets
import warnings
from collections.abc import Iterator
from pathlib import Path

import fsspec


def new_folder(base: str) -> str:
    """Create a folder of our own under `base`, a path or URL."""
    if "://" not in base:
        base = str(Path(base).absolute())
    folder = f"{base.rstrip('/')}/dask-horn-{os.getpid()}-{secrets.token_hex(4)}"
    filesystem, path = fsspec.url_to_fs(folder)
    filesystem.makedirs(path, exist_ok=True)
    return folder


def remove_folder(location: str) -> None:
    """Remove a scratch folder and all that is in it."""
    filesystem, path = fsspec.url_to_fs(location)
    try:
        filesystem.rm(path, recursive=True)
    except FileNotFoundError:
        pass
    except OSError as error:  # a worker may still be writing: no reason to hide what ended the run
        warnings.warn(
            f"the scratch folder {location} could not be removed ({error}); delete it",
            stacklevel=2,
        )


@contextlib.contextmanager
def marker(location: str) -> Iterator[str]:
    """Keep a file in a folder, for others to look for; return where it is."""
    filesystem, folder = fsspec.url_to_fs(location)
    filesystem.makedirs(folder, exist_ok=True)
    name = f".seen-{secrets.token_hex(4)}"
    filesystem.pipe_file(f"{folder}/{name}", b"")
    try:
        yield f"{location}/{name}"
    finally:
        filesystem.rm_file(f"{folder}/{name}")


def exists(location: str) -> bool:
    """Whether this process sees a file."""
    filesystem, path = fsspec.url_to_fs(location, use_listings_cache=False)
    found: bool = filesystem.exists(path)
    return found
