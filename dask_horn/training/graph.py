"""The training graph: groups, sub-models and reduction, as lazy objects of Dask.

    partition → take → train → put → merge-level-i → parent → report ( → evaluate → validation )

Takes stay beside their parent, so that slices travel and parents do not; deltas travel to where
they are added up, and only sums of many groups from there to the parent. Keys are tuples whose
first element is the stage and the run, ``("train-<run>", round, group, submodel)``, so that the
dashboard names and colours the stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask.delayed import Delayed
from dask.task_spec import TaskRef
from numpy.typing import NDArray

from dask_horn.cluster import Placement
from dask_horn.data import Block
from dask_horn.partition import Partition
from dask_horn.training.division import first_values, partition_of
from dask_horn.training.evaluate import Score, add_scores, score_blocks
from dask_horn.training.layers import TaskLayers
from dask_horn.training.merge import (
    ARITY,
    ParentState,
    PartialSum,
    add_partial_sums,
    put_group,
    step_parent,
)
from dask_horn.training.spec import RunSpec
from dask_horn.training.submodel import SubmodelReport, Trained, train_submodel

__all__ = ["RoundGraph", "RoundReport", "round_graph", "start_graph"]


def nowhere(group: int, submodel: int) -> Sequence[str]:
    """Prefer no worker: a placement."""
    return ()


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

    parents: tuple[Delayed, ...]
    report: Delayed


def start_graph(spec: RunSpec, shared: Any, homes: Placement = nowhere) -> tuple[Delayed, ...]:
    """Tasks that draw the initial parents: one, or one for each member of an ensemble."""
    tasks = TaskLayers()
    common = tasks.use(shared)
    starts = [
        tasks.call(
            initial_parent, (f"start-{spec.run}", lineage), common, lineage, near=homes(lineage, 0)
        )
        for lineage in range(spec.n_parents)
    ]
    return tasks.delayed(*starts)


def round_graph(
    spec: RunSpec,
    shared: Any,
    parents: Sequence[Any],
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
    parents : sequence of Delayed or Future
        What the round starts from: one parent, or one for each member.
    round : int
        Counted from 0.
    placement : callable, optional
        From (group, sub-model) to the workers that its training prefers.
    homes : callable, optional
        From (lineage, 0) to the workers where its parent stays.
    """
    tasks = TaskLayers()
    common = tasks.use(shared)
    after = [
        _add_lineage(
            tasks, spec, common, tasks.use(parent), round, lineage, placement, homes(lineage, 0)
        )
        for lineage, parent in enumerate(parents)
    ]
    merged = tasks.delayed(*after)  # before scoring, which no later round needs
    score = None
    if spec.validation is not None:
        parts = [
            tasks.call(evaluate_blocks, (f"evaluate-{spec.run}", round, i), common, blocks, *after)
            for i, blocks in enumerate(spec.validation_blocks)
        ]
        score = tasks.call(add_scores, (f"validation-{spec.run}", round), parts)
    key = (f"report-{spec.run}", round)
    report = tasks.call(collect_report, key, round, score, *after, near=homes(0, 0))
    return RoundGraph(merged, *tasks.delayed(report))


def _add_lineage(
    tasks: TaskLayers,
    spec: RunSpec,
    common: TaskRef,
    parent: TaskRef,
    round: int,
    lineage: int,
    placement: Placement,
    home: Sequence[str],
) -> TaskRef:
    """Add one parent's round: its groups are divided, trained and merged into it."""
    run, plan = spec.run, spec.rounds[round]
    groups = plan.lineages[lineage]
    divided = groups if spec.redraw else groups[:1]
    divisions = [
        _add_division(tasks, spec, common, parent, round, group, plan.n_submodels, home)
        for group in divided
    ]
    sums = []
    for i, group in enumerate(groups):
        partition, slices = divisions[i if spec.redraw else 0]
        trained = [
            tasks.call(
                train_slice,
                (f"train-{run}", round, group, submodel),
                *(common, start, partition, round, group, submodel),
                near=placement(group, submodel),
            )
            for submodel, start in enumerate(slices)
        ]
        # A group's deltas are smaller than their sum: put them where the sums are added up.
        first = i - i % ARITY
        sums.append(
            tasks.call(
                put_slices,
                (f"put-{run}", round, group),
                *(common, partition, trained),
                near=placement(groups[first], 0) if first else home,
            )
        )
    level, stride = 0, 1
    while len(sums) > 1:
        level, stride = level + 1, stride * ARITY
        sums = [
            tasks.call(
                add_partial_sums,
                (f"merge-level-{level}-{run}", round, lineage, i // ARITY),
                sums[i : i + ARITY],
                near=placement(groups[i // ARITY * stride], 0) if i else home,
            )
            for i in range(0, len(sums), ARITY)
        ]
    partitions = [partition for partition, _ in divisions]
    key = (f"parent-{run}", round, lineage)
    return tasks.call(next_parent, key, common, parent, sums[0], partitions, round, near=home)


def _add_division(
    tasks: TaskLayers,
    spec: RunSpec,
    common: TaskRef,
    parent: TaskRef,
    round: int,
    group: int,
    n_submodels: int,
    home: Sequence[str],
) -> tuple[TaskRef, list[TaskRef]]:
    """Add a partition and the slices that it cuts a parent into.

    Groups that share the partition share the slices too: each is cut once, and comes to a worker
    once, however many of the groups it trains.
    """
    run = spec.run
    key = (f"partition-{run}", round, group)
    partition = tasks.call(partition_of, key, common, round, group, near=home)
    slices = [
        tasks.call(
            take_slice,
            (f"take-{run}", round, group, submodel),
            *(common, parent, partition, submodel),
            near=home,
            priority=1,  # before any training here: others wait for their slices
        )
        for submodel in range(n_submodels)
    ]
    return partition, slices


# The tasks themselves: thin, pure, and none changes what it is given.


def initial_parent(spec: RunSpec, lineage: int) -> ParentState:
    """Draw the initial values; each member of an ensemble has its own."""
    return ParentState.start(first_values(spec, lineage))


def take_slice(
    spec: RunSpec, parent: ParentState, partition: Partition, submodel: int
) -> NDArray[np.float32]:
    """Take a sub-model's parameters out of the parent's."""
    return partition.slice_map(spec.network.parameters, submodel).take(parent.parameters)


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


def collect_report(round: int, score: Score | None, *parents: ParentState) -> RoundReport:
    """Keep what the client wants to know of a round, and leave the parameters behind."""
    reports = tuple(report for parent in parents for report in parent.reports)
    return RoundReport(round, reports, score)
