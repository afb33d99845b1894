"""The training graph: groups, sub-models and reduction, as lazy objects of Dask.

    partition → take → train → merge-level-i → share → part → parent ( → evaluate → validation )

Where all groups of a parent are divided alike, as they are by default, the parent stays in parts
from round to round: each sub-model's deltas are added up over the groups and stepped on a worker
of its own, where the next round trains it, and the sub-models tell each other no more than what
they add to the few entries that all of them hold (`share`). The parent is put together where
somebody wants it: to score it, to divide it otherwise, to save it, at the end.

Where each group draws a partition of its own in each round, no part outlives its round:

    partition → take → train → put → merge-level-i → parent ( → evaluate → validation )

Takes stay beside the parent, so that slices travel and parents do not; deltas travel to where they
are added up. Keys are tuples whose first element is the stage and the run,
``("train-<run>", round, group, submodel)``, so that the dashboard names and colours the stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from dask.delayed import Delayed
from dask.task_spec import TaskRef
from numpy.typing import NDArray

from dask_horn.cluster import Executor, Placement
from dask_horn.data import Block
from dask_horn.partition import Partition
from dask_horn.training.division import first_values, partition_of
from dask_horn.training.evaluate import Score, add_scores, score_blocks
from dask_horn.training.layers import TaskLayers
from dask_horn.training.merge import (
    ARITY,
    ParentState,
    PartialSum,
    Share,
    add_deltas,
    add_partial_sums,
    join_parts,
    put_group,
    share_of,
    step_parent,
    step_part,
    take_part,
)
from dask_horn.training.spec import RunSpec
from dask_horn.training.submodel import SubmodelReport, Trained, train_submodel

__all__ = [
    "Parent",
    "Parents",
    "RoundGraph",
    "RoundReport",
    "begin",
    "round_graph",
    "start_graph",
    "whole_parents",
]


def nowhere(group: int, submodel: int) -> Sequence[str]:
    """Prefer no worker: a placement."""
    return ()


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


Parents = tuple[Parent, ...]  # one, or each member's


def begin(
    executor: Executor, parents: Parents, *others: Delayed
) -> tuple[Parents, tuple[Any, ...]]:
    """Submit lazy parents and other tasks together; return the same by what stands for them."""
    lazy = [part for parent in parents for part in parent.parts]
    handles = iter(executor.submit(*lazy, *others))
    begun = tuple(
        Parent(tuple(islice(handles, len(parent.parts))), parent.divided) for parent in parents
    )
    return begun, tuple(handles)


@dataclass(frozen=True)
class RoundReport:
    """What comes back from a round: no parameters.

    Attributes
    ----------
    round : int
        Counted from 0.
    submodels : tuple of SubmodelReport
        By group and sub-model.
    score : Score or None
        Of the merged parent, or of the ensemble, on the validation rows.
    """

    round: int
    submodels: tuple[SubmodelReport, ...]
    score: Score | None


@dataclass(frozen=True)
class RoundGraph:
    """The lazy results of one round: its parents (one, or each member's) and its report."""

    parents: Parents
    report: Delayed


def start_graph(spec: RunSpec, shared: Any, homes: Placement = nowhere) -> Parents:
    """Tasks that draw the initial parents: one, or one for each member of an ensemble."""
    tasks = TaskLayers()
    common = tasks.use(shared)
    starts = [
        tasks.call(
            initial_parent, (f"start-{spec.run}", lineage), common, lineage, near=homes(lineage, 0)
        )
        for lineage in range(spec.n_parents)
    ]
    return tuple(Parent((start,)) for start in tasks.delayed(*starts))


def round_graph(
    spec: RunSpec,
    shared: Any,
    parents: Sequence[Parent],
    round: int,
    *,
    placement: Placement = nowhere,
    homes: Placement = nowhere,
) -> RoundGraph:
    """Build one round: every lineage's groups, sub-models, and reduction.

    Parameters
    ----------
    spec : RunSpec
    shared : Delayed or Future
        The same, as the task that all others take it from.
    parents : sequence of Parent
        What the round starts from: one parent, or one for each member.
    round : int
        Counted from 0.
    placement : callable, optional
        From (group, sub-model) to the workers that its training prefers.
    homes : callable, optional
        From (lineage, 0) to the workers where its parent is put together.
    """
    tasks = TaskLayers()
    common = tasks.use(shared)
    is_last = round == len(spec.rounds) - 1
    after: list[Parent] = []
    wholes: list[TaskRef] = []
    told: list[TaskRef] = []
    for lineage, parent in enumerate(parents):
        stages = _Stages(tasks, spec, common, round, lineage, placement, homes(lineage, 0))
        merged, telling = (stages.redrawn if spec.redraw else stages.in_parts)(parent)
        told += telling
        if is_last or spec.validation is not None:
            wholes.append(stages.whole(merged, stages.key("parent", lineage)))
        after.append(Parent((wholes[-1],)) if is_last else merged)
    merged_parents = tuple(_lazy(tasks, parent) for parent in after)  # before scoring
    score = None
    if spec.validation is not None:
        parts = [
            tasks.call(evaluate_blocks, (f"evaluate-{spec.run}", round, i), common, blocks, *wholes)
            for i, blocks in enumerate(spec.validation_blocks)
        ]
        score = tasks.call(add_scores, (f"validation-{spec.run}", round), parts)
    key = (f"report-{spec.run}", round)
    report = tasks.call(collect_report, key, round, score, *told, near=homes(0, 0))
    return RoundGraph(merged_parents, *tasks.delayed(report))


def whole_parents(
    spec: RunSpec, shared: Any, parents: Sequence[Parent], number: int, homes: Placement = nowhere
) -> tuple[Delayed, ...]:
    """Tasks that put parents together; `number` tells them from others of the run."""
    tasks = TaskLayers()
    common = tasks.use(shared)
    wholes = []
    for lineage, parent in enumerate(parents):
        stages = _Stages(tasks, spec, common, 0, lineage, nowhere, homes(lineage, 0))
        wholes.append(stages.whole(parent, (f"whole-{spec.run}", number, lineage)))
    return tasks.delayed(*wholes)


def _lazy(tasks: TaskLayers, parent: Parent) -> Parent:
    return Parent(tasks.delayed(*parent.parts), parent.divided)


@dataclass(frozen=True)
class _Stages:
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
    home : sequence of str
        Workers that the whole parent prefers.
    """

    tasks: TaskLayers
    spec: RunSpec
    common: TaskRef
    round: int
    lineage: int
    placement: Placement
    home: Sequence[str]

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

    def _at(self, submodel: int) -> Sequence[str]:
        """Say where a part stays: beside the first group's sub-model."""
        return self.placement(self.groups[0], submodel)

    def _trained_part(self, part: TaskRef, submodel: int, comes: bool) -> list[TaskRef]:
        """Train one sub-model in every group; return its deltas, as sums where there are many."""
        start = part
        if len(self.groups) > 1 and self.spec.has_outer_momentum:
            key = self.key("slice", self.lineage, submodel)
            start = self.tasks.call(slice_of, key, part, near=self._at(submodel), priority=1)
        goes = not self._stays_divided()
        trained = []
        for group in self.groups:
            is_away = group != self.groups[0]
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
        """Add up one sub-model's deltas until `ARITY` sums at most are left."""
        level, stride, sums = 0, 1, trained
        while len(sums) > ARITY:
            level, stride = level + 1, stride * ARITY
            sums = [
                self.tasks.call(
                    add_deltas,
                    self.key(f"merge-level-{level}", self.lineage, submodel, i // ARITY),
                    sums[i : i + ARITY],
                    near=self.placement(self.groups[i // ARITY * stride], submodel),
                )
                for i in range(0, len(sums), ARITY)
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
                    train_slice,
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

    def _adder(self, number: int) -> Sequence[str]:
        """Say where sums of whole parents are added up: a group's are larger than its deltas."""
        return self.placement(self.groups[number], 0) if number else self.home


# The tasks themselves: thin, pure, and none changes what it is given.


def initial_parent(spec: RunSpec, lineage: int) -> ParentState:
    """Draw the initial values; each member of an ensemble has its own."""
    return ParentState.start(first_values(spec, lineage), momentum=spec.has_outer_momentum)


def take_slice(
    spec: RunSpec, parent: ParentState, partition: Partition, submodel: int
) -> ParentState | NDArray[np.float32]:
    """Take a sub-model out of the parent: its parameters, or the part that is to stay with it."""
    table = spec.network.parameters
    if spec.redraw:
        return partition.slice_map(table, submodel).take(parent.parameters)
    return take_part(table, parent, partition, submodel)


def train_slice(
    spec: RunSpec,
    start: NDArray[np.float32],
    partition: Partition,
    round: int,
    group: int,
    submodel: int,
) -> Trained:
    """Train one sub-model for a round."""
    return train_submodel(spec, start, partition, round, group, submodel)


def slice_of(part: ParentState) -> ParentState:
    """Leave the outer momentum, which training does not need, where it is."""
    return part.without_momentum()


def train_part(
    spec: RunSpec,
    part: ParentState,
    round: int,
    group: int,
    submodel: int,
    comes: bool,
    goes: bool,
) -> Trained:
    """Train a part for a round: it `comes` from another worker, and its delta `goes` to one."""
    trained = train_submodel(spec, part.parameters, part.cut_by, round, group, submodel)
    return trained.counted(part.parameters.nbytes * comes, trained.delta.nbytes * goes)


def share_deltas(
    spec: RunSpec, part: ParentState, submodel: int, found: list[Trained | PartialSum]
) -> Share:
    """Tell what a sub-model adds to what all of them hold."""
    table = part.cut_by.table_of(spec.network.parameters, submodel)
    return share_of(table, spec.network.shared_tensors, found)


def next_part(
    spec: RunSpec,
    part: ParentState,
    submodel: int,
    round: int,
    found: list[Trained | PartialSum],
    shares: list[Share],
) -> ParentState:
    """Merge a round's deltas into one part of the parent."""
    table = part.cut_by.table_of(spec.network.parameters, submodel)
    step = spec.rounds[round].outer_step
    return step_part(table, spec.network.shared_tensors, part, found, shares, step)


def whole_parent(spec: RunSpec, parts: list[ParentState]) -> ParentState:
    """Put the parts together."""
    return join_parts(spec.network.parameters, spec.network.shared_tensors, parts)


def put_slices(spec: RunSpec, partition: Partition, trained: list[Trained]) -> PartialSum:
    """Put a group's deltas into its partial sum."""
    return put_group(spec.network.parameters, partition, trained)


def next_parent(
    spec: RunSpec,
    parent: ParentState,
    partial_sum: PartialSum,
    partitions: list[Partition],
    round: int,
) -> ParentState:
    """Merge a round's deltas into the parent."""
    step = spec.rounds[round].outer_step
    return step_parent(spec.network.parameters, parent, partial_sum, partitions, step)


def evaluate_blocks(spec: RunSpec, blocks: tuple[Block, ...], *parents: ParentState) -> Score:
    """Score the parent, or the ensemble of all parents, on some validation rows."""
    return score_blocks(spec, blocks, [parent.parameters for parent in parents])


def collect_report(round: int, score: Score | None, *told: ParentState | Share) -> RoundReport:
    """Keep what the client wants to know of a round, and leave the parameters behind."""
    reports = [report for one in told for report in one.reports]
    reports.sort(key=lambda report: (report.group, report.submodel))
    return RoundReport(round, tuple(reports), score)
