"""Tables of rounds say what the records hold."""

from __future__ import annotations

import io

from rich.console import Console

from dask_horn.diagnostics import history_table
from dask_horn.records import History
from tests.diagnostics.records import history, record


def _printed(table) -> list[list[str]]:
    out = io.StringIO()
    Console(file=out, width=100).print(table)
    return [line.split("  ") for line in out.getvalue().splitlines()]


def _words(rows: list[list[str]]) -> list[list[str]]:
    return [[cell.strip() for cell in row if cell.strip()] for row in rows]


def test_table_has_a_row_per_round():
    rows = [row for row in _words(_printed(history_table(history(3, last_divided=1)))) if row]
    above, heading, _, *rounds = rows
    assert above == ["groups ×", "validation", "MB"]
    assert heading == ["round", "sub-models", "loss", "loss", "score", "seconds", "moved"]
    assert rounds[0] == ["1", "2 × 2", "1", "0.5", "0.5000", "0.25", "2.00"]
    assert rounds[-1][:2] == ["3", "2 × 1"]
    assert len(rounds) == 3


def test_table_shows_groups_that_become_more():
    regrouped = History([record(1, n_submodels=4), record(2, n_groups=8, n_submodels=1)])
    assert regrouped.column("n_groups") == [2, 8]
    rows = [row for row in _words(_printed(history_table(regrouped))) if row]
    assert [row[1] for row in rows[3:]] == ["2 × 4", "8 × 1"]
    lines = [line.split(",")[:3] for line in regrouped.to_csv().splitlines()]
    assert lines == [["round", "n_groups", "n_submodels"], ["1", "2", "4"], ["2", "8", "1"]]


def test_table_fits_a_terminal_of_80_columns():
    assert Console(width=80).measure(history_table(history(200))).minimum <= 80


def test_nothing_about_validation_where_nothing_was_validated():
    table = history_table(history(2, scored=False))
    assert [column.header for column in table.columns] == [
        "round", "groups ×\nsub-models", "loss", "seconds", "MB\nmoved",
    ]  # fmt: skip


def test_the_best_round_stands_out():
    table = history_table(history(3))
    assert [row.style for row in table.rows] == [None, None, "bold"]
    assert {row.style for row in history_table(history(3, scored=False)).rows} == {None}


def test_tiny_losses_keep_their_digits():
    printed = _printed(history_table(History([record(1, loss=1.5e-6)])))
    assert any("1.5e-06" in cell for row in printed for cell in row)
