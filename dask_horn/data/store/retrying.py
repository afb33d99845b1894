"""Trying again what a store has failed to do, where that may help."""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from dask_horn.data.store.faults import FaultKind, fault_of
from dask_horn.errors import HornError
from dask_horn.records import StoreRetried, tell

# Seconds before the second try, the third, and so on: S3 needs some to make room for many workers.
PAUSES = (0.1, 1.0, 5.0)

# How often to try again, by what has failed; others refuse what they will refuse again.
_TRIES_AGAIN = {
    FaultKind.PASSING: len(PAUSES),
    FaultKind.OTHER: 1,  # what cannot be decoded may have arrived cut short
}

# No faults of a store.
_NEVER = (FileExistsError, HornError, MemoryError)

# So that workers that were refused together do not come back together. Not the user's generator.
_jitter = random.SystemRandom()

_Result = TypeVar("_Result")

_told: set[str] = set()
_told_lock = threading.Lock()


class RetriesExhausted(Exception):
    """What failed has failed each time; raised from the last error.

    Attributes
    ----------
    fault : Exception
        The last error.
    tries : int
        How often it was tried.
    """

    def __init__(self, fault: Exception, tries: int) -> None:
        super().__init__(fault, tries)
        self.fault = fault
        self.tries = tries

    def counted(self, what: str) -> str:
        """Return what came, and how often it was tried."""
        return what if self.tries == 1 else f"{what}; tried {self.tries} times"


def with_retries(attempt: Callable[[], _Result], place: str, done: str) -> _Result:
    """Return what an attempt does; try again with growing pauses where that may help.

    Parameters
    ----------
    attempt : callable
        Without arguments.
    place : str
        What is read or written, and where. That it failed is told once in a run.
    done : str
        What is attempted there, such as ``"read"``.

    Raises
    ------
    RetriesExhausted
        If it fails each time.
    """
    for tries in itertools.count(1):
        try:
            return attempt()
        except _NEVER:
            raise
        except Exception as error:
            fault = fault_of(error)
            left = min(_TRIES_AGAIN.get(fault.kind, 0), len(PAUSES)) + 1 - tries
            if left <= 0:
                raise RetriesExhausted(error, tries) from error
            message = f"{place} could not be {done} ({fault.what}); trying again, {_times(left)}"
            _tell_once(place, message)
        time.sleep(PAUSES[tries - 1] * _jitter.uniform(0.5, 1.5))
    raise AssertionError("the tries have an end")


def forget_told() -> None:
    """Tell again what this process has told: a run has ended, and the next one's user may care."""
    with _told_lock:
        _told.clear()


def _tell_once(key: str, message: str) -> None:
    with _told_lock:
        if key in _told:
            return
        _told.add(key)
    logging.getLogger("dask_horn").warning(message)
    tell(StoreRetried(array=key, message=message))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times at most"
