"""Whole numbers rounded up: the one thing that networks and kernels, else strangers, both need."""

from __future__ import annotations


def ceil_div(n: int, size: int) -> int:
    """Return how many pieces of `size` hold n.

    Examples
    --------
    >>> ceil_div(33, 16)
    3
    """
    return -(-n // size)


def round_up(n: int, size: int) -> int:
    """Return the first multiple of `size` that is at least n.

    Examples
    --------
    >>> round_up(33, 16)
    48
    """
    return -(-n // size) * size
