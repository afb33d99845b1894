"""The few things that this room asks of Dask: delayed calls, and to have them computed.

Which scheduler computes is settled by `computed_by` for the time of a run, and else by Dask itself:
the current client, the configured scheduler, or threads of this process.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from dask import config
from dask.base import compute as dask_compute
from dask.base import is_dask_collection
from dask.delayed import delayed

from dask_horn.data.store.clients import BY_CLIENT, own_scheduler, usable_client

# Of this thread's run: Dask's own setting holds for the process, which may have several runs.
_scheduler: ContextVar[Any] = ContextVar("scheduler", default=None)


@contextmanager
def computed_by(scheduler: Any) -> Iterator[None]:
    """Have collections computed by a scheduler: a name, a callable, or a Dask client."""
    token = _scheduler.set(scheduler)
    try:
        yield
    finally:
        _scheduler.reset(token)


def current_scheduler() -> Any:
    """Return the run's scheduler, else the one that Dask's configuration names, if any."""
    return _scheduler.get() or config.get("scheduler", None)


def computes_here() -> bool:
    """Whether what is computed is computed by threads of this process, which share its memory."""
    here = ("threads", "threading", "sync", "synchronous", "single-threaded")
    return current_scheduler() in here


def is_lazy(array: object) -> bool:
    """Whether something is a Dask collection, whose values are not there yet."""
    return bool(is_dask_collection(array))


def call(function: Callable[..., Any], *arguments: Any, key: Hashable) -> Any:
    """Return a delayed call whose key shows on the dashboard.

    Parameters
    ----------
    function : callable
        Importable by name, so that it travels.
    *arguments
        Its arguments; delayed ones, and those in lists, are computed first.
    key : hashable
        Text, or a tuple that begins with text; unique among the live keys of a cluster.

    Returns
    -------
    dask.delayed.Delayed
        The call.
    """
    return delayed(function, pure=False, traverse=False)(*arguments, dask_key_name=key)


def compute(*collections: Any, scheduler: str | None = None) -> tuple[Any, ...]:
    """Compute Dask collections together, on the scheduler named, the run's, or Dask's choice."""
    chosen = scheduler or current_scheduler()
    if chosen in BY_CLIENT and usable_client() is None:
        chosen = own_scheduler()
    results: tuple[Any, ...] = dask_compute(*collections, scheduler=chosen)
    return results
