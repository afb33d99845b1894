"""What a training returns."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.errors import DivergedError, HornError, StoppedError
from dask_horn.model import Ensemble, Model
from dask_horn.records import History, length_of_time, number_of_rounds, numbers_of


@dataclass(frozen=True)
class TrainingResult:
    """What `train` returns.

    Attributes
    ----------
    model : Model or Ensemble
    history : History
        One record per round.
    best_round : int or None
        With early stopping: the round that the model is from, counted from 1. None without it: the
        model is then the last round's, whichever has the best score (`history.best_round`).
    stopped : str or None
        Who has ended the run before its last round, in words: the message of the callback's
        `StopIteration`, such as that of `StopOnSignal`. None where the run is complete: all rounds
        are done, or early stopping has ended it.
    stopped_early : bool
        Whether early stopping has ended it before its last round.
    """

    model: Model | Ensemble
    history: History
    best_round: int | None = None
    stopped: str | None = None
    stopped_early: bool = False

    @property
    def ending(self) -> str:
        """What has happened, in one line: how many rounds, why no more, and how good it is.

        Progress bars and logs end with it, and `RunEnded` tells it.

        Examples
        --------
        >>> import dask_horn as horn
        >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, [0, 1, 1, 0] * 8
        >>> network = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(2)], input_shape=2)
        >>> horn.train(network, X, y, n_rounds=3).ending  # doctest: +ELLIPSIS
        '3 rounds in ... s, loss ...'
        """
        rounds = len(self.history)
        took = length_of_time(sum(self.history.column("seconds")))
        if self.stopped is not None:
            what = f"stopped {_after(rounds)} ({self.stopped})"
        elif self.stopped_early:
            what = f"stopped early at round {rounds}"
        else:
            what = f"{number_of_rounds(rounds)} in {took}"
        if not rounds:
            return what
        best = [] if self.best_round is None else [f"best round {self.best_round}"]
        returned = self.history[(self.best_round or rounds) - 1]
        return ", ".join([what, *best, numbers_of(returned)[-1]])

    def _repr_html_(self) -> str:
        from dask_horn.diagnostics.forms import result_html

        return result_html(self)


def ending_by(error: BaseException, done: int, saved: int | None = None) -> str:
    """Say what has happened to a run that ends by an error, in one line.

    Parameters
    ----------
    error : BaseException
    done : int
        Rounds that are done.
    saved : int or None
        How many of them a checkpoint has; None where there is no checkpoint.
    """
    lines = str(error).splitlines()
    if isinstance(error, KeyboardInterrupt):
        what = f"interrupted {_after(done)}"
    elif isinstance(error, StoppedError):
        what = f"stopped {_after(done)} ({error})"
    else:
        verb = "diverged" if isinstance(error, DivergedError) else "failed"
        # The library's own are whole sentences; of others a KeyError says no more than the key.
        known = isinstance(error, HornError | ValueError | TypeError) and lines
        name = "" if known else f"{type(error).__name__}{': ' if lines else ''}"
        what = f"{verb} {_after(done)}: {name}{lines[0] if lines else ''}"
    return f"{what}; the checkpoint has round {saved}" if saved else what


def _after(rounds: int) -> str:
    return f"after round {rounds}" if rounds else "before the first round was done"
