"""Waiting for a cluster, with a word where that takes longer than it should.

Who waits asks for results in short slices, and after each the watch looks at the cluster. What it
finds wrong is told at growing intervals. While nothing is wrong nothing is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import CancelledError
from concurrent.futures import Future as CallFuture
from concurrent.futures import wait as wait_for_calls
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from dask_horn.cluster.diagnosis import Diagnosis, Reason, Snapshot
from dask_horn.cluster.telling import TOPIC, stamped
from dask_horn.errors import SchedulerLostError, StoppedError, WaitTimeoutError
from dask_horn.records import Event, Waiting

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

_SLICE = 5.0  # seconds from look to look
_PATIENCE = 15.0  # seconds of waiting before anything is said
_LONGEST_SILENCE = 600.0  # seconds until the same is said again
_OVER = 120.0  # seconds after which what was wrong is new again
_ANSWER = 5.0  # seconds in which a scheduler answers

logger = logging.getLogger("dask_horn")


@dataclass
class _Told:
    """What was told: when it is due again, after how long the next time, and when it was seen."""

    due: float
    interval: float
    seen: float


@dataclass(eq=False)
class Watch:
    """Waits for a cluster on behalf of one run.

    Attributes
    ----------
    client : Client
    run : str
        The run's id; empty for what is no run.
    notify : callable
        Is told of each event. What it raises ends the wait; `StopIteration` ends the run.
    timeout : float or None
        Seconds without progress after which a wait gives up.
    may_stop : bool
        Whether `notify` may still ask to stop.
    look_after : callable
        Is called with the addresses of the workers whenever they are known.
    """

    client: Client
    run: str = ""
    notify: Callable[[Event], None] = lambda event: None
    timeout: float | None = None
    may_stop: bool = True
    look_after: Callable[[Collection[str]], None] = lambda workers: None
    _told: dict[str, _Told] = field(default_factory=dict)  # by kind of reason

    def __post_init__(self) -> None:
        self.diagnosis = Diagnosis(self.run)
        self.address = self.client.scheduler.address  # a client that is closed has none

    def until(
        self,
        done: Callable[[float], bool],
        what: str,
        *,
        for_a_task: bool = False,
        because: Callable[[], str] = lambda: "",
    ) -> None:
        """Wait until ``done(seconds)`` is true, which itself waits so long at most.

        `what` is awaited, in words; `for_a_task` tells whether it is one of the run's. `because`
        may know why it takes long: then nothing else counts as progress.

        Raises
        ------
        WaitTimeoutError
            If there is no progress for as long as the timeout allows.
        StoppedError
            If `notify` asks to stop.
        """
        began = moved = time.monotonic()
        signs: Any = None
        while True:
            left = _SLICE
            if self.timeout is not None:
                left = min(_SLICE, max(0.01, moved + self.timeout - time.monotonic()))
            if done(left):
                return
            snapshot, known = self.look(), because()
            reasons = self._reasons(snapshot, for_a_task, known)
            now = time.monotonic()
            if snapshot is not None and not known:
                found = snapshot.signs_of(self.run) if for_a_task else snapshot.signs
                if found != signs:
                    signs, moved = found, now
            if self.timeout is not None and now - moved >= self.timeout:
                raise self._timed_out(what, reasons)
            if now - began >= _PATIENCE:
                self._tell_what_is_due(what, now - began, reasons)

    def ask(self, call: Callable[[], T], what: str) -> CallFuture[T]:
        """Call something that asks the cluster; return when it has answered, or failed to."""
        answer = begun(call)
        self.until(lambda seconds: bool(wait_for_calls([answer], seconds).done), what)
        return answer

    def workers(self) -> dict[str, Any]:
        """Return what the scheduler knows of each worker there is now, by address.

        Not by `Client.scheduler_info`: the client asks for itself every few seconds, without the
        workers, and where the two answers cross that one is returned.

        Raises
        ------
        SchedulerLostError
            If the scheduler is gone.
        """
        said: dict[str, Any] = {}

        def answered(seconds: float) -> bool:
            with contextlib.suppress(TimeoutError):
                said.update(self.scheduler_says("identity", seconds, n_workers=-1))
            return bool(said)

        self.until(answered, "the scheduler's answer")
        workers: dict[str, Any] = said["workers"]
        self.look_after(workers)
        return workers

    def look(self) -> Snapshot | None:
        """Look at the cluster; return None if the scheduler does not answer."""
        try:
            said = self.scheduler_says("identity", _ANSWER, n_workers=-1)
            processing = self.scheduler_says("processing", _ANSWER)
            self.look_after(said["workers"])
        except (TimeoutError, SchedulerLostError):
            return None
        snapshot = Snapshot(said["workers"], {w: tuple(keys) for w, keys in processing.items()})
        self.diagnosis.note(snapshot)
        return snapshot

    def scheduler_says(self, question: str, seconds: float, **arguments: Any) -> Any:
        """Ask the scheduler something; raise TimeoutError if it takes longer than that."""
        try:
            if self.client.scheduler is None:
                raise ConnectionError("the client is closed")
            ask = getattr(self.client.scheduler, question)
            return self.client.sync(ask, callback_timeout=seconds, **arguments)
        except TimeoutError:
            raise
        except (OSError, RuntimeError) as error:
            raise self.lost_scheduler(error) from error

    def post(self, event: Event) -> None:
        """Send an event to the scheduler's topic, and do not wait for that."""
        if self.client.scheduler is not None:
            posting = self.client.scheduler.log_event(topic=TOPIC, msg=stamped(event))
            sent = asyncio.run_coroutine_threadsafe(posting, self.client.loop.asyncio_loop)
            sent.add_done_callback(lambda done: done.cancelled() or done.exception())

    def lost_scheduler(self, error: BaseException) -> SchedulerLostError:
        """Return the error for a scheduler that is gone, or knows nothing of the run."""
        why = (str(error).splitlines() or [""])[0].rstrip(".")
        return SchedulerLostError(
            f"the scheduler at {self.address} is gone, or has given up this run's tasks "
            f"({type(error).__name__}: {why})"
        )

    def _reasons(self, snapshot: Snapshot | None, for_a_task: bool, because: str) -> list[Reason]:
        known = [Reason("known", because)] if because else []
        if snapshot is None:
            return [*known, Reason("scheduler", f"the scheduler at {self.address} is silent")]
        return known + list(self.diagnosis.reasons(snapshot, for_a_task))

    def _timed_out(self, what: str, reasons: list[Reason]) -> WaitTimeoutError:
        words = "; ".join(reason.words for reason in reasons)
        return WaitTimeoutError(
            f"no progress for {self.timeout:g} s (timeout={self.timeout:g}) while waiting for "
            f"{what}{': ' if words else ''}{words}"
        )

    def _tell_what_is_due(self, what: str, seconds: float, reasons: list[Reason]) -> None:
        """Tell what is wrong, if something is new or due again."""
        now = time.monotonic()
        self._told = {k: told for k, told in self._told.items() if now - told.seen < _OVER}
        for reason in reasons:
            self._told.setdefault(reason.kind, _Told(now, _PATIENCE, now)).seen = now
        told = [self._told[reason.kind] for reason in reasons]
        if any(one.due <= now for one in told):
            for one in told:
                one.due = now + one.interval
                one.interval = min(2 * one.interval, _LONGEST_SILENCE)
            words = "; ".join(reason.words for reason in reasons)
            event = Waiting(run=self.run, what=what, seconds=seconds, reason=words)
            logger.warning(str(event))
            self.post(event)
            self.notify_of(event)

    def notify_of(self, event: Event) -> None:
        """Tell whoever listens; raise StoppedError where they ask to stop."""
        try:
            self.notify(event)
        except StopIteration as asked:
            if self.may_stop:
                raise StoppedError(str(asked) or "a callback asked to stop") from None


def begun(call: Callable[[], T]) -> CallFuture[T]:
    """Begin a call in a thread that does not keep the process alive: some never return."""
    answer: CallFuture[T] = CallFuture()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # whatever it is, it belongs to who has called
            answer.set_exception(error)

    threading.Thread(target=work, name="dask-horn-call", daemon=True).start()
    return answer


def done_within(client: Client, futures: Collection[Any], count: int, seconds: float) -> bool:
    """Whether so many futures are done within so long, whether they succeeded or failed."""
    from distributed import wait

    deadline = time.monotonic() + seconds
    while sum(1 for future in futures if future.done()) < count:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        pending = [future for future in futures if not future.done()]
        with contextlib.suppress(TimeoutError, CancelledError), client.as_current():
            wait(pending, timeout=left, return_when="FIRST_COMPLETED")
    return True
