"""The timeline, what each worker achieves, and the traffic."""

from __future__ import annotations

import pytest

from dask_horn.diagnostics.page.timeline import bars, shares
from dask_horn.diagnostics.page.traffic import traffic
from tests.diagnostics.page.told import BEGAN, WORKERS, begun, heard, merged, progress, task


def test_a_training_is_one_bar_while_it_goes_on_and_when_it_is_merged():
    run = heard(begun(), progress(1, 0, 1, time=BEGAN + 1, seconds=0.75)).newest
    (bar,) = bars(run)
    assert (bar.start, bar.end) == (BEGAN + 0.25, BEGAN + 1)
    run.heard(merged(1))
    assert [one.key for one in bars(run)].count(bar.key) == 1
    assert len(bars(run)) == 8


def test_merges_have_bars():
    (bar,) = bars(heard(begun(), task(2)).newest)
    assert (bar.stage, bar.round, bar.worker) == ("merge", 2, WORKERS[0])
    assert bar.end - bar.start == pytest.approx(0.1)


def test_what_each_worker_achieves():
    found = shares(heard(begun(), merged(1)).newest)
    assert [one.worker for one in found] == list(WORKERS)
    # Of eight trainings each has four, of 50 samples and half a second each, in 2 seconds.
    assert found[0].rate == pytest.approx(100) and found[0].busy == pytest.approx(1.0)


def test_traffic_adds_up():
    sums = traffic(heard(begun(), merged(1), merged(2)).newest)
    assert [one.moved for one in sums] == [500, 1000]
    # 400 samples of 4 sub-models are 100, so two workers with batches of 10 take 5 steps, in each
    # of which both send their 1,000 numbers of 4 bytes, halved, twice.
    assert sums[0].data_parallel == pytest.approx(5 * 2 * 1000 * 4)
    assert sums[1].data_parallel == pytest.approx(2 * sums[0].data_parallel)


def test_one_worker_would_have_moved_nothing():
    workers = ((WORKERS[0],) * 4,) * 2
    (found,) = traffic(heard(begun(), merged(1, workers=workers)).newest)
    assert found.data_parallel == 0
