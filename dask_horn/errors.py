"""What can go wrong that only the cluster, a store or the numbers themselves can tell.

A mistake in an argument is a ``ValueError`` or ``TypeError``, told before any work starts;
the classes here are for everything later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = [
    "ChunkReadError",
    "DivergedError",
    "HornError",
    "ModelFormatError",
    "ScratchError",
    "WorkerLostError",
    "naming",
]


class HornError(Exception):
    """Base of the errors that are the library's own."""


class ChunkReadError(HornError):
    """A chunk of the samples cannot be read; the message names array, chunk and store."""


class DivergedError(HornError):
    """A loss stopped being a finite number; the message names round, group and sub-model.

    Attributes
    ----------
    model : Model, Ensemble or None
        The last good one.
    history : History or None
        Of the rounds before.
    """

    model: Any = None
    history: Any = None


class ModelFormatError(HornError, ValueError):
    """A store holds no model, or one that is damaged, or one of a later version."""


class ScratchError(HornError):
    """The workers share no folder for the data and states that travel between them."""


class WorkerLostError(HornError):
    """The same task lost its worker more often than Dask allows."""


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
