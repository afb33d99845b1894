"""The script of a new user's first quarter of an hour: what it tells, and its smaller steps."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

from benchmarks.benchmark import HERE
from benchmarks.first_quarter_hour import BENCHMARK, Day, Step, readme_block


@pytest.fixture
def day(tmp_path, monkeypatch):
    """A day in the environment of the tests."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("PYTHONPATH", "/nowhere")  # what a user has not set is not handed on
    return Day(work, Path(sys.executable))


def test_steps_are_told_in_a_table():
    steps = [Step("install", 60.0, "", True), Step("look", 30.0, "404 | missing", False)]
    text = BENCHMARK.render({"steps": [asdict(step) for step in steps]}, HERE)
    assert "1.5 minutes of 15. **Not as it should be: look.**" in text
    assert "| install | 60.0 | done |" in text
    assert r"| look | 30.0 | **404 \| missing** |" in text


def test_the_record_is_still_told():
    record = HERE / "records" / f"{BENCHMARK.name}.json"
    if record.exists():
        assert "minutes of 15" in BENCHMARK.render(json.loads(record.read_text())["measured"], HERE)


def test_a_step_is_what_a_program_says_last_in_an_empty_folder(day):
    day.run("one", "import os\nprint('first')\nprint(os.listdir(), 'PYTHONPATH' in os.environ)")
    assert day.steps[0].outcome == "['step_0.py'] False"
    assert day.steps[0].worked


def test_a_step_that_fails_says_by_what(day):
    day.run("one", "print('half')\nraise ValueError('the other half')")
    assert day.steps[0].outcome == "half ValueError: the other half"
    assert not day.steps[0].worked


def test_readme_begins_with_a_block_that_prints_a_score():
    assert "print(" in readme_block() and ".score(" in readme_block()
