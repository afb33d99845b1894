"""The training graph: groups, sub-models and reduction, built with `dask.delayed`.

    partition → take → train → put → merge-level-i → parent → report ( → evaluate → validation )

Takes stay beside their parent, so that slices travel and parents do not; deltas travel to where
they are added up, and only sums of many groups from there to the parent. Keys are tuples whose
first element is the stage and the run, ``("train-<run>", round, group, submodel)``, so that the
dashboard names and colours the stages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dask
import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dask_horn.cluster import Placement
from dask_horn.data import Block
from dask_horn.partition import Partition
from dask_horn.training.division import first_values, partition_of
from dask_horn.training.evaluate import Score, add_scores, score_blocks
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

__all__ = ["RoundGraph", "RoundReport", "near", "round_graph", "start_graph"]


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


def start_graph(
    spec: RunSpec, shared: Delayed, homes: Placement | None = None
) -> tuple[Delayed, ...]:
    """Tasks that draw the initial parents: one, or one for each member of an ensemble."""
    parents = []
    for lineage in range(spec.n_parents):
        with near(homes, lineage):
            key = (f"start-{spec.run}", lineage)
            parents.append(_task(initial_parent, key, shared, lineage))
    return tuple(parents)


def round_graph(
    spec: RunSpec,
    shared: Delayed,
    parents: Sequence[Any],
    round: int,
    *,
    placement: Placement | None = None,
    homes: Placement | None = None,
) -> RoundGraph:
    """Build one round: every lineage's groups, sub-models, and reduction.

    Parameters
    ----------
    spec : RunSpec
    shared : Delayed
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
    after = tuple(
        _lineage_graph(spec, shared, parent, round, lineage, placement, homes)
        for lineage, parent in enumerate(parents)
    )
    score = None
    if spec.validation is not None:
        parts = [
            _task(evaluate_blocks, (f"evaluate-{spec.run}", round, i), shared, blocks, *after)
            for i, blocks in enumerate(spec.validation_blocks)
        ]
        score = _task(add_scores, (f"validation-{spec.run}", round), parts)
    with near(homes, 0):
        report = _task(collect_report, (f"report-{spec.run}", round), round, score, *after)
    return RoundGraph(after, report)


def _lineage_graph(
    spec: RunSpec,
    shared: Delayed,
    parent: Any,
    round: int,
    lineage: int,
    placement: Placement | None,
    homes: Placement | None,
) -> Delayed:
    """Build one parent's round: its groups are divided, trained and merged into it."""
    run, plan = spec.run, spec.rounds[round]
    groups = plan.lineages[lineage]
    at_home = partial(near, homes, lineage)
    partitions, sums = [], []
    for number, group in enumerate(groups):
        with at_home():
            partition = _task(
                partition_of, (f"partition-{run}", round, group), shared, round, group
            )
        trained = []
        for submodel in range(plan.n_submodels):
            place = (round, group, submodel)
            # Before any training here: others wait for their slices.
            with at_home(), dask.annotate(priority=1):
                part = _task(
                    take_slice, (f"take-{run}", *place), shared, parent, partition, submodel
                )
            with near(placement, group, submodel):
                trained.append(
                    _task(train_slice, (f"train-{run}", *place), shared, part, partition, *place)
                )
        partitions.append(partition)
        # A group's deltas are smaller than their sum: put them where the sums are added up.
        first = number - number % ARITY
        with near(placement, groups[first]) if first else at_home():
            sums.append(_task(put_slices, (f"put-{run}", round, group), shared, partition, trained))
    level, stride = 0, 1
    while len(sums) > 1:
        level, stride = level + 1, stride * ARITY
        merged = []
        for i in range(0, len(sums), ARITY):
            level_key = (f"merge-level-{level}-{run}", round, lineage, i // ARITY)
            with near(placement, groups[i // ARITY * stride]) if i else at_home():
                merged.append(_task(add_partial_sums, level_key, sums[i : i + ARITY]))
        sums = merged
    key = (f"parent-{run}", round, lineage)
    with at_home():
        return _task(next_parent, key, shared, parent, sums[0], partitions, round)


def _task(function: Callable[..., Any], key: tuple[Any, ...], *args: Any) -> Delayed:
    """Delay a call, with a key of our own choice."""
    return delayed(function, pure=False, traverse=False)(*args, dask_key_name=key)


@contextlib.contextmanager
def near(placement: Placement | None, group: int, submodel: int = 0) -> Iterator[None]:
    """Prefer the workers of that place, softly: any other may take the tasks too."""
    workers = placement(group, submodel) if placement else ()
    if not workers:
        yield
        return
    with dask.annotate(workers=list(workers), allow_other_workers=True):
        yield


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
