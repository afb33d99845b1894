"""Telling how long a task took, for those who watch the run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from dask_horn.records import TaskDone, tell

_LEAST = 0.01  # seconds: shorter ones nobody could see, and there may be thousands


@contextlib.contextmanager
def told(run: str, stage: str, round: int) -> Iterator[None]:
    """Tell a `TaskDone` of what is done within a `with` block, unless it was over at once."""
    started, began = time.time(), time.perf_counter()
    yield
    seconds = time.perf_counter() - began
    if seconds >= _LEAST:
        tell(TaskDone(run=run, stage=stage, round=round, started=started, seconds=seconds))
