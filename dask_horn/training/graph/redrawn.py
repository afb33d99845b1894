"""Rounds of a parent whose groups all draw partitions of their own: it is whole between rounds."""

from __future__ import annotations

from dask.task_spec import TaskRef

from dask_horn.cluster import Seat
from dask_horn.records import SubmodelId
from dask_horn.training.graph.parent import Parent
from dask_horn.training.graph.stages import Stages, Trained
from dask_horn.training.graph.trainings import Start
from dask_horn.training.tasks.merge import ARITY
from dask_horn.training.tasks.round_tasks import cut_slice, next_parent, put_slices, sum_groups


class RedrawnStages(Stages):
    """No part outlives its round: slices are cut, trained, and put back into whole sums."""

    def divide(self, parent: Parent) -> Parent:
        """Leave it whole: every group cuts slices of its own."""
        return Parent((self.tasks.use(*parent.parts),))

    def starts(self, parent: Parent) -> list[Start]:
        """Cut every group's slices beside the parent."""
        starts = []
        for group in self.groups:
            for submodel in range(self.n_submodels):
                which = SubmodelId(self.round, group, submodel)
                cut = self.tasks.call(
                    cut_slice,
                    self.key("take", group, submodel),
                    (self.common, parent.parts[0], which),
                    near=self.home,
                    priority=1,  # before any training here: others wait for their slices
                )
                starts.append(Start(which, cut, self.placement(group, submodel)))
        return starts

    def _own(self, arrived: Trained, group: int) -> list[TaskRef]:
        """Return a group's trainings, in the order of its sub-models."""
        return [arrived[which] for which in sorted(arrived) if which.group == group]

    def merge(self, parent: Parent, arrived: Trained) -> tuple[Parent, list[TaskRef]]:
        """Put each group's deltas into a whole sum, add those up, and step the parent."""
        present = [g for g in self.groups if any(which.group == g for which in arrived)]

        def adder(number: int) -> Seat:  # a group's sum is larger than its deltas
            return self.placement(present[number], 0) if number else self.home

        sums = [
            self.tasks.call(
                put_slices,
                self.key("put", group),
                (self.common, self.round, group, self._own(arrived, group)),
                near=adder(number - number % ARITY),
            )
            for number, group in enumerate(present)
        ]
        (total,) = self.reduced(sum_groups, sums, ARITY, 1, place=(), seat=adder)
        merged = self.tasks.call(
            next_parent,
            self.key("update", self.member),
            (self.common, parent.parts[0], total, self.round),
            near=self.home,
        )
        return Parent((merged,)), [merged]
