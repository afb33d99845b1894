"""The bar shows each round where somebody watches, and a few lines where nobody does."""

from __future__ import annotations

import io
import sys
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from dask_horn.diagnostics import ProgressBar
from dask_horn.diagnostics.progress import _in_words
from dask_horn.records import RunStart
from dask_horn.training import TrainingResult
from tests.diagnostics.records import history


def _run(
    bar: ProgressBar,
    n_rounds: int,
    *,
    first_round: int = 0,
    scored: bool = True,
    devices: tuple[str, str] = ("cpu", "cpu"),
) -> None:
    """Tell a bar what a run tells it."""
    records = history(n_rounds, scored=scored)
    bar.on_run_start(RunStart("run", first_round, n_rounds, _no_model, *devices))
    for record in records[first_round:]:
        bar.on_round_end(record)
    bar.on_run_end(TrainingResult(None, records))


def _no_model() -> Any:
    raise AssertionError("the bar needs no model")


def test_scores_of_another_device_are_told_at_the_start():
    log = io.StringIO()
    _run(ProgressBar(Console(file=log, width=20)), 2, devices=("cuda", "cpu"))
    first, *rounds = log.getvalue().splitlines()
    assert first == "not all workers have cuda: scores are computed on the CPU"
    assert len(rounds) == 2
    log = io.StringIO()
    _run(ProgressBar(Console(file=log)), 2, devices=("cuda", "cuda"))
    assert len(log.getvalue().splitlines()) == 2


def test_log_gets_about_ten_lines():
    log = io.StringIO()
    _run(ProgressBar(Console(file=log)), 200)
    lines = log.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("round 20 of 200: loss 0.05, score 0.9750, ")
    assert lines[0].endswith(" left")
    assert lines[-1].startswith("round 200 of 200: ")
    assert not lines[-1].endswith("left")


def test_log_always_has_the_last_round():
    log = io.StringIO()
    _run(ProgressBar(Console(file=log)), 17)
    assert log.getvalue().splitlines()[-1].startswith("round 17 of 17")


def test_log_lines_are_never_wrapped():
    log = io.StringIO()
    _run(ProgressBar(Console(file=log, width=20)), 3)
    assert len(log.getvalue().splitlines()) == 3


def test_no_score_without_validation():
    log = io.StringIO()
    _run(ProgressBar(Console(file=log)), 3, scored=False)
    assert "score" not in log.getvalue()


def test_terminal_shows_the_rounds_of_a_resumed_run():
    screen = io.StringIO()
    _run(ProgressBar(Console(file=screen, force_terminal=True, width=100)), 8, first_round=6)
    shown = screen.getvalue()
    assert "6/8" in shown or "7/8" in shown
    assert "8/8" in shown
    assert "score 0.9375" in shown


def test_terminal_is_given_back_when_a_run_fails():
    screen = io.StringIO()
    bar = ProgressBar(Console(file=screen, force_terminal=True, width=100))
    bar.on_run_start(RunStart("run", 0, 3, _no_model))
    bar.on_run_failed(KeyboardInterrupt())
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert screen.getvalue().rindex(shown) > screen.getvalue().rindex(hidden)


def test_notebook_needs_no_widgets(monkeypatch: pytest.MonkeyPatch):
    states = []

    class Handle:
        def update(self, html):
            states.append(html)

    def display(html, display_id):
        states.append(html)
        return Handle()

    fake = ModuleType("IPython.display")
    fake.HTML, fake.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    _run(ProgressBar(Console(file=io.StringIO(), force_jupyter=True)), 3)
    assert len(states) == 4
    assert 'value="0" max="3"' in states[0]
    assert 'value="3" max="3"' in states[-1]
    assert "score 0.8333" in states[-1]


def test_default_is_standard_error(capsys: pytest.CaptureFixture[str]):
    _run(ProgressBar(), 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("round 1 of 2")


def test_a_bar_serves_one_run_after_the_other():
    log = io.StringIO()
    bar = ProgressBar(Console(file=log))
    _run(bar, 2)
    _run(bar, 3)
    assert "round 2 of 2" in log.getvalue() and "round 3 of 3" in log.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (61, "61 s"), (600, "10 min"), (9000, "2.5 h")],
)
def test_times_are_said_as_people_do(seconds, words):
    assert _in_words(seconds) == words
