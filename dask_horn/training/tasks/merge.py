"""The reduction: deltas → group → parent, by the holders' weighted mean and an outer step.

Partial sums ``Σ n δ`` add up, so they may be combined in a tree; the division by ``Σ n`` happens
once, at the root. The counts follow from the partitions and are never sent.

References
----------
Douillard et al. (2023), "DiLoCo", arXiv:2311.08105, algorithm 1: the outer Nesterov step.
Yuan et al. (2022), "Distributed learning of fully connected neural networks using independent
subnet training", PVLDB 15(8): averaging what sub-models share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels.slices import outer_step
from dask_horn.network import ParameterTable
from dask_horn.partition import Partition
from dask_horn.records import SubmodelReport
from dask_horn.training.plan.spec import OuterStep
from dask_horn.training.tasks.submodel import Trained

__all__ = [
    "ARITY",
    "PART_ARITY",
    "ParentState",
    "PartialSum",
    "Share",
    "add_deltas",
    "add_partial_sums",
    "join_parts",
    "put_group",
    "share_of",
    "step_parent",
    "step_part",
    "take_part",
]

#: Whole parents' sums that one merge task adds up: fixed, since float addition is not associative.
ARITY = 4
#: Deltas of one sub-model, or their sums, that one task adds up: they are smaller, so more of them.
PART_ARITY = 8

_NO_MOMENTUM = np.zeros(0, np.float32)
_NO_STATISTICS = np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class ParentState:
    """A parent between rounds, or the part of it that a sub-model is.

    Its size is told to Dask, which else would take it, and what is below, for next to nothing:
    it puts tasks where moving their inputs costs least, and counts what a worker holds.

    Attributes
    ----------
    round : int
        Rounds that it has been through.
    parameters, momentum : ndarray of float32, (table.size,)
        The parameters, and the outer momentum in the same layout; (0,) in a run without it.
    reports : tuple of SubmodelReport
        Of the round that made it, by group and sub-model; of a part none: its share tells them.
    partition : Partition or None
        Which made the part; None of a whole parent.
    statistics : ndarray of float32, (n_statistics,)
        What it predicts with besides parameters, where that has been measured; else (0,).
    """

    round: int
    parameters: NDArray[np.float32]
    momentum: NDArray[np.float32]
    reports: tuple[SubmodelReport, ...] = ()
    partition: Partition | None = None
    statistics: NDArray[np.float32] = field(default_factory=_NO_STATISTICS.copy)

    def __sizeof__(self) -> int:
        return int(self.parameters.nbytes + self.momentum.nbytes + self.statistics.nbytes)

    @property
    def cut_by(self) -> Partition:
        """The partition of a part."""
        assert self.partition is not None, "a part knows its partition"
        return self.partition

    @classmethod
    def start(
        cls, parameters: NDArray[np.float32], round: int = 0, *, momentum: bool = True
    ) -> ParentState:
        """Return a parent that no round has changed yet."""
        return cls(round, parameters, np.zeros_like(parameters) if momentum else _NO_MOMENTUM)

    def without_momentum(self) -> ParentState:
        """Return what training needs."""
        return replace(self, momentum=_NO_MOMENTUM)

    def stepped(
        self,
        total: NDArray[np.float32],
        count: NDArray[np.float32],
        step: OuterStep,
        reports: tuple[SubmodelReport, ...] = (),
    ) -> ParentState:
        """Return what the outer step makes of it: ``total / count`` is the mean delta.

        Entries without a holder, whose count is 0, keep their value and their outer momentum.
        """
        keeps = self.momentum.size > 0
        momentum = self.momentum.copy() if keeps else np.zeros_like(self.parameters)
        parameters = self.parameters.copy()
        rate, mu = np.float32(step.rate), np.float32(step.momentum)
        outer_step(parameters, momentum, total, count, rate, mu)
        kept = momentum if keeps else _NO_MOMENTUM
        return ParentState(self.round + 1, parameters, kept, reports, self.partition)


@dataclass(frozen=True, eq=False)
class PartialSum:
    """``Σ n δ`` over some sub-models, in the parent's layout, and their reports."""

    total: NDArray[np.float32]
    reports: tuple[SubmodelReport, ...]

    def __sizeof__(self) -> int:
        return int(self.total.nbytes)


def put_group(
    table: ParameterTable, partition: Partition, trained: Sequence[Trained]
) -> PartialSum:
    """Put the deltas of a group's sub-models, weighted by samples, into the parent's layout."""
    total = np.zeros(table.size, np.float32)
    for submodel, result in enumerate(trained):
        partition.slice_map(table, submodel).put(result.delta, total, result.report.samples)
    return PartialSum(total, tuple(result.report for result in trained))


def add_partial_sums(sums: Sequence[PartialSum]) -> PartialSum:
    """Add partial sums in their order."""
    total = sums[0].total.copy()
    for other in sums[1:]:
        total += other.total
    return PartialSum(total, tuple(report for part in sums for report in part.reports))


def step_parent(
    table: ParameterTable,
    parent: ParentState,
    partial_sum: PartialSum,
    partitions: Sequence[Partition],
    step: OuterStep,
) -> ParentState:
    """Divide by the holders' samples and take the outer step; the root of the tree.

    `partitions` are those of the parent's groups, in the order of the reports' groups, or the one
    that all groups have.
    """
    count = np.zeros(table.size, np.float32)
    for (number, submodel), samples in _samples_seen(partial_sum, len(partitions)).items():
        partitions[number].slice_map(table, submodel).count(count, samples)
    return parent.stepped(partial_sum.total, count, step, partial_sum.reports)


def _samples_seen(partial_sum: PartialSum, n_partitions: int) -> dict[tuple[int, int], int]:
    """Sum up the samples that the holders of each sub-model of each partition have seen."""
    groups = sorted({report.group for report in partial_sum.reports})
    number_of = {group: i if n_partitions > 1 else 0 for i, group in enumerate(groups)}
    seen: dict[tuple[int, int], int] = {}
    for report in partial_sum.reports:
        key = number_of[report.group], report.submodel
        seen[key] = seen.get(key, 0) + report.samples
    return seen


# A parent in parts: what follows is the same reduction, by sub-model. A tensor that spans a divided
# axis belongs to one part alone; the others, `shared`, are whole in every part.


@dataclass(frozen=True, eq=False)
class Share:
    """What one sub-model adds to the tensors that all hold: ``Σ n δ`` and ``Σ n``; its reports."""

    totals: Mapping[str, NDArray[np.float32]]
    samples: int
    reports: tuple[SubmodelReport, ...]


def take_part(
    table: ParameterTable, parent: ParentState, partition: Partition, submodel: int
) -> ParentState:
    """Take the part that is one sub-model out of a parent."""
    places = partition.slice_map(table, submodel)
    momentum = places.take(parent.momentum) if parent.momentum.size else _NO_MOMENTUM
    parameters = places.take(parent.parameters)
    return ParentState(parent.round, parameters, momentum, partition=partition)


def join_parts(
    table: ParameterTable, shared: Sequence[str], parts: Sequence[ParentState]
) -> ParentState:
    """Put the parts of a parent together; entries that no part holds are 0."""
    whole = ParentState.start(
        np.zeros(table.size, np.float32), parts[0].round, momentum=parts[0].momentum.size > 0
    )
    for submodel, part in enumerate(parts):
        places = part.cut_by.slice_map(table, submodel)
        for values, into in _vectors(part, whole):
            places.put(values, into)
            if submodel == len(parts) - 1:  # each has added what all of them hold
                for name in shared:
                    table.view(into, name)[:] = places.table.view(values, name)
    return whole


def _vectors(
    part: ParentState, whole: ParentState
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    pairs = [(part.parameters, whole.parameters), (part.momentum, whole.momentum)]
    return [pair for pair in pairs if pair[0].size]


def _weighted(one: Trained | PartialSum, entries: slice = slice(None)) -> NDArray[np.float32]:
    """Return ``Σ n δ`` of one training, or of those that are added up already."""
    if isinstance(one, PartialSum):
        return one.total[entries]
    return np.float32(one.report.samples) * one.delta[entries]


def _reports(found: Sequence[Trained | PartialSum]) -> tuple[SubmodelReport, ...]:
    reports: list[SubmodelReport] = []
    for one in found:
        reports.extend(one.reports if isinstance(one, PartialSum) else (one.report,))
    return tuple(reports)


def add_deltas(found: Sequence[Trained | PartialSum]) -> PartialSum:
    """Add up what several groups have found for one sub-model, in its own layout."""
    total = _weighted(found[0])
    if isinstance(found[0], PartialSum):
        total = total.copy()  # which is somebody's result
    for one in found[1:]:
        total += _weighted(one)
    return PartialSum(total, _reports(found))


def share_of(
    table: ParameterTable, shared: Sequence[str], found: Sequence[Trained | PartialSum]
) -> Share:
    """Tell what one sub-model, of that table, adds to the shared tensors."""
    totals = {}
    for name in shared:
        tensor = table[name]
        totals[name] = np.zeros(tensor.shape, np.float32)
        for one in found:
            entries = slice(tensor.offset, tensor.offset + tensor.size)
            totals[name] += _weighted(one, entries).reshape(tensor.shape)
    reports = _reports(found)
    return Share(totals, sum(report.samples for report in reports), reports)


def step_part(
    table: ParameterTable,
    shared: Sequence[str],
    part: ParentState,
    found: Sequence[Trained | PartialSum],
    shares: Sequence[Share],
    step: OuterStep,
) -> ParentState:
    """Take the outer step of one part; `shares` are those of all parts, in their order."""
    total = add_deltas(found).total
    samples = sum(report.samples for report in _reports(found))
    count = np.full(table.size, samples, np.float32)
    for name in shared:
        table.view(total, name)[:] = sum(share.totals[name] for share in shares)
        table.view(count, name)[:] = sum(share.samples for share in shares)
    return part.stepped(total, count, step)
