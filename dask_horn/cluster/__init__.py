"""Where tasks run: a Dask cluster or this process, and how their workers are set up.

Two executors of one shape: `ClusterExecutor` submits to a `distributed.Client` and holds futures,
`LocalExecutor` computes at once on Dask's own scheduler in this process and holds the results.
"""

from __future__ import annotations

from dask_horn.cluster.client import ClusterExecutor
from dask_horn.cluster.current import current_executor
from dask_horn.cluster.devices import HOST, reasons, usable
from dask_horn.cluster.executor import Executor
from dask_horn.cluster.folders import remove_folder
from dask_horn.cluster.local import LocalExecutor
from dask_horn.cluster.placement import Placement, Seat, spread
from dask_horn.cluster.telling import here

__all__ = [
    "HOST",
    "ClusterExecutor",
    "Executor",
    "LocalExecutor",
    "Placement",
    "Seat",
    "current_executor",
    "here",
    "reasons",
    "remove_folder",
    "spread",
    "usable",
]
