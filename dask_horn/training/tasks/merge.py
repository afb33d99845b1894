"""The reduction: deltas → group → parent, by the holders' weighted mean and an outer step.

Partial sums ``Σ n δ`` add up, so they may be combined in a tree; the division by ``Σ n`` happens
once, at the root. The counts follow from the partitions and are never sent.

References
----------
Yuan et al. (2022), "Distributed learning of fully connected neural networks using independent
subnet training", PVLDB 15(8): averaging what sub-models share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dask_horn.network import ParameterTable
from dask_horn.partition import Partition, weigh_holders
from dask_horn.records import SubmodelReport
from dask_horn.training.plan.merge_rules import MergeRule
from dask_horn.training.plan.spec import OuterStep
from dask_horn.training.tasks.states import Part, States, Whole
from dask_horn.training.tasks.submodel import Trained

#: Whole parents' sums that one merge task adds up: fixed, since float addition is not associative.
ARITY = 4
#: Deltas of one sub-model, or their sums, that one task adds up: they are smaller, so more of them.
PART_ARITY = 8


@dataclass(frozen=True, eq=False)
class PartialSum:
    """``Σ n δ`` over some sub-models, in one layout, and their reports."""

    total: NDArray[np.float32]
    reports: tuple[SubmodelReport, ...]

    def __sizeof__(self) -> int:
        return int(self.total.nbytes)


@dataclass(frozen=True, eq=False)
class Share:
    """What one sub-model adds to the tensors that all hold: ``Σ n δ`` and ``Σ n``; its reports."""

    totals: Mapping[str, NDArray[np.float32]]
    weight: float
    reports: tuple[SubmodelReport, ...]


Found = Sequence[Trained | PartialSum]


def add_partial_sums(sums: Sequence[PartialSum]) -> PartialSum:
    """Add partial sums in their order."""
    total = sums[0].total.copy()
    for other in sums[1:]:
        total += other.total
    return PartialSum(total, tuple(report for part in sums for report in part.reports))


@dataclass(frozen=True)
class Merge:
    """The merge of one round.

    Attributes
    ----------
    table : ParameterTable
        The parent's.
    shared : sequence of str
        Tensors that span no divided axis: all sub-models hold them whole.
    rule : MergeRule
    settings : OuterStep
        Of the rule, in this round.
    """

    table: ParameterTable
    shared: Sequence[str]
    rule: MergeRule
    settings: OuterStep

    # Whole parents, whose groups have partitions of their own.

    def put_group(self, partition: Partition, trained: Sequence[Trained]) -> PartialSum:
        """Put the deltas of a group's sub-models, weighted, into the parent's layout."""
        total = np.zeros(self.table.size, np.float32)
        for one in trained:
            places = partition.slice_map(self.table, one.report.submodel)
            places.put(one.delta, total, self.rule.weigh(one.report))
        return PartialSum(total, tuple(one.report for one in trained))

    def step_whole(
        self, parent: Whole, partial_sum: PartialSum, partitions: Mapping[int, Partition]
    ) -> Whole:
        """Divide by the holders' weights and take the outer step; the root of the tree.

        `partitions` are those of the groups that have arrived, by their numbers.
        """
        weights = {
            (report.group, report.submodel): self.rule.weigh(report)
            for report in partial_sum.reports
        }
        count = weigh_holders(self.table, partitions, weights)
        parameters, states = self._step(parent, partial_sum.total, count)
        return Whole(parent.round + 1, parameters, states, partial_sum.reports)

    # Parents in parts, whose groups all have one partition. A tensor that spans a divided axis
    # belongs to one part alone; those that are shared are whole in every part.

    def take_part(self, parent: Whole, partition: Partition, submodel: int) -> Part:
        """Take the part that is one sub-model out of a parent."""
        places = partition.slice_map(self.table, submodel)
        states = tuple(places.take(state) for state in parent.states)
        return Part(places.take(parent.parameters), parent.round, states)

    def add_deltas(self, found: Found) -> PartialSum:
        """Add up what several groups have found for one sub-model, in its own layout."""
        total = self._weighted(found[0])
        if isinstance(found[0], PartialSum):
            total = total.copy()  # which is somebody's result
        for one in found[1:]:
            total += self._weighted(one)
        return PartialSum(total, _reports(found))

    def share_of(self, partition: Partition, submodel: int, found: Found) -> Share:
        """Tell what one sub-model adds to the shared tensors."""
        totals = {}
        for name in self.shared:
            tensor = partition.table_of(self.table, submodel)[name]
            totals[name] = np.zeros(tensor.shape, np.float32)
            for one in found:
                entries = slice(tensor.offset, tensor.offset + tensor.size)
                totals[name] += self._weighted(one, entries).reshape(tensor.shape)
        reports = _reports(found)
        return Share(totals, sum(map(self.rule.weigh, reports)), reports)

    def step_part(
        self, part: Part, table: ParameterTable, found: Found, shares: Sequence[Share]
    ) -> Part:
        """Take the outer step of one part, of that table; `shares` are of all parts, in order.

        Where nobody who trained the part has arrived, only what is shared changes.
        """
        total = self.add_deltas(found).total if found else np.zeros(table.size, np.float32)
        weight = sum(map(self.rule.weigh, _reports(found)))
        count = np.full(table.size, weight, np.float32)
        for name in self.shared:
            table.view(total, name)[:] = sum(share.totals[name] for share in shares)
            table.view(count, name)[:] = sum(share.weight for share in shares)
        parameters, states = self._step(part, total, count)
        return Part(parameters, part.round + 1, states)

    def join_parts(self, partition: Partition, parts: Sequence[Part]) -> Whole:
        """Put the parts of a parent together; entries that no part holds are 0."""
        if len(parts) == 1:
            return Whole(parts[0].round, parts[0].parameters, parts[0].states)
        whole = Whole.start(
            np.zeros(self.table.size, np.float32), len(parts[0].states), parts[0].round
        )
        for submodel, part in enumerate(parts):
            places = partition.slice_map(self.table, submodel)
            into = (whole.parameters, *whole.states)
            for values, target in zip((part.parameters, *part.states), into, strict=True):
                places.put(values, target)
                if submodel == len(parts) - 1:  # each has added what all of them hold
                    for name in self.shared:
                        self.table.view(target, name)[:] = places.table.view(values, name)
        return whole

    def _step(
        self, before: Whole | Part, total: NDArray[np.float32], count: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], States]:
        """Return parameters and states after the outer step; those before are not changed."""
        parameters = before.parameters.copy()
        states = tuple(state.copy() for state in before.states)
        self.rule.step(parameters, states, total, count, self.settings)
        return parameters, states

    def _weighted(
        self, one: Trained | PartialSum, entries: slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return ``Σ n δ`` of one training, or of those that are added up already."""
        if isinstance(one, PartialSum):
            return one.total[entries]
        return np.float32(self.rule.weigh(one.report)) * one.delta[entries]


def _reports(found: Found) -> tuple[SubmodelReport, ...]:
    reports: list[SubmodelReport] = []
    for one in found:
        reports.extend(one.reports if isinstance(one, PartialSum) else (one.report,))
    return tuple(reports)
