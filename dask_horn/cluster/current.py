"""Which executor serves this code."""

from __future__ import annotations

from collections.abc import Callable

import dask

from dask_horn.cluster.client import ClusterExecutor
from dask_horn.cluster.executor import Executor
from dask_horn.cluster.local import LocalExecutor
from dask_horn.data import BY_CLIENT, inside_task, own_scheduler, usable_client
from dask_horn.records import Event


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
        If the current client is asynchronous, and this is its event loop.
    """
    configured = dask.config.get("scheduler", None)
    if configured not in BY_CLIENT and not inside_task():
        return LocalExecutor(configured)
    client = usable_client()
    if client is None:
        return LocalExecutor(own_scheduler())
    return ClusterExecutor(client, run, notify, timeout)
