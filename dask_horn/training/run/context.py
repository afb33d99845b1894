"""What everything in a run's loop refers to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dask_horn.cluster import Executor, Placement, Seat
from dask_horn.training.graph.parent import rotated
from dask_horn.training.graph.rounds import Graphs, shared_spec
from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.run.scratch import Scratch


@dataclass(frozen=True)
class RunContext:
    """One run.

    Attributes
    ----------
    spec : RunSpec
    options : TrainingOptions
    executor : Executor
    shared : handle
        Of the spec, which all tasks take from there.
    scratch : Scratch
        A folder that all workers see, where one is needed.
    """

    spec: RunSpec
    options: TrainingOptions
    executor: Executor
    shared: Any
    scratch: Scratch

    @classmethod
    def begin(
        cls, spec: RunSpec, options: TrainingOptions, executor: Executor, scratch: Scratch
    ) -> RunContext:
        """Send the spec to where the tasks will be done: once, not with every round's graph."""
        return cls(spec, options, executor, executor.submit(shared_spec(spec))[0], scratch)

    def next_attempt(self) -> RunContext:
        """Return the run for another attempt, whose tasks the cluster does not know."""
        spec = replace(self.spec, attempt=self.spec.attempt + 1)
        return RunContext.begin(spec, self.options, self.executor, self.scratch)

    def settled(self, loss: float) -> RunContext:
        """Return the run with what follows from the loss of its first rounds."""
        spec = self.spec.settled(loss)
        return RunContext.begin(spec, self.options, self.executor, self.scratch)

    @property
    def graphs(self) -> Graphs:
        """What writes the run's graphs, for the workers there are now."""
        return Graphs(self.spec, self.shared, self.homes)

    @property
    def homes(self) -> Placement:
        """Where each parent is put together, of the workers there are now."""
        return self.executor.placement(self.spec.n_parents, self.spec.device)

    def seats_of_parts(self, rounds: int) -> Placement:
        """Say where each part stays: from (member, sub-model), after that many rounds."""
        plan = self.spec.rounds[rounds - 1]
        placement = self.executor.placement(plan.n_groups, self.spec.device)

        def seat(member: int, submodel: int) -> Seat:
            return placement(rotated(plan.groups_of[member], submodel)[0], submodel)

        return seat
