"""Philox 4x32-10, the one source of masks and shuffles, on both devices.

References
----------
Salmon, Moraes, Dror, Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", SC '11,
section 3.3: ten rounds of two 32-bit multiplications, the key raised by Weyl constants.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from dask_horn.kernels.compile import compiled, inlined

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


@inlined
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Four random uint32 of counter (c0, c1, c2, c3) and key (k0, k1), all uint64.

    Only the arguments' lower halves count. Words are 64 bits wide throughout, upper halves left
    as they come, for a vector's lanes to keep their width from round to round.
    """
    for _ in range(10):
        product0 = (c0 & _LOW) * _M0
        product1 = (c2 & _LOW) * _M1
        c0, c1 = (product1 >> _32) ^ c1 ^ k0, product1
        c2, c3 = (product0 >> _32) ^ c3 ^ k1, product0
        k0 += _W0
        k1 += _W1
    return np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)


@compiled(types.int64[::1](types.int64, types.int64))
def shuffled(key: int, n: int) -> NDArray[np.int64]:
    """Shuffle the numbers 0 … n - 1.

    Fisher and Yates' shuffle; the draw for position i is the upper half of ``u32 * (i + 1)``,
    whose bias is below 2**-11 for windows of 2**21 rows.
    """
    order = np.arange(n)
    k0, k1 = np.uint64(key), np.uint64(key >> 32)
    draws = np.empty(4, np.uint32)
    zero = np.uint64(0)
    for i in range(order.size - 1, 0, -1):
        if i % 4 == 3 or i == order.size - 1:
            draws[0], draws[1], draws[2], draws[3] = philox(
                np.uint64(i // 4), zero, zero, zero, k0, k1
            )
        j = (np.uint64(draws[i % 4]) * np.uint64(i + 1)) >> _32
        order[i], order[j] = order[j], order[i]
    return order
