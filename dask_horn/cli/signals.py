"""Signals at a cluster that a command starts: its workers do not hear them, and none is lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from distributed import Worker, WorkerPlugin

from dask_horn.cli.command import Interrupted
from dask_horn.training import QUEUE_SIGNALS

SIGNALS = (signal.SIGINT, *QUEUE_SIGNALS)


class IgnoreSignals(WorkerPlugin):  # type: ignore[misc]
    """Has workers ignore what asks for an end, those too that their nannies start later.

    A terminal sends Ctrl-C to all processes, and a queue its signals; the workers are still needed
    to save the checkpoint.
    """

    name = "dask-horn-ignores-signals"

    def setup(self, worker: Worker) -> None:
        """Ignore them; a worker in a process of its own runs in the main thread."""
        if in_main_thread():
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def holding_signals() -> Iterator[None]:
    """Let no signal stop this process half-way; those it starts ignore Ctrl-C meanwhile.

    Raises
    ------
    Interrupted
        At the end, if a signal other than Ctrl-C has come.
    """
    if not in_main_thread():
        yield
        return
    came: list[signal.Signals] = []

    def note(number: int, frame: Any) -> None:
        came.append(signal.Signals(number))

    before = {number: signal.signal(number, note) for number in QUEUE_SIGNALS}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise Interrupted(came[0], f"Stopped by {came[0].name} before the first round was done")


def in_main_thread() -> bool:
    """Whether this is the main thread, where alone Python handles signals."""
    return threading.current_thread() is threading.main_thread()
