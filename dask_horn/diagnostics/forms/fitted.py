"""What is known of an estimator after its fit, as HTML below scikit-learn's diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dask_horn.diagnostics.forms.history import history_card
from dask_horn.diagnostics.forms.models import model_card
from dask_horn.diagnostics.html import Html, fold, joined, muted, shown, tag

if TYPE_CHECKING:
    from dask_horn.model import Ensemble, Model
    from dask_horn.records import History


def fitted_html(model: Model | Ensemble, history: History) -> str:
    """Show an estimator's model and history, folded, as HTML.

    Parameters
    ----------
    model : Model or Ensemble
    history : History

    Returns
    -------
    str
    """
    folds = (
        fold(_named("model_", model), model_card(model)),
        fold(_named("history_", history), history_card(history)),
    )
    return shown(tag("div", *folds, css="horn-card"))


def _named(name: str, value: object) -> Html:
    return joined([tag("b", name), muted(repr(value))], " ")
