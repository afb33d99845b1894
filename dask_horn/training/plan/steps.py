"""How the rows of some blocks become the batches of optimizer steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import Block, window_spans
from dask_horn.rounding import ceil_div


def count_steps(blocks: Sequence[Block], row_bytes: int, batch_size: int) -> int:
    """Optimizer steps of one pass over `blocks`, in their own order."""
    return sum(_n_batches(count_rows(span), batch_size) for span in window_spans(blocks, row_bytes))


def count_rows(blocks: Sequence[Block]) -> int:
    """Rows of some blocks together."""
    return sum(len(block) for block in blocks)


def _n_batches(n_rows: int, batch_size: int) -> int:
    return ceil_div(n_rows, batch_size)


def batch_starts(n_rows: int, batch_size: int) -> NDArray[np.int64]:
    """Where batches begin: all rows in the fewest batches, whose sizes differ by at most one."""
    n_batches = _n_batches(n_rows, batch_size)
    return np.arange(n_batches + 1) * n_rows // n_batches
