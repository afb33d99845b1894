"""Rounds of training as tasks for the simulation: ours, and what others do instead.

The graph is that of `dask_horn.training.graph`,

    partition → take → train → put → merge-level-i → parent,

with one partition for all groups, and tasks run on the workers that they prefer there: what needs
the parent at its home, training where the placement says, sums beside the first of the groups that
they add up.
"""

from __future__ import annotations

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
    partition, take, put, add, parent : float
        Seconds of drawing the partition, taking one slice, putting a group's deltas, adding up
        `ARITY` partial sums, and of the outer step, for which holders are counted once.
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


@dataclass(frozen=True)
class Design:
    """What could be built otherwise.

    Attributes
    ----------
    relay : bool
        Whether each slice goes down a tree of the workers that train it, in place of being sent
        to all of them by the parent's home. The partition travels with it.
    """

    relay: bool = False


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
        first = int(stage in ("relay", "take"))
        self.tasks.append(Task(stage, worker, seconds, tuple(inputs), n_bytes, priority=first))
        return len(self.tasks) - 1

    def add_round(self, parent: int, n_groups: int, n_submodels: int, steps: float) -> int:
        costs = self.costs
        home, slice_bytes = self.tasks[parent].worker, 4 * costs.slice_size
        partition = self.add("partition", home, costs.partition, (), costs.partition_bytes)
        slices = [
            self.add("take", home, costs.take, (parent, partition), slice_bytes)
            for _ in range(n_submodels)
        ]
        given = [[(start, partition) for start in slices] for _ in range(n_groups)]
        if self.design.relay:
            given = self._relayed(slices, partition, n_groups)
        seconds = costs.train + steps * costs.step
        sums = []
        for group in range(n_groups):
            trained = [
                self.add("train", self._placed(group, i, n_groups), seconds, inputs, slice_bytes)
                for i, inputs in enumerate(given[group])
            ]
            beside = self._placed(group - group % ARITY, 0, n_groups)
            inputs = (partition, *trained)
            sums.append(self.add("put", beside, costs.put, inputs, 4 * costs.parent_size))
        inputs = (parent, self._add_up(sums), partition)
        merged = self.add("parent", home, costs.parent, inputs, 8 * costs.parent_size)
        self.ends_of_rounds.append(merged)
        return merged

    def _relayed(
        self, slices: Sequence[int], partition: int, n_groups: int
    ) -> list[list[tuple[int, ...]]]:
        """Pass slices from group to group; return what each group's trainings get."""
        n_bytes = 4 * self.costs.slice_size + self.costs.partition_bytes
        held = [[(start, partition) for start in slices]]  # by whom groups get it from, in turn
        given = []
        for group in range(n_groups):
            inputs = held[(group + ARITY - 1) // ARITY]
            if ARITY * group + 1 < n_groups:  # else nobody is below
                inputs = [
                    (self.add("relay", self._placed(group, i, n_groups), 0.0, above, n_bytes),)
                    for i, above in enumerate(inputs)
                ]
                held.append(inputs)
            given.append(inputs)
        return given

    def _add_up(self, sums: list[int]) -> int:
        n_groups, level, stride = len(sums), 0, 1
        while len(sums) > 1:
            level, stride = level + 1, stride * ARITY
            parts = [sums[i : i + ARITY] for i in range(0, len(sums), ARITY)]
            sums = [
                self.add(
                    f"merge-level-{level}",
                    self._placed(i * stride, 0, n_groups),
                    self.costs.add * len(part) / ARITY,
                    part,
                    4 * self.costs.parent_size,
                )
                for i, part in enumerate(parts)
            ]
        return sums[0]

    def _placed(self, group: int, submodel: int, n_groups: int) -> int:
        return placed(group, submodel, n_groups, self.n_workers)

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
