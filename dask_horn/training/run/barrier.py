"""Who waits for whom before a round is merged."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from dask_horn.cluster import Executor
from dask_horn.records import SubmodelId
from dask_horn.training.graph.rounds import RoundTasks

__all__ = ["Barrier", "GlobalBarrier"]


class Barrier(Protocol):
    """Asked by the loop once for each round, when its trainings are written."""

    def arrived(self, executor: Executor, tasks: RoundTasks) -> Collection[SubmodelId]:
        """Return which trainings the round's merge is to have.

        A barrier that leaves some out submits `tasks.trainings()` and asks `executor.wait`.
        """


class GlobalBarrier:
    """Everybody waits for everybody: the merge depends on all trainings, and nothing is asked."""

    def arrived(self, executor: Executor, tasks: RoundTasks) -> Collection[SubmodelId]:
        """Return all of them at once: Dask does the waiting."""
        return tasks.trained
