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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels.cpu.slices import outer_step
from dask_horn.network import ParameterTable
from dask_horn.partition import Partition
from dask_horn.training.spec import OuterStep
from dask_horn.training.submodel import SubmodelReport, Trained

__all__ = ["ARITY", "ParentState", "PartialSum", "add_partial_sums", "put_group", "step_parent"]

#: Partial sums that one merge task adds up: fixed, since float addition is not associative.
ARITY = 4


@dataclass(frozen=True, eq=False)
class ParentState:
    """A parent between rounds.

    Its size is told to Dask, which else would take it, and what is below, for next to nothing:
    it puts tasks where moving their inputs costs least, and counts what a worker holds.

    Attributes
    ----------
    round : int
        Rounds that it has been through.
    parameters, momentum : ndarray of float32, (table.size,)
        The parameters, and the outer momentum in the same layout.
    reports : tuple of SubmodelReport
        Of the round that made it, by group and sub-model.
    """

    round: int
    parameters: NDArray[np.float32]
    momentum: NDArray[np.float32]
    reports: tuple[SubmodelReport, ...] = ()

    def __sizeof__(self) -> int:
        return int(self.parameters.nbytes + self.momentum.nbytes)

    @classmethod
    def start(cls, parameters: NDArray[np.float32], round: int = 0) -> ParentState:
        """Return a parent that no round has changed yet."""
        return cls(round, parameters, np.zeros_like(parameters))


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
    that all groups have. Entries without a holder keep their value and their outer momentum.
    """
    count = np.zeros(table.size, np.float32)
    for (number, submodel), samples in _samples_seen(partial_sum, len(partitions)).items():
        partitions[number].slice_map(table, submodel).count(count, samples)
    parameters, momentum = parent.parameters.copy(), parent.momentum.copy()
    outer_step(
        parameters,
        momentum,
        partial_sum.total,
        count,
        np.float32(step.rate),
        np.float32(step.momentum),
    )
    return ParentState(parent.round + 1, parameters, momentum, partial_sum.reports)


def _samples_seen(partial_sum: PartialSum, n_partitions: int) -> dict[tuple[int, int], int]:
    """Sum up the samples that the holders of each sub-model of each partition have seen."""
    groups = sorted({report.group for report in partial_sum.reports})
    number_of = {group: i if n_partitions > 1 else 0 for i, group in enumerate(groups)}
    seen: dict[tuple[int, int], int] = {}
    for report in partial_sum.reports:
        key = number_of[report.group], report.submodel
        seen[key] = seen.get(key, 0) + report.samples
    return seen
