"""Folders where machine code is kept, and those of its locks.

What lies there is loaded and run: in a temporary folder, where others may write too, it must be
this user's own.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

_USER = "" if sys.platform == "win32" else f"-{os.getuid()}"
_HELD = ".held"  # the file that every process locks which uses a temporary folder

_temporary: set[Path] = set()  # folders that this process uses


def code_folder(name: str) -> Path | None:
    """Return the folder of this name where the user's caches lie; else a temporary one.

    All processes of a user share the temporary one, and the last of them removes it. None where
    not even that can be written.
    """
    base = _base()
    with contextlib.suppress(OSError):
        if base is not None:
            folder = base / name
            folder.mkdir(mode=0o775, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                if not (_may_be_a_strangers(base) or _may_be_a_strangers(folder)):
                    return folder
    with contextlib.suppress(OSError):
        temporary = _temporary_folder()
        if temporary is not None:
            _temporary.add(temporary)
            folder = temporary / name
            folder.mkdir(exist_ok=True)
            return folder
    return None


def lock_folder(code: Path) -> Path | None:
    """Return a folder for the locks of a folder of code; None where there can be none.

    It is in this machine's temporary folder, for a cache may lie on a share.
    """
    if code.parent in _temporary:
        return code
    with contextlib.suppress(OSError):
        folder = Path(tempfile.gettempdir()) / f"dask-horn{_USER}-{code.name}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if _is_private(folder):
            return folder
    return None


def _base() -> Path | None:
    """Return the folder of caches that the environment names, unless it is in a home nobody has."""
    own = os.path.expanduser(os.environ.get("NUMBA_CACHE_DIR") or "")
    if not own:
        caches = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "")
        if not os.path.isabs(caches):  # does not count: XDG Base Directory Specification, 0.8
            home = os.path.expanduser("~") if os.environ.get("HOME", "?") else ""
            caches = os.path.join(home, ".cache")
        own = os.path.join(caches, "dask_horn") if os.path.isabs(caches) else ""
    return Path(own).absolute() if own and not own.startswith("~") else None


def _may_be_a_strangers(folder: Path) -> bool:
    """Whether a folder lies where everybody may make some, and is not this user's own."""
    return bool(folder.parent.stat().st_mode & stat.S_ISVTX) and not _is_private(folder)


def _is_private(folder: Path) -> bool:
    """Whether a folder, which is no link, is this user's, and not everybody may write there."""
    if sys.platform == "win32":  # each user's temporary folder is there
        return True
    found = folder.lstat()
    mine = found.st_uid == os.getuid() and not found.st_mode & stat.S_IWOTH
    return mine and stat.S_ISDIR(found.st_mode)


@functools.cache
def _temporary_folder() -> Path | None:
    """Return the user's one temporary folder, else this process' own; None where there is none."""
    with contextlib.suppress(OSError):
        shared = Path(tempfile.gettempdir()) / f"dask-horn-kernels{_USER}"
        if _hold(shared):
            return shared
    with contextlib.suppress(OSError):
        own = Path(tempfile.mkdtemp(prefix="dask-horn-kernels-"))
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        return own
    return None


def _hold(folder: Path) -> bool:
    """Make a folder, or find it, and keep others from removing it; False where it is not ours."""
    if sys.platform == "win32":
        return False
    import fcntl

    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_private(folder):
            return False
        try:
            held = os.open(folder / _HELD, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(held, fcntl.LOCK_SH)  # of a process that is removing it, the end
            if os.path.samestat(os.stat(folder / _HELD), os.fstat(held)):
                atexit.register(_let_go, folder, held, os.getpid())
                return True
        except FileNotFoundError:  # removed just now: make it anew
            continue
        os.close(held)


def _let_go(folder: Path, held: int, process: int) -> None:
    """Remove a folder that no other process holds."""
    if sys.platform == "win32" or os.getpid() != process:  # a fork has what its parent holds
        return
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Under another name: who comes meanwhile must not find half of it.
        leaving = folder.rename(f"{folder}-{process}")
        shutil.rmtree(leaving, ignore_errors=True)
