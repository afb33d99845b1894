"""The rounds of a run as a table for terminals; `forms/` has what notebooks show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dask_horn.records import History, RoundRecord, number_of_rounds, short_loss

if TYPE_CHECKING:
    from rich.table import Table

_MEGABYTE = 1e6


def history_table(history: History) -> Table:
    """Lay the rounds out as a table for the terminal.

    Parameters
    ----------
    history : History
        What `dask_horn.train` returns as ``result.history``.

    Returns
    -------
    rich.table.Table
        One row per round, the best one bold; print it with `rich.print`. Without validation data
        there are no columns about validation.

    Examples
    --------
    >>> from dask_horn.records import History, RoundRecord
    >>> record = RoundRecord(1, 1, 2, 0.5, ((0.4, 0.6),), 0.4, 0.9, 1.0, 1.8, 200, 8e5, 8e5)
    >>> table = history_table(History([record]))
    >>> [column.header.split() for column in table.columns][2:4]
    [['loss'], ['validation', 'loss']]
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = columns_of(history)
    for heading in columns:
        table.add_column(heading, justify="right")
    for record, *row in zip(history, *columns.values(), strict=True):
        table.add_row(*row, style="bold" if record.round == history.best_round else None)
    return table


def columns_of(history: Sequence[RoundRecord]) -> dict[str, list[str]]:
    """Lay out a text per round by heading; about validation only if there was validation data."""
    columns = {
        "round": [str(record.round) for record in history],
        "groups ×\nsub-models": [f"{one.n_groups} × {one.n_submodels}" for one in history],
        "loss": [short_loss(record.loss) for record in history],
    }
    if any(record.validation_loss is not None for record in history):
        columns["validation\nloss"] = [_loss(record.validation_loss) for record in history]
        columns["score"] = [_score(record.validation_score) for record in history]
    columns["seconds"] = [f"{record.seconds:.2f}" for record in history]
    columns["MB\nmoved"] = [f"{_moved(record):.2f}" for record in history]
    return columns


def _loss(loss: float | None) -> str:
    return "" if loss is None else short_loss(loss)


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.4f}"


def _moved(record: RoundRecord) -> float:
    """Return the megabytes that training tasks received and sent."""
    return (record.bytes_to_workers + record.bytes_from_workers) / _MEGABYTE


def summary_of(history: Sequence[RoundRecord]) -> list[str]:
    """Sum all rounds up in a few facts."""
    seconds = sum(record.seconds for record in history)
    moved = sum(_moved(record) for record in history)
    samples = sum(record.samples for record in history)
    return [
        number_of_rounds(len(history)),
        f"{seconds:.1f} s",
        f"{samples:,} samples seen",
        f"{moved:.1f} MB moved",
    ]
