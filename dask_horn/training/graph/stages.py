"""The stages of one parent's round, task by task: what each needs, and where it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dask.task_spec import TaskRef

from dask_horn.cluster import Placement, Seat
from dask_horn.records import SubmodelId
from dask_horn.training.graph.parent import Parent
from dask_horn.training.graph.task_layers import TaskLayers
from dask_horn.training.graph.trainings import Start
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.round_tasks import measure_population, whole_parent

#: What has been trained, by sub-model.
Trained = Mapping[SubmodelId, TaskRef]


@dataclass(frozen=True)
class Stages(ABC):
    """Writes the stages of one parent's round: divide, train, merge.

    Attributes
    ----------
    tasks : TaskLayers
        Where they are written.
    spec, common : RunSpec, TaskRef
        The run's, and the task that has it on the workers.
    round, member : int
        Which round of which parent.
    placement : Placement
        Where sub-models train.
    home : Seat
        Of the same device: where the whole parent is put together.
    """

    tasks: TaskLayers
    spec: RunSpec
    common: TaskRef
    round: int
    member: int
    placement: Placement
    home: Seat

    @abstractmethod
    def divide(self, parent: Parent) -> Parent:
        """Prepare a parent for the round; return it as `starts` and `merge` take it."""

    @abstractmethod
    def starts(self, parent: Parent) -> list[Start]:
        """Tell what the training of every sub-model of a divided parent starts from."""

    @abstractmethod
    def merge(self, parent: Parent, arrived: Trained) -> tuple[Parent, list[TaskRef]]:
        """Merge the trainings that have arrived; also return the tasks that have their reports."""

    @property
    def groups(self) -> tuple[int, ...]:
        """The groups that are merged into this parent."""
        return self.spec.rounds[self.round].groups_of[self.member]

    @property
    def n_submodels(self) -> int:
        """Sub-models of each group."""
        return self.spec.rounds[self.round].n_submodels

    def key(self, stage: str, *place: int | str) -> tuple[Any, ...]:
        """Return the key of a task of this round."""
        return (f"{stage}-{self.spec.keys}", self.round, *place)

    def whole(self, parent: Parent, key: tuple[Any, ...]) -> TaskRef:
        """Put a parent together, unless it is."""
        parts = [self.tasks.use(part) for part in parent.parts]
        if not parent.divided:
            return parts[0]
        return self.tasks.call(whole_parent, key, (self.common, self.member, parts), near=self.home)

    def predicting(self, whole: TaskRef, stage: int | str) -> TaskRef:
        """Measure what a parent predicts with besides its parameters, if anything."""
        if not self.spec.network.statistics:
            return whole
        key = (f"statistics-{self.spec.keys}", stage, self.member)
        return self.tasks.call(
            measure_population,
            key,
            (self.common, whole, self.member),
            near=self.home,
            only=self.scorers,
        )

    @property
    def scorers(self) -> tuple[str, ...]:
        """The workers that can score and measure parents; empty where any can."""
        return self.home.among if self.spec.scoring_device == self.home.device else ()

    def reduced(
        self,
        function: Callable[..., Any],
        sums: list[TaskRef],
        arity: int,
        most: int,
        *,
        place: tuple[int, ...],
        seat: Callable[[int], Seat],
    ) -> list[TaskRef]:
        """Add sums up in a tree, `arity` at a time, until at most `most` are left.

        `place` follows the level in the keys; `seat` tells where a sum is added up, from the
        number of the first that it is of.
        """
        level, stride = 0, 1
        while len(sums) > most:
            level, stride = level + 1, stride * arity
            sums = [
                self.tasks.call(
                    function,
                    self.key(f"merge-{level}", self.member, *place, i // arity),
                    (self.common, self.round, sums[i : i + arity]),
                    near=seat(i // arity * stride),
                )
                for i in range(0, len(sums), arity)
            ]
        return sums
