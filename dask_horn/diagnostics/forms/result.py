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
    of_round = result.best_round or len(result.history)
    facts = [result.ending, f"the model is that of round {of_round}"] if of_round else []
    return shown(card("TrainingResult", facts, *cards))
