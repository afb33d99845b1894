"""What keeps a run waiting, as far as it can be seen from the client.

A worker that is busy, or stopped, answers nobody. So only what the scheduler knows is looked at:
each worker's status, its last heartbeat, what it said there that it is doing, and its tasks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

from dask.utils import format_bytes

from dask_horn.cluster.keys import belongs, in_words, stage_of
from dask_horn.cluster.telling import METRIC

_SLOW = 10.0  # seconds that a worker may read a chunk, or compile, before that is said
_SILENT = 15.0  # seconds without a heartbeat before that is said, where they come often
_IDLE = 15.0  # seconds in which no worker runs a task of the run before that is said
_OFTEN = 5  # times the longest task of its kind so far, before a task takes long
_SHORT = 30.0  # seconds that any task may take
_FIRST = 300.0  # seconds that the first task of its kind may take


class Reason(NamedTuple):
    """Why a wait takes long."""

    kind: str  #: what is wrong, whichever worker or task it is
    words: str


@dataclass(frozen=True)
class Snapshot:
    """What the scheduler said of the cluster.

    Attributes
    ----------
    workers : mapping
        What it knows of each, by address.
    processing : mapping
        The keys of the tasks that each of them is given.
    """

    workers: Mapping[str, Any]
    processing: Mapping[str, tuple[Any, ...]]

    @cached_property
    def running(self) -> list[tuple[str, Any, float]]:
        """Worker, key and seconds of the tasks that are being run, of anybody."""
        return [
            (address, _as_dask_has_it(key), seconds)
            for address, worker in self.workers.items()
            for key, seconds in worker["metrics"].get(METRIC, {}).get("tasks", ())
        ]

    def assigned(self, run: str) -> frozenset[Any]:
        """Return the keys of a run's tasks that workers are given."""
        return frozenset(
            key for keys in self.processing.values() for key in keys if belongs(key, run)
        )

    def signs_of(self, run: str) -> tuple[Any, ...]:
        """Return what differs as soon as a run makes progress."""
        beats = tuple(
            worker["metrics"].get(METRIC, {}).get("beats", {}).get(run)
            for _, worker in sorted(self.workers.items())
        )
        return beats, self.assigned(run)

    @property
    def signs(self) -> tuple[Any, ...]:
        """What differs as soon as anything is done, and while all workers are alive."""
        heard = min((worker["last_seen"] for worker in self.workers.values()), default=0.0)
        return heard, frozenset(key for keys in self.processing.values() for key in keys)


@dataclass(eq=False)
class Diagnosis:
    """Compares a snapshot with those before.

    Attributes
    ----------
    run : str
        The run's id.
    longest : dict
        By stage: the seconds of the longest task that is done, as far as that is known.
    """

    run: str
    longest: dict[str, float] = field(default_factory=dict)
    _running: dict[Any, float] = field(default_factory=dict)  # seconds of the run's tasks, by key
    # By worker: its last heartbeat, by the scheduler's clock, and when that was first seen here.
    _heard: dict[str, tuple[float, float]] = field(default_factory=dict)
    _idle_since: float | None = None

    def note(self, snapshot: Snapshot) -> None:
        """Remember since when each heartbeat has been seen, and no task of the run."""
        now = time.monotonic()
        self._heard = {
            address: before
            if (before := self._heard.get(address)) and before[0] == worker["last_seen"]
            else (worker["last_seen"], now)
            for address, worker in snapshot.workers.items()
        }
        running = {key: s for _, key, s in snapshot.running if belongs(key, self.run)}
        for key, seconds in self._running.items():
            if key not in running:
                stage, _ = stage_of(key, self.run)
                self.longest[stage] = max(seconds, self.longest.get(stage, 0.0))
        self._running = running
        self._idle_since = None if running else self._idle_since or now

    def reasons(self, snapshot: Snapshot, for_a_task: bool) -> Iterator[Reason]:
        """Yield what keeps the run waiting, for a task or something else."""
        statuses = {worker["status"] for worker in snapshot.workers.values()}
        if not statuses:
            yield Reason("none", "the cluster has no workers; start some")
        elif statuses == {"paused"}:
            yield _paused(snapshot.workers)
        elif "running" not in statuses:
            yield Reason("leaving", "all workers are starting or shutting down")
        yield from self._silent()
        yield from _slow(snapshot)
        yield from self._long(snapshot)
        if for_a_task and "running" in statuses:
            yield from self._idle(snapshot)

    def _silent(self) -> Iterator[Reason]:
        now = time.monotonic()
        # The more workers there are, the less often the scheduler wants to hear from each.
        allowed = max(_SILENT, 3 * (1 + len(self._heard) / 200))
        silent = {
            address: now - since
            for address, (_, since) in self._heard.items()
            if now - since >= allowed
        }
        if silent:
            address = max(silent, key=silent.__getitem__)
            yield Reason(
                "silent",
                f"{address} has sent no heartbeat for {silent[address]:.0f} s{_others(silent)}; it "
                "may be stopped, or its machine overloaded",
            )

    def _long(self, snapshot: Snapshot) -> Iterator[Reason]:
        """Yield the task that takes the longest, if that is much longer than others of its kind."""
        own = [one for one in snapshot.running if belongs(one[1], self.run)]
        address, key, seconds = max(own, key=itemgetter(2), default=("", "", 0.0))
        before = self.longest.get(stage_of(key, self.run)[0])
        if seconds > (_FIRST if before is None else max(_SHORT, _OFTEN * before)):
            compared = (
                "it is the first of its kind"
                if before is None
                else f"the longest of its kind before took {before:.1f} s"
            )
            yield Reason(
                "long",
                f"{address} has been running {in_words(key, self.run)} for {seconds:.0f} s; "
                f"{compared}",
            )

    def _idle(self, snapshot: Snapshot) -> Iterator[Reason]:
        if self._idle_since is None or time.monotonic() - self._idle_since < _IDLE:
            return
        if snapshot.assigned(self.run):
            why = "they wait behind other work there, or for data that are on their way"
        else:
            why = "all are busy with other work, or none may take them"
        yield Reason("idle", f"no worker is running a task of this run: {why}")


def _paused(workers: Mapping[str, Any]) -> Reason:
    most = max(workers.values(), key=lambda one: one["metrics"].get("memory", 0))
    used, limit = most["metrics"].get("memory", 0), most["memory_limit"]
    full = f" (one uses {format_bytes(used)} of {format_bytes(limit)})" if limit else ""
    return Reason(
        "paused",
        f"all workers ({len(workers)}) are paused because memory is short{full}; give them more, "
        "or start others",
    )


def _slow(snapshot: Snapshot) -> Iterator[Reason]:
    """Yield what a worker says that it has been doing for long."""
    slow = {
        address: said
        for address, worker in snapshot.workers.items()
        if (said := worker["metrics"].get(METRIC)) and said["seconds"] >= _SLOW
    }
    if slow:
        address = max(slow, key=lambda one: slow[one]["seconds"])
        what, seconds = slow[address]["what"], slow[address]["seconds"]
        yield Reason(
            f"slow {what.partition(' ')[0]}",
            f"{address} has been {what} for {seconds:.0f} s{_others(slow)}",
        )


def _others(found: Mapping[str, Any]) -> str:
    return f" (and {len(found) - 1} more likewise)" if len(found) > 1 else ""


def _as_dask_has_it(key: Any) -> Any:
    """Return a key whose tuple may have become a list on its way."""
    return tuple(map(_as_dask_has_it, key)) if isinstance(key, list | tuple) else key
