"""The scalar bodies of the encodings, shared by both devices: plain arithmetic that vectorizes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dask_horn.kernels.compile import inlined

_ZERO, _ONE = np.float32(0), np.float32(1)
_HALF, _QUARTER = np.float32(0.5), np.float32(0.25)

#: Bins that are no wider than this have none: the inverse of a width is far from overflowing.
NARROWEST = 1e-30
_NARROWEST = np.float32(NARROWEST)

_ROUNDS = np.float32(1.5 * 2**23)  # added to a float32, it leaves an integer in the last bits
_MOST_TURNS = np.float32(2**22)  # from here on float32 has no more digits for a part of a turn

#: Radians of a turn.
TURN = np.float32(2 * math.pi)
# Taylor's series of sin 2πu.
_S1, _S3, _S5, _S7, _S9, _S11 = (
    np.float32((-1) ** (k // 2) * (2 * math.pi) ** k / math.factorial(k)) for k in range(1, 13, 2)
)


@inlined
def inverse_width(low: Any, high: Any) -> Any:
    """One over the width of a bin; 0 where it has none."""
    width = high - low
    return _ONE / width if width > _NARROWEST else _ZERO


@inlined
def share_of_bin(x: Any, low: Any, inverse: Any) -> Any:
    """How far x fills a bin, from -1/2 to 1/2."""
    share = (x - low) * inverse
    share = _ZERO if share < _ZERO else share  # so written, NaN stays NaN
    return (_ONE if share > _ONE else share) - _HALF


@inlined
def _sine(u: Any) -> Any:
    """Return sin 2πu for u from -1/4 to 1/4: the series' next term is below 6e-8."""
    v = u * u
    series = v * (v * (v * (v * _S11 + _S9) + _S7) + _S5) + _S3
    return u * (v * series + _S1)


@inlined
def cosine_and_sine(turns: Any) -> Any:
    """Return cos 2πt and sin 2πt, to 3e-7, of t in turns, so that whole ones are taken off exactly.

    Where so many are to be taken off that nothing would be left, t counts as whole.
    """
    rounded = turns + _ROUNDS
    rest = turns - (rounded - _ROUNDS)
    # 0 for a number, but NaN and infinity stay seen.
    rest = rest if abs(turns) < _MOST_TURNS else _ZERO * turns
    size = abs(rest)
    sine = _sine(_HALF - size if size > _QUARTER else size)
    return _sine(_QUARTER - size), -sine if rest < _ZERO else sine
