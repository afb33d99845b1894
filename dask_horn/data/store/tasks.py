"""The few things that this room asks of Dask: delayed calls, and to have them computed.

Which scheduler computes is Dask's own choice: the current client, the configured scheduler, or
threads of this process.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from dask.base import compute as dask_compute
from dask.base import is_dask_collection
from dask.delayed import delayed

__all__ = ["call", "compute", "is_lazy"]


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
    """Compute Dask collections together, on the scheduler named or the one configured."""
    results: tuple[Any, ...] = dask_compute(*collections, scheduler=scheduler)
    return results
