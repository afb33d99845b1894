"""The progress of a run: a bar in terminals and notebooks, a few plain lines in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dask_horn.diagnostics.views import View, view_on
from dask_horn.records import (
    Callback,
    Event,
    Preparing,
    Remaining,
    Remark,
    RoundRecord,
    RunBegun,
    RunEnded,
    RunStart,
    Waiting,
    numbers_of,
)

if TYPE_CHECKING:
    from rich.console import Console

    from dask_horn.training import TrainingResult


class ProgressBar(Callback):
    """Shows what a run does: its set-up, its rounds, and how it ended.

    A round is shown with its loss, its validation score and the time that is left, which is
    estimated from the rounds before; a first round of less than ten seconds tells nothing yet. In a
    terminal or a notebook it is a bar. In a file or a log it is about ten plain lines. ``train(...,
    progress=True)`` and ``verbose=True`` of the estimators add one.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to show it; by default on standard error, which leaves standard output alone.

    Examples
    --------
    >>> import io
    >>> from rich.console import Console
    >>> import dask_horn as horn
    >>> network = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(2)], input_shape=2)
    >>> log = io.StringIO()
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, [0, 1, 1, 0] * 8
    >>> _ = horn.train(network, X, y, n_rounds=2, callbacks=[ProgressBar(Console(file=log))])
    >>> print(log.getvalue())  # doctest: +ELLIPSIS
    copying the samples into Zarr
    looking through the samples
    compiling kernels, or loading them
    round 1 of 2: loss ...
    round 2 of 2: loss ...
    2 rounds in ... s, loss ...
    <BLANKLINE>
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._view: View | None = None
        self._remaining = Remaining(0)
        self._n_rounds = 0
        self._ending: RunEnded | None = None

    def on_run_start(self, event: RunStart) -> None:
        """Show an empty bar."""
        self._remaining, self._n_rounds = Remaining(event.n_rounds), event.n_rounds
        view = self._shown()
        if event.scoring_device != event.device:
            view.note(f"not all workers have {event.device}: scores are computed on the CPU")
        view.start(event.first_round, event.n_rounds)

    def on_round_end(self, record: RoundRecord) -> None:
        """Advance the bar."""
        self._remaining.note(record)
        if self._view is not None:
            self._view.move(record.round, numbers_of(record), self._remaining.words())

    def on_event(self, event: Event) -> None:
        """Show what the run does, or waits for; of a wait the log has the whole sentence."""
        if isinstance(event, Preparing):
            self._shown().prepare(event.what)
        elif isinstance(event, Remark):
            self._shown().note(event.words)
        elif isinstance(event, RunBegun):
            self._remaining = Remaining.of(event)
        elif isinstance(event, Waiting):
            self._shown().wait(event.what, event.seconds)
        elif isinstance(event, RunEnded):
            self._ending = event

    def on_run_end(self, result: TrainingResult) -> None:
        """Leave the bar, and say what has happened."""
        self._stop(failed=False)

    def on_run_failed(self, error: BaseException) -> None:
        """Leave the bar where the run ended, and say why; nothing of it if no round began."""
        self._stop(failed=True)

    def _shown(self) -> View:
        if self._view is None:
            self._ending = None
            self._view = view_on(self._console)
        return self._view

    def _stop(self, *, failed: bool) -> None:
        if self._view is not None:
            view, self._view = self._view, None
            view.stop(self._ending.message if self._ending else "", failed=failed)
