"""The masks of DropConnect, word by word as they are needed; see `dask_horn.kernels.masks`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.masks import MASK_DIGITS, hashed
from dask_horn.kernels.opcodes import KEY, STEP, STREAM
from dask_horn.kernels.random import philox

#: Numbers of one key.
KEY_WORDS = 3


@inlined
def draw_keys(
    row: Any, counters: Any, first_tile: Any, tile_step: Any, n: Any, last: Any, t: Any,
    n_threads: Any, keys: Any, place: Any,
) -> None:  # fmt: skip
    """Draw the keys of n tiles, the first and those `tile_step` further on, for every digit.

    The threads of a block do it together, into ``keys[place …]``: a tile's digits, from `last` on,
    lie side by side.
    """
    key, n_digits = counters[KEY], MASK_DIGITS - last
    step, stream = np.uint64(counters[STEP]), np.uint64(row[STREAM])
    for k in range(t, n * n_digits, n_threads):
        own = np.uint32(k) // np.uint32(n_digits)
        tile, digit = first_tile + np.int64(own) * tile_step, last + k - np.int64(own) * n_digits
        key0, key1, key2, _ = philox(
            np.uint64(tile), np.uint64(digit), step, stream, np.uint64(key), np.uint64(key >> 32)
        )
        at = place + KEY_WORDS * k
        keys[np.uint64(at)], keys[np.uint64(at + 1)], keys[np.uint64(at + 2)] = key0, key1, key2


@inlined
def _key(keys: Any, at: Any) -> Any:
    """Return a key; places without a sign are not asked whether they count from the end."""
    return keys[np.uint64(at)], keys[np.uint64(at + 1)], keys[np.uint64(at + 2)]


@inlined
def draw_words(
    words: Any, n: Any, number: Any, step: Any, kept: Any, last: Any, keys: Any, at: Any
) -> None:
    """Draw n words of a tile: the one of this number, and those `step` further on.

    The tile's keys lie at ``keys[at …]``.
    """
    key0, key1, key2 = _key(keys, at)
    for e in range(n):
        words[e] = hashed(np.uint32(number + e * step), key0, key1, key2)
    for digit in range(last + 1, MASK_DIGITS):
        at += KEY_WORDS
        key0, key1, key2 = _key(keys, at)
        if kept >> digit & 1:
            for e in range(n):
                words[e] |= hashed(np.uint32(number + e * step), key0, key1, key2)
        else:
            for e in range(n):
                words[e] &= hashed(np.uint32(number + e * step), key0, key1, key2)
