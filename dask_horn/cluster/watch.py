"""Waiting for a cluster, with a word where that takes longer than it should.

Who waits asks for results in short slices, and after each the watch looks at the cluster: whether
it has workers, which of them work, and at what. What it finds wrong is told at growing intervals.
While nothing is wrong nothing is told, however long it takes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import Future as CallFuture
from concurrent.futures import wait as wait_for_calls
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from dask_horn.cluster.sight import Look, Reason, Sight
from dask_horn.errors import SchedulerLostError, WaitTimeoutError
from dask_horn.records import Event, Waiting

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

_SLICE = 5.0  # seconds from look to look
_PATIENCE = 15.0  # seconds of waiting before anything is said
_LONGEST_SILENCE = 600.0  # seconds until something is said again
_ANSWER = 5.0  # seconds in which a scheduler answers

logger = logging.getLogger("dask_horn")


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
    """

    client: Client
    run: str = ""
    hear: Callable[[Event], None] = lambda event: None
    timeout: float | None = None

    def __post_init__(self) -> None:
        self.sight = Sight(self.run)
        self.address = self.client.scheduler.address  # a client that is closed has none

    def until(
        self,
        done: Callable[[float], bool],
        what: str,
        check: Callable[[], None] = lambda: None,
        for_a_task: bool = False,
    ) -> None:
        """Wait until ``done(seconds)`` is true, which itself waits so long at most.

        `what` is awaited, in words, and may be one of the run's tasks. `check` is called after each
        slice, and may raise an error.

        Raises
        ------
        WaitTimeoutError
            If nothing has moved for so long as the timeout allows.
        """
        wait = _Wait(self, what, for_a_task)
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

    def look(self) -> Look | None:
        """Look at the cluster; return None if the scheduler does not answer."""
        try:
            said = self._scheduler_says("identity", _ANSWER, n_workers=-1)
            processing = self._scheduler_says("processing", _ANSWER)
        except (OSError, RuntimeError):
            return None
        look = Look(said["workers"], {w: tuple(keys) for w, keys in processing.items()})
        self.sight.note(look)
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


class _Wait:
    """One wait: since when, what was told of it, and when something moved last."""

    def __init__(self, watch: Watch, what: str, for_a_task: bool) -> None:
        self.watch, self.what, self.for_a_task = watch, what, for_a_task
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
        if look is None:
            reasons = [Reason("scheduler", f"the scheduler at {self.watch.address} is silent")]
        else:
            reasons = list(self.watch.sight.reasons(look, self.for_a_task))
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
