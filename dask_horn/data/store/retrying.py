"""Reading again what has failed, where that may help."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from dask_horn.data.store.faults import FaultKind, fault_of
from dask_horn.records import ReadRetried, tell

# Seconds before the second try, the third, and so on. s3fs waits a little itself between its own.
PAUSES = (0.1, 0.5, 2.0)

# How often to try again, by what has failed; others refuse what they will refuse again.
_TRIES_AGAIN = {
    FaultKind.PASSING: len(PAUSES),
    FaultKind.OTHER: 1,  # what cannot be decoded may have arrived cut short
}

_Result = TypeVar("_Result")

_told: set[str] = set()
_told_lock = threading.Lock()


class GivenUp(Exception):
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


def persistently(attempt: Callable[[], _Result], what: Callable[[], str], key: str) -> _Result:
    """Return what an attempt does; try again with growing pauses where that may help.

    Parameters
    ----------
    attempt : callable
        Without arguments.
    what : callable
        Says what is attempted, for the words that tell of the first time it failed.
    key : str
        What is told once in this process.

    Raises
    ------
    GivenUp
        If it fails each time.
    """
    for tries in itertools.count(1):
        try:
            return attempt()
        except Exception as error:
            left = min(_TRIES_AGAIN.get(fault_of(error).kind, 0), len(PAUSES)) + 1 - tries
            if left <= 0:
                raise GivenUp(error, tries) from error
            _tell_once(key, f"{what()} ({fault_of(error).what}); trying again, {_times(left)}")
        time.sleep(PAUSES[tries - 1])
    raise AssertionError("the tries have an end")


def _tell_once(key: str, message: str) -> None:
    with _told_lock:
        if key in _told:
            return
        _told.add(key)
    logging.getLogger("dask_horn").warning(message)
    tell(ReadRetried(array=key, message=message))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times at most"
