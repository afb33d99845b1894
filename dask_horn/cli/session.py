"""A training run that a person or a queue watches: its progress, and how signals stop it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dask_horn.cli.command import Interrupted
from dask_horn.cli.signals import SIGNALS, in_main_thread
from dask_horn.diagnostics import ProgressBar
from dask_horn.records import Callback, RoundRecord, RunStart
from dask_horn.training import (
    Given,
    Settled,
    StopOnSignal,
    TrainingData,
    TrainingOptions,
    TrainingResult,
    run,
    train,
)

if TYPE_CHECKING:
    from dask_horn.network import Network

_STOPPING = "\nStopping after this round; press Ctrl-C {}to stop at once.\n"


def run_session(
    network: Network,
    data: str,
    complete: Callable[[TrainingData], Network] | None = None,
    **arguments: Any,
) -> TrainingResult:
    """Train as `dask_horn.train` does, with a progress bar on standard error.

    With `complete` the network is a guess; see `dask_horn.training.run`.

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
            listeners = [ProgressBar(), watch]
            if complete is None:
                result = train(network, data, callbacks=listeners, **arguments)
            else:
                result = _completed(network, data, complete, listeners, **arguments)
            if result.stopped is not None and watch.received is not None:
                raise Interrupted(watch.received)
        return result
    except KeyboardInterrupt as stop:
        number = stop.signal if isinstance(stop, Interrupted) else signal.SIGINT
        farewell = watch.farewell(number, arguments.get("checkpoint"))
        raise Interrupted(number, farewell) from None


def _completed(
    network: Network,
    data: str,
    complete: Callable[[TrainingData], Network],
    callbacks: list[Callback],
    *,
    validation_data: str | None,
    storage_options: dict[str, Any] | None,
    absent_chunks: str,
    checkpoint: str | None,
    scratch: str | None,
    timeout: float | None,
    **settings: Any,
) -> TrainingResult:
    """Train a network that is made of what is found in the data."""
    given = Given(data, None, validation_data, absent_chunks)
    return run(
        network,
        given.with_options(storage_options),
        TrainingOptions.of(**settings),
        Settled(),
        storage_options=storage_options,
        checkpoint=checkpoint,
        callbacks=callbacks,
        scratch=scratch,
        timeout=timeout,
        complete=complete,
    )


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
