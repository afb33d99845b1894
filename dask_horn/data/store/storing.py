"""What a store refuses, told in one sentence: what came, where, and what would do."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from dask_horn.data.store.faults import Fault, FaultKind, fault_of
from dask_horn.data.store.locations import Url, location_text
from dask_horn.data.store.retrying import RetriesExhausted, with_retries
from dask_horn.errors import HornError, ScratchError, StoreError, raise_alone

Verb = Literal["read", "written"]

_Result = TypeVar("_Result")

_REMEDIES = {
    FaultKind.NO_CREDENTIALS: "give this process and all workers credentials for it",
    FaultKind.EXPIRED: "renew those of this process and all workers",
    FaultKind.FORBIDDEN: "grant this process and all workers permission to {verb} there",
    FaultKind.MISSING: "create it first, or correct the name",
    FaultKind.READ_ONLY: "choose a place that can be written, such as a shared folder or a bucket",
    FaultKind.FULL: "make room there, or choose another place",
    FaultKind.NOT_INSTALLED: "install it, for all workers too",
    FaultKind.PASSING: "check that this process and all workers can reach it, then try again",
}

# What systems answer that cannot open a folder, or have nothing to do for it.
_NO_SYNC = {errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOTSUP, errno.EPERM}

# Of what is told by an error of its own.
_ERRORS = {"scratch": ScratchError}


@contextmanager
def store_errors(argument: str, location: object, verb: Verb = "written") -> Iterator[None]:
    """Tell in one sentence what a store refuses.

    Parameters
    ----------
    argument : str
        The argument that names the place, such as ``"checkpoint"``; or words that come before the
        location, such as ``"The samples at"``.
    location : object
        Path, URL or store.
    verb : {"read", "written"}, default "written"
        What is done there. That something to be read is not there passes as it is.

    Raises
    ------
    StoreError
        Without an error of another library in its chain: that may be one which another process
        cannot unpickle.

    Examples
    --------
    >>> with store_errors("checkpoint", "/data"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    ...
    dask_horn.errors.StoreError: checkpoint='/data' cannot be written (No space left on device); \
make room there, or choose another place
    """
    try:
        yield
    except (HornError, FileExistsError, MemoryError):
        raise
    except Exception as raised:
        exhausted = _exhausted(raised)
        error = exhausted.fault
        fault = fault_of(error)
        absent = FaultKind.READ_ONLY, FaultKind.MISSING
        if fault.kind is FaultKind.OTHER or (verb == "read" and fault.kind in absent):
            exhausted.__cause__ = exhausted.__context__ = None  # or the chain were a circle
            raise error from error.__cause__
        place = f"{argument}={location!r}" if argument.isidentifier() else f"{argument} {location}"
        reason = exhausted.counted(fault.what)
        told = f"{place.strip()} cannot be {verb} ({reason}); {remedy(fault, verb)}"
        raise_alone(_ERRORS.get(argument, StoreError)(told), error)


def _exhausted(error: Exception) -> RetriesExhausted:
    return error if isinstance(error, RetriesExhausted) else RetriesExhausted(error, tries=1)


def store_with_retries(
    do: Callable[[], _Result], argument: str, location: str, verb: Verb = "written"
) -> _Result:
    """Read or write, again where that may help, and tell what is refused as `store_errors` does.

    Parameters
    ----------
    do : callable
        Reads or writes; it may have been cut short before.
    argument, location, verb
        As for `store_errors`.

    Returns
    -------
    object
        What `do` returns.

    Raises
    ------
    StoreError
        If it fails each time.
    """
    with store_errors(argument, location, verb):
        return with_retries(do, f"{argument}={location!r}", verb)


def remedy(fault: Fault, verb: Verb = "read") -> str:
    """Return what would do."""
    return _REMEDIES[fault.kind].format(verb="read" if verb == "read" else "write")


def filesystem_at(location: str) -> tuple[Any, str]:
    """Return the file system of a path or URL, and the path on it.

    It looks anew each time: others, such as workers, write there too.
    """
    place = location_text(location)
    if not isinstance(place, Url):
        return LocalFileSystem(), place
    filesystem, path = fsspec.url_to_fs(
        place.text, **{"use_listings_cache": False, **place.options}
    )
    return filesystem, path


def make_folder(filesystem: Any, path: str) -> None:
    """Make a folder, and those above it, where there are folders.

    Paths in object stores begin with their bucket: those need none, and s3fs would create a bucket
    whose name is mistyped.
    """
    if os.path.isabs(path):
        filesystem.makedirs(path, exist_ok=True)


@contextmanager
def replacing(location: str, durable: bool = True) -> Iterator[IO[bytes]]:
    """Write a file in one step: whoever reads sees the old or the new, and never a part.

    Object stores do so anyway. On a disk it is written beside its place, on the same disk, and
    then given its name; where it is to be durable, it survives a loss of power after that too.
    """
    filesystem, path = filesystem_at(location)
    if not isinstance(filesystem, LocalFileSystem):
        with filesystem.open(path, "wb") as file:
            yield file
        return
    beside = f"{path}.{secrets.token_hex(4)}"
    try:
        with open(beside, "wb") as file:
            yield file
            if durable:  # else some file systems know the new name before the content
                file.flush()
                os.fsync(file.fileno())
        os.replace(beside, path)
        if durable:
            _sync_entry(os.path.dirname(path))
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def sync(location: str) -> None:
    """Have a disk keep all that is in a folder, also after a loss of power; stores do so anyway."""
    filesystem, path = filesystem_at(location)
    if isinstance(filesystem, LocalFileSystem):
        for folder, _, names in os.walk(path):
            for name in names:
                _sync_entry(os.path.join(folder, name))
            _sync_entry(folder)
        _sync_entry(os.path.dirname(path))


def _sync_entry(path: str) -> None:
    """Have a disk keep a file, or the names in a folder where its system opens folders."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def check_writable(location: str) -> None:
    """Write a little beside what is there and take it away, to be refused before any work.

    Raises
    ------
    OSError
        Or whatever the store raises; `store_errors` tells it.
    """
    filesystem, path = filesystem_at(location)
    if isinstance(filesystem, LocalFileSystem):
        _check_disk(Path(path))
        return
    while os.path.isabs(path) and not filesystem.exists(path):
        path = path.rpartition("/")[0]
    probe = f"{path}/.seen-{secrets.token_hex(4)}"
    filesystem.pipe_file(probe, b"")
    filesystem.rm_file(probe)


def _check_disk(path: Path) -> None:
    """Open a file that is there; else one without a name, where the path would begin."""
    if path.is_file():
        path.open("ab").close()
        return
    while not path.exists():
        path = path.parent
    tempfile.TemporaryFile(dir=path).close()
