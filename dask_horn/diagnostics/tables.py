"""The rounds of a run as tables: for terminals (rich) and for notebooks (HTML)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from dask_horn.records import History, RoundRecord

if TYPE_CHECKING:
    from rich.table import Table

    from dask_horn.training import TrainingResult

_MEGABYTE = 1e6

# Inline styles, since notebooks keep no style sheets; colours are the page's own.
_CELL = "text-align: right; padding: 0.1em 0.8em"


def history_table(history: History) -> Table:
    """Lay the rounds out as a table for the terminal.

    Parameters
    ----------
    history : History
        What `dask_horn.train` returns as ``result.history``.

    Returns
    -------
    rich.table.Table
        One row per round; print it with `rich.print`. Without validation data there are no
        columns about validation.

    Examples
    --------
    >>> from dask_horn.records import History, RoundRecord
    >>> record = RoundRecord(1, 1, 2, 0.5, ((0.4, 0.6),), 0.4, 0.9, 1.0, 1.8, 200, 8e5, 8e5)
    >>> table = history_table(History([record]))
    >>> [column.header for column in table.columns][2:4]
    ['loss', 'validation loss']
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = _columns(history)
    for heading in columns:
        table.add_column(heading, justify="right")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def history_html(history: History) -> str:
    """Lay the rounds out as an HTML table, which notebooks show for a history.

    Parameters
    ----------
    history : History

    Returns
    -------
    str
        HTML that needs no scripts and no style sheet.
    """
    columns = _columns(history)
    head = "".join(f'<th style="{_CELL}">{escape(heading)}</th>' for heading in columns)
    rows = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row) + "</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    return (
        '<div style="max-height: 24em; overflow: auto; display: inline-block">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"<p>{escape(_summary(history))}</p>"
    )


def result_html(result: TrainingResult) -> str:
    """Show a run's network and rounds as HTML, which notebooks show for a result.

    Parameters
    ----------
    result : TrainingResult

    Returns
    -------
    str
    """
    network = result.model.network
    kept = (
        "" if result.best_round is None else f"<p>The model is from round {result.best_round}.</p>"
    )
    return (
        f"<details><summary><b>{type(result.model).__name__}</b>: "
        f"{network.parameters.n_parameters:,} parameters, loss {network.loss}</summary>"
        f"<pre>{escape(network.summary())}</pre></details>{kept}{history_html(result.history)}"
    )


def _columns(history: Sequence[RoundRecord]) -> dict[str, list[str]]:
    """Lay out a text per round by heading; about validation only if there was validation data."""
    columns = {
        "round": [str(record.round) for record in history],
        "groups ×\nsub-models": [f"{one.n_groups} × {one.n_submodels}" for one in history],
        "loss": [_loss(record.loss) for record in history],
    }
    if any(record.validation_loss is not None for record in history):
        columns["validation loss"] = [_loss(record.validation_loss) for record in history]
        columns["score"] = [_score(record.validation_score) for record in history]
    columns["seconds"] = [f"{record.seconds:.2f}" for record in history]
    columns["MB moved"] = [f"{_moved(record):.2f}" for record in history]
    return columns


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.4g}" if loss >= 1e-4 else f"{loss:.1e}"


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.4f}"


def _moved(record: RoundRecord) -> float:
    """Return the megabytes that training tasks received and sent."""
    return (record.bytes_to_workers + record.bytes_from_workers) / _MEGABYTE


def _summary(history: Sequence[RoundRecord]) -> str:
    """Summarize all rounds in one line."""
    seconds = sum(record.seconds for record in history)
    moved = sum(_moved(record) for record in history)
    samples = sum(record.samples for record in history)
    return f"{len(history)} rounds, {seconds:.1f} s, {samples:,} samples seen, {moved:.1f} MB moved"
