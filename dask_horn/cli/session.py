"""A training run that a person watches: its progress, and how Ctrl-C stops it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console

from dask_horn.diagnostics import ProgressBar
from dask_horn.records import Callback, RoundRecord, RunStart
from dask_horn.training import TrainingResult, train

if TYPE_CHECKING:
    from rich.status import Status

    from dask_horn.network import Network

_PREPARING = "Reading the samples and loading kernels (the first run compiles them) …"
_STOPPING = "\nStopping after this round; press Ctrl-C again to stop at once.\n"


def run_session(network: Network, data: str, **arguments: Any) -> TrainingResult:
    """Train as `dask_horn.train` does, with a progress bar on standard error.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, with a message that says how to resume. The first Ctrl-C lets the current round
        finish.
    """
    console = Console(stderr=True)
    status = console.status(_PREPARING)
    watch = _Watch(status)
    if console.is_terminal:
        status.start()
    else:
        console.out(_PREPARING, highlight=False)
    try:
        with _interrupts_to(watch):
            result = train(network, data, callbacks=[ProgressBar(console), watch], **arguments)
            if watch.asked_to_stop:
                raise KeyboardInterrupt
        return result
    except KeyboardInterrupt:
        raise KeyboardInterrupt(watch.farewell(arguments.get("checkpoint"))) from None
    finally:
        status.stop()


class _Watch(Callback):
    """Ends the status line when training begins, counts rounds, and stops the run if asked."""

    def __init__(self, status: Status) -> None:
        self.rounds = 0
        self.asked_to_stop = False
        self._training = False
        self._status = status

    def on_run_start(self, event: RunStart) -> None:
        self.rounds = event.first_round
        self._training = True
        self._status.stop()

    def on_round_end(self, record: RoundRecord) -> None:
        self.rounds = record.round
        if self.asked_to_stop:
            raise StopIteration

    def on_interrupt(self, *_: Any) -> None:
        """Note Ctrl-C: an exception in mid-round may leave Dask's client stuck."""
        if self.asked_to_stop or not self._training:
            raise KeyboardInterrupt
        self.asked_to_stop = True
        os.write(2, _STOPPING.encode())  # nothing else may be called here safely

    def farewell(self, checkpoint: str | None) -> str:
        """Return the message for a run that the user has stopped."""
        if not self.rounds:
            return "Stopped before the first round ended"
        done = f"Stopped after round {self.rounds}"
        if checkpoint is None:
            return f"{done}; nothing was saved, use --checkpoint to be able to resume"
        return f"{done}; run the same command to resume from the checkpoint"


@contextlib.contextmanager
def _interrupts_to(watch: _Watch) -> Iterator[None]:
    """Pass Ctrl-C on to `watch`, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, watch.on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
