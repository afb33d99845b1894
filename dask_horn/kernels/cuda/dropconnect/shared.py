"""What the kernels of DropConnect have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cuda.dropconnect_masks import KEY_WORDS
from dask_horn.kernels.cuda.sizes import MASK_KEYS
from dask_horn.kernels.masks import MASK_COLUMNS, MASK_ROWS, MASK_WORDS, QUARTERS

ZERO, _ONE_BIT = np.float32(0), np.uint32(1)

#: Numbers of the keys of two runs of tiles: one is drawn while the other is used.
ALL_KEYS = 2 * MASK_KEYS * KEY_WORDS
#: Weights of a tile of the mask.
TILE = MASK_ROWS * MASK_COLUMNS


@inlined
def read(array: Any, place: Any) -> Any:
    """Return what is at a place: without a sign, it is not asked whether it counts from the end."""
    return array[np.uint64(place)]


@inlined
def put(array: Any, place: Any, value: Any) -> None:
    """Write to a place likewise."""
    array[np.uint64(place)] = value


@inlined
def spread(column: Any) -> Any:
    """Return where a column of 64 lies in shared memory: beside those of the same word."""
    return column % MASK_WORDS * QUARTERS + column // MASK_WORDS


@inlined
def kept(word: Any, row: Any, quarter: Any) -> Any:
    """Whether the mask keeps the weight of this row of the tile, and this column of the word's."""
    return word & (_ONE_BIT << np.uint32(31 - QUARTERS * row - quarter)) != 0
