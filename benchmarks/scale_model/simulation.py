"""A discrete-event model of tasks on a cluster: what runs where, and when it ends.

It knows nothing of training. There are a scheduler that handles one task at a time, workers of one
core, and each worker's link to the network, which sends and receives at the same time:

- When the last input of a task is done, the scheduler is told, one latency later. It hands out one
  task after the other, each for `scheduler_seconds`; the task is at its worker one latency and the
  worker's own `overhead_seconds` later.
- There it asks the workers that made its inputs for those that its worker does not have. After
  `fetch_seconds` answers leave a sender one after the other, travel for a latency, and arrive at a
  receiver one after the other; both at the link's bandwidth, and at once where neither is busy.
  The network between them is never the limit. What has arrived stays, for later tasks of that
  worker.
- With all inputs there, it waits for the core; tasks that come earlier in the list go first, unless
  a task has a priority.

What is left out makes the model hopeful: memory, failures, the cost of sending on the sender's
core, work stealing, and a network whose middle is slower than its ends. One thing makes it
pessimistic: Dask also fetches an input from workers that have fetched it before.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Outcome", "Platform", "Task", "simulate"]


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes
    ----------
    stage : str
        What it is, for the account.
    worker : int
        Where it runs.
    seconds : float
        On the worker's core.
    inputs : tuple of int
        The tasks that it needs the outputs of, by their place in the list; all before its own.
    output_bytes : float
        What another worker has to fetch.
    released : float
        Seconds before which the scheduler does not know of it.
    priority : int
        Tasks of a higher one go first on their worker, whatever their place in the list.
    """

    stage: str
    worker: int
    seconds: float
    inputs: tuple[int, ...] = ()
    output_bytes: float = 0.0
    released: float = 0.0
    priority: int = 0


@dataclass(frozen=True)
class Platform:
    """What the tasks run on.

    Attributes
    ----------
    scheduler_seconds : float
        That the scheduler is busy with one task.
    overhead_seconds : float
        From the arrival of a task at its worker to its start, at least.
    bandwidth : float
        Bytes per second of a worker's link, each way.
    latency : float
        Seconds from one machine to another.
    fetch_seconds : float
        From a worker's request for an input to its answer, at least, beside the latency.
    """

    scheduler_seconds: float = 0.0
    overhead_seconds: float = 0.0
    bandwidth: float = float("inf")
    latency: float = 0.0
    fetch_seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """When tasks ended, and what was busy for how long.

    Attributes
    ----------
    ends : list of float
        Seconds at which each task was done.
    core, sending, receiving : dict of int to float
        Seconds that each worker's core and link were busy.
    scheduler : float
        Seconds that the scheduler was.
    """

    ends: list[float]
    core: dict[int, float]
    sending: dict[int, float]
    receiving: dict[int, float]
    scheduler: float

    @property
    def seconds(self) -> float:
        """When the last task was done."""
        return max(self.ends, default=0.0)


def simulate(tasks: Sequence[Task], platform: Platform) -> Outcome:
    """Run the tasks; the same answer each time."""
    return _Simulation(tasks, platform).run()


# Kinds of events, each with one argument.
_DONE, _KNOWN, _ASSIGNED, _ARRIVES, _DELIVERED = range(5)


class _Simulation:
    """The state between events, which happen in the order of their times."""

    def __init__(self, tasks: Sequence[Task], platform: Platform) -> None:
        self.tasks = tasks
        self.platform = platform
        self.events: list[tuple[float, int, int, tuple[int, int]]] = []
        self.n_events = 0
        self.dependents: list[list[int]] = [[] for _ in tasks]
        self.undone = [len(task.inputs) for task in tasks]
        self.undelivered = [0] * len(tasks)
        self.ends = [0.0] * len(tasks)
        self.ready: dict[int, list[tuple[int, int]]] = defaultdict(list)  # heaps, by worker
        self.running: set[int] = set()  # workers
        self.scheduler_free = 0.0
        self.sender_free: dict[int, float] = defaultdict(float)
        self.receiver_free: dict[int, float] = defaultdict(float)
        self.there: set[tuple[int, int]] = set()  # (task, worker) that has its output
        self.coming: dict[tuple[int, int], list[int]] = {}  # and those that wait for it
        self.busy: tuple[dict[int, float], ...] = tuple(defaultdict(float) for _ in range(3))
        self.scheduler_busy = 0.0
        for number, task in enumerate(tasks):
            for needed in task.inputs:
                self.dependents[needed].append(number)

    def run(self) -> Outcome:
        for number, task in enumerate(self.tasks):
            if not task.inputs:
                self._at(task.released, _KNOWN, number)
        handlers = (self._done, self._known, self._assigned, self._arrives, self._delivered)
        while self.events:
            now, _, kind, (number, worker) = heapq.heappop(self.events)
            handlers[kind](now, number, worker)
        return Outcome(self.ends, *map(dict, self.busy), self.scheduler_busy)

    def _at(self, time: float, kind: int, number: int, worker: int = -1) -> None:
        self.n_events += 1  # events of one time happen in the order in which they were made
        heapq.heappush(self.events, (time, self.n_events, kind, (number, worker)))

    def _known(self, now: float, number: int, _: int) -> None:
        """Let the scheduler, which knows that all inputs of a task are done, hand it out."""
        start = max(now, self.scheduler_free)
        self.scheduler_free = start + self.platform.scheduler_seconds
        self.scheduler_busy += self.platform.scheduler_seconds
        delay = self.platform.latency + self.platform.overhead_seconds
        self._at(self.scheduler_free + delay, _ASSIGNED, number)

    def _assigned(self, now: float, number: int, _: int) -> None:
        """Ask for the inputs that the task's worker does not have."""
        task = self.tasks[number]
        for needed in set(task.inputs):
            place = (needed, task.worker)
            if place in self.there:
                continue
            self.undelivered[number] += 1
            if place in self.coming:
                self.coming[place].append(number)
            else:
                self.coming[place] = [number]
                self._send(now, needed, task.worker)
        self._start_if_ready(now, number)

    def _send(self, now: float, number: int, to: int) -> None:
        sender = self.tasks[number].worker
        asked = now + self.platform.latency + self.platform.fetch_seconds
        start = max(asked, self.sender_free[sender])
        seconds = self.tasks[number].output_bytes / self.platform.bandwidth
        self.sender_free[sender] = start + seconds
        self.busy[1][sender] += seconds
        self._at(start + self.platform.latency, _ARRIVES, number, to)

    def _arrives(self, now: float, number: int, worker: int) -> None:
        """Receive what begins to arrive, as soon as the link is free."""
        seconds = self.tasks[number].output_bytes / self.platform.bandwidth
        end = max(now, self.receiver_free[worker]) + seconds
        self.receiver_free[worker] = end
        self.busy[2][worker] += seconds
        self._at(end, _DELIVERED, number, worker)

    def _delivered(self, now: float, number: int, worker: int) -> None:
        self.there.add((number, worker))
        for waiting in self.coming.pop((number, worker)):
            self.undelivered[waiting] -= 1
            self._start_if_ready(now, waiting)

    def _start_if_ready(self, now: float, number: int) -> None:
        if not self.undelivered[number]:
            task = self.tasks[number]
            heapq.heappush(self.ready[task.worker], (-task.priority, number))
            self._start_next(now, task.worker)

    def _start_next(self, now: float, worker: int) -> None:
        if worker in self.running or not self.ready[worker]:
            return
        _, number = heapq.heappop(self.ready[worker])
        self.running.add(worker)
        seconds = self.tasks[number].seconds
        self.busy[0][worker] += seconds
        self._at(now + seconds, _DONE, number, worker)

    def _done(self, now: float, number: int, worker: int) -> None:
        self.ends[number] = now
        self.there.add((number, worker))
        self.running.discard(worker)
        self._start_next(now, worker)
        for dependent in self.dependents[number]:
            self.undone[dependent] -= 1
            if not self.undone[dependent]:
                told = now + self.platform.latency
                self._at(max(told, self.tasks[dependent].released), _KNOWN, dependent)
