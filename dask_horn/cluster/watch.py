"""Waiting for a cluster, with a word where that takes longer than it should.

Who waits asks for results in short slices, and after each the watch looks at the cluster: whether
it has workers, which of them work, and at what. What it finds wrong is told at growing intervals.
While nothing is wrong nothing is told, however long it takes.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import Future as CallFuture
from concurrent.futures import wait as wait_for_calls
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from dask.utils import format_bytes

from dask_horn.cluster.telling import METRIC
from dask_horn.errors import SchedulerLostError, WaitTimeoutError
from dask_horn.records import Event, Waiting

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

_SLICE = 5.0  # seconds from look to look
_PATIENCE = 15.0  # seconds of waiting before anything is said
_LONGEST_SILENCE = 600.0  # seconds until something is said again
_SLOW = 10.0  # seconds that a worker may read a chunk, or compile, before that is said
_SILENT = 15.0  # seconds without a heartbeat before that is said
_OFTEN = 5  # times the last round's longest training, before a training takes long
_SHORT = 30.0  # seconds that any task may take
_ANSWER = 5.0  # seconds in which a scheduler answers

logger = logging.getLogger("dask_horn")


class Reason(NamedTuple):
    """Why a wait takes long."""

    kind: str
    words: str


@dataclass(frozen=True)
class _Look:
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
    def signs(self) -> tuple[Any, ...]:
        """What differs as soon as anything gets on."""
        beats = tuple(
            (address, worker["metrics"].get(METRIC, {}).get("beats"))
            for address, worker in sorted(self.workers.items())
        )
        return beats, frozenset(itertools.chain.from_iterable(self.processing.values()))


@dataclass(eq=False)
class Watch:
    """Waits for a cluster on behalf of one run.

    Attributes
    ----------
    client : Client
    run : str
        The run's id; empty for what is no run.
    hear : callable
        Is told of each event.
    timeout : float or None
        Seconds without any sign of progress, after which a wait ends in vain.
    usual : float
        How long the last round's longest training took, in seconds; infinite before that is known.
    """

    client: Client
    run: str = ""
    hear: Callable[[Event], None] = lambda event: None
    timeout: float | None = None
    usual: float = float("inf")
    _since: dict[Any, float] = field(default_factory=dict)  # by task: when it was first seen
    _heard: dict[str, tuple[float, float]] = field(default_factory=dict)  # by worker: its last
    # heartbeat, by the scheduler's clock, and when that was first seen, by ours

    def __post_init__(self) -> None:
        self.address = self.client.scheduler.address  # a client that is closed has none

    def until(
        self,
        done: Callable[[float], bool],
        what: str,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Wait until ``done(seconds)`` is true, which itself waits so long at most.

        `what` is awaited, in words; `check` is called after each slice, and may raise an error.

        Raises
        ------
        WaitTimeoutError
            If nothing has moved for so long as the timeout allows.
        """
        wait = _Wait(self, what)
        while not done(wait.slice()):
            wait.go_on()
            check()

    def ask(self, call: Callable[[], T], what: str) -> T:
        """Call something that asks the cluster and returns when it has answered."""
        answer: CallFuture[T] = CallFuture()

        def ask() -> None:
            try:
                answer.set_result(call())
            except BaseException as error:  # whatever it is, it belongs to who has asked
                answer.set_exception(error)

        # A thread that does not keep the process alive: some questions are never answered.
        threading.Thread(target=ask, name="dask-horn-ask", daemon=True).start()
        self.until(lambda seconds: bool(wait_for_calls([answer], seconds).done), what)
        return answer.result()

    def for_a_worker(self) -> None:
        """Wait until there is a worker that works; one is asked for by a task.

        A cluster that adapts starts workers for tasks only.
        """
        if any(one["status"] == "running" for one in self.workers().values()):
            return
        asked = self.client.submit(_nothing, pure=False, key=f"any-worker-{time.time_ns()}")
        self.until(lambda seconds: done_within(asked, seconds), "a worker")

    def workers(self) -> dict[str, Any]:
        """Return what the scheduler knows of each worker there is now, by address.

        Not by `Client.scheduler_info`: the client asks for itself every few seconds, without the
        workers, and where the two answers cross that one is returned.

        Raises
        ------
        SchedulerLostError
            If the scheduler does not answer.
        """
        try:
            said = self._scheduler_says("identity", 10 * _ANSWER, n_workers=-1)
        except (OSError, RuntimeError) as error:  # a time-out too
            raise self.lost_scheduler(error) from error
        workers: dict[str, Any] = said["workers"]
        return workers

    def look(self) -> _Look | None:
        """Look at the cluster; return None if the scheduler does not answer."""
        try:
            said = self._scheduler_says("identity", _ANSWER, n_workers=-1)
            processing = self._scheduler_says("processing", _ANSWER)
        except (OSError, RuntimeError):
            return None
        look = _Look(said["workers"], {w: tuple(keys) for w, keys in processing.items()})
        self._note(look)
        return look

    def _scheduler_says(self, question: str, seconds: float, **arguments: Any) -> Any:
        """Ask the scheduler something, and wait so long for its answer."""
        if self.client.scheduler is None:
            raise ConnectionError("the client is closed")
        question_of = getattr(self.client.scheduler, question)
        return self.client.sync(question_of, callback_timeout=seconds, **arguments)

    def lost_scheduler(self, error: BaseException) -> SchedulerLostError:
        """Return the error for a scheduler that does not answer, or knows nothing of the run."""
        why = (str(error).splitlines() or [""])[0].rstrip(".")
        return SchedulerLostError(
            f"the scheduler at {self.address} is gone, or has given up this run's tasks "
            f"({type(error).__name__}: {why}); start the run again, which goes on from its "
            "checkpoint if it has one"
        )

    def _note(self, look: _Look) -> None:
        """Remember since when each task and each heartbeat has been seen."""
        now = time.monotonic()
        keys = itertools.chain.from_iterable(look.processing.values())
        self._since = {key: self._since.get(key, now) for key in keys}
        self._heard = {
            address: before
            if (before := self._heard.get(address)) and before[0] == worker["last_seen"]
            else (worker["last_seen"], now)
            for address, worker in look.workers.items()
        }

    def reasons(self, look: _Look | None) -> Iterator[Reason]:
        """Yield what keeps the run waiting, as far as it can be seen."""
        if look is None:
            yield Reason("scheduler", f"the scheduler at {self.address} does not answer")
            return
        working = [one for one in look.workers.values() if one["status"] == "running"]
        if not look.workers:
            yield Reason("none", f"the cluster at {self.address} has no workers; start some")
        elif not working:
            yield _paused(look.workers)
        yield from self._silent(look)
        yield from _slow(look)
        yield from self._long(look)

    def _silent(self, look: _Look) -> Iterator[Reason]:
        now = time.monotonic()
        for address, (_, since) in self._heard.items():
            if now - since >= _SILENT:
                yield Reason(
                    f"silent {address}",
                    f"{address} has sent no heartbeat for {now - since:.0f} s; it may be stopped, "
                    "or its machine overloaded",
                )

    def _long(self, look: _Look) -> Iterator[Reason]:
        """Yield the tasks that take much longer than trainings usually do."""
        now, most = time.monotonic(), max(_SHORT, _OFTEN * self.usual)
        for address, keys in look.processing.items():
            for key in keys:
                seconds = now - self._since[key]
                if seconds > most and belongs(key, self.run):
                    yield Reason(
                        f"long {key}",
                        f"{in_words(key, self.run)} has been with {address} for {seconds:.0f} s, "
                        f"where the last round's longest training took {self.usual:.2g} s",
                    )
                    return  # one stands for all


class _Wait:
    """One wait: since when, what was told of it, and when something moved last."""

    def __init__(self, watch: Watch, what: str) -> None:
        self.watch, self.what = watch, what
        self.began = self.moved = time.monotonic()
        self.signs: Any = None
        self.told: tuple[str, ...] = ()
        self.interval = _PATIENCE
        self.due = self.began + _PATIENCE

    def slice(self) -> float:
        """Return how long to wait for before the next look."""
        if self.watch.timeout is None:
            return _SLICE
        return min(_SLICE, max(0.01, self.moved + self.watch.timeout - time.monotonic()))

    def go_on(self) -> None:
        """Look at the cluster; tell what is wrong, and end the wait where it has been too long."""
        look = self.watch.look()
        reasons = list(self.watch.reasons(look))
        now = time.monotonic()
        if look is not None and look.signs != self.signs:
            self.signs, self.moved = look.signs, now
        words = "; ".join(reason.words for reason in reasons)
        timeout = self.watch.timeout
        if timeout is not None and now - self.moved >= timeout:
            raise WaitTimeoutError(
                f"nothing has moved for timeout={timeout:g} seconds, while this run waited for "
                f"{self.what}{': ' if words else ''}{words}; start it again to go on from its "
                "checkpoint, if it has one"
            )
        kinds = tuple(reason.kind for reason in reasons)
        if not reasons or now - self.began < _PATIENCE:
            return
        if kinds != self.told:  # something else is wrong
            self.interval, self.due = _PATIENCE, now
        if now >= self.due:
            self._tell(now - self.began, words)
            self.told, self.due = kinds, now + self.interval
            self.interval = min(2 * self.interval, _LONGEST_SILENCE)

    def _tell(self, seconds: float, words: str) -> None:
        event = Waiting(run=self.watch.run, what=self.what, seconds=seconds, reason=words)
        logger.warning(str(event))
        self.watch.hear(event)


def _nothing() -> None:
    """Do nothing, on any worker."""


def done_within(future: Any, seconds: float) -> bool:
    """Whether a future is done, in vain or not, within so long."""
    from distributed import wait

    with contextlib.suppress(TimeoutError, CancelledError):
        wait([future], timeout=seconds)
    done: bool = future.done()
    return done


def belongs(key: Any, run: str) -> bool:
    """Whether a task is one of a run's."""
    return bool(run) and isinstance(key, tuple) and f"-{run}" in str(key[0])


def in_words(key: Any, run: str) -> str:
    """Say what a task of a run is: its stage and its place."""
    stage, place = stage_of(key, run)
    words = [stage]
    if place and isinstance(place[0], int):
        words.append(f"of round {place[0] + 1}")
    if stage == "train":
        words.append("(group {}, sub-model {})".format(*place[1:]))
    return " ".join(words)


def stage_of(key: Any, run: str) -> tuple[str, tuple[Any, ...]]:
    """Return the stage of a run's task, and its place."""
    name, *place = key if isinstance(key, tuple) else (key,)
    return str(name).partition(f"-{run}")[0], tuple(place)


def _paused(workers: Mapping[str, Any]) -> Reason:
    most = max(workers.values(), key=lambda one: one["metrics"].get("memory", 0))
    used, limit = most["metrics"].get("memory", 0), most["memory_limit"]
    full = f", one at {format_bytes(used)} of {format_bytes(limit)}" if limit else ""
    return Reason(
        "paused",
        f"all {len(workers)} workers are paused, for they are short of memory{full}; give them "
        "more, or start others",
    )


def _slow(look: _Look) -> Iterator[Reason]:
    """Yield what workers say that they have been doing for long."""
    said = {
        address: activity
        for address, worker in look.workers.items()
        if (activity := worker["metrics"].get(METRIC)) and activity["seconds"] >= _SLOW
    }
    if said:
        address = max(said, key=lambda one: said[one]["seconds"])
        what, seconds = said[address]["what"], said[address]["seconds"]
        others = f", and {len(said) - 1} more workers are as slow" if len(said) > 1 else ""
        yield Reason(f"slow {what}", f"{address} has been {what} for {seconds:.0f} s{others}")
