"""Errors that only the cluster, a store or the numbers themselves can reveal.

A mistake in an argument is a ``ValueError`` or ``TypeError``, raised before any work starts. The
classes here are for everything later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

# Of packages that are wherever this one is: their errors travel to every process.
_EVERYWHERE = {"builtins", "dask_horn", "numcodecs", "numpy", "zarr"}


class HornError(Exception):
    """Base of the library's own errors."""


class ChunkReadError(HornError):
    """A chunk of the samples cannot be read. The message names array, chunk and store."""


class DivergedError(HornError):
    """A loss is no longer finite. The message names round, group and sub-model.

    Attributes
    ----------
    model : Model, Ensemble or None
        The last good model.
    history : History or None
        The rounds before.
    """

    model: Any = None
    history: Any = None


class ModelFormatError(HornError, ValueError):
    """A store is not a model, or is damaged, or was written by a later version."""


class StoreError(HornError, OSError):
    """A store refuses to be read or written. The message names it, and what would do."""


class ScratchError(StoreError):
    """The workers have no shared folder for data and states, or it cannot be written."""


class UnsharedError(ScratchError):
    """A worker does not see what is in the scratch folder: it may have come later."""


class SchedulerLostError(HornError):
    """The cluster's scheduler is gone, or has given the run's tasks up."""


class StoppedError(HornError):
    """A callback has asked to stop while the run waited, and nothing was saved yet."""


class WaitTimeoutError(HornError, TimeoutError):
    """There was no progress on the cluster for as long as `timeout` allows."""


class WorkerLostError(HornError):
    """A task lost its worker more often than Dask allows."""


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Put the argument's name before what is wrong with its parts, such as its X and y."""
    try:
        yield
    except HornError:
        raise
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{argument}: {error}") from None


def raise_alone(error: HornError, cause: BaseException) -> NoReturn:
    """Raise an error from a cause that every process can unpickle.

    Dask takes an error to the client with all that it was raised from. Where that is an error of
    another library that does not travel, or that the client has not, nothing of the kind arrives.
    """
    try:
        raise error from _portable(cause)
    finally:
        error.__context__ = None


def _portable(cause: BaseException) -> BaseException:
    """Return an error, or where it does not travel its words, with its traceback."""
    link: BaseException | None = cause
    while link is not None:
        if type(link).__module__.partition(".")[0] not in _EVERYWHERE:
            words = f"{type(cause).__module__}.{type(cause).__name__}: {cause}"
            return RuntimeError(words).with_traceback(cause.__traceback__)
        link = link.__cause__ or link.__context__
    return cause
