"""A history as HTML: curves, the best round, and a table of all rounds."""

from __future__ import annotations

from dask_horn.diagnostics.colours import LOSS, SCORE
from dask_horn.diagnostics.forms.curves import Curve, small_plot
from dask_horn.diagnostics.html import Html, card, fold, scrolling, shown, table, tag
from dask_horn.diagnostics.tables import columns_of, summary_of
from dask_horn.records import History, number_of_rounds

_OPEN_UP_TO = 8  # rounds whose table is not folded


def history_html(history: History) -> str:
    """Lay the rounds out as HTML: curves, and a table in which the best round stands out.

    Parameters
    ----------
    history : History

    Returns
    -------
    str
        HTML that needs no scripts.
    """
    return shown(history_card(history))


def history_card(history: History) -> Html:
    """Return the history without the style sheet."""
    facts = summary_of(history)
    if history.best_round is not None:
        facts.insert(1, f"best {history.best_round}, score {history.best_score:.4f}")
    return card("History", facts, _curves(history), _rounds(history) if len(history) else "")


def _curves(history: History) -> Html:
    """Return the losses and, where there is one, the score beside them."""
    rounds = history["round"].tolist()

    def curve(name: str, column: str, colour: str) -> Curve:
        return Curve(name, colour, list(zip(rounds, history[column].tolist(), strict=True)))

    validated = history.best_round is not None
    training = curve("training" if validated else "", "loss", LOSS)
    if not validated:
        return tag("div", small_plot("loss", [training], None), css="horn-side")
    scores = curve("", "validation_score", SCORE)
    best = next(point for point in scores.points if point[0] == history.best_round)
    losses = [training, curve("validation", "validation_loss", SCORE)]
    plots = [small_plot("loss", losses, None), small_plot("score", [scores], best)]
    return tag("div", *plots, css="horn-side")


def _rounds(history: History) -> Html:
    columns = columns_of(history)
    rows = list(zip(*columns.values(), strict=True))
    css = ["horn-best" if one.round == history.best_round else "" for one in history]
    all_of_them = scrolling(table(list(columns), rows, n_texts=0, row_css=css))
    return fold(number_of_rounds(len(history)), all_of_them, opened=len(history) <= _OPEN_UP_TO)
