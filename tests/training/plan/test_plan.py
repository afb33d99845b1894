"""Rounds as they are planned: whose rows, how many at a time, how long."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dask_horn as horn
from dask_horn.training.plan.spec import OuterStep
from tests.training.specs import rows_of, settled

NETWORK = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], 1)
PLENTY, BATCH = 4000, 4  # two groups have 500 steps each in a pass


def _rounds(n_samples=PLENTY, network=NETWORK, batch_size=BATCH, **changes):
    X = np.zeros((n_samples, network.n_inputs), "f4")
    y = np.arange(n_samples) % network.n_outputs
    return settled(network, X, y, batch_size=batch_size, **changes).rounds


def _at_a_time(rounds):
    """Groups and sub-models of each round."""
    return [(plan.n_groups, plan.n_submodels) for plan in rounds]


# ------------------------------------------------------------------------------- whose rows


@settings(max_examples=60)
@given(
    n_samples=st.integers(40, 3000),
    n_groups=st.integers(1, 4),
    n_submodels=st.integers(1, 8) | st.lists(st.integers(1, 8), min_size=1, max_size=5),
    n_rounds=st.integers(1, 8),
    steps_per_round=st.none() | st.integers(1, 500),
    batch_size=st.sampled_from([None, 1, 4]),
    merge=st.sampled_from(["average", "ensemble"]),
    group_data=st.sampled_from(["subset", "all"]),
    regroup=st.booleans(),
)
def test_every_round_trains_on_every_row(n_samples, n_groups, merge, group_data, **others):
    rounds = _rounds(n_samples, n_groups=n_groups, merge=merge, group_data=group_data, **others)
    everything = np.arange(n_samples)
    for plan in rounds:
        assert sum(plan.groups_of, ()) == tuple(range(plan.n_groups))
        assert len(plan.steps) == len(plan.group_blocks) == plan.n_groups
        assert min(plan.steps) >= 1
        rows = [
            np.sort(np.concatenate([rows_of(plan.group_blocks[group]) for group in groups]))
            for groups in plan.groups_of
        ]
        assert len(rows) == (n_groups if merge == "ensemble" else 1)
        if group_data == "subset":  # by exactly one group
            np.testing.assert_array_equal(np.sort(np.concatenate(rows)), everything)
        elif merge == "average":
            np.testing.assert_array_equal(rows[0], np.repeat(everything, n_groups))
        else:
            assert all(np.array_equal(member, everything) for member in rows)


def test_members_of_an_ensemble_keep_their_own_rows():
    rounds = _rounds(n_groups=2, n_submodels=[4, 2, 1], n_rounds=3, merge="ensemble")
    assert _at_a_time(rounds) == [(2, 4), (4, 2), (8, 1)]
    assert [plan.groups_of for plan in rounds] == [
        ((0,), (1,)),
        ((0, 1), (2, 3)),
        ((0, 1, 2, 3), (4, 5, 6, 7)),
    ]
    for member in range(2):
        own = set(rows_of(rounds[0].group_blocks[member]))
        for plan in rounds[1:]:
            parts = [rows_of(plan.group_blocks[group]) for group in plan.groups_of[member]]
            assert set(np.concatenate(parts)) == own


def test_rows_are_shared_evenly_and_from_all_over_the_store():
    last = _rounds(n_submodels=[8, 1], n_rounds=2)[-1]
    rows = [rows_of(blocks) for blocks in last.group_blocks]
    for part, blocks in zip(rows, last.group_blocks, strict=True):  # as many blocks for each,
        assert abs(part.size - PLENTY // 8) <= len(blocks)  # whose sizes differ by one row
    assert max(part.min() for part in rows) < PLENTY / 4
    assert min(part.max() for part in rows) > 3 * PLENTY / 4


def test_held_out_rows_of_a_store_stay_held_out(tmp_path):
    X, y = np.zeros((3000, 1), "f4"), np.arange(3000) % 2
    horn.write_samples(tmp_path / "data.zarr", X, y, chunk_bytes=4 * 100)
    spec = settled(
        NETWORK,
        tmp_path / "data.zarr",
        **{"n_submodels": [4, 1], "n_rounds": 2, "batch_size": 4, "early_stopping": True},
    )
    held = set(rows_of(sum(spec.validation_blocks, ())))
    assert spec.rounds[1].n_groups == 4
    for plan in spec.rounds:
        trained = np.concatenate([rows_of(blocks) for blocks in plan.group_blocks])
        assert set(trained) | held == set(range(3000))
        assert not set(trained) & held


# ------------------------------------------------------------------------- how many at a time


@pytest.mark.parametrize("n_groups", [1, 2, 3])
@pytest.mark.parametrize("n_submodels", [2, 4, 8])
def test_as_many_are_trained_at_a_time_in_every_round(n_groups, n_submodels):
    settings = {"n_groups": n_groups, "n_submodels": n_submodels, "n_rounds": 12}
    rounds = _rounds(420 * BATCH * n_groups, _wide(64), **settings)
    assert rounds[-1].n_submodels == 1
    assert {plan.n_groups * plan.n_submodels for plan in rounds} == {n_groups * n_submodels}


@pytest.mark.parametrize("n_submodels", [3, 5, 6, 7])
def test_numbers_that_cannot_be_halved_leave_few_workers_idle(n_submodels):
    busy = [groups * each for groups, each in _at_a_time(_rounds(n_submodels=n_submodels))]
    assert busy[-1] == max(busy) == n_submodels
    assert min(busy) >= n_submodels - 1


@pytest.mark.parametrize(
    ("n_submodels", "expected"),
    [
        ([4, 2, 1], [(2, 4), (4, 2), (8, 1)]),
        ([4, 4, 1], [(2, 4), (2, 4), (8, 1)]),
        ([1, 2], [(4, 1), (2, 2), (2, 2)]),  # it may as well begin by few
        ([3], [(2, 3), (2, 3), (2, 3)]),
    ],
)
def test_a_sequence_of_numbers_is_regrouped_likewise(n_submodels, expected):
    assert _at_a_time(_rounds(n_groups=2, n_submodels=n_submodels, n_rounds=3)) == expected


def test_small_data_are_not_regrouped():
    assert _at_a_time(_rounds(350, n_submodels=[4, 2, 1], n_rounds=3)) == [(1, 4), (1, 2), (1, 1)]
    assert _at_a_time(_rounds(410, n_submodels=[4, 2, 1], n_rounds=3)) == [(1, 4), (2, 2), (2, 1)]


def test_groups_stay_as_they_are_where_that_is_asked_for():
    for numbers in (4, [4, 2, 1]):
        rounds = _rounds(n_groups=2, n_submodels=numbers, n_rounds=30, regroup=False)
        assert rounds[-1].n_submodels == 1
        assert {plan.n_groups for plan in rounds} == {2}
        assert {plan.group_blocks for plan in rounds} == {rounds[0].group_blocks}


# ----------------------------------------------------------------------------------- how long


def test_steps_that_are_given_are_shared_too():
    def steps(steps_per_round):
        rounds = _rounds(n_submodels=[4, 2, 1], n_rounds=3, steps_per_round=steps_per_round)
        return [plan.steps for plan in rounds]

    assert steps(200) == [(200,), (100,) * 2, (50,) * 4]
    assert steps(101) == [(101,), (51,) * 2, (51,) * 2]  # at least 50 each
    assert steps(99) == [(99,)] * 3


def test_a_round_is_a_pass_of_at_least_fifty_steps():
    assert _rounds(n_submodels=[4, 1], n_rounds=2)[0].steps == (PLENTY // BATCH,)
    assert _rounds(n_submodels=[4, 1], n_rounds=2)[1].steps == (PLENTY // BATCH // 4,) * 4
    assert _rounds(80, n_submodels=[4, 1], n_rounds=2)[1].steps == (50,)


def _wide(*widths, n_inputs=1):
    hidden = [horn.Dense(width, activation="relu") for width in widths]
    return horn.Network([*hidden, horn.Dense(2)], n_inputs)


def _time(network, plan):
    """Weights of a sub-model, times steps: what a round takes where every worker has one."""
    part = {axis: network.unit_axes[axis] / plan.n_submodels for axis in network.divided_axes}
    weights = network.parameters.restrict({axis: round(n) for axis, n in part.items()})
    return weights.n_parameters * max(plan.steps)


@pytest.mark.parametrize("regroup", [True, False])
@pytest.mark.parametrize("n_rounds", [3, 12, 30])
@pytest.mark.parametrize("n_submodels", [2, 4, 5, 8, 16])
@pytest.mark.parametrize("widths", [(80,), (80, 80), (800, 800), (1600, 1600, 1600)])
def test_the_ending_takes_no_longer_than_what_was_before(widths, n_submodels, n_rounds, regroup):
    network = _wide(*widths, n_inputs=16)
    rounds = _rounds(n_submodels=n_submodels, n_rounds=n_rounds, regroup=regroup, network=network)
    before = [_time(network, plan) for plan in rounds if plan.n_submodels == n_submodels]
    ending = [_time(network, plan) for plan in rounds if plan.n_submodels < n_submodels]
    assert sum(ending) <= 1.03 * sum(before)
    assert len(ending) <= len(before)


# ------------------------------------------------------------------------------ how it merges


def test_the_outer_step_is_off_in_the_ending():
    outer = {"outer_learning_rate": 0.6, "outer_momentum": 0.5}
    for numbers in (4, [4, 4, 2, 1], [2, 4, 4, 1]):
        rounds = _rounds(n_submodels=numbers, n_rounds=4, **outer)
        finest = max(plan.n_submodels for plan in rounds)
        last = max(i for i, plan in enumerate(rounds) if plan.n_submodels == finest)
        on, off = OuterStep(0.6, 0.5), OuterStep(1.0, 0.0)
        steps = [plan.outer_step for plan in rounds]
        assert steps == [on] * (last + 1) + [off] * (3 - last)
        assert off in steps


def test_the_outer_step_is_on_to_the_last_where_nothing_descends():
    for numbers in (1, [4]):
        rounds = _rounds(n_groups=2, n_submodels=numbers)
        assert {plan.outer_step for plan in rounds} == {OuterStep(0.7, 0.7)}


def test_groups_that_are_not_merged_with_others_take_no_outer_step_by_default():
    alone = {"n_groups": 1}, {"n_groups": 2, "merge": "ensemble"}
    for changes in alone:
        rounds = _rounds(n_submodels=[2], **changes)
        assert {plan.outer_step for plan in rounds} == {OuterStep(1.0, 0.0)}
        rounds = _rounds(n_submodels=[2], outer_momentum=0.5, **changes)
        assert {plan.outer_step for plan in rounds} == {OuterStep(1.0, 0.5)}


@pytest.mark.parametrize(
    ("n_submodels", "expected"), [(1, 50), (2, 50), (3, 112), (4, 200), (8, 200)]
)
def test_short_redrawn_passes_are_repeated_the_more_often_the_more_sub_models_there_are(
    n_submodels, expected
):
    plan = _rounds(n_samples=100, n_submodels=[n_submodels], n_rounds=1, redraw=True)[0]
    assert plan.steps == (expected,)
    plan = _rounds(n_samples=100, n_submodels=[n_submodels], n_rounds=1)[0]
    assert plan.steps == (50,)
