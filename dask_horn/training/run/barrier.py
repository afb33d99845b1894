"""Who waits for whom before a round is merged."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from dask_horn.cluster import Executor
from dask_horn.records import SubmodelId
from dask_horn.training.graph.rounds import RoundTasks


class Barrier(Protocol):
    """Asked by the loop once for each round, when its trainings are written."""

    def gather(
        self, executor: Executor, tasks: RoundTasks
    ) -> tuple[RoundTasks, Collection[SubmodelId]]:
        """Return the round to write the merge of, and which trainings it is to have.

        A barrier that leaves some out submits the round, and asks `executor.wait` for its
        handles. Of every parent it lets in one at least.
        """


class GlobalBarrier:
    """Everybody waits for everybody: the merge depends on all trainings, and nothing is asked."""

    def gather(
        self, executor: Executor, tasks: RoundTasks
    ) -> tuple[RoundTasks, Collection[SubmodelId]]:
        """Return all of them at once: Dask does the waiting."""
        return tasks, tasks.trained
