"""The interface of those who listen to a run in the process that has started it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dask_horn.records.events import Event, RunEnded
from dask_horn.records.rounds import RoundRecord


@dataclass(frozen=True)
class RunStart:
    """A run is about to train.

    Attributes
    ----------
    run : str
        The run's id, which is in the keys of its tasks.
    first_round : int
        Rounds that are done already: more than 0 where a checkpoint is resumed.
    n_rounds : int
        Rounds in all.
    model : callable
        Fetches the `Model`, or `Ensemble`, as the last round that is done has left it, from the
        workers: ask only where it is needed.
    device, scoring_device : str
        What the sub-models are trained on, and what parents are scored on.
    """

    run: str
    first_round: int
    n_rounds: int
    model: Callable[[], Any]
    device: str = "cpu"
    scoring_device: str = "cpu"


class Callback:
    """Listens to a run; override what you want to hear.

    `on_round_end` may raise `StopIteration` to end the run after the round that is done;
    `TrainingResult.stopped` is then its message. Methods are called in the process and thread that
    started the run.

    Examples
    --------
    >>> class PrintLoss(Callback):
    ...     def on_round_end(self, record):
    ...         print(record.round, record.loss)
    """

    def on_run_start(self, event: RunStart) -> None:
        """Hear that everything is settled and training begins."""

    def on_round_end(self, record: RoundRecord) -> None:
        """Hear that a round is merged, and scored where there are validation rows."""

    def on_event(self, event: Event) -> None:
        """Hear what else happens.

        In this order a run tells `Preparing` before each step of its set-up that may take long, a
        `Remark` where its settings ask for one, `RunBegun` after `on_run_start`, and `RunEnded`,
        whatever its end is, before `on_run_end` or `on_run_failed`. In between come `Waiting`,
        where it waits longer than it should, `TaskLost` and `StoreRetried`. They are in
        `dask_horn.records`; take what you know and pass over the rest.
        """

    def on_run_end(self, result: Any) -> None:
        """Hear that the run is done; `result` is the `TrainingResult` that `train` returns."""

    def on_run_failed(self, error: BaseException) -> None:
        """Hear that the run ends by an error, or by Ctrl-C; perhaps while it is being set up."""


class CallbackList(Callback):
    """Passes every event on to several callbacks, in their order."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
            raise TypeError(
                f"callbacks must be a list of instances of dask_horn.Callback, got {callbacks!r}"
            )
        self.callbacks = tuple(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"callbacks must be instances of dask_horn.Callback, got {callback!r}"
                    f"{_what_would_do(callback)}"
                )

    def on_run_start(self, event: RunStart) -> None:
        """Pass it on."""
        self._tell(lambda callback: callback.on_run_start(event))

    def on_round_end(self, record: RoundRecord) -> None:
        """Pass it on."""
        self._tell(lambda callback: callback.on_round_end(record))

    def on_event(self, event: Event) -> None:
        """Pass it on; the run's end to all of them before an error of one is raised."""
        tell = self._tell_all if isinstance(event, RunEnded) else self._tell
        tell(lambda callback: callback.on_event(event))

    def on_run_end(self, result: Any) -> None:
        """Pass it on, to all of them before an error of one is raised."""
        self._tell_all(lambda callback: callback.on_run_end(result))

    def on_run_failed(self, error: BaseException) -> None:
        """Pass it on likewise."""
        self._tell_all(lambda callback: callback.on_run_failed(error))

    def _tell_all(self, tell: Callable[[Callback], None]) -> None:
        first = None
        for callback in self.callbacks:
            try:
                tell(callback)
            except Exception as error:
                first = first or error
        if first is not None:
            raise first

    def _tell(self, tell: Callable[[Callback], None]) -> None:
        """Tell all of them, even where one of them asks to stop."""
        stop = None
        for callback in self.callbacks:
            try:
                tell(callback)
            except StopIteration as asked:
                stop = asked
        if stop is not None:
            raise stop


def _what_would_do(callback: object) -> str:
    """Say what to do with something that is no callback, if that is plain."""
    if isinstance(callback, type) and issubclass(callback, Callback):
        return f"; make an instance of it, {callback.__name__}(...)"
    if hasattr(callback, "on_fit_task_end"):
        return (
            "; callbacks of scikit-learn listen to estimators: use HornClassifier or HornRegressor "
            "with set_callbacks(...)"
        )
    return ""
