"""The training graph: groups, sub-models and reduction, as lazy objects of Dask.

    initial-values → take → send → train → merge → share → update → parent → score → record

Where all groups of a parent are divided alike, as they are by default, the parent stays in parts
from round to round: each sub-model's deltas are added up over the groups (`merge`) and stepped
(`update`) on a worker of its own, where the next round trains it, while other groups are sent a
slice of it. The sub-models tell each other no more than what they add to the few entries that all
of them hold (`share`). The `parent` is put together where somebody wants it: to score it, to divide
it otherwise, to save it, at the end. Where there is a `BatchNorm`, a task `statistics` measures its
population then, before anything is predicted.

Where each group draws a partition of its own in each round, no part outlives its round:

    take → train → put → merge → update → score → record

A device with memory of its own trains many sub-models in one task. Its key is that of the first;
their slices are gathered before, and each one's delta is picked out by a task of its own:

    gather → train → delta

Partitions follow from the seed: tasks find them where they run. Takes stay beside the parent, so
that slices travel and parents do not; deltas travel to where they are added up. Keys are tuples
whose first element is the stage and the run, ``("train-<run>", round, group, submodel)``, so that
Dask's pages name and colour the stages. Their colours follow from the names, so a stage is called
what gives it a colour that nobody takes for another's: a test tells.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from dask.delayed import Delayed, delayed
from dask.task_spec import TaskRef

from dask_horn.cluster import Executor, Placement
from dask_horn.records import RoundReport, SubmodelId, add_scores
from dask_horn.training.graph.joined import JoinedStages
from dask_horn.training.graph.parent import Parent, Parents
from dask_horn.training.graph.redrawn import RedrawnStages
from dask_horn.training.graph.stages import Stages
from dask_horn.training.graph.task_layers import TaskLayers
from dask_horn.training.graph.trainings import Trainings
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.round_tasks import collect_report, evaluate_blocks, initial_parent


def shared_spec(spec: RunSpec) -> Delayed:
    """Make the spec a task of its own: sent to each worker once, not with every task."""
    name = f"options-{spec.keys}" if spec.decay is None else f"options-{spec.keys}-settled"
    return delayed(spec, name=name, traverse=False)


def _settled(spec: RunSpec, report: RoundReport) -> RunSpec:
    return spec.settled(report.loss)


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


@dataclass(frozen=True)
class Graphs:
    """Writes the graphs of a run.

    Attributes
    ----------
    spec : RunSpec
    shared : Delayed or Future
        The same, as the task that all others take it from.
    homes : Placement
        From (member, 0) to the seat where its parent is put together.
    """

    spec: RunSpec
    shared: Any
    homes: Placement

    def start(self) -> Parents:
        """Tasks that draw the initial parents: one, or one for each member of an ensemble."""
        tasks = TaskLayers()
        common = tasks.use(self.shared)
        starts = [
            tasks.call(
                initial_parent,
                (f"initial-values-{self.spec.keys}", member),
                (common, member),
                near=self.homes(member, 0),
            )
            for member in range(self.spec.n_parents)
        ]
        return tuple(Parent((start,)) for start in tasks.delayed(*starts))

    def round(self, parents: Parents, round: int, placement: Placement) -> RoundTasks:
        """Begin to write one round: `parents` are what it starts from, `round` counts from 0.

        `placement` tells the seats that trainings prefer, from (group, sub-model).
        """
        stages = self.stages(round, placement)
        divided = tuple(one.divide(parent) for one, parent in zip(stages, parents, strict=True))
        starts = [
            start
            for one, parent in zip(stages, divided, strict=True)
            for start in one.starts(parent)
        ]
        writer = Trainings(stages[0].tasks, self.spec, stages[0].common)
        return RoundTasks(self, stages, divided, writer.write(starts))

    def stages(self, round: int, placement: Placement) -> list[Stages]:
        """Return what writes the stages of each parent's round, with nothing written yet."""
        tasks = TaskLayers()
        common = tasks.use(self.shared)
        kind = RedrawnStages if self.spec.redraw else JoinedStages
        return [
            kind(tasks, self.spec, common, round, member, placement, self.homes(member, 0))
            for member in range(self.spec.n_parents)
        ]

    def settled(self, report: Delayed) -> Graphs:
        """Return what writes later rounds: a task settles their spec by the first ones' report."""
        name = f"options-{self.spec.keys}-settled"
        shared = delayed(_settled, pure=False)(self.shared, report, dask_key_name=name)
        return replace(self, shared=shared)

    def wholes(self, parents: Parents, number: int) -> tuple[Delayed, ...]:
        """Tasks that put parents together; `number` tells them from others of the run."""
        tasks = TaskLayers()
        common, place = tasks.use(self.shared), f"kept-{number}"
        found = []
        for member, parent in enumerate(parents):
            home = self.homes(member, 0)
            stages = JoinedStages(tasks, self.spec, common, 0, member, self.homes, home)
            whole = stages.whole(parent, (f"parent-{self.spec.keys}", place, member))
            found.append(stages.predicting(whole, place))
        return tasks.delayed(*found)


@dataclass(frozen=True)
class RoundTasks:
    """One round that is being written: its trainings, and then their merge.

    Attributes
    ----------
    graphs : Graphs
        Of the run.
    stages : list of Stages
        Of each parent.
    divided : tuple of Parent
        What the trainings start from.
    trained : dict of SubmodelId to TaskRef
        The training of every sub-model of every parent.
    handles : dict of SubmodelId to handle
        The same once they are submitted; empty before.
    kept : tuple of handles
        Of what is divided, for as long as the merge is not submitted.
    """

    graphs: Graphs
    stages: list[Stages]
    divided: Parents
    trained: dict[SubmodelId, TaskRef]
    handles: Mapping[SubmodelId, Any] = field(default_factory=dict)
    kept: tuple[Any, ...] = ()

    def submit(self, executor: Executor) -> RoundTasks:
        """Begin the trainings; what is written from now on takes what has become of them."""
        tasks = self._tasks
        parts = {part.key: part for parent in self.divided for part in parent.parts}
        handles = {key: tasks.handle_of(part) for key, part in parts.items()}
        new = {key: parts[key] for key, handle in handles.items() if handle is None}
        begun = executor.submit(*tasks.delayed(*new.values(), *self.trained.values()))
        handles.update(zip(new, begun, strict=False))  # the trainings follow
        trained = dict(zip(self.trained, begun[len(new) :], strict=True))
        stages = self.graphs.stages(self.stages[0].round, self.stages[0].placement)
        use = stages[0].tasks.use
        divided = tuple(
            replace(parent, parts=tuple(use(handles[part.key]) for part in parent.parts))
            for parent in self.divided
        )
        references = {which: use(handle) for which, handle in trained.items()}
        return RoundTasks(
            self.graphs, stages, divided, references, trained, tuple(handles.values())
        )

    def merged(self, arrived: Collection[SubmodelId]) -> RoundGraph:
        """Write the merge of those that have arrived, some of each parent; score and report."""
        spec, round = self.graphs.spec, self.stages[0].round
        is_last = round == len(spec.rounds) - 1
        after: list[Parent] = []
        wholes: list[TaskRef] = []
        tellers: list[TaskRef] = []
        for stages, parent in zip(self.stages, self.divided, strict=True):
            own = {which: self.trained[which] for which in arrived if which.group in stages.groups}
            merged, telling = stages.merge(parent, own)
            tellers += telling
            if is_last or spec.validation is not None:
                whole = stages.whole(merged, stages.key("parent", stages.member))
                wholes.append(stages.predicting(whole, round))
            after.append(Parent((wholes[-1],)) if is_last else merged)
        # Before scoring, which nobody who wants the parents waits for.
        parents = tuple(
            Parent(self._tasks.delayed(*parent.parts), parent.divided) for parent in after
        )
        return RoundGraph(parents, self._report(wholes, tellers))

    def _report(self, wholes: list[TaskRef], tellers: list[TaskRef]) -> Delayed:
        """Score the parents where there are validation rows; collect what was reported."""
        first, tasks = self.stages[0], self._tasks
        spec, common = first.spec, first.common
        score = None
        if spec.validation is not None:
            scores = [
                tasks.call(
                    evaluate_blocks,
                    first.key("score", i),
                    (common, blocks, *wholes),
                    only=first.scorers,
                )
                for i, blocks in enumerate(spec.validation_blocks)
            ]
            score = tasks.call(add_scores, first.key("score", "total"), (scores,))
        report = tasks.call(
            collect_report,
            first.key("record"),
            (common, first.round, score, *tellers),
            near=first.home,
        )
        return tasks.delayed(report)[0]

    @property
    def _tasks(self) -> TaskLayers:
        return self.stages[0].tasks
