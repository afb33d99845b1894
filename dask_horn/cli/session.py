"""A training run that a person or a queue watches: its progress, and how signals stop it."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

from dask_horn.cli.command import Interrupted
from dask_horn.cli.signals import SIGNALS, in_main_thread
from dask_horn.diagnostics import ProgressBar
from dask_horn.records import RoundRecord, RunStart
from dask_horn.training import StopOnSignal, TrainingResult, train

if TYPE_CHECKING:
    from dask_horn.network import Network

_STOPPING = "\nStopping after this round; press Ctrl-C {}to stop at once.\n"


def run_session(network: Network, data: str, **arguments: Any) -> TrainingResult:
    """Train as `dask_horn.train` does, with a progress bar on standard error.

    Raises
    ------
    Interrupted
        On Ctrl-C, SIGTERM or SIGUSR1, with a message that says how to resume. The first one lets
        the current round finish; a second Ctrl-C does not. Before training begins Ctrl-C and
        SIGTERM end the session at once, SIGUSR1 after the first round: a job with little time gets
        on by a round each time.
    """
    watch = _Watch()
    try:
        with watch if in_main_thread() else contextlib.nullcontext():
            result = train(network, data, callbacks=[ProgressBar(), watch], **arguments)
            if result.stopped is not None and watch.received is not None:
                raise Interrupted(watch.received)
        return result
    except KeyboardInterrupt as stop:
        number = stop.signal if isinstance(stop, Interrupted) else signal.SIGINT
        farewell = watch.farewell(number, arguments.get("checkpoint"))
        raise Interrupted(number, farewell) from None


class _Watch(StopOnSignal):
    """Counts rounds, and stops the run if asked."""

    def __init__(self) -> None:
        super().__init__(*SIGNALS)
        self.rounds = 0
        self._training = False

    def on_run_start(self, event: RunStart) -> None:
        self.rounds = event.first_round
        self._training = True

    def on_round_end(self, record: RoundRecord) -> None:
        self.rounds = record.round
        super().on_round_end(record)

    def on_signal(self, number: int, frame: Any) -> None:
        is_early = not self._training and number in (signal.SIGINT, signal.SIGTERM)
        if is_early or (self.received is not None and number == signal.SIGINT):
            raise Interrupted(signal.Signals(number))
        if self.received is None:
            words = _STOPPING.format("again " if number == signal.SIGINT else "")
            os.write(2, words.encode())  # nothing else may be called here safely
        super().on_signal(number, frame)

    def farewell(self, number: signal.Signals, checkpoint: str | None) -> str:
        """Return the message for a run that was stopped."""
        by = "" if number == signal.SIGINT else f" by {number.name}"
        if not self.rounds:
            return f"Stopped{by} before the first round was done"
        if checkpoint is None:
            return f"Stopped{by}; nothing was saved, use --checkpoint to be able to resume"
        return f"Stopped{by}; run the same command to resume from the checkpoint"
