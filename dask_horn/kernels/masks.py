"""The masks of DropConnect: where their bits stand and how they are made, on every device.

A mask is made of tiles of MASK_ROWS × MASK_COLUMNS weights, numbered row after row; a tile has
MASK_WORDS words of 32 bits for each example. Row i and column j of a tile have, in word
``j % MASK_WORDS``, the bit ``4 i + j // MASK_WORDS`` below the highest one.

There are a hundred times as many bits as a dropout layer needs numbers. Philox, asked for the
counter ``(tile, digit, step, stream)``, gives the keys that the words' numbers in the tile are
hashed with, ``MASK_WORDS example + word``: two multiplications for 32 bits in place of twenty. What
comes out is a binary digit for each weight; its mask is set where the digits, read as a number, are
below the probability.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dask_horn.kernels.compile import inlined

#: Rows and columns of a tile, and the words that hold it.
MASK_ROWS, MASK_COLUMNS, MASK_WORDS = 8, 64, 16
#: Bits of a word that one row has.
QUARTERS = MASK_COLUMNS // MASK_WORDS
#: Binary digits of a probability, `network.layers.dropconnect.KEEP_STEPS`.
MASK_DIGITS = 8


@inlined
def first_digit(kept: Any) -> Any:
    """Return the first digit that decides anything where so many of 256 are kept."""
    digit = 0
    while digit < MASK_DIGITS - 1 and not kept >> digit & 1:
        digit += 1
    return digit


@inlined
def hashed(number: Any, key0: Any, key1: Any, key2: Any) -> Any:
    """Mix the bits of a number, so that every one depends on every one: a permutation.

    Shifts and factors are those of a search for the least bias: `lowbias32`, improved, of Wellons,
    "Prospecting for hash functions" (2018), with a key before each round.
    """
    x = np.uint32(number + key0)
    x = np.uint32(np.uint32(x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD))
    x = np.uint32(x + key1)
    x = np.uint32(np.uint32(x ^ (x >> np.uint32(15))) * np.uint32(0xD35A2D97))
    x = np.uint32(x + key2)
    return np.uint32(x ^ (x >> np.uint32(15)))
