"""Tells how a run gets on: its callbacks, and whoever watches from elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dask_horn.cluster import Executor
from dask_horn.errors import StoppedError
from dask_horn.records import Callback, Event, Preparing, Remark, RunEnded
from dask_horn.training.run.result import TrainingResult, ending_by

logger = logging.getLogger("dask_horn")


class Announcer:
    """Tells the same to the listeners here and on the scheduler's topic.

    Parameters
    ----------
    run : str
        The run's id.
    executor : Executor
    listeners : Callback
    """

    def __init__(self, run: str, executor: Executor, listeners: Callback) -> None:
        self.listeners = listeners
        self._run = run
        self._executor = executor
        self._is_over = False

    def preparing(self, what: str) -> None:
        """Tell what the set-up does next."""
        self.tell(Preparing(run=self._run, what=what))

    def tell(self, event: Event) -> None:
        """Tell an event.

        Raises
        ------
        StoppedError
            If a listener asks to stop: there is no round yet that the run could end after.
        """
        self._executor.tell(event)
        try:
            self.listeners.on_event(event)
        except StopIteration as asked:
            raise StoppedError(str(asked) or "a callback asked to stop") from None

    def remark(self, words: str) -> None:
        """Tell what somebody may want to know of the settings."""
        self.tell(Remark(run=self._run, words=words))

    def ended(self, result: TrainingResult) -> None:
        """Tell that the run has come to a result."""
        best = result.best_round
        try:
            self._tell_the_end(RunEnded(run=self._run, message=result.ending, best_round=best))
        finally:
            self.listeners.on_run_end(result)

    def failed(self, error: BaseException, done: int = 0, saved: int | None = None) -> None:
        """Tell that the run ends by an error, unless its end was told before.

        `done` rounds are done, and `saved` of them in a checkpoint, if it has one. What fails in a
        callback that hears of it is logged: the run's own error is the one to be raised.
        """
        if self._is_over:
            return
        message = ending_by(error, done, saved)
        with _logging_errors():
            self._tell_the_end(RunEnded(run=self._run, message=message, failed=True))
        with _logging_errors():
            self.listeners.on_run_failed(error)

    @contextmanager
    def telling_errors(self) -> Iterator[None]:
        """Tell that the run has failed where an error ends the block."""
        try:
            yield
        except BaseException as error:
            self.failed(error)
            raise

    def _tell_the_end(self, event: RunEnded) -> None:
        self._is_over = True
        self._executor.tell(event)
        with suppress(StopIteration):  # it has stopped
            self.listeners.on_event(event)


@contextmanager
def _logging_errors() -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception("a callback failed when it heard how the run ended")
