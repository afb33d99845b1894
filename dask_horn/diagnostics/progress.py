"""The progress of a run: a bar in terminals and notebooks, a few plain lines in a log."""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from dask_horn.records import Callback, Event, RoundRecord, RunStart, Waiting

if TYPE_CHECKING:
    from rich.console import Console

    from dask_horn.training import TrainingResult

_LINES = 10  # about so many lines for a whole run in a log


class ProgressBar(Callback):
    """Shows a run's rounds, with loss, validation score and remaining time.

    In a terminal or a notebook it is a bar. In a file or a log it is about ten plain lines.

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
    >>> print(log.getvalue().splitlines()[0])  # doctest: +ELLIPSIS
    round 1 of 2: loss ...
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._view: _View | None = None
        self._clock = _Clock(0, 1)

    def on_run_start(self, event: RunStart) -> None:
        """Show an empty bar."""
        self._clock = _Clock(event.first_round, event.n_rounds)
        if event.scoring_device != event.device:
            words = f"not all workers have {event.device}: scores are computed on the CPU"
            (self._console or _standard_error()).out(words, highlight=False)
        self._view = _view(self._console)
        self._view.start(event.first_round, event.n_rounds)

    def on_round_end(self, record: RoundRecord) -> None:
        """Advance the bar."""
        if self._view is not None:
            self._view.move(record.round, [*_numbers(record), self._clock.left(record)])

    def on_event(self, event: Event) -> None:
        """Show what the run waits for; the log has the whole sentence."""
        if self._view is not None and isinstance(event, Waiting):
            self._view.wait(f"waiting for {event.what}, {_in_words(event.seconds)}")

    def on_run_end(self, result: TrainingResult) -> None:
        """Stop, and leave the finished bar."""
        self._stop()

    def on_run_failed(self, error: BaseException) -> None:
        """Stop, and leave the bar where the run ended."""
        self._stop()

    def _stop(self) -> None:
        if self._view is not None:
            self._view.stop()
            self._view = None


class _View(Protocol):
    """One way of showing rounds."""

    def start(self, done: int, total: int) -> None:
        """Show that `done` of `total` rounds are done."""

    def move(self, done: int, words: list[str]) -> None:
        """Show that one more round is done, and its numbers."""

    def wait(self, words: str) -> None:
        """Show that the round takes long."""

    def stop(self) -> None:
        """Stop showing."""


class _Bar:
    """A bar that is redrawn in place in a terminal."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
            expand=True,
        )
        self._task: Any = None

    def start(self, done: int, total: int) -> None:
        self._task = self._progress.add_task("", completed=done, total=total, words="")
        self._progress.start()

    def move(self, done: int, words: list[str]) -> None:
        self._progress.update(self._task, completed=done, words="  ".join(words))

    def wait(self, words: str) -> None:
        self._progress.update(self._task, words=words)

    def stop(self) -> None:
        self._progress.stop()


class _NotebookBar:
    """A bar that is redrawn in place in a notebook; needs no widgets."""

    def __init__(self) -> None:
        self._total = 1
        self._done = 0
        self._handle: Any = None

    def start(self, done: int, total: int) -> None:
        from IPython.display import HTML, display

        self._total, self._done = total, done
        self._handle = display(HTML(self._html(done, [])), display_id=True)

    def move(self, done: int, words: list[str]) -> None:
        from IPython.display import HTML

        self._done = done
        if self._handle is not None:
            self._handle.update(HTML(self._html(done, words)))

    def wait(self, words: str) -> None:
        self.move(self._done, [words])

    def stop(self) -> None:
        """Leave the last state in the notebook."""

    def _html(self, done: int, words: list[str]) -> str:
        text = escape("   ".join([f"{done}/{self._total}", *words]))
        bar = f'<progress value="{done}" max="{self._total}" style="width: 40%"></progress>'
        return f'<div style="white-space: pre">training {bar} {text}</div>'


class _Lines:
    """One line every few rounds, and one for the last."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = 1

    def start(self, done: int, total: int) -> None:
        self._total = total

    def move(self, done: int, words: list[str]) -> None:
        every = max(1, round(self._total / _LINES))
        if done % every == 0 or done == self._total:
            line = f"round {done} of {self._total}: {', '.join(words)}"
            self._console.out(line, highlight=False)

    def wait(self, words: str) -> None:
        """Nothing: the sentence is in the log already."""

    def stop(self) -> None:
        """Leave the lines."""


def _view(console: Console | None) -> _View:
    """Choose the view by where the output goes."""
    console = console or _standard_error()
    if console.is_jupyter:
        return _NotebookBar()
    if console.is_terminal and not console.is_dumb_terminal:
        return _Bar(console)
    return _Lines(console)


def _standard_error() -> Console:
    from rich.console import Console

    return Console(stderr=True)


class _Clock:
    """Estimates the remaining time."""

    def __init__(self, first_round: int, n_rounds: int) -> None:
        self._first = first_round
        self._total = n_rounds
        self._start = time.perf_counter()

    def left(self, record: RoundRecord) -> str:
        """Return the remaining time in words; after the last round, the time taken."""
        passed = time.perf_counter() - self._start
        left = self._total - record.round
        if not left:
            return _in_words(passed)
        return f"{_in_words(passed / (record.round - self._first) * left)} left"


def _numbers(record: RoundRecord) -> list[str]:
    """Return the loss and, if there is one, the validation score."""
    numbers = [f"loss {record.loss:.4g}" if record.loss >= 1e-4 else f"loss {record.loss:.1e}"]
    if record.validation_score is not None:
        numbers.append(f"score {record.validation_score:.4f}")
    return numbers


def _in_words(seconds: float) -> str:
    """Write a length of time as people do."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
