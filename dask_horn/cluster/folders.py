"""Folders that all workers share, on a path or at a URL.

A folder of a run holds a lock while its process lives. The system lets go of it however the process
ends, so that the next run on the same machine knows what a killed one has left, and removes it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import secrets
import shutil
import socket
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from dask_horn.data.store.faults import plain_text
from dask_horn.data.store.locations import is_path, joined, location_text
from dask_horn.data.store.storing import filesystem_at, make_folder, store_errors

_LOCK = ".lock"

# This process' folders, by location: of which process, for a fork has them too, and their locks.
_own: dict[str, tuple[int, FileLock | None]] = {}


def new_folder(base: str) -> str:
    """Create a folder of our own under `base`, a path or URL.

    Under a path, folders of runs on this machine whose processes were killed are removed first.
    This one is removed at the end of the process, where it is there still.

    Raises
    ------
    ScratchError
        If it cannot be written.
    """
    base = location_text(base, argument="scratch")
    on_disk = is_path(base)
    if on_disk:
        _sweep(Path(base))
    with store_errors("scratch", base):
        while True:
            folder = joined(base, f"{_prefix()}{os.getpid()}-{secrets.token_hex(4)}")
            filesystem, path = filesystem_at(folder)
            make_folder(filesystem, path)
            # Before it has its lock, another run may take it for one that is left.
            with contextlib.suppress(Timeout):
                lock = _locked(Path(folder)) if on_disk else None
                if not on_disk or os.path.isdir(folder):
                    _own[folder] = os.getpid(), lock
                    return folder


def remove_folder(location: str) -> None:
    """Remove a scratch folder and all that is in it."""
    _, lock = _own.pop(location, (0, None))
    try:
        filesystem, path = filesystem_at(location)
        filesystem.rm(path, recursive=True)
    except FileNotFoundError:
        pass
    except Exception as error:  # a worker may still be writing: it must not hide what ended the run
        warnings.warn(
            f"the scratch folder {location} could not be removed ({plain_text(error)}); delete it",
            stacklevel=2,
        )
    finally:
        if lock is not None:
            lock.release(force=True)


@atexit.register
def _remove_own() -> None:
    """Remove what a run has left that an exception ended before it could, and what graphs read."""
    for location in [place for place, (process, _) in _own.items() if process == os.getpid()]:
        remove_folder(location)


def _prefix() -> str:
    """Return how this machine's folders begin: a lock on a shared disk may hold on one alone."""
    return f"dask-horn-{re.sub(r'[^A-Za-z0-9.]', '_', socket.gethostname())}-"


def _locked(folder: Path) -> FileLock | None:
    """Lock a new folder, where its file system has locks; raise Timeout if another run has."""
    lock = FileLock(folder / _LOCK, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise
    except (OSError, NotImplementedError):
        # Without the file, no other run thinks of it.
        (folder / _LOCK).unlink(missing_ok=True)
        return None
    return lock


def _sweep(base: Path) -> None:
    """Remove the folders of this machine's processes that have ended without doing so."""
    name = re.compile(re.escape(_prefix()) + r"\d+-[0-9a-f]{8}")
    with contextlib.suppress(OSError):
        left = [entry for entry in base.iterdir() if name.fullmatch(entry.name)]
        for folder in left:
            if str(folder) not in _own:
                with contextlib.suppress(OSError, NotImplementedError, Timeout):
                    _remove_left(folder)


def _remove_left(folder: Path) -> None:
    """Remove a folder whose lock is free; raise Timeout where it is not."""
    if not (_is_ours(folder, stat.S_ISDIR) and _is_ours(folder / _LOCK, stat.S_ISREG)):
        return
    with FileLock(folder / _LOCK, thread_local=False).acquire(blocking=False):
        # The lock last: if this is cut short too, the next run goes on with it.
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()
        shutil.rmtree(folder)


def _is_ours(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Whether something is no link, of a kind, and of this user: others may write to `/tmp`."""
    found = path.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return mine and is_kind(found.st_mode)


@contextlib.contextmanager
def marker(location: str, argument: str = "scratch") -> Iterator[str]:
    """Keep a file in a folder, for others to look for; return where it is."""
    with store_errors(argument, location):
        filesystem, folder = filesystem_at(location)
        make_folder(filesystem, folder)
        name = f".seen-{secrets.token_hex(4)}"
        filesystem.pipe_file(f"{folder}/{name}", b"")
    try:
        yield joined(location, name)
    finally:
        with store_errors(argument, location):
            filesystem.rm_file(f"{folder}/{name}")


def exists(location: str, argument: str = "scratch") -> bool:
    """Whether this process sees a file."""
    with store_errors(argument, location, "read"):
        filesystem, path = filesystem_at(location)
        found: bool = filesystem.exists(path)
        return found
