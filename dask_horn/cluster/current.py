"""Which executor serves this code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import dask

from dask_horn.cluster.client import ClusterExecutor
from dask_horn.cluster.executor import Executor
from dask_horn.cluster.local import LocalExecutor
from dask_horn.records import Event

if TYPE_CHECKING:
    from distributed import Client


def current_executor(
    run: str = "",
    notify: Callable[[Event], None] = lambda event: None,
    timeout: float | None = None,
) -> Executor:
    """Return the current Dask client's cluster, or Dask's scheduler in this process without one.

    Within a task of a Dask worker everything runs in that task, one after the other: never a
    second pool of threads.

    Parameters
    ----------
    run, notify, timeout
        As `ClusterExecutor` takes them; nothing in this process is waited for.

    Raises
    ------
    TypeError
        If the current client is asynchronous.
    """
    distributed = sys.modules.get("distributed")
    if distributed is not None and _inside_task():
        return LocalExecutor("sync")
    configured = dask.config.get("scheduler", None)
    if configured not in (None, "distributed", "dask.distributed"):
        return LocalExecutor(configured)
    if distributed is not None:  # where it was never imported there is no client
        with contextlib.suppress(ValueError):
            client = distributed.default_client()
            return ClusterExecutor(_checked(client), run, notify, timeout)
    return LocalExecutor("threads")


def _checked(client: Client) -> Client:
    if client.asynchronous:
        raise TypeError(
            "the current Dask client is asynchronous, and this call waits for results; connect "
            "another without asynchronous=True, and make the call in a thread of its own"
        )
    return client


def _inside_task() -> bool:
    """Whether this code runs in a task of a Dask worker."""
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True
