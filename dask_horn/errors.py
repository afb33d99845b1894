"""Errors that only the cluster, a store or the numbers themselves can reveal.

A mistake in an argument is a ``ValueError`` or ``TypeError``, raised before any work starts. The
classes here are for everything later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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


class ScratchError(HornError):
    """The workers have no shared folder for data and states."""


class SchedulerLostError(HornError):
    """The cluster's scheduler is gone, or has given the run's tasks up."""


class WaitTimeoutError(HornError, TimeoutError):
    """Nothing has moved on the cluster for as long as `timeout` allows."""


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
