"""The tasks of the training graph: thin, pure, and none changes what it is given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Block
from dask_horn.partition import Partition
from dask_horn.records import RoundReport, Score
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.division import first_values
from dask_horn.training.tasks.evaluate import score_blocks
from dask_horn.training.tasks.merge import (
    ParentState,
    PartialSum,
    Share,
    join_parts,
    put_group,
    share_of,
    step_parent,
    step_part,
    take_part,
)
from dask_horn.training.tasks.statistics import population_of
from dask_horn.training.tasks.submodel import Trained, train_submodel

__all__ = [
    "collect_report",
    "evaluate_blocks",
    "initial_parent",
    "measure_population",
    "next_parent",
    "next_part",
    "put_slices",
    "share_deltas",
    "slice_of",
    "take_slice",
    "train_part",
    "whole_parent",
]


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


def measure_population(spec: RunSpec, parent: ParentState, lineage: int) -> ParentState:
    """Measure what a whole parent predicts with, unless that is known."""
    if parent.statistics.size:
        return parent
    return replace(parent, statistics=population_of(spec, lineage, parent.parameters))


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
    return score_blocks(spec, blocks, parents)


def collect_report(
    spec: RunSpec, round: int, score: Score | None, *told: ParentState | Share
) -> RoundReport:
    """Keep what the client wants to know of a round, and leave the parameters behind."""
    plan = spec.rounds[round]
    reports = [report for one in told for report in one.reports]
    reports.sort(key=lambda report: (report.group, report.submodel))
    return RoundReport(round, plan.n_groups, plan.n_submodels, tuple(reports), score)
