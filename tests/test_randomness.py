"""Keys tell apart what is drawn, and for which place."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.randomness import Purpose, generator, key

#: How many numbers tell a draw from others of its purpose.
N_IDS = {
    Purpose.BLOCK_ORDER: 3,
    Purpose.ROW_ORDER: 4,
    Purpose.MASKS: 3,
    Purpose.INITIAL_VALUES: 2,
    Purpose.POPULATION_BLOCKS: 1,
    Purpose.POPULATION_ROWS: 2,
    Purpose.SAMPLED_INFERENCE: 1,
    Purpose.PARTIAL_FIT: 1,
    Purpose.SURVEY_SAMPLE: 0,
    Purpose.PARTITION: 3,
    Purpose.DEAL: 0,
    Purpose.HOLD_OUT: 0,
    Purpose.SPOOL: 0,
}
SEEDS, ID = st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1)


@st.composite
def places(draw):
    """A seed, a purpose and its numbers."""
    purpose = draw(st.sampled_from(Purpose))
    return draw(SEEDS), purpose, *(draw(ID) for _ in range(N_IDS[purpose]))


def test_keys_are_settled_by_their_words():
    assert key(0, Purpose.ROW_ORDER, 1, 2, 3, 4) == 3595669058931646425
    words = itertools.product(range(4), [Purpose.BLOCK_ORDER, Purpose.MASKS], *[range(5)] * 3)
    keys = [key(*word) for word in words]
    assert len(set(keys)) == len(keys)
    assert all(0 <= one < 2**63 for one in keys)
    bits = np.array([one >> np.arange(63) & 1 for one in keys])
    assert abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / len(keys) ** 0.5


@given(places(), places())
def test_no_two_places_share_a_stream(first, second):
    if first != second:
        assert key(*first) != key(*second)
        assert not np.array_equal(generator(*first).random(4), generator(*second).random(4))


@given(st.integers(0, 2**31), ID)
def test_checkpoints_of_version_0_1_find_their_partitions_and_rows(seed, group):
    def of_0_1(*words):
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(words))).random(3)

    expected = of_0_1(seed, 2, group, 1, int.from_bytes(b"part", "big"))
    assert np.array_equal(generator(seed, Purpose.PARTITION, 2, group, 1).random(3), expected)
    expected = of_0_1(seed, int.from_bytes(b"spool", "little"))
    assert np.array_equal(generator(seed, Purpose.SPOOL).random(3), expected)


def test_every_purpose_has_a_number_of_its_own():
    assert len({int(purpose) for purpose in Purpose}) == len(Purpose) == len(N_IDS)
    assert min(Purpose) > 0
