from __future__ import annotations

import itertools
from collections import Counter

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from dask_horn.kernels.random import philox, shuffled
from dask_horn.randomness import Purpose
from dask_horn.randomness import key as key_of
from tests import oracle

# Random123's kat_vectors, "philox4x32 10".
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
WORDS = st.integers(0, 2**32 - 1)


@numba.njit
def compiled_philox(words):
    return philox(words[0], words[1], words[2], words[3], words[4], words[5])


def _philox(function, counter, key):
    words = np.array([*counter, *key], np.uint64)
    return tuple(int(word) for word in function(words))


@pytest.mark.parametrize("function", [compiled_philox, compiled_philox.py_func])
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers(function, counter, key, expected):
    assert _philox(function, counter, key) == expected


@given(st.tuples(*[WORDS] * 4), st.tuples(*[WORDS] * 2), st.integers(0, 2**32 - 1))
def test_philox_equals_the_oracle(counter, key, upper):
    expected = oracle.philox4x32(counter, key)
    assert _philox(compiled_philox, counter, key) == expected
    # Upper halves of the arguments do not count.
    assert _philox(compiled_philox, [word | upper << 32 for word in counter], key) == expected


@given(st.integers(0, 2**63 - 1), st.integers(0, 240))
def test_every_row_comes_once(key, n):
    assert sorted(shuffled(key, n)) == list(range(n))


@given(st.integers(0, 2**63 - 1), st.integers(1, 30))
def test_the_shuffle_is_fisher_and_yates_from_the_top(key, n):
    expected = list(range(n))
    for i in range(n - 1, 0, -1):
        word = oracle.philox4x32((i // 4, 0, 0, 0), (key & 0xFFFFFFFF, key >> 32))[i % 4]
        j = word * (i + 1) >> 32
        expected[i], expected[j] = expected[j], expected[i]
    assert shuffled(key, n).tolist() == expected


def test_every_order_is_as_likely():
    n_draws = 12_000
    seen = Counter(tuple(shuffled(key_of(i, Purpose.ROW_ORDER), 4)) for i in range(n_draws))
    expected = n_draws / 24
    statistic = sum((seen[order] - expected) ** 2 / expected for order in seen)
    assert len(seen) == 24
    assert chi2.ppf(0.0001, 23) < statistic < chi2.ppf(0.9999, 23)


def test_every_row_is_as_likely_in_every_place():
    n_draws, n = 4000, 23
    places = np.array([shuffled(key_of(7, Purpose.ROW_ORDER, i), n) for i in range(n_draws)])
    counts = np.array([np.bincount(column, minlength=n) for column in places.T])
    statistic = ((counts - n_draws / n) ** 2).sum() / (n_draws / n)
    freedom = (n - 1) ** 2
    assert chi2.ppf(0.0001, freedom) < statistic < chi2.ppf(0.9999, freedom)
    # ... and so are pairs of neighbours.
    pairs = Counter(zip(places[:, 0], places[:, 1], strict=True))
    expected = n_draws / (n * (n - 1))
    statistic = sum(
        (pairs[pair] - expected) ** 2 / expected for pair in itertools.permutations(range(n), 2)
    )
    assert chi2.ppf(0.0001, n * (n - 1) - 1) < statistic < chi2.ppf(0.9999, n * (n - 1) - 1)


def test_other_keys_give_other_orders():
    orders = {tuple(shuffled(key, 30)) for key in [*range(50), *(1 << i for i in range(6, 63))]}
    assert len(orders) == 50 + 57
