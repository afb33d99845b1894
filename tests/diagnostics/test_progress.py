"""The bar shows each round where somebody watches, and a few lines where nobody does."""

from __future__ import annotations

import io
import sys
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from dask_horn.diagnostics import ProgressBar
from dask_horn.records import Preparing, RunEnded, RunStart, Waiting, length_of_time
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
    bar.on_event(Preparing(what="looking through the samples"))
    bar.on_run_start(RunStart("run", first_round, n_rounds, _no_model, *devices))
    for record in records[first_round:]:
        bar.on_round_end(record)
    result = TrainingResult(None, records)
    bar.on_event(RunEnded(message=result.ending))
    bar.on_run_end(result)


def _no_model() -> Any:
    raise AssertionError("the bar needs no model")


def test_scores_of_another_device_are_told_at_the_start():
    log = io.StringIO()
    _run(ProgressBar(Console(file=log, width=20)), 2, devices=("cuda", "cpu"))
    _, told, *rounds = log.getvalue().splitlines()
    assert told == "not all workers have cuda: scores are computed on the CPU"
    assert len(rounds) == 2 + 1
    log = io.StringIO()
    _run(ProgressBar(Console(file=log)), 2, devices=("cuda", "cuda"))
    assert "scores" not in log.getvalue()


def test_log_gets_about_ten_lines():
    log = io.StringIO()
    _run(ProgressBar(Console(file=log)), 200)
    first, *lines, last = log.getvalue().splitlines()
    assert first == "looking through the samples"
    assert len(lines) == 10
    assert lines[0] == "round 20 of 200: loss 0.05, score 0.9750, 45 s left"
    assert lines[-1] == "round 200 of 200: loss 0.005, score 0.9975"
    assert last == "200 rounds in 50 s, score 0.9975"


def test_log_always_has_the_last_round():
    log = io.StringIO()
    _run(ProgressBar(Console(file=log)), 17)
    assert log.getvalue().splitlines()[-2].startswith("round 17 of 17")


def test_log_lines_are_never_wrapped():
    log = io.StringIO()
    _run(ProgressBar(Console(file=log, width=20)), 3)
    assert len(log.getvalue().splitlines()) == 1 + 3 + 1


def test_no_score_without_validation():
    log = io.StringIO()
    _run(ProgressBar(Console(file=log)), 3, scored=False)
    assert "score" not in log.getvalue()


def test_terminal_shows_the_rounds_of_a_resumed_run():
    screen = io.StringIO()
    _run(ProgressBar(Console(file=screen, force_terminal=True, width=100)), 8, first_round=6)
    shown = screen.getvalue()
    assert "looking through the samples" in shown
    assert "6/8" in shown or "7/8" in shown
    assert "8/8" in shown
    assert "score 0.9375" in shown
    assert shown.rstrip().endswith("8 rounds in 2.0 s, score 0.9375")


def test_terminal_is_given_back_when_a_run_fails():
    screen = io.StringIO()
    bar = ProgressBar(Console(file=screen, force_terminal=True, width=100))
    bar.on_run_start(RunStart("run", 0, 3, _no_model))
    bar.on_run_failed(KeyboardInterrupt())
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert screen.getvalue().rindex(shown) > screen.getvalue().rindex(hidden)


@pytest.mark.parametrize("terminal", [True, False])
def test_why_a_run_has_failed_is_told(terminal):
    screen = io.StringIO()
    bar = ProgressBar(Console(file=screen, force_terminal=terminal, width=100))
    bar.on_run_start(RunStart("run", 0, 3, _no_model))
    for record in history(3)[:2]:
        bar.on_round_end(record)
    bar.on_event(RunEnded(message="interrupted after round 2", failed=True))
    bar.on_run_failed(KeyboardInterrupt())
    assert screen.getvalue().rstrip().endswith("interrupted after round 2")
    if terminal:  # what was left is not: the bar's last state does not say so
        assert "left" not in screen.getvalue().rpartition("2/3")[2]


@pytest.mark.parametrize("terminal", [True, False])
def test_why_a_set_up_has_failed_is_left_to_the_error(terminal):
    screen = io.StringIO()
    bar = ProgressBar(Console(file=screen, force_terminal=terminal, width=100))
    bar.on_event(Preparing(what="looking through the samples"))
    bar.on_event(RunEnded(message="failed: X holds NaN", failed=True))
    bar.on_run_failed(ValueError("X holds NaN"))
    assert "NaN" not in screen.getvalue()
    if terminal:  # the line is wiped out
        assert screen.getvalue().rindex("\x1b[2K") > screen.getvalue().rindex("looking")


def test_a_wait_is_shown_whenever_it_comes():
    screen = io.StringIO()
    bar = ProgressBar(Console(file=screen, force_terminal=True, width=100))
    bar.on_event(Preparing(what="waiting for a worker"))
    bar.on_event(Waiting(what="a worker", seconds=15.0, reason="there are no workers"))
    bar.on_run_start(RunStart("run", 0, 3, _no_model))
    bar.on_event(Waiting(what="round 1", seconds=130.0, reason="all workers are paused"))
    bar.on_run_failed(KeyboardInterrupt())
    assert "0/3  waiting for round 1 2 min" in screen.getvalue()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What is displayed, one state after the other."""
    states: list[dict[str, str]] = []

    class Handle:
        def update(self, forms, raw):
            states.append(forms)

    def display(forms, raw, display_id):
        states.append(forms)
        return Handle()

    fake = ModuleType("IPython.display")
    fake.display = display
    package = ModuleType("IPython")
    package.display = fake
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    return states


def test_notebook_needs_no_widgets(notebook):
    _run(ProgressBar(Console(file=io.StringIO(), force_jupyter=True)), 3)
    before, start, *_, last, end = [state["text/html"] for state in notebook]
    assert len(notebook) == 1 + 1 + 3 + 1
    assert "looking through the samples" in before and "<animate " in before
    assert 'width="0.0%"' in start and "0/3" in start
    assert 'width="100.0%"' in last and "score 0.8333" in last
    assert "3 rounds in 0.8 s, score 0.8333" in end
    assert notebook[-1]["text/plain"].splitlines() == [
        "training  3/3  loss 0.3333  score 0.8333",
        "3 rounds in 0.8 s, score 0.8333",
    ]


def test_notebook_keeps_what_is_told_at_the_start_and_escapes_it(notebook):
    bar = ProgressBar(Console(file=io.StringIO(), force_jupyter=True))
    bar.on_run_start(RunStart("run", 0, 3, _no_model, "cuda", "cpu"))
    bar.on_event(RunEnded(message="failed after round 1: a < b", failed=True))
    bar.on_run_failed(ValueError("a < b"))
    assert "scores are computed on the CPU" in notebook[-1]["text/html"]
    assert "a &lt; b" in notebook[-1]["text/html"]


def test_notebook_shows_nothing_of_a_set_up_that_has_failed(notebook):
    bar = ProgressBar(Console(file=io.StringIO(), force_jupyter=True))
    bar.on_event(Preparing(what="looking through the samples"))
    bar.on_run_failed(ValueError("X holds NaN"))
    assert notebook[-1] == {"text/html": "", "text/plain": ""}


def test_default_is_standard_error(capsys: pytest.CaptureFixture[str]):
    _run(ProgressBar(), 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[1].startswith("round 1 of 2")


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
    assert length_of_time(seconds) == words
