"""Chaos: what is drawn, and that a training under faults ends with the same bits."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

from benchmarks.benchmark import HERE
from benchmarks.chaos.faults import N_WORKERS, draw
from benchmarks.chaos.run import Hit
from benchmarks.chaos.table import BENCHMARK, SHORT, plain
from benchmarks.chaos.trial import Trial, tried


def test_faults_follow_from_the_seed():
    assert draw(30, 0) == draw(30, 0) != draw(30, 1)


@pytest.mark.parametrize("seed", range(20))
def test_each_kind_comes_and_some_workers_are_left(seed):
    faults = draw(SHORT, seed)
    kinds = [fault.kind for fault in faults]
    assert {"kill", "pause", "scheduler", "client"} <= set(kinds)
    assert {"join", "leave"} & set(kinds)  # one may stand in for the other
    n_workers = N_WORKERS
    for kind in kinds:
        n_workers += {"join": 1, "leave": -1}.get(kind, 0)
        assert 2 <= n_workers <= 4
    assert faults[0].after == "start"  # before the first round


def test_a_trial_is_told():
    one, other = draw(2, 0)
    hits = (Hit(one, "worker-1", 0.0, 0, ["HornError"], 3.0), Hit(other, "worker-2", 1.0, 7))
    trial = Trial(0, 8, hits, n_starts=2, differing=("losses",), seconds=9.0, without=4.0)
    text = BENCHMARK.render(json.loads(json.dumps(plain(trial))), HERE)
    assert "Other bits, of losses" in text
    assert "set-up | ended by HornError; started again | 3.0" in text
    assert "round 7 | " in text


def test_the_record_is_still_told():
    record = HERE / "records" / "chaos.json"
    if record.exists():
        measured = json.loads(record.read_text())["measured"]
        assert "The same bits" in BENCHMARK.render(measured, HERE)


@pytest.mark.chaos
def test_a_training_under_faults_ends_with_the_same_bits(tmp_path):
    # A worker dies in the first set-up, and the scheduler in the second.
    trial = tried(tmp_path, SHORT, seed=14)
    assert trial.differing == ()
    assert len(trial.hits) == SHORT
