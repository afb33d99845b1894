"""Rows as a run gets them, without leaving anything in the cache."""

from __future__ import annotations

from dask_horn.data import decoded, forget


def decode(store, block, targets=None):
    """Decode a block for a run of its own."""
    try:
        return decoded("a run of its own", store, block, targets)
    finally:
        forget("a run of its own")
