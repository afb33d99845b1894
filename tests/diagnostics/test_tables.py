"""Tables of rounds say what the records hold, and stay out of a page's markup."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from dask_horn import Dense, Model, Network
from dask_horn.data import Standardizer, Targets
from dask_horn.diagnostics import history_html, history_table, result_html
from dask_horn.records import History
from dask_horn.training import TrainingResult
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
    assert above == ["groups ×"]
    assert heading == [
        "round", "sub-models", "loss", "validation loss", "score", "seconds", "MB moved",
    ]  # fmt: skip
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
        "round", "groups ×\nsub-models", "loss", "seconds", "MB moved",
    ]  # fmt: skip
    assert "score" not in history_html(history(2, scored=False))


def test_tiny_losses_keep_their_digits():
    assert "1.5e-06" in history_html(History([record(1, loss=1.5e-6)]))


def test_html_has_a_row_per_round_and_a_summary():
    html = history_html(history(3))
    assert html.count("<tr>") == 4
    for figure in ("3 rounds", "0.8 s", "3,000 samples", "6.0 MB"):
        assert figure in html
    assert html == history(3)._repr_html_()


def test_html_of_no_rounds_is_an_empty_table():
    assert "0 rounds" in history_html(History())


def test_result_shows_network_and_rounds():
    network = Network([Dense(2, activation="relu"), Dense(2)], input_shape=3)
    model = Model(
        network,
        network.initial_values(0),
        Standardizer.identity(3),
        Targets.of_classes(np.array(["cat", "dog"])),
    )
    html = result_html(TrainingResult(model, history(3), best_round=2))
    assert "14 parameters" in html
    assert "round 2" in html
    assert "dense_1  Dense(2" in html
    assert html == TrainingResult(model, history(3), best_round=2)._repr_html_()
