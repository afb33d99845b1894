"""Rounds of training as tasks for the simulation: ours, and what others do instead.

The graph is that of a steady round of `dask_horn.training.graph`, whose parent stays in parts,

    slice → train → merge-level-i → share → part,

and tasks run on the workers that they prefer there: training where the placement says, sums beside
the first of the groups that they add up, and all else of a sub-model where its part stays.
A slice, which is the part without its outer momentum, is there only where
several groups train it. The first round's cut and the last one's parent are no part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.scale_model.simulation import Platform, Task, simulate
from dask_horn.training.graph.stages import turned
from dask_horn.training.tasks.merge import PART_ARITY

__all__ = [
    "Costs",
    "Design",
    "data_parallel_seconds",
    "divided_rounds",
    "placed",
    "ring_seconds",
    "round_seconds",
]

_N_ROUNDS = 2  # simulated: the second, from the end of the first to its own, is what counts


@dataclass(frozen=True)
class Costs:
    """What the tasks of one network, divided by K, cost on one core.

    Attributes
    ----------
    size : int
        Parameters of a sub-model.
    slice_bytes, delta_bytes : float
        Of a slice, and of a delta or a sum of deltas, as they are sent.
    share_bytes, report_bytes : float
        Of what a sub-model tells the others of a parent, and of each group's report in it.
    step, train : float
        Seconds of an optimizer step, and of a training task beyond its steps.
    slice, add, share, part : float
        Seconds of leaving the outer momentum behind, of adding up `PART_ARITY` deltas, of telling
        what is shared, and of the outer step of one part from a single delta.
    """

    size: int
    slice_bytes: float
    delta_bytes: float
    share_bytes: float
    report_bytes: float
    step: float
    train: float
    slice: float
    add: float
    share: float
    part: float


@dataclass(frozen=True)
class Design:
    """What could be built otherwise.

    Attributes
    ----------
    relay : bool
        Whether each slice goes down a tree of the workers that train it, in place of being sent
        to all of them by the worker where its part is.
    arity : int
        Sums that one merge task adds up.
    """

    relay: bool = False
    arity: int = PART_ARITY


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
    """Write steady rounds out, from the parts of a parent, each beside its first sub-model.

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
    graph = _Graph(costs, design or Design(), n_groups, n_workers, build_seconds)
    parts = [
        graph.add("start", graph.home(submodel), 0.0, (), 2 * costs.slice_bytes)
        for submodel in range(n_submodels)
    ]
    for _ in range(n_rounds):
        parts = graph.add_round(parts, steps)
    return graph.released()


#: What goes first on its worker: others wait for it.
_FIRST = ("relay", "slice", "share", "part")


class _Graph:
    """Tasks so far, and where they run."""

    def __init__(
        self, costs: Costs, design: Design, n_groups: int, n_workers: int, build: float
    ) -> None:
        self.costs = costs
        self.design = design
        self.n_groups = n_groups
        self.n_workers = n_workers
        self.build = build
        self.tasks: list[Task] = []
        self.ends_of_rounds: list[int] = []

    def add(
        self,
        stage: str,
        beside: tuple[int, int],
        seconds: float,
        inputs: Sequence[int],
        n_bytes: float,
    ) -> int:
        """Add a task beside the training of a group's sub-model; return its number."""
        worker = placed(*beside, self.n_groups, self.n_workers)
        first = int(stage in _FIRST)
        self.tasks.append(Task(stage, worker, seconds, tuple(inputs), n_bytes, priority=first))
        return len(self.tasks) - 1

    def home(self, submodel: int) -> tuple[int, int]:
        """Return the group, and the sub-model, beside whose training a part stays."""
        return self.turned(submodel)[0], submodel

    def turned(self, submodel: int) -> Sequence[int]:
        """Return the groups in the order of a sub-model, as the library does."""
        return turned(range(self.n_groups), submodel)

    def add_round(self, parts: Sequence[int], steps: float) -> list[int]:
        costs = self.costs
        found = [self._trained(part, m, steps) for m, part in enumerate(parts)]
        told = costs.share_bytes + self.n_groups * costs.report_bytes
        shares = [
            self.add("share", self.home(m), costs.share, (parts[m], *sums), told)
            for m, sums in enumerate(found)
        ]
        after = [
            self.add(
                "part",
                self.home(m),
                costs.part + self._adding(len(sums) - 1),  # it adds the last few up itself
                (parts[m], *sums, *shares),
                2 * costs.slice_bytes,
            )
            for m, sums in enumerate(found)
        ]
        self.ends_of_rounds.append(after[-1])
        return after

    def _adding(self, n: int) -> float:
        """Return the seconds of adding up so many deltas."""
        return self.costs.add * n / PART_ARITY

    def _trained(self, part: int, submodel: int, steps: float) -> list[int]:
        """Train one sub-model in every group; return its deltas, or the few sums of them."""
        costs, start = self.costs, part
        if self.n_groups > 1:
            start = self.add("slice", self.home(submodel), costs.slice, (part,), costs.slice_bytes)
        given = [start] * self.n_groups
        if self.design.relay:
            given = self._relayed(start, submodel)
        seconds = costs.train + steps * costs.step
        sums = [
            self.add("train", (group, submodel), seconds, (needed,), costs.delta_bytes)
            for group, needed in zip(self.turned(submodel), given, strict=True)
        ]
        level, stride, arity = 0, 1, self.design.arity
        while len(sums) > arity:
            level, stride = level + 1, stride * arity
            some = [sums[i : i + arity] for i in range(0, len(sums), arity)]
            sums = [
                self.add(
                    f"merge-level-{level}",
                    (self.turned(submodel)[i * stride], submodel),
                    self._adding(len(own)),
                    own,
                    costs.delta_bytes,
                )
                for i, own in enumerate(some)
            ]
        return sums

    def _relayed(self, start: int, submodel: int) -> list[int]:
        """Pass a slice from group to group; return what each group's training gets."""
        held = [start]  # by whom groups get it from, in turn
        given = [start]
        for number, group in enumerate(self.turned(submodel)[1:], 1):
            above = held[(number - 1) // PART_ARITY]
            if PART_ARITY * number + 1 < self.n_groups:  # else nobody is below
                above = self.add("relay", (group, submodel), 0.0, (above,), self.costs.slice_bytes)
                held.append(above)
            given.append(above)
        return given

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
    """Return the mean seconds from one round's end to the next, after the first of the rounds."""
    ends = simulate(tasks, platform).ends
    parts = [end for task, end in zip(tasks, ends, strict=True) if task.stage == "part"]
    n_submodels = sum(task.stage == "start" for task in tasks)
    first, last = parts[:n_submodels], parts[-n_submodels:]
    return (max(last) - max(first)) / (len(parts) // n_submodels - 1)


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
