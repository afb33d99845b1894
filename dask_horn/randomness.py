"""Keys of all randomness: by what is drawn and for which place, never by state.

So results do not depend on the order in which things are drawn, and drawing more for one purpose
changes no other.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What is drawn, and by which numbers a draw is told from others of its kind.

    The values belong to what a seed means, and so to checkpoints: they never change, and a new
    purpose takes a new one. The large ones are words that version 0.1 used.
    """

    BLOCK_ORDER = 1  #: round, group, pass
    ROW_ORDER = 2  #: round, group, sub-model, window
    MASKS = 3  #: round, group, sub-model
    INITIAL_VALUES = 4  #: member, tensor
    POPULATION_BLOCKS = 5  #: member
    POPULATION_ROWS = 6  #: member, window
    SAMPLED_INFERENCE = 7  #: layer
    PARTIAL_FIT = 8  #: calls before
    SURVEY_SAMPLE = 10  #: rows that initial values are measured on
    PARTITION = int.from_bytes(b"part", "big")  #: round, group, axis
    DEAL = int.from_bytes(b"deal", "little")  #: which group gets which row blocks
    HOLD_OUT = int.from_bytes(b"hold out", "little")  #: rows for validation, of stored samples
    SPOOL = int.from_bytes(b"spool", "little")  #: the order in which samples in memory are stored


def _sequence(seed: int, purpose: Purpose, ids: tuple[int, ...]) -> np.random.SeedSequence:
    # The purpose, which is not 0, is the last word, and settles how many there are before it.
    return np.random.SeedSequence([seed, *ids, purpose])


def key(seed: int, purpose: Purpose, *ids: int) -> int:
    """Return a 63-bit key.

    Parameters
    ----------
    seed : int
        The run's, not negative.
    purpose : Purpose
    *ids : int
        The numbers that the purpose names, all of them, each below 2**32.

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
