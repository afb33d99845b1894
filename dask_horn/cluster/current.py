"""Which executor serves this code."""

from __future__ import annotations

import contextlib
import sys

import dask

from dask_horn.cluster.client import ClusterExecutor
from dask_horn.cluster.executor import Executor
from dask_horn.cluster.local import LocalExecutor


def current_executor() -> Executor:
    """Return the current Dask client's cluster, or Dask's scheduler in this process without one.

    Within a task of a Dask worker everything runs in that task, one after the other: never a
    second pool of threads.
    """
    distributed = sys.modules.get("distributed")
    if distributed is not None and _inside_task():
        return LocalExecutor("sync")
    configured = dask.config.get("scheduler", None)
    if configured not in (None, "distributed", "dask.distributed"):
        return LocalExecutor(configured)
    if distributed is not None:  # where it was never imported there is no client
        with contextlib.suppress(ValueError):
            return ClusterExecutor(distributed.default_client())
    return LocalExecutor("threads")


def _inside_task() -> bool:
    """Whether this code runs in a task of a Dask worker."""
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True
