"""The training graph: groups, sub-models and reduction, as lazy objects of Dask.

    partition → take → train → merge-level-i → share → part → parent ( → evaluate → validation )

Where all groups of a parent are divided alike, as they are by default, the parent stays in parts
from round to round: each sub-model's deltas are added up over the groups and stepped on a worker
of its own, where the next round trains it, and the sub-models tell each other no more than what
they add to the few entries that all of them hold (`share`). The parent is put together where
somebody wants it: to score it, to divide it otherwise, to save it, at the end. Where there is a
`BatchNorm`, a task `statistics` measures its population then, before anything is predicted.

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

from dask.delayed import Delayed
from dask.task_spec import TaskRef

from dask_horn.cluster import Executor, Placement, anywhere
from dask_horn.records import add_scores
from dask_horn.training.graph.stages import Parent, Stages
from dask_horn.training.graph.task_layers import TaskLayers
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.round_tasks import collect_report, evaluate_blocks, initial_parent

__all__ = ["Parents", "RoundGraph", "begin", "round_graph", "start_graph", "whole_parents"]

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
class RoundGraph:
    """The lazy results of one round: its parents (one, or each member's) and its report."""

    parents: Parents
    report: Delayed


def start_graph(spec: RunSpec, shared: Any, homes: Placement = anywhere) -> Parents:
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
    placement: Placement = anywhere,
    homes: Placement = anywhere,
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
        From (group, sub-model) to the seat that its training prefers.
    homes : callable, optional
        From (lineage, 0) to the seat where its parent is put together.
    """
    tasks = TaskLayers()
    common = tasks.use(shared)
    is_last = round == len(spec.rounds) - 1
    after: list[Parent] = []
    wholes: list[TaskRef] = []
    told: list[TaskRef] = []
    for lineage, parent in enumerate(parents):
        stages = Stages(tasks, spec, common, round, lineage, placement, homes(lineage, 0))
        merged, telling = (stages.redrawn if spec.redraw else stages.in_parts)(parent)
        told += telling
        if is_last or spec.validation is not None:
            whole = stages.whole(merged, stages.key("parent", lineage))
            wholes.append(stages.predicting(whole, round))
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
    report = tasks.call(collect_report, key, common, round, score, *told, near=homes(0, 0))
    return RoundGraph(merged_parents, *tasks.delayed(report))


def whole_parents(
    spec: RunSpec, shared: Any, parents: Sequence[Parent], number: int, homes: Placement = anywhere
) -> tuple[Delayed, ...]:
    """Tasks that put parents together; `number` tells them from others of the run."""
    tasks = TaskLayers()
    common = tasks.use(shared)
    wholes = []
    for lineage, parent in enumerate(parents):
        stages = Stages(tasks, spec, common, 0, lineage, anywhere, homes(lineage, 0))
        whole = stages.whole(parent, (f"whole-{spec.run}", number, lineage))
        wholes.append(stages.predicting(whole, f"whole-{number}"))
    return tasks.delayed(*wholes)


def _lazy(tasks: TaskLayers, parent: Parent) -> Parent:
    return Parent(tasks.delayed(*parent.parts), parent.divided)
