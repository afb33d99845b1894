"""Blocks cover every row once, and dealing and holding out lose none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.data import Block, deal, hold_out, row_blocks

layouts = st.tuples(
    st.integers(1, 5000), st.integers(1, 1500), st.integers(1, 12), st.integers(1, 10)
).filter(lambda layout: layout[0] >= layout[2])


@given(layouts)
def test_blocks_cover_every_row_once_and_stay_within_chunks(layout):
    n_samples, chunk_rows, n_groups, per_group = layout
    blocks = row_blocks(n_samples, chunk_rows, n_groups, per_group)
    assert blocks[0].start == 0
    assert blocks[-1].stop == n_samples
    assert all(a.stop == b.start for a, b in pairwise(blocks))
    assert all(len(block) > 0 for block in blocks)
    assert all(b.start // chunk_rows == (b.stop - 1) // chunk_rows for b in blocks)
    assert len(blocks) >= min(n_samples, n_groups * per_group)


def test_a_block_is_a_chunk_where_there_are_chunks_enough():
    assert row_blocks(100, 10, n_groups=1) == tuple(Block(i, i + 10) for i in range(0, 100, 10))


def test_few_chunks_are_cut_into_equal_blocks():
    assert {len(block) for block in row_blocks(1600, 1600, n_groups=2)} == {100}


@given(layouts, st.integers(0, 2**32))
def test_dealing_gives_every_block_to_one_group(layout, seed):
    n_samples, chunk_rows, n_groups, per_group = layout
    blocks = row_blocks(n_samples, chunk_rows, n_groups, per_group)
    subsets = deal(blocks, n_groups, seed)
    assert sorted(block for subset in subsets for block in subset) == list(blocks)
    sizes = [len(subset) for subset in subsets]
    assert max(sizes) - min(sizes) <= 1
    assert subsets == deal(blocks, n_groups, seed)


def test_each_group_gets_one_of_each_run_of_blocks():
    blocks = row_blocks(400, 10, n_groups=4)
    for subset in deal(blocks, 4, seed=1):
        assert [block.start // 40 for block in subset] == list(range(10))


def test_another_seed_deals_otherwise():
    blocks = row_blocks(400, 10, n_groups=4)
    assert deal(blocks, 4, seed=1) != deal(blocks, 4, seed=2)


@given(st.integers(2, 200), st.floats(0.001, 0.999), st.integers(0, 100))
def test_holding_out_splits_the_blocks(n_blocks, fraction, seed):
    blocks = row_blocks(n_blocks, 1, n_groups=1)
    train, held = hold_out(blocks, fraction, seed)
    assert sorted(train + held) == list(blocks)
    assert train and held
    assert abs(len(held) - fraction * n_blocks) <= 1


def test_blocks_are_held_out_evenly():
    _, held = hold_out(row_blocks(100, 1, n_groups=1), 0.1, seed=3)
    assert [block.start // 10 for block in held] == list(range(10))


def test_more_groups_than_samples():
    with pytest.raises(ValueError, match=r"n_groups=4 is more than the 3 samples.*3 or fewer"):
        row_blocks(3, 3, n_groups=4)


def test_more_groups_than_blocks():
    with pytest.raises(ValueError, match="n_groups=3 is more than the 2 row blocks"):
        deal(row_blocks(2, 1, n_groups=1), 3, seed=0)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_fraction_that_leaves_a_side_empty(fraction):
    with pytest.raises(ValueError, match="validation_fraction must be a number above 0 and"):
        hold_out(row_blocks(10, 1, n_groups=1), fraction, seed=0)


def test_a_single_block_cannot_be_held_out():
    with pytest.raises(ValueError, match="at least two row blocks"):
        hold_out([Block(0, 5)], 0.5, seed=0)
