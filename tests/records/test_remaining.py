"""The time that is left is that of rounds like those to come, without what happens only once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dask_horn.records import Remaining
from tests.diagnostics.records import record


def _after(seconds, plans=(), n_rounds=10, kinds=None, first=1, **settings):
    remaining = Remaining(n_rounds, plans, **settings)
    for i, took in enumerate(seconds):
        groups, submodels = kinds[i] if kinds else (1, 1)
        one = record(first + i, n_groups=groups, n_submodels=submodels)
        remaining.note(replace(one, seconds=took))
    return remaining


def test_a_short_first_round_tells_nothing():
    assert _after([]).words() == ""
    assert _after([0.8]).seconds() is None
    assert _after([0.8]).words() == ""
    assert _after([60.0]).words() == "9 min left"


def test_the_first_round_is_left_out():
    assert _after([30.0, 2.0, 2.0]).seconds() == pytest.approx(14)
    assert _after([30.0, 2.0, 2.0]).words() == "14 s left"


def test_a_resumed_run_leaves_out_the_first_round_that_it_does():
    assert _after([30.0, 2.0], first=6).seconds() == pytest.approx(6)


def test_a_slow_round_now_and_then_does_not_count():
    assert _after([1.0, 1.0, 1.0, 60.0, 1.0, 1.0]).seconds() == pytest.approx(4)


def test_only_the_last_rounds_count():
    assert _after([1.0] * 50 + [3.0] * 5, n_rounds=60).seconds() == pytest.approx(5 * 3)


def test_rounds_of_another_kind_take_as_long_until_they_are_seen():
    plans = [(2, 4)] * 6 + [(4, 2)] * 2 + [(8, 1)] * 2
    before = _after([9.0, 1.0, 1.0], plans, kinds=plans)
    assert before.seconds() == pytest.approx(7)
    # Those of 2 sub-models take longer: so may those of one, but not those that are over.
    after = _after([9.0] + [1.0] * 5 + [4.0], plans, kinds=plans)
    assert after.seconds() == pytest.approx(4 + 2 * 4)
    # Rounds that alternate are each told by their own.
    plans = [(1, 4), (1, 1)] * 5
    assert _after([9.0, 4.0, 1.0, 4.0], plans, kinds=plans).seconds() == pytest.approx(3 * 5)


def test_nothing_is_left_after_the_last_round():
    assert _after([1.0] * 10).words() == ""


def test_what_may_end_early_may_take_less():
    assert _after([1.0] * 4, may_end_early=True).words() == "6.0 s left, or less"
    assert _after([0.1] * 4, may_end_early=True).words() == "less than 1 s left"
