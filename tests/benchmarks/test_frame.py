"""The frame of the benchmarks: turns, ratios, JSON and sections."""

from __future__ import annotations

import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

from click.testing import CliRunner

from benchmarks import benchmark as frame
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark
from benchmarks.throughput import contestants
from benchmarks.throughput.contestants import Case
from benchmarks.timing import geometric_mean, in_turns, median_and_spread, ratio


def test_contestants_take_turns():
    called = []
    contestants_ = {name: lambda name=name: called.append(name) for name in "ab"}
    seconds = in_turns(contestants_, turns=3)
    assert called[-6:] == ["a", "b"] * 3
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_figures():
    assert ratio([2, 4, 90], [1, 2, 30]) == 2  # turn by turn: a slow minute is slow for both
    assert geometric_mean([1, 4]) == 2
    assert median_and_spread([1, 2, 3, 4, 5], 1, factor=10) == "30.0 (20.0 – 40.0)"


def test_a_section_is_written_from_what_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(frame, "QUICK", tmp_path / "quick")
    figures = iter([1.5, 2.5])
    example = Benchmark(
        "example",
        "An example",
        lambda folder, full: {"figure": next(figures), "full": full},
        lambda measured, plots: f"It took {measured['figure']} s.",
    )

    def run(*options):
        result = CliRunner().invoke(example.command(), ["--data", str(tmp_path), *options])
        assert result.exit_code == 0, result.output
        return (tmp_path / "quick" / "RESULTS.md").read_text()

    assert "It took 1.5 s." in run()
    assert "It took 1.5 s." in run("--render")  # nothing is measured
    again = run()
    assert "It took 2.5 s." in again
    assert again.count("## An example") == 1


def where(settings):
    import os

    return [os.environ.get(name) for name in settings["names"]]


def test_a_process_has_its_own_environment(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    names = ["OPENBLAS_CORETYPE", "OMP_NUM_THREADS"]
    found = run_apart(
        "tests.benchmarks.test_frame:where",
        {"names": names},
        {"OPENBLAS_CORETYPE": None},
        threads=2,
    )
    assert found == [None, "2"]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_our_contestants(optimizer):
    case = Case((6, 5, 5, 3), 4, optimizer, 0.5)
    assert case.operations == 2 * 4 * (2 * 30 + 3 * (25 + 15))
    losses = contestants.ours(case)()
    assert len(losses) == contestants.STEPS
    assert losses.min() > 0
    assert contestants.our_products(case)().tolist() == [0] * contestants.STEPS
    contestants.blas_products(case)()
