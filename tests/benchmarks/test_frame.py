"""The frame of the benchmarks: turns, ratios, JSON and sections; and what takes turns."""

from __future__ import annotations

import importlib
import json
import re

import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

import numpy as np
from click.testing import CliRunner

import dask_horn as horn
from benchmarks import benchmark as frame
from benchmarks.__main__ import NAMES
from benchmarks.apart import run_apart
from benchmarks.benchmark import Benchmark
from benchmarks.floors import Product, blas_floor, called_floor, n_operations, products_of
from benchmarks.operations import Step
from benchmarks.timing import best_of, geometric_mean, in_turns, median_and_spread, ratio


def test_contestants_take_turns():
    called = []
    contestants_ = {name: lambda name=name: called.append(name) for name in "ab"}
    seconds = in_turns(contestants_, turns=3)
    assert called[-6:] == ["a", "b"] * 3
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_figures():
    assert ratio([2, 4, 90], [1, 2, 30]) == 2  # turn by turn: a slow minute is slow for both
    assert geometric_mean([1, 4]) == 2
    assert best_of({"slow": [2, 2], "quick": [1, 9, 1]}, ["slow", "quick", "absent"]) == "quick"
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


@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_is_there_and_its_record_is_still_told(name, tmp_path):
    benchmark = importlib.import_module(f"benchmarks.{name}").BENCHMARK
    assert benchmark.name == name
    record = frame.HERE / "records" / f"{name}.json"
    if record.exists():
        assert benchmark.render(json.loads(record.read_text())["measured"], tmp_path)


def test_one_module_alone_knows_more_than_public_names():
    deep = {
        path.name
        for path in frame.HERE.rglob("*.py")
        if re.search(r"^ *(from dask_horn|import dask_horn\.)", path.read_text(), re.MULTILINE)
    }
    assert deep == {"operations.py", "startup.py"}  # the latter in a program that it starts


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
def test_a_step_is_the_whole_of_it_or_some_operations(optimizer):
    network = horn.Network([horn.Dense(5, activation="relu"), horn.Dense(3)], 6)
    x = np.random.default_rng(0).standard_normal((8, 6), dtype=np.float32)
    step = Step(network, x, np.arange(8)[:, None] % 3, 4, np.arange(8), optimizer, clip_norm=1.0)
    losses = step.run()
    assert losses.shape == (2,) and losses.min() > 0
    products = [i for i, one in enumerate(step.operations) if one.kernel.startswith("gemm")]
    assert len(products) == 5
    assert step.only(products)().tolist() == [0, 0]
    assert step.run()[0] < losses[0]  # it goes on from where it was


def test_floors_are_all_products_of_a_step():
    products = products_of(4, [(6, 5), (5, 3)])
    assert n_operations(products) == 2 * 4 * (2 * 30 + 3 * 15)
    blas_floor(products)()
    called = []
    twice = Product("input", 2, 6, 5, times=2)
    called_floor([*products, twice], lambda x, y: called.append((x @ y).shape))()
    assert called == [(4, 5), (4, 3), (6, 5), (5, 3), (4, 5), (2, 6), (2, 6)]
