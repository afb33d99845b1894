"""Workers on this machine, and a process' memory as Linux counts it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dask.delayed import Delayed
from dask.task_spec import List, Task, TaskRef
from distributed import Client, LocalCluster

__all__ = ["emptied", "local_cluster", "memory_in_use", "nothing", "peak_memory", "reset_peak"]


@contextlib.contextmanager
def local_cluster(n_workers: int = 2) -> Iterator[Client]:
    """Start worker processes of one thread, and make them the current cluster."""
    with (
        LocalCluster(n_workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(n_workers)
        yield client


def emptied(graph: Delayed) -> Delayed:
    """Return a graph with the same keys and needs, of tasks that do nothing."""
    tasks = {
        key: Task(key, nothing, List(*map(TaskRef, getattr(task, "dependencies", ()))))
        for key, task in dict(graph.dask).items()
    }
    return Delayed(graph.key, tasks)


def nothing(*inputs: Any) -> None:
    """Do nothing."""


def memory_in_use() -> int:
    """Return the bytes that this process has in memory now."""
    return _status("VmRSS")


def peak_memory() -> int:
    """Return the most bytes that it had, since it began or since `reset_peak`."""
    return _status("VmHWM")


def reset_peak() -> int:
    """Forget the peak, where Linux allows that; return what is in use now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return memory_in_use()


def _status(name: str) -> int:
    found = re.search(rf"{name}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found.group(1)) if found else 0
