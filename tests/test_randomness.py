"""Keys tell apart what is drawn, and for which place."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.randomness import Purpose, generator, key

IDS = st.lists(st.integers(0, 2**32 - 1), max_size=4)


def test_keys_are_settled_by_their_words():
    assert key(0, Purpose.MASKS, 1, 2) == 7622225655775533508
    words = itertools.product(range(4), Purpose, range(6), range(6))
    keys = [key(*word) for word in words]
    assert len(set(keys)) == len(keys)
    assert all(0 <= one < 2**63 for one in keys)
    bits = np.array([one >> np.arange(63) & 1 for one in keys])
    assert abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / len(keys) ** 0.5


@given(st.integers(0, 2**64 - 1), st.sampled_from(Purpose), st.sampled_from(Purpose), IDS, IDS)
def test_no_two_purposes_share_a_stream(seed, first, second, ids, others):
    if (first, ids) != (second, others):
        assert key(seed, first, *ids) != key(seed, second, *others)
        draws = generator(seed, first, *ids).random(4), generator(seed, second, *others).random(4)
        assert not np.array_equal(*draws)


def test_a_large_seed_is_no_small_one_with_another_place():
    assert key(2**32 + 5, Purpose.DEAL) != key(5, Purpose.DEAL, 1)


def test_purposes_keep_their_numbers():
    assert len({int(purpose) for purpose in Purpose}) == len(Purpose) == max(Purpose)
