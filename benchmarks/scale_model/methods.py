"""Rounds of training as tasks for the simulation: ours, and what others do instead.

The graph is that of `dask_horn.training.graph`,

    partition → take → train → put → merge-level-i → parent,

and tasks run where Dask puts them: what needs the parent beside the parent, training where the
placement prefers it, sums where most of what they add up lies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.scale_model.simulation import Platform, Task, simulate
from dask_horn.training.merge import ARITY

__all__ = [
    "Costs",
    "Design",
    "data_parallel_seconds",
    "divided_rounds",
    "placed",
    "ring_seconds",
    "round_seconds",
]

_N_ROUNDS = 2  # simulated: the second, which starts where the first has ended, is what counts


@dataclass(frozen=True)
class Costs:
    """What the tasks of one network, divided by K, cost on one core.

    Attributes
    ----------
    parent_size, slice_size : int
        Parameters of the parent, and of a sub-model.
    partition_bytes : float
        Of a partition, as it is sent.
    step, train : float
        Seconds of an optimizer step, and of a training task beyond its steps.
    partition, take, put, add : float
        Seconds of drawing a partition, taking one slice, putting a group's slices, and adding up
        `ARITY` partial sums.
    parent, count : float
        Seconds of the outer step, and, in the same task, of counting one group's holders.
    """

    parent_size: int
    slice_size: int
    partition_bytes: float
    step: float
    train: float
    partition: float
    take: float
    put: float
    add: float
    parent: float
    count: float


@dataclass(frozen=True)
class Design:
    """What could be built otherwise.

    Attributes
    ----------
    takes_first : bool
        Whether the parent's worker takes all slices before it trains its own. As it is built, its
        own training has come before the slices of later groups, which then wait for its end.
    relay : bool
        Whether the parent goes down a tree to one worker of each group, which takes the group's
        slices there, in place of all slices being taken, and sent, by the parent's worker.
    count_once : bool
        Whether holders are counted for one group and multiplied, as one partition for all allows.
    """

    takes_first: bool = False
    relay: bool = False
    count_once: bool = False


def placed(group: int, submodel: int, n_groups: int, n_workers: int) -> int:
    """Return the worker that a training task prefers, as `ClusterExecutor.placement` does."""
    if n_workers <= n_groups:
        return (submodel * n_groups + group) % n_workers
    n_own = len(range(group, n_workers, n_groups))
    return group + n_groups * (submodel % n_own)


def divided_rounds(
    costs: Costs,
    n_groups: int,
    n_submodels: int,
    n_workers: int,
    steps: float,
    *,
    design: Design | None = None,
    build_seconds: float = 0.0,
    n_rounds: int = _N_ROUNDS,
) -> list[Task]:
    """Write rounds out, from a parent on worker 0.

    Parameters
    ----------
    costs : Costs
    n_groups, n_submodels, n_workers : int
    steps : float
        Optimizer steps of each sub-model in a round.
    design : Design, optional
        As it is built, by default.
    build_seconds : float
        That the client is busy with each task before it submits the round.
    n_rounds : int
    """
    graph = _Graph(costs, design or Design(), n_workers, build_seconds)
    parent = graph.add("start", 0, 0.0, (), 8 * costs.parent_size)
    for _ in range(n_rounds):
        parent = graph.add_round(parent, n_groups, n_submodels, steps)
    return graph.released()


class _Graph:
    """Tasks so far, and where they run."""

    def __init__(self, costs: Costs, design: Design, n_workers: int, build: float) -> None:
        self.costs = costs
        self.design = design
        self.n_workers = n_workers
        self.build = build
        self.tasks: list[Task] = []
        self.ends_of_rounds: list[int] = []

    def add(
        self, stage: str, worker: int, seconds: float, inputs: Sequence[int], n_bytes: float
    ) -> int:
        first = int(self.design.takes_first and stage in ("relay", "take"))
        self.tasks.append(Task(stage, worker, seconds, tuple(inputs), n_bytes, priority=first))
        return len(self.tasks) - 1

    def add_round(self, parent: int, n_groups: int, n_submodels: int, steps: float) -> int:
        costs = self.costs
        partitions, sums, parents = [], [], [parent]
        for group in range(n_groups):
            near = placed(group, 0, n_groups, self.n_workers)
            if self.design.relay:
                above = parents[(group + ARITY - 1) // ARITY]
                parents.append(self.add("relay", near, 0.0, [above], 4 * costs.parent_size))
            own = parents[-1]
            partition = self.add("partition", near, costs.partition, (), costs.partition_bytes)
            trained = []
            for submodel in range(n_submodels):
                slice_bytes = 4 * costs.slice_size
                beside = self.tasks[own].worker
                take = self.add("take", beside, costs.take, (own, partition), slice_bytes)
                place = placed(group, submodel, n_groups, self.n_workers)
                seconds = costs.train + steps * costs.step
                trained.append(self.add("train", place, seconds, (take, partition), slice_bytes))
            inputs = (*trained, partition)
            sums.append(
                self.add("put", self._most(trained), costs.put, inputs, 4 * costs.parent_size)
            )
            partitions.append(partition)
        counted = 1 if self.design.count_once else n_groups
        seconds = costs.parent + counted * costs.count
        inputs = (parent, self._add_up(sums), *partitions)
        beside = self.tasks[parent].worker
        merged = self.add("parent", beside, seconds, inputs, 8 * costs.parent_size)
        self.ends_of_rounds.append(merged)
        return merged

    def _add_up(self, sums: list[int]) -> int:
        level = 0
        while len(sums) > 1:
            level += 1
            parts = [sums[i : i + ARITY] for i in range(0, len(sums), ARITY)]
            sums = [
                self.add(
                    f"merge-level-{level}",
                    self._most(part),
                    self.costs.add * len(part) / ARITY,
                    part,
                    4 * self.costs.parent_size,
                )
                for part in parts
            ]
        return sums[0]

    def _most(self, inputs: Sequence[int]) -> int:
        """Return the worker where most of the inputs lie, the first of them if several do."""
        return Counter(self.tasks[number].worker for number in inputs).most_common(1)[0][0]

    def released(self) -> list[Task]:
        """Return the tasks, each released when the client has built its whole round."""
        if not self.build:
            return self.tasks
        tasks: list[Task] = []
        for end in self.ends_of_rounds:
            built = (end + 1) * self.build
            tasks.extend(replace(task, released=built) for task in self.tasks[len(tasks) : end + 1])
        return tasks


def round_seconds(tasks: Sequence[Task], platform: Platform) -> float:
    """Return the seconds from one parent to the next, in the last of the rounds."""
    ends = simulate(tasks, platform).ends
    parents = [end for task, end in zip(tasks, ends, strict=True) if task.stage == "parent"]
    return parents[-1] - parents[-2]


def ring_seconds(n_bytes: float, n_workers: int, platform: Platform) -> float:
    """Return the seconds of a ring all-reduce: 2 (W - 1) messages of a Wth, one after the other."""
    if n_workers == 1:
        return 0.0
    message = n_bytes / n_workers / platform.bandwidth + platform.latency
    return 2 * (n_workers - 1) * message


def data_parallel_seconds(
    step: float, n_bytes: float, n_workers: int, steps: float, platform: Platform
) -> float:
    """Return the seconds of so many synchronous steps, gradients of `n_bytes` being averaged.

    In favour of this method, its messages are taken to hide behind all of the computing, or
    computing behind them: a step takes as long as the longer of the two.
    """
    return steps * max(step, ring_seconds(n_bytes, n_workers, platform))
