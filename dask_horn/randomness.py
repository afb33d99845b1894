"""Keys of all randomness: by what is drawn and for which place, never by state.

So results do not depend on the order in which things are drawn, and drawing more for one purpose
changes no other.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

__all__ = ["Purpose", "generator", "key"]


class Purpose(IntEnum):
    """What is drawn, and by which numbers a draw is told from others of its kind.

    The values belong to what a seed means: a new purpose takes a new one.
    """

    INITIAL_VALUES = 1  #: member, tensor
    PARTITION = 2  #: round, group, axis
    DEAL = 3  #: which group gets which row blocks
    HOLD_OUT = 4  #: rows for validation, of stored samples
    SPOOL = 5  #: the order of samples in memory as they are stored
    BLOCK_ORDER = 6  #: round, group, pass
    ROW_ORDER = 7  #: round, group, sub-model, window
    MASKS = 8  #: round, group, sub-model
    POPULATION_BLOCKS = 9  #: member
    POPULATION_ROWS = 10  #: member, window
    SAMPLED_INFERENCE = 11  #: layer
    PARTIAL_FIT = 12  #: calls before


def _sequence(seed: int, purpose: Purpose, ids: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(purpose, *ids))


def key(seed: int, purpose: Purpose, *ids: int) -> int:
    """Return a 63-bit key.

    Parameters
    ----------
    seed : int
        The run's, not negative.
    purpose : Purpose
    *ids : int
        The numbers that the purpose names, each below 2**32.

    Examples
    --------
    >>> key(0, Purpose.MASKS, 0, 1, 2) == key(0, Purpose.MASKS, 0, 1, 2)
    True
    >>> key(0, Purpose.MASKS, 0, 1, 2) == key(0, Purpose.BLOCK_ORDER, 0, 1, 2)
    False
    """
    return int(_sequence(seed, purpose, ids).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, purpose: Purpose, *ids: int) -> np.random.Generator:
    """Return a fresh generator, the same for the same arguments on every machine; as `key`."""
    return np.random.Generator(np.random.Philox(_sequence(seed, purpose, ids)))
