"""What the library's trackers share: a state for each run, and patience with what fails."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from dask_horn.records import Callback, Event, RoundRecord, RunBegun, RunEnded, RunStart

logger = logging.getLogger("dask_horn")


@dataclass
class TrackedRun:
    """What a tracker knows of one run.

    Attributes
    ----------
    id : str
        The run's id.
    is_under_way : bool
        Whether it trains, or has ended: an error of the tracker is no reason to end it.
    failures : int
        Of the tracker, in a row.
    has_warned : bool
        Whether the user has heard of a failure.
    """

    id: str = ""
    is_under_way: bool = False
    failures: int = 0
    has_warned: bool = False


_Run = TypeVar("_Run", bound=TrackedRun)


class _Here(threading.local):
    """The run of each thread; what is pickled keeps none."""

    run: Any = None

    def __reduce__(self) -> tuple[type[_Here], tuple[()]]:
        return _Here, ()


class Tracker(Callback, Generic[_Run]):
    """Logs runs somewhere; several at a time may share it, each in a thread of its own.

    An error before training begins ends the run, for it may be a user's mistake. Afterwards the
    first error is logged as a warning, and training goes on.
    """

    patience: ClassVar[float] = math.inf
    """Failures in a row after which it is no longer tried."""

    def __init__(self) -> None:
        self._here = _Here()

    def on_run_start(self, event: RunStart) -> None:
        """Begin."""
        self._run.id = event.run
        self._begin(event)

    def on_event(self, event: Event) -> None:
        """Log what belongs to an event."""
        self._run.is_under_way |= isinstance(event, RunEnded)
        if self._run.failures < self.patience:
            with self._forgiving():
                self._log_event(event)
        self._run.is_under_way |= isinstance(event, RunBegun)

    def on_round_end(self, record: RoundRecord) -> None:
        """Log a round's numbers."""
        if self._run.failures < self.patience:
            with self._forgiving():
                self._log_round(record)

    def on_run_end(self, result: Any) -> None:
        """Close what is open."""
        self._finish(None)

    def on_run_failed(self, error: BaseException) -> None:
        """Close what is open."""
        self._finish(error)

    @property
    def _run(self) -> _Run:
        if self._here.run is None:
            self._here.run = self._new_run()
        return self._here.run  # type: ignore[no-any-return]

    def _finish(self, error: BaseException | None) -> None:
        self._run.is_under_way, self._run.failures = True, 0  # what is open is closed in any case
        with self._forgiving():
            self._close(error)
        self._here.run = None

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Warn of an error if the run is under way; the next ones are not told."""
        run = self._run
        try:
            yield
            run.failures = 0
        except Exception as error:
            run.failures += 1
            if not run.is_under_way:
                run.has_warned = True  # it is told as the run's own error
                raise
            if not run.has_warned:
                run.has_warned = True
                logger.warning(
                    "%s could not log to %s (%s: %s); training is not affected, but some of this "
                    "run is missing there",
                    *(type(self).__name__, self._place(), type(error).__name__, error),
                )

    def _new_run(self) -> _Run:
        raise NotImplementedError

    def _place(self) -> str:
        """Say where it logs to."""
        raise NotImplementedError

    def _begin(self, event: RunStart) -> None:
        pass

    def _log_event(self, event: Event) -> None:
        pass

    def _log_round(self, record: RoundRecord) -> None:
        raise NotImplementedError

    def _close(self, error: BaseException | None) -> None:
        pass
