"""What can be seen of a cluster from the client, and what is wrong with it.

A worker that is busy, or stopped, answers nobody. So only what the scheduler knows is looked at:
each worker's status, its last heartbeat, what it said there that it is doing, and its tasks.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from dask.utils import format_bytes

from dask_horn.cluster.keys import belongs, in_words
from dask_horn.cluster.telling import METRIC

_SLOW = 10.0  # seconds that a worker may read a chunk, or compile, before that is said
_SILENT = 15.0  # seconds without a heartbeat before that is said
_IDLE = 15.0  # seconds in which no worker is at a task of the run before that is said
_OFTEN = 5  # times the last round's longest training, before a task takes long
_SHORT = 30.0  # seconds that any task may take


class Reason(NamedTuple):
    """Why a wait takes long."""

    kind: str  #: the same for as long as the same is wrong
    words: str


@dataclass(frozen=True)
class Look:
    """What was seen of the cluster.

    Attributes
    ----------
    workers : mapping
        What the scheduler knows of each, by address.
    processing : mapping
        The keys of the tasks that each of them is given.
    """

    workers: Mapping[str, Any]
    processing: Mapping[str, tuple[Any, ...]]

    @property
    def doing(self) -> dict[str, list[tuple[Any, float]]]:
        """By worker: the keys of the tasks that it is at, and for how many seconds."""
        return {
            address: [(_hashable(key), seconds) for key, seconds in said["tasks"]]
            for address, worker in self.workers.items()
            if (said := worker["metrics"].get(METRIC))
        }

    @property
    def signs(self) -> tuple[Any, ...]:
        """What differs as soon as anything gets on."""
        beats = tuple(
            (address, worker["metrics"].get(METRIC, {}).get("beats"))
            for address, worker in sorted(self.workers.items())
        )
        return beats, frozenset(itertools.chain.from_iterable(self.processing.values()))


@dataclass(eq=False)
class Sight:
    """Compares one look with those before.

    Attributes
    ----------
    run : str
        The run's id.
    usual : float
        How long the last round's longest training took, in seconds; infinite before that is known.
    """

    run: str
    usual: float = float("inf")
    # By worker: its last heartbeat, by the scheduler's clock, and when that was first seen here.
    _heard: dict[str, tuple[float, float]] = field(default_factory=dict)
    _idle_since: float | None = None

    def note(self, look: Look) -> None:
        """Remember since when each heartbeat has been seen, and no task of the run."""
        now = time.monotonic()
        self._heard = {
            address: before
            if (before := self._heard.get(address)) and before[0] == worker["last_seen"]
            else (worker["last_seen"], now)
            for address, worker in look.workers.items()
        }
        if any(True for _ in self._own(look)):
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now

    def reasons(self, look: Look, for_a_task: bool) -> Iterator[Reason]:
        """Yield what keeps the run waiting, for a task or something else, as far as it shows."""
        working = [one for one in look.workers.values() if one["status"] == "running"]
        if not look.workers:
            yield Reason("none", "the cluster has no workers; start some")
        elif not working:
            yield _paused(look.workers)
        yield from self._silent()
        yield from _slow(look)
        yield from self._long(look)
        if working and for_a_task:
            yield from self._idle()

    def _silent(self) -> Iterator[Reason]:
        now = time.monotonic()
        for address, (_, since) in self._heard.items():
            if now - since >= _SILENT:
                yield Reason(
                    f"silent {address}",
                    f"{address} has sent no heartbeat for {now - since:.0f} s; it may be stopped, "
                    "or its machine overloaded",
                )

    def _own(self, look: Look) -> Iterator[tuple[str, Any, float]]:
        """Yield worker, key and seconds of each task of the run that is being done."""
        for address, tasks in look.doing.items():
            for key, seconds in tasks:
                if belongs(key, self.run):
                    yield address, key, seconds

    def _long(self, look: Look) -> Iterator[Reason]:
        """Yield the task that takes the longest, if that is much longer than trainings do."""
        address, key, seconds = max(self._own(look), key=itemgetter(2), default=("", (), 0.0))
        if seconds > max(_SHORT, _OFTEN * self.usual):
            yield Reason(
                f"long {key}",
                f"{address} has been at {in_words(key, self.run)} for {seconds:.0f} s, where the "
                f"last round's longest training took {self.usual:.2g} s",
            )

    def _idle(self) -> Iterator[Reason]:
        if self._idle_since is not None and time.monotonic() - self._idle_since >= _IDLE:
            yield Reason(
                "idle",
                "no worker is at a task of this run; they may be busy with other work",
            )


def _hashable(key: Any) -> Any:
    """Return a key as Dask has it: on its way a tuple may have become a list."""
    return tuple(map(_hashable, key)) if isinstance(key, list | tuple) else key


def _paused(workers: Mapping[str, Any]) -> Reason:
    most = max(workers.values(), key=lambda one: one["metrics"].get("memory", 0))
    used, limit = most["metrics"].get("memory", 0), most["memory_limit"]
    full = f", one at {format_bytes(used)} of {format_bytes(limit)}" if limit else ""
    return Reason(
        "paused",
        f"all {len(workers)} workers are paused, for they are short of memory{full}; give them "
        "more, or start others",
    )


def _slow(look: Look) -> Iterator[Reason]:
    """Yield what workers say that they have been doing for long."""
    said = {
        address: activity
        for address, worker in look.workers.items()
        if (activity := worker["metrics"].get(METRIC)) and activity["seconds"] >= _SLOW
    }
    if said:
        address = max(said, key=lambda one: said[one]["seconds"])
        what, seconds = said[address]["what"], said[address]["seconds"]
        also = f" (and {len(said) - 1} more at something as long)" if len(said) > 1 else ""
        yield Reason(f"slow {what}", f"{address} has been {what} for {seconds:.0f} s{also}")
