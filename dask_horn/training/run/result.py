"""What a training returns."""

from __future__ import annotations

from dataclasses import dataclass

from dask_horn.model import Ensemble, Model
from dask_horn.records import History


@dataclass(frozen=True)
class TrainingResult:
    """What `train` returns.

    Attributes
    ----------
    model : Model or Ensemble
    history : History
        One record per round.
    best_round : int or None
        With early stopping: the round that the model is from, counted from 1.
    stopped : str or None
        Who has ended the run before its last round, in words: the message of the callback's
        `StopIteration`, such as that of `StopOnSignal`. None where the run is complete: all rounds
        are done, or early stopping has ended it.
    """

    model: Model | Ensemble
    history: History
    best_round: int | None = None
    stopped: str | None = None

    def _repr_html_(self) -> str:
        from dask_horn.diagnostics.forms import result_html

        return result_html(self)
