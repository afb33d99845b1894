"""What a training returns as HTML: how it ended, its model and its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dask_horn.diagnostics.forms.history import history_card
from dask_horn.diagnostics.forms.models import model_card
from dask_horn.diagnostics.html import card, shown

if TYPE_CHECKING:
    from dask_horn.training import TrainingResult


def result_html(result: TrainingResult) -> str:
    """Show how a run ended, its model and its rounds as HTML.

    Parameters
    ----------
    result : TrainingResult

    Returns
    -------
    str
    """
    cards = (model_card(result.model), history_card(result.history))
    return shown(card("TrainingResult", [_ending(result)], *cards))


def _ending(result: TrainingResult) -> str:
    """Tell how the run ended, and which round's model there is."""
    n, best = len(result.history), result.best_round
    rounds = "1 round" if n == 1 else f"{n} rounds"
    model = "" if best is None else f"; the model is from round {best}, the best"
    if result.stopped is not None:
        return f"stopped after {rounds}: {result.stopped}{model}"
    return f"ended after {rounds}{model}"
