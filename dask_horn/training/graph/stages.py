"""The stages of one parent's round, task by task: which need what, and where they are done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dask.task_spec import TaskRef

from dask_horn.cluster import Placement, Seat
from dask_horn.training.graph.task_layers import TaskLayers
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.division import partition_of
from dask_horn.training.tasks.merge import ARITY, PART_ARITY, add_deltas, add_partial_sums
from dask_horn.training.tasks.round_tasks import (
    measure_population,
    next_parent,
    next_part,
    put_slices,
    share_deltas,
    slice_of,
    take_slice,
    train_part,
    whole_parent,
)
from dask_horn.training.tasks.submodel import train_submodel

__all__ = ["Parent", "Stages", "turned"]

T = TypeVar("T")


@dataclass(frozen=True)
class Parent:
    """A parent between rounds, as handles: Delayed, futures, or references within a graph.

    Attributes
    ----------
    parts : tuple of handles
        Of the whole parent, or of the parts that the sub-models of the last round were.
    divided : bool
        Whether it is in parts, be it a single one.
    """

    parts: tuple[Any, ...]
    divided: bool = False


def turned(groups: Sequence[T], submodel: int) -> Sequence[T]:
    """Return the groups in the order of a sub-model: beside the first one's training it stays.

    So the groups, and with them the workers, have the parts of a parent in turn.
    """
    first = submodel % len(groups)
    return (*groups[first:], *groups[:first])


@dataclass(frozen=True)
class Stages:
    """Writes the stages of one parent's round.

    Attributes
    ----------
    tasks : TaskLayers
        Where they are written.
    spec, common : RunSpec, TaskRef
        The run's, and the task that has it on the workers.
    round, lineage : int
        Which round of which parent.
    placement : Placement
        Where sub-models train.
    home : Seat
        Where the whole parent is put together.
    """

    tasks: TaskLayers
    spec: RunSpec
    common: TaskRef
    round: int
    lineage: int
    placement: Placement
    home: Seat

    @property
    def groups(self) -> tuple[int, ...]:
        """The groups that are merged into this parent."""
        return self.spec.rounds[self.round].lineages[self.lineage]

    @property
    def n_submodels(self) -> int:
        """Sub-models of each group."""
        return self.spec.rounds[self.round].n_submodels

    def key(self, stage: str, *place: int | str) -> tuple[Any, ...]:
        """Return the key of a task of this round."""
        return (f"{stage}-{self.spec.run}", self.round, *place)

    def whole(self, parent: Parent, key: tuple[Any, ...]) -> TaskRef:
        """Put a parent together, unless it is."""
        parts = [self.tasks.use(part) for part in parent.parts]
        if len(parts) == 1:
            return parts[0]
        return self.tasks.call(whole_parent, key, self.common, parts, near=self.home)

    def predicting(self, whole: TaskRef, stage: int | str) -> TaskRef:
        """Measure what a parent predicts with besides its parameters, if anything."""
        if not self.spec.network.statistics:
            return whole
        key = (f"statistics-{self.spec.run}", stage, self.lineage)
        return self.tasks.call(
            measure_population, key, self.common, whole, self.lineage, near=self.home
        )

    def partition(self, group: int) -> TaskRef:
        """Divide a group's copy."""
        key = self.key("partition", group)
        return self.tasks.call(
            partition_of, key, self.common, self.round, group, near=self.home, priority=1
        )

    def take(self, parent: TaskRef, partition: TaskRef, group: int) -> list[TaskRef]:
        """Cut a parent into slices."""
        return [
            self.tasks.call(
                take_slice,
                self.key("take", group, submodel),
                *(self.common, parent, partition, submodel),
                near=self.home,
                priority=1,  # before any training here: others wait for their slices
            )
            for submodel in range(self.n_submodels)
        ]

    def in_parts(self, parent: Parent) -> tuple[Parent, list[TaskRef]]:
        """Train a parent that stays in parts; also return what tells of each part."""
        comes = not parent.divided or len(parent.parts) != self.n_submodels
        if comes:
            whole = self.whole(parent, self.key("parent", self.lineage, "before"))
            parts = self.take(whole, self.partition(self.groups[0]), self.groups[0])
        else:
            parts = [self.tasks.use(part) for part in parent.parts]
        found = [self._trained_part(part, m, comes) for m, part in enumerate(parts)]
        shares = [
            self.tasks.call(
                share_deltas,
                self.key("share", self.lineage, m),
                *(self.common, parts[m], m, deltas),
                near=self._at(m),
                priority=1,
            )
            for m, deltas in enumerate(found)
        ]
        after = [
            self.tasks.call(
                next_part,
                self.key("part", self.lineage, m),
                *(self.common, parts[m], m, self.round, deltas, shares),
                near=self._at(m),
                priority=1,
            )
            for m, deltas in enumerate(found)
        ]
        return Parent(tuple(after), divided=True), shares

    def _at(self, submodel: int) -> Seat:
        """Say where a part stays."""
        return self.placement(turned(self.groups, submodel)[0], submodel)

    def _trained_part(self, part: TaskRef, submodel: int, comes: bool) -> list[TaskRef]:
        """Train one sub-model in every group; return its deltas, as sums where there are many."""
        start = part
        if len(self.groups) > 1 and self.spec.has_outer_momentum:
            key = self.key("slice", self.lineage, submodel)
            start = self.tasks.call(slice_of, key, part, near=self._at(submodel), priority=1)
        goes = not self._stays_divided()
        trained: list[TaskRef] = []
        for group in turned(self.groups, submodel):
            is_away = bool(trained)
            trained.append(
                self.tasks.call(
                    train_part,
                    self.key("train", group, submodel),
                    *(self.common, start, self.round, group, submodel),
                    *(is_away or comes, is_away or goes),
                    near=self.placement(group, submodel),
                )
            )
        return self._added_up(trained, submodel)

    def _stays_divided(self) -> bool:
        """Whether the next round trains the same parts."""
        after = self.spec.rounds[self.round + 1 : self.round + 2]
        return any(plan.n_submodels == self.n_submodels for plan in after)

    def _added_up(self, trained: list[TaskRef], submodel: int) -> list[TaskRef]:
        """Add up one sub-model's deltas until `PART_ARITY` sums at most are left."""
        groups = turned(self.groups, submodel)
        level, stride, sums = 0, 1, trained
        while len(sums) > PART_ARITY:
            level, stride = level + 1, stride * PART_ARITY
            sums = [
                self.tasks.call(
                    add_deltas,
                    self.key(f"merge-level-{level}", self.lineage, submodel, i // PART_ARITY),
                    sums[i : i + PART_ARITY],
                    near=self.placement(groups[i // PART_ARITY * stride], submodel),
                )
                for i in range(0, len(sums), PART_ARITY)
            ]
        return sums

    def redrawn(self, parent: Parent) -> tuple[Parent, list[TaskRef]]:
        """Train a parent whose groups all draw their own partitions, and merge them into it."""
        whole = self.tasks.use(*parent.parts)
        partitions = [self.partition(group) for group in self.groups]
        sums = []
        for i, (group, partition) in enumerate(zip(self.groups, partitions, strict=True)):
            slices = self.take(whole, partition, group)
            trained = [
                self.tasks.call(
                    train_submodel,
                    self.key("train", group, submodel),
                    *(self.common, start, partition, self.round, group, submodel),
                    near=self.placement(group, submodel),
                )
                for submodel, start in enumerate(slices)
            ]
            sums.append(
                self.tasks.call(
                    put_slices,
                    self.key("put", group),
                    *(self.common, partition, trained),
                    near=self._adder(i - i % ARITY),
                )
            )
        level, stride = 0, 1
        while len(sums) > 1:
            level, stride = level + 1, stride * ARITY
            sums = [
                self.tasks.call(
                    add_partial_sums,
                    self.key(f"merge-level-{level}", self.lineage, i // ARITY),
                    sums[i : i + ARITY],
                    near=self._adder(i // ARITY * stride),
                )
                for i in range(0, len(sums), ARITY)
            ]
        merged = self.tasks.call(
            next_parent,
            self.key("parent", self.lineage),
            *(self.common, whole, sums[0], partitions, self.round),
            near=self.home,
        )
        return Parent((merged,)), [merged]

    def _adder(self, number: int) -> Seat:
        """Say where sums of whole parents are added up: a group's are larger than its deltas."""
        return self.placement(self.groups[number], 0) if number else self.home
