"""The merge against DESIGN's formula, written with NumPy and in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dask_horn.network import Dense, Network
from dask_horn.partition import Partition
from dask_horn.records import SubmodelReport
from dask_horn.training.plan.merge_rules import MERGE_RULES
from dask_horn.training.plan.spec import OuterStep
from dask_horn.training.tasks.merge import ARITY, PART_ARITY, Merge, add_partial_sums
from dask_horn.training.tasks.states import Whole
from dask_horn.training.tasks.submodel import Trained

NETWORK = Network(
    [Dense(13, activation="relu"), Dense(9, activation="tanh", use_bias=False), Dense(3)], 5
)
TABLE = NETWORK.parameters
IS_PADDING = ~np.isin(
    np.arange(TABLE.size),
    np.concatenate([np.arange(t.offset, t.offset + t.size) for t in TABLE.tensors]),
)


def _merge(step=OuterStep(0.7, 0.7), rule="nesterov"):  # noqa: B008
    return Merge(TABLE, NETWORK.shared_tensors, MERGE_RULES[rule], step)


def _received(array):
    """An equal array as it comes from another process: read-only, off any alignment."""
    return np.frombuffer(b"\0" + array.tobytes(), np.float32, offset=1)


def _parent(rng, round=4):
    parameters, momentum = rng.normal(size=(2, TABLE.size)).astype("f4")
    parameters[IS_PADDING] = momentum[IS_PADDING] = 0
    return Whole(round, parameters, (momentum,))


def _trained(rng, partition, group, seed=0):
    """What a group's sub-models hand back: random deltas and sample counts."""
    found = []
    for submodel in range(partition.n_submodels):
        places = partition.slice_map(TABLE, submodel)
        delta = places.take(np.where(IS_PADDING, 0, rng.normal(size=TABLE.size)).astype("f4"))
        report = SubmodelReport(group, submodel, 0.5, int(rng.integers(1, 5000)), 1.0, 2, 3)
        found.append(Trained(delta, report))
    return found


def _round(n_groups, n_submodels, seed):
    """Partitions, and what every sub-model has trained."""
    rng = np.random.default_rng(seed)
    partitions = [Partition.draw(NETWORK, n_submodels, seed, group=g) for g in range(n_groups)]
    return partitions, [_trained(rng, partition, g) for g, partition in enumerate(partitions)]


def _merged(parent, partitions, trained, step):
    """Merge groups that are numbered by their trainings, whatever their place in the lists."""
    merge = _merge(step, "nesterov" if parent.states else "mean")
    sums = [merge.put_group(*both) for both in zip(partitions, trained, strict=True)]
    while len(sums) > 1:
        sums = [add_partial_sums(sums[i : i + ARITY]) for i in range(0, len(sums), ARITY)]
    groups = [results[0].report.group for results in trained]
    return merge.step_whole(parent, sums[0], dict(zip(groups, partitions, strict=True)))


def _by_formula(parent, partitions, trained, step):
    """Parameters and momentum, float64: loops over holders, and NumPy's own indexing."""
    total, count = np.zeros((2, TABLE.size))
    for partition, results in zip(partitions, trained, strict=True):
        for submodel, result in enumerate(results):
            sets = partition.index_sets(submodel)
            own = partition.slice_map(TABLE, submodel).table
            n = result.report.samples
            for name, spec in TABLE.items():
                axes = zip(spec.axes, spec.shape, strict=True)
                units = np.ix_(*(sets.get(axis, np.arange(length)) for axis, length in axes))
                TABLE.view(total, name)[units] += n * own.view(result.delta, name).astype(float)
                TABLE.view(count, name)[units] += n
    held = count > 0
    delta = np.divide(total, count, out=np.zeros_like(total), where=held)
    m = np.where(held, step.momentum * parent.states[0].astype(float) + delta, parent.states[0])
    theta = parent.parameters + np.where(held, step.rate * (step.momentum * m + delta), 0)
    return theta, m, held


@pytest.mark.parametrize("step", [OuterStep(0.7, 0.7), OuterStep(1.0, 0.0)])
@pytest.mark.parametrize("n_submodels", [1, 2, 3, 4])
@pytest.mark.parametrize("n_groups", [1, 2, 3, 4, 5])
def test_the_formula(n_groups, n_submodels, step):
    partitions, trained = _round(n_groups, n_submodels, seed=n_groups)
    parent = _parent(np.random.default_rng(99))
    after = _merged(parent, partitions, trained, step)
    theta, momentum, held = _by_formula(parent, partitions, trained, step)
    np.testing.assert_allclose(after.parameters, theta, rtol=1e-5, atol=3e-6)
    np.testing.assert_allclose(after.states[0], momentum, rtol=1e-5, atol=3e-6)
    np.testing.assert_array_equal(after.parameters[~held], parent.parameters[~held])
    np.testing.assert_array_equal(after.states[0][~held], parent.states[0][~held])
    assert held.sum() == TABLE.n_parameters or n_submodels > 1
    assert (after.round, parent.round) == (5, 4)
    assert [(r.group, r.submodel) for r in after.reports] == [
        (g, k) for g in range(n_groups) for k in range(n_submodels)
    ]


def test_whoever_saw_more_samples_weighs_more():
    partition = Partition.draw(NETWORK, 1)
    parent = Whole.start(np.zeros(TABLE.size, np.float32), 1)
    ones = np.where(IS_PADDING, 0, 1).astype("f4")
    trained = [
        [Trained(value * ones, SubmodelReport(g, 0, 0.0, samples, 0.0, 0, 0))]
        for g, (value, samples) in enumerate([(np.float32(1), 300), (np.float32(5), 100)])
    ]
    after = _merged(parent, [partition] * 2, trained, OuterStep(1.0, 0.0))
    np.testing.assert_allclose(after.parameters, 2 * ones)  # (300 * 1 + 100 * 5) / 400


def test_one_group_undivided_becomes_what_was_trained():
    rng = np.random.default_rng(0)
    (partition,), ((result,),) = _round(1, 1, seed=0)
    parent = Whole.start(_parent(rng).parameters, 1)
    trained = parent.parameters + result.delta
    after = _merged(parent, [partition], [[result]], OuterStep(1.0, 0.0))
    np.testing.assert_allclose(after.parameters, trained, rtol=1e-6, atol=3e-7)


def test_a_member_of_an_ensemble_merges_its_own_group_only():
    partitions, trained = _round(3, 2, seed=5)
    parent, step = _parent(np.random.default_rng(1)), OuterStep(0.7, 0.7)
    after = _merged(parent, partitions[2:], trained[2:], step)
    theta, _, _ = _by_formula(parent, partitions[2:], trained[2:], step)
    np.testing.assert_allclose(after.parameters, theta, rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize("n_submodels", [1, 3])
def test_a_group_that_is_missing_shifts_no_partition(n_submodels):
    partitions, trained = _round(4, n_submodels, seed=6)
    present = [0, 2, 3]
    parent, step = _parent(np.random.default_rng(8)), OuterStep(0.7, 0.7)
    chosen = [partitions[g] for g in present], [trained[g] for g in present]
    after = _merged(parent, *chosen, step)
    theta, momentum, held = _by_formula(parent, *chosen, step)
    np.testing.assert_allclose(after.parameters, theta, rtol=1e-5, atol=3e-6)
    np.testing.assert_allclose(after.states[0], momentum, rtol=1e-5, atol=3e-6)
    np.testing.assert_array_equal(after.parameters[~held], parent.parameters[~held])


def test_submodels_that_are_missing_leave_their_parts_alone():
    rng, step = np.random.default_rng(4), OuterStep(0.7, 0.7)
    partition = Partition.draw(NETWORK, 3, seed=1)
    trained = [_trained(rng, partition, group)[:2] for group in range(2)]  # the third is late
    parent = _parent(rng)
    whole = _merged(parent, [partition] * 2, trained, step)
    joined, _ = _merged_in_parts(parent, partition, trained, step)
    held = partition.holders(TABLE) > 0
    np.testing.assert_allclose(joined.parameters[held], whole.parameters[held], 1e-5, 3e-6)
    places = partition.slice_map(TABLE, 2)
    own = np.zeros(TABLE.size, np.float32)
    places.count(own)
    alone = (own > 0) & (partition.holders(TABLE) == 1)
    np.testing.assert_array_equal(joined.parameters[alone], parent.parameters[alone])


@given(st.integers(1, 12), st.integers(1, 3), st.randoms())
@settings(max_examples=25)
def test_the_tree_gives_the_same_bits_in_whatever_order_its_parts_are_done(groups, k, random):
    partitions, trained = _round(groups, k, seed=groups)
    parent, step = _parent(np.random.default_rng(2)), OuterStep(0.7, 0.7)
    expected = _merged(parent, partitions, trained, step)

    def in_any_order(function, arguments):
        results = {}
        for i in random.sample(range(len(arguments)), len(arguments)):
            results[i] = function(*arguments[i])
        return [results[i] for i in range(len(arguments))]

    merge = _merge(step)
    sums = in_any_order(merge.put_group, list(zip(partitions, trained, strict=True)))
    while len(sums) > 1:
        pieces = [(sums[i : i + ARITY],) for i in range(0, len(sums), ARITY)]
        sums = in_any_order(add_partial_sums, pieces)
    after = merge.step_whole(parent, sums[0], dict(enumerate(partitions)))
    assert after.parameters.tobytes() == expected.parameters.tobytes()
    assert after.states[0].tobytes() == expected.states[0].tobytes()
    assert after.reports == expected.reports


def test_nothing_that_came_in_is_changed():
    partitions, trained = _round(3, 2, seed=1)
    trained = [[Trained(_received(r.delta), r.report) for r in group] for group in trained]
    parent = _parent(np.random.default_rng(3))
    before = parent.parameters.tobytes(), parent.states[0].tobytes()
    received = Whole(4, _received(parent.parameters), (_received(parent.states[0]),))
    step = OuterStep(0.7, 0.7)
    after = _merged(received, partitions, trained, step)  # writing to these would raise
    assert (
        after.parameters.tobytes()
        == _merged(parent, partitions, trained, step).parameters.tobytes()
    )
    assert (parent.parameters.tobytes(), parent.states[0].tobytes()) == before

    sums = [_merge().put_group(*both) for both in zip(partitions, trained, strict=True)]
    before = [part.total.tobytes() for part in sums]
    alone = add_partial_sums(sums[:1])
    add_partial_sums(sums)
    assert [part.total.tobytes() for part in sums] == before
    assert alone.total is not sums[0].total
    _merge(step).step_whole(parent, sums[0], {0: partitions[0]})
    assert sums[0].total.tobytes() == before[0]


def test_sums_from_another_process():
    partitions, trained = _round(2, 2, seed=1)
    sums = [_merge().put_group(*both) for both in zip(partitions, trained, strict=True)]
    received = [type(part)(_received(part.total), part.reports) for part in sums]
    expected, found = add_partial_sums(sums), add_partial_sums(received)
    assert found.total.tobytes() == expected.total.tobytes()
    assert found.reports == expected.reports
    parent, step = _parent(np.random.default_rng(3)), OuterStep(0.7, 0.7)
    frozen = type(found)(_received(found.total), found.reports)
    by_group = dict(enumerate(partitions))
    assert (
        _merge(step).step_whole(parent, frozen, by_group).parameters.tobytes()
        == _merge(step).step_whole(parent, expected, by_group).parameters.tobytes()
    )


def _merged_in_parts(parent, partition, trained, step):
    """As `_merged` where all groups have one partition, but for the entries that no part holds."""
    merge, numbers = _merge(step), range(partition.n_submodels)
    found = []
    for k in numbers:
        sums = [result for results in trained for result in results if result.report.submodel == k]
        while len(sums) > PART_ARITY:
            pieces = [sums[i : i + PART_ARITY] for i in range(0, len(sums), PART_ARITY)]
            sums = [merge.add_deltas(piece) for piece in pieces]
        found.append(sums)
    parts = [merge.take_part(parent, partition, k) for k in numbers]
    shares = [merge.share_of(partition, k, found[k]) for k in numbers]
    after = [
        merge.step_part(parts[k], partition.table_of(TABLE, k), found[k], shares) for k in numbers
    ]
    reports = [report for share in shares for report in share.reports]
    return merge.join_parts(partition, after), reports


@given(st.integers(1, 17), st.integers(1, 4), st.sampled_from([(0.7, 0.7), (1.0, 0.0)]))
@settings(max_examples=30)
def test_a_parent_in_parts_is_merged_as_a_whole_one(groups, k, outer):
    rng, step = np.random.default_rng(groups), OuterStep(*outer)
    partition = Partition.draw(NETWORK, k, seed=groups)
    trained = [_trained(rng, partition, group) for group in range(groups)]
    parent = _parent(rng)
    whole = _merged(parent, [partition] * groups, trained, step)
    joined, reports = _merged_in_parts(parent, partition, trained, step)
    held = partition.holders(TABLE) > 0
    np.testing.assert_allclose(joined.parameters[held], whole.parameters[held], 1e-5, 3e-6)
    np.testing.assert_allclose(joined.states[0][held], whole.states[0][held], 1e-5, 3e-6)
    assert not joined.parameters[~held].any() and not joined.states[0][~held].any()
    assert joined.round == whole.round
    assert sorted(reports, key=lambda r: (r.group, r.submodel)) == list(whole.reports)
    if groups == 1:  # nothing is summed up in another order but what all parts hold
        own = partition.holders(TABLE) == 1
        np.testing.assert_array_equal(joined.parameters[own], whole.parameters[own])


def test_parts_from_another_process():
    rng, step = np.random.default_rng(4), OuterStep(0.7, 0.7)
    partition = Partition.draw(NETWORK, 3, seed=1)
    trained = [_trained(rng, partition, group) for group in range(9)]
    received = [[Trained(_received(r.delta), r.report) for r in group] for group in trained]
    parent = _parent(rng)
    far = Whole(4, _received(parent.parameters), (_received(parent.states[0]),))
    expected, _ = _merged_in_parts(parent, partition, trained, step)
    found, _ = _merged_in_parts(far, partition, received, step)  # writing to these would raise
    assert found.parameters.tobytes() == expected.parameters.tobytes()
    assert found.states[0].tobytes() == expected.states[0].tobytes()


def test_without_outer_momentum_none_is_kept():
    partitions, trained = _round(1, 2, seed=3)
    parameters = _parent(np.random.default_rng(0)).parameters
    light, full = Whole.start(parameters, 0), Whole.start(parameters, 1)
    step = OuterStep(1.0, 0.0)
    after = _merged(light, partitions, trained, step)
    assert after.states == ()
    expected = _merged(full, partitions, trained, step)
    assert after.parameters.tobytes() == expected.parameters.tobytes()
