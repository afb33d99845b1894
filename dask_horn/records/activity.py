"""What this process is doing that may take long, so that whoever waits for it can be told.

Other processes cannot ask a worker that is busy, or stopped: each worker sends what is said here
along with its heartbeat.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_doing: dict[int, tuple[float, str]] = {}  # since when, and what, by a number of each
_numbers = itertools.count()
_beats: Counter[str] = Counter()  # by run


class doing:
    """Says what is done within a `with` block, in any thread.

    Examples
    --------
    >>> with doing("reading rows 0 to 9"):
    ...     Activity.now().what
    'reading rows 0 to 9'
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._number = next(_numbers)
        _doing[self._number] = (time.monotonic(), self._what)

    def __exit__(self, *_: object) -> None:
        del _doing[self._number]


def beat(run: str) -> None:
    """Say that this process makes progress with a run."""
    _beats[run] += 1


def forget_beats(run: str) -> None:
    """Drop what is kept for a run."""
    _beats.pop(run, None)


@dataclass(frozen=True)
class Activity:
    """What a process is doing at a moment.

    Attributes
    ----------
    what : str
        What it has been doing for the longest time of all that it says; empty for nothing.
    seconds : float
        For how long.
    beats : dict
        By run: a number that grows as the process makes progress with it.
    """

    what: str = ""
    seconds: float = 0.0
    beats: dict[str, int] = field(default_factory=dict)

    @classmethod
    def now(cls) -> Activity:
        """Return what this process is doing."""
        since, what = min(list(_doing.values()), default=(0.0, ""))
        seconds = time.monotonic() - since if what else 0.0
        return cls(what, seconds, dict(_beats))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"what": self.what, "seconds": self.seconds, "beats": self.beats}
