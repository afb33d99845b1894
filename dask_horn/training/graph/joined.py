"""Rounds of a parent that stays in parts: all of its groups have the same partition."""

from __future__ import annotations

from dataclasses import replace

from dask.task_spec import TaskRef

from dask_horn.cluster import Seat
from dask_horn.records import SubmodelId
from dask_horn.training.graph.parent import Parent, rotated
from dask_horn.training.graph.stages import Stages, Trained
from dask_horn.training.graph.trainings import Start
from dask_horn.training.plan.merge_rules import MERGE_RULES
from dask_horn.training.tasks.merge import PART_ARITY
from dask_horn.training.tasks.round_tasks import (
    cut_part,
    next_part,
    share_deltas,
    slice_of,
    sum_deltas,
)


class JoinedStages(Stages):
    """Each part is trained in every group, and merged on a worker of its own."""

    def divide(self, parent: Parent) -> Parent:
        """Cut the parent anew, unless its parts are those of this round."""
        if parent.divided and len(parent.parts) == self.n_submodels:
            return replace(parent, parts=tuple(self.tasks.use(part) for part in parent.parts))
        whole = self.whole(parent, self.key("parent", self.member, "before"))
        parts = [
            self.tasks.call(
                cut_part,
                self.key("take", self.groups[0], submodel),
                (self.common, whole, self.round, self.member, submodel),
                near=self.home,
                priority=1,  # before any training here: others wait for their slices
            )
            for submodel in range(self.n_submodels)
        ]
        return Parent(tuple(parts), divided=True, cut=True)

    def starts(self, parent: Parent) -> list[Start]:
        """Train every part in every group, the first beside the part."""
        starts = []
        for submodel, part in enumerate(parent.parts):
            slice = self._slice(part, submodel)
            for group in rotated(self.groups, submodel):
                away = group != self._first(submodel)
                start = Start(
                    SubmodelId(self.round, group, submodel),
                    slice,
                    self.placement(group, submodel),
                    arrives=away or parent.cut,
                    leaves=away or not self._stays_divided(),
                )
                starts.append(start)
        return starts

    def merge(self, parent: Parent, arrived: Trained) -> tuple[Parent, list[TaskRef]]:
        """Let the parts tell each other what they add to what all hold, and step each."""
        found = [self._added_up(m, arrived) for m in range(self.n_submodels)]
        shares = [
            self.tasks.call(
                share_deltas,
                self.key("share", self.member, m),
                (self.common, self.round, self.member, m, deltas),
                near=self._at(m),
                priority=1,
            )
            for m, deltas in enumerate(found)
        ]
        after = [
            self.tasks.call(
                next_part,
                self.key("update", self.member, m),
                (self.common, parent.parts[m], self.member, m, deltas, shares),
                near=self._at(m),
                priority=1,
            )
            for m, deltas in enumerate(found)
        ]
        return Parent(tuple(after), divided=True), shares

    def _first(self, submodel: int) -> int:
        """Return the group beside whose training a part stays."""
        return rotated(self.groups, submodel)[0]

    def _at(self, submodel: int) -> Seat:
        """Say where a part stays."""
        return self.placement(self._first(submodel), submodel)

    def _slice(self, part: TaskRef, submodel: int) -> TaskRef:
        """Return what travels to the groups: the part, or its slice where it has more to it."""
        if len(self.groups) == 1 or not MERGE_RULES[self.spec.merge_rule].n_states:
            return part
        key = self.key("send", self.member, submodel)
        return self.tasks.call(slice_of, key, (part,), near=self._at(submodel), priority=1)

    def _stays_divided(self) -> bool:
        """Whether the next round trains the same parts."""
        after = self.spec.rounds[self.round + 1 : self.round + 2]
        return any(plan.n_submodels == self.n_submodels for plan in after)

    def _added_up(self, submodel: int, arrived: Trained) -> list[TaskRef]:
        """Add up one sub-model's deltas until `PART_ARITY` sums at most are left."""
        ids = [SubmodelId(self.round, g, submodel) for g in rotated(self.groups, submodel)]
        ids = [which for which in ids if which in arrived]
        return self.reduced(
            sum_deltas,
            [arrived[which] for which in ids],
            PART_ARITY,
            PART_ARITY,
            place=(submodel,),
            seat=lambda number: self.placement(ids[number].group, submodel),
        )
