"""The page's state: the same records give the same, in any order, and however often they come."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.diagnostics.page import state as module
from dask_horn.diagnostics.page.clock import left, status
from dask_horn.diagnostics.page.division import division
from dask_horn.diagnostics.page.timeline import bars, shares
from dask_horn.diagnostics.page.traffic import traffic
from dask_horn.records import (
    Preparing,
    RunEnded,
    StoreRetried,
    TaskLost,
    Waiting,
)
from tests.diagnostics.page.told import (
    BEGAN,
    PLANS,
    WORKERS,
    begun,
    heard,
    merged,
    progress,
    task,
    whole_run,
)

ENDED = RunEnded(run="ab12", time=BEGAN + 99, message="all rounds are done", best_round=3).to_dict()


def drawn(run):
    """Everything that the views draw of a run."""
    now = BEGAN + 7.0
    return (
        division(run), traffic(run), bars(run), shares(run), status(run, now), left(run, now),
        run.best, sorted(run.notices.items()),
    )  # fmt: skip


@given(st.data())
def test_order_and_repetition_change_nothing(data):
    records = [
        *whole_run(),
        merged(2, time=BEGAN + 9.5),  # it has gone back to there
        TaskLost(run="ab12", time=BEGAN + 3, worker="w", stage="train", place=(1, 0, 1)).to_dict(),
        Waiting(run="ab12", time=BEGAN + 1, what="round 1", seconds=9.0, reason="slow").to_dict(),
        Preparing(run="ab12", time=BEGAN - 1, what="compiling").to_dict(),
    ]
    twice = data.draw(st.permutations(records + data.draw(st.lists(st.sampled_from(records)))))
    assert drawn(heard(*twice).newest) == drawn(heard(*records).newest)


def test_records_may_have_come_as_json():
    through_json = [json.loads(json.dumps(one)) for one in whole_run()]
    assert drawn(heard(*through_json).newest) == drawn(heard(*whole_run()).newest)


@pytest.mark.parametrize(
    "strange",
    [
        None, 7, {}, {"kind": "RoundMerged"}, {"kind": "RoundMerged", "run": "x", "time": 1.0},
        {"kind": "FromTheFuture", "run": "x", "time": 1.0},
        {**merged(1, run="x"), "record": {"round": 1}},
        {**begun("x"), "plans": 3},
        {**progress(1, 0, 0, run="x"), "time": "noon"},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_read_is_let_be(strange):
    state = heard(begun(), strange)
    assert list(state.runs) == ["ab12"]


def test_fields_of_a_newer_client_are_let_be():
    newer = {**begun(), "colour": "blue"}
    round = merged(1)
    round["record"]["mood"] = "good"
    assert heard(newer, round).newest.rounds[1].loss == 1.0


def test_fields_that_an_older_client_does_not_tell_are_missed():
    round = merged(1)
    for name in ("submodel_started", "submodel_units", "submodel_samples", "workers", "ended"):
        del round["record"][name]
    run = heard(begun(), round).newest
    assert [one.right - one.left for one in division(run).rectangles] == [1.0] * 8
    assert run.newest.ended == round["time"]


def test_a_run_whose_beginning_was_missed():
    run = heard(merged(4), progress(5, 0, 1)).newest
    assert status(run, BEGAN + 9.2).words == "training round 5"
    assert left(run, BEGAN + 9.2) is None
    assert division(run).n_submodels == 2  # the most that is known
    assert traffic(run)[0].data_parallel is None


def test_the_newest_runs_are_kept():
    runs = [f"run{i}" for i in range(20)]
    state = heard(*(begun(run, time=BEGAN + i) for i, run in enumerate(runs)))
    assert [run.run for run in state.newest_first()] == runs[: -module.RUNS - 1 : -1]


def test_a_long_run_is_thinned_and_its_sums_stay():
    n = 3 * module.ROUNDS
    plans = ((2, 2),) * n
    state = heard(begun(plans=plans), *(merged(i, n_submodels=2) for i in range(1, n + 1)))
    run = state.newest
    assert len(run.rounds) <= module.ROUNDS
    assert traffic(run)[-1].moved == 500 * n
    assert set(range(n - module.ROUNDS // 4, n + 1)) <= set(run.rounds)  # the newest are all there
    before = drawn(run)
    state.heard(merged(3, n_submodels=2))  # again
    assert drawn(run) == before


def test_what_is_kept_is_bounded():
    state = heard(begun(), *(merged(i, n_groups=10, n_submodels=40) for i in range(1, 60)))
    for i in range(3000):
        state.heard(task(1, started=BEGAN + i))
        state.heard(progress(60, i // 10, i % 10, time=BEGAN + i))
        lost = TaskLost(run="ab12", time=BEGAN + i, stage="train", place=(0, 0, 0))
        state.heard(lost.to_dict())
    run = state.newest
    assert sum(len(one.cells) for one in run.rounds.values()) <= module.CELLS
    assert run.rounds[59].cells and not run.rounds[1].cells
    assert len(run.tasks) <= module.TASKS and len(run.notices) <= module.NOTICES
    assert len(run.training) <= module.TRAININGS


def test_the_best_round():
    run = heard(begun(), merged(1, score=0.5), merged(2, score=0.9), merged(3, score=0.8)).newest
    assert run.best.round == 2
    assert heard(merged(1, score=float("nan")), merged(2, score=0.4)).newest.best.round == 2
    run.heard(ENDED)
    assert run.best.round == 3  # that is what the run itself has said


def test_losses_by_group():
    run = heard(merged(2)).newest
    assert run.rounds[2].groups == (0.5, 1.0)
    many = heard(merged(2, n_groups=30)).newest.rounds[2]
    assert many.groups == () and (many.lowest, many.highest) == (0.5, 15.0)


def test_who_works():
    run = heard(*whole_run()).newest
    assert run.numbers() == {WORKERS[0]: 0, WORKERS[1]: 1}


def test_notices():
    retried = StoreRetried(run="ab12", time=BEGAN, worker="w", array="X", message="it failed")
    lost = TaskLost(run="ab12", time=BEGAN, worker="w", stage="train", place=(1, 0, 2))
    found = heard(retried.to_dict(), lost.to_dict()).newest.notices.values()
    assert {one.words for one in found} == {
        "read again: it failed",
        "lost: training of sub-model 2, group 0, in round 2",
    }


def test_a_run_that_goes_back_is_where_it_is_now():
    run = heard(*whole_run(), merged(2, time=BEGAN + 50), progress(3, 0, 0, time=BEGAN + 51)).newest
    assert status(run, BEGAN + 51.5).words == "training round 3"
    assert division(run).round == 3
    assert len(traffic(run)) == len(PLANS)  # it comes to the same again
