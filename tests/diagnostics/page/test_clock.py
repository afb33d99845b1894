"""What a run does at a moment, and how long it takes yet: nothing is said that is not known."""

from __future__ import annotations

import pytest

from dask_horn.diagnostics.page.clock import left, status
from dask_horn.diagnostics.page.header import Header
from dask_horn.records import Preparing, Remaining, RoundMerged, RunEnded, Waiting
from tests.diagnostics.page.told import BEGAN, begun, heard, merged, progress, record


def at(seconds, *records):
    run = heard(*records).newest
    return status(run, BEGAN + seconds), left(run, BEGAN + seconds)


def compiling(seconds):
    return Preparing(run="ab12", time=BEGAN + seconds, what="compiling").to_dict()


def waiting(seconds):
    event = Waiting(run="ab12", time=BEGAN + seconds, what="a worker", seconds=9, reason="no one")
    return event.to_dict()


def ended(**values):
    return RunEnded(run="ab12", time=BEGAN + 20, **values).to_dict()


def test_compiling_is_no_training():
    now, time = at(-3, compiling(-5))
    assert (now.kind, now.words) == ("preparing", "compiling")
    assert time is None


def test_after_the_beginning_it_trains():
    now, _ = at(1, compiling(-5), begun())
    assert (now.kind, now.words) == ("training", "training round 1")


def test_waiting_is_said_with_its_reason_until_something_happens():
    now, _ = at(4, begun(), waiting(3))
    assert (now.kind, now.words, now.details) == ("waiting", "waiting for a worker", "no one")
    now, _ = at(5, begun(), waiting(3), progress(2, 0, 0, time=BEGAN + 4))
    assert now.kind == "training"


def test_a_short_first_round_tells_nothing_of_the_others():
    _, time = at(2, begun(), merged(1, seconds=6.0, ended=BEGAN + 2))
    assert time is None


def test_the_time_left_is_that_of_the_rounds_to_come():
    plans = ((2, 4),) * 10
    rounds = [merged(n, n_submodels=4) for n in range(1, 5)]
    _, time = at(8.5, begun(plans=plans), *rounds)
    assert time == pytest.approx(6 * 2.0 - 0.5)
    _, time = at(50, begun(plans=plans), *rounds)  # longer than expected: five more, at least
    assert time == pytest.approx(5 * 2.0)


def test_it_is_what_a_progress_bar_says():
    took = (30.0, 2.0, 2.2, 9.0, 1.0, 1.2)
    plans = ((2, 4),) * 4 + ((2, 2),) * 3 + ((2, 1),) * 2
    records = [
        record(n, n_submodels=plans[n - 1][1], seconds=seconds, ended=BEGAN + sum(took[:n]))
        for n, seconds in enumerate(took, 1)
    ]
    beginning = begun(plans=plans, settings={"early_stopping": True})
    bar = Remaining(len(plans), plans, may_end_early=True)
    told = [beginning]
    for one in records:
        bar.note(one)
        told.append(RoundMerged(run="ab12", time=one.ended, record=one).to_dict())
        assert at(one.ended - BEGAN, *told)[1] == bar.seconds()
    header = Header()
    header.update(heard(*told).newest, one.ended, None)
    assert bar.words() == "3.3 s left, or less"
    assert ">3.3 s</b><span>left, or less<" in header.root.text


def test_a_resumed_runs_first_round_does_not_count_either():
    _, time = at(8, begun(first_round=3), merged(4))
    assert time is None
    before = [merged(n, seconds=9.0, ended=BEGAN - 40 + 10 * n) for n in (1, 2, 3)]
    _, time = at(8, begun(first_round=3), *before, merged(4))
    assert time is None


def test_the_end():
    records = [begun(), merged(1), merged(2)]
    now, _ = at(30, *records, ended(message="stopped early", best_round=1))
    assert (now.kind, now.details) == ("ended", "stopped early")
    now, _ = at(30, *records, ended(message="the loss was nan", failed=True))
    assert (now.kind, now.details) == ("failed", "the loss was nan")


def test_a_client_that_tells_no_end():
    now, _ = at(11, begun(), *(merged(n) for n in range(1, 6)))
    assert now.kind == "ended"


def test_silence_is_said():
    now, _ = at(300, begun(), merged(1))
    assert now.kind == "silent" and "5 min" in now.words
